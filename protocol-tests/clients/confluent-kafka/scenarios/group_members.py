"""Members of a group in threads, who watch each other: no partition may have two owners at any time."""

import threading

from expectations import fail
from session import BOOTSTRAP, CONSUMER_PROTOCOL, PREFIX, by_protocol
from confluent_kafka import Consumer, KafkaException


class Group:
    """What all members know: who owns what, and which records were seen."""

    def __init__(self, name, topic, assignor):
        self.name = PREFIX + name
        self.topic = topic
        self.assignor = assignor
        self.lock = threading.Lock()
        self.owner = {}
        self.seen = []
        self.members = []

    def join(self, name, consumer_protocol=CONSUMER_PROTOCOL, **settings):
        member = Member(self, name, settings, consumer_protocol)
        self.members.append(member)
        member.thread.start()
        return member

    def shares(self):
        """The sorted partitions of every member that runs, as a dict."""
        with self.lock:
            return {
                member.name: sorted(p for p, owner in self.owner.items() if owner is member)
                for member in self.members if member.thread.is_alive()
            }

    def balanced(self, partitions):
        """Whether all partitions are owned, in shares of equal size."""
        sizes = [len(share) for share in self.shares().values()]
        return sum(sizes) == partitions and max(sizes) - min(sizes) <= 1

    def values_seen(self):
        with self.lock:
            return list(self.seen)

    def leave_all(self):
        for member in self.members:
            member.leave()


class Member:
    """A consumer that commits what it has processed before it gives a partition away."""

    def __init__(self, group, name, settings, consumer_protocol):
        self.group = group
        self.name = name
        self.gained = []
        self.given_up = []
        self.rebalances = 0
        self.error = None
        self._stop = threading.Event()
        self.consumer = Consumer(by_protocol({
            "bootstrap.servers": BOOTSTRAP,
            "client.id": name,
            "group.id": group.name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "partition.assignment.strategy": group.assignor,
            "session.timeout.ms": 10000,
            "heartbeat.interval.ms": 300,
            **settings,
        }, consumer_protocol))
        self.thread = threading.Thread(target=self._run, daemon=True)

    def leave(self):
        """Closes the consumer and waits until it has left."""
        self._stop.set()
        self.thread.join(60)
        if self.thread.is_alive():
            fail(f"{self.name} does not leave")
        if self.error:
            fail(f"{self.name}: {self.error}")

    def _run(self):
        try:
            self.consumer.subscribe([self.group.topic], on_assign=self._assigned, on_revoke=self._revoked,
                                    on_lost=self._lost)
            while not self._stop.is_set():
                # One at a time: in old releases a batch loses what a rebalance overtakes.
                message = self.consumer.poll(0.1)
                if message is None:
                    continue
                if message.error() is not None:
                    raise KafkaException(message.error())
                with self.group.lock:
                    if self.group.owner.get(message.partition()) is not self:
                        fail(f"{self.name} read partition {message.partition()} which it does not own")
                    self.group.seen.append(message.value().decode())
            self.consumer.close()
        except Exception as problem:  # whatever it is, the scenario must hear of it
            self.error = problem

    def _assigned(self, _, partitions):
        numbers = sorted(entry.partition for entry in partitions)
        with self.group.lock:
            for number in numbers:
                if number in self.group.owner:
                    fail(f"partition {number} given to {self.name} while {self.group.owner[number].name} has it")
                self.group.owner[number] = self
            self.rebalances += 1
            self.gained.append(numbers)

    def _revoked(self, consumer, partitions):
        moved = [entry for entry in consumer.position(partitions) if entry.offset >= 0]
        if moved:
            consumer.commit(offsets=moved, asynchronous=False)
        with self.group.lock:
            for entry in partitions:
                self.group.owner.pop(entry.partition, None)
            self.given_up.append(sorted(entry.partition for entry in partitions))

    def _lost(self, _, partitions):
        fail(f"{self.name} lost {[entry.partition for entry in partitions]} without being asked to give them up")
