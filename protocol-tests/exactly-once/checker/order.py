"""The order of records within a partition.

| kind | meaning |
| --- | --- |
| `reordered-write` | a record that was acknowledged before another was sent lies behind it, or a producer's own out of turn |
"""

from .transactions import NEVER


def check(run):
    for place, rows in run.final.uncommitted.items():
        known = [(offset, *run.told.sends[value]) for offset, value in rows if value in run.told.sends]
        yield from against_time(place, known)
        yield from of_producers(place, known)


def against_time(place, known):
    """From the end to the beginning: nothing was sent later than something behind it was acknowledged."""
    earliest, behind = NEVER, None
    for offset, _, send in reversed(known):
        if send.asked > earliest:
            yield "reordered-write", (f"{place}: {send.value} at {offset} was sent after {behind.value} at {behind.offset} "
                                      "was acknowledged")
        if send.acked < earliest:
            earliest, behind = send.acked, send


def of_producers(place, known):
    latest = {}
    for offset, transaction, send in known:
        before = latest.get(transaction.producer.name)
        if before is not None and before.asked > send.asked:
            yield "reordered-write", f"{place}: {send.value} at {offset} is behind {before.value}, which was sent later"
        latest[transaction.producer.name] = send
