"""A compacted topic keeps of each key exactly the newest record, with its headers, and everything of the active segment."""

import random
import struct
import time
import zlib

from raw import Partition, check, connect, create_topic, fail, new_producer_id, same, until

from wire.records import batch, record

SEGMENT_BYTES = 1048576
GZIP = 1
SETTINGS = {
    "cleanup_policy": "compact",
    "segment_bytes": SEGMENT_BYTES,
    "min_cleanable_dirty_ratio": 0.01,
    "file_delete_delay_ms": 100,
}
seed = random.randrange(1 << 30)
print("seed", seed, flush=True)
chance = random.Random(seed)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def field(data, at):
    length, at = varint(data, at)
    return (None, at) if length < 0 else (bytes(data[at : at + length]), at + length)


def records_of(data):
    """(offset, timestamp, key, value, headers) of each record of data, and the offset behind the last batch."""
    at, found, end = 0, [], None
    while at + 61 <= len(data):
        base, length = struct.unpack_from(">qi", data, at)
        if at + 12 + length > len(data):
            break
        attributes, last_delta, base_timestamp = struct.unpack_from(">hiq", data, at + 21)
        count, = struct.unpack_from(">i", data, at + 57)
        body = data[at + 61 : at + 12 + length]
        if attributes & 7 == GZIP and count:
            body = zlib.decompress(body, 31)
        place = 0
        for _ in range(count):
            length_of_record, place = varint(body, place)
            next_place = place + length_of_record
            timestamp_delta, place = varint(body, place + 1)
            offset_delta, place = varint(body, place)
            key, place = field(body, place)
            value, place = field(body, place)
            header_count, place = varint(body, place)
            headers = []
            for _ in range(header_count):
                name, place = field(body, place)
                content, place = field(body, place)
                headers.append((name, content))
            same("a record's end", place, next_place)
            found.append((base + offset_delta, base_timestamp + timestamp_delta, key, value, headers))
        end = base + last_delta + 1
        at += 12 + length
    return found, end


class Topic:
    def __init__(self, name, **settings):
        self.name, self.topic_id = create_topic(name, **{**SETTINGS, **settings})
        self.sent = []
        # Kafka's rule of rolling: what does not fit begins a new segment.
        self.active_base = self.active_size = 0

    def send(self, records, producer=None, sequence=-1, gzip=False, stamp=None):
        """Produces one batch of (key, value, headers)."""
        stamp = int(time.time() * 1000) if stamp is None else stamp
        rows = [record(n, key, value, headers, n) for n, (key, value, headers) in enumerate(records)]
        fields = {"base_timestamp": stamp, "maximum_timestamp": stamp + len(rows) - 1}
        if producer is not None:
            fields.update(producer_id=producer, producer_epoch=0, base_sequence=sequence)
        if gzip:
            packer = zlib.compressobj(wbits=31)
            rows_packed = packer.compress(b"".join(rows)) + packer.flush()
            data = batch([rows_packed], attributes=GZIP, count=len(rows), last_offset_delta=len(rows) - 1, **fields)
        else:
            data = batch(rows, **fields)
        with connect() as connection:
            answer = Partition(connection, self.name, self.topic_id).produce(data)
        base = len(self.sent)
        same("error and base offset of a produce", (answer["error_code"], answer["base_offset"]), (0, base))
        if self.active_size + len(data) > SEGMENT_BYTES:
            self.active_base, self.active_size = base, 0
        self.active_size += len(data)
        for n, (key, value, headers) in enumerate(records):
            self.sent.append((base + n, stamp + n, key, value, list(headers)))

    def read(self, start=0):
        """Everything that a consumer gets."""
        found = []
        with connect() as connection:
            partition = Partition(connection, self.name, self.topic_id)
            at, end = start, partition.offset(-1)["offset"]
            while at < end:
                got = partition.fetch(at)
                same("error of a fetch", got["error_code"], 0)
                records, behind = records_of(got["records"] or b"")
                check("a fetch below the end brings something", behind is not None and behind > at, (at, end))
                found += [entry for entry in records if entry[0] >= at]
                at = behind
        return found

    def compacted(self):
        """What must be there once all closed segments are clean."""
        newest = {entry[2]: entry[0] for entry in self.sent if entry[0] < self.active_base}
        return [entry for entry in self.sent if entry[0] >= self.active_base or newest[entry[2]] == entry[0]]


