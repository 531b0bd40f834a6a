"""The broker under attack: is it alive, does it answer good requests, how much memory has it taken."""

import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from wire.codec import Malformed  # noqa: E402
from wire.connection import Closed, Connection  # noqa: E402
from wire.topics import NoTopic, create_topic  # noqa: E402

# What attacks may cost in all. The broker's idle size is some nine MiB; buffers, caches and logs that good
# requests fill are in this too.
GROWTH_LIMIT_KIB = 12 * 1024


class Target:
    def __init__(self):
        self.bootstrap = os.environ["BOOTSTRAP_SERVERS"]
        self.prefix = os.environ["TOPIC_PREFIX"]
        self.pid = int(os.environ.get("BROKER_PID", 0))
        # Kafka's memory is its virtual machine's affair.
        self.measured = os.environ.get("BROKER_KIND") == "zurau" and self.pid
        with self.connect() as connection:
            self.versions = connection.versions()
            # The first good requests open what stays open.
            connection.call("Metadata", 1, {"topics": None})
        self.before = self.memory()
        self.peak_seen = self.before

    def connect(self, timeout=10.0):
        return Connection(self.bootstrap, timeout)

    def memory(self):
        """Resident size and its peak in KiB."""
        if not self.pid:
            return {"VmRSS": 0, "VmHWM": 0}
        found = {}
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                name, _, rest = line.partition(":")
                if name in ("VmRSS", "VmHWM"):
                    found[name] = int(rest.split()[0])
        if not found:
            fail("the broker has become a zombie")
        return found

    def still_well(self, attack, limit_kib=GROWTH_LIMIT_KIB):
        """After an attack, a good client on a fresh connection must not notice that there was one."""
        try:
            with self.connect() as connection:
                if connection.versions() != self.versions:
                    fail(f"after {attack}: the broker now serves other versions")
                answer = connection.call("Metadata", 1, {"topics": None})
                if len(answer["brokers"]) != 1:
                    fail(f"after {attack}: metadata names {len(answer['brokers'])} brokers")
        except (OSError, Closed, Malformed) as problem:
            fail(f"after {attack}: a good client gets {problem!r}")
        now = self.memory()
        if self.measured:
            growth = max(now["VmRSS"] - self.before["VmRSS"], now["VmHWM"] - self.before["VmHWM"])
            if growth > limit_kib:
                fail(f"after {attack}: memory grew by {growth} KiB: {self.before} -> {now}")
        print(f"still well after {attack}: {now}", flush=True)

    def create_topic(self, name, partitions=1, configs=None):
        """A topic with all partitions serving; returns (full name, topic id)."""
        full = self.prefix + name
        try:
            return full, create_topic(self.bootstrap, full, partitions, configs)
        except NoTopic as problem:
            return fail(problem)

    def finish(self):
        """The last line, which the runner shows."""
        now = self.memory()
        if self.measured:
            print(f"figures: resident {self.before['VmRSS']} -> {now['VmRSS']} KiB, peak {now['VmHWM']} KiB")


def answer_or_hang_up(connection, seconds):
    """What the broker does with what it got: ("answer", bytes), ("closed", None) or ("silence", None)."""
    connection.socket.settimeout(seconds)
    try:
        return "answer", connection.receive_frame()
    except Closed:
        return "closed", None
    except (socket.timeout, TimeoutError):
        return "silence", None


def must_hang_up(connection, what, seconds=15):
    """The broker must close the connection, with nothing said or after a last answer."""
    kind, _ = answer_or_hang_up(connection, seconds)
    if kind == "answer":
        kind, _ = answer_or_hang_up(connection, seconds)
    if kind != "closed":
        fail(f"{what}: wanted a closed connection, got {kind}")


def same(what, got, wanted):
    if got != wanted:
        fail(f"{what}: got {got!r}, wanted {wanted!r}")


def fail(message):
    sys.exit(f"FAILED: {message}")
