"""Dependencies between committed transactions, as Elle infers them for lists that are appended to: here partitions.

| dependency | from T to U |
| --- | --- |
| `wr` | U polled a record of T, or went on in a partition where T had committed the group's offset |
| `ww` | a record of U follows one of T in a partition |
| `rw` | U's record is the next one after those that T polled |

| kind | meaning |
| --- | --- |
| `cycle` | a cycle of `wr` alone: each has read what the other wrote before either was committed |

Kafka does not isolate more than that. Transactions write to a partition side by side, so that cycles with `ww` (G0) are
allowed, and polls of several partitions are no snapshot, so that those with `rw` are. They are counted: they show that
transactions did run beside each other. What time forbids of them is checked without cycles, see `order` and `loops`.
"""

from bisect import bisect_left
from collections import defaultdict


def check(run):
    graph = edges(run, ("wr",))
    for cycle in knots(graph):
        names = " -> ".join(cycle[:6])
        yield "cycle", f"{len(cycle)} transactions have read from each other: {names}{' ...' if len(cycle) > 6 else ''}"


def figures(run):
    return {
        "G0 cycles": len(knots(edges(run, ("ww",)))),
        "G1c cycles with ww": len(knots(edges(run, ("ww", "wr")))),
        "cycles with rw": len(knots(edges(run, ("wr", "rw")))),
        "dependencies": sum(map(len, edges(run, ("wr",)).values())),
    }


def edges(run, kinds):
    """transaction -> the transactions that depend on it"""
    graph = defaultdict(set)
    makers = {"wr": (reads, continuations), "ww": (writes,), "rw": (unread,)}
    for kind in kinds:
        for make in makers[kind]:
            for before, after in make(run):
                if before != after:
                    graph[before].add(after)
    return graph


def reads(run):
    for transaction in run.told.transactions:
        if run.seen_committed(transaction):
            for _, _, value, _ in transaction.reads:
                writer, _ = run.told.sends.get(value, (None, None))
                if writer is not None and run.seen_committed(writer):
                    yield writer.name, transaction.name


def continuations(run):
    """The transactions that moved a group's offset, in the order of the offsets that they left."""
    moves = defaultdict(list)
    for transaction in run.told.transactions:
        if run.seen_committed(transaction):
            for place, offset in transaction.offsets.items():
                moves[place].append((offset, transaction.name))
    for rows in moves.values():
        rows.sort()
        for (_, before), (_, after) in zip(rows, rows[1:]):
            yield before, after


def writes(run):
    for rows in run.final.committed.values():
        names = [run.told.sends[value][0].name for _, value in rows if value in run.told.sends]
        yield from zip(names, names[1:])


def unread(run):
    for transaction in run.told.transactions:
        if not run.seen_committed(transaction):
            continue
        last = {}
        for place, offset, _, _ in transaction.reads:
            last[place] = max(offset, last.get(place, -1))
        for place, offset in last.items():
            rows = run.final.committed.get(place, [])
            here = bisect_left(rows, offset + 1, key=lambda row: row[0])
            if here < len(rows) and rows[here][1] in run.told.sends:
                yield transaction.name, run.told.sends[rows[here][1]][0].name


def knots(graph):
    """Strongly connected components of more than one node (Tarjan's algorithm, without recursion)."""
    index, low, on_stack, stack, found = {}, {}, set(), [], []
    for root in list(graph):
        if root in index:
            continue
        work = [(root, iter(sorted(graph[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for follower in rest:
                if follower not in index:
                    index[follower] = low[follower] = len(index)
                    stack.append(follower)
                    on_stack.add(follower)
                    work.append((follower, iter(sorted(graph.get(follower, ())))))
                    break
                if follower in on_stack:
                    low[node] = min(low[node], index[follower])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    if len(component) > 1:
                        found.append(sorted(component))
    return found
