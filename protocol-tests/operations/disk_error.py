"""A write fails (the disk is full to its last byte): the directory goes offline, the broker does not
(`log_directories.py` is about one of several).

After the cause is gone and the broker is started again, everything that was acknowledged is there.
"""

import os
import time

from client import KAFKA_STORAGE_ERROR, Client
from mounts import enter_private_namespace, free_bytes, leave_free, mount_memory
from one_shot import overrides, run
from stage import BrokerFailure, Stage, check, eventually, fail, passed, same

from wire.records import simple_batch

enter_private_namespace()
SIZE_MEBIBYTES = 64


def until_it_fails(client, acknowledged, limit=400):
    """Produces until a write fails. What was acknowledged before that must be there in the end."""
    for number in range(limit):
        value = b"%06d " % (len(acknowledged)) + b"z" * 50_000
        answer = client.produce("records", simple_batch([value]))
        if answer["error_code"]:
            same("error of the write that failed (KAFKA_STORAGE_ERROR)", answer["error_code"], KAFKA_STORAGE_ERROR)
            return
        same("base offset", answer["base_offset"], len(acknowledged))
        acknowledged.append(value)
    fail(f"{limit} records of 50 kB are taken by a disk that is full")


def offline(stage, broker, client):
    """What is left of a broker whose only directory is offline."""
    for topic in ("records", "others"):
        for acks in (1, -1):
            answer = client.produce(topic, simple_batch([b"late"]), acks=acks)
            same(f"error of produces to {topic}", answer["error_code"], KAFKA_STORAGE_ERROR)
        # Reading may go on or may not; what it may not do is to show something else.
        got = client.fetch(topic, 0)
        check(got["error_code"] in (0, KAFKA_STORAGE_ERROR), f"error {got['error_code']} of a fetch from {topic}")
    check(client.versions(), "ApiVersions is not answered")
    same("brokers in Metadata", len(client.brokers()), 1)
    seen = client.describe("records")
    same("the topic in Metadata", (seen["error_code"], len(seen["partitions"])), (0, 1))
    # Whatever needs the disk is refused, and in time: a client must not hang on it.
    began = time.monotonic()
    lines_before = len(broker.log_lines())
    error = client.commit("readers", "records", 5, seconds=3)
    check(error != 0, "a commit is acknowledged that cannot have been written")
    # A thousand consumers that try again must not fill the disk of the log as well.
    lines = broker.log_lines()[lines_before:]
    stage.expect(len(lines) < 20, f"a consumer that tries to commit for 3 s makes {len(lines)} log lines such as {lines[-2:]}")
    made = client.call("CreateTopics", 7, {"topics": [{"name": "late"}], "timeout_ms": 3000})["topics"][0]
    check(time.monotonic() - began < 20, "requests that need the disk hang")
    check(broker.alive(), "the broker has ended")
    lines = broker.logged("offline")
    check(lines, "the log does not say that the directory is offline")
    check(any("no space" in line.lower() for line in broker.log_lines()), f"the log does not say why: {lines}")
    check(any(broker.data_directory in line for line in lines), f"the log does not say which directory: {lines}")
    check(not any("panicked" in line for line in broker.log_lines()), "something has panicked")
    passed(f"offline; a commit gets error {error}, a new topic error {made['error_code']}")


def start_on_a_full_disk(stage, broker, foreign):
    """It may serve what it can or refuse in one line; it may not hang, fall over or lose anything."""
    leave_free(os.path.dirname(foreign), foreign, 0)
    try:
        broker.start()
    except BrokerFailure as failure:
        ended = run(*overrides({"log.dirs": broker.data_directory, "listeners": "PLAINTEXT://127.0.0.1:0",
                                "zurau.disk.reserve.bytes": 0}), seconds=30)
        reasons = [line for line in ended.error_lines() if line.startswith("zurau: ")]
        same(f"status and lines of a start on a full disk ({failure}; {ended})", (ended.status, len(reasons)), (1, 1))
        stage.expect(broker.data_directory in reasons[0], f"the directory is not named: {reasons[0]}")
        return f"refuses to start: {reasons[0]}"
    with Client(broker) as client:
        check(client.versions(), "ApiVersions is not answered")
    broker.stop()
    return "starts"


with Stage(seconds=110) as stage:
    mount_memory(stage.path("disk"), SIZE_MEBIBYTES)
    foreign = stage.path("disk", "foreign-file")
    broker = stage.broker({"log.dirs": stage.path("disk", "data"), "zurau.disk.reserve.bytes": 0})
    broker.start()
    acknowledged = []
    with Client(broker) as client:
        for name in ("records", "others"):
            client.create_topic(name)
        for _ in range(20):
            value = b"%06d early" % len(acknowledged)
            client.produce_values("records", [value])
            acknowledged.append(value)
        client.produce_values("others", [b"other"])
        same("error of a commit", client.commit("readers", "records", 4), 0)
        # Room for some more batches and a part of one: the write that fails is torn.
        leave_free(stage.path("disk"), foreign, 630_000)
        before = len(acknowledged)
        until_it_fails(client, acknowledged)
        check(len(acknowledged) > before, "nothing was taken while there was still room")
        offline(stage, broker, client)
    began = time.monotonic()
    status = broker.stop()
    same("exit status of an offline broker after SIGTERM", status, 0)
    check(time.monotonic() - began < 10, "an offline broker takes too long to stop")
    marker = os.path.join(broker.data_directory, ".kafka_cleanshutdown")
    check(not os.path.exists(marker), "a directory that failed is marked as cleanly closed")
    passed("stopped without the marker of a clean stop")

    passed(f"on a full disk it {start_on_a_full_disk(stage, broker, foreign)}")
    os.unlink(foreign)
    check(free_bytes(stage.path("disk")) > 1 << 20, "the disk is still full")
    broker.start()
    with Client(broker) as client:
        stored = [value for _, value in client.read("records")]
        same("acknowledged records that are there", stored[: len(acknowledged)] == acknowledged, True)
        # The write that failed was refused; no part of it may come to light as a record of another kind.
        for value in stored[len(acknowledged):]:
            check(value.endswith(b"z" * 100) or value == b"late", f"a record that nobody sent: {value[:40]!r}")
        same("the other topic's records", [value for _, value in client.read("others")][:1], [b"other"])
        same("the commit", client.committed("readers", "records"), 4)
        same("a new record's offset", client.produce_values("records", [b"after"]), len(stored))
        eventually("commits are taken again", lambda: client.commit("readers", "records", 5) == 0)
    same("exit status", broker.stop(), 0)
    print(f"figures: {len(acknowledged)} acknowledged records kept")
