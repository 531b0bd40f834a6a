"""After an unclean end: torn tails are cut, what is whole behind a damaged batch is set aside, indexes are made anew.

After a clean end nothing is scanned, which damage that goes unnoticed proves.
"""

import os
import random

from client import KAFKA_STORAGE_ERROR, Client, batches_in_file
from stage import Stage, check, passed, same

from wire.records import simple_batch

BATCHES = 60
PER_BATCH = 5
# Large enough for several index entries in a segment.
VALUES = [[b"%04d-%d " % (batch, index) + b"v" * 400 for index in range(PER_BATCH)] for batch in range(BATCHES)]
TOPIC = "recovered"
# What was acknowledged shortly before a kill is not known to the next start: only then an end can be torn.
SETTINGS = {"replica.high.watermark.checkpoint.interval.ms": 3_600_000}


class Subject:
    """A broker with a topic of known records, stopped in one way or the other."""

    def __init__(self, stage, name, cleanly=False, configs=None):
        self.broker = stage.broker(SETTINGS, name=name)
        self.broker.start()
        with Client(self.broker) as client:
            client.create_topic(TOPIC, configs=configs)
            for values in VALUES:
                client.produce_values(TOPIC, values)
        self.end(cleanly)

    def end(self, cleanly):
        if cleanly:
            same("exit status", self.broker.stop(), 0)
        else:
            self.broker.kill9()

    def log(self):
        return self.broker.files(TOPIC, ".log")[-1]

    def append(self, data):
        with open(self.log(), "ab") as file:
            file.write(data)

    def flip(self, position):
        with open(self.log(), "r+b") as file:
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ 0x10]))

    def start(self, what, batches_left, tells, end=None):
        """Starts it; the records of the first batches must be there and nothing else, and the log must
        tell of a cut (True), of none (False). It goes on at `end`, where that is not the end of these records."""
        broker = self.broker
        broker.start()
        wanted = [value for values in VALUES[:batches_left] for value in values]
        with Client(broker) as client:
            same(f"{what}: range", client.range(TOPIC), (0, len(wanted) if end is None else end))
            same(f"{what}: records are intact", client.read(TOPIC, to_the_end=False) == list(enumerate(wanted)), True)
        told = [line for line in broker.log_lines() if TOPIC in line and " WARN " in line]
        if tells:
            check(any("cut" in line or "truncat" in line for line in told), f"{what}: the log does not tell that something was cut: {told}")
        else:
            same(f"{what}: warnings about the topic", told, [])

    def goes_on(self, what, end):
        """New records begin there, and are there after a clean restart and after SIGKILL."""
        broker = self.broker
        with Client(broker) as client:
            same(f"{what}: the next offset", client.produce_values(TOPIC, [b"after"]), end)
        for cleanly in (True, False):
            self.end(cleanly)
            broker.start()
            with Client(broker) as client:
                same(f"{what}: the new record", client.read(TOPIC, offset=end), [(end, b"after")])
        self.end(True)


