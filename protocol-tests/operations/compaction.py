"""Compaction from the operator's side: what it leaves on disk, what a kill leaves of it, what it cannot clean."""

import os
import random
import subprocess

from client import Client
from stage import HERE, Stage, check, eventually, passed, same

from wire.records import batch, record

SEGMENT_BYTES = 1048576
CLEANING = {"log.cleaner.backoff.ms": 50, "log.flush.offset.checkpoint.interval.ms": 60000}
COMPACTED = {"cleanup.policy": "compact", "segment.bytes": SEGMENT_BYTES, "min.cleanable.dirty.ratio": 0.01}
CHECKPOINT = "cleaner-offset-checkpoint"


def keyed(key, value):
    return batch([record(0, key, value)])


def fill(client, topic, count, keys=3):
    """Batches of 100 KB; ten of them make a segment. Returns the last value of each key."""
    last = {}
    for _ in range(count):
        number = random.randrange(keys)
        last[number] = value = random.randbytes(100_000)
        client.must_produce(topic, keyed(b"key-%d" % number, value))
    return last


def values(client, topic):
    return [value for _, value in client.read(topic)]


def verified(broker):
    """Kafka's dump tool and readers over the whole directory of a stopped broker."""
    tool = os.path.join(os.path.dirname(HERE), "disk", "verify")
    run = subprocess.run([tool, broker.data_directory], capture_output=True, text=True)
    check(run.returncode == 0, f"Kafka's dump tool complains: {run.stdout[-1500:]} {run.stderr[-500:]}")


def checkpoint_and_files(stage):
    """The checkpoint says how far a log is clean, survives a restart, and forgets a deleted topic."""
    broker = stage.broker({**CLEANING, "log.segment.delete.delay.ms": 100, "log.retention.check.interval.ms": 200,
                           "log.initial.task.delay.ms": 100})
    broker.start()
    with Client(broker) as client:
        client.create_topic("sized", configs={**COMPACTED, "file.delete.delay.ms": 100})
        last = fill(client, "sized", 45)
        eventually("the log is clean up to its active segment",
                   lambda: broker.checkpoint(CHECKPOINT).get(("sized", 0)) == 40)
        eventually("the old files are removed", lambda: not broker.files("sized", ".deleted"))
        size = sum(os.path.getsize(path) for path in broker.files("sized", ".log"))
        check(size < 10 * 100_000, f"{size} bytes are left of 45 batches of 100 KB")
        same("unfinished files", broker.files("sized", ".cleaned") + broker.files("sized", ".swap"), [])
        check(set(last.values()) <= set(values(client, "sized")), "a newest value is missing")
    same("exit status", broker.stop(), 0)
    verified(broker)
    broker.start()
    same("the checkpoint after a restart", broker.checkpoint(CHECKPOINT).get(("sized", 0)), 40)
    with Client(broker) as client:
        check(set(last.values()) <= set(values(client, "sized")), "a newest value is missing after a restart")
        client.delete_topic("sized")
    eventually("the checkpoint forgets a deleted topic", lambda: not broker.checkpoint(CHECKPOINT))
    same("exit status", broker.stop(), 0)
    passed("checkpoint and files")


def policies(stage):
    """cleanup.policy counts as it is now; and a stop does not wait for a compaction that takes its time."""
    broker = stage.broker({**CLEANING, "log.cleaner.io.max.bytes.per.second": 100_000})
    broker.start()
    with Client(broker) as client:
        client.create_topic("slow", configs=COMPACTED)
        fill(client, "slow", 45)
        client.create_topic("plain", configs={**COMPACTED, "cleanup.policy": "delete"})
        fill(client, "plain", 15)
    same("exit status", broker.stop(), 0)
    same("unfinished files", broker.files("slow", ".cleaned"), [])
    broker.overrides.pop("log.cleaner.io.max.bytes.per.second")
    broker.start()
    with Client(broker) as client:
        eventually("it is compacted when it may", lambda: broker.checkpoint(CHECKPOINT).get(("slow", 0)) == 40)
        same("what is not compacted", len(values(client, "plain")), 15)
    same("exit status", broker.stop(), 0)
    passed("policies and stops")


