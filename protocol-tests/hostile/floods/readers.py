"""Readers that ask for much and read little of it, or nothing."""

import asyncio
from functools import partial

from wire.records import simple_batch

from .arena import Flood
from .crowd import NEIGHBOUR, many_addresses
from .requests import MEBIBYTE, fetch, produce
from .visits import SMALL_BUFFER, never_read

PARTITIONS = 2000


def sixty_four_mebibytes(arena):
    """One partition with 64 records of a million bytes."""
    arena.create_topic("large")
    frame = produce("large", simple_batch([b"r" * 1_000_000]))
    with arena.connect() as connection:
        for _ in range(64):
            connection.send_bytes(frame)
            connection.receive_frame()


def many_partitions(arena):
    """2,000 partitions with a record of 10 KB in each."""
    arena.create_topic("wide", PARTITIONS)
    batch = simple_batch([b"w" * 10_000])
    with arena.connect() as connection:
        for begin in range(0, PARTITIONS, 100):
            connection.call("Produce", 9, {"acks": 1, "topic_data": [{"name": "wide", "partition_data": [
                {"index": number, "records": batch} for number in range(begin, begin + 100)]}]})


def fetch_much():
    """A fetch that waits until there are as many bytes as it may have."""
    return fetch({"large": 1}, most=60 * MEBIBYTE, least=60 * MEBIBYTE, wait_ms=5000)


def twenty_fetches():
    return 20 * fetch_much()


def fetch_wide():
    return fetch({"wide": PARTITIONS}, most=20 * MEBIBYTE, least=20 * MEBIBYTE, wait_ms=500)


async def read_a_byte_a_second(crowd, make, connections, **options):
    frame = make()

    async def visitor(line):
        await line.send(frame)
        while True:
            await line.receive(1)
            await asyncio.sleep(1)

    await crowd.begin()
    await crowd.visit(connections, visitor, receive_buffer=SMALL_BUFFER, **options)


async def read_and_leave(crowd, make, connections, **options):
    """Each reads the first part of its answer, and hangs up in the middle of it."""
    frame = make()

    async def visitor(line):
        await line.send(frame)
        await line.receive(100_000)
        crowd.counts["left in the middle"] += 1

    await crowd.begin()
    while True:
        await crowd.visit(connections, visitor, reset=True, **options)


FLOODS = [
    Flood("800 readers of 60 MiB who never read",
          partial(never_read, make=fetch_much, connections=800), sixty_four_mebibytes,
          seconds=5),
    Flood("200 readers who take a byte a second",
          partial(read_a_byte_a_second, make=fetch_much, connections=200, source=NEIGHBOUR), sixty_four_mebibytes),
    Flood("200 readers of 2,000 partitions who never read",
          partial(never_read, make=fetch_wide, connections=200, source=many_addresses), many_partitions),
    Flood("100 readers with 20 fetches each, none of them read",
          partial(never_read, make=twenty_fetches, connections=100), sixty_four_mebibytes, long=True),
    Flood("readers who leave in the middle of an answer", partial(read_and_leave, make=fetch_much, connections=50),
          sixty_four_mebibytes),
    Flood("2,000 readers of 60 MiB who never read",
          partial(never_read, make=fetch_much, connections=2000, source=many_addresses),
          sixty_four_mebibytes, seconds=15, long=True),
]
