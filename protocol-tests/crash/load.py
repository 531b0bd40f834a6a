"""The load of a crash run: idempotent producers that remember every acknowledgement, and a group that commits."""

import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

# Clients must find a broker that is back at once, or the run measures their patience.
IMPATIENT = {"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "socket.connection.setup.timeout.ms": 2000,
             "socket.keepalive.enable": True, "log_level": 0}


class Sender:
    """One idempotent producer for the whole run. Its values say who sent them, where, and as which in line."""

    # Enough in flight that a kill always hits something, little enough that it is soon sent again.
    OUTSTANDING = 400

    def __init__(self, name, bootstrap, topic, partitions):
        self.name = name
        self.topic = topic
        self.partitions = partitions
        self.sent = [0] * partitions
        # Value -> (partition, offset), as acknowledged.
        self.acknowledged = {}
        self.problems = []
        self._stop = threading.Event()
        self.client = Producer({
            "bootstrap.servers": bootstrap, "client.id": name, "enable.idempotence": True, "acks": "all",
            "max.in.flight.requests.per.connection": 5, "linger.ms": 2, "batch.num.messages": 50,
            "retry.backoff.ms": 20, "retry.backoff.max.ms": 100, "message.timeout.ms": 600_000,
            "compression.type": "lz4" if name.endswith("1") else "none", "error_cb": self._error, **IMPATIENT,
        })
        self.thread = threading.Thread(target=self._run, daemon=True)

    def finish(self):
        """Sends nothing more and waits until all is acknowledged."""
        self._stop.set()
        self.thread.join(180)
        if self.thread.is_alive():
            self.problems.append(f"{self.name}: {len(self.client)} records still not acknowledged")

    def _run(self):
        turn = 0
        while not self._stop.is_set():
            if len(self.client) >= self.OUTSTANDING:
                self.client.poll(0.01)
                continue
            for _ in range(20):
                partition = turn % self.partitions
                turn += 1
                value = f"{self.name}/{partition}/{self.sent[partition]}"
                self.client.produce(self.topic, value=value, partition=partition, on_delivery=self._delivered)
                self.sent[partition] += 1
            # A steady flow rather than bursts: a kill should fall into the middle of something.
            self.client.poll(0.004)
        self.client.flush(170)

    def _delivered(self, error, message):
        value = message.value().decode()
        if error is not None:
            self.problems.append(f"{value}: {error}")
        elif value in self.acknowledged:
            self.problems.append(f"{value} acknowledged twice")
        else:
            self.acknowledged[value] = (message.partition(), message.offset())

    def _error(self, error):
        # A broker that is away is what this run is about; a producer that gives up is not.
        if error.fatal():
            self.problems.append(f"{self.name}: fatal: {error}")


class Committer:
    """A member of a group that reads along and commits one partition after another, remembering what was answered."""

    def __init__(self, bootstrap, group, topic, partitions):
        self.topic = topic
        self.group = group
        self.bootstrap = bootstrap
        # The highest offset per partition whose commit was answered without error.
        self.answered = [0] * partitions
        self.commits = 0
        self.following = [None] * partitions
        self.read = 0
        self.reread = 0
        self.problems = []
        self.may_commit = threading.Event()
        self.may_commit.set()
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def finish(self):
        self._stop.set()
        self.thread.join(60)
        if self.thread.is_alive():
            self.problems.append("the group's member does not leave")

    def hold(self):
        """No commit from here on but the one that may be on its way."""
        self.may_commit.clear()

    def _run(self):
        client = Consumer({
            "bootstrap.servers": self.bootstrap, "group.id": self.group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 30_000, "heartbeat.interval.ms": 500,
            "retry.backoff.ms": 20, "retry.backoff.max.ms": 100, "fetch.wait.max.ms": 100, **IMPATIENT,
        })
        client.subscribe([self.topic], on_assign=self._assigned)
        turn = 0
        try:
            while not self._stop.is_set():
                for message in client.consume(500, timeout=0.02):
                    if message.error() is None:
                        self._seen(message)
                if not self.may_commit.is_set():
                    continue
                # One partition at a time: a commit that is under way when the broker dies, and is repeated
                # afterwards, can then hide the loss of one partition's offset at most.
                partition = turn % len(self.following)
                turn += 1
                offset = self.following[partition]
                if offset is None or offset <= self.answered[partition]:
                    continue
                try:
                    answer = client.commit(offsets=[TopicPartition(self.topic, partition, offset)], asynchronous=False)
                except KafkaException:
                    # The broker is away, or was when it should have answered.
                    continue
                if answer[0].error is None:
                    self.answered[partition] = offset
                    self.commits += 1
        finally:
            client.close()

    def _assigned(self, _, partitions):
        for entry in partitions:
            self.following[entry.partition] = None

    def _seen(self, message):
        partition, offset = message.partition(), message.offset()
        wanted = self.following[partition]
        # After an assignment reading begins where the last commit was, which must be what was answered or later.
        if wanted is None:
            if offset < self.answered[partition]:
                self.problems.append(f"partition {partition} resumed at {offset} though {self.answered[partition]} was committed")
            self.reread += 1
        elif offset != wanted:
            self.problems.append(f"partition {partition}: offset {offset} where {wanted} was due")
        self.following[partition] = offset + 1
        self.read += 1

    def committed_now(self):
        """What the broker says is committed, asked by a client of its own."""
        client = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group, **IMPATIENT})
        deadline = time.monotonic() + 60
        try:
            while True:
                try:
                    asked = [TopicPartition(self.topic, partition) for partition in range(len(self.answered))]
                    return [max(entry.offset, 0) for entry in client.committed(asked, timeout=10)]
                except KafkaException:
                    if time.monotonic() > deadline:
                        raise
        finally:
            client.close()
