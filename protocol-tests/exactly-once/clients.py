"""The processes of a round: workers of one client together, which live, are killed, paused and replaced together."""

import os
import signal
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))


class ClientFailure(Exception):
    """A client process ended by itself, which none may do."""


# A client library that breaks its own memory dies like one that is killed. That says nothing about the broker.
CRASHES = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS}


class Crew:
    """Workers that share a process; each process is one run of them."""

    def __init__(self, name, kind, workers, environment, java_class_path=None, can_be_killed=True):
        self.name = name
        self.kind = kind
        # Pairs of role and worker.
        self.workers = workers
        self.environment = environment
        self.java_class_path = java_class_path
        self.can_be_killed = can_be_killed
        self.runs = 0
        self.process = None
        # Runs that were paused, go on beside their successor, and are still to be killed.
        self.zombies = []

    def command(self):
        arguments = [f"{role}:{worker}:{self.runs}" for role, worker in self.workers]
        if self.kind == "java":
            return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-cp", self.java_class_path,
                    "zurau.exactlyonce.Main", *arguments]
        return [sys.executable, os.path.join(FOLDER, "librdkafka", "worker.py"), *arguments]

    def start(self):
        self.runs += 1
        log_path = os.path.join(self.environment["HISTORY_DIRECTORY"], f"{self.name}.{self.runs}.log")
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(self.command(), env=self.environment, stdin=subprocess.PIPE, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        """Stops the process where it is, and starts a successor with the same transactional ids."""
        self.process.send_signal(signal.SIGSTOP)
        zombie = self.process
        self.zombies.append(zombie)
        self.start()
        return zombie

    def end(self, zombie):
        zombie.kill()
        zombie.wait()
        self.zombies.remove(zombie)

    def has_crashed(self):
        """Whether the process has died of a fault of its own. That it ends in any other way is a failure."""
        status = None if self.process is None else self.process.poll()
        if status is None or status in CRASHES:
            return status is not None
        raise ClientFailure(f"{self.name}.{self.runs} ended by itself with status {self.process.returncode}")

    def tell_to_stop(self):
        self.process.stdin.close()

    def wait(self, seconds):
        """Whether it has ended by itself. A call of a client that never returns is its own matter: it is killed."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            status = None
        self.process = None
        if status:
            raise ClientFailure(f"{self.name}.{self.runs} ended with status {status}")
        return status == 0

    def end_all(self):
        """At the end of everything, whatever has happened."""
        for zombie in list(self.zombies):
            self.end(zombie)
        if self.process is not None:
            self.kill()
            self.process = None


def stop(crews, seconds=30):
    """Tells crews to stop and waits for each; those that had to be killed."""
    for crew in crews:
        crew.tell_to_stop()
    deadline = time.monotonic() + seconds
    return [crew for crew in crews if not crew.wait(max(1, deadline - time.monotonic()))]
