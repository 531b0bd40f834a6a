"""An fsync fails with EIO on a real file system: the log directory is offline for good, and nothing is lost that
was acknowledged as durable. Once where the file system becomes read-only by it, once where the next fsync would
succeed as if nothing had been."""

import os
import time

from client import KAFKA_STORAGE_ERROR, Client
from faulty_disk import FaultyDisk, skip_without_loop_devices
from mounts import enter_private_namespace
from stage import Stage, check, eventually, fail, kafka_accepts, passed, same

from wire.records import simple_batch

skip_without_loop_devices()
enter_private_namespace()
DURABLE = {"per-record": {"flush.messages": 1}, "before-ack": {"zurau.flush.before.ack": "true"}}
ROOM_BYTES = 3 << 20
LARGE = 100_000
MOST = 400


def value_of(number, size=LARGE):
    """Says which it is, and differs from what it would be torn, in each part."""
    word = b"%08d " % number
    return (word * (size // len(word) + 1))[:size]


def until_refused(client, topic, sent, partition=0):
    """Produces until a record is refused. Everything sent is noted, with whether it was acknowledged."""
    for _ in range(MOST):
        value = value_of(len(sent))
        answer = client.produce(topic, simple_batch([value]), partition)
        sent.append((value, not answer["error_code"]))
        if answer["error_code"]:
            same("error of what could not be stored", answer["error_code"], KAFKA_STORAGE_ERROR)
            return
    fail(f"{MOST} records of {LARGE} bytes are acknowledged by a disk that takes no writes")


def refused_for_good(broker, client, topics, disk):
    for topic in topics:
        answer = client.produce(topic, simple_batch([b"late"]))
        same(f"error of produces to {topic} while writes fail", answer["error_code"], KAFKA_STORAGE_ERROR)
    lines = broker.logged(" ERROR ", "goes offline: its partitions", broker.data_directory)
    same(f"error lines that say that the directory goes offline ({lines})", len(lines), 1)
    check("Input/output error" in lines[0] or "Read-only" in lines[0] or "No space" in lines[0], f"the line does not say why: {lines[0]}")
    disk.heal()
    # The kernel has forgotten by now what it could not write. Who tries again is told that all is well.
    for topic in topics:
        for _ in range(3):
            answer = client.produce(topic, simple_batch([b"later"]))
            same(f"error of produces to {topic} on the healed disk", answer["error_code"], KAFKA_STORAGE_ERROR)
    same("brokers in Metadata", len(client.brokers()), 1)
    check(not any("panicked" in line for line in broker.log_lines()), "something has panicked")
    return lines[0]


def ends_offline(broker):
    began = time.monotonic()
    same("exit status of an offline broker", broker.stop(), 0)
    check(time.monotonic() - began < 10, "an offline broker takes too long to stop")
    marker = os.path.join(broker.data_directory, ".kafka_cleanshutdown")
    check(not os.path.exists(marker), "a directory that failed is marked as cleanly closed")


def served(client, topic, sent, partition=0, to_the_end=True):
    """How many records there are, which must be those that were sent, from the first one on."""
    stored = [value for _, value in client.read(topic, partition, to_the_end=to_the_end)]
    for number, value in enumerate(stored):
        check(number < len(sent) and value == sent[number][0], f"record {number} of {topic} is not what was sent: {value[:30]!r}")
    return len(stored)


def durable(stage, journal, loaded):
    """What a sync was waited for stays."""
    name = f"{loaded}-{'with' if journal else 'without'}-journal"
    disk = FaultyDisk(stage.path(name), journal)
    broker = stage.broker({"log.dirs": os.path.join(disk.path, "data"), "zurau.disk.reserve.bytes": 0}, name=f"broker-{name}")
    broker.start()
    topics, sent = list(DURABLE), {topic: [] for topic in DURABLE}
    with Client(broker) as client:
        for topic, configs in DURABLE.items():
            client.create_topic(topic, configs=configs)
            for number in range(20):
                value = value_of(number, 50)
                client.produce_values(topic, [value])
                sent[topic].append((value, True))
        disk.break_writes(ROOM_BYTES)
        until_refused(client, loaded, sent[loaded])
        acknowledged = {topic: sum(good for _, good in sent[topic]) for topic in topics}
        check(acknowledged[loaded] > 20 or disk.flakey, f"nothing was taken while there was room: {acknowledged}")
        line = refused_for_good(broker, client, topics, disk)
        # Of what is in memory or on the disk, what is acknowledged can be read.
        for topic in topics:
            got = client.fetch(topic, 0)
            check(got["error_code"] in (0, KAFKA_STORAGE_ERROR), f"error {got['error_code']} of a fetch from {topic}")
    ends_offline(broker)
    disk.as_after_power_loss()
    broker.start()
    with Client(broker) as client:
        for topic in topics:
            there = served(client, topic, sent[topic])
            check(there >= acknowledged[topic], f"{topic}: {acknowledged[topic]} were acknowledged, {there} are there")
            same(f"the next offset of {topic}", client.produce_values(topic, [b"after"]), there)
        eventually("commits are taken", lambda: client.commit("readers", topics[0], 5) == 0)
    same("exit status", broker.stop(), 0)
    kafka_accepts(broker)
    disk.close()
    passed(f"{sum(acknowledged.values())} durable records are there after a failed sync of {loaded}: {line.split('reason=')[-1][:150]}")
    return sum(acknowledged.values())


def background(stage, journal):
    """The sync of a closed segment fails, which no acknowledgement waits for."""
    name = f"background-{'with' if journal else 'without'}-journal"
    disk = FaultyDisk(stage.path(name), journal)
    broker = stage.broker({
        "log.dirs": os.path.join(disk.path, "data"), "zurau.disk.reserve.bytes": 0,
        "log.flush.offset.checkpoint.interval.ms": 200,
    }, name=f"broker-{name}")
    broker.start()
    sent = []
    with Client(broker) as client:
        client.create_topic("quick", configs={"segment.bytes": 1 << 20})
        client.create_topic("other")
        client.produce_values("other", [b"other"])
        for number in range(30):
            value = value_of(number)
            client.produce_values("quick", [value])
            sent.append((value, True))
        synced = eventually("the recovery point moves in the background",
                            lambda: broker.checkpoint("recovery-point-offset-checkpoint").get(("quick", 0)))
        disk.break_writes(ROOM_BYTES)
        until_refused(client, "quick", sent)
        synced = max(synced, broker.checkpoint("recovery-point-offset-checkpoint").get(("quick", 0), 0))
        line = refused_for_good(broker, client, ["quick", "other"], disk)
        # Until the end it shows what it has taken, from the page cache or not at all.
        got = client.fetch("quick", 0)
        check(got["error_code"] in (0, KAFKA_STORAGE_ERROR), f"error {got['error_code']} of a fetch")
        for path in broker.files("quick", ".log"):
            check(os.path.getsize(path) <= 2 << 20, f"{path} grows")
    ends_offline(broker)
    disk.as_after_power_loss()
    broker.start()
    with Client(broker) as client:
        # What the disk kept behind the first hole is set aside, and its offsets are not given again.
        there = served(client, "quick", sent, to_the_end=False)
        check(there >= synced, f"{synced} records were below the recovery point, {there} are there")
        end = client.range("quick")[1]
        check(end == there or broker.files("quick", ".set-aside"), f"{there} records are there, the log ends at {end}, and nothing is set aside")
        same("the next offset", client.produce_values("quick", [b"after"]), end)
    same("exit status", broker.stop(), 0)
    kafka_accepts(broker)
    disk.close()
    passed(f"offline by a sync in the background; {there} of {len(sent)} records are there, {synced} were below the recovery point: {line.split('reason=')[-1][:150]}")


def beside_another(stage):
    """Of two log directories one fails: its partitions are refused, those of the other do not notice."""
    disk = FaultyDisk(stage.path("beside-another"), True)
    good, bad = stage.path("good-data"), os.path.join(disk.path, "data")
    broker = stage.broker({"log.dirs": f"{good},{bad}", "zurau.disk.reserve.bytes": 0}, name="broker-beside-another")
    broker.start()
    count = 6
    with Client(broker) as client:
        client.create_topic("spread", partitions=count, configs={"zurau.flush.before.ack": "true"})
        sent = {number: [] for number in range(count)}
        for number in sent:
            client.produce_values("spread", [value_of(0, 50)], partition=number)
            sent[number].append((value_of(0, 50), True))
        there = {number: os.path.exists(os.path.join(good, f"spread-{number}")) for number in sent}
        healthy = [number for number in sent if there[number]]
        failing = [number for number in sent if not there[number]]
        check(healthy and failing, f"partitions are not spread over the directories: {there}")
        disk.break_writes(ROOM_BYTES)
        until_refused(client, "spread", sent[failing[0]], failing[0])
        for number in failing:
            answer = client.produce("spread", simple_batch([b"late"]), partition=number)
            same(f"error of produces to partition {number}", answer["error_code"], KAFKA_STORAGE_ERROR)
        for number in healthy:
            for _ in range(20):
                value = value_of(len(sent[number]), 50)
                same(f"offset in partition {number}", client.produce_values("spread", [value], partition=number), len(sent[number]))
                sent[number].append((value, True))
            same(f"records of partition {number}", served(client, "spread", sent[number], number), len(sent[number]))
        line = broker.logged(" ERROR ", "goes offline: its partitions", bad)
        same("error lines of the bad directory", len(line), 1)
        same("error lines of the good directory", broker.logged(" ERROR ", "offline", good), [])
    same("exit status", broker.stop(), 0)
    check(os.path.exists(os.path.join(good, ".kafka_cleanshutdown")), "the good directory is not marked as cleanly closed")
    check(not os.path.exists(os.path.join(bad, ".kafka_cleanshutdown")), "the bad directory is marked as cleanly closed")
    disk.heal()
    disk.as_after_power_loss()
    broker.start()
    with Client(broker) as client:
        for number in sent:
            acknowledged = sum(is_good for _, is_good in sent[number])
            check(served(client, "spread", sent[number], number) >= acknowledged, f"partition {number} has lost records")
    same("exit status", broker.stop(), 0)
    # The tool looks at directories that hold the metadata log, which is in the first.
    kafka_accepts(broker, directory=good)
    disk.close()
    passed(f"one of two directories failed: partitions {failing} were refused, {healthy} went on")


with Stage(seconds=200) as stage:
    kept = [stage.step(durable, journal, loaded) for journal in (True, False) for loaded in DURABLE]
    for journal in (True, False):
        stage.step(background, journal)
    stage.step(beside_another)
    print(f"figures: {sum(count or 0 for count in kept)} durable records kept over failed syncs")
