"""A second producer with the same transactional id aborts what the first one has begun, and fences it."""

from aiokafka.errors import ProducerFenced

from expectations import check, same
from session import run, topic
from transactional import failure, seen, transactional, write


async def scenario():
    name = await topic("fenced")
    async with transactional("id") as zombie:
        await zombie.begin_transaction()
        await write(zombie, name, 0, "of the zombie")
        async with transactional("id") as following:
            await following.begin_transaction()
            await write(following, name, 0, "of the next")
            problem = await failure(zombie.commit_transaction())
            check("the zombie is fenced", isinstance(problem, ProducerFenced), problem)
            await following.commit_transaction()
    same("committed", await seen(name, 0), ["of the next"])
    same("everything", await seen(name, 0, "read_uncommitted"), ["of the zombie", "of the next"])


run(scenario)
