"""A broker process, started as fast as Python can, and what the kernel knows about it."""

import os
import re
import select
import signal
import time

READY = re.compile(rb"\blisteners\b.*?://(\S+?):(\d+)")


class BrokerFailure(Exception):
    """The broker did not start or stop."""


class Broker:
    """One run of the binary. `began` is the moment before the process was made."""

    def __init__(self, binary, data, log_path, overrides=()):
        settings = ["listeners=PLAINTEXT://127.0.0.1:0", f"log.dirs={data}", *overrides]
        command = [str(binary)] + [word for setting in settings for word in ("--override", setting)]
        self.log_path = log_path
        self.output, write_end = os.pipe()
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, write_end, 1),
            (os.POSIX_SPAWN_OPEN, 2, str(log_path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        ]
        self.began = time.perf_counter()
        self.pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        os.close(write_end)

    def wait_until_ready(self, timeout=30):
        """The address of the ready line."""
        text, deadline = b"", time.monotonic() + timeout
        while not (match := READY.search(text)) or b"\n" not in text[match.end():]:
            readable, _, _ = select.select([self.output], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.output, 4096) if readable else b""
            if not piece:
                self.end(signal.SIGKILL)
                reason = "ended" if readable else f"was not ready after {timeout} s"
                raise BrokerFailure(f"the broker {reason}; its log ends with\n{self.log_tail()}")
            text += piece
        return match[1].decode(), int(match[2])

    def memory(self):
        """Resident bytes: all of them, and those that belong to this process alone."""
        with open(f"/proc/{self.pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))

    def end(self, sign=signal.SIGTERM, timeout=30):
        """Ends the process and returns its exit status and the seconds that took."""
        if self.pid is None:
            return None, 0.0
        began = time.perf_counter()
        os.kill(self.pid, sign)
        watcher = os.pidfd_open(self.pid)
        try:
            if not select.select([watcher], [], [], timeout)[0]:
                os.kill(self.pid, signal.SIGKILL)
                raise BrokerFailure(f"the broker did not stop within {timeout} s; its log ends with\n{self.log_tail()}")
        finally:
            os.close(watcher)
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.output)
            self.pid = None
        return status, time.perf_counter() - began

    def log_tail(self, lines=20):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
