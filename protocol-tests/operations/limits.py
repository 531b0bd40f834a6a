"""Limits of connections and of requests: who is over them is turned away, nobody else notices."""

import socket
import time

from client import Client, From, served
from stage import Stage, check, eventually, passed, same

from wire.connection import Closed, encode_request, frame
from wire.messages import APIS

MESSAGE_TOO_LARGE = 10
COORDINATOR_NOT_AVAILABLE = 15


def per_address(stage):
    broker = stage.broker({"max.connections.per.ip": 3, "max.connections.per.ip.overrides": "127.0.0.3:1"})
    broker.start()
    first = [Client(broker) for _ in range(3)]
    same("connections within the limit", [served(one) for one in first], [True] * 3)
    for _ in range(3):
        same("the fourth connection of an address", served(Client(broker, timeout=3)), False)
    same("a connection from another address", served(From(broker, "127.0.0.2")), True)
    single = From(broker, "127.0.0.3")
    same("the one connection of an address with its own limit", served(single), True)
    same("a second connection from there", served(From(broker, "127.0.0.3")), False)
    same("connections that were there before", [served(one) for one in first], [True] * 3)
    check(broker.logged(" WARN ", "127.0.0.1"), "the log does not tell who was turned away")
    first.pop().socket.close()
    eventually("there is room when one has gone", lambda: served(Client(broker, timeout=3)))
    # A crowd that is turned away costs nothing in the end.
    for _ in range(200):
        Client(broker).socket.close()
    same("those within the limit after a crowd", [served(one) for one in first], [True] * 2)
    check(len(broker.logged("closing connection")) < 100, "every connection of a crowd has a line in the log")
    same("exit status", broker.stop(), 0)
    passed("max.connections.per.ip")


def of_the_broker(stage):
    """Over max.connections a newcomer is not served, be it closed or kept waiting (as Kafka does)."""
    broker = stage.broker({"max.connections": 4})
    broker.start()
    kept = [From(broker, f"127.0.0.{number + 2}") for number in range(4)]
    same("connections within the limit", [served(one) for one in kept], [True] * 4)
    same("the fifth connection", served(Client(broker, timeout=2)), False)
    same("connections that were there before", [served(one) for one in kept], [True] * 4)
    kept.pop().socket.close()
    eventually("there is room when one has gone", lambda: served(Client(broker, timeout=3)))
    same("exit status", broker.stop(), 0)
    passed("max.connections")


def idle(stage):
    broker = stage.broker({"connections.max.idle.ms": 1500})
    broker.start()
    silent, silent_from_the_start, busy = Client(broker), Client(broker), Client(broker)
    same("before", [served(silent), served(busy)], [True, True])
    began = time.monotonic()
    silent.socket.settimeout(0.01)
    closed_after = None
    while time.monotonic() - began < 8 and closed_after is None:
        same("a busy connection", served(busy), True)
        try:
            silent.receive_frame()
        except Closed:
            closed_after = time.monotonic() - began
        except OSError:
            time.sleep(0.2)
    check(closed_after is not None, "an idle connection is still open after 8 s")
    check(closed_after > 1.0, f"an idle connection is closed after {closed_after:.2f} s already")
    same("a connection that never said anything", served(silent_from_the_start), False)
    # One that is in the middle of its request is as idle as one that says nothing.
    half = Client(broker)
    half.send_bytes(b"\0\0\0\x40\0")
    half.socket.settimeout(8)
    try:
        half.receive_frame()
        check(False, "an answer to half a request")
    except Closed:
        pass
    # Waiting for an answer is no idleness: a long poll outlives the limit here.
    with Client(broker) as client:
        client.create_topic("quiet")
        began = time.monotonic()
        try:
            same("error of a long poll", client.fetch("quiet", 0, max_wait_ms=3000, min_bytes=1)["error_code"], 0)
            check(time.monotonic() - began > 2.5, "the long poll was answered before its time")
            note = "long polls are not idle"
        except Closed:
            # Kafka counts only bytes that pass, and cuts it.
            note = "long polls are cut, as in Kafka"
    same("exit status", broker.stop(), 0)
    passed(f"connections.max.idle.ms, closed after {closed_after:.1f} s; {note}")


