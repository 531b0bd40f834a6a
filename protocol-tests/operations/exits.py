"""The end on SIGTERM, SIGINT and SIGHUP: what is in flight is answered, the marker is written, the status is 0."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

from client import Client, fetch_body, produce_body
from stage import Stage, check, eventually, fail, passed, same

from wire.connection import Closed, decode_response
from wire.messages import APIS
from wire.records import simple_batch

# "Within seconds", on a machine that has other things to do.
LIMIT_SECONDS = 10.0
MARKER = ".kafka_cleanshutdown"


def marker(broker):
    return os.path.join(broker.data_directory, MARKER)


def end(broker, number):
    """Sends the signal; returns (exit status, seconds)."""
    process = broker.process
    began = time.monotonic()
    process.send_signal(number)
    try:
        status = process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        fail(f"not ended {LIMIT_SECONDS} s after {signal.Signals(number).name}")
    broker.kill9()
    return status, time.monotonic() - began


def marker_must_be_good(broker):
    with open(marker(broker)) as file:
        text = file.read()
    content = json.loads(text)
    same("version of the marker", content.get("version"), 0)
    check(isinstance(content.get("brokerEpoch"), int), f"the marker has no broker epoch: {text!r}")
    same("one line without its end", "\n" in text, False)


def idle_end(stage, number):
    """Clients that are connected and silent hold nothing up."""
    broker = stage.broker()
    broker.start()
    check(not os.path.exists(marker(broker)), "the marker is there while the broker runs")
    silent = [Client(broker) for _ in range(20)]
    half = Client(broker)
    half.send_bytes(b"\0\0\1\0half a request")
    status, seconds = end(broker, number)
    same(f"exit status after {number.name}", status, 0)
    marker_must_be_good(broker)
    for connection in silent + [half]:
        connection.socket.close()
    broker.start()
    check(not os.path.exists(marker(broker)), "the marker is still there after a start")
    same("exit status at once after the start", end(broker, number)[0], 0)
    marker_must_be_good(broker)
    passed(f"{number.name} of an idle broker, {seconds:.2f} s")
    return seconds


def long_polls(stage, number):
    """Fetches that wait for records, and a member that waits for its group, get an answer."""
    broker = stage.broker({"group.initial.rebalance.delay.ms": 3000})
    broker.start()
    with Client(broker) as client:
        client.create_topic("quiet")
        client.find_coordinator("waiting")
    polls = [Client(broker, timeout=LIMIT_SECONDS + 5) for _ in range(5)]
    asked = [poll.send("Fetch", 11, fetch_body("quiet", 0, max_wait_ms=60000, min_bytes=1)) for poll in polls]
    member = Client(broker, timeout=LIMIT_SECONDS + 5)
    # Version 3 joins at once; later ones are first sent away to come back with a member id.
    join = {"group_id": "waiting", "session_timeout_ms": 30000, "rebalance_timeout_ms": 60000,
            "protocols": [{"name": "range", "metadata": b""}]}
    joining = member.send("JoinGroup", 3, join)
    time.sleep(0.5)
    with Client(broker) as client:
        # Served after the others were read: they are in flight.
        client.describe("quiet")
    answers = {}

    def listen(name, connection, api, version, correlation):
        try:
            answers[name] = decode_response(APIS[api], version, connection.receive_frame(), correlation)
        except (Closed, OSError) as problem:
            answers[name] = problem

    ears = [threading.Thread(target=listen, args=(f"fetch {index}", poll, "Fetch", 11, correlation), daemon=True)
            for index, (poll, correlation) in enumerate(zip(polls, asked))]
    ears.append(threading.Thread(target=listen, args=("join", member, "JoinGroup", 3, joining), daemon=True))
    for ear in ears:
        ear.start()
    status, seconds = end(broker, number)
    for ear in ears:
        ear.join(5)
    same(f"exit status after {number.name}", status, 0)
    for index in range(len(polls)):
        answer = answers.get(f"fetch {index}")
        check(isinstance(answer, dict), f"after {number.name} a waiting fetch is not answered but gets {answer!r}")
        partition = answer["responses"][0]["partitions"][0]
        same("its error, and its records", (partition["error_code"], partition["records"] or b""), (0, b""))
    check(isinstance(answers.get("join"), dict), f"after {number.name} a waiting join is not answered but gets {answers.get('join')!r}")
    marker_must_be_good(broker)
    passed(f"{number.name} during long polls, {seconds:.2f} s")
    return seconds


def produces(stage, number):
    """Produces come in without pause: those that are answered are there, in order, once."""
    broker = stage.broker()
    broker.start()
    with Client(broker) as client:
        client.create_topic("busy")
    producer = Client(broker)
    sent, acknowledged = [], []
    ended = threading.Event()

    def send():
        try:
            while not ended.is_set():
                values = [b"%06d" % len(sent) + b"x" * 300]
                # Noted first: a request that is cut off in the middle may or may not have arrived.
                sent.append(values[0])
                producer.send("Produce", 9, produce_body("busy", simple_batch(values)))
        except OSError:
            pass

    def receive():
        try:
            while True:
                answer = decode_response(APIS["Produce"], 9, producer.receive_frame())
                partition = answer["responses"][0]["partition_responses"][0]
                if partition["error_code"]:
                    # Refused as it stops, which a client takes for a reason to try again.
                    return
                acknowledged.append(partition["base_offset"])
        except (Closed, OSError):
            pass

    threads = [threading.Thread(target=work, daemon=True) for work in (send, receive)]
    for thread in threads:
        thread.start()
    eventually("some produces are acknowledged", lambda: len(acknowledged) >= 500)
    status, seconds = end(broker, number)
    ended.set()
    for thread in threads:
        thread.join(10)
    same(f"exit status after {number.name}", status, 0)
    same("acknowledged offsets", acknowledged, list(range(len(acknowledged))))
    marker_must_be_good(broker)
    broker.start()
    with Client(broker) as client:
        stored = [value for _, value in client.read("busy")]
    check(len(stored) >= len(acknowledged), f"{len(acknowledged)} acknowledged, only {len(stored)} there")
    check(stored == sent[: len(stored)], "what is stored is not what was sent, in its order and once")
    # Everything that was carried out was also answered: a stored record without an answer is one that
    # an ordinary producer sends again.
    same("records stored and records acknowledged", len(stored), len(acknowledged))
    same("exit status", broker.stop(), 0)
    passed(f"{number.name} during produces ({len(acknowledged)} acknowledged), {seconds:.2f} s")
    return seconds


def outlives_its_terminal(stage):
    """Who was started to ignore SIGHUP (nohup) goes on; everybody else ends as on SIGTERM."""
    idle_end(stage, signal.SIGHUP)
    broker = stage.broker()
    inherited = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        broker.start()
    finally:
        signal.signal(signal.SIGHUP, inherited)
    broker.process.send_signal(signal.SIGHUP)
    with Client(broker) as client:
        client.create_topic("still-here")
        same("base offset after SIGHUP", client.produce_values("still-here", [b"value"]), 0)
    same("exit status after SIGTERM", end(broker, signal.SIGTERM)[0], 0)
    marker_must_be_good(broker)
    passed("SIGHUP")


def nobody_new(stage):
    """After the signal nobody new is let in, also while the last answers are being written."""
    broker = stage.broker()
    broker.start()
    end(broker, signal.SIGTERM)
    try:
        socket.create_connection(("127.0.0.1", broker.port), timeout=2).close()
        fail("somebody listens on the port of an ended broker")
    except ConnectionRefusedError:
        passed("the port is closed")


with Stage(seconds=110) as stage:
    ends = [stage.step(way, number) for number in (signal.SIGTERM, signal.SIGINT) for way in (idle_end, long_polls, produces)]
    stage.step(outlives_its_terminal)
    stage.step(nobody_new)
    print(f"figures: slowest end {max(seconds for seconds in ends if seconds):.2f} s")
