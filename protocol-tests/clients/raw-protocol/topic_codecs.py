"""What becomes of a batch whose codec is not the topic's: its header field by field, its records byte by byte."""

import struct
import zlib

from raw import Partition, check, connect, create_topic, new_producer_id, same, until

from wire.records import batch, record

MESSAGE_TOO_LARGE = 10
GZIP = 1
LOG_APPEND_TIME = 8
NOW = 1_800_000_000_000
connection = connect()


def gzip(data):
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def stored(partition, offset=0):
    """The header fields of the one batch at the end, and its records as they are without a codec."""
    data = until("the batch is there", lambda: partition.fetch(offset)["records"])
    fields = struct.unpack_from(">qiibIhiqqqhii", data)
    body = data[61:]
    if fields[5] & 7 == GZIP:
        body = zlib.decompress(body, wbits=31)
    names = ("offset", "length", "epoch", "magic", "crc", "attributes", "delta", "base_time", "max_time", "producer", "producer_epoch",
             "sequence", "count")
    return dict(zip(names, fields)), body


def topic(name, codec, **more):
    full, topic_id = create_topic(name, compression_type=codec, message_timestamp_after_max_ms=2**62, **more)
    return Partition(connection, full, topic_id)


headers = [(b"a", b"1"), (b"b", None), (b"a", b"2"), (b"", b"")]
records = [
    record(0, b"k", b"v", headers),
    record(1, None, None, (), 500),
    record(2, b"", b"x" * 3000, headers[:1], -70),
]
producer = new_producer_id(connection)["producer_id"]
for codec, into in (("gzip", GZIP), ("uncompressed", 0)):
    def sent(parts, attributes=0, **fields):
        """A batch in the codec that the topic does not have."""
        if into == GZIP:
            return batch(parts, attributes=attributes, **fields)
        fields = {"count": len(parts), "last_offset_delta": len(parts) - 1, **fields}
        return batch([gzip(b"".join(parts))], attributes=attributes | GZIP, **fields)

    # Producer, sequence and records are kept; the largest time is found, whatever the batch said.
    partition = topic(f"to-{codec}", codec)
    data = sent(records, base_timestamp=NOW, maximum_timestamp=1, producer_id=producer, producer_epoch=0, base_sequence=0)
    answer = partition.produce(data)
    same(f"{codec}: offset and time of the answer", (answer["error_code"], answer["base_offset"], answer["log_append_time_ms"]), (0, 0, -1))
    fields, body = stored(partition)
    same(f"{codec}: attributes", fields["attributes"], into)
    same(f"{codec}: times", (fields["base_time"], fields["max_time"]), (NOW, NOW + 500))
    same(f"{codec}: producer", (fields["producer"], fields["producer_epoch"], fields["sequence"]), (producer, 0, 0))
    same(f"{codec}: place", (fields["offset"], fields["delta"], fields["count"], fields["epoch"]), (0, 2, 3, 0))
    same(f"{codec}: records", body, b"".join(records))
    again = partition.produce(data)
    same(f"{codec}: known when it comes again", (again["error_code"], again["base_offset"], partition.offset(-1)["offset"]), (0, 0, 3))

    # Another base than the first record's time becomes that time; all times stay what they were.
    partition = topic(f"moved-to-{codec}", codec)
    moved = [record(0, b"k", b"v", headers, 100), record(1, None, None, (), 600), record(2, b"", b"x" * 3000, headers[:1], 30)]
    same(f"{codec}: another base", partition.produce(sent(moved, base_timestamp=NOW - 100))["error_code"], 0)
    fields, body = stored(partition)
    same(f"{codec}: times after another base", (fields["base_time"], fields["max_time"]), (NOW, NOW + 500))
    same(f"{codec}: records after another base", body, b"".join(records))

    # One time for all records, the batch's, which the producer claims to be the broker's.
    partition = topic(f"stamped-to-{codec}", codec)
    data = sent(records, LOG_APPEND_TIME, base_timestamp=NOW, maximum_timestamp=NOW + 7)
    same(f"{codec}: the producer's LogAppendTime", partition.produce(data)["error_code"], 0)
    fields, body = stored(partition)
    same(f"{codec}: one time for all", (fields["attributes"], fields["base_time"], fields["max_time"]), (into, NOW + 7, NOW + 7))
    same(f"{codec}: in each record", body, b"".join([record(0, b"k", b"v", headers), record(1, None, None), record(2, b"", b"x" * 3000, headers[:1])]))

    # The broker's time is the batch's; the records keep theirs.
    partition = topic(f"appended-to-{codec}", codec, message_timestamp_type="LogAppendTime")
    answer = partition.produce(sent(records, base_timestamp=NOW))
    fields, body = stored(partition)
    same(f"{codec}: attributes under LogAppendTime", fields["attributes"], into | LOG_APPEND_TIME)
    same(f"{codec}: the answer's time", (answer["error_code"], answer["log_append_time_ms"]), (0, fields["max_time"]))
    check(f"{codec}: the broker's time", fields["max_time"] != NOW + 500 and fields["base_time"] == NOW, fields)
    same(f"{codec}: records under LogAppendTime", body, b"".join(records))

# Both sizes count: that of the batch as it was sent, and that of the batch as it would be stored.
plain = batch([record(0, None, b"x" * 5000)], base_timestamp=NOW)
packed = batch([gzip(record(0, None, b"x" * 5000))], attributes=GZIP, count=1, last_offset_delta=0, base_timestamp=NOW)
check("packed is smaller", len(packed) < len(plain) // 2)
for codec, data in (("gzip", plain), ("uncompressed", packed)):
    for most, wanted in ((len(plain), 0), (len(plain) - 1, MESSAGE_TOO_LARGE)):
        partition = topic(f"{codec}-{most}", codec, max_message_bytes=str(most))
        same(f"{codec}: {len(data)} bytes, at most {most}", partition.produce(data)["error_code"], wanted)
        same(f"{codec}: stored", partition.offset(-1)["offset"], 0 if wanted else 1)
connection.socket.close()
