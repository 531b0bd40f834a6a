"""What the scenarios of transactions share: transactional producers, and what readers of each kind see."""

import time

from confluent_kafka import KafkaException, TopicPartition

from expectations import PATIENCE_SECONDS, fail, until
from session import PREFIX, consumer, producer


def transactional(name, **settings):
    """A producer with a transactional id that is ready to begin."""
    client = producer(transactional_id=PREFIX + name, **settings)
    client.init_transactions(PATIENCE_SECONDS)
    return client


def produced(client, name, partition, *values):
    for value in values:
        client.produce(name, partition=partition, value=value)


def end(name, partition, isolation):
    """Where the partition ends for readers of this level."""
    client = consumer(isolation_level=isolation)
    _, high = client.get_watermark_offsets(TopicPartition(name, partition), timeout=30)
    client.close()
    return high


def decided(name, partition):
    """Waits until no transaction in the partition is open."""
    until(f"{name} {partition} is decided",
          lambda: end(name, partition, "read_committed") == end(name, partition, "read_uncommitted"))


def values(name, partition, isolation="read_committed"):
    """The values that a reader of this level sees, to the end that the level has."""
    stop = end(name, partition, isolation)
    client = consumer(isolation_level=isolation, enable_partition_eof=False)
    client.assign([TopicPartition(name, partition, 0)])
    seen = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    # Markers have offsets too, so that the position tells and not the number of records.
    while client.position([TopicPartition(name, partition)])[0].offset < stop:
        message = client.poll(0.2)
        if message is not None:
            if message.error() is not None:
                fail(f"consumer error: {message.error()}")
            seen.append(message.value().decode())
        if time.monotonic() > deadline:
            fail(f"{name} {partition}: {len(seen)} records, position {client.position([TopicPartition(name, partition)])}, end {stop}")
    client.close()
    return seen


def problem_of(call):
    """The KafkaError with which a call fails, with what it says of the producer."""
    try:
        call()
    except KafkaException as problem:
        return problem.args[0]
    fail("it was accepted")
