"""Bad input gets the error that belongs to it, and the client that sent it can go on."""

from expectations import check, same, until
from kafka.errors import InvalidSessionTimeoutError, InvalidTopicError, KafkaTimeoutError, MessageSizeTooLargeError
from session import admin, consumer, error_of, plain_producer, poll, producer, read_partition, send_error, topic

# A record larger than the topic takes although the client allows it; then a good one from the same client.
limited = topic("limited", 1, {"max.message.bytes": "2000"})
body = b"".join(str(number * 7919 % 100_003).encode() for number in range(3000))
for codec in (None, "gzip"):
    client = plain_producer(max_request_size=10_000_000, compression_type=codec)
    same(f"too large a record, codec {codec}", send_error(client, limited, value=body), MessageSizeTooLargeError)
    same("a good one after it", send_error(client, limited, value=b"small"), None)
same("only the good ones are stored", [record.value for record in read_partition(limited, 0, 2)], [b"small"] * 2)
# The broker's own limit for a topic without one.
unlimited = topic("unlimited")
client = plain_producer(max_request_size=10_000_000)
same("larger than the broker's default", send_error(client, unlimited, value=b"x" * 1_100_000), MessageSizeTooLargeError)
same("just below it", send_error(client, unlimited, value=b"x" * 1_048_000), None)
# Compressed, the same record is small: the limit is on what is stored.
client = plain_producer(max_request_size=10_000_000, compression_type="gzip")
same("large but compressed", send_error(client, unlimited, value=b"x" * 1_100_000), None)
# A large one comes back although the consumer asked for less.
same("read with small limits", len(read_partition(unlimited, 0, 1, max_partition_fetch_bytes=1000)[0].value), 1_048_000)

# A compacted topic takes no record without a key.
compacted = topic("compacted", 1, {"cleanup.policy": "compact"})
check("a record without a key is refused", send_error(producer(), compacted, value=b"x") is not None)
same("a record with one", send_error(producer(), compacted, key=b"k", value=b"x"), None)
same("a tombstone", send_error(producer(), compacted, key=b"k", value=None), None)
same("only keyed ones are stored", [(r.key, r.value) for r in read_partition(compacted, 0, 2)], [(b"k", b"x"), (b"k", None)])

# Names that cannot be: either this client says so itself, or the broker does.
for bad in ("a b", "a/b", "x" * 250):
    try:
        found = send_error(producer(max_block_ms=2000), bad, value=b"x")
    except ValueError:
        found = InvalidTopicError
    check(f"producing to {bad[:10]!r}", found in (InvalidTopicError, KafkaTimeoutError), found)
    check("is not made", bad not in admin().list_topics())

# A session timeout out of bounds.
client = consumer("bounds", session_timeout_ms=1000, heartbeat_interval_ms=300)
client.subscribe([limited])
same("session timeout below the broker's minimum", until("an error", lambda: error_of(lambda: poll(client, 500))),
     InvalidSessionTimeoutError)
