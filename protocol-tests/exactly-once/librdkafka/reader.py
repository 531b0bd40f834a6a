"""Reads everything from the beginning, under one isolation level, to the end that there is when it is told to stop."""

import time

from consumer import Follower
from settings import INPUT_PLACES, OUTPUT_PLACES

LAST_SECONDS = 20


def run(worker, number, history, stop):
    isolation = "read_uncommitted" if "uncommitted" in worker else "read_committed"
    history.write("start", client="librdkafka", isolation=isolation)
    follower = Follower(history, isolation, INPUT_PLACES + OUTPUT_PLACES, stop)
    follower.begin()
    while not stop.is_set():
        follower.poll(500, 0.1)
    # Nobody writes any more: a second in which nothing comes is the end.
    deadline = time.monotonic() + LAST_SECONDS
    while time.monotonic() < deadline and follower.poll(500, 1):
        pass
