"""What a service manager is told: how far a start is, when the broker serves, and that it stops."""

import os
import socket

from client import Client
from stage import Stage, check, fail, passed, same

from wire.records import simple_batch

PARTITIONS = 20
# For one message.
PATIENCE_SECONDS = 30


class Notifications:
    """What the broker tells the socket whose path it was given."""

    def __init__(self, listener):
        self._listener = listener

    def until(self, word):
        """All messages up to the first with this word, which must come: the broker tells of itself when it has the time."""
        found = []
        while not found or word not in found[-1]:
            try:
                found.append(self._listener.recv(4096).decode())
            except TimeoutError:
                fail(f"no word of {word}: {found}")
        return found


def told(stage):
    path = stage.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(PATIENCE_SECONDS)
        notifications = Notifications(listener)
        broker = stage.broker({})
        broker.environment["NOTIFY_SOCKET"] = path
        broker.start()
        notifications.until("READY=1")
        with Client(broker) as client:
            client.create_topic("told", PARTITIONS)
            for partition in range(PARTITIONS):
                client.must_produce("told", simple_batch([b"value"]), partition)
        broker.kill9()
        broker.start()
        notifications.until(f"STATUS=0 of {PARTITIONS} logs in ")
        opening = notifications.until("READY=1")
        check(any(f"STATUS={PARTITIONS} of {PARTITIONS} logs in " in message for message in opening),
              f"the logs are not open before it is ready: {opening}")
        same("exit status", broker.stop(), 0)
        notifications.until("STOPPING=1")
        os.remove(path)
    passed("a service manager is told")


def nobody_listens(stage):
    broker = stage.broker({})
    broker.environment["NOTIFY_SOCKET"] = stage.path("nobody")
    broker.start()
    same("exit status", broker.stop(), 0)
    passed("a service manager that does not listen")


with Stage(seconds=60) as stage:
    stage.step(told)
    stage.step(nobody_listens)
