"""What the scenarios of transactions share: transactional producers, and what readers of each kind see."""

import asyncio
import contextlib

from expectations import PATIENCE_SECONDS, fail
from session import PREFIX, TopicPartition, consumer, producer


@contextlib.asynccontextmanager
async def transactional(name, **settings):
    async with producer(transactional_id=PREFIX + name, **settings) as client:
        yield client


async def write(client, name, partition, *values):
    for value in values:
        await asyncio.wait_for(client.send_and_wait(name, partition=partition, value=value.encode()), PATIENCE_SECONDS)


async def seen(name, partition, isolation="read_committed"):
    """What a reader of this level sees, up to a mark that is sent afterwards. It shows that no transaction is open."""
    async with producer() as client:
        mark = await client.send_and_wait(name, partition=partition, value=b"mark")
    place = TopicPartition(name, partition)
    values = []
    async with consumer(isolation_level=isolation) as client:
        client.assign([place])
        client.seek(place, 0)
        while True:
            try:
                record = await asyncio.wait_for(client.getone(), PATIENCE_SECONDS)
            except asyncio.TimeoutError:
                fail(f"the mark did not come after {values}")
            if record.offset == mark.offset:
                return values
            if record.value != b"mark":
                values.append(record.value.decode())


async def failure(call):
    """The error with which a call ends."""
    try:
        await asyncio.wait_for(call, PATIENCE_SECONDS)
    except Exception as problem:  # noqa: BLE001: each release has other classes
        return problem
    fail("it was accepted")
