"""What a broker remembers of idempotent producers, over restarts, SIGKILL and the deletion of segments."""

import os

from client import (
    DUPLICATE_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER, Client,
)
from stage import Stage, check, eventually, passed, same

from wire.records import simple_batch

LARGEST_SEQUENCE = 2**31 - 1
# How many batches of a producer are remembered.
REMEMBERED = 5


class Producer:
    """A producer that numbers its records, keeps what it sent, and can send anything again."""

    def __init__(self, client, topic, sequence=0):
        self.topic = topic
        self.id = client.new_producer()
        self.epoch = 0
        self.sequence = sequence
        self.sent = []

    def batch(self, sequence, count=2, epoch=None, size=20):
        values = [b"%d/%d " % (self.id, number) + b"p" * size for number in range(count)]
        return simple_batch(values, producer_id=self.id, producer_epoch=self.epoch if epoch is None else epoch, base_sequence=sequence)

    def send(self, client, count=2, size=20):
        """The next batch, which must be taken."""
        batch = self.batch(self.sequence, count, size=size)
        offset = client.must_produce(self.topic, batch)
        self.sent.append((batch, offset))
        # Sequences go on with 0 behind the largest.
        self.sequence = (self.sequence + count) % 2**31
        return offset


def state_is(client, producer, what, certain=REMEMBERED):
    """The last batches are recognised, gaps are refused, and none of that stores anything.

    `certain` is how many of the last batches must be answered with their first offset. A snapshot has room
    for a producer's newest batch only, so that those before it may be forgotten over a restart, as they
    are in Kafka; what is forgotten is refused, never stored again.
    """
    before = client.range(producer.topic)
    known = 0
    for age, (batch, offset) in enumerate(reversed(producer.sent[-REMEMBERED:]), 1):
        answer = client.produce(producer.topic, batch)
        got = (answer["error_code"], answer["base_offset"])
        if got == (0, offset):
            known += 1
        elif age <= certain or got[0] not in (OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER):
            same(f"{what}: error and offset of batch {age} from the end, sent again", got, (0, offset))
    for batch, _ in producer.sent[:-REMEMBERED]:
        error = client.produce(producer.topic, batch)["error_code"]
        check(error in (OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER), f"{what}: an older batch sent again gets error {error}")
    for gap in (1, 100):
        batch = producer.batch((producer.sequence + gap) % 2**31)
        same(f"{what}: error of a gap of {gap}", client.produce(producer.topic, batch)["error_code"], OUT_OF_ORDER_SEQUENCE_NUMBER)
    same(f"{what}: range after duplicates and gaps", client.range(producer.topic), before)
    passed(f"{what}: {known} of {min(REMEMBERED, len(producer.sent))} batches recognised")
    return known


def while_running(client):
    client.create_topic("running")
    producer = Producer(client, "running")
    for number in range(8):
        same("base offset", producer.send(client), number * 2)
    state_is(client, producer, "while running")
    same("the next batch after duplicates and gaps", producer.send(client), 16)
    # Part of a batch that was sent is no duplicate and no next batch.
    part = producer.batch(producer.sequence - 2, count=1)
    check(client.produce("running", part)["error_code"] in (OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER), "part of a batch is taken")
    # A producer that nobody knows may begin anywhere: its records may have been deleted meanwhile.
    anywhere = Producer(client, "running", sequence=77)
    same("a first sequence of 77", anywhere.send(client), 18)
    same("ids of two producers differ", producer.id != anywhere.id, True)
    return producer


def epochs(client):
    client.create_topic("fenced")
    producer = Producer(client, "fenced")
    for _ in range(3):
        producer.send(client)
    producer.epoch = 1
    wrong = client.produce("fenced", producer.batch(6))
    same("error of a new epoch that does not begin at 0", wrong["error_code"], OUT_OF_ORDER_SEQUENCE_NUMBER)
    producer.sequence = 0
    old = list(producer.sent)
    producer.sent.clear()
    same("the first batch of a new epoch", producer.send(client), 6)
    epochs_stay(client, producer, "while running")
    return producer, old


def epochs_stay(client, producer, what):
    before = client.range(producer.topic)
    for sequence in (0, 6, 8):
        answer = client.produce(producer.topic, producer.batch(sequence, epoch=0))
        same(f"{what}: error of the old epoch with sequence {sequence}", answer["error_code"], INVALID_PRODUCER_EPOCH)
    same(f"{what}: range after fenced batches", client.range(producer.topic), before)


