"""Runs scenarios one after another and reports each on one line."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

from broker.control_server import ControlServer
from broker.process import BrokerFailure

SETUP_TIMEOUT_SECONDS = 900
TAIL_LINES = 60
# What a scenario ends with that needs something this machine does not have.
SKIPPED = 77


def run_command(command, folder, environment, log_path, timeout):
    """Runs one command with its output in a file. Returns (exit status, None) or (None, why)."""
    with open(log_path, "ab") as log:
        try:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            return None, f"cannot run {command[0]}: {error}"
        try:
            return process.wait(timeout), None
        except subprocess.TimeoutExpired:
            return None, f"no end after {timeout:.0f} s"
        finally:
            # Whatever the command left behind in its session, or all of it when it would not end.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            process.wait()


class Execution:
    """One run of chosen scenarios against one source of brokers."""

    def __init__(self, root, source, directory, keep, results):
        self.root = root
        self.source = source
        self.directory = directory
        self.keep = keep
        self.results = results
        self.passed = self.failed = self.skipped = 0
        self._setups = {}
        self._logs = os.path.join(directory, "logs")
        self._sockets = tempfile.mkdtemp(prefix="zurau-control-")
        os.makedirs(self._logs, exist_ok=True)

    # The score ------------------------------------------------------------------------------

    def report_pass(self, name, seconds, note=""):
        self.passed += 1
        self.results.add(name, "pass", seconds, note)
        print(f"pass  {name:<52} {seconds:7.1f} s{'  ' + note if note else ''}", flush=True)

    def report_skip(self, name, reason):
        self.skipped += 1
        self.results.add(name, "skip", 0, reason)
        print(f"skip  {name:<52}            {reason}", flush=True)

    def report_failure(self, name, seconds, reason, log_path=None, broker=None):
        self.failed += 1
        self.results.add(name, "fail", seconds, reason)
        print(f"FAIL  {name:<52} {seconds:7.1f} s  {reason}", flush=True)
        if log_path and os.path.exists(log_path):
            with open(log_path, errors="replace") as log:
                for line in log.read().splitlines()[-TAIL_LINES:]:
                    print(f"      | {line}")
        if broker is not None:
            print(f"      broker log: {broker.log_path}")
            for line in broker.log_tail(12):
                print(f"      : {line[:300]}")
        print(end="", flush=True)

    # Scenarios ------------------------------------------------------------------------------

    def set_up(self, client):
        """Installs what a client needs, once. Returns None, or why it could not be done."""
        if client.name not in self._setups:
            self._setups[client.name] = self._set_up_with(client, client.setup, "setup")
            if isinstance(client.version, list) and not self._setups[client.name]:
                self._setups[client.name] = self._set_up_with(client, client.version, "version")
                self.results.note_version(client.name, last_line(self._log_path(client, "version")))
        return self._setups[client.name]

    def _set_up_with(self, client, command, what):
        if not command:
            return None
        log_path = self._log_path(client, what)
        began = time.monotonic()
        environment = {**os.environ, **client.environment}
        status, why = run_command(command, client.folder, environment, log_path, SETUP_TIMEOUT_SECONDS)
        if status == 0:
            return None
        reason = f"{what} of {client.name}: {why or f'exit status {status}'}"
        self.report_failure(f"{client.name}/{what}", time.monotonic() - began, reason, log_path)
        return reason

    def _log_path(self, client, what):
        return os.path.join(self._logs, f"{client.name}-{what}.log")

    def run(self, scenario):
        name = scenario.full_name
        source = self.source
        if isinstance(scenario.client.version, str):
            self.results.note_version(scenario.client.name, scenario.client.version)
        if scenario.wants_own_broker and not source.owned:
            return self.report_skip(name, "needs a broker of its own; this one runs elsewhere")
        # Of a broker elsewhere we do not know which it is, and let it answer for itself.
        if "zurau" in scenario.needs and source.kind == "kafka":
            return self.report_skip(name, "only says something about Zurau")
        if scenario.cannot:
            return self.report_skip(name, scenario.cannot)
        if scenario.zurau_lacks and source.kind == "zurau":
            return self.report_skip(name, f"Zurau does not have {scenario.zurau_lacks} yet")
        began = time.monotonic()
        missing = self.set_up(scenario.client)
        if missing:
            return self.report_failure(name, 0, f"not run: {missing}")
        broker = None
        try:
            if scenario.wants_own_broker:
                broker = source.make(scenario.overrides)
                broker.start()
            else:
                broker = source.shared_broker()
        except (BrokerFailure, OSError) as failure:
            broker = broker or source.shared
            return self.report_failure(name, time.monotonic() - began, f"no broker: {failure}", None, broker)
        return self._run_with(scenario, broker)

    def _run_with(self, scenario, broker):
        name = scenario.full_name
        work = tempfile.mkdtemp(prefix="work-", dir=self.directory)
        log_path = os.path.join(self._logs, name.replace("/", "-") + ".log")
        environment = {**os.environ, **scenario.client.environment}
        environment.update(
            BOOTSTRAP_SERVERS=broker.bootstrap,
            SCENARIO=scenario.name,
            WORK_DIRECTORY=work,
            TOPIC_PREFIX=f"t{uuid.uuid4().hex[:8]}-",
            BROKER_KIND=broker.name,
            PROTOCOL_TESTS=self.root,
            CREATE_TOPIC=os.path.join(self.root, "wire", "create-topic"),
            PYTHONDONTWRITEBYTECODE="1",
            # Python's own hash seed and buffering must not change what a scenario does or shows.
            PYTHONUNBUFFERED="1",
        )
        if self.source.owned and broker.pid:
            environment["BROKER_PID"] = str(broker.pid)
        control = None
        if "control" in scenario.needs:
            control = ControlServer(broker, os.path.join(self._sockets, f"{uuid.uuid4().hex[:8]}.sock"))
            environment["BROKER_CONTROL"] = os.path.join(self.root, "broker", "control")
            environment["BROKER_CONTROL_SOCKET"] = control.path
        began = time.monotonic()
        try:
            status, why = run_command(scenario.command, scenario.client.folder, environment, log_path, scenario.timeout_seconds)
        finally:
            if control:
                control.close()
        seconds = time.monotonic() - began
        if why is None and status != 0:
            why = f"exit status {status}"
        # A scenario that ended well over a dead broker has not looked closely enough.
        if not broker.alive() and not (control and control.down_on_purpose):
            why = (why + "; " if why else "") + "the broker died"
        if control and control.failure and why is None:
            why = f"broker: {control.failure}"
        if why == f"exit status {SKIPPED}":
            self.report_skip(name, (last_line(log_path) or "").removeprefix("skipped: ") or "it does not say why")
        elif why:
            self.report_failure(name, seconds, why, log_path, broker if self.source.owned else None)
        else:
            self.report_pass(name, seconds, last_figure(log_path))
        if scenario.wants_own_broker:
            self.source.discard(broker, keep_data=self.keep)
        if not self.keep:
            shutil.rmtree(work, ignore_errors=True)

    # The end --------------------------------------------------------------------------------

    def check_shared_broker(self):
        """The shared broker, which has seen every scenario, must stop when asked and leave a sound disk."""
        broker = self.source.shared
        if not self.source.owned or broker is None:
            return
        began = time.monotonic()
        try:
            status = broker.stop()
        except BrokerFailure as failure:
            self.report_failure("broker/stops-when-asked", time.monotonic() - began, str(failure), None, broker)
            return
        # The launcher of real Kafka reports the signal as Java does.
        good = (0,) if broker.name == "zurau" else (0, 143, -15)
        seconds = time.monotonic() - began
        if status in good:
            self.report_pass("broker/stops-when-asked", seconds)
        else:
            self.report_failure("broker/stops-when-asked", seconds, f"exit status {status} after SIGTERM", None, broker)
        verify = os.path.join(self.root, "disk", "verify")
        if os.access(verify, os.X_OK):
            log_path = os.path.join(self._logs, "disk-verify.log")
            options = ["--by-kafka"] if broker.name == "kafka" else []
            began = time.monotonic()
            status, why = run_command([verify, *options, broker.data_directory], self.root, dict(os.environ), log_path, 900)
            seconds = time.monotonic() - began
            if status == 0:
                self.report_pass("broker/leaves-a-sound-disk", seconds)
            else:
                self.report_failure("broker/leaves-a-sound-disk", seconds, why or f"exit status {status}", log_path)

    def close(self):
        self.source.end_all()
        shutil.rmtree(self._sockets, ignore_errors=True)
        if not self.keep:
            for name in os.listdir(self.directory):
                if name.startswith("broker-"):
                    data = os.path.join(self.directory, name, "data")
                    shutil.rmtree(data, ignore_errors=True)
            if not self.failed:
                shutil.rmtree(self.directory, ignore_errors=True)


def last_figure(log_path):
    """A scenario may end with a line "figures: ..." that is worth showing beside its duration."""
    try:
        with open(log_path, errors="replace") as log:
            figures = [line for line in log.read().splitlines() if line.startswith("figures: ")]
    except OSError:
        return ""
    return figures[-1][len("figures: ") :] if figures else ""


def last_line(log_path):
    """The last line of a command's output, or None when it said nothing or was never run."""
    try:
        with open(log_path, errors="replace") as log:
            return ([None] + [line.strip() for line in log if line.strip()])[-1]
    except OSError:
        return None
