"""Record batches that lie: refused with an error, nothing of them stored, and the next good batch goes on."""

import gzip
import struct
import time

from target import Target, fail, same

from wire.codec import varint
from wire.records import batch, crc32c, record, record_count, simple_batch

UNKNOWN_SERVER_ERROR = -1
CORRUPT_MESSAGE = 2
INVALID_TIMESTAMP = 32
UNSUPPORTED_FOR_FORMAT = 43
INVALID_RECORD = 87
GZIP = 1

target = Target()
name, _ = target.create_topic("lied-to")
connection = target.connect(30)
ends = 0


def produce(records, acks=-1):
    """The error code of producing these bytes."""
    body = {"acks": acks, "topic_data": [{"name": name, "partition_data": [{"index": 0, "records": records}]}]}
    answer = connection.call("Produce", 9, body)
    return answer["responses"][0]["partition_responses"][0]


def log_end():
    body = {"topics": [{"name": name, "partitions": [{"partition_index": 0, "timestamp": -1}]}]}
    return connection.call("ListOffsets", 5, body)["topics"][0]["partitions"][0]["offset"]


def refused(what, records, *codes):
    answer = produce(records)
    if answer["error_code"] == 0:
        fail(f"{what}: accepted at offset {answer['base_offset']}")
    # Kafka itself trips over some of these, which is its way of refusing. We say what is wrong.
    if not target.measured:
        codes += (UNKNOWN_SERVER_ERROR,) if codes else ()
    if codes and answer["error_code"] not in codes:
        fail(f"{what}: error {answer['error_code']} ({answer['error_message']}), wanted one of {codes}")
    same(f"{what}: log end", log_end(), ends)
    print(f"{what}: refused with {answer['error_code']} {answer['error_message'] or ''}", flush=True)


def either(what, records, count):
    """For what Kafka takes and a stricter broker may refuse: the log end must fit the answer."""
    global ends
    answer = produce(records)
    ends += 0 if answer["error_code"] else count
    same(f"{what}: log end", log_end(), ends)
    print(f"{what}: error {answer['error_code']} {answer['error_message'] or ''}", flush=True)


def accepted(what, records, count):
    global ends
    answer = produce(records)
    same(f"{what}: error", (answer["error_code"], answer["error_message"]), (0, None))
    same(f"{what}: base offset", answer["base_offset"], ends)
    ends += count
    same(f"{what}: log end", log_end(), ends)


accepted("a good batch", simple_batch([b"a", b"b"]), 2)
three = [record(n, None, b"value") for n in range(3)]

# The batch that makes a naive decoder abort: a valid checksum over 2^31-1 records that are not there.
for count in (2**31 - 1, 2**30, 4, 2, 0, -1, -(2**31)):
    refused(f"record count {count} for 3", batch(three, count=count, last_offset_delta=2), INVALID_RECORD, CORRUPT_MESSAGE)
    target.still_well(f"record count {count}")
for delta in (2**31 - 1, 3, 1, 0, -1):
    refused(f"last offset delta {delta} for 3 records", batch(three, last_offset_delta=delta), INVALID_RECORD, CORRUPT_MESSAGE)
refused("both lie together", batch(three, count=2**31 - 1, last_offset_delta=2**31 - 2), INVALID_RECORD, CORRUPT_MESSAGE)

# Checksum, magic, length.
refused("a wrong checksum", batch(three, checksum=12345), CORRUPT_MESSAGE)
good = simple_batch([b"one", b"two"])
for place in (21, 22, 30, 40, 57, 61, len(good) - 1):
    damaged = bytearray(good)
    damaged[place] ^= 0x55
    # Damaged attributes may look transactional, which a broker may mind before it looks at the checksum.
    refused(f"byte {place} damaged", bytes(damaged), *([CORRUPT_MESSAGE] if place != 22 else []))
for magic in (0, 1, 3, 127, -1):
    refused(f"magic {magic}", batch(three, magic=magic), CORRUPT_MESSAGE, INVALID_RECORD, UNSUPPORTED_FOR_FORMAT, 76, 35)
for length in (2**31 - 1, 48, 49, 10, 0, -1, len(good) * 2):
    refused(f"batch length {length}", batch(three, length=length), CORRUPT_MESSAGE, INVALID_RECORD)
for cut in (1, 8, 12, 17, 60, 61, len(good) - 1):
    refused(f"only {cut} bytes of the batch", good[:cut], CORRUPT_MESSAGE, INVALID_RECORD)
