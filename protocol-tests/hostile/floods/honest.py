"""The honest client: small requests at an even pace on connections of its own, and how long each answer took.

It is a process of its own, since its stopwatch must not wait for Python code of the attackers. Only sending and receiving
are timed. A request that waits holds up those behind it, which a real crowd of clients would have sent all the same: for a
request that took longer than the pace, the ones that would have been sent meanwhile are counted too, each with the wait
that was left for it.

When the whole machine stands still, nothing is said about the broker. A watchdog sleeps 10 ms at a time; when it wakes up
100 ms too late, what was under way is counted apart.
"""

import itertools
import math
import multiprocessing
import os
import threading
import time

from wire.codec import Malformed
from wire.connection import Closed, Connection, decode_response, encode_request, frame
from wire.messages import APIS
from wire.records import simple_batch

from . import priority

TOPIC = "honest"
GROUP = "honest"
PATIENCE_SECONDS = 10.0
WATCHDOG_SLEEP = 0.01
STALL = 0.1


class Refused(Exception):
    """An answer came, and it was an error."""


class Stopwatch:
    """What the habits have measured, phase by phase."""

    def __init__(self):
        self.phase = "warm-up"
        # (phase, habit) -> [(begin, seconds)]
        self.samples = {}
        self.failures = []
        self.stalls = []
        self.stopped = False

    def watch(self):
        """The watchdog's thread."""
        while not self.stopped:
            before = time.monotonic()
            time.sleep(WATCHDOG_SLEEP)
            now = time.monotonic()
            if now - before > WATCHDOG_SLEEP + STALL:
                self.stalls.append((before, now))

    def note(self, habit, phase, begin, seconds):
        self.samples.setdefault((phase, habit), []).append((begin, seconds))

    def note_failure(self, habit, phase, problem):
        self.failures.append((phase, f"{habit}: {problem!r}"))

    def report(self, paces):
        """For each phase and habit the sorted seconds, those that were sent late included; stalls apart."""
        found = {}
        apart = 0
        for (phase, habit), samples in self.samples.items():
            kept = found.setdefault(phase, {}).setdefault(habit, [])
            for begin, seconds in samples:
                if seconds > STALL and any(start < begin + seconds and begin < end for start, end in self.stalls):
                    apart += 1
                    continue
                kept.append(seconds)
                kept += [seconds - late * paces[habit] for late in range(1, math.ceil(seconds / paces[habit]))]
            kept.sort()
        return {"seconds": found, "failures": self.failures, "stalled": apart}


class Habit(threading.Thread):
    """One thing that the honest client does again and again, on a connection of its own."""

    pace = 0.01

    def __init__(self, bootstrap, stopwatch):
        super().__init__(daemon=True)
        self.bootstrap = bootstrap
        self.stopwatch = stopwatch
        self.connection = None
        self.correlation = itertools.count(1)
        self.done_once = threading.Event()
        self.prepare()

    def prepare(self):
        """What has to be made before."""

    def once(self):
        """One round. Raises Refused when an answer is not a good one."""
        raise NotImplementedError

    def ask(self, name, version, body):
        """One request and its answer; the time between goes to the stopwatch."""
        if self.connection is None:
            self.connection = Connection(self.bootstrap, PATIENCE_SECONDS)
        correlation = next(self.correlation)
        request = frame(encode_request(APIS[name], version, body, correlation))
        return decode_response(APIS[name], version, self.timed(name, self.exchange, request), correlation)

    def exchange(self, request):
        self.connection.send_bytes(request)
        return self.connection.receive_frame()

    def timed(self, name, work, *arguments):
        phase = self.stopwatch.phase
        begin = time.monotonic()
        try:
            return work(*arguments)
        finally:
            # A request that is never answered took as long as it was waited for.
            self.stopwatch.note(f"{type(self).__name__} {name}", phase, begin, time.monotonic() - begin)

    def run(self):
        while not self.stopwatch.stopped:
            begin = time.monotonic()
            phase = self.stopwatch.phase
            try:
                self.once()
                self.done_once.set()
            except (OSError, Closed, Malformed, Refused) as problem:
                self.stopwatch.note_failure(type(self).__name__, phase, problem)
                if self.connection:
                    self.connection.socket.close()
                    self.connection = None
            time.sleep(max(0.001, begin + self.pace - time.monotonic()))


def must_be_good(what, code):
    if code:
        raise Refused(f"{what} answers with error {code}")


class Records(Habit):
    """A record of 1 KiB is written, and read again."""

    def prepare(self):
        self.batch = simple_batch([os.urandom(1024)])

    def once(self):
        written = self.ask("Produce", 9, produce_body(self.batch))["responses"][0]["partition_responses"][0]
        must_be_good("Produce", written["error_code"])
        read = self.ask("Fetch", 11, {"max_wait_ms": 100, "min_bytes": 1, "topics": [{"topic": TOPIC, "partitions": [
            {"partition": 0, "fetch_offset": written["base_offset"], "partition_max_bytes": 4096}]}]})
        partition = read["responses"][0]["partitions"][0]
        must_be_good("Fetch", partition["error_code"])
        if (partition["records"] or b"")[61:len(self.batch)] != self.batch[61:]:
            raise Refused("what was read is not what was written")