def noise(size):
    return chance.randbytes(size)


def newest_of_each_key():
    topic = Topic("kept", delete_retention_ms=3600000)
    with connect() as connection:
        producer = new_producer_id(connection)["producer_id"]
    sequence = 0
    for number in range(48):
        records = []
        for _ in range(10):
            key = b"key-%d" % chance.randrange(40)
            value = None if chance.randrange(6) == 0 else noise(chance.randrange(20_000))
            headers = [(b"same", noise(3)), (b"same", None), (b"", b"")][: chance.randrange(4)]
            records.append((key, value, headers))
        if number % 4 == 0:
            topic.send(records, producer, sequence)
            sequence += len(records)
        else:
            topic.send(records, gzip=number % 3 == 0)
    check("several segments were written", topic.active_base > 100, topic.active_base)
    wanted = topic.compacted()
    check("there is something to compact", len(wanted) < len(topic.sent) / 2, len(wanted))
    try:
        until("the closed segments are compacted", lambda: len(topic.read()) == len(wanted), 90)
    except SystemExit:
        got = topic.read()
        fail(f"{len(got)} records are left of {len(topic.sent)}, wanted {len(wanted)}: {[entry[0] for entry in got]}")
    same("what is left", topic.read(), wanted)
    # From any offset on, the next record that is left.
    for start in chance.sample(range(len(topic.sent)), 20):
        same(f"what is left from {start} on", topic.read(start), [entry for entry in wanted if entry[0] >= start])
    # By time, too: that of every record that is left.
    with connect() as connection:
        partition = Partition(connection, topic.name, topic.topic_id)
        same("ends", (partition.offset(-2)["offset"], partition.offset(-1)["offset"]), (0, len(topic.sent)))
        for _, stamp, *_ in wanted[::7]:
            offset = next(entry[0] for entry in wanted if entry[1] >= stamp)
            same(f"offset at {stamp}", partition.offset(stamp)["offset"], offset)
    # The producer goes on, and what it sent last is still known as sent.
    topic.send([(b"key-0", b"after", [])], producer, sequence)
    print(f"ok: {len(wanted)} of {len(topic.sent)} records are left", flush=True)


def tombstones_go():
    topic = Topic("gone", delete_retention_ms=1)
    topic.send([(b"deleted-%d" % n, noise(1000), []) for n in range(5)])
    topic.send([(b"kept-%d" % n, b"%d" % n, []) for n in range(5)])
    topic.send([(b"deleted-%d" % n, None, [(b"why", b"over")]) for n in range(5)])
    value = noise(200_000)
    deadline = time.monotonic() + 90
    while True:
        # Two compactions are needed, and each needs something new.
        topic.send([(b"filler", value, [])])
        keys = [entry[2] for entry in topic.read()]
        if not any(key.startswith(b"deleted") for key in keys):
            break
        if time.monotonic() > deadline:
            fail(f"tombstones are still there: {keys}")
    same("keys that were kept", sorted(set(keys)), [b"filler"] + [b"kept-%d" % n for n in range(5)])
    print(f"ok: deleted keys are gone after {len(topic.sent)} records", flush=True)


def compacted_and_deleted():
    hour = 3600 * 1000
    topic = Topic("both", cleanup_policy="compact,delete", retention_ms=hour, delete_retention_ms=hour)
    old = int(time.time() * 1000) - 3 * hour
    for number in range(12):
        topic.send([(b"old-%d" % (number % 2), noise(200_000), [])], stamp=old)
    for number in range(12):
        topic.send([(b"new-%d" % (number % 2), noise(200_000), [])])

    def only_new():
        return all(entry[2].startswith(b"new") for entry in topic.read(start()))

    def start():
        with connect() as connection:
            return Partition(connection, topic.name, topic.topic_id).offset(-2)["offset"]

    until("old segments are deleted from a compacted topic", only_new, 60)
    check("the log starts later", start() >= 10, start())
    newest = {entry[2]: entry for entry in topic.sent}
    left = {entry[2]: entry for entry in topic.read(start())}
    same("the newest of each key", [left.get(key) for key in (b"new-0", b"new-1")], [newest[b"new-0"], newest[b"new-1"]])
    print("ok: compacted and deleted", flush=True)


newest_of_each_key()
tombstones_go()
compacted_and_deleted()
