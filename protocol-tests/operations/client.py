"""The requests that these scenarios make, as short calls over the raw protocol."""

import itertools
import socket
import struct
import time

from stage import fail, same

from wire.connection import Closed, Connection
from wire.records import simple_batch

NONE = 0
OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
NOT_LEADER_OR_FOLLOWER = 6
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
DUPLICATE_SEQUENCE_NUMBER = 46
INVALID_PRODUCER_EPOCH = 47
KAFKA_STORAGE_ERROR = 56
UNKNOWN_TOPIC_ID = 100
# Those that a producer answers by trying again, Java's RetriableException and its like in librdkafka.
RETRIABLE = {2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 72, 74, 75, 78, 89}
# What a coordinator says for a moment after a start.
NOT_YET = {14, 15, 16}

EARLIEST, LATEST = -2, -1


class Client(Connection):
    """One connection; a context manager."""

    def __init__(self, broker, timeout=15.0, address=None):
        if address is None:
            address = broker if isinstance(broker, str) else broker.bootstrap
        super().__init__(address, timeout)

    # Topics --------------------------------------------------------------------------------

    def create_topic(self, name, partitions=1, configs=None):
        """Makes a topic, waits for its leaders and returns its id."""
        settings = [{"name": key, "value": str(value)} for key, value in (configs or {}).items()]
        topic = {"name": name, "num_partitions": partitions, "configs": settings}
        made = self.call("CreateTopics", 7, {"topics": [topic]})["topics"][0]
        if made["error_code"]:
            fail(f"creating {name}: error {made['error_code']}: {made['error_message']}")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            seen = self.describe(name)
            if not seen["error_code"] and len(seen["partitions"]) == partitions:
                if all(not entry["error_code"] and entry["leader_id"] >= 0 for entry in seen["partitions"]):
                    return made["topic_id"]
            time.sleep(0.02)
        return fail(f"{name} has no leaders after 20 s: {seen}")

    def describe(self, name):
        return self.call("Metadata", 12, {"topics": [{"name": name}]})["topics"][0]

    def delete_topic(self, name):
        answer = self.call("DeleteTopics", 5, {"topic_names": [name]})["responses"][0]
        same(f"deleting {name}", (answer["error_code"], answer["error_message"]), (0, None))

    def brokers(self):
        """(host, port) of the brokers that Metadata names on this connection."""
        answer = self.call("Metadata", 8, {"topics": []})
        return [(entry["host"], entry["port"]) for entry in answer["brokers"]]

    # Records -------------------------------------------------------------------------------

    def produce(self, topic, records, partition=0, acks=-1, timeout_ms=10000):
        """The partition's answer, whatever it is."""
        answer = self.call("Produce", 9, produce_body(topic, records, partition, acks, timeout_ms))
        return answer["responses"][0]["partition_responses"][0]

    def must_produce(self, topic, records, partition=0):
        """The base offset of records that must be taken."""
        answer = self.produce(topic, records, partition)
        if answer["error_code"]:
            fail(f"producing to {topic}: error {answer['error_code']}: {answer['error_message']}")
        return answer["base_offset"]

    def produce_values(self, topic, values, partition=0):
        return self.must_produce(topic, simple_batch(values), partition)

    def fetch(self, topic, offset, partition=0, max_bytes=1 << 20, max_wait_ms=0, min_bytes=0):
        answer = self.call("Fetch", 11, fetch_body(topic, offset, partition, max_bytes, max_wait_ms, min_bytes))
        return answer["responses"][0]["partitions"][0]

    def read(self, topic, partition=0, offset=None, to_the_end=True):
        """All records from an offset (the earliest) to the end, as (offset, value); or up to where the log has nothing
        more, which is before its end when its last records were set aside."""
        at = self.offset(topic, EARLIEST, partition) if offset is None else offset
        found = []
        while True:
            got = self.fetch(topic, at, partition)
            if got["error_code"]:
                fail(f"fetching {topic}-{partition} from {at}: error {got['error_code']}")
            fresh = [entry for entry in records_of(got["records"] or b"") if entry[0] >= at]
            if not fresh:
                if to_the_end:
                    same(f"{topic}-{partition} can be read to its end", at, got["high_watermark"])
                return found
            found += fresh
            at = fresh[-1][0] + 1

    def offset(self, topic, timestamp, partition=0, seconds=10):
        """Asks again while the partition has no leader, as clients do: a directory may just have come back."""
        asked = {"name": topic, "partitions": [{"partition_index": partition, "timestamp": timestamp}]}
        deadline = time.monotonic() + seconds
        while True:
            answer = self.call("ListOffsets", 5, {"topics": [asked]})["topics"][0]["partitions"][0]
            if answer["error_code"] != NOT_LEADER_OR_FOLLOWER or time.monotonic() > deadline:
                same(f"error of ListOffsets {timestamp} of {topic}", answer["error_code"], 0)
                return answer["offset"]
            time.sleep(0.01)

    def range(self, topic, partition=0):
        """(earliest, latest)."""
        return self.offset(topic, EARLIEST, partition), self.offset(topic, LATEST, partition)

    def new_producer(self, seconds=15):
        """A producer id nobody else has, as idempotent producers ask for one."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self.call("InitProducerId", 1)
            if answer["error_code"] not in NOT_YET or time.monotonic() > deadline:
                same("error of InitProducerId", answer["error_code"], 0)
                return answer["producer_id"]
            time.sleep(0.05)

    # Groups --------------------------------------------------------------------------------

    def commit(self, group, topic, offset, seconds=15):
        """Commits, waiting while the coordinator is loading; returns the error that stays."""
        body = {"group_id": group, "topics": [
            {"name": topic, "partitions": [{"partition_index": 0, "committed_offset": offset}]}]}
        deadline = time.monotonic() + seconds
        self.find_coordinator(group)
        while True:
            answer = self.call("OffsetCommit", 8, body)["topics"][0]["partitions"][0]["error_code"]
            if answer not in NOT_YET or time.monotonic() > deadline:
                return answer
            time.sleep(0.05)

    def committed(self, group, topic, seconds=15):
        """The committed offset; -1 when there is none."""
        deadline = time.monotonic() + seconds
        self.find_coordinator(group)
        body = {"group_id": group, "topics": [{"name": topic, "partition_indexes": [0]}]}
        while True:
            answer = self.call("OffsetFetch", 7, body)
            if answer["error_code"] not in NOT_YET or time.monotonic() > deadline:
                same(f"error of OffsetFetch for {group}", answer["error_code"], 0)
                return answer["topics"][0]["partitions"][0]["committed_offset"]
            time.sleep(0.05)

    def find_coordinator(self, group, seconds=15):
        deadline = time.monotonic() + seconds
        while True:
            answer = self.call("FindCoordinator", 2, {"key": group})
            if answer["error_code"] not in NOT_YET or time.monotonic() > deadline:
                return answer
            time.sleep(0.05)


class From(Connection):
    """A connection that comes from another address of this machine."""

    def __init__(self, broker, source, timeout=5.0):
        self.socket = socket.create_connection(("127.0.0.1", broker.port), timeout, (source, 0))
        self._correlation = itertools.count(1)


def served(connection):
    """Whether this connection gets an answer."""
    try:
        connection.versions()
    except (Closed, OSError):
        return False
    return True


def produce_body(topic, records, partition=0, acks=-1, timeout_ms=10000):
    partitions = [{"index": partition, "records": records}]
    return {"acks": acks, "timeout_ms": timeout_ms, "topic_data": [{"name": topic, "partition_data": partitions}]}


def fetch_body(topic, offset, partition=0, max_bytes=1 << 20, max_wait_ms=0, min_bytes=0):
    asked = {"partition": partition, "fetch_offset": offset, "partition_max_bytes": max_bytes}
    return {"max_wait_ms": max_wait_ms, "min_bytes": min_bytes, "max_bytes": max_bytes,
            "topics": [{"topic": topic, "partitions": [asked]}]}


# Batches as they are stored and fetched ----------------------------------------------------


class Batch:
    """The header of a stored batch, and where it stands."""

    def __init__(self, data, position):
        self.position = position
        self.base_offset, length = struct.unpack_from(">qi", data, position)
        self.size = length + 12
        last_delta, = struct.unpack_from(">i", data, position + 23)
        self.last_offset = self.base_offset + last_delta
        self.base_timestamp, self.max_timestamp, self.producer_id = struct.unpack_from(">qqq", data, position + 27)
        self.count, = struct.unpack_from(">i", data, position + 57)


def batches_of(data):
    """The whole batches in these bytes; a torn last one is left out, as consumers do."""
    at = 0
    while at + 61 <= len(data):
        batch = Batch(data, at)
        if batch.size < 61 or at + batch.size > len(data):
            return
        yield batch
        at += batch.size


def batches_in_file(path):
    with open(path, "rb") as file:
        return list(batches_of(file.read()))


def records_of(data):
    """(offset, value) of each record; these scenarios write without compression."""
    for batch in batches_of(data):
        at = batch.position + 61
        for _ in range(batch.count):
            length, at = varint(data, at)
            end = at + length
            _, at = varint(data, at + 1)
            delta, at = varint(data, at)
            key_length, at = varint(data, at)
            value_length, at = varint(data, at + max(key_length, 0))
            yield batch.base_offset + delta, bytes(data[at : at + value_length]) if value_length >= 0 else None
            at = end


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
