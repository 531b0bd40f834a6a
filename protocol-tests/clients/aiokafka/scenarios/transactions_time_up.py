"""The broker aborts a transaction whose time is up; more time than it gives is refused."""

from expectations import check, same
from session import run, topic
from transactional import failure, seen, transactional, write


async def scenario():
    name = await topic("time-up")
    async with transactional("slow", transaction_timeout_ms=1000) as slow:
        await slow.begin_transaction()
        await write(slow, name, 0, "of the slow one")
        same("committed after the time was up", await seen(name, 0), [])
        problem = await failure(slow.commit_transaction())
        check("a commit after the time was up is refused", problem, problem)
    async with transactional("slow") as following:
        await following.begin_transaction()
        await write(following, name, 0, "of the next")
        await following.commit_transaction()
    same("committed", await seen(name, 0), ["of the next"])


run(scenario)
