"""Settings of topics that have data, and of the broker, are changed while the broker runs: each effect is seen from
outside, in answers or in the files of the partition."""

import json
import os
import subprocess
import time

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, OffsetSpec

from expectations import PATIENCE_SECONDS, check, same, until
from session import admin, consumer, producer, read_partition, send_all, send_error, topic

MIB = 1 << 20
HOUR_MS = 3_600_000
# An entry of an offset index.
INDEX_ENTRY = 8

client = admin()
sender = producer(linger_ms=0, message_max_bytes=2_000_000)
now_ms = int(time.time() * 1000)


def order(word):
    return json.loads(subprocess.run([os.environ["BROKER_CONTROL"], word], check=True, capture_output=True).stdout)


data_directory = order("status")["data_directory"]


def value(resource, key):
    return client.describe_configs([resource])[resource].result(PATIENCE_SECONDS)[key]


def alter(kind, name, operation, settings):
    resource = ConfigResource(kind, name, incremental_configs=[
        ConfigEntry(key, text, incremental_operation=operation) for key, text in settings.items()])
    client.incremental_alter_configs([resource])[resource].result(PATIENCE_SECONDS)


def change(name, **settings):
    """Sets settings of a topic (dots as underscores) and waits until the broker tells them."""
    settings = {key.replace("_", "."): str(wanted) for key, wanted in settings.items()}
    alter(ConfigResource.Type.TOPIC, name, AlterConfigOpType.SET, settings)
    shown = ConfigResource(ConfigResource.Type.TOPIC, name)
    for key, wanted in settings.items():
        until(f"{name} shows {key}", lambda: value(shown, key).value == wanted)
        same(f"source of {key}", ConfigSource(value(shown, key).source), ConfigSource.DYNAMIC_TOPIC_CONFIG)


def send(name, count, size=100, timestamp=None, step_ms=0):
    """Sends records, each in a batch of its own."""
    for number in range(count):
        stamp = {} if timestamp is None else {"timestamp": timestamp + number * step_ms}
        send_all(sender, name, [{"value": b"v" * size, "partition": 0, **stamp}])


def files(name, ending):
    """Sizes of the partition's files, by base offset."""
    folder = os.path.join(data_directory, f"{name}-0")
    sizes = {}
    for file in os.listdir(folder):
        if file.endswith(ending):
            try:
                sizes[int(file.split(".")[0])] = os.stat(os.path.join(folder, file)).st_size
            except FileNotFoundError:
                pass
    return dict(sorted(sizes.items()))


def segments(name):
    return list(files(name, ".log"))


def first_and_end(name):
    looking = consumer()
    bounds = looking.get_watermark_offsets(TopicPartition(name, 0), timeout=30)
    looking.close()
    return bounds


def roll(name):
    """Sends large records until one of them begins a segment."""
    change(name, segment_bytes=MIB)
    before = len(segments(name))
    while len(segments(name)) == before:
        send(name, 1, size=600_000)


def largest_batch():
    name = topic("largest")
    send(name, 1, size=3000)
    change(name, max_message_bytes=1000)
    same("a batch above the new limit", send_error(sender, name, value=b"v" * 3000), KafkaError.MSG_SIZE_TOO_LARGE)
    change(name, max_message_bytes=10_000)
    same("a batch below the next limit", send_error(sender, name, value=b"v" * 3000), None)


def segment_size_and_retention():
    name = topic("segments")
    send(name, 4, size=400_000)
    same("segments of the default size", segments(name), [0])
    change(name, segment_bytes=MIB, file_delete_delay_ms=HOUR_MS)
    send(name, 4, size=400_000)
    same("segments of the new size", segments(name), [0, 4, 6])

    change(name, retention_bytes=1_500_000)
    until("the first segment is gone", lambda: segments(name) == [4, 6])
    until("the log begins later", lambda: first_and_end(name) == (4, 8))
    until("its file waits", lambda: 0 in files(name, ".log.deleted"))
    change(name, file_delete_delay_ms=1, retention_ms=1)
    until("all segments are gone", lambda: segments(name) == [8])
    until("nothing is left", lambda: first_and_end(name) == (8, 8))
    until("the later files wait no more", lambda: list(files(name, ".log.deleted")) == [0])
    change(name, retention_ms=-1, retention_bytes=-1)
    send(name, 1)
    same("a record that is kept", len(read_partition(name, 0, 1, 8)), 1)


def segment_time():
    name = topic("segment-time")
    step, long_ago = 9_000, now_ms - HOUR_MS
    send(name, 2, timestamp=long_ago, step_ms=step)
    same("a segment of a week", segments(name), [0])
    change(name, segment_ms=10_000)
    send(name, 20, timestamp=long_ago + 2 * step, step_ms=step)
    rolled = len(segments(name)) - 1
    check("every second record begins a segment", 9 <= rolled <= 11, segments(name))
    # Each segment ends earlier by chance, up to its whole time: nearly each record begins one.
    change(name, segment_jitter_ms=10_000)
    send(name, 20, timestamp=long_ago + 22 * step, step_ms=step)
    rolled = len(segments(name)) - 1 - rolled
    check("jitter ends segments earlier", rolled >= 13, segments(name))


