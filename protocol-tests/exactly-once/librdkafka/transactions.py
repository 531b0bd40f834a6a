"""A transactional producer that writes down what it asks for and what it is told, and begins anew when it must."""

import threading
import time

from confluent_kafka import KafkaException, Producer, TopicPartition

from settings import IMPATIENT, PREFIX, TIMEOUT_MS, topic_partition

CALL_SECONDS = 10


class GivenUp(Exception):
    """The transaction is over, whatever became of it; whoever read for it goes back to what is committed."""


class TransactionalProducer:
    def __init__(self, history, worker, stop):
        self.history = history
        self.id = f"{PREFIX}{worker}"
        self.stop = stop
        self.producers = 0
        self.transactions = 0
        self.client = None
        self.chance_to_sleep = 0.0

    # Producers ------------------------------------------------------------------------------

    def open(self):
        """A new producer, which has been given its id; tried until that succeeds or the run is over."""
        while not self.stop.is_set():
            self.producers += 1
            self.client = Producer({
                **IMPATIENT, "transactional.id": self.id, "transaction.timeout.ms": TIMEOUT_MS, "linger.ms": 1,
                "retry.backoff.ms": 20, "retry.backoff.max.ms": 100, "socket.timeout.ms": 4000,
            })
            self.history.write("init", producer=self.producers, id=self.id)
            try:
                self._patiently(lambda: self.client.init_transactions(CALL_SECONDS))
            except KafkaException as error:
                self.history.write("init-failed", producer=self.producers, error=str(error))
                continue
            self.history.write("initialized", producer=self.producers)
            return True
        return False

    def _patiently(self, call):
        """Repeats what librdkafka calls retriable, for a while."""
        deadline = time.monotonic() + 2 * CALL_SECONDS
        while True:
            try:
                return call()
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise

    # One transaction ------------------------------------------------------------------------

    def begin(self):
        self.transactions += 1
        self.history.write("begin", txn=self.transactions, producer=self.producers)
        self.client.begin_transaction()

    def send(self, place, value):
        txn = self.transactions
        topic, partition = topic_partition(place)

        def delivered(error, message):
            if error is None:
                self.history.write("acked", txn=txn, value=value, place=place, offset=message.offset())
            else:
                self.history.write("send-failed", txn=txn, value=value, error=str(error))

        self.history.write("send", txn=txn, value=value, place=place)
        self.client.produce(topic, value=value, partition=partition, on_delivery=delivered)
        self.client.poll(0)

    def offsets(self, positions, group):
        self.history.write("offsets", txn=self.transactions, offsets=positions)
        partitions = [TopicPartition(*topic_partition(place), offset) for place, offset in positions.items()]
        self._patiently(lambda: self.client.send_offsets_to_transaction(partitions, group, CALL_SECONDS))
        self.history.write("offsets-taken", txn=self.transactions)

    def sleep_past_the_timeout(self, chance):
        """Waits with all sent, longer than the broker lets a transaction be open."""
        self.client.flush(CALL_SECONDS)
        self.history.write("sleep", txn=self.transactions)
        time.sleep(TIMEOUT_MS / 1000 + chance.uniform(0.5, 4.5))

    def commit(self):
        self.history.write("commit", txn=self.transactions)
        self._patiently(lambda: self.client.commit_transaction(CALL_SECONDS))
        self.history.write("committed", txn=self.transactions)

    def abort(self):
        self.history.write("abort", txn=self.transactions)
        self._patiently(lambda: self.client.abort_transaction(CALL_SECONDS))
        self.history.write("aborted", txn=self.transactions)

    def run(self, body):
        """The body within a transaction, which is committed if the body returns true; otherwise GivenUp."""
        try:
            self.begin()
            if body():
                self.commit()
                return
            self.abort()
        except KafkaException as error:
            self.failed(error)
        raise GivenUp

    def failed(self, error):
        """Aborts where the client can, and takes a new producer where it cannot."""
        self.history.write("failed", txn=self.transactions, error=str(error))
        if error.args[0].txn_requires_abort():
            try:
                self.abort()
                return
            except KafkaException as again:
                self.history.write("abort-failed", txn=self.transactions, error=str(again))
        self.client = None
        self.open()


class Stop(threading.Event):
    """Set when standard input says so, or ends: nobody is left who would want a history."""

    def listen(self, standard_input):
        def wait():
            standard_input.readline()
            self.set()

        threading.Thread(target=wait, daemon=True).start()
