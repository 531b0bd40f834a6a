"""The throughput cases, for a short run and for a long one."""

import dataclasses
import itertools

SIZES = (100, 1024)
MEGABYTE = 1e6

# How much one run of a case moves. Fixed amounts, so that both brokers are given the same.
SHORT_MEGABYTES = {100: 60, 1024: 150}
LONG_MEGABYTES = {100: 400, 1024: 1000}
# Requests of one record each.
SHORT_REQUESTS, LONG_REQUESTS = 150_000, 1_000_000


@dataclasses.dataclass(frozen=True)
class Case:
    """One load. `kind` is produce, consume (from the beginning), tail (consume while it is produced) or requests (produce, counted
    in requests)."""

    kind: str
    tool: str  # tools or librdkafka
    size: int = 1024
    records: int = 0
    partitions: int = 1
    acks: str = "1"
    codec: str = "none"
    producers: int = 1
    groups: int = 1  # 0: one consumer without a group
    one_by_one: bool = False  # a producer sends one record in a request, and waits for the answer

    @property
    def readers(self):
        return max(1, self.groups)

    @property
    def megabytes(self):
        """What goes through once."""
        return self.size * self.records / MEGABYTE

    @property
    def megabytes_moved(self):
        """Everything that the broker takes in and gives out."""
        return self.megabytes * {"produce": 1, "requests": 1, "consume": self.readers, "tail": 1 + self.readers}[self.kind]

    @property
    def label(self):
        words = [{"tools": "Kafka's tools", "librdkafka": "librdkafka"}[self.tool], "1 KiB" if self.size == 1024 else f"{self.size} B",
                 f"{self.partitions}p"]
        if self.kind != "consume":
            words += [f"acks {self.acks}"] + ([self.codec] if self.codec != "none" else [])
            words += [f"{self.producers} producers"] if self.producers > 1 else []
            words += ["one by one"] if self.one_by_one else []
        if self.kind in ("consume", "tail"):
            words.append({0: "no group", 1: "1 group"}.get(self.groups, f"{self.groups} groups"))
        return ", ".join(words)


def sized(cases, megabytes, scale):
    """The cases with as many records as make that many megabytes."""
    return [dataclasses.replace(case, records=max(2000, int(megabytes[case.size] * MEGABYTE * scale / case.size))) for case in cases]


def requests(count, scale):
    """Small requests: what a request costs, whatever is in it. There are as many requests as records."""
    return [Case("requests", "librdkafka", size=100, producers=8, one_by_one=True, records=max(2000, int(count * scale)))]


def short(scale):
    """A middle case with either tool, and then one thing changed at a time."""
    produce = [
        Case("produce", "tools"),
        Case("produce", "tools", size=100),
        Case("produce", "tools", acks="all"),
        Case("produce", "tools", partitions=24, acks="all", producers=8),
        Case("produce", "librdkafka"),
        Case("produce", "librdkafka", size=100),
        Case("produce", "librdkafka", partitions=24),
        Case("produce", "librdkafka", acks="all"),
        Case("produce", "librdkafka", codec="lz4"),
        Case("produce", "librdkafka", producers=8),
    ]
    consume = [
        Case("consume", "tools"),
        Case("consume", "tools", size=100),
        Case("consume", "librdkafka"),
        Case("consume", "librdkafka", partitions=24),
        Case("consume", "librdkafka", groups=4),
        Case("tail", "tools"),
        Case("tail", "librdkafka"),
        Case("tail", "librdkafka", groups=4),
    ]
    return sized(produce + consume, SHORT_MEGABYTES, scale) + requests(SHORT_REQUESTS, scale)


def long(scale):
    """Every combination."""
    produce = [
        Case("produce", tool, size=size, partitions=partitions, acks=acks, codec=codec, producers=producers)
        for tool, size, partitions, acks, codec, producers in itertools.product(
            ("tools", "librdkafka"), SIZES, (1, 24), ("1", "all"), ("none", "lz4"), (1, 8))
    ]
    consume = [
        Case(kind, tool, size=size, partitions=partitions, groups=groups)
        for kind, tool, size, partitions, groups in itertools.product(
            ("consume", "tail"), ("tools", "librdkafka"), SIZES, (1, 24), (1, 4))
    ]
    return sized(produce + consume, LONG_MEGABYTES, scale) + requests(LONG_REQUESTS, scale)


def floor(scale):
    """What the floor program understands: one partition, no groups, no codec."""
    return sized([
        Case("produce", "tools"),
        Case("produce", "librdkafka"),
        Case("produce", "librdkafka", size=100),
        Case("produce", "librdkafka", producers=8),
        Case("consume", "librdkafka", groups=0),
        Case("consume", "librdkafka", size=100, groups=0),
    ], SHORT_MEGABYTES, scale)


def warm_up(scale):
    """A mixture of everything, so that a Java broker compiles what it will need. Most of it is the many small requests."""
    cases = [Case("produce", "tools"), Case("produce", "tools", partitions=24, acks="all", producers=8), Case("tail", "tools"),
             Case("consume", "tools", size=100), Case("produce", "librdkafka", partitions=24, codec="lz4"),
             Case("tail", "librdkafka", groups=4)]
    return sized(cases, SHORT_MEGABYTES, scale) + requests(SHORT_REQUESTS // 10, scale)
