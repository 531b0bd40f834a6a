"""A consumer outside any group that follows places from positions of its own, and writes its polls down."""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from settings import IMPATIENT, PREFIX, place_of, topic_partition


class Follower:
    def __init__(self, history, isolation, places, stop):
        self.history = history
        self.places = places
        self.stop = stop
        self.settings = {
            **IMPATIENT, "group.id": PREFIX + "nobody", "enable.auto.commit": False, "auto.offset.reset": "error",
            "isolation.level": isolation, "fetch.wait.max.ms": 100, "queued.min.messages": 1000,
        }
        self.client = Consumer(self.settings)
        self.following = {}

    def begin(self, last=None):
        """From the beginning of every place, or from so many records before its end."""
        ends = self.ends() if last is not None else {}
        self.following = {place: max(0, ends[place] - last) if ends else 0 for place in self.places}
        self.history.write("position", positions=self.following)
        self.client.assign([TopicPartition(*topic_partition(place), offset) for place, offset in self.following.items()])

    def ends(self, seconds=60):
        """The offsets to which records can be read, under read_committed the last stable ones; empty if nobody answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.stop.is_set():
            # A client that was made while the broker is away may never get an answer to this.
            asking = Consumer(self.settings)
            try:
                return {place: asking.get_watermark_offsets(TopicPartition(*topic_partition(place)), timeout=5)[1]
                        for place in self.places}
            except KafkaException as error:
                self.history.write("ends-unknown", error=str(error))
                time.sleep(0.1)
            finally:
                asking.close()
        return {}

    def poll(self, most, seconds, txn=None):
        """What there is, written down; the number of records."""
        asked = time.monotonic_ns()
        records = []
        for message in self.client.consume(most, timeout=seconds):
            if message.error() is None:
                place = place_of(message)
                records.append([place, message.offset(), message.value().decode()])
                self.following[place] = message.offset() + 1
        if records:
            self.history.write("poll", asked=asked, records=records, **({} if txn is None else {"txn": txn}))
        return len(records)
