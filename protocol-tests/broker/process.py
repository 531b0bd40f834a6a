"""One broker process: started, watched, stopped. Ends only what it started, by process id."""

import os
import signal
import subprocess
import threading
import time

# Members by the consumer protocol ask as often as the broker tells them: each change waits for the next heartbeats.
CONSUMER_GROUPS = {
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "300",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "6000",
}


class BrokerFailure(Exception):
    """The broker did not do what a broker process must do: start, stay up, or stop."""


class BrokerProcess:
    """A broker with a data directory, which may be started and stopped many times.

    A subclass says how the command line looks and which line of standard output means "ready".
    """

    name = "broker"
    start_timeout_seconds = 60
    stop_timeout_seconds = 60

    def __init__(self, directory, overrides=None):
        self.directory = directory
        self.overrides = dict(overrides or {})
        self.port = 0
        self.process = None
        self.log_path = os.path.join(directory, "broker.log")
        self.ready_line = None
        self.starts = 0
        self._ready = threading.Event()
        os.makedirs(directory, exist_ok=True)

    # What a subclass supplies ---------------------------------------------------------------

    def command(self):
        """The argument list that serves on `self.port`."""
        raise NotImplementedError

    def port_of_ready_line(self, line):
        """The port when this line of standard output says that the broker serves, else None."""
        raise NotImplementedError

    @property
    def data_directory(self):
        """Where the partitions' directories are."""
        return os.path.join(self.directory, "data")

    # Life and death -------------------------------------------------------------------------

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        """Starts the broker, waits for its ready line and returns the seconds that took."""
        if self.alive():
            raise BrokerFailure(f"{self.name} is running already")
        self._ready.clear()
        self.ready_line = None
        began = time.monotonic()
        log = open(self.log_path, "ab")
        log.write(f"--- start {self.starts + 1}: {' '.join(self.command())[:2000]}\n".encode())
        log.flush()
        # A session of its own, so that a launcher's children can be ended with it.
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        self.starts += 1
        reader = threading.Thread(target=self._read_output, args=(self.process, log), daemon=True)
        reader.start()
        deadline = began + self.start_timeout_seconds
        while not self._ready.wait(0.02):
            if not self.alive():
                code = self.process.wait()
                raise BrokerFailure(f"{self.name} ended with status {code} before it was ready")
            if time.monotonic() > deadline:
                self.kill9()
                raise BrokerFailure(f"{self.name} not ready after {self.start_timeout_seconds} s")
        return time.monotonic() - began

    def stop(self):
        """Asks the broker to stop (SIGTERM), waits, and returns its exit status."""
        if self.process is None:
            return None
        process = self.process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(self.stop_timeout_seconds)
            except subprocess.TimeoutExpired:
                self.kill9()
                raise BrokerFailure(
                    f"{self.name} did not stop within {self.stop_timeout_seconds} s of SIGTERM"
                ) from None
        self._end_group(process.pid)
        self.process = None
        return process.returncode

    def kill9(self):
        """Ends the broker at once, as a power cut would end the process."""
        if self.process is None:
            return
        process = self.process
        if process.poll() is None:
            self._end_group(process.pid)
            process.wait()
        self._end_group(process.pid)
        self.process = None

    @staticmethod
    def _end_group(group):
        """SIGKILL to what is left of the session we made, and waits until nothing is."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                return
            # Our own dead child counts as a member until it is reaped.
            try:
                os.waitpid(group, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.01)

    def _read_output(self, process, log):
        for raw in process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            try:
                log.write(b"stdout: " + raw)
                log.flush()
            except ValueError:
                return
            if process is not self.process or self._ready.is_set():
                continue
            port = self.port_of_ready_line(line)
            if port:
                self.port = port
                self.ready_line = line
                self._ready.set()
        log.close()

    # Looking at it --------------------------------------------------------------------------

    def log_tail(self, lines=40):
        try:
            with open(self.log_path, "r", errors="replace") as log:
                return log.read().splitlines()[-lines:]
        except OSError as error:
            return [f"no broker log: {error}"]
