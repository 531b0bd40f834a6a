"""Nobody listens: standard output or error that is closed, broken, full or never read is no reason not to serve.

A log collector that dies, `zurau | head`, a disk that is full of logs: the broker has lost its voice
and nothing else. That must not even show in how it ends.
"""

import json
import os
import re
import signal
import socket
import subprocess
import threading

from client import Client
from stage import LEASH, Stage, binary, check, clean_environment, eventually, passed, same

from wire.connection import Closed

LIMIT_SECONDS = 15


class Voiceless:
    """A broker whose output goes where the caller says; its port is chosen before, since it cannot tell."""

    def __init__(self, stage, name, port, rust_log=None, log_format="text", **streams):
        self.data = stage.path(name)
        self.address = f"127.0.0.1:{port}"
        command = [binary(), "--log-format", log_format, "--override", f"log.dirs={self.data}", "--override", f"listeners=PLAINTEXT://{self.address}",
                   "--override", "group.initial.rebalance.delay.ms=0"]
        environment = clean_environment()
        if rust_log:
            environment["RUST_LOG"] = rust_log
        self.process = subprocess.Popen(LEASH + command, stdin=subprocess.DEVNULL, env=environment, **streams)

    def connect(self):
        """A connection; None while it cannot be had."""
        check(self.process.poll() is None, f"it has ended with status {self.process.returncode}")
        try:
            return Client(self.address)
        except ConnectionRefusedError:
            return None

    def must_serve(self, what, group="readers"):
        """Does all that has a line in the log somewhere on its way."""
        with eventually(f"{what}: it listens", self.connect) as client:
            client.create_topic("spoken")
            same(f"{what}: base offset", client.produce_values("spoken", [b"value"]), 0)
            same(f"{what}: error of a commit", client.commit(group, "spoken", 1), 0)
            # The coordinator logs what becomes of its groups.
            joined = client.call("JoinGroup", 3, {"group_id": group, "protocols": [{"name": "range", "metadata": b""}]})
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


def filled_pipe():
    """Both ends of a pipe that takes nothing more, and what is in it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = 0
    try:
        while True:
            filled += os.write(writing, b"\n" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writing, True)
    return reading, writing, filled


def output_that_nobody_reads(stage):
    """A pipe that is full and stays so: nobody waits for it, neither who is served nor the end."""
    what = "output that nobody reads"
    reading, writing, _ = filled_pipe()
    serves(stage, what, "unread-output", stdout=writing, stderr=writing)
    os.close(writing)
    os.close(reading)


def log_that_is_read_late(stage):
    """More lines than wait for a reader: the rest is counted, and the count is there when somebody reads."""
    what = "a log that is read late"
    reading, writing, filled = filled_pipe()
    broker = Voiceless(stage, "read-late", free_port(), rust_log="debug", stdout=subprocess.DEVNULL, stderr=writing)
    os.close(writing)
    try:
        broker.must_serve(what)
        with Client(broker.address) as client:
            for _ in range(3000):
                # The id of a member that is unknown is in a line for debugging, at its full length.
                client.call("JoinGroup", 3, {"group_id": "readers", "member_id": "x" * 900, "protocols": [{"name": "range", "metadata": b""}]})
        broker.must_serve(what, group="later readers")
        said = b""
        dropped = None
        while not dropped:
            piece = os.read(reading, 1 << 16)
            check(piece, f"{what}: it ended without a word on what was dropped: {said[-500:]!r}")
            said += piece
            dropped = re.search(rb"WARN (\d+) log lines were dropped: standard error did not take them\n", said)
        kept = len(said) - filled
        check(kept > 1 << 19, f"{what}: only {kept} bytes were kept")
        check(kept < 1 << 22, f"{what}: {kept} bytes were kept")
        check(int(dropped[1]) > 500, f"{what}: {dropped[1]} lines were dropped")
        threading.Thread(target=read_on, args=(reading,), daemon=True).start()
        broker.must_end_well(what)
    finally:
        broker.end()
    passed(what)


def read_on(reading):
    while os.read(reading, 1 << 16):
        pass


def text_that_clients_choose(stage):
    """A line cannot be forged, and what a terminal would obey does not reach it."""
    what = "text that clients choose"
    evil = "x\n2026-01-01T00:00:00.000000Z ERROR log directory offline\x1b[2J\x07\r\x9b31m\u202e"
    for log_format in ("text", "json"):
        reading, writing = os.pipe()
        broker = Voiceless(stage, f"chosen-{log_format}", free_port(), rust_log="debug", log_format=log_format,
                           stdout=subprocess.DEVNULL, stderr=writing)
        os.close(writing)
        collected = []
        collector = threading.Thread(target=collect, args=(reading, collected), daemon=True)
        collector.start()
        try:
            broker.must_serve(what)
            with Client(broker.address) as client:
                client.call("JoinGroup", 3, {"group_id": evil, "protocol_type": evil, "protocols": [{"name": evil, "metadata": b""}]})
            broker.must_end_well(what)
            collector.join(LIMIT_SECONDS)
            said = b"".join(collected).decode()
        finally:
            broker.end()
        lines = said.splitlines(keepends=True) if log_format == "json" else said.split("\n")
        check(any("log directory offline" in line for line in lines), f"{what}: the group is not told of")
        check(not any(line.startswith("2026-01-01") for line in lines), f"{what}: a line is forged")
        for character in "\x1b\x07\r\x9b\u202e":
            check(character not in said, f"{what}: {character!r} is in the log")
        if log_format == "json":
            groups = {json.loads(line).get("group") for line in lines}
            check(evil in groups, f"{what}: JSON does not have the group as it is: {groups}")
    passed(what)


def collect(reading, collected):
    while piece := os.read(reading, 1 << 16):
        collected.append(piece)


def refused_start(_stage):
    what = "a refused start that nobody hears of"
    for pipe in (broken_pipe(), filled_pipe()[1]):
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
    stage.step(output_that_nobody_reads)
    stage.step(log_that_is_read_late)
    stage.step(text_that_clients_choose)
    stage.step(refused_start)