def committed_offsets(stage):
    """__consumer_offsets does not grow with the number of commits."""
    broker = stage.broker({**CLEANING, "offsets.topic.num.partitions": 1,
                           "offsets.topic.segment.bytes": SEGMENT_BYTES, "log.cleaner.min.cleanable.ratio": 0.1})
    broker.start()
    commits = 1500
    with Client(broker) as client:
        client.create_topic("read", partitions=1)
        same("error of the first commit", client.commit("group-0", "read", 0), 0)
        for number in range(commits):
            partition = {"partition_index": 0, "committed_offset": number, "committed_metadata": "m" * 4000}
            body = {"group_id": f"group-{number % 5}", "topics": [{"name": "read", "partitions": [partition]}]}
            answer = client.call("OffsetCommit", 8, body)
            same("error of a commit", answer["topics"][0]["partitions"][0]["error_code"], 0)

    def size():
        return sum(os.path.getsize(path) for path in broker.files("__consumer_offsets", ".log"))

    # 1500 commits of 4 KB; the segment that is written to is not touched.
    eventually(f"__consumer_offsets shrinks ({size()} bytes after {commits} commits)",
               lambda: size() < 1.1 * SEGMENT_BYTES)
    broker.kill9()
    broker.start()
    with Client(broker) as client:
        for number in range(5):
            same("a committed offset", client.committed(f"group-{number}", "read"), commits - 5 + number)
    same("exit status", broker.stop(), 0)
    verified(broker)
    passed(f"committed offsets: {size()} bytes are left of {commits} commits")


def flipped_bit(stage):
    """A log with a flipped bit is reported with partition and offset and set aside; the others go on."""
    broker = stage.broker({**CLEANING, "log.cleaner.enable": "false"})
    broker.start()
    with Client(broker) as client:
        client.create_topic("flipped", configs=COMPACTED)
        client.create_topic("whole", configs=COMPACTED)
        fill(client, "flipped", 35)
        fill(client, "whole", 35)
    same("exit status", broker.stop(), 0)
    broken = broker.files("flipped", ".log")[1]
    with open(broken, "r+b") as file:
        # in the second batch of the second segment
        file.seek(150_000)
        byte = file.read(1)
        file.seek(150_000)
        file.write(bytes([byte[0] ^ 4]))
    broker.overrides["log.cleaner.enable"] = "true"
    mark = broker.log_mark()
    broker.start()
    lines = eventually("it is reported", lambda: broker.logged("flipped-0", "set aside", since=mark))
    check("offset 11" in lines[0], f"the line does not name offset 11: {lines[0]}")
    eventually("the other log is compacted", lambda: broker.checkpoint(CHECKPOINT).get(("whole", 0)) == 30)
    with Client(broker) as client:
        client.must_produce("flipped", keyed(b"key", b"goes on"))
        fill(client, "whole", 20)
    eventually("and again", lambda: broker.checkpoint(CHECKPOINT).get(("whole", 0)) == 50)
    same("lines about it", len(broker.logged("flipped-0", "set aside", since=mark)), 1)
    check(os.path.exists(broken), "the broken segment was touched")
    same("unfinished files", broker.files("flipped", ".cleaned"), [])
    same("exit status", broker.stop(), 0)
    passed("a flipped bit")


def kills(stage):
    """Kills while logs are compacted all the time: of each key the newest acknowledged value stays."""
    broker = stage.broker({**CLEANING, "log.cleaner.backoff.ms": 1, "log.cleaner.threads": 2})
    broker.start()
    last, count = {}, 0
    with Client(broker) as client:
        client.create_topic("killed", configs=COMPACTED)
    for _ in range(8):
        with Client(broker) as client:
            for _ in range(25):
                number = random.randrange(4)
                last[number] = value = random.randbytes(100_000)
                same("the next offset", client.must_produce("killed", keyed(b"key-%d" % number, value)), count)
                count += 1
        broker.kill9()
        broker.start()
        with Client(broker) as client:
            same("log end", client.range("killed")[1], count)
            check(set(last.values()) <= set(values(client, "killed")), "a newest value is missing after a kill")
    eventually("it is compacted in the end", lambda: broker.checkpoint(CHECKPOINT).get(("killed", 0), 0) >= 190)
    same("exit status", broker.stop(), 0)
    verified(broker)
    passed("kills while compacting")


seed = random.randrange(1 << 30)
print("seed", seed, flush=True)
random.seed(seed)
with Stage(seconds=280) as stage:
    for step in (checkpoint_and_files, policies, committed_offsets, flipped_bit, kills):
        stage.step(step)
