"""The data directories that are damaged: topics with a few small segments each, stopped in one way or the other."""

import time

from client import Client
from stage import eventually, same

from wire.records import record, batch

SEGMENTS = 3
BATCHES = 8  # in each segment
RECORDS = 5  # in each batch
ACKNOWLEDGED = SEGMENTS * BATCHES * RECORDS

SETTINGS = {
    # What a start need not read, the scrub does, and begins with it at once.
    "log.initial.task.delay.ms": 0,
    "zurau.scrub.bytes.per.second": 1 << 30,
    # Several snapshots.
    "metadata.log.max.record.bytes.between.snapshots": 400,
    "replica.high.watermark.checkpoint.interval.ms": 100,
    "log.flush.offset.checkpoint.interval.ms": 100,
    "log.flush.start.offset.checkpoint.interval.ms": 100,
}
# Segments begin when timestamps say so, which makes small ones; each batch but the first is in the index.
TRIMMED = "trimmed"
HOUR_MS = 3_600_000
CONFIGS = {"segment.ms": HOUR_MS // 2, "segment.jitter.ms": 0, "index.interval.bytes": 1, "retention.ms": -1}


def value(topic, offset):
    return b"%s %06d %s" % (topic.encode(), offset, b"v" * 60)


def fill(client, topic, producer=-1):
    """Batches of known records; what was acknowledged is what `value` says of all offsets below `ACKNOWLEDGED`."""
    began = int(time.time() * 1000) - 24 * HOUR_MS
    for number in range(SEGMENTS * BATCHES):
        first = number * RECORDS
        records = [record(index, None, value(topic, first + index)) for index in range(RECORDS)]
        stamp = began + number // BATCHES * HOUR_MS + number
        fields = {"producer_id": producer, "producer_epoch": 0, "base_sequence": first} if producer >= 0 else {}
        same(f"offset of batch {number} of {topic}",
             client.must_produce(topic, batch(records, base_timestamp=stamp, **fields)), first)


def trim(client):
    """A log that begins in the middle of its segment: without one there are no log starts."""
    client.create_topic(TRIMMED)
    client.produce_values(TRIMMED, [b"deleted", b"kept"])
    answer = client.call("DeleteRecords", 2, {"topics": [{"name": TRIMMED, "partitions": [{"partition_index": 0, "offset": 1}]}],
                                              "timeout_ms": 10_000})
    same("error of DeleteRecords", answer["topics"][0]["partitions"][0]["error_code"], 0)


def seed(broker, topics, cleanly):
    """Fills the broker's directory and ends it. When it is killed its checkpoints say what was acknowledged."""
    broker.start()
    with Client(broker, timeout=60) as client:
        producer = client.new_producer()
        for topic in topics:
            client.create_topic(topic, configs=CONFIGS)
            fill(client, topic, producer)
        trim(client)
    if cleanly:
        same("exit status", broker.stop(), 0)
        return

    eventually("the log start is on the disk", lambda: (TRIMMED, 0) in broker.checkpoint("log-start-offset-checkpoint"), seconds=30)

    def all_are_known():
        marks = broker.checkpoint("replication-offset-checkpoint")
        return all(marks.get((topic, 0)) == ACKNOWLEDGED for topic in topics)

    eventually("the high watermarks are on the disk", all_are_known, seconds=30)
    broker.kill9()
