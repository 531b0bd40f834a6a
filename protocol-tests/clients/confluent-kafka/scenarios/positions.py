"""Seek, watermarks, offsets by time, pause and resume, end of partition, reset policy."""

import time

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, TopicPartition

from expectations import check, fail, same, until
from session import consumer, good, nothing_more, producer, read, send_all, topic

name = topic("positions", 2)
base = int(time.time() * 1000) - 1_000_000
# Partition 0: a second apart. Partition 1: nothing.
send_all(producer(), name, ({"value": str(n), "partition": 0, "timestamp": base + n * 1000} for n in range(100)))

client = consumer("positions")
same("watermarks", client.get_watermark_offsets(TopicPartition(name, 0), timeout=30), (0, 100))
same("watermarks of an empty partition", client.get_watermark_offsets(TopicPartition(name, 1), timeout=30), (0, 0))


def by_time(when, partition=0):
    return client.offsets_for_times([TopicPartition(name, partition, when)], timeout=30)[0].offset


same("exactly the time of a record", by_time(base + 30_000), 30)
same("between two records", by_time(base + 30_001), 31)
same("before all records", by_time(0), 0)
same("after all records", by_time(base + 99_001), OFFSET_END)
same("in an empty partition", by_time(base, 1), OFFSET_END)

# Timestamps out of order: the first offset whose record is at or after the time, whatever came before it.
mixed = topic("mixed-times")
times = [50, 10, 70, 20, 60, 90, 30]
send_all(producer(linger_ms=0, batch_num_messages=1), mixed, ({"value": str(t), "timestamp": base + t * 1000} for t in times))
for when, wanted in ((5, 0), (50, 0), (51, 2), (71, 5), (90, 5)):
    answer = client.offsets_for_times([TopicPartition(mixed, 0, base + when * 1000)], timeout=30)[0].offset
    same(f"first record at or after {when}", answer, wanted)

client.assign([TopicPartition(name, 0, 0)])
same("from the start", [m.offset() for m in read(client, 10)], list(range(10)))
for target in (90, 5, 42):
    client.seek(TopicPartition(name, 0, target))
    same(f"after a seek to {target}", [m.offset() for m in read(client, 3)], [target, target + 1, target + 2])
client.seek(TopicPartition(name, 0, OFFSET_BEGINNING))
same("after a seek to the beginning", read(client, 1)[0].offset(), 0)
client.seek(TopicPartition(name, 0, OFFSET_END))
nothing_more(client)
# Where the end is the client asks in the background, some time after the seek: what is sent meanwhile is not for it.
end = 100
while not (news := client.consume(1, timeout=1)):
    check(end < 160, "nothing of what is sent after a seek to the end arrives")
    send_all(producer(), name, [{"value": f"new {end}", "partition": 0}])
    end += 1
good(news[0])
check(100 <= news[0].offset() < end, f"after a seek to the end {news[0].offset()} comes first")
same("position", client.position([TopicPartition(name, 0)])[0].offset, news[0].offset() + 1)
client.close()

# Pause one of two partitions: only the other one flows; resume: nothing was skipped.
paused = topic("paused", 2)
client = consumer("paused")
client.assign([TopicPartition(paused, 0, 0), TopicPartition(paused, 1, 0)])
client.pause([TopicPartition(paused, 1)])
send_all(producer(), paused, ({"value": str(n), "partition": n % 2} for n in range(200)))
same("only partition 0 flows", {m.partition() for m in read(client, 100)}, {0})
nothing_more(client)
client.resume([TopicPartition(paused, 1)])
same("then all of partition 1", [(m.partition(), m.offset()) for m in read(client, 100)], [(1, n) for n in range(100)])
client.close()

# The end of a partition is an event when asked for.
client = consumer("end", enable_partition_eof=True)
client.assign([TopicPartition(name, 0, 0), TopicPartition(name, 1, 0)])
ends = {}
while len(ends) < 2:
    message = client.poll(30) or fail("no end of partition")
    if message.error() is not None and message.error().code() == KafkaError._PARTITION_EOF:
        ends[message.partition()] = message.offset()
    else:
        good(message)
same("ends of the partitions", ends, {0: end, 1: 0})
client.close()

# Beyond the end: what the reset policy says.
for policy, wanted in (("earliest", 0), ("latest", None)):
    client = consumer(f"reset-{policy}", auto_offset_reset=policy)
    client.assign([TopicPartition(name, 0, 5000)])
    if wanted is None:
        nothing_more(client, 1)
    else:
        same(f"reset to {policy}", read(client, 1)[0].offset(), wanted)
    client.close()
client = consumer("reset-error", auto_offset_reset="error")
client.assign([TopicPartition(name, 0, 5000)])
problem = until("an error for an offset out of range", lambda: client.poll(1))
same("out of range, told to fail", problem.error() and problem.error().code(), KafkaError._AUTO_OFFSET_RESET)
check("the error says why", "out of range" in problem.error().str().lower(), problem.error().str())
client.close()
