"""Connections that send much and are reset at once, again and again: what is still worked on stays counted."""

import asyncio
from functools import partial

from wire.records import simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR
from .readers import fetch_much, sixty_four_mebibytes
from .requests import MEBIBYTE, produce, request

ROUNDS = 12


def stormy_topic(arena):
    """What is written here is deleted soon, so that the disk has room for it."""
    arena.create_topic("stormy", 4, segment_bytes=16 * MEBIBYTE, retention_bytes=64 * MEBIBYTE)


async def produce_and_reset(crowd, connections, **options):
    """16 MiB of produces on each connection, then a reset."""
    batch = simple_batch([b"s" * 1_000_000])
    frames = b"".join(produce("stormy", batch, partition=number % 4) for number in range(16))

    async def visitor(line):
        await line.send(frames)
        crowd.counts["MiB sent"] += len(frames) / MEBIBYTE

    await crowd.begin()
    for _ in range(ROUNDS):
        await crowd.visit(connections, visitor, reset=True, **options)


async def ask_and_reset(crowd, ask, connections, **options):
    frame = ask()

    async def visitor(line):
        await line.send(frame)
        crowd.counts["resets"] += 1

    await crowd.begin()
    while True:
        await crowd.visit(connections, visitor, reset=True, **options)


def metadata():
    return request("Metadata", 12, {})


async def half_a_request_and_reset(crowd, connections, **options):
    """The first 4 MiB of a frame of 64 MiB, then a reset."""
    start = produce("stormy", bytes(64 * MEBIBYTE))[:4 * MEBIBYTE]

    async def visitor(line):
        await line.send(start)
        await asyncio.sleep(0.01)
        crowd.counts["resets"] += 1

    await crowd.begin()
    while True:
        await crowd.visit(connections, visitor, reset=True, **options)


FLOODS = [
    Flood("16 MiB of produces and a reset, 10 at once", partial(produce_and_reset, connections=10), stormy_topic, seconds=5),
    Flood("a fetch of 60 MiB and a reset, 50 at once", partial(ask_and_reset, ask=fetch_much, connections=50),
          sixty_four_mebibytes),
    Flood("a small request and a reset, 100 at once", partial(ask_and_reset, ask=metadata, connections=100, source=NEIGHBOUR)),
    Flood("4 MiB of a frame and a reset, 50 at once", partial(half_a_request_and_reset, connections=50), stormy_topic),
]
