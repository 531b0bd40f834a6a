"""What holds a budget without being worked on: half of a frame, a request that waits, a connection that says nothing."""

import asyncio
import struct
from functools import partial

from wire.messages import APIS
from wire.records import simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses
from .honest import TOPIC
from .requests import MEBIBYTE, produce, request, with_unknown_tags
from .visits import send_and_hold

# A third of what Zurau sets aside for frames of all clients together.
CLAIM = 89_478_300
PADDING = 89_478_000


def half_a_frame(claim, sent):
    """So many bytes of a produce that claims to be longer."""
    return (struct.pack(">i", claim) + struct.pack(">hhih", 0, 9, 1, -1) + bytes(sent))[:sent]


async def trickle(crowd, connections, **options):
    """A good produce of 100 KB, of which each connection sends the first half, and then a byte now and then."""
    frame = produce("trickled", simple_batch([b"t" * 100_000]))
    half = len(frame) // 2

    async def visitor(line):
        await line.send(frame[:half])
        for place in range(half, len(frame)):
            await line.send(frame[place:place + 1])
            await asyncio.sleep(0.1)

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


def long_poll():
    topics = [{"topic": "empty", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}]}]
    return with_unknown_tags(APIS["Fetch"], 12, {
        "max_wait_ms": 2**31 - 1, "min_bytes": 1, "max_bytes": 1000, "topics": topics}, padding=PADDING)


def join():
    # A static member needs no member id, and so is taken at its first word.
    return with_unknown_tags(APIS["JoinGroup"], 6, {
        "group_id": "waiting", "session_timeout_ms": 60_000, "rebalance_timeout_ms": 2**31 - 1, "member_id": "",
        "group_instance_id": "padded", "protocols": [{"name": "range", "metadata": b"m" * 100}]}, padding=PADDING)


def empty_topic(arena):
    arena.create_topic("empty")


def group_that_waits(arena):
    """A group whose one member will not join again, for which all others wait."""
    with arena.connect() as connection:
        joined = connection.call("JoinGroup", 3, {
            "group_id": "waiting", "session_timeout_ms": 600_000, "rebalance_timeout_ms": 600_000, "member_id": "",
            "protocols": [{"name": "range", "metadata": b"m" * 100}]})
        connection.call("SyncGroup", 2, {"group_id": "waiting", "generation_id": joined["generation_id"],
                                         "member_id": joined["member_id"]})


def trickled_topic(arena):
    arena.create_topic("trickled")


def small_polls():
    """60 long polls, each small, which wait for what never comes."""
    return 60 * request("Fetch", 11, {"max_wait_ms": 2**31 - 1, "min_bytes": 1 << 30, "topics": [
        {"topic": TOPIC, "partitions": [{"partition": 0, "fetch_offset": 0}]}]})


def nothing():
    return b""


FLOODS = [
    Flood("3 connections with 70 KB of 89 MB",
          partial(send_and_hold, make=partial(half_a_frame, CLAIM, 70_000), connections=3)),
    Flood("3 neighbours with 70 KB of 89 MB",
          partial(send_and_hold, make=partial(half_a_frame, CLAIM, 70_000), connections=3, source=NEIGHBOUR), long=True),
    Flood("8 connections with 88 MB of 89 MB",
          partial(send_and_hold, make=partial(half_a_frame, CLAIM, 88_000_000), connections=8)),
    Flood("1,000 connections with 60 KB of 89 MB",
          partial(send_and_hold, make=partial(half_a_frame, CLAIM, 60_000), connections=1000), long=True),
    Flood("500 connections with 1 MiB of 64 MiB",
          partial(send_and_hold, make=partial(half_a_frame, 64 * MEBIBYTE, MEBIBYTE), connections=500, source=many_addresses)),
    Flood("1,000 connections of many with 60 KB of 89 MB",
          partial(send_and_hold, make=partial(half_a_frame, CLAIM, 60_000), connections=1000, source=many_addresses), long=True),
    Flood("3,000 idle connections", partial(send_and_hold, make=nothing, connections=3000, source=NEIGHBOUR), seconds=3),
    Flood("500 produces of 100 KB, a byte at a time", partial(trickle, connections=500), trickled_topic),
    Flood("3 long polls in frames of 89 MB", partial(send_and_hold, make=long_poll, connections=3), empty_topic, long=True),
    Flood("8 neighbours' long polls in frames of 89 MB",
          partial(send_and_hold, make=long_poll, connections=8, source=NEIGHBOUR), empty_topic),
    Flood("3 joins in frames of 89 MB", partial(send_and_hold, make=join, connections=3), group_that_waits),
    Flood("12,000 small long polls", partial(send_and_hold, make=small_polls, connections=200), long=True),
]
