"""Seek, first and last offsets, offsets by time, pause and resume, and what the reset policy says beyond the end."""

import time

from expectations import same, until
from kafka import TopicPartition
from kafka.errors import OffsetOutOfRangeError
from session import consumer, error_of, nothing_more, poll, producer, read, send_all, topic

name = topic("positions", 2)
filled, empty = TopicPartition(name, 0), TopicPartition(name, 1)
base = int(time.time() * 1000) - 1_000_000
# Partition 0: a second apart. Partition 1: nothing.
send_all(producer(), name, ({"partition": 0, "value": str(n).encode(), "timestamp": base + n * 1000} for n in range(100)))

client = consumer(max_poll_records=3)
same("first offsets", client.beginning_offsets([filled, empty]), {filled: 0, empty: 0})
same("last offsets", client.end_offsets([filled, empty]), {filled: 100, empty: 0})


def by_time(when, partition=filled):
    found = client.offsets_for_times({partition: when})[partition]
    return found and (found.offset, found.timestamp)


same("exactly the time of a record", by_time(base + 30_000), (30, base + 30_000))
same("between two records", by_time(base + 30_001), (31, base + 31_000))
same("before all records", by_time(0), (0, base))
same("after all records", by_time(base + 99_001), None)
same("in an empty partition", by_time(base, empty), None)


def next_offsets():
    return [record.offset for record in until("records", lambda: poll(client, 500))]


client.assign([filled])
client.seek_to_beginning(filled)
same("from the start", next_offsets(), [0, 1, 2])
for target in (90, 5, by_time(base + 41_500)[0]):
    client.seek(filled, target)
    same(f"after a seek to {target}", next_offsets(), [target, target + 1, target + 2])
    same("position", client.position(filled), target + 3)
client.seek_to_beginning(filled)
same("after a seek to the beginning", next_offsets(), [0, 1, 2])
client.seek_to_end(filled)
same("position at the end", client.position(filled), 100)
nothing_more(client)
send_all(producer(), name, [{"partition": 0, "value": b"new"}])
same("after a seek to the end", next_offsets(), [100])
client.close()

# Pause one of two partitions: only the other one flows; resume: nothing was skipped.
paused = topic("paused", 2)
send_all(producer(), paused, ({"partition": n % 2, "value": str(n).encode()} for n in range(200)))
client = consumer()
client.assign([TopicPartition(paused, 0), TopicPartition(paused, 1)])
client.pause(TopicPartition(paused, 1))
same("only partition 0 flows", {record.partition for record in read(client, 100)}, {0})
nothing_more(client)
client.resume(TopicPartition(paused, 1))
same("then all of partition 1", [(r.partition, r.offset) for r in read(client, 100)], [(1, n) for n in range(100)])
client.close()

# Beyond the end: what the reset policy says.
client = consumer(auto_offset_reset="earliest")
client.assign([filled])
client.seek(filled, 5000)
same("reset to the earliest", until("records", lambda: poll(client, 500))[0].offset, 0)
client.close()
client = consumer(auto_offset_reset="none")
client.assign([filled])
client.seek(filled, 5000)
same("told to fail", until("an error", lambda: error_of(lambda: poll(client, 500))), OffsetOutOfRangeError)
client.close()
