"""Records of every shape, and the proof that they come back byte for byte and in order."""

import hashlib
import random
import time

from expectations import same


def varied_rows(count, partitions):
    """Keys, values and headers that are absent, empty and of many lengths, spread over the partitions by chance."""
    chance = random.Random(6)
    now = int(time.time() * 1000)
    for number in range(count):
        kind = number % 10
        yield {
            "partition": chance.randrange(partitions),
            "key": None if kind == 0 else b"" if kind == 1 else f"key-{number % 1000}".encode(),
            "value": None if kind == 2 else b"" if kind == 3 else number.to_bytes(4, "big") + chance.randbytes(kind * 15),
            "headers": [] if kind < 5 else [("number", str(number).encode()), ("number", b"again"), ("empty", b""), ("", b"x")],
            "timestamp": now - count + number,
        }


class Contents:
    """What each partition holds, as a digest of its records in order."""

    def __init__(self, partitions):
        self._digests = [hashlib.sha256() for _ in range(partitions)]
        self.counts = [0] * partitions

    @classmethod
    def of_rows(cls, rows, partitions):
        contents = cls(partitions)
        for row in rows:
            contents.add(**row)
        return contents

    def add(self, partition, key, value, headers, timestamp):
        record = (partition, key, value, [tuple(header) for header in headers or []], timestamp)
        self._digests[partition].update(repr(record).encode())
        self.counts[partition] += 1

    def arrived(self, partition, offset, key, value, headers, timestamp):
        """The next record that a consumer read: it must have the partition's next offset."""
        same(f"offset in partition {partition}", offset, self.counts[partition])
        self.add(partition, key, value, headers, timestamp)

    def must_equal(self, sent):
        for partition, (got, wanted) in enumerate(zip(self._digests, sent._digests)):
            same(f"records in partition {partition}", self.counts[partition], sent.counts[partition])
            same(f"content of partition {partition}", got.hexdigest(), wanted.hexdigest())