def request_size(stage):
    largest = 100_000
    broker = stage.broker({"socket.request.max.bytes": largest})
    broker.start()
    witness = Client(broker)
    same("before", served(witness), True)

    def request_of(size):
        """A whole Metadata request of this many bytes."""
        empty = len(encode_request(APIS["Metadata"], 8, {"topics": [{"name": ""}]}))
        # A string has a length of two bytes: several long names make up the size.
        names, rest = [], size - empty
        while rest > 30_000:
            names.append("n" * 30_000)
            rest -= 30_002
        return encode_request(APIS["Metadata"], 8, {"topics": [{"name": "n" * rest}] + [{"name": name} for name in names]})

    for size, fits in ((1000, True), (largest, True), (largest + 1, False), (largest * 3, False)):
        request = request_of(size)
        same("size of the request", len(request), size)
        with Client(broker) as client:
            try:
                client.send_bytes(frame(request))
                client.receive_frame()
                answered = True
            except (Closed, OSError):
                answered = False
            same(f"a request of {size} bytes is answered", answered, fits)
    # The size is enough to know: nothing has to be sent, or read, or kept for it.
    with Client(broker, timeout=5) as client:
        client.send_bytes((largest + 1).to_bytes(4, "big"))
        same("a claim of too many bytes is answered", served(client), False)
    same("somebody else's connection", served(witness), True)
    check(broker.logged("127.0.0.1", str(largest)), "the log does not tell of the limit and who was over it")
    same("exit status", broker.stop(), 0)
    passed("socket.request.max.bytes")


def memory_of_members(stage):
    """Members that say much are refused before they hold more than they may; others still come in."""
    broker = stage.broker({"zurau.group.members.max.bytes": 4 << 20, "offsets.topic.num.partitions": 1, "group.initial.rebalance.delay.ms": 0})
    broker.start()
    with Client(broker) as stranger, From(broker, "127.0.0.2") as honest:
        found = lambda: not stranger.call("FindCoordinator", 3, {"key": "anything", "key_type": 0})["error_code"]  # noqa: E731
        eventually("there is a coordinator", found)

        def join(client, group, metadata):
            """Before version 4 nobody is given an id first: who is not refused is a member at once."""
            body = {"group_id": group, "protocols": [{"name": "range", "metadata": metadata}]}
            return client.call("JoinGroup", 3, body)["error_code"]

        codes = [join(stranger, f"stranger-{number}", bytes(100_000)) for number in range(100)]
        same("answers to the stranger", set(codes), {0, COORDINATOR_NOT_AVAILABLE})
        taken = codes.count(0)
        check(5 < taken < 20, f"{taken} members of 100 kB each were taken")
        same("somebody else's join", join(honest, "honest", bytes(100_000)), 0)
        same("a member that no batch could hold", join(honest, "large", bytes(1 << 21)), MESSAGE_TOO_LARGE)
        eventually("the log tells who is refused", lambda: broker.logged(" WARN ", "refused until some have left", "127.0.0.1"))
        eventually("the log tells of large metadata",
                   lambda: broker.logged(" INFO ", "its metadata does not fit in a batch of the log", "large"))
        # It is told, too, how often nothing was told.
        eventually("what was kept back is told", lambda: broker.logged("suppressed="), seconds=40)
    same("exit status", broker.stop(), 0)
    passed("zurau.group.members.max.bytes")


with Stage(seconds=100) as stage:
    stage.step(per_address)
    stage.step(of_the_broker)
    stage.step(idle)
    stage.step(request_size)
    stage.step(memory_of_members)
