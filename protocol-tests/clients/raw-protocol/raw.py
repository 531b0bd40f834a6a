"""What the raw scenarios share: the broker, topics, single-partition calls, comparisons."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from wire import topics  # noqa: E402
from wire.connection import Connection, served  # noqa: E402,F401
from wire.messages import APIS  # noqa: E402
from wire.records import simple_batch  # noqa: E402,F401

BOOTSTRAP = os.environ["BOOTSTRAP_SERVERS"]
PREFIX = os.environ["TOPIC_PREFIX"]


def connect(timeout=30):
    return Connection(BOOTSTRAP, timeout)


def versions(name):
    """The versions of one API that the broker serves and that we can speak."""
    with connect() as connection:
        for api, low, high in served(connection.versions()):
            if api.name == name:
                return range(low, high + 1)
    return fail(f"{name} is not served")


def create_topic(name, partitions=1, **configs):
    """Makes a topic that serves; returns (full name, topic id)."""
    full = PREFIX + name
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    return full, topics.create_topic(BOOTSTRAP, full, partitions, settings)


def new_producer_id(connection, version=4):
    """The answer to InitProducerId once the broker can give ids; Kafka needs a moment after its start."""

    def ask():
        answer = connection.call("InitProducerId", version, {})
        # COORDINATOR_LOAD_IN_PROGRESS asks to try again.
        return None if answer["error_code"] == 14 else answer

    return until("producer ids are given", ask)


class Partition:
    """One partition by name and id, so that one body serves all versions."""

    def __init__(self, connection, topic, topic_id, number=0):
        self.connection = connection
        self.keys = {"name": topic, "topic": topic, "topic_id": topic_id}
        self.number = number

    def produce(self, records, version=9, acks=-1):
        """The answer for the partition: error_code, base_offset, ..."""
        entry = {**self.keys, "partition_data": [{"index": self.number, "records": records}]}
        answer = self.connection.call("Produce", version, {"acks": acks, "topic_data": [entry]})
        return answer["responses"][0]["partition_responses"][0]

    def fetch(self, offset, version=11, wait=0, **more):
        partition = {"partition": self.number, "fetch_offset": offset}
        body = {"max_wait_ms": wait, "min_bytes": 1, "topics": [{**self.keys, "partitions": [partition]}], **more}
        answer = self.connection.call("Fetch", version, body)
        same(f"Fetch v{version}: error of the whole", answer.get("error_code", 0), 0)
        return answer["responses"][0]["partitions"][0]

    def offset(self, timestamp, version=5):
        partition = {"partition_index": self.number, "timestamp": timestamp}
        answer = self.connection.call("ListOffsets", version, {"topics": [{**self.keys, "partitions": [partition]}]})
        return answer["topics"][0]["partitions"][0]


def until(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return value


def same(what, got, wanted):
    if got != wanted:
        fail(f"{what}:\n  got    {str(got)[:1500]}\n  wanted {str(wanted)[:1500]}")


def check(what, condition, detail=""):
    if not condition:
        fail(f"{what} {str(detail)[:1500]}")


def fail(message):
    sys.exit(f"FAILED: {message}")
