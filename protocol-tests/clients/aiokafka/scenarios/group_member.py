"""A member of a group in a task of its own, who commits what it has read before it gives a partition away."""

import asyncio
import traceback

from aiokafka import ConsumerRebalanceListener
from expectations import PATIENCE_SECONDS, fail
from session import new_consumer, poll


class GroupMember(ConsumerRebalanceListener):
    def __init__(self, ledger, group, topic, name):
        self.name = name
        self._ledger = ledger
        self._topic = topic
        self._leaving = False
        self._consumer = new_consumer(group=group, client_id=name, session_timeout_ms=10_000, heartbeat_interval_ms=300)
        self._task = asyncio.create_task(self._run())

    async def leave(self):
        """Stops the consumer and waits until it has left."""
        self._leaving = True
        await asyncio.wait_for(self._task, PATIENCE_SECONDS)
        self._ledger.left(self.name)

    async def _run(self):
        try:
            self._consumer.subscribe([self._topic], listener=self)
            await self._consumer.start()
            while not self._leaving:
                for record in await poll(self._consumer, 100):
                    self._ledger.read(self.name, record.partition, record.value.decode())
            # Leaving does not tell the listener.
            await self.on_partitions_revoked(self._consumer.assignment())
            await self._consumer.stop()
        except Exception:  # whatever it is, the scenario must hear of it
            fail(f"{self.name}: {traceback.format_exc()}")

    async def on_partitions_revoked(self, revoked):
        if revoked:
            await self._consumer.commit({partition: await self._consumer.position(partition) for partition in revoked})
        self._ledger.gave_up(self.name, [partition.partition for partition in revoked])

    async def on_partitions_assigned(self, assigned):
        self._ledger.gained(self.name, [partition.partition for partition in assigned])
