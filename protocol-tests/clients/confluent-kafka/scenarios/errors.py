"""Bad input gets the error that belongs to it, and the client that sent it can go on."""

from confluent_kafka import KafkaError, TopicPartition

from expectations import check, same, until
from session import CODECS, PREFIX, admin, consumer, nothing_more, producer, read_partition, send_all, send_error, topic

# A consumer of a topic that is not there: told so, and none is made.
missing = PREFIX + "missing"
client = consumer("missing")
client.subscribe([missing])
problem = until("an error for the unknown topic", lambda: client.poll(1))
same("unknown topic", problem.error() and problem.error().code(), KafkaError.UNKNOWN_TOPIC_OR_PART)
check("the error names the topic", missing in problem.error().str(), problem.error().str())
check("no topic was made", missing not in admin().list_topics(timeout=30).topics)
# It appears later, and the consumer finds it.
client.close()
client = consumer("missing", topic_metadata_refresh_interval_ms=300)
client.subscribe([missing])
topic("missing")
send_all(producer(), missing, [{"value": "here now"}])


def first_good():
    message = client.poll(0.5)
    return message if message is not None and message.error() is None else None


same("found later", until("the record of the new topic", first_good).value(), b"here now")
client.close()

# A partition that is not there.
small = topic("small", 2)
same("an unknown partition", send_error(producer(message_timeout_ms=5000), small, value="x", partition=5), KafkaError._UNKNOWN_PARTITION)

# A record larger than the topic takes although the client allows it; then a good one from the same client.
limited = topic("limited", 1, {"max.message.bytes": "2000"})
for settings in ({}, {"enable_idempotence": True}, {"compression_type": "gzip"}):
    client = producer(message_max_bytes=10_000_000, **settings)
    body = b"".join(str(number * 7919 % 100_003).encode() for number in range(3000))
    same(f"too large a record {settings}", send_error(client, limited, value=body), KafkaError.MSG_SIZE_TOO_LARGE)
    same("a good one after it", send_error(client, limited, value="small"), None)
stored = read_partition(limited, 0, 3)
same("only the good ones are stored", [message.value() for message in stored], [b"small"] * 3)
# The broker's own limit for a topic without one.
unlimited = topic("unlimited")
client = producer(message_max_bytes=10_000_000)
same("larger than the broker's default", send_error(client, unlimited, value=b"x" * 1_100_000), KafkaError.MSG_SIZE_TOO_LARGE)
same("just below it", send_error(client, unlimited, value=b"x" * 1_048_000), None)
# Compressed, the same record is small: the limit is on what is stored.
client = producer(message_max_bytes=10_000_000, compression_type=CODECS[-1])
same("large but compressed", send_error(client, unlimited, value=b"x" * 1_100_000), None)

# Names that cannot be.
for bad in ("a b", "a/b", "x" * 250):
    code = send_error(producer(message_timeout_ms=5000), bad, value="x")
    check(f"producing to {bad[:10]!r}", code in (KafkaError.TOPIC_EXCEPTION, KafkaError._MSG_TIMED_OUT, KafkaError._UNKNOWN_TOPIC), code)

# A compacted topic takes no record without a key, whatever else is in the batch.
compacted = topic("compacted", 1, {"cleanup.policy": "compact"})
same("a record without a key", send_error(producer(), compacted, value="x"), KafkaError.INVALID_RECORD)
same("a record with one", send_error(producer(), compacted, key="k", value="x"), None)
same("a tombstone", send_error(producer(), compacted, key="k", value=None), None)
same("only keyed ones are stored", [m.key() for m in read_partition(compacted, 0, 2)], [b"k", b"k"])
client = consumer()
client.assign([TopicPartition(compacted, 0, 2)])
nothing_more(client)
client.close()

# Groups: an empty name, a session timeout out of bounds.
client = consumer("bounds", session_timeout_ms=1000, heartbeat_interval_ms=300)
client.subscribe([small])
problem = until("an error for the session timeout", lambda: client.poll(1))
same("session timeout below the broker's minimum", problem.error() and problem.error().code(), KafkaError.INVALID_SESSION_TIMEOUT)
client.close()
