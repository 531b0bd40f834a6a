"""What a service manager is told: how far a start is, when the broker serves, and that it stops."""

import os
import socket

from client import Client
from stage import Stage, check, passed, same

from wire.records import simple_batch

PARTITIONS = 20


def messages(listener):
    """What has come so far."""
    listener.setblocking(False)
    found = []
    while True:
        try:
            found.append(listener.recv(4096).decode())
        except BlockingIOError:
            return found


def told(stage):
    path = stage.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        broker = stage.broker({})
        broker.environment["NOTIFY_SOCKET"] = path
        broker.start()
        with Client(broker) as client:
            client.create_topic("told", PARTITIONS)
            for partition in range(PARTITIONS):
                client.must_produce("told", simple_batch([b"value"]), partition)
        first = messages(listener)
        check(any("READY=1" in message for message in first), f"no word that it is ready: {first}")
        broker.kill9()
        broker.start()
        told_of = messages(listener)
        check(any(f"STATUS=0 of {PARTITIONS} logs in " in message for message in told_of), f"no word of what is to be opened: {told_of}")
        opened = [at for at, message in enumerate(told_of) if f"STATUS={PARTITIONS} of {PARTITIONS} logs in " in message]
        ready = [at for at, message in enumerate(told_of) if "READY=1" in message]
        check(opened and ready and opened[0] < ready[0], f"the logs are not open before it is ready: {told_of}")
        same("exit status", broker.stop(), 0)
        last = messages(listener)
        check(any("STOPPING=1" in message for message in last), f"no word that it stops: {last}")
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
