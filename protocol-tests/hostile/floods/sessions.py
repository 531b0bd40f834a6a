"""Fetch sessions and long polls: what the broker remembers for a client, and looks at again whenever something is written."""

from functools import partial

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses, until_the_end
from .honest import TOPIC
from .readers import PARTITIONS
from .requests import fetch, request
from .visits import send_and_hold

SESSION_PARTITIONS = 20_000


def wide_topic(arena):
    arena.create_topic("wide", PARTITIONS)


def session_request(session=0, epoch=0, partitions=0):
    return request("Fetch", 7, {"session_id": session, "session_epoch": epoch, "max_wait_ms": 0, "topics": [
        {"topic": f"topic-{number}", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 100}]}
        for number in range(partitions)]})


async def open_sessions(crowd, connections, again=False, **options):
    """A session of 20,000 partitions on each connection, or one after the other; none is ever closed."""
    frame = session_request(partitions=SESSION_PARTITIONS)

    async def visitor(line):
        while True:
            await line.ask(frame)
            crowd.counts["sessions"] += 1
            if not again:
                await until_the_end()

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


async def open_and_leave(crowd, connections, **options):
    """A session on a connection that ends, again and again."""
    frame = session_request(partitions=SESSION_PARTITIONS)

    async def visitor(line):
        await line.ask(frame)
        crowd.counts["sessions"] += 1

    await crowd.begin()
    while True:
        await crowd.visit(connections, visitor, **options)


async def go_on(crowd, connections, **options):
    """Large sessions that are gone on with as fast as possible: each such request is small."""
    frame = session_request(partitions=SESSION_PARTITIONS)

    async def visitor(line):
        await line.send(frame)
        session = int.from_bytes((await line.receive_frame())[10:14], "big", signed=True)
        epoch = 1
        while True:
            await line.ask(session_request(session, epoch))
            epoch += 1

    await crowd.begin()
    await crowd.visit(connections, visitor, **options)


def poll():
    """2,000 partitions, and the one that the honest client writes to: for bytes that never come."""
    return fetch({"wide": PARTITIONS, TOPIC: 1}, most=1 << 30, least=1 << 30, wait_ms=600_000)


FLOODS = [
    Flood("200 sessions of 20,000 partitions", partial(open_sessions, connections=200, source=many_addresses), seconds=4),
    Flood("sessions of 20,000 partitions without end, on 20 connections",
          partial(open_sessions, connections=20, again=True), seconds=4, long=True),
    Flood("sessions of 20,000 partitions on connections that end", partial(open_and_leave, connections=20), seconds=4, long=True),
    Flood("4 sessions of 20,000 partitions, gone on with", partial(go_on, connections=4, source=NEIGHBOUR)),
    Flood("200 long polls of 2,000 partitions", partial(send_and_hold, make=poll, connections=200), wide_topic),
]
