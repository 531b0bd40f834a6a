"""Seek, first and last offsets, offsets by time, pause and resume, and what the reset policy says beyond the end."""

import time

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from expectations import same
from session import consumer, error_of, nothing_more, poll, producer, read, run, send_all, topic, until


async def scenario():
    name = await topic("positions", 2)
    filled, empty = TopicPartition(name, 0), TopicPartition(name, 1)
    base = int(time.time() * 1000) - 1_000_000
    # Partition 0: a second apart. Partition 1: nothing.
    async with producer() as client:
        await send_all(client, name, (
            {"partition": 0, "value": str(n).encode(), "timestamp": base + n * 1000} for n in range(100)))

    async with consumer() as client:
        same("first offsets", await client.beginning_offsets([filled, empty]), {filled: 0, empty: 0})
        same("last offsets", await client.end_offsets([filled, empty]), {filled: 100, empty: 0})

        async def by_time(when, partition=filled):
            found = (await client.offsets_for_times({partition: when}))[partition]
            return found and (found.offset, found.timestamp)

        same("exactly the time of a record", await by_time(base + 30_000), (30, base + 30_000))
        same("between two records", await by_time(base + 30_001), (31, base + 31_000))
        same("before all records", await by_time(0), (0, base))
        same("after all records", await by_time(base + 99_001), None)
        same("in an empty partition", await by_time(base, empty), None)

        async def next_offsets():
            return [record.offset for record in await until("records", lambda: poll(client, 500, max_records=3))]

        client.assign([filled])
        await client.seek_to_beginning(filled)
        same("from the start", await next_offsets(), [0, 1, 2])
        for target in (90, 5, (await by_time(base + 41_500))[0]):
            client.seek(filled, target)
            same(f"after a seek to {target}", await next_offsets(), [target, target + 1, target + 2])
            same("position", await client.position(filled), target + 3)
        await client.seek_to_end(filled)
        same("position at the end", await client.position(filled), 100)
        await nothing_more(client)
        async with producer() as sender:
            await send_all(sender, name, [{"partition": 0, "value": b"new"}])
        same("after a seek to the end", await next_offsets(), [100])

    # Pause one of two partitions: only the other one flows; resume: nothing was skipped.
    paused = await topic("paused", 2)
    async with producer() as client:
        await send_all(client, paused, ({"partition": n % 2, "value": str(n).encode()} for n in range(200)))
    async with consumer() as client:
        client.assign([TopicPartition(paused, 0), TopicPartition(paused, 1)])
        client.pause(TopicPartition(paused, 1))
        same("only partition 0 flows", {record.partition for record in await read(client, 100)}, {0})
        await nothing_more(client)
        client.resume(TopicPartition(paused, 1))
        same("then all of partition 1", [(r.partition, r.offset) for r in await read(client, 100)], [(1, n) for n in range(100)])

    # Beyond the end: what the reset policy says.
    async with consumer(auto_offset_reset="earliest") as client:
        client.assign([filled])
        client.seek(filled, 5000)
        same("reset to the earliest", (await until("records", lambda: poll(client, 500)))[0].offset, 0)
    async with consumer(auto_offset_reset="none") as client:
        client.assign([filled])
        client.seek(filled, 5000)
        same("told to fail", await until("an error", lambda: error_of(poll(client, 500))), OffsetOutOfRangeError)


run(scenario)
