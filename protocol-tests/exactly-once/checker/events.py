"""What clients wrote down, one JSON object a line, and what was read from the logs at the end.

A history belongs to one run of one worker, `WORKER.RUN.jsonl`. What is asked is written before it is asked, what is
answered after the answer. Times `t` are of the machine's monotonic clock, in nanoseconds, which all processes share.
A place is a partition, as `in-0`.

| event | fields | meaning |
| --- | --- | --- |
| `start` | client, isolation | a worker begins; the isolation level of its polls |
| `init`, `initialized`, `init-failed` | producer, id | a new producer asks for the producer id of a transactional id |
| `begin` | txn, producer | a transaction, numbered within the run |
| `send`, `acked`, `send-failed` | txn, value, place, offset | one record; every value is sent once |
| `offsets`, `offsets-taken` | txn, offsets | where the group is to go on, as a part of the transaction |
| `commit`, `committed`, `commit-failed` | txn | |
| `abort`, `aborted`, `abort-failed` | txn | |
| `sleep` | txn | from here on longer than the transaction's timeout |
| `failed` | txn, error | the client has refused something within the transaction |
| `position` | positions, asked, committed | where the next polls begin; `committed`: by what the group has committed |
| `revoked` | | nothing is assigned until the next `position` |
| `poll` | asked, records, txn | records as [place, offset, value]; `txn` when they were read within a transaction |
| `end`, `died` | error | the worker ended by itself |

A loop's value names the record that it was made of: `VALUE<in-0@17`.
"""

import json
import os
from dataclasses import dataclass, field


@dataclass
class Final:
    """The logs when nobody writes any more; per place, in the order of offsets."""

    # place -> [(offset, value)], as each isolation level reads it.
    committed: dict
    uncommitted: dict
    # place -> last stable offset and high watermark.
    stable: dict
    end: dict
    # place -> committed offset of the loops' group; None if it cannot be had since a transaction is open.
    group: dict | None
    # Transactional ids that the coordinator still holds to be in a transaction, with the state.
    open: list = field(default_factory=list)

    def as_json(self):
        return self.__dict__


def load_events(directory):
    """The events of every history in a directory, each with its worker and run, in the order of its history."""
    events = []
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".jsonl"):
            continue
        worker, run, _ = name.rsplit(".", 2)
        with open(os.path.join(directory, name)) as file:
            lines = file.read().split("\n")
        for number, line in enumerate(lines):
            if not line:
                continue
            try:
                event = json.loads(line)
            except ValueError:
                # Only the last words of a killed process may be cut off.
                if number < len(lines) - 1:
                    raise
                continue
            event["worker"], event["run"] = worker, int(run)
            events.append(event)
    return events


def load_final(path):
    with open(path) as file:
        return Final(**json.load(file))


def source_of(value):
    """(place, offset) of the record that a loop's value was made of, or None."""
    _, mark, source = value.partition("<")
    if not mark:
        return None
    place, _, offset = source.partition("@")
    return place, int(offset)
