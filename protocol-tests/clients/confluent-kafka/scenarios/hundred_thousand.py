"""100,000 records over six partitions: keys, values, headers and timestamps come back byte for byte, in order."""

import hashlib
import random
import time

from expectations import same
from session import consumer, nothing_more, producer, read, send_all, topic

COUNT = 100_000
PARTITIONS = 6


def rows():
    chance = random.Random(6)
    now = int(time.time() * 1000)
    for number in range(COUNT):
        kind = number % 10
        yield {
            "partition": chance.randrange(PARTITIONS),
            "key": None if kind == 0 else b"" if kind == 1 else f"key-{number % 1000}".encode(),
            # A null value, an empty one, and bytes of many lengths.
            "value": None if kind == 2 else b"" if kind == 3 else number.to_bytes(4, "big") + chance.randbytes(kind * 15),
            "headers": [] if kind < 5 else [("number", str(number).encode()), ("number", b"again"), ("none", None), ("", b"")],
            "timestamp": now - COUNT + number,
        }


def content(partition, key, value, headers, timestamp):
    return repr((partition, key, value, list(headers or []), timestamp)).encode()


name = topic("hundred-thousand", PARTITIONS)
sent = list(rows())
digests = [hashlib.sha256() for _ in range(PARTITIONS)]
counts = [0] * PARTITIONS
for row in sent:
    digests[row["partition"]].update(content(**row))
    counts[row["partition"]] += 1

began = time.monotonic()
delivered = send_all(producer(acks="all", queue_buffering_max_messages=200_000), name, sent)
seconds_in = time.monotonic() - began
for partition in range(PARTITIONS):
    same(f"acknowledged offsets of partition {partition}",
         sorted(message.offset() for message in delivered if message.partition() == partition), list(range(counts[partition])))

began = time.monotonic()
client = consumer("hundred-thousand")
client.subscribe([name])
arrived = read(client, COUNT)
seconds_out = time.monotonic() - began
nothing_more(client)
client.close()

back = [hashlib.sha256() for _ in range(PARTITIONS)]
following = [0] * PARTITIONS
for message in arrived:
    partition = message.partition()
    same(f"offset in partition {partition}", message.offset(), following[partition])
    following[partition] += 1
    kind, timestamp = message.timestamp()
    same("timestamp type (1 = create time)", kind, 1)
    back[partition].update(content(partition, message.key(), message.value(), message.headers(), timestamp))
for partition in range(PARTITIONS):
    same(f"content of partition {partition}", back[partition].hexdigest(), digests[partition].hexdigest())
print(f"figures: in {seconds_in:.1f} s, out {seconds_out:.1f} s")
