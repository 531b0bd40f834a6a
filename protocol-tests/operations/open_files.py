"""The limit of open files: raised as far as allowed, and never spent on clients that the logs then lack.

Stricter than Kafka in its second half: a Java broker whose connections take the last descriptor loses
its log directory too, and its handbook says to set the limit high.
"""

import os
import time

from client import Client
from stage import OwnBroker, Stage, check, eventually, passed, same

from wire.connection import Closed
from wire.records import simple_batch


class LimitedBroker(OwnBroker):
    """A broker with a soft and a hard limit of open files."""

    limits = "256:256"

    def command(self):
        return ["prlimit", f"--nofile={self.limits}"] + super().command()


def limited(stage, limits):
    broker = LimitedBroker(stage.path(f"limited-{limits.replace(':', '-')}"), {})
    broker.limits = limits
    stage.brokers.append(broker)
    return broker


def soft_limit(stage):
    """Systems start programs with a low soft limit and a high hard one, for whoever asks (Java does)."""
    broker = limited(stage, "256:8192")
    broker.start()
    partitions = 400
    with Client(broker) as client:
        client.create_topic("many", partitions)
        for partition in range(partitions):
            client.produce_values("many", [b"value"], partition)
    same("exit status", broker.stop(), 0)
    broker.start()
    with Client(broker) as client:
        for partition in range(0, partitions, 37):
            same("records after a start", client.read("many", partition), [(0, b"value")])
    same("disk errors", broker.logged("offline"), [])
    same("exit status", broker.stop(), 0)
    passed(f"{partitions} partitions with a soft limit of 256 files")


def crowd(stage):
    """More clients than there are descriptors: some of them wait or are turned away, and that is all."""
    broker = limited(stage, "300:300")
    broker.start()
    batch = simple_batch([b"c" * 100_000])
    with Client(broker) as client:
        client.create_topic("rolling", configs={"segment.bytes": 1048576})
        client.must_produce("rolling", batch)
        clients = []
        try:
            for _ in range(400):
                clients.append(Client(broker, timeout=2))
        except OSError:
            # The backlog is full as well.
            pass
        time.sleep(1)
        taken = 1
        for _ in range(25):
            try:
                error = client.produce("rolling", batch)["error_code"]
            except (Closed, OSError) as problem:
                check(False, f"with {len(clients)} other clients a connection that was there before is lost: {problem!r}")
            taken += error == 0
            stage.expect(error == 0, f"with {len(clients)} other clients a produce that needs a new segment gets error {error}")
            if error:
                break
        for other in clients:
            other.socket.close()
        eventually("produces are taken when the crowd has gone", lambda: client.produce("rolling", batch)["error_code"] == 0)
        check(len(client.read("rolling")) > taken, "records are missing")
    same("disk errors", broker.logged("offline"), [])
    same("exit status", broker.stop(), 0)
    check(os.path.exists(os.path.join(broker.data_directory, ".kafka_cleanshutdown")), "no marker of a clean end")
    passed("a crowd of clients")


def more_partitions_than_files(stage):
    """More partitions than descriptors, all of them in use: files are opened on demand, and others closed for them."""
    count = 600
    broker = limited(stage, "256:256")
    broker.start()
    batch = simple_batch([b"value"])
    with Client(broker) as client:
        client.create_topic("many", count)
        for _ in range(2):
            errors = {client.produce("many", batch, partition)["error_code"] for partition in range(count)}
            same("errors of produces to all partitions", errors, {0})
        read = {len(client.read("many", partition=partition)) for partition in range(count)}
        same("records of each partition", read, {2})
        files = len(os.listdir(f"/proc/{broker.pid}/fd"))
        check(files < 256, f"{files} files are open")
    broker.kill9()
    broker.start()
    with Client(broker) as client:
        same("ends after SIGKILL", {client.range("many", partition) for partition in range(count)}, {(0, 2)})
        client.delete_topic("many")
        client.create_topic("another", 300)
        errors = {client.produce("another", batch, partition)["error_code"] for partition in range(300)}
        same("errors of produces to another topic", errors, {0})
    same("disk errors", broker.logged("offline"), [])
    same("refusals for want of descriptors", broker.logged("no file descriptor left"), [])
    same("exit status", broker.stop(), 0)
    passed(f"{count} partitions with 256 files")


with Stage(seconds=120) as stage:
    stage.step(soft_limit)
    stage.step(crowd)
    stage.step(more_partitions_than_files)
