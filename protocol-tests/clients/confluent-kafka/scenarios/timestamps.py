"""Create time is kept, append time is the broker's, and times out of bounds are refused."""

import time

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError, TopicPartition

from expectations import check, same
from session import CODECS, consumer, producer, read_partition, send_all, send_error, topic

now = int(time.time() * 1000)
old = now - 40 * 24 * 3600 * 1000

# Create time: as sent, also far in the past.
created = topic("created", 1, {"retention.ms": "-1"})
send_all(producer(), created, [{"value": "old", "timestamp": old}, {"value": "new", "timestamp": now}])
same("create times", [m.timestamp() for m in read_partition(created, 0, 2)],
     [(TIMESTAMP_CREATE_TIME, old), (TIMESTAMP_CREATE_TIME, now)])

# Append time: the broker's clock, in the acknowledgement and in the record, for every codec.
appended = topic("appended", 1, {"message.timestamp.type": "LogAppendTime"})
offset = 0
for codec in CODECS:
    before = int(time.time() * 1000)
    delivered = send_all(producer(compression_type=codec), appended, ({"value": f"{codec} {n}" * 50, "timestamp": old} for n in range(20)))
    after = int(time.time() * 1000)
    got = read_partition(appended, 0, 20, offset)
    for message in got:
        kind, stamp = message.timestamp()
        same(f"{codec}: kind of time", kind, TIMESTAMP_LOG_APPEND_TIME)
        check(f"{codec}: between sending and acknowledgement", before - 1000 <= stamp <= after + 1000, (before, stamp, after))
    same(f"{codec}: the acknowledgement has the same time", [m.timestamp() for m in delivered], [m.timestamp() for m in got])
    same(f"{codec}: values", [m.value() for m in got], [(f"{codec} {n}" * 50).encode() for n in range(20)])
    offset += 20
client = consumer()
same("found by append time", client.offsets_for_times([TopicPartition(appended, 0, now - 3600_000)], timeout=30)[0].offset, 0)
client.close()

# Bounds: an hour ahead by default, and what the topic says backwards.
same("more than an hour ahead", send_error(producer(), created, value="x", timestamp=now + 2 * 3600_000), KafkaError.INVALID_TIMESTAMP)
same("half an hour ahead", send_error(producer(), created, value="x", timestamp=now + 1800_000), None)
bounded = topic("bounded", 1, {"message.timestamp.before.max.ms": "60000", "message.timestamp.after.max.ms": "10000"})
same("too old", send_error(producer(), bounded, value="x", timestamp=now - 600_000), KafkaError.INVALID_TIMESTAMP)
same("too far ahead", send_error(producer(), bounded, value="x", timestamp=now + 600_000), KafkaError.INVALID_TIMESTAMP)
same("within the bounds", send_error(producer(), bounded, value="x", timestamp=int(time.time() * 1000)), None)
same("nothing else is stored", [m.value() for m in read_partition(bounded, 0, 1)], [b"x"])