def timestamps():
    name = topic("timestamps")
    send(name, 1, timestamp=now_ms - 48 * HOUR_MS)
    change(name, message_timestamp_before_max_ms=HOUR_MS)
    same("too old", send_error(sender, name, value=b"v", timestamp=now_ms - 48 * HOUR_MS), KafkaError.INVALID_TIMESTAMP)
    same("in the future", send_error(sender, name, value=b"v", timestamp=now_ms + HOUR_MS // 2), None)
    change(name, message_timestamp_after_max_ms=60_000)
    same("too new", send_error(sender, name, value=b"v", timestamp=now_ms + HOUR_MS // 2), KafkaError.INVALID_TIMESTAMP)
    change(name, message_timestamp_type="LogAppendTime")
    same("any time of the producer's", send_error(sender, name, value=b"v", timestamp=now_ms - 48 * HOUR_MS), None)
    stored = [message.timestamp() for message in read_partition(name, 0, 3)]
    same("kinds", [kind for kind, _ in stored],
         [TIMESTAMP_CREATE_TIME, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME])
    check("the broker's time", abs(stored[2][1] - now_ms) < HOUR_MS / 2, stored)


def indexes():
    name = topic("indexes")
    send(name, 20)
    roll(name)
    [sealed, *_] = files(name, ".index").items()
    same("entries at the default distance", sealed[1] // INDEX_ENTRY <= 1, True)
    change(name, index_interval_bytes=1)
    roll(name)
    begin = segments(name)[-1]
    send(name, 20)
    roll(name)
    entries = files(name, ".index")[begin] // INDEX_ENTRY
    check("an entry for nearly every batch", entries >= 18, files(name, ".index"))
    before = len(segments(name))
    change(name, segment_index_bytes=10 * INDEX_ENTRY)
    roll(name)
    send(name, 40)
    check("segments end with their indexes", len(segments(name)) >= before + 4, segments(name))


def flushing():
    name = topic("flushing")
    send(name, 3)
    change(name, flush_messages=1)
    send(name, 1)

    def recovery_point():
        with open(os.path.join(data_directory, "recovery-point-offset-checkpoint")) as file:
            return dict(line.rsplit(" ", 1) for line in file.read().splitlines()[2:]).get(f"{name} 0")

    until("the recovery point has followed", lambda: recovery_point() == "4")


def preallocation():
    name = topic("preallocated")
    change(name, preallocate="true")
    roll(name)
    newest = segments(name)[-1]
    same("the new segment has its whole size", files(name, ".log")[newest], MIB)
    change(name, preallocate="false")
    roll(name)
    sizes = files(name, ".log")
    check("what is closed is as large as its content", sizes[newest] < MIB, sizes)
    check("and the next is not made larger", sizes[segments(name)[-1]] < MIB, sizes)
    return name, first_and_end(name)[1]


def cleanup_policy():
    name = topic("policy")
    send(name, 2)
    change(name, cleanup_policy="compact")
    same("a record without a key", send_error(sender, name, value=b"v"), KafkaError.INVALID_RECORD)
    partition = TopicPartition(name, 0, 1)
    deleting = client.delete_records([partition])[partition]
    check("records of a compacted topic stay", deleting.exception(PATIENCE_SECONDS) is not None)
    alter(ConfigResource.Type.TOPIC, name, AlterConfigOpType.APPEND, {"cleanup.policy": "delete"})
    shown = ConfigResource(ConfigResource.Type.TOPIC, name)
    until("both policies", lambda: value(shown, "cleanup.policy").value == "compact,delete")
    same("deleted", client.delete_records([partition])[partition].result(PATIENCE_SECONDS).low_watermark, 1)
    alter(ConfigResource.Type.TOPIC, name, AlterConfigOpType.SUBTRACT, {"cleanup.policy": "compact"})
    until("one policy", lambda: value(shown, "cleanup.policy").value == "delete")
    same("a record without a key again", send_error(sender, name, value=b"v"), None)
    earliest = client.list_offsets({TopicPartition(name, 0): OffsetSpec.earliest()})[TopicPartition(name, 0)]
    same("log start", earliest.result(PATIENCE_SECONDS).offset, 1)


def replicas():
    name = topic("replicas")
    change(name, min_insync_replicas=2)
    same("one replica is all that there are", send_error(sender, name, value=b"v"), None)


def defaults_of_brokers():
    own, inheriting = topic("own", config={"max.message.bytes": "10000"}), topic("inheriting")
    # The client cannot name what stands for all brokers.
    broker = ConfigResource.Type.BROKER, str(next(iter(client.list_topics(timeout=30).brokers)))
    alter(*broker, AlterConfigOpType.SET, {"message.max.bytes": "1000"})
    shown = ConfigResource(ConfigResource.Type.TOPIC, inheriting)
    until("the topic inherits", lambda: value(shown, "max.message.bytes").value == "1000")
    same("from the broker", ConfigSource(value(shown, "max.message.bytes").source), ConfigSource.DYNAMIC_BROKER_CONFIG)
    until("its batches are refused",
          lambda: send_error(sender, inheriting, value=b"v" * 3000) == KafkaError.MSG_SIZE_TOO_LARGE)
    same("a topic with a limit of its own", send_error(sender, own, value=b"v" * 3000), None)
    alter(*broker, AlterConfigOpType.DELETE, {"message.max.bytes": None})
    until("its batches are taken again", lambda: send_error(sender, inheriting, value=b"v" * 3000) is None)


largest_batch()
segment_size_and_retention()
segment_time()
timestamps()
indexes()
flushing()
name, end = preallocation()
cleanup_policy()
replicas()
defaults_of_brokers()

# Everything is found again, the settings too.
order("restart")
same("records after a restart", [m.offset() for m in read_partition(name, 0, end)], list(range(end)))
again = ConfigResource(ConfigResource.Type.TOPIC, name)
same("a setting after a restart", value(again, "segment.bytes").value, str(MIB))
send(name, 1)
same("a record after a restart", first_and_end(name)[1], end + 1)
