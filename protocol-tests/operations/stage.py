"""What every scenario here stands on: brokers of its own, a time limit, an end that leaves nothing behind.

    def some_step(stage):
        broker = stage.broker({"num.partitions": 3})
        broker.start()

    with Stage(seconds=60) as stage:
        stage.step(some_step)

A step that fails does not keep the others from being tried; the scenario fails in the end.
The binary is the one that the runner serves with, so that `run --binary` counts here too.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True

from broker.process import BrokerFailure  # noqa: E402
from broker.zurau import ZurauBroker  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
READY = re.compile(r"^zurau ready: listeners (?P<listeners>\S+); log\.dirs (?P<directory>.+); cluster\.id (?P<cluster>\S+)$")
LISTENER = re.compile(r"^(?P<name>[^:]+)://(?P<host>.*):(?P<port>\d+)$")
# Beginnings of variables that a broker reads.
SETTINGS = ("KAFKA_", "ZURAU_", "CLUSTER_ID", "RUST_LOG")
# The exit status that tells the runner that this machine lacks something.
SKIPPED = 77
# Ends the child when its parent dies: a scenario that is killed must not leave brokers behind.
LEASH = [shutil.which("setpriv"), "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def binary():
    """The binary under test: named, or the one that the runner's broker runs, or where cargo puts it."""
    if os.environ.get("ZURAU_BINARY"):
        return os.path.abspath(os.environ["ZURAU_BINARY"])
    if os.environ.get("BROKER_PID") and os.environ.get("BROKER_KIND") == "zurau":
        running = os.readlink(f"/proc/{os.environ['BROKER_PID']}/exe")
        # A build that went on meanwhile has replaced the file; the name is the same.
        return running.removesuffix(" (deleted)")
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(os.path.dirname(os.path.dirname(HERE)), "target"))
    return os.path.join(target, "release", "zurau")


def clean_environment(**added):
    """The environment without settings that the caller's shell may hold for a broker."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return {**kept, **added}


class Failed(Exception):
    """The broker did something that it must not do."""


class TooLate(SystemExit):
    """The time of the whole scenario is up; no step may take this for its own failure."""


class OwnBroker(ZurauBroker):
    """A Zurau with a log that can be read, listeners of any name, and a command line of any shape."""

    start_timeout_seconds = 30

    def __init__(self, directory, settings, arguments=(), environment=None):
        # The listener is chosen here unless the scenario has one; the port stays over restarts.
        self.chosen_listeners = "listeners" in settings
        self.arguments = list(arguments)
        self.environment = dict(environment or {})
        self.listeners = {}
        self.cluster_id = None
        self.started_at = 0
        super().__init__(binary(), directory, settings)

    @property
    def data_directory(self):
        return self.overrides.get("log.dirs") or os.path.join(self.directory, "data")

    def command(self):
        settings = {"log.dirs": self.data_directory, "group.initial.rebalance.delay.ms": 0}
        if not self.chosen_listeners:
            settings["listeners"] = f"PLAINTEXT://127.0.0.1:{self.port}"
        settings.update(self.overrides)
        words = LEASH + ["env"]
        for name in os.environ:
            if name.startswith(SETTINGS):
                words.append(f"--unset={name}")
        words += [f"{name}={value}" for name, value in self.environment.items()]
        words += [self.binary] + self.arguments
        for key, value in settings.items():
            # None takes a setting of ours away, for scenarios that set it elsewhere.
            if value is not None:
                words += ["--override", f"{key}={value}"]
        return words

    def start(self):
        self.started_at = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        return super().start()

    def port_of_ready_line(self, line):
        match = READY.match(line)
        if not match:
            return None
        self.cluster_id = match["cluster"]
        self.listeners = {}
        for text in match["listeners"].split(","):
            listener = LISTENER.match(text)
            self.listeners[listener["name"]] = (listener["host"].strip("[]"), int(listener["port"]))
        return next(iter(self.listeners.values()))[1]

    # Its log -------------------------------------------------------------------------------

    def log_lines(self, since=None):
        """What it has written since the last start, or since a mark."""
        with open(self.log_path, errors="replace") as log:
            log.seek(self.started_at if since is None else since)
            return log.read().splitlines()

    def own_lines(self):
        """Its log since the last start, without what the suite notes in the same file."""
        return [line for line in self.log_lines() if not line.startswith(("---", "stdout: "))]

    def log_mark(self):
        return os.path.getsize(self.log_path)

    def logged(self, *words, since=None):
        """The lines that contain all of these words, in whatever case."""
        return [line for line in self.log_lines(since) if all(word.lower() in line.lower() for word in words)]

    # Its files -----------------------------------------------------------------------------

    def partition_directory(self, topic, partition=0):
        return os.path.join(self.data_directory, f"{topic}-{partition}")

    def files(self, topic, ending, partition=0):
        """Full paths of a partition's files with this ending, in the order of their offsets."""
        folder = self.partition_directory(topic, partition)
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(ending)]

    def checkpoint(self, name):
        """A text checkpoint as a dict from (topic, partition) to offset."""
        path = os.path.join(self.data_directory, name)
        if not os.path.exists(path):
            return {}
        with open(path) as file:
            lines = file.read().splitlines()
        entries = [line.split() for line in lines[2:]]
        return {(topic, int(partition)): int(offset) for topic, partition, offset in entries}


