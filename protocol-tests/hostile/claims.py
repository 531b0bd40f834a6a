"""Small requests that claim to be huge: counts and lengths near 2^31, deep in every served API."""

import struct

from bodies import Bodies
from target import Target, answer_or_hang_up, fail, same

from wire.connection import encode_request, frame, served
from wire.messages import APIS

HUGE = (2**31 - 1, 2**30, 2**24)
# A request of megabytes that asks for what it carries may cost a multiple of itself, while it is answered.
WELL_FORMED_LIMIT_KIB = 32 * 1024

target = Target()
bodies = Bodies(target)

# The request that makes a naive decoder ask for 206 GB: Fetch v4 with 21 bytes and 2^31-1 topics.
for count in HUGE:
    with target.connect() as connection:
        body = struct.pack(">iiiib", -1, 100, 1, 1 << 20, 0) + struct.pack(">i", count)
        connection.send_bytes(frame(struct.pack(">hhih", 1, 4, 1, -1) + body))
        kind, _ = answer_or_hang_up(connection, 15)
        if kind == "silence":
            fail(f"Fetch with {count} topics is still pending")
target.still_well("Fetch with 2^31-1 topics")


def positions(api, version, body):
    """Every place of a good request's body where a count or a length may be, which is everywhere."""
    good = encode_request(api, version, body)
    start = 10 + len("protocol-tests")
    return good, range(start, len(good))


# Kafka tries to place 2^31-1 partitions when asked to, and is gone. We must not be.
CREATORS = ("CreateTopics", "CreatePartitions")

# In the old encoding counts are four bytes, in the new one a byte or more: put a huge one at each position.
tried = 0
for api, low, high in served(target.versions):
    if api.name in CREATORS and not target.measured:
        print(f"{api.name}: not tried on this broker")
        continue
    for version in {low, high, min(max(api.flexible, low), high), min(max(api.flexible - 1, low), high)}:
        good, places = positions(api, version, bodies.of(api))
        lie = b"\xff\xff\xff\xff\x07" if version >= api.flexible else struct.pack(">i", 2**31 - 1)
        connection = None
        # Every place of a short body, and a good sample of a long one.
        for place in list(places)[:: max(1, len(places) // 40)]:
            connection = connection or target.connect()
            connection.send_bytes(frame(good[:place] + lie + good[place + len(lie):]))
            tried += 1
            kind, _ = answer_or_hang_up(connection, 0.05)
            if kind != "answer":
                connection.socket.close()
                connection = None
        if connection:
            connection.socket.close()
    target.still_well(f"huge counts in {api.name}")

# Requests that are well-formed and ask for too much.
with target.connect(30) as connection:
    many = {"name": target.prefix + "many", "num_partitions": 2**31 - 1}
    if target.measured:
        answer = connection.call("CreateTopics", 7, {"topics": [many], "validate_only": True})["topics"][0]
        if not answer["error_code"]:
            fail("a topic of 2^31-1 partitions is fine with it")
        more = {"name": bodies.topic, "count": 2**31 - 1}
        answer = connection.call("CreatePartitions", 3, {"topics": [more], "validate_only": True})["results"][0]
        if not answer["error_code"]:
            fail("2^31-1 partitions are fine with it")
    answer = connection.call("Fetch", 12, {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 2**31 - 1, "topics": [
        {"topic": bodies.topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 2**31 - 1}]}]})
    same("a fetch of 2^31-1 bytes", answer["responses"][0]["partitions"][0]["error_code"], 0)
    target.still_well("well-formed requests for too much at once")
    # Many entries, each of them nothing special: a request of a megabyte or two.
    partitions = [{"partition": 0, "fetch_offset": 0}] * 50_000
    connection.call("Fetch", 11, {"max_wait_ms": 0, "topics": [{"topic": bodies.topic, "partitions": partitions}]})
    target.still_well("a fetch of 50,000 partitions", WELL_FORMED_LIMIT_KIB)
    connection.call("Metadata", 4, {"topics": [{"name": f"{target.prefix}ask-{n}"} for n in range(20_000)]})
target.still_well("metadata of 20,000 unknown topics", WELL_FORMED_LIMIT_KIB)
print(f"{tried} lies told")
target.finish()
