"""Commit and resume: by offset, of everything read, in the background, with metadata; what was committed is what is read."""

import threading

from expectations import check, same, until
from kafka import TopicPartition
from kafka.errors import OffsetMetadataTooLargeError
from session import consumer, error_of, nothing_more, offset_and_metadata, poll, producer, read, send_all, topic

name = topic("commits", 3)
send_all(producer(), name, ({"partition": n % 3, "value": str(n).encode()} for n in range(300)))
partitions = [TopicPartition(name, number) for number in range(3)]


def committed(group):
    client = consumer(group)
    offsets = [client.committed(partition) for partition in partitions]
    client.close()
    return offsets


same("a group that never committed", committed("fresh"), [None] * 3)

# By offset.
client = consumer("by-offset")
client.subscribe([name])
read(client, 300)
client.commit({partitions[0]: offset_and_metadata(40), partitions[2]: offset_and_metadata(60)})
client.close()
same("committed by offset", committed("by-offset"), [40, None, 60])
client = consumer("by-offset")
client.subscribe([name])
resumed = read(client, 60 + 100 + 40)
nothing_more(client)
for number, first in enumerate((40, 0, 60)):
    same(f"partition {number} resumes", [r.offset for r in resumed if r.partition == number], list(range(first, 100)))

# Everything that was read; and backwards, which a group may do.
client.commit()
same("committed what was read", committed("by-offset"), [100] * 3)
client.commit({partitions[1]: offset_and_metadata(10)})
same("committed backwards", committed("by-offset"), [100, 10, 100])
client.close()

# In the background, with the answer in a callback.
answers = []
called = threading.Event()


def on_commit(offsets, response):
    answers.append((sorted((partition.partition, entry.offset) for partition, entry in offsets.items()), response))
    called.set()


client = consumer("in-background")
client.subscribe([name])
read(client, 300)
client.commit_async(callback=on_commit)
until("the commit callback", lambda: not poll(client, 50) and called.is_set())
same("what was committed", answers[0][0], [(0, 100), (1, 100), (2, 100)])
check("the callback has an answer and no error", not isinstance(answers[0][1], Exception), answers[0][1])
client.close()
same("committed in the background", committed("in-background"), [100] * 3)

# Automatic commits store what was handed out, at the latest on leaving.
client = consumer("automatic", enable_auto_commit=True, auto_commit_interval_ms=100)
client.subscribe([name])
read(client, 300)
client.close()
same("committed automatically", committed("automatic"), [100] * 3)

# Metadata comes back as it was given: text, nothing, up to the limit, and not beyond.
client = consumer("with-metadata")
client.assign(partitions)
for note in ("a note", "", "grün ✓", "x" * 4096):
    client.commit({partitions[0]: offset_and_metadata(7, note)})
    entry = client.committed(partitions[0], metadata=True)
    same("metadata", (entry.offset, entry.metadata), (7, note))
same("metadata beyond the limit", error_of(lambda: client.commit({partitions[0]: offset_and_metadata(8, "x" * 4097)})),
     OffsetMetadataTooLargeError)
same("and did not move the offset", client.committed(partitions[0]), 7)
client.close()
