"""An idempotent producer: each record once, each partition in order."""

from expectations import same
from session import consumer, nothing_more, producer, read, read_partition, run, send_all, topic

COUNT = 20_000
PARTITIONS = 4


async def scenario():
    name = await topic("idempotent", PARTITIONS)
    # Small batches make many requests, so that order and sequence numbers have something to do.
    async with producer(enable_idempotence=True, max_batch_size=2000, linger_ms=1, compression_type="lz4") as client:
        answers = await send_all(client, name, ({"partition": n % PARTITIONS, "value": str(n).encode()} for n in range(COUNT)))
    same("acknowledged in place", [(answer.partition, answer.offset) for answer in answers],
         [(n % PARTITIONS, n // PARTITIONS) for n in range(COUNT)])

    seen = [[] for _ in range(PARTITIONS)]
    async with consumer(name, group="idempotent") as client:
        for record in await read(client, COUNT):
            seen[record.partition].append(int(record.value))
        await nothing_more(client)
    for partition in range(PARTITIONS):
        same(f"values of partition {partition}", seen[partition], list(range(partition, COUNT, PARTITIONS)))

    # Another session of the same program is another producer and starts its own sequence.
    async with producer(enable_idempotence=True) as again, producer(enable_idempotence=True) as third:
        for client, word, first in ((again, "again", 0), (third, "third", 0), (again, "again", 10)):
            await send_all(client, name, ({"partition": 0, "value": f"{word} {n}".encode()} for n in range(first, first + 10)))
    tail = [record.value.decode() for record in await read_partition(name, 0, 30, COUNT // PARTITIONS)]
    same("three producers in turn", tail, [f"again {n}" for n in range(10)] + [f"third {n}" for n in range(10)]
         + [f"again {n}" for n in range(10, 20)])


run(scenario)
