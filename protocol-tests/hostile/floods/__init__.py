"""Floods: what a stranger can send by the gigabyte, against a broker that may have 512 MiB.

Each flood gets a release binary of its own in a memory cgroup. While it lasts, an honest client in a process of its own goes
on with its small requests. A flood passes when

* the broker lives, and ends with status 0 when it is asked to at the end;
* each habit of the honest client is answered within 250 ms at p99, with no error, all the while;
* a minute after the flood at most, the broker's resident size is what it was before, plus 32 MiB.

    arena.py      one flood from the start of its broker to its row in the table
    cgroup.py     the limit of memory, where the machine can set one
    honest.py     the honest client and its stopwatch
    crowd.py      the attackers: many connections in one process, its bytes made before the flood begins
    requests.py   long requests: arrays of a million entries, made out of the schemas of `wire`
    groups.py and the other modules are families of floods; each has a list `FLOODS`

The attackers run at a low priority and the honest client at a higher one, so that what is measured is the broker.
"""
