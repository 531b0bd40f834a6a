"""Producers, consumers and topics for the broker under test, for every release of kafka-python."""

import os
import sys

RELEASE = os.environ["CLIENT_VERSION"]
if RELEASE.startswith("2.0.") and sys.version_info >= (3, 12):
    # That release brings an old `six` along that newer Pythons cannot import; whoever still uses it does this.
    import six

    sys.modules["kafka.vendor.six.moves"] = six.moves

from expectations import PATIENCE_SECONDS, fail, same, until  # noqa: E402
from kafka import KafkaConsumer, KafkaProducer, TopicPartition  # noqa: E402
from kafka.admin import KafkaAdminClient, NewTopic  # noqa: E402
from kafka.errors import KafkaError  # noqa: E402
from kafka.structs import OffsetAndMetadata  # noqa: E402

BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]


def admin():
    return KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def topic(name, partitions=1, config=None):
    """Makes a topic and returns its unique name once every partition serves."""
    full = PREFIX + name
    client = admin()
    client.create_topics([NewTopic(full, partitions, 1, topic_configs=config or {})])
    client.close()
    serves(full, partitions)
    return full


def serves(full, partitions):
    """Kafka names a leader a moment before that leader answers."""
    client = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    wanted = [TopicPartition(full, number) for number in range(partitions)]
    until(f"{full} serves", lambda: error_of(lambda: client.beginning_offsets(wanted)) is None)
    client.close()


def producer(**settings):
    return KafkaProducer(**{"bootstrap_servers": BOOTSTRAP, "acks": "all", "linger_ms": 5, **settings})


def plain_producer(**settings):
    """One that is not idempotent: those of this client accept nothing more once the broker has refused a record."""
    return producer(**settings) if RELEASE.startswith("2.0.") else producer(enable_idempotence=False, **settings)


def consumer(group=None, **settings):
    return KafkaConsumer(**{
        "bootstrap_servers": BOOTSTRAP,
        "group_id": group and PREFIX + group,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "max_poll_records": 5000,
        **settings,
    })


def send_all(client, name, rows):
    """Produces every row (partition, key, value, headers, timestamp) and returns what the broker said of each."""
    futures = [
        client.send(name, partition=row.get("partition"), key=row.get("key"), value=row.get("value"),
                    headers=row.get("headers") or [], timestamp_ms=row.get("timestamp"))
        for row in rows
    ]
    client.flush(PATIENCE_SECONDS)
    return [future.get(PATIENCE_SECONDS) for future in futures]


def send_error(client, name, **row):
    """Produces one record and returns the class of its error (None: it was accepted)."""
    return error_of(lambda: client.send(name, **row).get(PATIENCE_SECONDS))


def error_of(call):
    """The class of the KafkaError with which a call fails; None when it succeeds."""
    try:
        call()
    except KafkaError as problem:
        return type(problem)
    return None


def read(client, count):
    """Exactly `count` records from what the consumer is assigned or subscribed to."""
    records = []
    until(f"{count} records", lambda: records.extend(poll(client, 500)) or len(records) >= count)
    same("records", len(records), count)
    return records


def poll(client, milliseconds, **settings):
    """What one poll brings, partition by partition."""
    return [record for batch in client.poll(timeout_ms=milliseconds, **settings).values() for record in batch]


def nothing_more(client, milliseconds=500):
    """Whatever else arrives in a short while, for checks that nothing does."""
    same("further records", [(r.topic, r.partition, r.offset) for r in poll(client, milliseconds)], [])


def read_partition(name, partition, count, offset=0, **settings):
    """`count` records of one partition from an offset, by a consumer outside any group."""
    client = consumer(**settings)
    client.assign([TopicPartition(name, partition)])
    client.seek(TopicPartition(name, partition), offset)
    records = []
    until(f"{count} records", lambda: records.extend(poll(client, 500, max_records=count - len(records))) or len(records) >= count)
    client.close()
    return records


def offset_and_metadata(offset, note=""):
    """Newer releases want a leader epoch, too."""
    return OffsetAndMetadata(offset, note, *[-1] * (len(OffsetAndMetadata._fields) - 2))


def refused(what, call, error):
    """A call that must fail with this class of error, and must say something to a person."""
    try:
        value = call()
    except error as problem:
        same(f"{what}: the error is no more special than that", type(problem), error)
        return problem
    except KafkaError as problem:
        fail(f"{what}: got {problem!r}, wanted {error.__name__}")
    fail(f"{what} was accepted: {value}")
