"""Requests that are long and hardly anything: arrays of a million entries, made out of the schemas of `wire`."""

from wire.codec import Encoder, unsigned_varint
from wire.connection import encode_request, frame
from wire.messages import APIS

MEBIBYTE = 1 << 20
# A tag that no version of any API knows.
UNKNOWN_TAG = 1000


class Repeated:
    """In a request's body, in place of an array: this entry as often as `size` bytes hold it, or `count` times."""

    def __init__(self, entry, size=0, count=0):
        self.entry = entry
        self.size = size
        self.count = count


class FloodEncoder(Encoder):
    """The encoder of `wire`, which also knows `Repeated`, and can give each structure a tagged field that nobody knows."""

    unknown_fields = False

    def structure(self, fields, value):
        super().structure(fields, value)
        if self.flexible and self.unknown_fields:
            # We send no tagged fields that are known, so the structure ends with their number, 0.
            self.out[-1:] = unsigned_varint(1) + unsigned_varint(UNKNOWN_TAG) + b"\0"

    def array(self, given, field, write):
        if not isinstance(given, Repeated):
            super().array(given, field, write)
            return
        begin = len(self.out)
        write(given.entry)
        entry = bytes(self.out[begin:])
        del self.out[begin:]
        count = given.count or max(1, given.size // len(entry))
        self.length(count, 4)
        self.out += entry * count


def request(name, version, body, client_id="flood"):
    """The frame of an ordinary request."""
    return frame(encode_request(APIS[name], version, body, client_id=client_id))


def produce(topic, batch, partition=0, acks=1):
    """The frame of a request that produces one batch."""
    return request("Produce", 9, {"acks": acks, "topic_data": [
        {"name": topic, "partition_data": [{"index": partition, "records": batch}]}]})


def fetch(topics, most=MEBIBYTE, least=1, wait_ms=0, version=11):
    """The frame of a fetch, from the beginning, of so many partitions of each of the topics."""
    return request("Fetch", version, {"max_wait_ms": wait_ms, "min_bytes": least, "max_bytes": most, "topics": [
        {"topic": topic, "partitions": [
            {"partition": number, "fetch_offset": 0, "partition_max_bytes": most} for number in range(partitions)]}
        for topic, partitions in topics.items()]})


def long_request(api, version, body, client_id="flood", unknown_fields=False):
    """The frame of a request whose body may have `Repeated` in it."""
    flexible = version >= api.flexible
    encoder = FloodEncoder(version, flexible)
    encoder.unknown_fields = unknown_fields
    encoder.structure(api.request, body)
    head = encode_request(api, version, {}, client_id=client_id)
    head = head[:10 + len(client_id) + flexible]
    return frame(head + bytes(encoder.out))


def with_unknown_tags(api, version, body, count=0, padding=0):
    """The frame of a request that ends with so many unknown tagged fields, or with one of so many bytes."""
    whole = encode_request(api, version, body)
    if padding:
        tags = unsigned_varint(1) + unsigned_varint(UNKNOWN_TAG) + unsigned_varint(padding) + bytes(padding)
    else:
        tags = unsigned_varint(count) + b"".join(unsigned_varint(UNKNOWN_TAG + n) + b"\0" for n in range(count))
    # A request of ours has no tagged fields of its own, which its last byte says.
    return frame(whole[:-1] + tags)


def arrays(fields, version, path=()):
    """The path of every array in a request: the names of the fields that lead to it."""
    for field in fields:
        if not field.present(version) or field.tag is not None:
            continue
        if isinstance(field.kind, list):
            here = path + (field.name,)
            if field.shape == "[]":
                yield here
            yield from arrays(field.kind, version, here)
        elif field.kind.startswith("[]"):
            yield path + (field.name,)


# What a field should be, for an entry to get past the first check.
NUMBERS = {"resource_type": 2, "acks": 1, "num_partitions": 1, "replication_factor": 1, "session_timeout_ms": 10_000,
           "rebalance_timeout_ms": 10_000, "session_epoch": -1, "response_partition_limit": 2000,
           "partition_max_bytes": 1000, "replica_id": -1, "timeout_ms": 1000, "timestamp": -1, "validate_only": True,
           "generation_id": -1, "max_bytes": 1000}


def entry_of(fields, version, text):
    """A structure with this text in all of its strings."""
    entry = {}
    for field in fields:
        if not field.present(version) or field.tag is not None:
            continue
        if field.kind == "string" and not (text == "" and field.nullable(version)):
            entry[field.name] = text
        elif field.name in NUMBERS:
            entry[field.name] = NUMBERS[field.name]
    return entry


def array_request(api, version, path, text, size, unknown_fields=False):
    """The frame of a request that is nothing but entries of one of its arrays; `text` is in each of their strings."""

    def filled(fields, path):
        entry = entry_of(fields, version, text)
        if path:
            field = next(field for field in fields if field.name == path[0])
            inner = filled(field.kind, path[1:]) if isinstance(field.kind, list) else text_or_number(field.kind)
            entry[field.name] = [inner] if path[1:] else Repeated(inner, size)
        return entry

    def text_or_number(kind):
        return text if kind == "[]string" else 0

    return long_request(api, version, filled(api.request, path), unknown_fields=unknown_fields)