class LargeRecords(Habit):
    """A record of 100,000 bytes is written."""

    pace = 0.05

    def prepare(self):
        self.batch = simple_batch([os.urandom(100_000)])

    def once(self):
        written = self.ask("Produce", 9, produce_body(self.batch, 1))["responses"][0]["partition_responses"][0]
        must_be_good("Produce", written["error_code"])


class Group(Habit):
    """The one member of a small group: it asks for metadata, sends a heartbeat, commits."""

    def prepare(self):
        self.member = None

    def once(self):
        if self.member is None:
            self.become_member()
        metadata = self.ask("Metadata", 4, {"topics": [{"name": TOPIC}]})
        must_be_good("Metadata", metadata["topics"][0]["error_code"])
        member = {"group_id": GROUP, "generation_id": self.generation, "member_id": self.member}
        code = self.ask("Heartbeat", 1, member)["error_code"]
        committed = self.ask("OffsetCommit", 7, {**member, "topics": [{"name": TOPIC, "partitions": [
            {"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}]}]})
        code = code or committed["topics"][0]["partitions"][0]["error_code"]
        if code:
            self.member = None
        must_be_good("Heartbeat or OffsetCommit", code)

    def become_member(self):
        joined = self.ask("JoinGroup", 3, {"group_id": GROUP, "session_timeout_ms": 60_000, "member_id": "",
                                           "rebalance_timeout_ms": 60_000,
                                           "protocols": [{"name": "range", "metadata": b"\0" * 20}]})
        must_be_good("JoinGroup", joined["error_code"])
        member = {"group_id": GROUP, "generation_id": joined["generation_id"], "member_id": joined["member_id"]}
        assignments = [{"member_id": joined["member_id"], "assignment": b"\0" * 20}]
        must_be_good("SyncGroup", self.ask("SyncGroup", 2, {**member, "assignments": assignments})["error_code"])
        self.member, self.generation = joined["member_id"], joined["generation_id"]


class Newcomer(Habit):
    """A client that has just been started: it connects and asks for the versions."""

    pace = 0.05

    def once(self):
        self.timed("connects", self.connect)

    def connect(self):
        with Connection(self.bootstrap, PATIENCE_SECONDS) as connection:
            connection.versions()


HABITS = (Records, LargeRecords, Group, Newcomer)


def produce_body(batch, partition=0):
    return {"acks": -1, "topic_data": [{"name": TOPIC, "partition_data": [{"index": partition, "records": batch}]}]}


def live(bootstrap, orders):
    """The process: obeys the orders ("phase", name) and ("end",), and sends what it has measured."""
    priority.take(priority.HONEST)
    stopwatch = Stopwatch()
    threading.Thread(target=stopwatch.watch, daemon=True).start()
    habits = [habit(bootstrap, stopwatch) for habit in HABITS]
    for habit in habits:
        habit.start()
    ready = all(habit.done_once.wait(PATIENCE_SECONDS) for habit in habits)
    orders.send("ready" if ready else f"not ready: {stopwatch.failures[:3]}")
    try:
        while True:
            word, *rest = orders.recv()
            if word == "end":
                break
            stopwatch.phase = rest[0]
    except EOFError:
        return
    stopwatch.stopped = True
    for habit in habits:
        habit.join(PATIENCE_SECONDS + 1)
    paces = {name: next(habit.pace for habit in HABITS if habit.__name__ == name.split()[0])
             for _, name in stopwatch.samples}
    orders.send(stopwatch.report(paces))


def wait_for_coordinator(bootstrap):
    """The first question makes the topic of the offsets, and until that serves nobody can join."""
    with Connection(bootstrap, PATIENCE_SECONDS) as connection:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while connection.call("FindCoordinator", 3, {"key": GROUP, "key_type": 0})["error_code"]:
            if time.monotonic() > deadline:
                raise RuntimeError("the broker has no coordinator of groups")
            time.sleep(0.05)


class HonestClient:
    """The arena's end of the honest client."""

    def __init__(self, bootstrap):
        context = multiprocessing.get_context("spawn")
        self.orders, theirs = context.Pipe()
        self.process = context.Process(target=live, args=(bootstrap, theirs), daemon=True)
        self.process.start()
        theirs.close()
        answer = self.orders.recv()
        if answer != "ready":
            raise RuntimeError(f"the honest client is {answer}")

    def enter(self, phase):
        self.orders.send(("phase", phase))

    def end(self):
        """Stops it and returns what `Stopwatch.report` says."""
        self.orders.send(("end",))
        report = self.orders.recv()
        self.process.join()
        return report
