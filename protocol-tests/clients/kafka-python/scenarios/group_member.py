"""A member of a group in a thread of its own, who commits what it has read before it gives a partition away."""

import threading
import traceback

from expectations import fail
from kafka import ConsumerRebalanceListener
from session import consumer, offset_and_metadata, poll


# Newer releases lose the outcome of a join, for good, when the poll within which they asked for it ends before the
# answer is there. A poll ends early when there is something to read, so that a long one costs little.
POLL_MILLISECONDS = 1500


class GroupMember:
    def __init__(self, ledger, group, topic, name, **settings):
        self.name = name
        self._ledger = ledger
        self._topic = topic
        self._leaving = threading.Event()
        self._consumer = consumer(group, client_id=name, session_timeout_ms=10_000, heartbeat_interval_ms=300, **settings)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def leave(self):
        """Closes the consumer and waits until it has left."""
        leave_all([self])

    def begin_to_leave(self):
        self._leaving.set()

    def wait_until_left(self):
        self._thread.join(60)
        if self._thread.is_alive():
            fail(f"{self.name} does not leave")
        self._ledger.left(self.name)

    def _run(self):
        try:
            self._consumer.subscribe([self._topic], listener=Listener(self))
            while not self._leaving.is_set():
                for record in poll(self._consumer, POLL_MILLISECONDS):
                    self._ledger.read(self.name, record.partition, record.value.decode())
            # Leaving does not tell the listener of every release.
            self.revoked(self._consumer.assignment())
            self._consumer.close()
        except Exception:  # whatever it is, the scenario must hear of it
            fail(f"{self.name}: {traceback.format_exc()}")

    def revoked(self, partitions):
        offsets = {partition: offset_and_metadata(self._consumer.position(partition)) for partition in partitions}
        # Newer releases forbid waiting here. The request to join again follows the commit on the same connection.
        self._consumer.commit_async(offsets, callback=self._committed)
        self._ledger.gave_up(self.name, [partition.partition for partition in partitions])

    def _committed(self, offsets, response):
        if isinstance(response, Exception):
            fail(f"{self.name} cannot commit {offsets}: {response!r}")

    def assigned(self, partitions):
        self._ledger.gained(self.name, [partition.partition for partition in partitions])


def leave_all(members):
    """Each finishes its poll at its own time; together they take no longer than one."""
    for member in members:
        member.begin_to_leave()
    for member in members:
        member.wait_until_left()


class Listener(ConsumerRebalanceListener):
    def __init__(self, member):
        self._member = member

    def on_partitions_revoked(self, revoked):
        self._member.revoked(revoked)

    def on_partitions_assigned(self, assigned):
        self._member.assigned(assigned)
