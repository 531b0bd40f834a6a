"""Nobody who reads committed records passes an open transaction, and none is open at the end.

A transaction is surely open from its first record until its producer asks for the end, its timeout has passed since
its begin, or another producer asks for the same transactional id, whichever is first.

| kind | meaning |
| --- | --- |
| `read-beyond-open` | a poll under read_committed of a record behind the first one of a transaction that was surely open |
| `hanging` | a last stable offset before the end of the log, or a transaction that the coordinator holds to be open |
"""

from bisect import bisect_left
from collections import defaultdict


def check(run):
    for place, end in run.final.end.items():
        if run.final.stable[place] != end:
            yield "hanging", f"{place}: the last stable offset is {run.final.stable[place]}, the log ends at {end}"
    if run.final.group is None:
        yield "hanging", "offsets of the group belong to a transaction that does not end"
    for entry in run.final.open:
        yield "hanging", f"the coordinator still has {entry}"
    yield from beyond(run)


def beyond(run):
    firsts = defaultdict(list)
    surely = surely_open(run.told)
    offset_of = {value: (place, offset) for place, rows in run.final.uncommitted.items() for offset, value in rows}
    for transaction in run.told.transactions:
        places = {}
        for send in transaction.sends:
            place, offset = offset_of.get(send.value, (send.place, send.offset))
            if offset is not None:
                places[place] = min(offset, places.get(place, offset))
        for place, offset in places.items():
            firsts[place].append((offset, surely[transaction.name], transaction))
    # Per place: the first offsets in order, and of all transactions up to each the one that is open the longest.
    latest = {}
    for place, rows in firsts.items():
        rows.sort(key=lambda row: row[0])
        best, longest = None, []
        for row in rows:
            best = row if best is None or row[1] > best[1] else best
            longest.append(best)
        latest[place] = ([row[0] for row in rows], longest)
    for event in run.polls:
        if not run.reads_committed(event):
            continue
        ends = {place: offset for place, offset, _ in event["records"]}
        for place, offset in ends.items():
            if place not in latest:
                continue
            offsets, longest = latest[place]
            before = bisect_left(offsets, offset)
            if before and longest[before - 1][1] > event["t"]:
                first, _, transaction = longest[before - 1]
                yield "read-beyond-open", (f"{event['worker']} polled {place}@{offset} while {transaction.name} was open, "
                                           f"whose first record there is at {first}")


def surely_open(told):
    """Transaction -> the time until which nobody can have ended it."""
    others = defaultdict(list)
    for producer in told.producers:
        others[producer.transactional_id].append(producer)
    surely = {}
    for transaction in told.transactions:
        until = min(transaction.end_asked, transaction.begun + transaction.timeout)
        for producer in others[transaction.producer.transactional_id]:
            # Asked and answered before it began, an initialization does not touch it.
            if producer is not transaction.producer and producer.answered >= transaction.begun:
                until = min(until, max(producer.asked, transaction.begun))
        surely[transaction.name] = until
    return surely
