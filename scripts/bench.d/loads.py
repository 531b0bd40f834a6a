"""The two load makers: Kafka's own performance tools, and a program made with librdkafka.

Both send the same records from the same file and fail unless every record is acknowledged, or received.
"""

import contextlib
import json
import queue
import random
import re
import signal
import subprocess
import threading
import time

import programs
from contestants import PEER

FOLDER = programs.FOLDER
PATIENCE = 300
WORDS = 2000
PAYLOADS = 10_000

PRODUCED = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec .* 99\.9th\.$")
COMMITTED = re.compile(r"^(\d+) transactions, ([\d.]+) commits/sec, ([\d.]+) ms p50, ([\d.]+) ms p99$")
RESTARTED = re.compile(r"^(\d+) members restarted in ([\d.]+) s, ([\d.]+) ms p50, ([\d.]+) ms p99, ([\d.]+) ms at most$")
# start, end, MiB, MiB/s, records, records/s, milliseconds of joining the group, milliseconds of fetching, ...
CONSUMED = re.compile(r"^\d{4}-\d\d-\d\d [\d:]+, .*?, [\d.]+, [\d.]+, (\d+), [\d.]+, \d+, (\d+), ")


class LoadFailure(Exception):
    """A load that did not run to its end."""


def write_payloads(path, size):
    """Lines of `size` bytes made of words, so that a codec finds something, the same in every run."""
    chance = random.Random(size)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(WORDS)]
    with open(path, "w") as file:
        for _ in range(PAYLOADS):
            file.write(" ".join(chance.choices(words, k=size // 4))[:size] + "\n")


class PerfTools:
    """ProducerPerformance and ConsumerPerformance, with the clients' default settings."""

    name = "Kafka's tools"

    def __init__(self, base, payloads):
        self.payloads = payloads
        self.log_path = base / "perf-tools.log"
        classpath = subprocess.run([str(PEER / "classpath")], check=True, capture_output=True, text=True).stdout.strip()
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                ["java", "-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                 "-cp", classpath, str(FOLDER / "PerfTools.java")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self._read_lines, daemon=True).start()

    def produce(self, contestant, case, topic):
        return self._run(self._producers(contestant, case, topic))

    def consume(self, contestant, case, topic, group):
        return self._run(self._consumers(contestant, case, topic, group))

    def tail(self, contestant, case, topic, group):
        return self._run(self._consumers(contestant, case, topic, group) + self._producers(contestant, case, topic))

    def transactions(self, contestant, topic, count, records, size):
        """Commits per second and milliseconds of latency; no tool of Kafka's counts the records of a transaction."""
        match = self._figures(["transactions", contestant.bootstrap, topic, str(count), str(records), str(self.payloads[size])], COMMITTED)
        return {"commits": float(match[2]), "p50": float(match[3]), "p99": float(match[4])}

    def rolling_restart(self, contestant, topic, protocol, members):
        """Seconds of the whole, and milliseconds without progress: of the partition in the middle, of the 99th percentile, of the worst."""
        match = self._figures(["rolling-restart", contestant.bootstrap, topic, protocol, str(members)], RESTARTED)
        return {"seconds": float(match[2]), "p50": float(match[3]), "p99": float(match[4]), "most": float(match[5])}

    def _figures(self, words, pattern):
        """The line with the figures of one of our own loads."""
        self._order([words])
        found = None
        for line in self._answer():
            if line.startswith("failed: "):
                raise LoadFailure(f"{line}\n{self.log_tail()}")
            found = pattern.match(line) or found
        if not found:
            raise LoadFailure(f"{words[0]} has no figures\n{self.log_tail()}")
        return found

    def _producers(self, contestant, case, topic):
        shares = [case.records // case.producers + (number < case.records % case.producers) for number in range(case.producers)]
        return [["producer", "--bootstrap-server", contestant.bootstrap, "--topic", topic, "--num-records", str(share),
                 "--payload-file", str(self.payloads[case.size]), "--throughput", "-1",
                 "--command-property", f"acks={case.acks}", f"compression.type={case.codec}"] for share in shares]

    def _consumers(self, contestant, case, topic, group):
        return [["consumer", "--bootstrap-server", contestant.bootstrap, "--topic", topic, "--num-records", str(case.records),
                 "--group", f"{group}-{number}", "--hide-header", "--timeout", "30000"] for number in range(case.groups)]

    def _run(self, tools):
        """Runs the tools together and returns the seconds of the slowest."""
        self._order(tools)
        seconds, records = [], 0
        for line in self._answer():
            if match := PRODUCED.match(line):
                records += int(match[1])
                seconds.append(int(match[1]) / float(match[2]))
            elif match := CONSUMED.match(line):
                records += int(match[1])
                seconds.append(int(match[2]) / 1e3)
            elif line.startswith(("failed: ", "WARNING: ")):
                raise LoadFailure(f"{line}\n{self.log_tail()}")
        wanted = sum(int(words[words.index("--num-records") + 1]) for words in tools)
        # A consumer takes whole batches, so it may take more than it was asked for; a producer never sends less.
        if len(seconds) != len(tools) or records < wanted:
            raise LoadFailure(f"{records} of {wanted} records\n{self.log_tail()}")
        return max(seconds)

    def _order(self, tools):
        try:
            self.process.stdin.write("".join("\t".join(words) + "\n" for words in tools) + "\n")
            self.process.stdin.flush()
        except OSError as broken:
            raise LoadFailure(f"Kafka's tools have gone\n{self.log_tail()}") from broken

    def _answer(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise LoadFailure(f"Kafka's tools took more than {PATIENCE} s\n{self.log_tail()}") from None
            if not line:
                raise LoadFailure(f"Kafka's tools ended\n{self.log_tail()}")
            yield line.strip()
            if line == "done\n" or line.startswith("failed: "):
                return

    def _read_lines(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")  # the end

    def log_tail(self, lines=10):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()


class Librdkafka:
    """The program in `librdkafka`, one process per run."""

    name = "librdkafka"

    def __init__(self, base, payloads):
        self.payloads = payloads
        self.program = programs.librdkafka_load()
        self.log_path = base / "librdkafka.log"
        self.log_path.touch()

    def produce(self, contestant, case, topic):
        return self.run("produce", contestant, topic, *self._production(case))["seconds"]

    def consume(self, contestant, case, topic, group):
        return self.run("consume", contestant, topic, *self._consumption(case, group), "--records", case.records)["seconds"]

    def tail(self, contestant, case, topic, group):
        return self.run("tail", contestant, topic, *self._consumption(case, group), *self._production(case))["seconds"]

    def latency(self, contestant, topic, rate, seconds, size, acks):
        return self.run("latency", contestant, topic, "--rate", rate, "--seconds", seconds,
                        "--payloads", self.payloads[size], "--acks", acks)

    def _production(self, case):
        return ["--records", case.records, "--payloads", self.payloads[case.size], "--producers", case.producers,
                "--acks", case.acks, "--codec", case.codec, "--one-by-one", int(case.one_by_one)]

    @staticmethod
    def _consumption(case, group):
        return ["--partitions", case.partitions, "--groups", case.groups, "--group", group]

    def run(self, command, contestant, topic, *words):
        words = [self.program, command, "--bootstrap", contestant.bootstrap, "--topic", topic, *words]
        with open(self.log_path, "a") as log:
            try:
                done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=log, text=True, timeout=PATIENCE)
            except subprocess.TimeoutExpired as expired:
                raise LoadFailure(f"librdkafka took more than {PATIENCE} s\n{self.log_tail()}") from expired
        if done.returncode:
            raise LoadFailure(f"librdkafka ended with status {done.returncode}\n{self.log_tail()}")
        return json.loads(done.stdout)

    def log_tail(self, lines=10):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def close(self):
        """Nothing stays."""
