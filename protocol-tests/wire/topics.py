"""Making a topic and waiting until it serves, for tests that have no client which would do it."""

import time

from .connection import Connection


class NoTopic(Exception):
    """The topic could not be made, or does not serve."""


def create_topic(bootstrap, name, partitions=1, configs=None, patience=30):
    """Makes the topic and returns its id when every partition serves.

    Kafka names a leader a moment before that leader answers, so the question is put to the partitions.
    """
    topic = {"name": name, "num_partitions": partitions,
             "configs": [{"name": key, "value": str(value)} for key, value in (configs or {}).items()]}
    asked = {"topics": [{"name": name, "partitions": [
        {"partition_index": number, "timestamp": -1} for number in range(partitions)]}]}
    deadline = time.monotonic() + patience
    with Connection(bootstrap, timeout=patience) as connection:
        made = connection.call("CreateTopics", 7, {"topics": [topic]})["topics"][0]
        if made["error_code"]:
            raise NoTopic(f"{name}: error {made['error_code']}: {made['error_message']}")
        while True:
            errors = [p["error_code"] for p in connection.call("ListOffsets", 4, asked)["topics"][0]["partitions"]]
            if not any(errors):
                return made["topic_id"]
            if time.monotonic() > deadline:
                raise NoTopic(f"{name}: made {patience} s ago, errors of its partitions {errors}")
            time.sleep(0.05)
