"""Commit and resume: by message, by offset, in the background; what was committed is what is read."""

import threading

from confluent_kafka import OFFSET_INVALID, TopicPartition

from expectations import same, until
from session import consumer, nothing_more, producer, read, send_all, topic

name = topic("commits", 3)
send_all(producer(), name, ({"value": str(n), "partition": n % 3} for n in range(300)))


def committed(group, *partitions):
    client = consumer(group)
    answer = client.committed([TopicPartition(name, p) for p in partitions or (0, 1, 2)], timeout=30)
    client.close()
    return [entry.offset for entry in answer]


same("a group that never committed", committed("fresh"), [OFFSET_INVALID] * 3)

# By offset, synchronously.
client = consumer("by-offset")
client.subscribe([name])
read(client, 300)
answer = client.commit(offsets=[TopicPartition(name, 0, 40), TopicPartition(name, 2, 60)], asynchronous=False)
same("the answer repeats the offsets", sorted((entry.partition, entry.offset, entry.error) for entry in answer),
     [(0, 40, None), (2, 60, None)])
client.close()
same("committed by offset", committed("by-offset"), [40, OFFSET_INVALID, 60])
client = consumer("by-offset")
client.subscribe([name])
resumed = read(client, 60 + 100 + 40)
nothing_more(client)
client.close()
for partition, first in ((0, 40), (1, 0), (2, 60)):
    same(f"partition {partition} resumes", min(m.offset() for m in resumed if m.partition() == partition), first)

# By message: the offset after it. And backwards, which a group may do.
client = consumer("by-message")
client.assign([TopicPartition(name, 1, 0)])
messages = read(client, 50)
client.commit(message=messages[29], asynchronous=False)
same("committed by message", committed("by-message", 1), [30])
client.commit(message=messages[9], asynchronous=False)
same("committed backwards", committed("by-message", 1), [10])
client.close()

# In the background, with the answer in a callback.
answers = []
called = threading.Event()


def on_commit(error, partitions):
    answers.append((error, sorted((entry.partition, entry.offset) for entry in partitions)))
    called.set()


client = consumer("in-background", on_commit)
client.subscribe([name])
read(client, 300)
client.commit(asynchronous=True)
until("the commit callback", lambda: client.poll(0.05) is None and called.is_set())
same("what the callback says", answers[0], (None, [(0, 100), (1, 100), (2, 100)]))
client.close()
same("committed in the background", committed("in-background"), [100, 100, 100])

# Automatic commits store what was handed out, at the latest on leaving.
client = consumer("automatic", enable_auto_commit=True, auto_commit_interval_ms=100)
client.subscribe([name])
read(client, 300)
client.close()
same("committed automatically", committed("automatic"), [100, 100, 100])

# Partitions and topics that are not there.
client = consumer("unknown")
missing = client.committed([TopicPartition(name, 99)], timeout=30)[0]
same("an unknown partition has no offset", missing.offset, OFFSET_INVALID)
client.close()
