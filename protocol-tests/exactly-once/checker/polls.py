"""Polls go through a partition in its order and leave nothing out.

| kind | meaning |
| --- | --- |
| `skipped-poll` | records that the isolation level shows at the end lie between two polled ones, or after a position |
| `reordered-poll` | a record at or before one that the same consumer has polled, without a seek between |
| `vanished` | a polled record that is not in the log at the end |
"""

from bisect import bisect_left


def check(run):
    committed, uncommitted = ({place: [offset for offset, _ in rows] for place, rows in level.items()}
                              for level in (run.final.committed, run.final.uncommitted))
    # (worker, run) -> place -> the offset from which it polls next
    following = {}
    for event in run.events:
        kind = event["e"]
        if kind not in ("position", "revoked", "poll"):
            continue
        places = following.setdefault((event["worker"], event["run"]), {})
        if kind == "position":
            places.update(event["positions"])
        elif kind == "revoked":
            places.clear()
        else:
            yield from poll(event, places, committed if run.reads_committed(event) else uncommitted, uncommitted)


def poll(event, places, shown, stored):
    for place, offset, value in event["records"]:
        due = places.get(place)
        offsets = shown.get(place, [])
        here = bisect_left(offsets, offset)
        if not contains(stored.get(place, []), offset):
            yield "vanished", f"{event['worker']} polled {value} at {place}@{offset}, which is not there at the end"
        if due is None:
            yield "reordered-poll", f"{event['worker']} polled {place}@{offset} without an assignment"
        elif offset < due:
            yield "reordered-poll", f"{event['worker']} polled {place}@{offset}, {due} was due"
            continue
        else:
            skipped = here - bisect_left(offsets, due)
            if skipped:
                first = offsets[bisect_left(offsets, due)]
                yield "skipped-poll", (f"{event['worker']}.{event['run']} polled {place}@{offset}, {due} was due: "
                                       f"{skipped} records between, the first at {first}")
        places[place] = offset + 1


def contains(offsets, offset):
    here = bisect_left(offsets, offset)
    return here < len(offsets) and offsets[here] == offset
