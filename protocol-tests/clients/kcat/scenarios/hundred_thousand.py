"""100,000 records with keys over six partitions, in and out, byte for byte."""

import hashlib
import os
import random

from kcat_command import WORK, check, kcat, same, topic

COUNT = 100_000

chance = random.Random(20_260_101)
lines = []
for number in range(COUNT):
    body = chance.randbytes(chance.choice((0, 5, 40, 120))).hex()
    lines.append(f"key-{number % 5000}|{number}-{body}\n".encode())

given = os.path.join(WORK, "given")
with open(given, "wb") as file:
    file.writelines(lines)

name = topic("hundred-thousand", 6)
# -l: each line of the file is a record, so that the size of the input does not matter.
kcat("-P", "-t", name, "-K", "|", "-l", given, "-X", "acks=all", timeout=120)
output = kcat("-C", "-t", name, "-e", "-q", "-o", "beginning", "-f", "%k|%s\n", timeout=120).splitlines(keepends=True)

same("number of records", len(output), COUNT)
digest_in = hashlib.sha256(b"".join(sorted(lines))).hexdigest()
digest_out = hashlib.sha256(b"".join(sorted(output))).hexdigest()
same("hash of the sorted content", digest_out, digest_in)

# All six partitions have a share, offsets are dense, and within a partition the order is the order sent.
order = {line.rstrip(b"\n"): position for position, line in enumerate(lines)}
total = 0
for partition in range(6):
    part = kcat("-C", "-t", name, "-p", partition, "-e", "-q", "-o", "beginning", "-f", "%o %k|%s\n", timeout=120)
    rows = [row.split(b" ", 1) for row in part.splitlines()]
    same(f"offsets of partition {partition}", [int(offset) for offset, _ in rows], list(range(len(rows))))
    positions = [order[content] for _, content in rows]
    check(f"order in partition {partition}", positions == sorted(positions))
    check(f"partition {partition} has a share", len(rows) > COUNT / 60, len(rows))
    total += len(rows)
same("sum over the partitions", total, COUNT)
