"""A file system fills up under load, down to the reserve: records are refused and nothing else is. There is room again
when a topic is deleted, or when retention has its way: then records are taken again, by whoever tries. In the end
everything that was acknowledged is there, and Kafka's tools find nothing wrong."""

import os
import threading
import time

from client import LATEST, RETRIABLE, Client
from mounts import enter_private_namespace, free_bytes, mount_memory
from stage import Stage, check, eventually, kafka_accepts, passed, same

from wire.records import simple_batch

enter_private_namespace()
SIZE_MEBIBYTES = 128
RESERVE = 24 << 20
# How far one drain of the lanes may go beyond the reserve before somebody has looked.
OVERSHOOT = 16 << 20
PRODUCERS = 4
RETENTION_MS = 15_000


class Load:
    """Threads that produce, each to a topic of its own, until the first refusal or an end."""

    def __init__(self, broker, topics, acknowledged):
        self.broker, self.acknowledged = broker, acknowledged
        self.refusals, self.problems = [], []
        self.threads = [threading.Thread(target=self._produce, args=(topic,), daemon=True) for topic in topics]
        for thread in self.threads:
            thread.start()

    def _produce(self, topic):
        try:
            with Client(self.broker) as client:
                # Made beforehand: the checksum is slow in Python, and the disk is to be filled by a load.
                values = [b"%s %06d " % (topic.encode(), number) + os.urandom(50_000) for number in range(16)]
                batches = [simple_batch([value]) for value in values]
                for _ in range(5000):
                    number = len(self.acknowledged[topic])
                    value, batch = values[number % 16], batches[number % 16]
                    answer = client.produce(topic, batch)
                    if answer["error_code"]:
                        self.refusals.append((topic, answer["error_code"], answer["error_message"]))
                        return
                    same(f"base offset in {topic}", answer["base_offset"], number)
                    self.acknowledged[topic].append(value)
            raise AssertionError("a disk without end")
        except Exception as problem:
            self.problems.append(f"{topic}: {problem!r}")

    def until_refused(self):
        for thread in self.threads:
            thread.join(60)
        same("problems of the producers", self.problems, [])
        same("producers that were refused", len(self.refusals), len(self.threads))
        for topic, error, message in self.refusals:
            check(error in RETRIABLE, f"{topic}: error {error} is not one that clients retry: {message}")
        return self.refusals[0]


def check_the_rest(broker, client, disk, acknowledged, number):
    """With the disk at its reserve: commits, reads, making topics."""
    free = free_bytes(disk)
    check(RESERVE - OVERSHOOT < free < RESERVE + (1 << 20), f"refused with {free} bytes free")
    same("error of a commit", client.commit("readers", "kept", number), 0)
    same("the commit", client.committed("readers", "kept"), number)
    for topic, values in acknowledged.items():
        same(f"log end of {topic}", client.offset(topic, LATEST), len(values))
    same("records of kept", [value for _, value in client.read("kept")] == acknowledged["kept"], True)
    client.create_topic(f"made-on-a-full-disk-{number}")


def taken_again(client, acknowledged, topic, seconds):
    """A record that is tried again and again, as producers do."""
    value = b"%06d again" % len(acknowledged[topic])
    began = time.monotonic()
    batch = simple_batch([value])
    eventually(f"{topic} takes records again", lambda: client.produce(topic, batch)["error_code"] == 0, seconds=seconds)
    acknowledged[topic].append(value)
    return time.monotonic() - began


with Stage(seconds=200) as stage:
    disk = stage.path("disk")
    mount_memory(disk, SIZE_MEBIBYTES)
    broker = stage.broker({
        "log.dirs": os.path.join(disk, "data"), "zurau.disk.reserve.bytes": RESERVE, "offsets.topic.num.partitions": 2,
        "log.segment.delete.delay.ms": 200, "log.retention.check.interval.ms": 500, "log.initial.task.delay.ms": 500,
    })
    broker.start()
    topics = ["kept", "doomed-1", "doomed-2", "doomed-3"]
    acknowledged = {topic: [] for topic in topics}
    with Client(broker) as client:
        for topic in topics:
            client.create_topic(topic)
        topic, error, message = Load(broker, topics, acknowledged).until_refused()
        check_the_rest(broker, client, disk, acknowledged, 1)
        taken = sum(len(values) for values in acknowledged.values())
        passed(f"full after {taken} records: error {error}: {message}")

        for topic in topics[1:]:
            client.delete_topic(topic)
            del acknowledged[topic]
        seconds = taken_again(client, acknowledged, "kept", 30)
        passed(f"taken again {seconds:.1f} s after topics were deleted")

        # The same by itself: what fills the disk grows old.
        aging = ["aging-1", "aging-2"]
        for topic in aging:
            client.create_topic(topic, configs={"retention.ms": RETENTION_MS, "segment.bytes": 1 << 20, "file.delete.delay.ms": 100})
            acknowledged[topic] = []
        Load(broker, aging, acknowledged).until_refused()
        check_the_rest(broker, client, disk, acknowledged, 2)
        seconds = taken_again(client, acknowledged, "kept", 90)
        passed(f"taken again {seconds:.1f} s later, by retention alone")
        check(broker.logged("nearly full") and broker.logged("has room again"), "the log does not tell of both")
        check(not broker.logged("offline") and not broker.logged("panicked"), f"what must not be: {broker.logged('offline')}")

        # Full once more, and killed like that.
        topic = "last"
        client.create_topic(topic)
        acknowledged[topic] = []
        Load(broker, [topic], acknowledged).until_refused()
    broker.kill9()
    broker.start()
    with Client(broker) as client:
        for topic in ("kept", "last"):
            same(f"records of {topic} after a kill", [value for _, value in client.read(topic)] == acknowledged[topic], True)
        for topic in aging:
            first, end = client.range(topic)
            same(f"log end of {topic}", end, len(acknowledged[topic]))
            stored = [value for _, value in client.read(topic)]
            same(f"records of {topic} that are left", stored == acknowledged[topic][end - len(stored):], True)
        same("the commit", client.committed("readers", "kept"), 2)
    same("exit status", broker.stop(), 0)
    kafka_accepts(broker)
    print(f"figures: {taken} records filled the disk, served again after {seconds:.1f} s by retention")
