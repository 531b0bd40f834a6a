"""compression.type: whatever codec a batch comes in, it is stored in the topic's, and nothing else of it changes.

The broker's own compression.type is lz4. Each topic has one partition per codec of a producer; what is stored is
seen by a consumer, and by Kafka's dump tool on the disk of the stopped broker.
"""

import json
import os
import re
import subprocess
import time

from expectations import check, fail, same
from session import CODECS, producer, read_partition, send_all, topic

COUNT = 3000
# The word of compression.type (None: the broker's), and the dump tool's word for it (None: the producer's codec).
TYPES = {None: "lz4", "producer": None, "uncompressed": "none", "gzip": "gzip", "snappy": "snappy", "lz4": "lz4", "zstd": "zstd"}
# Of each codec a level that packs worse and one that packs better.
LEVELS = [("gzip", 1, 9), ("lz4", 1, 12), ("lz4", 9, 17), ("zstd", -100, 19)]
if "zstd" not in CODECS:
    # A client without it cannot read these topics.
    del TYPES["zstd"]
    LEVELS = [level for level in LEVELS if level[0] != "zstd"]

now = int(time.time() * 1000)
rows = [
    {"key": f"k{number}", "value": f"value {number * 7919 % 1000} ".encode() * (number % 30) if number % 50 else None,
     "headers": [("h", str(number).encode()), ("h", None), ("empty", b"")], "timestamp": now + (number * 37) % 1000}
    for number in range(COUNT)
]


def order(word):
    answer = json.loads(subprocess.run([os.environ["BROKER_CONTROL"], word], check=True, capture_output=True).stdout)
    if "error" in answer:
        fail(f"{word}: {answer}")
    return answer


def send(name, partition, codec):
    client = producer(compression_codec=codec, batch_size=300_000, linger_ms=50, enable_idempotence=True)
    send_all(client, name, [{**row, "partition": partition} for row in rows])
    got = read_partition(name, partition, COUNT, check_crcs=True)
    check(f"{name}: records from {codec} unchanged", [
        (m.offset(), m.key().decode(), m.value(), m.headers(), m.timestamp()[1]) for m in got
    ] == [(number, row["key"], row["value"], row["headers"], row["timestamp"]) for number, row in enumerate(rows)])


def batches(directory, names):
    """(codec, size) of each stored batch of partitions, as the dump tool sees them."""
    files = [os.path.join(directory, name, "0" * 20 + ".log") for name in names]
    dump = subprocess.run([os.path.join(os.environ["PROTOCOL_TESTS"], "disk", "dump"), *files], capture_output=True, text=True)
    check("the dump tool is content", dump.returncode == 0 and not dump.stderr.strip(), dump.stderr[-2000:])
    found = {}
    records = {}
    for line in dump.stdout.splitlines():
        if line.startswith("Dumping "):
            name = os.path.basename(os.path.dirname(line.removeprefix("Dumping ")))
        elif match := re.search(r" size: (\d+) magic: 2 compresscodec: (\w+) .*isvalid: true", line):
            found.setdefault(name, []).append((match[2].lower(), int(match[1])))
        elif line.startswith("| offset: "):
            records[name] = records.get(name, 0) + 1
    same("records on disk", records, dict.fromkeys(names, COUNT))
    return found


codecs = {}
for kind, stored in TYPES.items():
    config = {"compression.type": kind} if kind else {}
    name = topic(f"as-{kind or 'the-broker-says'}", len(CODECS), config)
    for partition, codec in enumerate(CODECS):
        send(name, partition, codec)
        codecs[f"{name}-{partition}"] = stored or codec
levels = []
for codec, low, high in LEVELS:
    pair = []
    for level in (low, high):
        name = topic(f"{codec}-{level}".replace("--", "-minus-"), 1, {"compression.type": codec, f"compression.{codec}.level": str(level)})
        send(name, 0, "none")
        pair.append(f"{name}-0")
    levels.append(pair)

directory = order("status")["data_directory"]
same("the broker stops", order("stop")["status"] in (0, 143), True)
for name, stored in batches(directory, list(codecs)).items():
    same(f"{name}: codec on disk", {codec for codec, _ in stored}, {codecs[name]})
sizes = {name: sum(size for _, size in stored) for name, stored in batches(directory, sum(levels, [])).items()}
for low, high in levels:
    check(f"{high} is smaller than {low}", sizes[high] < sizes[low], sizes)
order("start")
print(f"figures: {len(codecs)} pairs of codecs; " + ", ".join(f"{name.split('-', 1)[1]} {size}" for name, size in sizes.items()))
