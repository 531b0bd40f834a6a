"""One flood: a broker of its own in 512 MiB, an honest client, the attackers, and the row of the table that comes of it."""

import dataclasses
import math
import os
import shutil
import sys
import tempfile
import threading
import time
import typing

from broker.process import BrokerFailure
from operations.stage import OwnBroker
from wire.connection import Connection
from wire.topics import create_topic

from . import priority
from .cgroup import MemoryGroup
from .crowd import Attackers
from .honest import TOPIC, HonestClient, wait_for_coordinator

MEBIBYTE = 1 << 20
MEMORY_LIMIT = 512 * MEBIBYTE
ANSWERED_WITHIN = 0.25
MAY_KEEP = 32 * MEBIBYTE
BACK_WITHIN_SECONDS = 60
# The broker goes on for a moment with what the attackers have left behind; that is the flood's, too.
WAKE_SECONDS = 1
LOOK_EVERY_SECONDS = 0.05


@dataclasses.dataclass
class Flood:
    """One thing that strangers do.

    `attack` is a coroutine function that takes a `Crowd`; it, or the partial around it, goes to another process. With
    `processes` above one, several of them do the same. `prepare` gets the arena and makes topics and groups before. `check`
    gets it when the broker has ended, and returns what is wrong, if anything is.
    """

    name: str
    attack: typing.Callable
    prepare: typing.Optional[typing.Callable] = None
    check: typing.Optional[typing.Callable] = None
    seconds: float = 2.5
    processes: int = 1
    settings: dict = dataclasses.field(default_factory=dict)
    # Left out of ordinary runs: it takes long, or seldom says what another does not say.
    long: bool = False
    # The flood is cut short by SIGTERM after so many seconds, and the broker must end all the same.
    terminate_after: typing.Optional[float] = None
    # Standard error is a pipe that nobody reads.
    deaf_standard_error: bool = False


class FloodedBroker(OwnBroker):
    """A Zurau in a memory group."""

    def __init__(self, directory, settings, group):
        super().__init__(directory, settings)
        self.group = group
        self.pipe = None

    def hear_nothing(self):
        """Lets its standard error be a pipe that is held open and never read."""
        path = os.path.join(self.directory, "standard-error")
        os.mkfifo(path)
        self.pipe = os.open(path, os.O_RDWR)

    def command(self):
        words = self.group.command() + super().command()
        if self.pipe is not None:
            words = ["sh", "-c", 'exec "$@" 2> "$0"', os.path.join(self.directory, "standard-error")] + words
        return words

    def memory(self):
        """(resident now, most ever) in bytes, as far as they are the broker's own and no file's; (0, 0) when it has died."""
        found = {}
        try:
            with open(f"/proc/{self.pid}/status") as status:
                for line in status:
                    name, _, rest = line.partition(":")
                    if name in ("VmRSS", "VmHWM", "RssFile"):
                        found[name] = int(rest.split()[0]) * 1024
        except OSError:
            pass
        if len(found) < 3:
            return 0, 0
        return found["VmRSS"] - found["RssFile"], found["VmHWM"] - found["RssFile"]


class Watch(threading.Thread):
    """Looks at the broker's memory until it is told to stop; the only limit where there are no cgroups."""

    def __init__(self, broker):
        super().__init__(daemon=True)
        self.broker = broker
        self.peak = 0
        self.too_large = False
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(LOOK_EVERY_SECONDS):
            _, most = self.broker.memory()
            self.peak = max(self.peak, most)
            if self.broker.group.folder is None and most > MEMORY_LIMIT and not self.too_large:
                self.too_large = True
                os.kill(self.broker.pid, 9)


@dataclasses.dataclass
class Row:
    """A flood's row in the table."""

    name: str
    before: int = 0
    peak: int = 0
    after: int = 0
    back_seconds: float = 0
    median: float = 0
    worst_p99: float = 0
    longest: float = 0
    stalled: int = 0
    counts: dict = dataclasses.field(default_factory=dict)
    # What the attackers sent last, if they say so.
    last: str = ""
    problems: list = dataclasses.field(default_factory=list)

    HEADER = (f"{'flood':<58} {'before':>6} {'peak':>5} {'after':>5} {'back in':>8} {'p50':>7} {'p99':>8} {'longest':>8}"
              f"  verdict\n"
              f"{'':<58} {'MiB':>6} {'MiB':>5} {'MiB':>5} {'s':>8} {'ms':>7} {'ms':>8} {'ms':>8}")

    def __str__(self):
        verdict = "; ".join(self.problems) if self.problems else "good"
        return (f"{self.name:<58} {self.before / MEBIBYTE:6.0f} {self.peak / MEBIBYTE:5.0f} {self.after / MEBIBYTE:5.0f} "
                f"{self.back_seconds:8.1f} {self.median * 1000:7.1f} {self.worst_p99 * 1000:8.1f} {self.longest * 1000:8.0f}  "
                f"{verdict}")

    def attackers(self):
        """What came of the attackers, in words."""
        words = [f"{name} {round(count, 1):g}" for name, count in sorted(self.counts.items())]
        return ", ".join(words + [f"last {self.last}"] * bool(self.last))


def percentile(ordered, share):
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


