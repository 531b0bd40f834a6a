"""A bit that flips in a closed segment is found in the background, named, and harms nothing else.

A clean stop, so that no recovery reads the segment, one bit, a start: the scrub tells partition, offset, file and
position. The other records are served, and the broker goes on.
"""

import os
import re

from client import Client, batches_in_file
from stage import Stage, check, eventually, passed, same

SEGMENT_BYTES = 1 << 20
VALUES = [b"%03d " % number + os.urandom(100_000) for number in range(40)]
SETTINGS = {
    "log.initial.task.delay.ms": 0,
    "zurau.scrub.interval.ms": 200,
    "zurau.scrub.bytes.per.second": 200 << 20,
}
# A finding in text: what it is about stands behind the message, as key=value.
FOUND = re.compile(r"(\w+)=(\"[^\"]*\"|\S+)")


def findings(broker):
    return [dict(FOUND.findall(line)) for line in broker.logged(" ERROR ", "damaged on disk")]


def flip(path, position, bit=3):
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ (1 << bit)]))


def filled(stage, name, **settings):
    """A broker that was stopped cleanly, with closed segments in partition 1 of two."""
    broker = stage.broker({**SETTINGS, **settings}, name=name)
    broker.start()
    with Client(broker) as client:
        client.create_topic("cold", partitions=2, configs={"segment.bytes": SEGMENT_BYTES})
        for value in VALUES:
            client.produce_values("cold", [value], partition=1)
        client.produce_values("cold", [b"other"], partition=0)
    same("exit status", broker.stop(), 0)
    check(len(broker.files("cold", ".log", partition=1)) > 3, "there are closed segments")
    return broker


def told(broker, file, offset, position):
    """Waits for the finding."""
    eventually("the scrub tells of it", lambda: findings(broker), seconds=30)
    found = findings(broker)[0]
    same("what the finding names", (found["partition"], int(found["offset"]), found["file"], int(found["position"])),
         ("cold-1", offset, file, position))


def a_bad_batch(stage):
    broker = filled(stage, "a-bad-batch")
    file = broker.files("cold", ".log", partition=1)[1]
    batch = batches_in_file(file)[2]
    flip(file, batch.position + 5_000)
    broker.start()
    told(broker, file, batch.base_offset, batch.position)
    with Client(broker) as client:
        # The bad batch goes out as it is: whoever gets it finds the checksum wrong. All else is as it was.
        read = dict(client.read("cold", partition=1))
        same("records that differ", [at for at, value in enumerate(VALUES) if read[at] != value], [batch.base_offset])
        same("the other partition", client.read("cold", partition=0), [(0, b"other")])
        same("the next offset", client.produce_values("cold", [b"after"], partition=1), len(VALUES))
        # A second one, while it runs: by then the first was seen again, and was not told again.
        later = broker.files("cold", ".log", partition=1)[2]
        second = batches_in_file(later)[-1]
        flip(later, second.position + 70)
        eventually("the second is found", lambda: len(findings(broker)) > 1, seconds=30)
        same("offsets that were told", [int(found["offset"]) for found in findings(broker)],
             [batch.base_offset, second.base_offset])
        # Whole segments with what is wrong in them can go.
        client.delete_topic("cold")
    same("exit status", broker.stop(), 0)
    same("findings in the end", len(findings(broker)), 2)
    passed("a flipped bit of a batch is told once, with offset and position")


def a_bad_length(stage):
    """A header that lies about the length hides what follows; it is found, and the broker does not grow."""
    broker = filled(stage, "a-bad-length")
    file = broker.files("cold", ".log", partition=1)[0]
    batch = batches_in_file(file)[4]
    flip(file, batch.position + 9, bit=1)
    broker.start()
    told(broker, file, batch.base_offset, batch.position)
    same("exit status", broker.stop(), 0)
    passed("a flipped bit of a length is told")


def a_bad_index(stage):
    """The cure that the manual names: the index is removed while the broker is stopped."""
    broker = filled(stage, "a-bad-index")
    file = broker.files("cold", ".index", partition=1)[1]
    with open(file, "rb") as index:
        good = index.read()
    check(len(good) >= 16, "the index has entries")
    flip(file, 8 + 7)
    broker.start()
    eventually("the scrub tells of it", lambda: findings(broker), seconds=30)
    found = findings(broker)[0]
    same("what the finding names", (found["partition"], found["file"], int(found["position"])), ("cold-1", file, 8))
    same("exit status", broker.stop(), 0)
    os.unlink(file)
    broker.start()
    with Client(broker) as client:
        same("records", [value for _, value in client.read("cold", partition=1)], VALUES)
    same("exit status", broker.stop(), 0)
    with open(file, "rb") as index:
        same("the index is as it was", index.read() == good, True)
    same("findings after the cure", findings(broker), [])
    passed("a flipped bit of an index is told, and an index that is removed is made anew")


def turned_off(stage):
    broker = filled(stage, "turned-off", **{"zurau.scrub.bytes.per.second": 0})
    flip(broker.files("cold", ".log", partition=1)[0], 5_000)
    broker.start()
    threads = list(threads_of(broker.pid))
    check("scrubber" not in threads, f"there is a scrubber: {threads}")
    same("exit status", broker.stop(), 0)
    same("findings", findings(broker), [])
    passed("no pace, no scrubber")


def threads_of(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm") as name:
            yield name.read().strip()


with Stage(seconds=150) as stage:
    for step in (a_bad_batch, a_bad_length, a_bad_index, turned_off):
        stage.step(step)
