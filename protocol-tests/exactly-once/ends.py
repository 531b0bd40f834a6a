"""What the logs and the coordinators hold: read by a client of its own under both isolation levels, and asked for."""

import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from checker import Final  # noqa: E402
from wire.connection import Connection  # noqa: E402

LATEST = -1
OVER = {"Empty", "CompleteCommit", "CompleteAbort", "Dead"}


class Logs:
    """The topics of one round. A place is `in-0`, as in the histories."""

    def __init__(self, bootstrap, prefix, topics):
        self.bootstrap = bootstrap
        self.prefix = prefix
        # Topic without the prefix -> its partitions.
        self.topics = topics

    def places(self, topic=None):
        return [f"{name}-{number}" for name, count in self.topics.items() if topic in (None, name) for number in range(count)]

    def _partition(self, place, *offset):
        name, _, number = place.rpartition("-")
        return TopicPartition(self.prefix + name, int(number), *offset)

    def ends(self, isolation):
        """place -> high watermark, or last stable offset under isolation 1."""
        with Connection(self.bootstrap) as connection:
            answer = connection.call("ListOffsets", 4, {"isolation_level": isolation, "topics": [
                {"name": self.prefix + name, "partitions": [
                    {"partition_index": number, "timestamp": LATEST} for number in range(count)]}
                for name, count in self.topics.items()]})
        return {f"{topic['name'][len(self.prefix):]}-{partition['partition_index']}": partition["offset"]
                for topic in answer["topics"] for partition in topic["partitions"]}

    def settle(self, topic, seconds):
        """Waits until no transaction is open in a topic; whether that came."""
        deadline = time.monotonic() + seconds
        while True:
            stable, end = self.ends(1), self.ends(0)
            if all(stable[place] == end[place] for place in self.places(topic)):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)

    def read(self, places, isolation):
        """place -> [(offset, value)], of all that the isolation level shows."""
        client = Consumer({
            "bootstrap.servers": self.bootstrap, "group.id": self.prefix + "audit", "enable.auto.commit": False,
            "auto.offset.reset": "error", "isolation.level": isolation, "enable.partition.eof": True})
        client.assign([self._partition(place, 0) for place in places])
        rows = {place: [] for place in places}
        remaining = set(places)
        deadline = time.monotonic() + 120
        while remaining:
            for message in client.consume(10_000, timeout=1):
                place = f"{message.topic()[len(self.prefix):]}-{message.partition()}"
                if message.error() is None:
                    rows[place].append((message.offset(), message.value().decode()))
                else:
                    remaining.discard(place)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the ends of {sorted(remaining)} are not reached after 120 s")
        client.close()
        return rows

    def committed(self, group):
        """place of the input -> what the group has committed; None while that belongs to an open transaction."""
        client = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False,
                           "isolation.level": "read_committed"})
        found = {}
        try:
            for partition in client.committed([self._partition(place) for place in self.places("in")], timeout=5):
                if partition.error is not None:
                    return None
                found[f"in-{partition.partition}"] = max(partition.offset, 0)
        except KafkaException:
            return None
        finally:
            client.close()
        return found

    def await_group(self, group, seconds):
        """Waits until the group has passed all that is visible of the input."""
        last = {place: rows[-1][0] for place, rows in self.read(self.places("in"), "read_committed").items() if rows}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.committed(group)
            if found is not None and all(found[place] > offset for place, offset in last.items()):
                return True
            time.sleep(0.3)
        return False

    def open_transactions(self):
        """The transactional ids of this round that are within a transaction."""
        with Connection(self.bootstrap) as connection:
            answer = connection.call("ListTransactions", 0, {"state_filters": [], "producer_id_filters": []})
        return [f"{entry['transactional_id']} in {entry['transaction_state']}" for entry in answer["transaction_states"]
                if entry["transactional_id"].startswith(self.prefix) and entry["transaction_state"] not in OVER]

    def final(self, group):
        return Final(
            committed=self.read(self.places(), "read_committed"),
            uncommitted=self.read(self.places(), "read_uncommitted"),
            stable=self.ends(1), end=self.ends(0), group=self.committed(group), open=self.open_transactions())
