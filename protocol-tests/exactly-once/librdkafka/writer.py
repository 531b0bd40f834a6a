"""Writes transactions over several input partitions, and reads from all of them in the middle of some."""

import random
import time

from consumer import Follower
from settings import INPUT_PLACES, OUTPUT_PLACES, SEED, TIMEOUT_MS
from transactions import GivenUp, TransactionalProducer


def run(worker, number, history, stop):
    chance = random.Random(f"{SEED} {worker} {number}")
    history.write("start", client="librdkafka", isolation="read_committed", timeout_ms=TIMEOUT_MS)
    producer = TransactionalProducer(history, worker, stop)
    if not producer.open():
        return
    follower = Follower(history, "read_committed", INPUT_PLACES + OUTPUT_PLACES, stop)
    follower.begin(last=200)

    def body():
        places = chance.sample(INPUT_PLACES, chance.randint(1, 3))
        for index in range(chance.choice((1, 2, 3, 5, 12))):
            producer.send(chance.choice(places), f"{worker}.{number}.{producer.transactions}.{index}")
            if chance.random() < 0.1:
                follower.poll(300, 0.02, producer.transactions)
        if chance.random() < 0.004:
            producer.sleep_past_the_timeout(chance)
        return chance.random() < 0.85

    while not stop.is_set():
        try:
            producer.run(body)
        except GivenUp:
            pass
        time.sleep(chance.uniform(0, 0.04))
