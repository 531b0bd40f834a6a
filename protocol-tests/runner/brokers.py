"""Which broker a scenario talks to: the shared one, one of its own, or one that runs elsewhere."""

import os
import shutil
import socket

from broker.kafka import KafkaBroker
from broker.zurau import ZurauBroker


class Elsewhere:
    """A broker that somebody else runs; we may talk to it and nothing more."""

    name = "elsewhere"

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def alive(self):
        host, _, port = self.bootstrap.split(",")[0].rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            return False
        return True


class BrokerSource:
    """Makes brokers of the chosen kind, each in a directory of its own."""

    def __init__(self, kind, directory, binary, launcher):
        self.kind = kind
        self.directory = directory
        self.binary = binary
        self.launcher = launcher
        self.shared = None
        self.running = []
        self._made = 0

    @property
    def owned(self):
        """Whether we may restart the broker."""
        return self.kind in ("zurau", "kafka")

    def why_not(self):
        """One line when no broker can be had at all."""
        if self.kind == "zurau" and not os.access(self.binary, os.X_OK):
            return f"no broker at {self.binary}: run cargo build --release, or name one with --binary"
        if self.kind == "kafka" and not os.access(self.launcher, os.X_OK):
            return f"no Kafka launcher at {self.launcher}"
        return None

    def make(self, overrides=None):
        """A new broker that has not been started."""
        self._made += 1
        directory = os.path.join(self.directory, f"broker-{self._made}")
        overrides = {key: value.replace("{directory}", directory) for key, value in (overrides or {}).items()}
        if self.kind == "zurau":
            broker = ZurauBroker(self.binary, directory, overrides)
        else:
            broker = KafkaBroker(directory, overrides, self.launcher)
        self.running.append(broker)
        return broker

    def shared_broker(self):
        """The broker that scenarios share, started when first asked for or when the last one died."""
        if not self.owned:
            return Elsewhere(self.kind)
        if self.shared is None or not self.shared.alive():
            self.shared = self.make()
            self.shared.start()
        return self.shared

    def discard(self, broker, keep_data):
        """Ends a broker that no scenario needs any more."""
        broker.kill9()
        if broker in self.running:
            self.running.remove(broker)
        if not keep_data:
            shutil.rmtree(broker.data_directory, ignore_errors=True)

    def end_all(self):
        for broker in list(self.running):
            broker.kill9()
        self.running.clear()
