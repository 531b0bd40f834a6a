"""Producers, consumers and an admin client for the broker under test, and plain comparisons."""

import os
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from expectations import PATIENCE_SECONDS, check, fail, same, until

BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]
# The scenarios of this name are those of the classic protocol over again, with members that the broker assigns (KIP-848).
CONSUMER_PROTOCOL = os.environ["SCENARIO"].startswith("consumer-protocol-")
# The old release is built without zstd, see ../old-librdkafka.
CODECS = ("none", "gzip", "snappy", "lz4") + (() if os.environ["CLIENT_VERSION"] == "1.8.2" else ("zstd",))


def admin():
    return AdminClient({"bootstrap.servers": BOOTSTRAP})


def topic(name, partitions=1, config=None):
    """Makes a topic and returns its unique name once every partition serves."""
    full = PREFIX + name
    client = admin()
    client.create_topics([NewTopic(full, partitions, 1, config=config or {})])[full].result(PATIENCE_SECONDS)
    # Kafka names a leader a moment before that leader answers.
    looking = consumer()
    until(f"{full} serves", lambda: all(
        error_of(lambda: looking.get_watermark_offsets(TopicPartition(full, number), timeout=30)) is None
        for number in range(partitions)))
    looking.close()
    return full


def producer(**settings):
    return Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5, **dotted(settings)})


def consumer(group=None, on_commit=None, **settings):
    callbacks = {"on_commit": on_commit} if on_commit else {}
    return Consumer({
        "bootstrap.servers": BOOTSTRAP,
        "group.id": PREFIX + (group or "ungrouped"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.partition.eof": False,
        **by_protocol(dotted(settings)),
        **callbacks,
    })


def by_protocol(settings, consumer_protocol=CONSUMER_PROTOCOL):
    """The settings of a member of either protocol: what the broker says in the one the client must not say."""
    if not consumer_protocol:
        return settings
    ours = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")
    assignor = settings.get("partition.assignment.strategy")
    chosen = {"group.remote.assignor": assignor} if assignor in ("uniform", "range") else {}
    return {**{key: value for key, value in settings.items() if key not in ours}, "group.protocol": "consumer", **chosen}


def dotted(settings):
    """Client settings have dots, Python's keyword arguments cannot."""
    return {key.replace("_", "."): value for key, value in settings.items()}


def send_all(client, name, rows):
    """Produces every row (keyword arguments of produce) and returns the delivered messages in order of delivery."""
    delivered = []

    def on_delivery(error, message):
        if error is not None:
            fail(f"produce to {name}: {error}")
        delivered.append(message)

    count = 0
    for row in rows:
        while True:
            try:
                client.produce(name, on_delivery=on_delivery, **row)
                break
            except BufferError:
                client.poll(0.05)
        count += 1
        client.poll(0)
    remaining = client.flush(PATIENCE_SECONDS)
    same("records that were never acknowledged", remaining, 0)
    same("delivery reports", len(delivered), count)
    return delivered


def send_error(client, name, **row):
    """Produces one record and returns the error code of its delivery report (None: it was accepted)."""
    outcome = []
    client.produce(name, on_delivery=lambda error, message: outcome.append(error), **row)
    client.flush(PATIENCE_SECONDS)
    same("one delivery report", len(outcome), 1)
    return None if outcome[0] is None else outcome[0].code()


def read(client, count, seconds=PATIENCE_SECONDS):
    """Exactly `count` messages from what the consumer is assigned or subscribed to."""
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        for message in client.consume(min(count - len(messages), 10_000), timeout=0.5):
            good(message)
            messages.append(message)
        if time.monotonic() > deadline:
            fail(f"{len(messages)} of {count} messages after {seconds} s")
    return messages


def nothing_more(client, seconds=0.5):
    """Whatever else arrives in a short while, for checks that nothing does."""
    more = client.consume(1000, timeout=seconds)
    same("further messages", [(m.topic(), m.partition(), m.offset(), str(m.error())) for m in more], [])


def read_partition(name, partition, count, offset=0, **settings):
    """`count` messages of one partition from an offset, by a consumer outside any group."""
    client = consumer(**settings)
    client.assign([TopicPartition(name, partition, offset)])
    messages = read(client, count) if count else []
    client.close()
    return messages


def good(message):
    if message.error() is not None:
        fail(f"consumer error: {message.error()}")


def error_of(call):
    """The KafkaError code with which a call or a future fails; None when it succeeds."""
    try:
        call()
    except KafkaException as problem:
        return problem.args[0].code()
    return None


def refused(what, future, code):
    """An admin call that must fail with this code, and must say something to a person."""
    try:
        value = future.result(PATIENCE_SECONDS)
    except KafkaException as problem:
        error = problem.args[0]
        if error.code() != code:
            fail(f"{what}: got {error.name()} ({error.str()}), wanted {KafkaError(code).name()}")
        check(f"{what}: has a message", error.str())
        return error
    fail(f"{what} was accepted: {value}")
