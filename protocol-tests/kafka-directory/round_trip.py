#!/usr/bin/env python3
"""One data directory that goes from Kafka to Zurau, back to Kafka and to Zurau again, with load in each stay.

  round_trip.py [--first kafka|zurau|formatted] [--quorum static|dynamic] [--kill] [--stays N] [--releases A,B]

After each stay everything readable is written down, and must be there when the next broker has opened the directory:
every record with its offset, epoch, time and headers, topic ids, configurations, offsets of groups; and what only Kafka
can tell when Kafka is back. The bytes of segments must be those that the broker before has written. With "formatted",
Zurau comes first, to a directory in which only Kafka's format tool has been. With releases, Kafka is one after the other
of them, and each new one raises the features to its own with Kafka's tool; then the last of them stays.
"""

import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
sys.path.insert(0, ROOT)
sys.path.insert(0, os.path.join(ROOT, "operations"))

from broker.kafka import KafkaBroker  # noqa: E402
from client import OUT_OF_ORDER_SEQUENCE_NUMBER, Client  # noqa: E402
from comparison import Bytes, compare_cluster, compare_contents  # noqa: E402
from members import OutlivingMembers, decoded  # noqa: E402
from stage import OwnBroker, Stage, check, eventually, fail, passed, same  # noqa: E402

from wire.records import simple_batch  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
# Members that nobody asks for while the brokers change are not to be missed.
LONG_SESSIONS = {"group.consumer.session.timeout.ms": 600000, "group.consumer.max.session.timeout.ms": 600000}
KAFKA_SETTINGS = {
    **LONG_SESSIONS,
    # A snapshot of the metadata every few changes.
    "metadata.log.max.record.bytes.between.snapshots": 3000,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "log.cleaner.backoff.ms": 200,
    "log.initial.task.delay.ms": 100,
    "log.flush.start.offset.checkpoint.interval.ms": 500,
    "delete.topic.enable": "true",
}
ZURAU_SETTINGS = {
    **LONG_SESSIONS,
    "metadata.log.max.record.bytes.between.snapshots": 3000,
    "log.flush.start.offset.checkpoint.interval.ms": 500,
    "offsets.topic.num.partitions": 5,
}


class PeerKafka(KafkaBroker):
    """Kafka with a quorum of one of two kinds."""

    def __init__(self, directory, quorum, releases):
        super().__init__(directory, KAFKA_SETTINGS)
        self.quorum = quorum
        # None is the release that kafka-peer names.
        self.release, *self.later = releases or [None]

    def command(self):
        scram = "--add-scram SCRAM-SHA-256=[name=formatted,password=secret]"
        release = [f"KAFKA_VERSION={self.release}"] if self.release else []
        return ["env", f"KAFKA_QUORUM={self.quorum}", f"KAFKA_FORMAT_ARGUMENTS={scram}", *release] + super().command()

    def has_a_later_release(self):
        """Takes the next release, if there is one."""
        if not self.later:
            return False
        self.release, *self.later = self.later
        return True

    def raise_features(self):
        peer = os.path.join(ROOT, "kafka-peer", "classpath")
        environment = dict(os.environ, KAFKA_VERSION=self.release)
        classpath = subprocess.run([peer], env=environment, check=True, capture_output=True, text=True).stdout.strip()
        command = ["java", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classpath,
                   "org.apache.kafka.tools.FeatureCommand", "--bootstrap-server", self.bootstrap]
        newest = ".".join(self.release.split(".")[:2])
        done = subprocess.run(command + ["upgrade", "--release-version", newest], capture_output=True, text=True)
        print(done.stdout, done.stderr, sep="")
        check(done.returncode == 0 and "metadata.version was upgraded" in done.stdout, "the features are not raised")

    def format(self):
        subprocess.run(["env", "KAFKA_FORMAT_ONLY=1"] + self.command(), check=True, stdin=subprocess.DEVNULL)


