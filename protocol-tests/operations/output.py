"""Nobody listens: standard output or error that is closed, broken or full is no reason not to serve.

A log collector that dies, `zurau | head`, a disk that is full of logs: the broker has lost its voice
and nothing else. That must not even show in how it ends.
"""

import os
import signal
import socket
import subprocess

from client import Client
from stage import LEASH, Stage, binary, check, clean_environment, eventually, passed, same

from wire.connection import Closed

LIMIT_SECONDS = 15


class Voiceless:
    """A broker whose output goes where the caller says; its port is chosen before, since it cannot tell."""

    def __init__(self, stage, name, port, **streams):
        self.data = stage.path(name)
        self.address = f"127.0.0.1:{port}"
        command = [binary(), "--override", f"log.dirs={self.data}", "--override", f"listeners=PLAINTEXT://{self.address}",
                   "--override", "group.initial.rebalance.delay.ms=0"]
        self.process = subprocess.Popen(LEASH + command, stdin=subprocess.DEVNULL, env=clean_environment(), **streams)

    def connect(self):
        """A connection; None while it cannot be had."""
        check(self.process.poll() is None, f"it has ended with status {self.process.returncode}")
        try:
            return Client(self.address)
        except ConnectionRefusedError:
            return None

    def must_serve(self, what):
        """Does all that has a line in the log somewhere on its way."""
        with eventually(f"{what}: it listens", self.connect) as client:
            client.create_topic("spoken")
            same(f"{what}: base offset", client.produce_values("spoken", [b"value"]), 0)
            same(f"{what}: error of a commit", client.commit("readers", "spoken", 1), 0)
            # The coordinator logs what becomes of its groups.
            joined = client.call("JoinGroup", 3, {"group_id": "readers", "protocols": [{"name": "range", "metadata": b""}]})
            same(f"{what}: error of a join", joined["error_code"], 0)
        for _ in range(3):
            # Somebody who is turned away has a line, too.
            with Client(self.address) as hostile:
                hostile.send_bytes(b"\x7f\xff\xff\xff")
                try:
                    hostile.receive_frame()
                except (Closed, OSError):
                    pass
        with Client(self.address) as client:
            same(f"{what}: records", client.read("spoken"), [(0, b"value")])
            client.delete_topic("spoken")

    def must_end_well(self, what):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "none"
        same(f"{what}: exit status after SIGTERM", status, 0)
        check(os.path.exists(os.path.join(self.data, ".kafka_cleanshutdown")), f"{what}: no marker of a clean end")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def broken_pipe():
    """The writing end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def serves(stage, what, name, **streams):
    broker = Voiceless(stage, name, free_port(), **streams)
    try:
        broker.must_serve(what)
        broker.must_end_well(what)
    finally:
        broker.end()
    passed(what)


def broken_standard_output(stage):
    pipe = broken_pipe()
    serves(stage, "standard output without a reader", "broken-output", stdout=pipe, stderr=subprocess.DEVNULL)
    os.close(pipe)


def broken_standard_error(stage):
    pipe = broken_pipe()
    serves(stage, "standard error without a reader", "broken-error", stdout=subprocess.DEVNULL, stderr=pipe)
    os.close(pipe)


def full_standard_error(stage):
    with open("/dev/full", "wb") as full:
        serves(stage, "standard error on a full disk", "full-error", stdout=full, stderr=full)


def closed_streams(stage):
    """As a daemon may be started: with no streams at all."""
    def close_both():
        os.close(1)
        os.close(2)

    serves(stage, "no standard streams", "closed", preexec_fn=close_both)


def reader_that_dies(stage):
    """The usual case: the collector was there at the start and is gone later."""
    what = "a log reader that dies"
    reading, writing = os.pipe()
    broker = Voiceless(stage, "reader-dies", free_port(), stdout=writing, stderr=writing)
    os.close(writing)
    try:
        said = b""
        while b"zurau ready" not in said:
            piece = os.read(reading, 4096)
            check(piece, f"{what}: it ended before it was ready: {said!r}")
            said += piece
        os.close(reading)
        broker.must_serve(what)
        broker.must_end_well(what)
    finally:
        broker.end()
    passed(what)


def refused_start(_stage):
    what = "a refused start that nobody hears of"
    pipe = broken_pipe()
    ended = subprocess.run(
        LEASH + [binary(), "--override", "num.partitions=none"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=pipe,
        env=clean_environment(), timeout=LIMIT_SECONDS)
    os.close(pipe)
    same(f"{what}: exit status", ended.returncode, 1)
    passed(what)


with Stage(seconds=100) as stage:
    stage.step(broken_standard_output)
    stage.step(broken_standard_error)
    stage.step(full_standard_error)
    stage.step(closed_streams)
    stage.step(reader_that_dies)
    stage.step(refused_start)