def wrap(client):
    client.create_topic("wrapped")
    producer = Producer(client, "wrapped", sequence=LARGEST_SEQUENCE - 4)
    # The second batch has the sequences 2^31-2, 2^31-1, 0.
    for offset in (0, 3, 6):
        same("base offset", producer.send(client, count=3), offset)
    same("the next sequence", producer.sequence, 4)
    state_is(client, producer, "over the wrap")
    exact = Producer(client, "wrapped", sequence=LARGEST_SEQUENCE - 1)
    exact.send(client)
    same("the sequence behind 2^31-1", exact.sequence, 0)
    exact.send(client)
    state_is(client, exact, "at the wrap")
    return producer, exact


def deleted_segments(client, broker):
    """A producer whose batches are all deleted is still known: it may be about to send again."""
    client.create_topic("trimmed", configs={
        "segment.bytes": 1048576, "retention.bytes": 1048576, "file.delete.delay.ms": 100})
    producer = Producer(client, "trimmed")
    for _ in range(7):
        producer.send(client)
    filler = simple_batch([b"f" * 100_000])
    for _ in range(35):
        client.must_produce("trimmed", filler)
    end = producer.sent[-1][1] + 2
    eventually("all batches of the producer are deleted", lambda: client.range("trimmed")[0] >= end, seconds=20)
    eventually("and their files", lambda: not broker.files("trimmed", ".deleted"))
    check("0" * 20 + ".log" not in map(os.path.basename, broker.files("trimmed", ".log")), "the first segment is still there")
    state_is(client, producer, "after deletion of its segments")
    return producer


def expiry(stage):
    broker = stage.broker({"producer.id.expiration.ms": 1500, "producer.id.expiration.check.interval.ms": 300})
    broker.start()
    with Client(broker) as client:
        client.create_topic("silent")
        producer = Producer(client, "silent")
        producer.send(client)
        gap = producer.batch(50)
        same("error of a gap before the expiry", client.produce("silent", gap)["error_code"], OUT_OF_ORDER_SEQUENCE_NUMBER)
        # Once forgotten, it may begin anywhere, like one that was never seen.
        eventually("a silent producer is forgotten", lambda: client.produce("silent", gap)["error_code"] == 0, pause=0.5)
        same("range", client.range("silent"), (0, 4))
    same("exit status", broker.stop(), 0)
    passed("expiry")


with Stage(seconds=110) as stage:
    broker = stage.broker({"log.retention.check.interval.ms": 300, "log.initial.task.delay.ms": 100})
    broker.start()
    with Client(broker) as client:
        running = while_running(client)
        fenced, _ = epochs(client)
        wrapped = wrap(client)
        trimmed = deleted_segments(client, broker)
    everybody = {"of 9 batches": running, "over the wrap": wrapped[0], "at the wrap": wrapped[1], "with deleted segments": trimmed}
    recognised = {}
    for cleanly in (True, True, False, False, True):
        how = "a clean restart" if cleanly else "SIGKILL"
        if cleanly:
            same("exit status", broker.stop(), 0)
        else:
            broker.kill9()
        broker.start()
        with Client(broker) as client:
            for name, producer in everybody.items():
                known = state_is(client, producer, f"{name} after {how}", certain=1)
                recognised[how] = min(known, recognised.get(how, REMEMBERED))
            epochs_stay(client, fenced, f"after {how}")
            for producer in (*everybody.values(), fenced):
                producer.send(client)
            # Of those that were sent since the start all are known, whatever was forgotten before.
            for name, producer in everybody.items():
                state_is(client, producer, f"{name}, one batch later", certain=2)
            ids = {client.new_producer() for _ in range(20)}
            same(f"new producer ids after {how}", len(ids - {producer.id for producer in (*everybody.values(), fenced)}), 20)
    # Before the first snapshot the log itself tells of all five batches. (Kafka's replay remembers one.)
    fresh = stage.broker()
    fresh.start()
    with Client(fresh) as client:
        client.create_topic("replayed")
        producer = Producer(client, "replayed")
        for _ in range(7):
            producer.send(client)
    fresh.kill9()
    fresh.start()
    with Client(fresh) as client:
        state_is(client, producer, "replayed from the log", certain=REMEMBERED)
    # Snapshots that cannot be read are made good from the log.
    same("exit status", fresh.stop(), 0)
    for path in fresh.files("replayed", ".snapshot"):
        with open(path, "r+b") as file:
            file.write(b"\0\x01garbage")
    fresh.start()
    with Client(fresh) as client:
        state_is(client, producer, "with a damaged snapshot", certain=1)
        same("the next batch", producer.send(client), 14)
    same("exit status", fresh.stop(), 0)
    expiry(stage)
    print(f"figures: batches recognised at least {recognised}")
