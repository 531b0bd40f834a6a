"""Crash run: load, SIGKILL at a random moment, restart, --cycles times; then every promise is checked.

Checked after each restart: no committed offset has gone back. At the end: each acknowledged record is there once,
at the offset of its acknowledgement, each producer's records are in order and without a gap; Kafka's dump tool finds
nothing wrong with the disk. --seed repeats the moments of a run.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from confluent_kafka import Consumer, TopicPartition  # noqa: E402

from load import IMPATIENT, Committer, Sender  # noqa: E402
from wire.topics import create_topic  # noqa: E402

PARTITIONS = 4
SENDERS = 3
BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]


def fail(message):
    print(f"FAILED: {message}", flush=True)
    os._exit(1)


def order(word):
    result = subprocess.run([os.environ["BROKER_CONTROL"], word], capture_output=True, text=True)
    if result.returncode != 0:
        fail(f"{word}: {result.stdout}{result.stderr}")
    return json.loads(result.stdout)


def acknowledged(senders):
    return sum(len(sender.acknowledged) for sender in senders)


def wait_for_progress(senders, least, seconds=60):
    """Seconds until the producers together have at least that many more acknowledgements."""
    began = time.monotonic()
    wanted = acknowledged(senders) + least
    while acknowledged(senders) < wanted:
        check_problems(senders)
        if time.monotonic() - began > seconds:
            fail(f"no {least} acknowledgements within {seconds} s")
        time.sleep(0.005)
    return time.monotonic() - began


def check_problems(workers):
    for worker in workers:
        if worker.problems:
            fail("; ".join(worker.problems[:5]))


def run_cycles(chance, cycles, senders, committer):
    """Kills and restarts; returns the seconds of each start and of each first acknowledgement after it."""
    starts, firsts = [], []
    for cycle in range(1, cycles + 1):
        # Mostly under full load, now and then while the last recovery is hardly over.
        if chance.random() < 0.85:
            wait_for_progress(senders, 200)
            time.sleep(chance.uniform(0.1, 1.4))
        else:
            time.sleep(chance.uniform(0, 0.2))
        # What was answered before the kill must hold; asked before the member may commit again.
        committer.hold()
        promised = list(committer.answered)
        before = acknowledged(senders)
        order("kill9")
        starts.append(order("start")["seconds"])
        found = committer.committed_now()
        for partition in range(PARTITIONS):
            if found[partition] < promised[partition]:
                fail(f"cycle {cycle}: partition {partition}: {promised[partition]} was committed, now it is {found[partition]}")
        committer.may_commit.set()
        firsts.append(wait_for_progress(senders, 1))
        check_problems([*senders, committer])
        print(f"cycle {cycle}: {before} acknowledged before, ready after {starts[-1]:.2f} s, "
              f"acknowledging {firsts[-1]:.2f} s later, committed {found}", flush=True)
    return starts, firsts


def read_partition(topic, partition):
    """All values of a partition with their offsets."""
    client = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": PREFIX + "audit", "enable.auto.commit": False,
                       "auto.offset.reset": "error", **IMPATIENT})
    low, high = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
    if low != 0:
        fail(f"partition {partition} begins at {low}")
    client.assign([TopicPartition(topic, partition, 0)])
    rows = []
    deadline = time.monotonic() + 120
    while not rows or rows[-1][0] < high - 1:
        for message in client.consume(10_000, timeout=1):
            if message.error() is not None:
                fail(f"partition {partition}: {message.error()}")
            rows.append((message.offset(), message.value().decode()))
        if time.monotonic() > deadline:
            fail(f"partition {partition}: {len(rows)} of {high} records after 120 s")
    client.close()
    return rows


def audit(topic, senders):
    """Every promise about records, against what is stored."""
    promised = {}
    for sender in senders:
        promised.update(sender.acknowledged)
    stored = 0
    for partition in range(PARTITIONS):
        rows = read_partition(topic, partition)
        stored += len(rows)
        offsets = [offset for offset, _ in rows]
        if offsets != list(range(len(rows))):
            fail(f"partition {partition}: offsets are not dense")
        following = dict.fromkeys((sender.name for sender in senders), 0)
        for offset, value in rows:
            name, place, number = value.split("/")
            if int(place) != partition:
                fail(f"{value} is in partition {partition}")
            if int(number) != following[name]:
                what = "again" if int(number) < following[name] else "too early"
                fail(f"partition {partition} offset {offset}: {value} {what}, {name}/{partition}/{following[name]} was due")
            following[name] += 1
            if promised.get(value, (partition, offset)) != (partition, offset):
                fail(f"{value} is at offset {offset}, acknowledged at {promised[value][1]}")
        for sender in senders:
            if following[sender.name] != sender.sent[partition]:
                fail(f"partition {partition}: {following[sender.name]} records of {sender.name}, {sender.sent[partition]} were sent")
    if stored != len(promised):
        fail(f"{stored} records are stored, {len(promised)} were acknowledged")


def verify_disk():
    """Kafka's dump tool over the data directory of the stopped broker, where the tool is at hand."""
    tool = os.path.join(os.environ["PROTOCOL_TESTS"], "disk", "verify")
    if not os.access(tool, os.X_OK):
        print("disk/verify is not there: the disk was not looked at")
        return
    options = ["--by-kafka"] if os.environ["BROKER_KIND"] == "kafka" else []
    result = subprocess.run([tool, *options, order("status")["data_directory"]], capture_output=True, text=True)
    print(result.stdout[-3000:], flush=True)
    if result.returncode != 0:
        fail(f"disk/verify found problems\n{result.stderr[-2000:]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)

    topic = PREFIX + "crash"
    # Small segments, so that kills also fall on rolls, and recovery sees several segments.
    create_topic(BOOTSTRAP, topic, PARTITIONS, {"segment.bytes": "1048576", "index.interval.bytes": "512"})
    senders = [Sender(f"sender-{number}", BOOTSTRAP, topic, PARTITIONS) for number in range(SENDERS)]
    committer = Committer(BOOTSTRAP, PREFIX + "group", topic, PARTITIONS)
    for worker in [*senders, committer]:
        worker.thread.start()
    wait_for_progress(senders, 200)

    starts, firsts = run_cycles(chance, options.cycles, senders, committer)

    for sender in senders:
        sender.finish()
    check_problems(senders)
    deadline = time.monotonic() + 60
    total = acknowledged(senders)
    while sum(offset or 0 for offset in committer.following) < total:
        check_problems([committer])
        if time.monotonic() > deadline:
            fail(f"the group has reached {committer.following} of {total} records")
        time.sleep(0.05)
    committer.finish()
    check_problems([committer])
    audit(topic, senders)

    # Once more with nothing in flight, so that what recovery rebuilds is what a clean stop then leaves to Kafka's tool.
    order("kill9")
    order("start")
    audit(topic, senders)
    stopped = order("stop")
    if stopped["status"] not in (0, 143, -15):
        fail(f"stopped with status {stopped['status']}")
    verify_disk()
    print(f"figures: seed {options.seed}, {options.cycles} cycles, {total} records, {committer.commits} commits, "
          f"start {sum(starts) / len(starts):.2f} s (most {max(starts):.2f}), "
          f"first ack {sum(firsts) / len(firsts):.2f} s later (most {max(firsts):.2f})")


main()
