"""Topics made, changed and deleted without end, and questions about one that cost more than they look."""

from functools import partial

from wire.messages import APIS
from wire.records import simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses
from .requests import Repeated, long_request, produce, request
from .visits import ask_without_end, send_and_hold

STAMP = 1_700_000_000_000
BATCHES = 20_000


async def make_and_delete(crowd, connections, partitions, **options):
    """Each connection makes a topic and deletes it, again and again."""

    async def visitor(line):
        name = f"flood-{line.number}"
        make = request("CreateTopics", 4, {"topics": [{"name": name, "num_partitions": partitions}], "timeout_ms": 5000})
        delete = request("DeleteTopics", 3, {"topic_names": [name], "timeout_ms": 5000})
        while True:
            await line.ask(make)
            await line.ask(delete)

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


async def alter(crowd, connections, **options):
    """A topic's configuration is changed and changed back without end."""

    async def visitor(line):
        number = 0
        while True:
            number += 1
            await line.ask(request("IncrementalAlterConfigs", 0, {"resources": [{
                "resource_type": 2, "resource_name": "altered", "configs": [
                    {"name": "retention.ms", "config_operation": 0, "value": str(1_000_000 + number)}]}]}))

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


def altered_topic(arena):
    arena.create_topic("altered", 100)


def many_batches(arena):
    """A partition of 20,000 small batches with rising timestamps, of which each has a checksum."""
    arena.create_topic("timed")
    frames = [produce("timed", simple_batch([b"value"], base_timestamp=STAMP + number)) for number in range(100)]
    with arena.connect() as connection:
        for _ in range(BATCHES // 50):
            connection.send_bytes(b"".join(frames[:50]))
            for _ in range(50):
                connection.receive_frame()
        connection.send_bytes(produce("timed", simple_batch([b"last"], base_timestamp=STAMP + 1000)))
        connection.receive_frame()


def look_up(times):
    """The offset of the last timestamp, asked for many times in one request."""
    return long_request(APIS["ListOffsets"], 5, {"topics": [{"name": "timed", "partitions": Repeated(
        {"partition_index": 0, "timestamp": STAMP + 1000}, count=times)}]})


async def produce_without_end(crowd, connections, size, acks, **options):
    """Records of this size, as many as get through."""
    batch = simple_batch([b"p" * size])
    frames = [produce("busy", batch, number, acks) * max(1, 50_000 // size) for number in range(8)]
    times = max(1, 50_000 // size) if acks else 0

    async def visitor(line):
        frame = frames[line.number % len(frames)]
        for _ in range(2_000_000_000 // connections // len(frame)):
            await line.send(frame)
            for _ in range(times):
                await line.answer()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


def busy_topic(arena):
    arena.create_topic("busy", 16)


def large_produce():
    """16 MB: a batch of 1 MB for each of 16 partitions."""
    batch = simple_batch([b"p" * 1_000_000])
    return request("Produce", 9, {"acks": 1, "topic_data": [{"name": "busy", "partition_data": [
        {"index": number, "records": batch} for number in range(16)]}]})


FLOODS = [
    Flood("topics of 100 partitions made and deleted, 8 at once", partial(make_and_delete, connections=8, partitions=100)),
    Flood("a configuration altered without end, 20 at once",
          partial(alter, connections=20, source=NEIGHBOUR), altered_topic, long=True),
    Flood("10,000 timestamps looked up in each request, 8 at once",
          partial(ask_without_end, make=partial(look_up, 10_000), connections=8), many_batches, long=True),
    Flood("tiny records without end or acknowledgement, 50 at once",
          partial(produce_without_end, connections=50, size=10, acks=0), busy_topic),
    Flood("records of 1 MB without end, 50 at once",
          partial(produce_without_end, connections=50, size=1_000_000, acks=1, source=NEIGHBOUR), busy_topic, long=True),
    Flood("100 produces of 16 MB at once",
          partial(send_and_hold, make=large_produce, connections=100, source=many_addresses), busy_topic),
]