class Arena:
    """Everything that one flood needs, made and taken away with it."""

    def __init__(self, flood):
        self.flood = flood
        self.directory = tempfile.mkdtemp(prefix="zurau-flood-", dir=os.environ.get("WORK_DIRECTORY"))
        self.group = MemoryGroup(f"zurau-flood-{os.getpid()}", MEMORY_LIMIT)
        self.broker = FloodedBroker(os.path.join(self.directory, "broker"), flood.settings, self.group)
        self.row = Row(flood.name)
        self.attackers = []

    def run(self):
        """The flood's row. What goes wrong with the broker is in it; what goes wrong with the test is raised."""
        try:
            if self.flood.deaf_standard_error:
                self.broker.hear_nothing()
            self.broker.start()
            priority.give(self.broker.pid, priority.BROKER)
            self.create_topic(TOPIC, 2)
            wait_for_coordinator(self.broker.bootstrap)
            if self.flood.prepare:
                self.flood.prepare(self)
            self._flood()
            return self.row
        finally:
            self._take_away()

    def connect(self, patience=30.0):
        return Connection(self.broker.bootstrap, patience)

    def call(self, name, version, body):
        with self.connect() as connection:
            return connection.call(name, version, body)

    def create_topic(self, name, partitions=1, **configs):
        return create_topic(self.broker.bootstrap, name, partitions,
                            {key.replace("_", "."): value for key, value in configs.items()})

    def problem(self, text):
        self.row.problems.append(text)

    def _flood(self):
        honest = HonestClient(self.broker.bootstrap)
        self.attackers = [Attackers(self.flood.attack, self.broker.bootstrap, self.flood.seconds)
                          for _ in range(self.flood.processes)]
        self.row.before, _ = self.broker.memory()
        watch = Watch(self.broker)
        watch.start()
        honest.enter("flood")
        for attackers in self.attackers:
            attackers.begin()
        if self.flood.terminate_after:
            time.sleep(self.flood.terminate_after)
            self._stop()
        self._wait_for_attackers()
        if self.broker.alive():
            time.sleep(WAKE_SECONDS)
        honest.enter("after")
        if self.broker.alive():
            self._wait_until_back()
        report = honest.end()
        self._judge_answers(report)
        self._stop()
        watch.stopped.set()
        watch.join()
        self.row.peak = max(self.row.peak, watch.peak)
        if self.flood.check:
            self.row.problems += self.flood.check(self)

    def _wait_for_attackers(self):
        end = time.monotonic() + self.flood.seconds + 5
        while time.monotonic() < end and not all(attackers.done() for attackers in self.attackers):
            if not self.broker.alive():
                break
            time.sleep(0.02)
        died = self.broker.process and not self.broker.alive()
        for attackers in self.attackers:
            # Who holds on to a broker that has gone need not be waited for.
            result = attackers.end(0.5 if died else 5)
            if result is None:
                if not died:
                    self.problem("the attackers did not end by themselves")
                continue
            counts, self.row.last = result
            for name, count in counts.items():
                self.row.counts[name] = self.row.counts.get(name, 0) + count
        self.attackers = []

    def _wait_until_back(self):
        began = time.monotonic()
        while True:
            self.row.after, self.row.peak = self.broker.memory()
            self.row.back_seconds = time.monotonic() - began
            if self.row.after <= self.row.before + MAY_KEEP:
                return
            if self.row.back_seconds > BACK_WITHIN_SECONDS or not self.broker.alive():
                self.problem(f"{(self.row.after - self.row.before) / MEBIBYTE:.0f} MiB more than before")
                return
            time.sleep(0.1)

    def _judge_answers(self, report):
        habits = report["seconds"].get("flood", {})
        everything = sorted(seconds for samples in habits.values() for seconds in samples)
        self.row.stalled = report["stalled"]
        self.row.median = percentile(everything, 0.5)
        self.row.longest = max(everything, default=0)
        slowest = sorted(((percentile(samples, 0.99), habit) for habit, samples in habits.items()), reverse=True)
        self.row.worst_p99 = slowest[0][0] if slowest else 0
        # Of a broker that has died, or was asked to end, nobody expects answers.
        if not self.broker.alive():
            return
        slow = [f"{habit} {p99 * 1000:.0f} ms" for p99, habit in slowest if p99 > ANSWERED_WITHIN]
        if slow:
            self.problem("slow: " + ", ".join(slow))
        failures = [text for _, text in report["failures"]]
        if failures:
            self.problem(f"{len(failures)} honest requests failed, such as {failures[0]}")

    def _stop(self):
        """Asks the broker to end, if it has neither ended nor died."""
        if self.broker.process is None:
            return
        if not self.broker.alive():
            status = self.broker.process.returncode
            self.problem("killed for want of memory" if status == -9 else f"died with status {status}")
            return
        began = time.monotonic()
        _, most = self.broker.memory()
        self.row.peak = max(self.row.peak, most)
        try:
            status = self.broker.stop()
            if status:
                self.problem(f"ended with status {status} after SIGTERM")
        except BrokerFailure as failure:
            self.problem(str(failure))
        self.row.counts["s to stop"] = time.monotonic() - began

    def _take_away(self):
        for attackers in self.attackers:
            attackers.process.kill()
            attackers.process.join()
        if self.row.problems:
            print(f"--- the end of {self.broker.log_path}", file=sys.stderr)
            for line in self.broker.log_tail(6):
                print(line[:300], file=sys.stderr)
        self.broker.kill9()
        if self.broker.pipe is not None:
            os.close(self.broker.pipe)
        self.group.remove()
        shutil.rmtree(self.directory, ignore_errors=True)
