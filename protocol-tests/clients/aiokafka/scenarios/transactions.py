"""Transactions one after the other, committed and aborted: only what was committed is seen."""

from expectations import same
from session import run, topic
from transactional import seen, transactional, write


async def scenario():
    name = await topic("transactions", 2)
    committed, everything = [], []
    async with transactional("one") as client:
        for number in range(9):
            await client.begin_transaction()
            rows = [f"{number} a", f"{number} b"]
            for partition in range(2):
                await write(client, name, partition, *rows)
            everything += rows
            if number % 3 == 1:
                await client.abort_transaction()
            else:
                await client.commit_transaction()
                committed += rows
        # With nothing in it.
        await client.begin_transaction()
        await client.commit_transaction()
    for partition in range(2):
        same(f"committed in {partition}", await seen(name, partition), committed)
        same(f"everything in {partition}", await seen(name, partition, "read_uncommitted"), everything)


run(scenario)
