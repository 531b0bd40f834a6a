"""Consume, transform, produce: the offsets of what was read are a part of the transaction that writes the outputs."""

import random
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from settings import GROUP, IMPATIENT, INPUT_PLACES, OUTPUT_PLACES, PREFIX, SEED, TIMEOUT_MS, place_of, topic_partition
from transactions import GivenUp, TransactionalProducer

MOST_RECORDS = 30


class Member:
    """The loop's consumer: a member of the group that begins where transactions have left it."""

    def __init__(self, history, stop):
        self.history = history
        self.stop = stop
        self.client = Consumer({
            **IMPATIENT, "group.id": GROUP, "enable.auto.commit": False, "auto.offset.reset": "error",
            "isolation.level": "read_committed", "fetch.wait.max.ms": 100, "session.timeout.ms": 2500,
            # Whoever is stuck in a call must not keep its partitions.
            "max.poll.interval.ms": 15_000, "heartbeat.interval.ms": 400, "partition.assignment.strategy": "range",
        })
        self.gathered = []
        # place -> where the next transaction begins; what was polled since then is in `gathered`
        self.positions = {}
        self.client.subscribe([PREFIX + "in"], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _assigned(self, _, partitions):
        self._write_poll()
        self._go_to_committed(partitions)

    def _revoked(self, _, partitions):
        self._write_poll()
        self.positions = {}
        self.history.write("revoked")

    def go_back(self):
        """To what the group has committed, after a transaction that did not."""
        self._go_to_committed([TopicPartition(*topic_partition(place)) for place in self.positions])

    def _go_to_committed(self, partitions):
        while partitions:
            asked = time.monotonic_ns()
            try:
                found = self.client.committed(partitions, timeout=5)
                if any(partition.error for partition in found):
                    raise KafkaException(next(partition.error for partition in found if partition.error))
            except KafkaException as error:
                self.history.write("committed-unknown", error=str(error))
                if self.stop.is_set():
                    return
                time.sleep(0.05)
                continue
            for partition in found:
                partition.offset = max(partition.offset, 0)
            self.positions = {f"{p.topic[len(PREFIX):]}-{p.partition}": p.offset for p in found}
            self.history.write("position", asked=asked, committed=True, positions=self.positions)
            self.client.assign(found)
            return

    def _write_poll(self):
        """What was gathered before the assignment changed is written down, and nothing is made of it."""
        if self.gathered:
            self.history.write("poll", asked=self.asked, records=self.gathered)
        self.gathered = []

    def gather(self):
        """Records as [place, offset, value], read one by one so that a change of the assignment is between two."""
        self.asked = time.monotonic_ns()
        self.gathered = []
        message = self.client.poll(0.2)
        while message is not None:
            if message.error() is None:
                self.gathered.append([place_of(message), message.offset(), message.value().decode()])
            if len(self.gathered) >= MOST_RECORDS:
                break
            message = self.client.poll(0)
        records = self.gathered
        self._write_poll()
        return [record for record in records if record[0] in self.positions]


def run(worker, number, history, stop):
    chance = random.Random(f"{SEED} {worker} {number}")
    history.write("start", client="librdkafka", isolation="read_committed", timeout_ms=TIMEOUT_MS)
    producer = TransactionalProducer(history, worker, stop)
    if not producer.open():
        return
    member = Member(history, stop)
    while not stop.is_set():
        records = member.gather()
        if not records:
            continue
        following = dict(member.positions)

        def body():
            for index, (place, offset, _) in enumerate(records):
                value = f"{worker}.{number}.{producer.transactions}.{index}<{place}@{offset}"
                producer.send(chance.choice(OUTPUT_PLACES), value)
                following[place] = offset + 1
            moved = {place: offset for place, offset in following.items() if offset != member.positions[place]}
            producer.offsets(moved, member.client.consumer_group_metadata())
            if chance.random() < 0.003:
                producer.sleep_past_the_timeout(chance)
            return chance.random() < 0.9

        try:
            producer.run(body)
            member.positions = following
        except GivenUp:
            member.go_back()
    member.client.close()
