"""Consume, transform, produce: each visible record of the input has one visible output, once its offset is committed.

| kind | meaning |
| --- | --- |
| `processed-twice` | two visible outputs of one record |
| `offset-without-output` | the group is past a record of which there is no visible output |
| `output-without-offset` | a visible output of a record that the group has still before it |
| `output-of-nothing` | a visible output of a record that is not visible |
| `left-behind` | a visible record that nobody has processed, although there was time |
| `offsets-gone-back` | a member was told a position before one that had been committed |
| `aborted-offsets` | a member was told a position that no committed transaction had left |
"""

from bisect import bisect_left
from collections import defaultdict

from .events import source_of
from .transactions import ABORTED, COMMITTED


def check(run):
    if run.final.group != {}:
        yield from outputs(run)
        yield from positions(run)


def outputs(run):
    made_of = defaultdict(list)
    for rows in run.final.committed.values():
        for _, value in rows:
            source = source_of(value)
            if source:
                made_of[source].append(value)
    # Without the group's offsets each output still has one source, and no source two outputs.
    group = run.final.group or dict.fromkeys((place for place, _ in made_of))
    for place, committed in group.items():
        for offset, value in run.final.committed.get(place, []):
            made = made_of.pop((place, offset), [])
            if len(made) > 1:
                yield "processed-twice", f"{value} at {place}@{offset} became {' and '.join(made)}"
            if committed is None:
                continue
            if offset < committed and not made:
                yield "offset-without-output", f"{value} at {place}@{offset} has no output, the group is at {committed}"
            if offset >= committed and made:
                yield "output-without-offset", f"{value} at {place}@{offset} became {made[0]}, the group is at {committed}"
            if offset >= committed and not made:
                yield "left-behind", f"{value} at {place}@{offset}, the group is at {committed}"
    for (place, offset), made in made_of.items():
        yield "output-of-nothing", f"{made[0]} was made of a record that is not visible at {place}@{offset}"


def positions(run):
    """What members were told when they began, against the transactions that had moved the group."""
    moves = defaultdict(list)
    for transaction in run.told.transactions:
        for place, offset in transaction.offsets.items():
            moves[place].append((offset, transaction))
    for rows in moves.values():
        rows.sort(key=lambda row: row[1].ended)
    answered = {place: running_most(rows) for place, rows in moves.items()}
    may_be = {place: {offset for offset, transaction in rows if transaction.outcome != ABORTED} for place, rows in moves.items()}
    for event in run.events:
        if event["e"] != "position" or not event.get("committed"):
            continue
        for place, position in event["positions"].items():
            least = most_before(answered.get(place, []), event["asked"])
            if position < least:
                yield "offsets-gone-back", f"{event['worker']} was told {place}@{position}, {least} had been committed"
            if position and position not in may_be.get(place, ()):
                yield "aborted-offsets", f"{event['worker']} was told {place}@{position}, which no transaction has committed"


def running_most(rows):
    """[(time, the highest offset whose commit was answered by then)]"""
    most, steps = 0, []
    for offset, transaction in rows:
        if transaction.outcome == COMMITTED:
            most = max(most, offset)
            steps.append((transaction.ended, most))
    return steps


def most_before(steps, time):
    index = bisect_left(steps, (time, -1))
    return steps[index - 1][1] if index else 0
