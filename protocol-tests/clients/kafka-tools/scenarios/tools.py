"""Kafka's own command line tools, called the way a person calls them, and looked at hard.

One Java machine runs them all, one after another (`source/`): most of them take less time than it takes to start.
"""

import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]
WORK = os.environ["WORK_DIRECTORY"]
IS_KAFKA = os.environ["BROKER_KIND"] == "kafka"

PACKAGE = "org.apache.kafka.tools."
# The scripts in Kafka's bin folder without "kafka-" and ".sh", and what they start.
MAINS = {
    "acls": PACKAGE + "AclCommand",
    "broker-api-versions": PACKAGE + "BrokerApiVersionsCommand",
    "client-metrics": PACKAGE + "ClientMetricsCommand",
    "cluster": PACKAGE + "ClusterTool",
    # Kafka 4.4 has moved it.
    "configs": ("kafka.admin." if os.environ["CLIENT_VERSION"] == "4.3.1" else PACKAGE) + "ConfigCommand",
    "console-consumer": PACKAGE + "consumer.ConsoleConsumer",
    "console-producer": PACKAGE + "ConsoleProducer",
    "console-share-consumer": PACKAGE + "consumer.ConsoleShareConsumer",
    "consumer-groups": PACKAGE + "consumer.group.ConsumerGroupCommand",
    "consumer-perf-test": PACKAGE + "ConsumerPerformance",
    "delegation-tokens": PACKAGE + "DelegationTokenCommand",
    "delete-records": PACKAGE + "DeleteRecordsCommand",
    "dump-log": PACKAGE + "DumpLogSegments",
    "e2e-latency": PACKAGE + "EndToEndLatency",
    "features": PACKAGE + "FeatureCommand",
    "get-offsets": PACKAGE + "GetOffsetShell",
    "groups": PACKAGE + "GroupsCommand",
    "leader-election": PACKAGE + "LeaderElectionCommand",
    "log-dirs": PACKAGE + "LogDirsCommand",
    "metadata-quorum": PACKAGE + "MetadataQuorumCommand",
    "producer-perf-test": PACKAGE + "ProducerPerformance",
    "reassign-partitions": PACKAGE + "reassign.ReassignPartitionsCommand",
    "share-groups": PACKAGE + "consumer.group.ShareGroupCommand",
    "streams-groups": PACKAGE + "streams.StreamsGroupCommand",
    "topics": PACKAGE + "TopicCommand",
    "transactions": PACKAGE + "TransactionsCommand",
}
# Those whose first word is what to do, with the broker behind it; and those that look at files.
BROKER_COMES_LAST = {"cluster"}
WITHOUT_BROKER = {"dump-log"}


class Said:
    """What a tool has said, and how it ended."""

    def __init__(self, call, status, output, errors):
        self.call = call
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def lines(self):
        return [line.rstrip() for line in self.output.splitlines() if line.strip()]

    def has(self, *patterns):
        """Each of these is somewhere in the output."""
        for pattern in patterns:
            if not re.search(pattern, self.output, re.MULTILINE):
                self.fail(f"does not say {pattern!r}")
        return self

    def warns(self, *patterns):
        """Each of these is somewhere in what went to standard error or to the output."""
        for pattern in patterns:
            if not re.search(pattern, self.errors + self.output, re.MULTILINE):
                self.fail(f"does not say {pattern!r} on any side")
        return self

    def is_exactly(self, *lines):
        if self.lines != list(lines):
            self.fail(f"wanted {list(lines)}")
        return self

    def fail(self, reason):
        shown = f"--- output\n{self.output[:3000]}\n--- errors\n{self.errors[:3000]}"
        sys.exit(f"FAILED: {self.call} ended with {self.status} and {reason}\n{shown}")


class Tools:
    """A Java machine with the tools in it."""

    def __init__(self, memory="512m"):
        setup = os.path.join(os.path.dirname(HERE), "setup")
        classpath = subprocess.run([setup, "--print"], check=True, capture_output=True, text=True).stdout.strip()
        words = ["java", f"-Xmx{memory}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classpath, "zurau.tools.Tools"]
        self.java = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.java.stdin.close()
        self.java.wait(30)

    def call(self, tool, *arguments, given="", status=0):
        """Runs `kafka-TOOL.sh`; `status` is how it must end, None for whatever way."""
        words = [str(argument) for argument in arguments]
        broker = [] if tool in WITHOUT_BROKER else ["--bootstrap-server", BOOTSTRAP]
        words = words + broker if tool in BROKER_COMES_LAST else broker + words
        request = {"main": MAINS[tool], "arguments": words, "input": given}
        self.java.stdin.write(json.dumps(request) + "\n")
        self.java.stdin.flush()
        line = self.java.stdout.readline()
        call = f"kafka-{tool}.sh {' '.join(words)}"
        if not line:
            sys.exit(f"FAILED: the Java machine has ended in {call}")
        said = Said(call, **json.loads(line))
        if status is not None and said.status != status:
            said.fail(f"should have ended with {status}")
        print(f"ok: {call}", flush=True)
        return said

    def shows_change(self, call, *patterns):
        """The output of `call` has each of these. Kafka's answer to a change does not wait for its brokers, so Kafka may
        take a moment; Zurau may not."""
        deadline = time.monotonic() + (30 if IS_KAFKA else 0)
        said = self.call(*call)
        while time.monotonic() < deadline and not all(re.search(it, said.output, re.MULTILINE) for it in patterns):
            said = self.call(*call)
        return said.has(*patterns)


def in_file(name, content):
    """A file of the scenario's own with this content: text, or what becomes JSON."""
    path = os.path.join(WORK, name)
    with open(path, "w") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))
    return path
