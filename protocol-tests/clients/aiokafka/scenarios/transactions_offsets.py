"""Reads, changes and writes, with the offsets in the transaction: each record comes out once, though some are done again."""

from expectations import check, same
from session import PREFIX, TopicPartition, consumer, producer, run, send_all, topic, until
from transactional import seen, transactional, write

RECORDS = 200


async def scenario():
    source = await topic("input", 2)
    target = await topic("output")
    places = [TopicPartition(source, 0), TopicPartition(source, 1)]
    async with producer() as client:
        await send_all(client, source, ({"partition": n % 2, "value": str(n).encode()} for n in range(RECORDS)))
    done = rounds = 0
    async with consumer(source, group="group", isolation_level="read_committed") as reader, transactional("worker") as worker:
        while done < RECORDS:
            batches = await reader.getmany(timeout_ms=500, max_records=20)
            if not batches:
                continue
            await worker.begin_transaction()
            for records in batches.values():
                await write(worker, target, 0, *(f"done {record.value.decode()}" for record in records))
            await worker.send_offsets_to_transaction(
                {place: records[-1].offset + 1 for place, records in batches.items()}, PREFIX + "group")
            rounds += 1
            if rounds % 3 == 1:
                await worker.abort_transaction()
                for place in places:
                    reader.seek(place, await reader.committed(place) or 0)
            else:
                await worker.commit_transaction()
                done += sum(len(records) for records in batches.values())
        check("there were several rounds", rounds > 5, rounds)

        async def committed():
            return [await reader.committed(place) for place in places] == [RECORDS // 2, RECORDS // 2]

        await until("all offsets are committed", committed)
    same("what came out", sorted(await seen(target, 0)), sorted(f"done {n}" for n in range(RECORDS)))


run(scenario)
