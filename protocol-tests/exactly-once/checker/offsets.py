"""One value at one offset, and one offset for one value, whoever says so.

| kind | meaning |
| --- | --- |
| `inconsistent-offset` | two values at one offset, or one value at two offsets, in acknowledgements, polls and the logs |
"""


def check(run):
    value_at, place_of = {}, {}

    def note(who, place, offset, value):
        before, first = value_at.setdefault((place, offset), (value, who))
        if before != value:
            yield "inconsistent-offset", f"{place}@{offset}: {value} says {who}, {before} says {first}"
        where, first = place_of.setdefault(value, ((place, offset), who))
        if where != (place, offset):
            yield "inconsistent-offset", f"{value}: at {place}@{offset} says {who}, at {where[0]}@{where[1]} says {first}"

    for level in ("uncommitted", "committed"):
        for place, rows in getattr(run.final, level).items():
            for offset, value in rows:
                yield from note(f"the log as {level}", place, offset, value)
    for value, (transaction, send) in run.told.sends.items():
        if send.offset is not None:
            yield from note(f"the acknowledgement to {transaction.name}", send.place, send.offset, value)
    for event in run.polls:
        for place, offset, value in event["records"]:
            yield from note(f"a poll of {event['worker']}", place, offset, value)