def torn_tails(stage):
    subject = Subject(stage, "torn")
    length = os.path.getsize(subject.log())
    good = simple_batch([b"never acknowledged"] * 20, base_offset=BATCHES * PER_BATCH)
    chance = random.Random(11)
    # Nothing was torn: a scan, and no cut.
    subject.start("SIGKILL alone", BATCHES, tells=False)
    check(subject.broker.logged("logs opened", "bytes_read="), "the log does not tell that logs were checked after SIGKILL")
    tails = {
        "random bytes": chance.randbytes(1000), "one byte": b"\x01", "less than a header": good[:40],
        "half a batch": good[: len(good) // 2], "a batch without its last byte": good[:-1], "zeros": bytes(4096),
        "a batch with a wrong checksum": good[:-1] + bytes([good[-1] ^ 1]),
        "a length that claims the rest of the world": good[:8] + b"\x7f\xff\xff\xff" + good[12:],
    }
    for name, tail in tails.items():
        subject.end(cleanly=False)
        same(f"length before {name}", os.path.getsize(subject.log()), length)
        subject.append(tail)
        subject.start(name, BATCHES, tells=True)
        same(f"{name}: length of the log", os.path.getsize(subject.log()), length)
    subject.goes_on("torn tails", BATCHES * PER_BATCH)
    passed(f"{len(tails)} torn tails")


def whole_tail(stage):
    """A whole batch that nobody was told about stays: it was written, and only its answer was lost."""
    subject = Subject(stage, "whole")
    subject.append(simple_batch([b"unheard"], base_offset=BATCHES * PER_BATCH))
    subject.broker.start()
    with Client(subject.broker) as client:
        same("range", client.range(TOPIC), (0, BATCHES * PER_BATCH + 1))
        same("the next offset", client.produce_values(TOPIC, [b"after"]), BATCHES * PER_BATCH + 1)
    subject.end(True)
    passed("a whole batch at the end")


def damaged_batches(stage):
    """The log ends before the first batch that is not what it was. Where there are others behind it they are set aside, and their
    offsets are not given again."""
    for number, place in ((BATCHES - 1, 30), (BATCHES - 1, 61), (BATCHES // 2, 200), (0, 70)):
        subject = Subject(stage, f"damaged-{number}-{place}")
        batch = batches_in_file(subject.log())[number]
        subject.flip(batch.position + place)
        is_last = number == BATCHES - 1
        end = (number if is_last else BATCHES) * PER_BATCH
        whole = (BATCHES - number - 1) * PER_BATCH
        log = subject.log()
        subject.start(f"byte {place} of batch {number} flipped", number, tells=True, end=end)
        same("length of the log", os.path.getsize(log), batch.position)
        aside = [os.path.basename(path) for path in subject.broker.files(TOPIC, ".set-aside")]
        same("what is set aside", aside, [] if is_last else [f"{number * PER_BATCH:020d}-{end:020d}.log.set-aside"])
        told = subject.broker.logged(" ERROR ", TOPIC, "set aside", f"records={whole}")
        same("errors about it", len(told), 0 if is_last else 1)
        subject.goes_on(f"batch {number} damaged", end)
    passed("damaged batches")


def damaged_segment(stage):
    """Damage in a segment that is not the last: what follows would leave a gap, and is set aside."""
    broker = stage.broker(SETTINGS, name="damaged-segment")
    broker.start()
    batch = simple_batch([b"s" * 100_000])
    with Client(broker) as client:
        client.create_topic("split", configs={"segment.bytes": 1048576})
        for _ in range(35):
            client.must_produce("split", batch)
    broker.kill9()
    # The recovery point may have moved to the last segment, below which nothing is looked at.
    path = os.path.join(broker.data_directory, "recovery-point-offset-checkpoint")
    if os.path.exists(path):
        os.unlink(path)
    second = broker.files("split", ".log")[1]
    position = batches_in_file(second)[4].position
    with open(second, "r+b") as file:
        file.seek(position + 100)
        file.write(b"XXXX")
    broker.start()
    with Client(broker) as client:
        same("range", client.range("split"), (0, 35))
        same("records", len(client.read("split", to_the_end=False)), 14)
        same("the next offset", client.must_produce("split", batch), 35)
    bases = [int(os.path.basename(name)[:20]) for name in broker.files("split", ".log")]
    same("segments that are left", bases, [0, 10, 35])
    aside = [os.path.basename(name).split("-")[0] for name in broker.files("split", ".set-aside")]
    same("what is set aside", [int(first) for first in aside], [14, 20, 30])
    same("errors about it", len(broker.logged("split", " ERROR ", "set aside")), 3)
    same("exit status", broker.stop(), 0)
    passed("a damaged segment in the middle")


def indexes(stage):
    """Indexes are a convenience: missing, torn or wrong, they are made again from the log."""
    def empty(path):
        open(path, "wb").close()

    def garble(path):
        with open(path, "r+b") as file:
            file.write(b"\xff" * min(os.path.getsize(path), 480))

    def tear(path):
        with open(path, "ab") as file:
            file.truncate(13)

    # What a clean stop has left is believed; only what is missing or cannot be an index is noticed there.
    cases = [(False, "removed", os.unlink), (False, "emptied", empty), (False, "garbled", garble), (False, "torn", tear),
             (True, "removed", os.unlink), (True, "torn", tear)]
    subjects = {cleanly: Subject(stage, f"indexes-{cleanly}", cleanly, {"index.interval.bytes": 1000}) for cleanly in (False, True)}
    stamps = [batch.max_timestamp for batch in batches_in_file(subjects[True].log())]
    good_sizes = {ending: os.path.getsize(subjects[True].log().removesuffix(".log") + ending) for ending in (".index", ".timeindex")}
    check(good_sizes[".index"] >= 8 * 20, f"a log of {BATCHES} batches has an index of {good_sizes['.index']} bytes")
    for cleanly, name, damage in cases:
        subject = subjects[cleanly]
        what = f"indexes {name} after {'a clean stop' if cleanly else 'SIGKILL'}"
        for ending in (".index", ".timeindex"):
            damage(subject.log().removesuffix(".log") + ending)
        subject.broker.start()
        with Client(subject.broker) as client:
            same(f"{what}: records", len(client.read(TOPIC)), BATCHES * PER_BATCH)
            for offset in (0, 3, 151, BATCHES * PER_BATCH - 1):
                got = client.read(TOPIC, offset=offset)[0]
                same(f"{what}: record at {offset}", got, (offset, VALUES[offset // PER_BATCH][offset % PER_BATCH]))
            if cleanly:
                for number in (0, BATCHES // 2, BATCHES - 1):
                    first = stamps.index(stamps[number])
                    same(f"{what}: offset of the time of batch {number}", client.offset(TOPIC, stamps[number]), first * PER_BATCH)
        subject.end(True)
        size = os.path.getsize(subject.log().removesuffix(".log") + ".index")
        check(size % 8 == 0 and size >= 8 * 20, f"{what}: the new index has {size} bytes")
        if not cleanly:
            subject.broker.start()
            subject.end(False)
    passed("indexes")


def unreadable_partition(stage):
    """A partition that cannot be opened answers errors, the others serve; and since nobody has looked
    at it, a clean stop of the broker is no clean end of this log."""
    subject = Subject(stage, "unreadable")
    broker = subject.broker
    broker.start()
    with Client(broker) as client:
        client.create_topic("neighbour")
        client.produce_values("neighbour", [b"value"])
    subject.end(cleanly=False)
    third_last = batches_in_file(subject.log())[-3]
    subject.flip(third_last.position + 100)
    index = subject.log().removesuffix(".log") + ".index"
    os.rename(index, index + "-aside")
    os.mkdir(index)
    broker.start()
    with Client(broker) as client:
        same("error of a fetch (KAFKA_STORAGE_ERROR)", client.fetch(TOPIC, 0)["error_code"], KAFKA_STORAGE_ERROR)
        same("its neighbour", client.read("neighbour"), [(0, b"value")])
    check(broker.logged(" ERROR ", index), "the log does not name what is no file")
    same("exit status", broker.stop(), 0)
    os.rmdir(index)
    os.rename(index + "-aside", index)
    subject.start("damage in a log that could not be opened at first", BATCHES - 3, tells=True, end=BATCHES * PER_BATCH)
    subject.end(True)
    passed("a partition that cannot be opened")


def torn_metadata(stage):
    """The metadata log is a log like others: what was being written when the broker ended is cut."""
    subject = Subject(stage, "metadata")
    folder = os.path.join(subject.broker.data_directory, "__cluster_metadata-0")
    log = sorted(name for name in os.listdir(folder) if name.endswith(".log"))[-1]
    for tail in (b"garbage" * 20, bytes(300)):
        with open(os.path.join(folder, log), "ab") as file:
            file.write(tail)
        subject.start("a torn metadata log", BATCHES, tells=False)
        subject.end(False)
    subject.broker.start()
    with Client(subject.broker) as client:
        client.create_topic("another")
    subject.end(False)
    subject.start("after another topic", BATCHES, tells=False)
    with Client(subject.broker) as client:
        same("range of the other topic", client.range("another"), (0, 0))
    subject.end(True)
    passed("a torn metadata log")


def clean_starts_scan_nothing(stage):
    subject = Subject(stage, "clean", cleanly=True)
    subject.start("clean restart", BATCHES, tells=False)
    for word in ("checked", "recover", "scan", "rebuil"):
        lines = [line for line in subject.broker.logged(word) if TOPIC in line]
        same(f"lines about {word} after a clean stop", lines, [])
    subject.end(True)
    # Damage below the end is found by whoever reads there, not by a start that would read everything.
    last = batches_in_file(subject.log())[-1]
    subject.flip(last.position + 100)
    subject.broker.start()
    with Client(subject.broker) as client:
        same("range with damage that a clean start does not look for", client.range(TOPIC), (0, BATCHES * PER_BATCH))
    subject.end(False)
    passed("clean starts scan nothing")


with Stage(seconds=170) as stage:
    stage.step(torn_tails)
    stage.step(whole_tail)
    stage.step(damaged_batches)
    stage.step(damaged_segment)
    stage.step(indexes)
    stage.step(torn_metadata)
    stage.step(unreadable_partition)
    stage.step(clean_starts_scan_nothing)
