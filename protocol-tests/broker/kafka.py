"""A real Apache Kafka, through the launcher in `kafka-peer`. A scenario that passes here is right."""

import os
import socket

from .process import CONSUMER_GROUPS, BrokerProcess

LAUNCHER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kafka-peer", "start-kafka")


def free_port():
    """A port that was free a moment ago. Kafka cannot tell us which one it took for port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class KafkaBroker(BrokerProcess):
    name = "kafka"
    # The first start may have Maven fetch the server.
    start_timeout_seconds = 300
    stop_timeout_seconds = 90

    def __init__(self, directory, overrides=None, launcher=LAUNCHER):
        super().__init__(directory, overrides)
        self.launcher = os.path.abspath(launcher)
        self.port = free_port()

    def command(self):
        arguments = [self.launcher, self.directory, str(self.port)]
        return arguments + [f"{key}={value}" for key, value in {**CONSUMER_GROUPS, **self.overrides}.items()]

    def log_tail(self, lines=40):
        """What the launcher said and what the server said, which go to different files."""
        tail = super().log_tail(lines)
        server_log = os.path.join(self.directory, "log", "server.log")
        if os.path.exists(server_log):
            with open(server_log, errors="replace") as log:
                tail += log.read().splitlines()[-lines:]
        return tail

    def port_of_ready_line(self, line):
        return self.port if "ready" in line else None
