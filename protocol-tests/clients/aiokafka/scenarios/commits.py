"""Commit and resume: by offset, of everything read, by itself, with metadata; what was committed is what is read."""

from aiokafka import TopicPartition
from aiokafka.errors import OffsetMetadataTooLargeError
from aiokafka.structs import OffsetAndMetadata
from expectations import same
from session import consumer, error_of, nothing_more, producer, read, run, send_all, topic


async def scenario():
    name = await topic("commits", 3)
    async with producer() as client:
        await send_all(client, name, ({"partition": n % 3, "value": str(n).encode()} for n in range(300)))
    partitions = [TopicPartition(name, number) for number in range(3)]

    async def committed(group):
        async with consumer(group=group) as client:
            return [await client.committed(partition) for partition in partitions]

    same("a group that never committed", await committed("fresh"), [None] * 3)

    # By offset.
    async with consumer(name, group="by-offset") as client:
        await read(client, 300)
        await client.commit({partitions[0]: 40, partitions[2]: 60})
    same("committed by offset", await committed("by-offset"), [40, None, 60])
    async with consumer(name, group="by-offset") as client:
        resumed = await read(client, 60 + 100 + 40)
        await nothing_more(client)
        for number, first in enumerate((40, 0, 60)):
            same(f"partition {number} resumes", [r.offset for r in resumed if r.partition == number], list(range(first, 100)))

        # Everything that was read; and backwards, which a group may do.
        await client.commit()
        same("committed what was read", await committed("by-offset"), [100] * 3)
        await client.commit({partitions[1]: 10})
        same("committed backwards", await committed("by-offset"), [100, 10, 100])

    # Automatic commits store what was handed out, at the latest on leaving.
    async with consumer(name, group="automatic", enable_auto_commit=True, auto_commit_interval_ms=100) as client:
        await read(client, 300)
    same("committed automatically", await committed("automatic"), [100] * 3)

    # Metadata is taken: text, nothing, up to the limit, and not beyond.
    async with consumer(group="with-metadata") as client:
        client.assign(partitions)
        for number, note in enumerate(("a note", "", "grün ✓", "x" * 4096)):
            await client.commit({partitions[0]: OffsetAndMetadata(number, note)})
            same("offset with metadata", await client.committed(partitions[0]), number)
        beyond = client.commit({partitions[0]: OffsetAndMetadata(8, "x" * 4097)})
        same("metadata beyond the limit", await error_of(beyond), OffsetMetadataTooLargeError)
        same("and did not move the offset", await client.committed(partitions[0]), 3)


run(scenario)
