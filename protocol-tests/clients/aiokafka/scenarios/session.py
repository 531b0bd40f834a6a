"""Producers, consumers and topics for the broker under test, for every release of aiokafka."""

import asyncio
import contextlib
import os
import sys
import time

RELEASE = os.environ["CLIENT_VERSION"]
if RELEASE == "0.8.1" and sys.version_info >= (3, 12):
    # The kafka-python beneath it brings an old `six` along that newer Pythons cannot import; its users do this.
    import six

    sys.modules["kafka.vendor.six.moves"] = six.moves

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # noqa: E402
from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: E402
from aiokafka.errors import KafkaError  # noqa: E402
from expectations import PATIENCE_SECONDS, fail, same  # noqa: E402

BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]


@contextlib.asynccontextmanager
async def running(client, end="stop"):
    """A client between its start and its end."""
    await client.start()
    try:
        yield client
    finally:
        await getattr(client, end)()


def admin():
    return running(AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP), end="close")


def producer(**settings):
    return running(AIOKafkaProducer(**{"bootstrap_servers": BOOTSTRAP, "acks": "all", "linger_ms": 5, **settings}))


def new_consumer(*topics, group=None, **settings):
    return AIOKafkaConsumer(*topics, **{
        "bootstrap_servers": BOOTSTRAP,
        "group_id": group and PREFIX + group,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        **settings,
    })


def consumer(*topics, **settings):
    return running(new_consumer(*topics, **settings))


async def topic(name, partitions=1, config=None):
    """Makes a topic and returns its unique name once every partition serves."""
    full = PREFIX + name
    async with admin() as client:
        answer = await client.create_topics([NewTopic(full, partitions, 1, topic_configs=config or {})])
        same(f"creation of {full}", [error for _, error, *_ in answer.topic_errors], [0])
    await serves(full, partitions)
    return full


async def serves(full, partitions):
    """Kafka names a leader a moment before that leader answers."""
    wanted = [TopicPartition(full, number) for number in range(partitions)]

    async def answers():
        return await error_of(client.beginning_offsets(wanted)) is None

    async with consumer() as client:
        await until(f"{full} serves", answers)


async def send_all(client, name, rows):
    """Produces every row (partition, key, value, headers, timestamp) and returns what the broker said of each."""
    futures = [
        await client.send(name, partition=row.get("partition"), key=row.get("key"), value=row.get("value"),
                          headers=row.get("headers"), timestamp_ms=row.get("timestamp"))
        for row in rows
    ]
    return await asyncio.wait_for(asyncio.gather(*futures), PATIENCE_SECONDS)


async def error_of(call):
    """The class of the KafkaError with which a call fails; None when it succeeds."""
    try:
        await asyncio.wait_for(call, PATIENCE_SECONDS)
    except KafkaError as problem:
        return type(problem)
    return None


async def poll(client, milliseconds, **settings):
    """What one call brings, partition by partition."""
    batches = await client.getmany(timeout_ms=milliseconds, **settings)
    return [record for batch in batches.values() for record in batch]


async def read(client, count):
    """Exactly `count` records from what the consumer is assigned or subscribed to."""
    records = []

    async def enough():
        records.extend(await poll(client, 500))
        return len(records) >= count

    await until(f"{count} records", enough)
    same("records", len(records), count)
    return records


async def nothing_more(client, milliseconds=500):
    """Whatever else arrives in a short while, for checks that nothing does."""
    same("further records", [(r.topic, r.partition, r.offset) for r in await poll(client, milliseconds)], [])


async def read_partition(name, partition, count, offset=0, **settings):
    """`count` records of one partition from an offset, by a consumer outside any group."""
    async with consumer(**settings) as client:
        client.assign([TopicPartition(name, partition)])
        client.seek(TopicPartition(name, partition), offset)
        return [await asyncio.wait_for(client.getone(), PATIENCE_SECONDS) for _ in range(count)]


async def until(what, condition, seconds=PATIENCE_SECONDS):
    """Waits for a condition that must come true; the condition may be a coroutine."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            fail(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)


def run(scenario):
    asyncio.run(scenario())