class Stage:
    """One scenario: a directory, a time limit, brokers that end with it."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.brokers = []
        self.failures = []
        self.own_directory = None
        self.directory = os.environ.get("WORK_DIRECTORY")

    def __enter__(self):
        if not self.directory:
            self.directory = self.own_directory = tempfile.mkdtemp(prefix="zurau-operations-")
        signal.signal(signal.SIGALRM, self._too_late)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.alarm(self.seconds)
        return self

    def __exit__(self, kind, problem, _trace):
        signal.alarm(0)
        if kind is not None:
            self._show_log()
        for broker in self.brokers:
            broker.kill9()
        if self.own_directory:
            shutil.rmtree(self.own_directory, ignore_errors=True)
        if isinstance(problem, Exception):
            self._note(problem)
        elif isinstance(problem, TooLate):
            self.failures.append(str(problem))
        if self.failures:
            sys.exit("\n".join(f"FAILED: {failure}" for failure in self.failures))

    def step(self, work, *arguments):
        """One part of a scenario, which stands on nothing that an earlier part has done."""
        try:
            return work(self, *arguments)
        except Exception as problem:
            self._note(problem, f"{work.__name__}: ")
            self._show_log()
            return None

    def expect(self, condition, message):
        """A check that the rest of its step does not hang on."""
        if not condition:
            self._note(Failed(message))

    def _note(self, problem, where=""):
        if not isinstance(problem, (Failed, BrokerFailure)):
            # A connection that was closed, an answer that cannot be read: where that was matters.
            traceback.print_exception(problem)
        text = f"{where}{problem}" if isinstance(problem, (Failed, BrokerFailure)) else f"{where}{problem!r}"
        print(f"not ok: {text}", flush=True)
        self.failures.append(text)

    def _show_log(self):
        """The last words of the broker that was made last, which is the one that a failure is about."""
        for broker in self.brokers[-1:]:
            print(f"--- the end of {broker.log_path}")
            print("\n".join(line[:300] for line in broker.log_tail(10)), flush=True)

    def _too_late(self, *_):
        raise TooLate(f"not done after {self.seconds} s")

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def broker(self, settings=None, name=None, **others):
        """A broker that has not been started. Brokers of one name share a data directory."""
        broker = OwnBroker(self.path(name or f"broker-{len(self.brokers) + 1}"), dict(settings or {}), **others)
        self.brokers.append(broker)
        return broker


def fail(message):
    raise Failed(message)


def same(what, got, wanted):
    if got != wanted:
        fail(f"{what}: got {shortened(got)}, wanted {shortened(wanted)}")


def check(condition, message):
    if not condition:
        fail(message)


def shortened(value, limit=600):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def eventually(what, probe, seconds=15.0, pause=0.05):
    """Asks until the answer is true and returns it; what happens by itself has no other sign."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            fail(f"{what}: not so after {seconds} s")
        time.sleep(pause)


def kafka_accepts(broker, after_kill=False, directory=None):
    """Kafka's own tools find nothing to complain about in the directory of a stopped broker."""
    tool = os.path.join(os.path.dirname(HERE), "disk", "verify")
    if not shutil.which("java"):
        print("no Java here: Kafka's tools did not look at the disk", flush=True)
        return
    words = [tool] + ["--after-kill"] * after_kill + [directory or broker.data_directory]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
    check(done.returncode == 0, f"disk/verify found problems: {done.stdout[-1000:]} {done.stderr[-2000:]}")


def skip(reason):
    """Ends a scenario that cannot be run on this machine; the runner shows the reason."""
    print(f"skipped: {reason}", flush=True)
    sys.exit(SKIPPED)


def passed(text):
    """A step that went well, for whoever reads the log of a later failure."""
    print(f"ok: {text}", flush=True)