class Agent:
    """Kafka's own clients in one process."""

    def __init__(self):
        self.process = subprocess.Popen([os.path.join(HERE, "agent")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        began = time.monotonic()
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer != "ok":
            fail(f"{words[0]}: {answer or 'the agent has ended'}")
        print(f"{words[0]}: {time.monotonic() - began:.1f} s", flush=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


class LongLivedProducer:
    """An idempotent producer that keeps its id through all stays, which no client lets us do."""

    topic = "one-producer"

    def __init__(self):
        self.id = None
        self.sequence = 0
        self.last = None

    def go_on(self, broker, stay):
        with Client(broker) as client:
            if self.id is None:
                client.create_topic(self.topic)
                self.id = client.new_producer()
            else:
                # What was sent last is known, and a gap is refused: the broker knows the producer of the one before.
                batch, offset = self.last
                answer = client.produce(self.topic, batch)
                same("the last batch sent again: error and offset", (answer["error_code"], answer["base_offset"]), (0, offset))
                gap = client.produce(self.topic, self.batch(stay, 5))
                same("error of a gap", gap["error_code"], OUT_OF_ORDER_SEQUENCE_NUMBER)
                others = {client.new_producer() for _ in range(3)}
                check(min(others) > self.id, f"{self.id} is given out again: {others}")
            for _ in range(3):
                batch = self.batch(stay)
                self.last = (batch, client.must_produce(self.topic, batch))
                self.sequence += 2

    def batch(self, stay, gap=0):
        values = [b"stay %d, sequence %d" % (stay, self.sequence + number) for number in range(2)]
        return simple_batch(values, producer_id=self.id, producer_epoch=0, base_sequence=self.sequence + gap)


class Directory:
    """The directory and those who live in it by turns."""

    def __init__(self, stage, options):
        self.options = options
        self.path = stage.path("node")
        self.stage = stage
        self.agent = Agent()
        self.producer = LongLivedProducer()
        self.members = OutlivingMembers()
        self.bytes = Bytes(os.path.join(self.path, "data"))
        self.contents = None
        self.cluster = None
        self.aside = None
        kafka = PeerKafka(self.path, options.quorum, options.releases)
        zurau = OwnBroker(self.path, dict(ZURAU_SETTINGS))
        stage.brokers += [kafka, zurau]
        self.brokers = {"kafka": kafka, "zurau": zurau}
        if options.first == "formatted":
            kafka.format()

    def stay(self, number, name):
        broker = self.brokers[name]
        is_new = name == "kafka" and self.cluster is not None and broker.has_a_later_release()
        seconds = broker.start()
        where = f"stay {number}, {name}"
        self.bytes.still_there(where)
        self.members.go_on(broker, number)
        if self.contents:
            compare_contents(where, self.contents, self.write("contents", broker, f"{number}-before"))
            passed(f"{where}: serves after {seconds:.1f} s what the broker before has left")
        if name == "kafka" and self.cluster:
            compare_cluster(where, self.cluster, self.write("cluster", broker, f"{number}-before"))
            passed(f"{where}: finds what only Kafka knows")
        if name == "zurau" and self.cluster:
            compare_cluster(where, told_of(self.cluster), self.write("kept", broker, f"{number}-before", number))
            passed(f"{where}: tells what it keeps for Kafka")
        if is_new:
            broker.raise_features()
            passed(f"{where}: raises the features to those of {broker.release}")
        self.agent.ask("load", broker.bootstrap, number)
        self.agent.ask("transactions", broker.bootstrap, number)
        self.producer.go_on(broker, number)
        if name == "kafka":
            self.agent.ask("kafka-load", broker.bootstrap, number)
            self.cluster = self.write("cluster", broker, f"{number}-after")
            if self.options.first != "zurau":
                check(any(line.startswith("user formatted ") for line in self.cluster), "the format tool's user is gone")
        self.members.leave_in_the_midst(broker)
        self.contents = self.write("contents", broker, f"{number}-after")
        if self.options.kill:
            # What a broker notes only now and then, it may forget when it is killed: how far records are deleted.
            eventually(f"{where}: the log starts are on the disk", self.log_starts_are_noted)
            broker.kill9()
        else:
            status = broker.stop()
            # A JVM that is asked to end says so.
            same(f"{where}: exit status", status, 143 if name == "kafka" else 0)
        if name == "zurau":
            same(f"{where}: losses that nobody has had", broker.logged(" ERROR ", "records are lost"), [])
        self.bytes.note()
        self.verify(where, name)
        decoded(ROOT, os.path.join(self.path, "data"))
        passed(f"{where}: Kafka's dump tool reads the group's records")
        self.set_aside(where)
        passed(f"{where}: done")

    def set_aside(self, where):
        """Records that Zurau has set aside beside a log: neither broker touches them."""
        if self.aside:
            path, content = self.aside
            with open(path, "rb") as file:
                check(file.read() == content, f"{where}: what was set aside is not what it was")
            return
        data = os.path.join(self.path, "data")
        log = next(os.path.join(data, name, f"{0:020d}.log") for name in sorted(os.listdir(data))
                   if name.endswith("-0") and not name.startswith("__") and os.path.isdir(os.path.join(data, name))
                   and os.path.exists(os.path.join(data, name, f"{0:020d}.log")))
        with open(log, "rb") as file:
            content = file.read()
        path = os.path.join(os.path.dirname(log), f"{0:020d}-{1:020d}.log.set-aside")
        with open(path, "wb") as file:
            file.write(content)
        self.aside = path, content

    def write(self, command, broker, name, *more):
        path = self.stage.path(f"{command}-{name}")
        self.agent.ask(command, broker.bootstrap, path, *more)
        with open(path) as file:
            return file.read().splitlines()

    def log_starts_are_noted(self):
        with open(os.path.join(self.path, "data", "log-start-offset-checkpoint")) as file:
            noted = [line.split() for line in file.read().splitlines()[2:]]
        starts = dict((f"{topic}-{partition}", offset) for topic, partition, offset in noted)
        ranges = [line.split()[2:] for line in self.contents if line.startswith("range read_uncommitted trimmed-")]
        return all(starts.get(partition, "0") == start for partition, start, _ in ranges)

    def verify(self, where, name):
        options = ["--after-kill"] * self.options.kill + ["--by-kafka"] * (name == "kafka")
        command = [os.path.join(ROOT, "disk", "verify"), *options]
        done = subprocess.run(command + [os.path.join(self.path, "data")], capture_output=True, text=True)
        print(done.stdout, done.stderr, sep="")
        check(done.returncode == 0, f"{where}: Kafka's tools have complaints")


def told_of(cluster):
    """Of what only Kafka serves, what Zurau tells all the same."""
    kinds = ("user ", "quota ", "config ConfigResource(type=GROUP,", "config ConfigResource(type=CLIENT_METRICS,")
    return [line for line in cluster if line.startswith(kinds)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", choices=["kafka", "zurau", "formatted"], default="kafka")
    parser.add_argument("--quorum", choices=["static", "dynamic"], default="static")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--stays", type=int, default=4)
    parser.add_argument("--releases", type=lambda text: text.split(","))
    parser.add_argument("--seconds", type=int, default=380)
    options = parser.parse_args()
    order = ["kafka", "zurau"] if options.first == "kafka" else ["zurau", "kafka"]
    with Stage(seconds=options.seconds) as stage:
        directory = Directory(stage, options)
        for number in range(1, options.stays + 1):
            directory.stay(number, order[(number - 1) % 2])
        directory.agent.close()


main()
