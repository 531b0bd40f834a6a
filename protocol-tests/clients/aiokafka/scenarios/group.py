"""A group of three: one leaves, one joins, records flow all the while. Every record is seen exactly once."""

import asyncio

from expectations import same
from group_ledger import GroupLedger
from group_member import GroupMember
from session import producer, run, send_all, topic, until

PARTITIONS = 6


class Traffic:
    """A record to each partition in turn, without pause for rebalances."""

    def __init__(self, name):
        self.sent = 0
        self._name = name
        self._stopped = False
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        async with producer() as client:
            while not self._stopped:
                numbers = range(self.sent, self.sent + 30)
                self.sent += 30
                await send_all(client, self._name, ({"partition": n % PARTITIONS, "value": str(n).encode()} for n in numbers))
                await asyncio.sleep(0.02)

    async def stop(self):
        self._stopped = True
        await self._task


async def scenario():
    name = await topic("group", PARTITIONS)
    ledger = GroupLedger()
    traffic = Traffic(name)

    def join(member):
        return GroupMember(ledger, "members", name, member)

    async def flow():
        """Waits until a good part of what is sent from now on has been read."""
        mark = traffic.sent + 300
        await until("records flow", lambda: len(ledger.values()) >= mark)

    first = join("first")
    await until("one member has everything", lambda: ledger.balanced(1, PARTITIONS))
    second, third = join("second"), join("third")
    await until("three equal shares", lambda: ledger.balanced(3, PARTITIONS))
    await flow()
    await second.leave()
    await until("the rest take over", lambda: ledger.balanced(2, PARTITIONS))
    await flow()
    fourth = join("fourth")
    await until("three equal shares again", lambda: ledger.balanced(3, PARTITIONS))
    await flow()
    await traffic.stop()
    await until("all that was sent is read", lambda: len(ledger.values()) >= traffic.sent)
    await asyncio.gather(*(member.leave() for member in (first, third, fourth)))
    same("every record exactly once", sorted(map(int, ledger.values())), list(range(traffic.sent)))

    # The commits of those who left carry a new member to the very end.
    ledger = GroupLedger()
    late = join("late")
    await until("the late member has everything", lambda: ledger.balanced(1, PARTITIONS))
    rows = [{"partition": partition, "value": f"late {partition}".encode()} for partition in range(PARTITIONS)]
    async with producer() as client:
        await send_all(client, name, rows)
    await until("the late member reads", lambda: len(ledger.values()) >= PARTITIONS)
    await late.leave()
    same("and nothing old", sorted(ledger.values()), [row["value"].decode() for row in rows])
    print(f"figures: {traffic.sent} records")


run(scenario)
