"""Segments: their names, their sizes, when a new one begins."""

import os
import time

from client import Client, batches_in_file
from stage import Stage, check, eventually, passed, same

from wire.records import simple_batch

SEGMENT_BYTES = 1048576


def base_of(path):
    return int(os.path.basename(path).split(".")[0])


def layout(broker, topic):
    """The segments' first offsets, after checking that names, contents and indexes fit together."""
    logs = broker.files(topic, ".log")
    next_offset = None
    for number, path in enumerate(logs):
        name = os.path.basename(path)
        same(f"digits in the name {name}", len(name), 24)
        batches = batches_in_file(path)
        same(f"bytes of whole batches in {name}", sum(batch.size for batch in batches), os.path.getsize(path))
        if batches:
            same(f"first offset in {name}", batches[0].base_offset, base_of(path))
            if next_offset is not None:
                same(f"{name} goes on where the one before it ended", base_of(path), next_offset)
            next_offset = batches[-1].last_offset + 1
        else:
            same(f"only the last segment may be empty: {name}", number, len(logs) - 1)
        for ending in (".index", ".timeindex"):
            index = path.removesuffix(".log") + ending
            check(os.path.exists(index), f"{os.path.basename(index)} is missing")
            # A closed segment's indexes are cut to what they hold.
            if number < len(logs) - 1:
                entry = 8 if ending == ".index" else 12
                size = os.path.getsize(index)
                check(size % entry == 0 and size <= entry * (len(batches) + 1), f"{os.path.basename(index)} has {size} bytes")
    return [base_of(path) for path in logs]


def by_size(stage):
    broker = stage.broker()
    broker.start()
    values = [os.urandom(10_000) for _ in range(10)]
    batch = simple_batch(values)
    with Client(broker) as client:
        client.create_topic("sized", configs={"segment.bytes": SEGMENT_BYTES})
        for number in range(50):
            same("base offset", client.must_produce("sized", batch), number * 10)
        bases = layout(broker, "sized")
        # 10 batches of some 100 kB fit, an eleventh would not.
        same("first offsets of the segments", bases, [0, 100, 200, 300, 400])
        for path in broker.files("sized", ".log"):
            check(os.path.getsize(path) <= SEGMENT_BYTES, f"{path} is larger than segment.bytes")
        for base in bases[1:]:
            snapshot = f"{base:020d}.snapshot"
            path = os.path.join(broker.partition_directory("sized"), snapshot)
            # It is written with the sync that follows upon the roll.
            eventually(f"{snapshot} is there", lambda path=path: os.path.exists(path))
        for offset in (0, 5, 99, 100, 199, 250, 499):
            got = client.fetch("sized", offset, max_bytes=1)
            same(f"error at {offset}", got["error_code"], 0)
        everything = [value for _, value in client.read("sized")]
        same("records over all segments", everything == values * 50, True)
        # One batch that is larger than half a segment, to see that the limit counts and not the number.
        client.create_topic("lumps", configs={"segment.bytes": SEGMENT_BYTES})
        lump = simple_batch([b"l" * 700_000])
        for _ in range(3):
            client.must_produce("lumps", lump)
        same("first offsets of the segments of lumps", layout(broker, "lumps"), [0, 1, 2])
    same("exit status", broker.stop(), 0)
    same("the segments after a clean stop", layout(broker, "sized"), bases)
    broker.start()
    same("the segments after a start", layout(broker, "sized"), bases)
    with Client(broker) as client:
        same("the next offset", client.must_produce("sized", batch), 500)
        same("the new record's segment", layout(broker, "sized")[-1], 500)
    broker.kill9()
    broker.start()
    with Client(broker) as client:
        same("range after SIGKILL", client.range("sized"), (0, 510))
        same("records after SIGKILL", [value for _, value in client.read("sized")] == values * 51, True)
    layout(broker, "sized")
    same("exit status", broker.stop(), 0)
    passed("segments by size")


def by_time(stage):
    """A segment is as old as the distance between its first record and the next one to come."""
    broker = stage.broker()
    broker.start()
    now = int(time.time() * 1000)
    with Client(broker) as client:
        client.create_topic("stamped", configs={"segment.ms": 10_000})
        for offset, age in enumerate((-30_000, -25_000, -21_000, -19_999, -12_000, 0)):
            batch = simple_batch([b"aged"], base_timestamp=now + age)
            same("base offset", client.must_produce("stamped", batch), offset)
        # -19 999 is 10 001 ms behind the first; then 0 is 19 999 ms behind that.
        same("first offsets by timestamps", layout(broker, "stamped"), [0, 3, 5])
        client.create_topic("clocked", configs={"segment.ms": 1000})
        client.produce_values("clocked", [b"one", b"two"])
        time.sleep(1.3)
        same("nothing rolls while nothing comes", layout(broker, "clocked"), [0])
        client.produce_values("clocked", [b"three"])
        same("first offsets by the clock", layout(broker, "clocked"), [0, 2])
        # Records that come out of order do not make a segment younger.
        client.create_topic("mixed", configs={"segment.ms": 10_000})
        for age in (-5_000, -60_000, -1_000, 5_001):
            client.must_produce("mixed", simple_batch([b"mixed"], base_timestamp=now + age))
        same("first offsets of mixed timestamps", layout(broker, "mixed"), [0, 3])
    same("exit status", broker.stop(), 0)
    broker.start()
    with Client(broker) as client:
        # The age counts from the first record on disk, not from the start of the process.
        client.must_produce("stamped", simple_batch([b"aged"], base_timestamp=now + 10_001))
        same("first offsets after a start", layout(broker, "stamped"), [0, 3, 5, 6])
    same("exit status", broker.stop(), 0)
    passed("segments by time")


def by_full_index(stage):
    """An index that has no room for another entry closes its segment."""
    broker = stage.broker()
    broker.start()
    with Client(broker) as client:
        client.create_topic("indexed", configs={"segment.index.bytes": 80, "index.interval.bytes": 1})
        for _ in range(40):
            client.produce_values("indexed", [b"entry"])
        bases = layout(broker, "indexed")
        check(3 <= len(bases) <= 10, f"40 batches with room for 10 entries an index make segments at {bases}")
        same("records over them", len(client.read("indexed")), 40)
    same("exit status", broker.stop(), 0)
    passed("segments by full index")


def defaults_of_the_broker(stage):
    """log.segment.bytes counts where the topic says nothing, and a topic's own value over it."""
    broker = stage.broker({"log.segment.bytes": 2 * SEGMENT_BYTES})
    broker.start()
    batch = simple_batch([b"d" * 100_000])
    with Client(broker) as client:
        client.create_topic("inherits")
        client.create_topic("overrides", configs={"segment.bytes": SEGMENT_BYTES})
        for _ in range(25):
            client.must_produce("inherits", batch)
            client.must_produce("overrides", batch)
        same("first offsets with the broker's size", layout(broker, "inherits"), [0, 20])
        same("first offsets with the topic's size", layout(broker, "overrides"), [0, 10, 20])
    same("exit status", broker.stop(), 0)
    passed("defaults of the broker")


with Stage(seconds=100) as stage:
    stage.step(by_size)
    stage.step(by_time)
    stage.step(by_full_index)
    stage.step(defaults_of_the_broker)
