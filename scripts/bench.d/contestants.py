"""Who takes part in a comparison: each can be started, stopped and killed on one port and one directory."""

import os
import pathlib
import shlex
import signal
import socket
import time

from broker import Broker, BrokerFailure, zurau_command
from wire.connection import Closed, Connection

PEER = pathlib.Path(__file__).resolve().parents[2] / "protocol-tests" / "kafka-peer"

# What Kafka's own start script gives to Java, with a heap of one gigabyte that is there from the start.
KAFKA_JAVA_OPTIONS = ("-server -Xms1g -Xmx1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 "
                      "-XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent")

# The same for Zurau and Kafka: no waiting for further group members, which is not what is measured, members by the
# consumer protocol ask once a second, as those of the classic one are told, and deleted topics leave the disk soon. The internal topic is as small as the launcher of Kafka makes it.
SETTINGS = ("group.initial.rebalance.delay.ms=0", "log.segment.delete.delay.ms=1000", "log.retention.hours=-1",
            "group.consumer.heartbeat.interval.ms=1000", "group.consumer.min.heartbeat.interval.ms=1000",
            "offsets.topic.num.partitions=5", "offsets.topic.replication.factor=1")

CONNECT_PAUSE = 0.001


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Contestant:
    """A kind of broker with its directory. `process` is its present run."""

    name = ""
    start_timeout = 120
    stop_timeout = 120

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.port = free_port()
        self.process = None
        self.complaints = []

    def command(self):
        """The words of the command that serves on `port`, in the foreground, until SIGTERM."""
        raise NotImplementedError

    def environment(self):
        return {**os.environ, "PORT": str(self.port), "DIRECTORY": str(self.directory)}

    def log_paths(self):
        return [self.directory / "broker.log"]

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def spawn(self):
        """Starts the process and does not wait; returns the moment before it was made."""
        self.process = Broker(self.command(), self.directory / "broker.log", self.environment())
        return self.process.began

    def connect(self, timeout=60):
        """A connection, as soon as the broker accepts one."""
        deadline = time.monotonic() + self.start_timeout
        while True:
            try:
                return Connection(self.bootstrap, timeout=timeout)
            except OSError as refused:
                self.must_live()
                if time.monotonic() > deadline:
                    raise BrokerFailure(f"{self.name} took no connection within {self.start_timeout} s") from refused
                time.sleep(CONNECT_PAUSE)

    def start(self):
        """Starts the broker and waits until it answers."""
        self.spawn()
        deadline = time.monotonic() + self.start_timeout
        while True:
            try:
                with self.connect() as connection:
                    if connection.call("Metadata", 4, {"topics": []})["brokers"]:
                        return
            except (Closed, OSError):
                self.must_live()
            if time.monotonic() > deadline:
                raise BrokerFailure(f"{self.name} did not serve within {self.start_timeout} s\n{self.log_tail()}")
            time.sleep(CONNECT_PAUSE)

    def must_live(self):
        if not self.process.alive():
            status, _ = self.process.end(signal.SIGKILL)
            raise BrokerFailure(f"{self.name} ended by itself with status {status}\n{self.log_tail()}")

    def stop(self):
        """Asks the broker to stop, waits for it, and keeps what its log complains about."""
        if self.process is None:
            return
        self.complaints += [line for line in self.log_lines() if " ERROR " in line or " WARN " in line]
        try:
            self.process.end(timeout=self.stop_timeout)
        finally:
            self.process = None

    def kill(self):
        self.process.end(signal.SIGKILL)
        self.process = None

    def log_lines(self):
        return [line for path in self.log_paths() if path.exists()
                for line in path.read_text(errors="replace").splitlines()]

    def log_tail(self, lines=20):
        return "\n".join(self.log_lines()[-lines:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.kill()


class Zurau(Contestant):
    name = "Zurau"

    def __init__(self, directory, binary, settings=()):
        super().__init__(directory)
        self.binary = binary
        self.settings = settings

    def command(self):
        return zurau_command(self.binary, self.directory / "data", self.port, [*SETTINGS, *self.settings])


class Kafka(Contestant):
    name = "Kafka"

    def command(self):
        return [str(PEER / "start-kafka"), str(self.directory), str(self.port), *SETTINGS]

    def environment(self):
        return {**super().environment(), "KAFKA_JAVA_OPTIONS": KAFKA_JAVA_OPTIONS}

    def log_paths(self):
        return [*super().log_paths(), self.directory / "log" / "server.log"]


class Third(Contestant):
    """Any other broker: its command finds PORT and DIRECTORY in its environment, or {port} and {directory} in its words."""

    def __init__(self, directory, name, command):
        super().__init__(directory)
        self.name = name
        self.words = shlex.split(command)

    def command(self):
        return [word.replace("{port}", str(self.port)).replace("{directory}", str(self.directory)) for word in self.words]


class Floor(Contestant):
    """Our program that does the least a broker must do."""

    name = "floor"

    def __init__(self, directory, program):
        super().__init__(directory)
        self.program = program

    def command(self):
        return [str(self.program), str(self.port), str(self.directory)]
