"""Waiting for the first acknowledged record."""

import time

from wire.connection import Closed
from wire.records import simple_batch

# Unknown topic, leader not available, not leader, broker or coordinator starting: not there yet.
NOT_YET = {3, 5, 6, 8, 9, 72, 74}
PARTITIONS_AT_ONCE = 1000
PAUSE = 0.002


class NotAcknowledged(OSError):
    """The broker refuses the record, or took too long."""


def acknowledged_everywhere(contestant, topic, partitions, began, patience=120):
    """Produces one record to each partition; returns the seconds since `began` when all are acknowledged.

    Keeps trying from before the broker listens. Asking for the topic's metadata creates it.
    """
    waiting, batch, connection = list(range(partitions)), simple_batch([b"first"]), None
    try:
        while True:
            try:
                if connection is None:
                    connection = contestant.connect()
                connection.call("Metadata", 4, {"topics": [{"name": topic}], "allow_auto_topic_creation": True})
                waiting = produce(connection, topic, waiting, batch)
                if not waiting:
                    return time.perf_counter() - began
            except (Closed, ConnectionError):
                contestant.must_live()
                connection = None
            if time.perf_counter() - began > patience:
                raise NotAcknowledged(f"{len(waiting)} partitions of {topic} took no record within {patience} s")
            time.sleep(PAUSE)
    finally:
        if connection is not None:
            connection.socket.close()


def produce(connection, topic, partitions, batch):
    """Returns the partitions that are not there yet."""
    waiting = []
    for at in range(0, len(partitions), PARTITIONS_AT_ONCE):
        body = {"acks": -1, "timeout_ms": 30_000, "topic_data": [{"name": topic, "partition_data": [
            {"index": number, "records": batch} for number in partitions[at:at + PARTITIONS_AT_ONCE]]}]}
        for answer in connection.call("Produce", 8, body)["responses"][0]["partition_responses"]:
            if answer["error_code"] in NOT_YET:
                waiting.append(answer["index"])
            elif answer["error_code"]:
                raise NotAcknowledged(f"error {answer['error_code']} from partition {answer['index']} of {topic}")
    return waiting
