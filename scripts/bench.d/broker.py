"""A broker process, started as fast as Python can, and what the kernel knows about it."""

import os
import re
import select
import signal
import time

READY = re.compile(rb"\blisteners\b.*?://(\S+?):(\d+)")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BrokerFailure(Exception):
    """The broker did not start, serve or stop."""


def zurau_command(binary, data, port=0, settings=()):
    """The command line of our own broker. Port 0 lets the system choose; the ready line names it."""
    every = [f"listeners=PLAINTEXT://127.0.0.1:{port}", f"log.dirs={data}", *settings]
    return [str(binary)] + [word for setting in every for word in ("--override", setting)]


class Broker:
    """One run of a broker. `began` is the moment before the process was made."""

    def __init__(self, command, log_path, environment=None):
        self.log_path = log_path
        self.output, write_end = os.pipe()
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, write_end, 1),
            (os.POSIX_SPAWN_OPEN, 2, str(log_path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        ]
        self.began = time.perf_counter()
        # A group of its own: what a launcher starts ends with it, and an interrupt from the keyboard reaches only us.
        self.pid = os.posix_spawnp(command[0], command, environment or os.environ, file_actions=actions, setpgroup=0)
        self.watcher = os.pidfd_open(self.pid)
        os.close(write_end)

    def alive(self):
        return self.pid is not None and not select.select([self.watcher], [], [], 0)[0]

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
        fields = self._status()
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))

    def peak_memory(self):
        """The most bytes that were ever resident."""
        return int(self._status()["VmHWM"].split()[0]) * 1024

    def processor_seconds(self):
        """What the process has used of the processors, in user mode and in the kernel."""
        with open(f"/proc/{self.pid}/stat") as stat:
            # The name in parentheses may hold spaces; user and system time are the 14th and 15th fields.
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def end(self, sign=signal.SIGTERM, timeout=30):
        """Ends the process and returns its exit status and the seconds that took."""
        if self.pid is None:
            return None, 0.0
        began = time.perf_counter()
        os.killpg(self.pid, sign)
        try:
            if not select.select([self.watcher], [], [], timeout)[0]:
                os.killpg(self.pid, signal.SIGKILL)
                raise BrokerFailure(f"the broker did not stop within {timeout} s; its log ends with\n{self.log_tail()}")
        finally:
            status = self._reap()
            os.close(self.watcher)
            os.close(self.output)
            self.pid = None
        return status, time.perf_counter() - began

    def _reap(self):
        """Waits for the process, ends what is left of its group, and returns its exit status."""
        # The number stays ours until the process is reaped, so nobody else's group can be meant.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        os.killpg(self.pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def log_tail(self, lines=20):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def _status(self):
        with open(f"/proc/{self.pid}/status") as status:
            return dict(line.split(":", 1) for line in status)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)
