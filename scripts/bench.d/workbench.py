"""What the commands share: the contestants, the load makers, the directory, and taking turns."""

import contextlib
import itertools
import os
import resource
import shutil
import sys
import time

from broker import BrokerFailure
from cases import SIZES, warm_up
from contestants import KAFKA_JAVA_OPTIONS, Floor, Kafka, Third, Zurau
from loads import Librdkafka, LoadFailure, PerfTools, write_payloads
from programs import NotBuildable, floor, librdkafka_version
from wire.codec import Malformed
from wire.connection import Closed, Connection
from wire.topics import NoTopic, create_topic

# What a broker or a load can do wrong; it is reported, and the comparison goes on.
FAILURES = (BrokerFailure, LoadFailure, NoTopic, Closed, Malformed, OSError)

# The longest that a broker is warmed up, in a short run and in a long one.
WARM_UP_SECONDS = {False: 30, True: 120}
# A pass that used more than this share of the one before it was no longer getting cheaper.
WARM = 0.9


class NoSpace(Exception):
    """The disk is too full for this run."""


class Workbench:
    """One run of scripts/bench."""

    def __init__(self, options, base, report):
        self.options = options
        self.base = base
        self.report = report
        self.numbers = itertools.count(1)
        self.contestants = []
        self.loads = {}
        self.began = time.monotonic()
        # Ten thousand partitions have more files than shells allow by default.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    @property
    def rounds(self):
        return self.options.rounds

    @property
    def scale(self):
        return self.options.scale

    def directory(self, name):
        return self.base / f"{next(self.numbers)}-{name.lower()}"

    def makers(self):
        """A function for each contestant that makes it anew, with an empty directory."""
        options = self.options
        makers = [lambda: Zurau(self.directory("zurau"), options.binary, options.override), lambda: Kafka(self.directory("kafka"))]
        if options.third:
            name, _, command = options.third.partition("=")
            makers.append(lambda: Third(self.directory(name), name, command))
        return makers

    def make_floor(self):
        return Floor(self.directory("floor"), floor())

    def make_loads(self):
        if self.loads:
            return
        payloads = {size: self.base / f"payloads-{size}" for size in SIZES}
        for size, path in payloads.items():
            write_payloads(path, size)
        self.loads["tools"] = PerfTools(self.base, payloads)
        try:
            self.loads["librdkafka"] = Librdkafka(self.base, payloads)
            self.report.versions["librdkafka"] = librdkafka_version()
        except NotBuildable as reason:
            self.report.note(f"left out: everything with librdkafka; {reason}")

    def serve(self):
        """Starts the contestants that stay for several commands, and warms them up."""
        if self.contestants:
            return
        self.make_loads()
        row = self.report.row("resident memory", "after the start, nobody connected")
        for make in self.makers():
            contestant = make()
            self.contestants.append(contestant)
            try:
                contestant.start()
                self.report.add(row, "MiB", contestant.name, contestant.process.memory()[0] / 2**20)
                self.warm_up(contestant)
            except FAILURES as failure:
                self.failed("starting", contestant, failure)
                self.contestants.remove(contestant)
                self.stop(contestant)

    def warm_up(self, contestant):
        """Runs a mixture of loads until another pass costs the broker hardly less, which is when Java has compiled it."""
        least, end = float("inf"), time.monotonic() + WARM_UP_SECONDS[self.options.long]
        while time.monotonic() < end:
            self.progress(f"warming up {contestant.name}")
            before = contestant.process.processor_seconds()
            for case in warm_up(self.scale):
                if case.tool in self.loads:
                    self.warm_up_with(contestant, case)
            # A broker that was started again begins anew.
            used = max(0.0, contestant.process.processor_seconds() - before)
            if used > WARM * least:
                return
            least = used

    def warm_up_with(self, contestant, case):
        load = self.loads[case.tool]
        try:
            with self.topic(contestant, case.partitions) as topic:
                if case.kind == "tail":
                    load.tail(contestant, case, topic, topic)
                else:
                    load.produce(contestant, case, topic)
                if case.kind == "consume":
                    load.consume(contestant, case, topic, topic)
        except FAILURES as failure:
            self.failed(f"warm-up: {case.kind}: {case.label}", contestant, failure)
            self.revive(contestant)

    def retire(self):
        """Stops the contestants that stayed, with their memory as they leave."""
        try:
            if self.contestants:
                after = self.report.row("resident memory", "after the load")
                peak = self.report.row("resident memory", "peak")
                for contestant in self.contestants:
                    if contestant.process and contestant.process.alive():
                        self.report.add(after, "MiB", contestant.name, contestant.process.memory()[0] / 2**20)
                        self.report.add(peak, "MiB", contestant.name, contestant.process.peak_memory() / 2**20)
            for contestant in self.contestants:
                self.stop(contestant)
        finally:
            self.contestants = []

    def stop(self, contestant):
        """Stops it, says what its log complains of, and frees its disk space."""
        try:
            contestant.stop()
        except FAILURES as failure:
            self.report.failed("stopping", contestant.name, failure)
        if contestant.complaints:
            self.report.complain(contestant.name, contestant.complaints)
        shutil.rmtree(contestant.directory, ignore_errors=True)

    def close(self):
        """Ends everything that was started, however far the run has come."""
        for contestant in self.contestants:
            if contestant.process:
                contestant.kill()
        for load in self.loads.values():
            load.close()
            if complaints := [line for line in load.log_tail(10_000).splitlines() if line.strip()]:
                self.report.complain(load.name, complaints)

    def alone(self, make, where, measure):
        """Makes one contestant for one measurement, and does away with it."""
        contestant = make()
        self.progress(f"{where}: {contestant.name}")
        os.sync()
        with contestant:
            try:
                measure(contestant)
            except FAILURES as failure:
                self.failed(where, contestant, failure)
            self.stop(contestant)

    def failed(self, where, contestant, failure):
        """Reports the failure, and first of all whether the broker has died of it."""
        reason = str(failure) or type(failure).__name__
        if contestant.process and contestant.process.pid is not None:
            try:
                contestant.must_live()
            except BrokerFailure as death:
                reason = f"{death}\nseen as: {reason}"
        self.report.failed(where, contestant.name, reason)

    def progress(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def fill(self, contestant, case, topic):
        """Produces what the case will read, with the quickest load maker there is."""
        load = self.loads.get("librdkafka") or self.loads["tools"]
        load.produce(contestant, case, topic)

    @contextlib.contextmanager
    def topic(self, contestant, partitions=1):
        """A topic that is gone afterwards. The floor makes its topics as they are named."""
        name = f"bench-{next(self.numbers)}"
        if isinstance(contestant, Floor):
            yield name
            return
        create_topic(contestant.bootstrap, name, partitions)
        try:
            yield name
        finally:
            with contextlib.suppress(*FAILURES), Connection(contestant.bootstrap, timeout=30) as connection:
                connection.call("DeleteTopics", 5, {"topic_names": [name]})

    def in_turn(self, where, contestants, measure, rounds=None):
        """Calls `measure` for each contestant, then for each again. One that fails is reported and left out from then on."""
        contestants = list(contestants)
        for _ in range(rounds or self.rounds):
            for contestant in list(contestants):
                # What one has left to be written to the disk must not be written while the other is measured.
                os.sync()
                try:
                    measure(contestant)
                except FAILURES as failure:
                    self.failed(where, contestant, failure)
                    contestants.remove(contestant)
                    self.revive(contestant)

    def revive(self, contestant):
        """A broker that died is started again, for the next case."""
        if contestant in self.contestants and not (contestant.process and contestant.process.alive()):
            if contestant.process:
                contestant.kill()
            contestant.start()

    def need_space(self, gigabytes):
        free = shutil.disk_usage(self.base).free / 1e9
        if free < gigabytes:
            raise NoSpace(f"{self.base} has {free:.0f} GB free, {gigabytes:.0f} GB are needed")


def footnotes(report):
    report.note("load makers and brokers share this machine and its cores: what a client costs, both brokers pay in MB/s; "
                "CPU s/GB is the broker's process alone")
    report.note(f"Kafka runs with {KAFKA_JAVA_OPTIONS}; it and the tools' Java were warmed up before anything was measured, Zurau likewise")
    report.note("all brokers run all the time, one is loaded; acks and flushing are as Kafka has them by default: "
                "a record is acknowledged when the page cache has it")
    report.note("clients have their default settings (batches of 16 KiB with Kafka's tools, up to 1 MB with librdkafka); "
                "MB are 10^6 bytes of record values before compression")
