"""What holds a budget without being worked on: half of a frame, a request that waits, a connection that says nothing."""

import asyncio
import struct
from functools import partial

from wire.messages import APIS
from wire.records import simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses, until_the_end
from .honest import TOPIC
from .requests import MEBIBYTE, produce, request, with_unknown_tags

# A third of what Zurau sets aside for frames of all clients together.
CLAIM = 89_478_300
PADDING = 89_478_000


def beginning_of_a_frame(claim, sent):
    """So many bytes of a produce that claims to be longer."""
    return (struct.pack(">i", claim) + struct.pack(">hhih", 0, 9, 1, -1) + bytes(sent))[:sent]


async def half_sent(crowd, claim, sent, connections, **options):
    start = beginning_of_a_frame(claim, sent)

    async def visitor(line):
        await line.send(start)
        await until_the_end()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


async def silent(crowd, connections, **options):
    async def visitor(_):
        await until_the_end()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


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


async def padded(crowd, ask, connections, **options):
    """Requests that wait for long, each in a frame of 89 MB."""
    frame = ask()

    async def visitor(line):
        await line.send(frame)
        await until_the_end()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


def long_poll():
    return with_unknown_tags(APIS["Fetch"], 12, {
        "max_wait_ms": 2**31 - 1, "min_bytes": 1, "max_bytes": 1000, "topics": [
            {"topic": "empty", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}]}]}, padding=PADDING)


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


async def small_polls(crowd, connections, **options):
    """Long polls without number, each small: 60 on each connection, and they wait for what never comes."""
    poll = 60 * request("Fetch", 11, {"max_wait_ms": 2**31 - 1, "min_bytes": 1 << 30, "topics": [
        {"topic": TOPIC, "partitions": [{"partition": 0, "fetch_offset": 0}]}]})

    async def visitor(line):
        await line.send(poll)
        await until_the_end()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


FLOODS = [
    Flood("3 connections with 70 KB of 89 MB", partial(half_sent, claim=CLAIM, sent=70_000, connections=3)),
    Flood("3 neighbours with 70 KB of 89 MB", partial(half_sent, claim=CLAIM, sent=70_000, connections=3, source=NEIGHBOUR), long=True),
    Flood("8 connections with 88 MB of 89 MB", partial(half_sent, claim=CLAIM, sent=88_000_000, connections=8)),
    Flood("1,000 connections with 60 KB of 89 MB", partial(half_sent, claim=CLAIM, sent=60_000, connections=1000), long=True),
    Flood("500 connections with 1 MiB of 64 MiB",
          partial(half_sent, claim=64 * MEBIBYTE, sent=MEBIBYTE, connections=500, source=many_addresses)),
    Flood("1,000 connections of many with 60 KB of 89 MB",
          partial(half_sent, claim=CLAIM, sent=60_000, connections=1000, source=many_addresses)),
    Flood("3,000 idle connections", partial(silent, connections=3000, source=NEIGHBOUR), seconds=3),
    Flood("500 produces of 100 KB, a byte at a time", partial(trickle, connections=500), trickled_topic),
    Flood("3 long polls in frames of 89 MB", partial(padded, ask=long_poll, connections=3), empty_topic, long=True),
    Flood("8 neighbours' long polls in frames of 89 MB",
          partial(padded, ask=long_poll, connections=8, source=NEIGHBOUR), empty_topic),
    Flood("3 joins in frames of 89 MB", partial(padded, ask=join, connections=3), group_that_waits),
    Flood("12,000 small long polls", partial(small_polls, connections=200), long=True),
]
