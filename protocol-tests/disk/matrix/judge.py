"""What became of the records of a topic, and whether it was said.

`WHOLE`: each acknowledged record is served at its offset. `IN_PART`: those that are not are in the ranges that ERROR lines of the
partition name (`first_lost=` and `last_lost=`, or `offset=` and `before=` of a scrub). `OFFLINE`: the partition answers errors, and an ERROR line says why. Whatever
else is the case, is a failure.
"""

import re
import time

from client import KAFKA_STORAGE_ERROR, records_of

from wire.records import simple_batch

from .seed import ACKNOWLEDGED, BATCHES, RECORDS, SEGMENTS, value

WHOLE, IN_PART, OFFLINE = "served whole", "served in part, told", "offline, told"

SCRUBBED = re.compile(r"damaged on disk.* offset=(\d+)\b.* before=(\d+)\b")
LOST = re.compile(r"\bfirst_lost=(\d+)\b.*\blast_lost=(\d+)\b")


# For the first round of the scrub.
PATIENCE_SECONDS = 20


class Verdict:
    def __init__(self, outcome, lost=(), failures=()):
        self.outcome = outcome
        self.lost = list(lost)
        self.failures = list(failures)


def lost_of(client, topic):
    """The offsets that were acknowledged and are not served, and the codes of the answers. Reads batch by batch, so that
    one that cannot be read does not hide the others."""
    lost, codes = set(), set()
    for number in range(SEGMENTS * BATCHES):
        first = number * RECORDS
        wanted = {first + index: value(topic, first + index) for index in range(RECORDS)}
        got, code = fetch(client, topic, first)
        codes.add(code)
        lost |= {offset for offset, text in wanted.items() if got.get(offset) != text}
    return sorted(lost), codes


def judge(broker, client, topic):
    lost, codes = lost_of(client, topic)
    failures = []
    if codes == {KAFKA_STORAGE_ERROR}:
        if not errors_of(broker, topic):
            failures.append("it is offline, and no ERROR names it")
        return Verdict(OFFLINE, lost, failures)
    untold = untold_of(broker, topic, lost)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while untold and time.monotonic() < deadline:
        # The scrub has its first round yet to end.
        time.sleep(0.2)
        untold = untold_of(broker, topic, lost)
    if untold:
        failures.append(f"offsets {untold[0]} to {untold[-1]} ({len(untold)}) are gone, and no ERROR names them")
    failures += append(client, topic)
    return Verdict(IN_PART if lost else WHOLE, lost, failures)


def errors_of(broker, topic):
    return broker.logged(" ERROR ", f"{topic}-0")


def untold_of(broker, topic, lost):
    told = told_ranges(errors_of(broker, topic))
    return [offset for offset in lost if not any(first <= offset <= last for first, last in told)]


def fetch(client, topic, offset):
    got = client.fetch(topic, offset, max_bytes=1)
    try:
        return dict(records_of(got["records"] or b"")), got["error_code"]
    except (IndexError, UnicodeError):
        # bytes that are no records; whoever gets them finds the checksum wrong
        return {}, got["error_code"]


def told_ranges(errors):
    matches = (LOST.search(line) for line in errors)
    found = [(int(match[1]), int(match[2])) for match in matches if match]
    scrubbed = (SCRUBBED.search(line) for line in errors)
    return found + [(int(match[1]), int(match[2]) - 1) for match in scrubbed if match]


def append(client, topic):
    """What is written next must not get an offset that was acknowledged for another record."""
    answer = client.produce(topic, simple_batch([b"later"]))
    if answer["error_code"]:
        return [f"it is served, and does not take records: error {answer['error_code']}"]
    if answer["base_offset"] < ACKNOWLEDGED:
        return [f"offset {answer['base_offset']} is given once more, {ACKNOWLEDGED} were acknowledged"]
    return []
