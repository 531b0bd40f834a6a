"""Consumers of the consumer protocol (KIP-848) that come, go and are killed at random, while the broker is killed, too.

Each consumer is a process that notes what it owns and what it processes, and commits what it has processed. Checked at
the end: every acknowledged record was processed; while nobody was killed, none was processed twice and no partition had
two owners. --seed repeats the choices of a run.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from confluent_kafka import Consumer, KafkaException, TopicPartition  # noqa: E402

from load import IMPATIENT, Sender  # noqa: E402
from wire.topics import create_topic  # noqa: E402

PARTITIONS = 8
MOST = 5
BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]
WORK = os.environ["WORK_DIRECTORY"]
TOPIC = PREFIX + "consumed"
GROUP = PREFIX + "group"


def fail(message):
    print(f"FAILED: {message}", flush=True)
    os._exit(1)


# One consumer ---------------------------------------------------------------------------------


def be_a_consumer(path, instance):
    """Until it is told to end. Each line of its notes: what, when, partition, offset."""
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    positions = {}
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))

    def note(what, partition=-1, offset=-1):
        os.write(notes, f"{what} {time.monotonic():.6f} {partition} {offset}\n".encode())

    def commit(client, partitions):
        offsets = [TopicPartition(TOPIC, number, positions[number]) for number in partitions if number in positions]
        if not offsets:
            return
        try:
            client.commit(offsets=offsets, asynchronous=False)
        except KafkaException as problem:
            # The broker is away, or has been; what was not committed is read again by whoever is next.
            print(f"commit: {problem}", file=sys.stderr)

    def assigned(_, partitions):
        for entry in partitions:
            positions.pop(entry.partition, None)
            note("owns", entry.partition)

    def given_up(what):
        def callback(client, partitions):
            if what == "revoked":
                commit(client, [entry.partition for entry in partitions])
            for entry in partitions:
                positions.pop(entry.partition, None)
                note(what, entry.partition)
        return callback

    settings = {"group.instance.id": instance} if instance else {}
    client = Consumer({
        "bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "group.protocol": "consumer", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "fetch.wait.max.ms": 100, "retry.backoff.ms": 20, "retry.backoff.max.ms": 100,
        **settings, **IMPATIENT,
    })
    client.subscribe([TOPIC], on_assign=assigned, on_revoke=given_up("revoked"), on_lost=given_up("lost"))
    since_commit = 0
    while not ended:
        message = client.poll(0.05)
        if message is not None and message.error() is None:
            note("read", message.partition(), message.offset())
            positions[message.partition()] = message.offset() + 1
            since_commit += 1
        elif message is not None and message.error().fatal():
            note("fatal")
            print(f"fatal: {message.error()}", file=sys.stderr)
            os._exit(1)
        if since_commit and (message is None or since_commit >= 100):
            commit(client, list(positions))
            since_commit = 0
    client.close()
    note("closed")


# All of them ----------------------------------------------------------------------------------


class Consumers:
    def __init__(self, chance):
        self.chance = chance
        self.running = {}
        self.paths = []
        # When somebody was killed, consumer or broker, and until when that explains what is processed twice.
        self.kills = []

    def start(self):
        number = len(self.paths)
        path = os.path.join(WORK, f"consumer-{number}")
        # A few are static members; each instance is one process at a time.
        instance = self.chance.choice([None, None, f"instance-{number}"])
        with open(path + ".log", "w") as log:
            process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--consumer", path, "--instance", instance or ""],
                                       stderr=log, stdout=log)
        self.running[number] = process
        self.paths.append(path)
        print(f"consumer {number} comes" + (f" as {instance}" if instance else ""), flush=True)

    def stop(self, number):
        process = self.running.pop(number)
        process.terminate()
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            fail(f"consumer {number} does not leave")
        # One that has hardly begun does not know yet how to leave.
        if status and (status != -signal.SIGTERM or os.path.exists(self.paths[number])):
            fail(f"consumer {number} ended with {status}: {self.log(number)}")
        print(f"consumer {number} leaves", flush=True)

    def kill(self, number):
        process = self.running.pop(number)
        process.kill()
        process.wait()
        now = time.monotonic()
        if os.path.exists(self.paths[number]):
            with open(self.paths[number], "a") as notes:
                notes.write(f"killed {now:.6f} -1 -1\n")
        self.kills.append((now, now))
        print(f"consumer {number} is killed", flush=True)

    def log(self, number):
        with open(self.paths[number] + ".log") as log:
            return log.read()[-2000:]

    def check(self):
        for number, process in self.running.items():
            if process.poll() is not None:
                fail(f"consumer {number} has ended with {process.returncode}: {self.log(number)}")

    def act(self):
        """One of them comes, leaves, or is killed."""
        if len(self.running) < 2 or (len(self.running) < MOST and self.chance.random() < 0.5):
            return self.start()
        number = self.chance.choice(sorted(self.running))
        return self.kill(number) if self.chance.random() < 0.4 else self.stop(number)


def order(word):
    result = subprocess.run([os.environ["BROKER_CONTROL"], word], capture_output=True, text=True)
    if result.returncode != 0:
        fail(f"{word}: {result.stdout}{result.stderr}")
    return json.loads(result.stdout)


def within(seconds, what, condition):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def committed():
    """How far the group has committed, as a client from outside is told."""
    client = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, **IMPATIENT})
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                answer = client.committed([TopicPartition(TOPIC, number) for number in range(PARTITIONS)], timeout=10)
                return sum(max(entry.offset, 0) for entry in answer)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
    finally:
        client.close()


def judge(paths, kills, acknowledged):
    """Everything that was noted, against what was promised."""
    reads, spans = {}, {}
    for number, path in enumerate(paths):
        owned = {}
        last = 0.0
        if not os.path.exists(path):
            continue
        with open(path) as notes:
            for line in notes:
                what, when, partition, offset = line.split()
                when, partition, offset = float(when), int(partition), int(offset)
                last = when
                if what == "owns":
                    owned[partition] = when
                elif what in ("revoked", "lost"):
                    spans.setdefault(partition, []).append((owned.pop(partition), when, number))
                elif what == "read":
                    if partition not in owned:
                        fail(f"consumer {number} read {partition}/{offset} which it does not own")
                    reads.setdefault((partition, offset), []).append((when, number))
        for partition, since in owned.items():
            spans.setdefault(partition, []).append((since, last, number))

    missing = [place for place in acknowledged.values() if place not in reads]
    if missing:
        fail(f"{len(missing)} of {len(acknowledged)} acknowledged records were never processed: {sorted(missing)[:10]}")

    def explained(begin, end):
        return any(since <= end and until >= begin for since, until in kills)

    twice = 0
    for (partition, offset), times in reads.items():
        times.sort()
        for (before, one), (after, other) in zip(times, times[1:]):
            twice += 1
            if not explained(before, after):
                fail(f"{partition}/{offset} was processed by consumer {one} and by {other} {after - before:.3f} s later, and nobody was killed")
    for partition, owners in spans.items():
        owners.sort()
        for (_, until, one), (since, _, other) in zip(owners, owners[1:]):
            if since < until and not explained(since, until):
                fail(f"partition {partition}: consumer {other} had it {until - since:.3f} s before {one} gave it up")
    return twice, sum(len(owners) for owners in spans.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--consumer")
    parser.add_argument("--instance")
    options = parser.parse_args()
    if options.consumer:
        return be_a_consumer(options.consumer, options.instance)
    print(f"seed {options.seed}", flush=True)
    chance = random.Random(options.seed)

    create_topic(BOOTSTRAP, TOPIC, PARTITIONS, {})
    sender = Sender("sender", BOOTSTRAP, TOPIC, PARTITIONS)
    sender.thread.start()
    consumers = Consumers(chance)
    consumers.start()
    consumers.start()
    for cycle in range(1, options.cycles + 1):
        for _ in range(chance.randrange(1, 4)):
            consumers.act()
            time.sleep(chance.uniform(0.1, 2))
            consumers.check()
        mark = committed()
        within(60, f"cycle {cycle}: the group goes on", lambda mark=mark: committed() > mark)
        began = time.monotonic()
        order("kill9")
        order("start")
        mark = committed()
        within(60, f"cycle {cycle}: the group goes on after the kill", lambda mark=mark: committed() > mark)
        # What could not be committed while the broker was away is committed a little later, or read again.
        consumers.kills.append((began, time.monotonic() + 1))
        print(f"cycle {cycle}: {len(sender.acknowledged)} acknowledged, {mark} committed", flush=True)
    sender.finish()
    if sender.problems:
        fail("; ".join(sender.problems[:5]))
    if not consumers.running:
        consumers.start()
    total = len(sender.acknowledged)
    within(90, "everything is committed", lambda: committed() == total)
    for number in sorted(consumers.running):
        consumers.stop(number)
    twice, spans = judge(consumers.paths, consumers.kills, sender.acknowledged)
    print(f"figures: seed {options.seed}, {options.cycles} kills of the broker, {len(consumers.paths)} consumers, {total} records, "
          f"{twice} processed again after kills, {spans} times owned")
    return None


sys.exit(main())
