"""Our own broker: the release binary, on a port that it chooses and then keeps."""

import os
import re

from .process import CONSUMER_GROUPS, BrokerProcess

READY = re.compile(r"\blisteners\b.*?PLAINTEXT://([^:\s;,]+):(\d+)")


class ZurauBroker(BrokerProcess):
    name = "zurau"
    start_timeout_seconds = 60
    # SIGTERM must end it "within seconds".
    stop_timeout_seconds = 20

    def __init__(self, binary, directory, overrides=None):
        super().__init__(directory, overrides)
        self.binary = os.path.abspath(binary)

    def command(self):
        settings = {
            # The first start takes any free port; a restart must come back where clients look.
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": self.data_directory,
            # The default of three seconds before a group's first generation would only make the
            # suite slow; without it joins race more, which is the harder case.
            "group.initial.rebalance.delay.ms": "0",
            **CONSUMER_GROUPS,
        }
        settings.update(self.overrides)
        arguments = [self.binary]
        for key, value in settings.items():
            arguments += ["--override", f"{key}={value}"]
        return arguments

    def port_of_ready_line(self, line):
        match = READY.search(line)
        return int(match.group(2)) if match else None