refused("something behind the batch", good + b"\0" * 20, CORRUPT_MESSAGE, INVALID_RECORD)
refused("two batches at once", good + good, INVALID_RECORD)
refused("no batch at all", b"", INVALID_RECORD, CORRUPT_MESSAGE)
target.still_well("broken headers")

# Records inside a batch whose checksum is right.
huge = varint(2**31 - 1)
for what, body in {
    "a record longer than the batch": varint(1000) + b"\0" * 20,
    "a record of length 2^31-1": huge + b"\0" * 20,
    "a record of negative length": varint(-5) + b"\0" * 20,
    "a key of length 2^31-1": varint(12) + b"\0" + varint(0) + varint(0) + huge + b"\0" * 4,
    "a value of length 2^31-1": varint(13) + b"\0" + varint(0) + varint(0) + varint(-1) + huge + b"\0" * 4,
    "2^31-1 headers": varint(11) + b"\0" + varint(0) + varint(0) + varint(-1) + varint(-1) + huge + b"\0",
    "a negative number of headers": varint(6) + b"\0" + varint(0) + varint(0) + varint(-1) + varint(-1) + varint(-3),
    "an endless integer": b"\xff" * 30,
    "nothing where a record should be": b"",
    "bytes behind the last record": record(0, None, b"x") + b"\0\0\0",
}.items():
    refused(what, batch([body], count=1, last_offset_delta=0), INVALID_RECORD, CORRUPT_MESSAGE)
target.still_well("broken records")
either("offset deltas out of order", batch([record(1), record(0)]), 2)
either("offset deltas with a gap", batch([record(0), record(2)], last_offset_delta=1), 2)
refused("a timestamp a year ahead", simple_batch([b"x"], base_timestamp=int(time.time() * 1000) + 365 * 86_400_000), INVALID_TIMESTAMP)
refused("a control batch from a client", simple_batch([b"x"], attributes=0x20), INVALID_RECORD)
target.still_well("inconsistent records")

# Compressed content: no codec, wrong codec, damaged, and a bomb.
for codec in (5, 6, 7):
    refused(f"codec number {codec}", batch(three, attributes=codec), INVALID_RECORD, CORRUPT_MESSAGE, 76)
for codec in (1, 2, 3, 4):
    refused(f"codec {codec} over plain bytes", batch(three, attributes=codec), INVALID_RECORD, CORRUPT_MESSAGE)
packed = gzip.compress(b"".join(three))
accepted("a good compressed batch", batch([packed], attributes=GZIP, count=3, last_offset_delta=2), 3)
refused("damaged content", batch([packed[:-9] + b"\0" * 9], attributes=GZIP, count=3, last_offset_delta=2), INVALID_RECORD, CORRUPT_MESSAGE)
refused("half of the content", batch([packed[: len(packed) // 2]], attributes=GZIP, count=3, last_offset_delta=2), INVALID_RECORD, CORRUPT_MESSAGE)
refused("more records than it holds", batch([packed], attributes=GZIP, count=2**31 - 1, last_offset_delta=2**31 - 2), INVALID_RECORD, CORRUPT_MESSAGE)
refused("fewer records than it holds", batch([packed], attributes=GZIP, count=2, last_offset_delta=1), INVALID_RECORD, CORRUPT_MESSAGE)
target.still_well("broken compression")
# 600 MB of zeros as one value in 600 kB. Kafka takes it; whoever refuses must do so in little memory, too.
size = 600_000_000
head = b"\0" + varint(0) + varint(0) + varint(-1) + varint(size)
packer = gzip.zlib.compressobj(9, gzip.zlib.DEFLATED, 31)
parts = [packer.compress(varint(len(head) + size + 1) + head)]
zeros = bytes(1_000_000)
for _ in range(size // len(zeros)):
    parts.append(packer.compress(zeros))
parts.append(packer.compress(varint(0)) + packer.flush())
bomb = b"".join(parts)
after = struct.pack(">hiqqqhii", GZIP, 0, 0, 0, -1, -1, -1, 1) + bomb
either(f"a bomb of {len(bomb)} bytes", struct.pack(">qiibI", 0, 9 + len(after), -1, 2, crc32c(after)) + after, 1)
target.still_well("a decompression bomb")

# All this has left the partition as good as new.
accepted("a good batch at the end", simple_batch([b"x", b"y", b"z"]), 3)
fetched = connection.call("Fetch", 11, {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 50 << 20, "topics": [
    {"topic": name, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 50 << 20}]}]})
same("stored records", record_count(fetched["responses"][0]["partitions"][0]["records"]), ends)
connection.socket.close()
target.finish()
