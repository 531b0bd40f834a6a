"""What is kept beside a committed offset: metadata and the leader epoch."""

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from expectations import same
from session import consumer, error_of, topic

name = topic("commit-metadata")


def raise_first(entries):
    """A synchronous commit reports a failure either as an exception or in its entries."""
    for entry in entries:
        if entry.error is not None:
            raise KafkaException(entry.error)


# Metadata comes back as it was given: text, nothing, up to the limit, and not beyond. This client sends the
# zero byte at the end of a C string along, so that of the 4096 bytes one is not ours to use.
client = consumer("with-metadata")
for note in ("a note", "", "grün ✓", "x" * 4095):
    client.commit(offsets=[TopicPartition(name, 0, 7, metadata=note)], asynchronous=False)
    entry = client.committed([TopicPartition(name, 0)], timeout=30)[0]
    same("metadata", (entry.offset, entry.metadata or ""), (7, note))
same("metadata beyond the limit", error_of(lambda: raise_first(client.commit(
    offsets=[TopicPartition(name, 0, 8, metadata="x" * 4096)], asynchronous=False))), KafkaError.OFFSET_METADATA_TOO_LARGE)
same("and did not move the offset", client.committed([TopicPartition(name, 0)], timeout=30)[0].offset, 7)

# The leader epoch of a commit is kept with it.
client.commit(offsets=[TopicPartition(name, 0, 9, leader_epoch=0)], asynchronous=False)
same("leader epoch", client.committed([TopicPartition(name, 0)], timeout=30)[0].leader_epoch, 0)
client.close()
