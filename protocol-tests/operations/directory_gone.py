"""The data directory becomes read-only under a running broker, or is taken away: what needs the disk is refused for good,
the broker stays, and when the directory is as it was, a start has everything that was acknowledged."""

import os
import time

from client import KAFKA_STORAGE_ERROR, Client
from mounts import enter_private_namespace, mount, mount_memory
from stage import Stage, check, kafka_accepts, passed, same

from wire.records import simple_batch

enter_private_namespace()
VALUES = [b"%03d " % number + b"v" * 100_000 for number in range(30)]


def serving(stage, name):
    """A broker on a file system of its own, with a topic of several segments."""
    disk = stage.path(name)
    mount_memory(disk, 64)
    broker = stage.broker({"log.dirs": os.path.join(disk, "data"), "zurau.disk.reserve.bytes": 0}, name=f"broker-{name}")
    broker.start()
    with Client(broker) as client:
        client.create_topic("records", configs={"segment.bytes": 1 << 20})
        client.create_topic("durable", configs={"zurau.flush.before.ack": "true"})
        for value in VALUES:
            client.produce_values("records", [value])
        client.produce_values("durable", [b"durable"])
        same("error of a commit", client.commit("readers", "records", 3), 0)
    return disk, broker


def until_refused(client, topic, acknowledged, seconds=30):
    """Produces until that is refused. A file that is open may be written for a while yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = b"%03d late " % len(acknowledged) + b"l" * 100_000
        answer = client.produce(topic, simple_batch([value]))
        if answer["error_code"]:
            same(f"error of produces to {topic}", answer["error_code"], KAFKA_STORAGE_ERROR)
            return
        acknowledged.append(value)
    check(False, f"records are taken for {seconds} s without a directory to put them")


def stays(broker, client):
    check(client.versions(), "ApiVersions is not answered")
    same("brokers in Metadata", len(client.brokers()), 1)
    for topic in ("records", "durable"):
        got = client.fetch(topic, 0)
        check(got["error_code"] in (0, KAFKA_STORAGE_ERROR), f"error {got['error_code']} of a fetch from {topic}")
    made = client.call("CreateTopics", 7, {"topics": [{"name": "late"}], "timeout_ms": 3000})["topics"][0]
    check(made["error_code"], "a topic is made that cannot have been written")
    check(client.commit("readers", "records", 9, seconds=3), "a commit is acknowledged that cannot have been written")
    check(broker.alive(), "the broker has ended")
    check(broker.logged(" ERROR ", "offline", broker.data_directory), "the log does not say what is offline")
    check(not broker.logged("panicked"), "something has panicked")


def as_it_was(broker, acknowledged):
    broker.start()
    with Client(broker) as client:
        stored = [value for _, value in client.read("records")]
        same("acknowledged records that are there", stored[: len(acknowledged)] == acknowledged, True)
        same("the durable record", [value for _, value in client.read("durable")][:1], [b"durable"])
        same("the commit", client.committed("readers", "records"), 3)
        same("the next offset", client.produce_values("records", [b"after"]), len(stored))
    same("exit status", broker.stop(), 0)
    kafka_accepts(broker)


def read_only(stage):
    """Much as the kernel does it to a file system in which it has found an error."""
    disk, broker = serving(stage, "read-only")
    acknowledged = list(VALUES)
    with Client(broker) as client:
        # With files open for writing the kernel refuses to make the whole file system read-only on request. A mount
        # over it can be: what is open is still written, and the next segment cannot be made.
        mount("--bind", disk, disk)
        mount("-o", "remount,bind,ro", disk)
        until_refused(client, "records", acknowledged)
        stays(broker, client)
    same("exit status", broker.stop(), 0)
    mount("-o", "remount,bind,rw", disk)
    as_it_was(broker, acknowledged)
    passed("read-only: refused for good, and all is there when it can be written again")


def taken_away(stage):
    disk, broker = serving(stage, "taken-away")
    acknowledged = list(VALUES)
    moved = os.path.join(disk, "elsewhere")
    with Client(broker) as client:
        os.rename(broker.data_directory, moved)
        until_refused(client, "records", acknowledged)
        stays(broker, client)
    same("exit status", broker.stop(), 0)
    check(not os.path.exists(broker.data_directory), "a directory was made where there was none")
    os.rename(moved, broker.data_directory)
    as_it_was(broker, acknowledged)
    passed("taken away: refused for good, and all is there when it is back")


with Stage(seconds=120) as stage:
    for step in (read_only, taken_away):
        stage.step(step)
