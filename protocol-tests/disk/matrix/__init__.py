"""Every kind of file x every way in which it can be damaged x both ways to stop: what a start makes of it.

    python3 -m matrix [PATTERN ...]      from protocol-tests/disk; only the cases whose names match

The bar: no start may end with acknowledged records gone and no ERROR that names them; no start may hang; and no
offset that was acknowledged may be given to another record.

| module | what it is |
| --- | --- |
| `ways` | the ways to damage one file: missing, empty, cut, zeroed, flipped, swapped, linked, FIFO, huge, ... |
| `case` | what a case is, and how many of them share a start |
| `seed` | the data directories that are damaged: filled once, stopped cleanly and killed |
| `judge` | what became of a topic: served whole, served in part and told, offline and told, set aside |
| `segment_files`, ... | the families: a list `CASES` each, named in `__main__` |

A new family is a module with a list `CASES`; see `case` for what stands in it.
"""
