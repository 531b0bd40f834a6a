"""Free space falls below zurau.disk.reserve.bytes: produces are refused for a while, all else goes on."""

import os
import re
import subprocess
import time

from client import LATEST, RETRIABLE, Client, produce_body
from mounts import enter_private_namespace, free_bytes, leave_free, mount_memory
from stage import Stage, check, eventually, fail, passed, same

from wire.connection import Closed
from wire.records import simple_batch

enter_private_namespace()
SIZE_MEBIBYTES = 96
RESERVE = 32 << 20
KCAT_LIMIT_SECONDS = 60


def kcat(broker, topic, text, *options):
    """Starts a kcat that produces one record."""
    process = subprocess.Popen(
        ["kcat", "-P", "-b", broker.bootstrap, "-t", topic, *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write(text + "\n")
    process.stdin.close()
    process.stdin = None
    return process


def end_of(process):
    try:
        _, errors = process.communicate(timeout=KCAT_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        fail(f"kcat does not end within {KCAT_LIMIT_SECONDS} s")
    return process.returncode, errors


def log_sizes(broker, topic):
    return [os.path.getsize(path) for path in broker.files(topic, ".log")]


def until_refused(client, topic, batch, first):
    """Produces until the answer is an error; returns (the answer, how many records were taken before)."""
    deadline = time.monotonic() + 20
    taken = 0
    while time.monotonic() < deadline:
        answer = client.produce(topic, batch)
        if answer["error_code"]:
            return answer, taken
        same("base offset of a record that was still taken", answer["base_offset"], first + taken)
        taken += 1
        # The broker looks at the free space now and then, and has its time for that.
        time.sleep(0.1)
    return fail("produces are still taken 20 s after free space fell below the reserve")


def refusals(broker, client, expected):
    """Refused in every way of producing, and nothing of it kept."""
    batch = simple_batch([b"too much"])
    answer, taken = until_refused(client, "records", batch, len(expected))
    expected += [b"too much"] * taken
    check(answer["error_code"] in RETRIABLE, f"error {answer['error_code']} is not one that clients retry")
    message = answer["error_message"] or ""
    check(re.search(r"disk|space", message), f"the message does not say what is wrong: {message!r}")
    same("base offset of what is refused", answer["base_offset"], -1)
    sizes = log_sizes(broker, "records")
    for acks in (1, -1):
        for size in (10, 100_000):
            got = client.produce("records", simple_batch([b"y" * size]), acks=acks)
            same(f"error with acks={acks} and {size} bytes", got["error_code"], answer["error_code"])
    # Without acknowledgements a closed connection is the only way of saying no.
    with Client(broker) as silent:
        silent.send("Produce", 9, produce_body("records", batch, acks=0))
        try:
            silent.call("Metadata", 8, {"topics": []})
            hung_up = False
        except (Closed, OSError):
            hung_up = True
    same("acks=0 is refused by hanging up", hung_up, True)
    # An idempotent producer's refused batch leaves no trace either: it is the next one later.
    producer = client.new_producer()
    numbered = simple_batch([b"numbered"], producer_id=producer, producer_epoch=0, base_sequence=0)
    same("error of an idempotent produce", client.produce("records", numbered)["error_code"], answer["error_code"])
    same("log end after refused produces", client.offset("records", LATEST), len(expected))
    same("sizes of the log after refused produces", log_sizes(broker, "records"), sizes)
    status, errors = end_of(kcat(broker, "records", "by kcat", "-X", "retries=0"))
    check(status != 0 and "Broker:" in errors, f"kcat without retries: status {status}, {errors!r}")
    same("log end after kcat", client.offset("records", LATEST), len(expected))
    check(broker.logged("nearly full"), "the log does not tell that the disk is nearly full")
    passed(f"refused with error {answer['error_code']}: {message}; kcat: {errors.splitlines()[-1]}")
    return numbered


def everything_else(broker, client, expected):
    """Fetches, commits, metadata, making and deleting topics."""
    same("records that can be read", [value for _, value in client.read("records")], expected)
    same("error of a commit", client.commit("readers", "records", 7), 0)
    same("the commit", client.committed("readers", "records"), 7)
    same("brokers in Metadata", len(client.brokers()), 1)
    client.create_topic("made-meanwhile")
    client.delete_topic("doomed")
    directory = broker.partition_directory("doomed")
    eventually("the deleted topic's directory is gone", lambda: not os.path.exists(directory))
    held = [name for name in os.listdir(broker.data_directory) if name.startswith("doomed-0.")]
    eventually("and its files with it", lambda: not any(
        os.path.exists(os.path.join(broker.data_directory, name)) for name in held), seconds=20)
    passed("everything else goes on")


with Stage(seconds=150) as stage:
    mount_memory(stage.path("disk"), SIZE_MEBIBYTES)
    foreign = stage.path("disk", "foreign-file")
    broker = stage.broker({
        "log.dirs": stage.path("disk", "data"), "zurau.disk.reserve.bytes": RESERVE,
        "log.segment.delete.delay.ms": 500, "log.retention.check.interval.ms": 500,
    })
    broker.start()
    pid = broker.pid
    expected = [b"record %d" % number for number in range(100)]
    with Client(broker) as client:
        for name in ("records", "doomed"):
            client.create_topic(name)
            client.produce_values(name, expected)
        same("error of a commit while there is room", client.commit("readers", "records", 3), 0)
        leave_free(stage.path("disk"), foreign, RESERVE // 2)
        numbered = refusals(broker, client, expected)
        everything_else(broker, client, expected)
        # A producer that retries, as they all do, gets through when there is room again.
        patient = kcat(broker, "records", "patient", "-X", "message.timeout.ms=50000")
        time.sleep(3)
        same("a patient kcat waits", patient.poll(), None)
        os.unlink(foreign)
        emptied = time.monotonic()
        status, errors = end_of(patient)
        check(status == 0, f"the patient kcat: status {status}, {errors!r}")
        expected.append(b"patient")
        eventually("produces are taken again", lambda: client.produce("records", numbered)["error_code"] == 0)
        seconds = time.monotonic() - emptied
        expected.append(b"numbered")
        client.produce_values("records", [b"after"])
        expected.append(b"after")
        same("records", client.read("records"), list(enumerate(expected)))
        check(broker.alive() and broker.pid == pid, "the broker was not the same all the time")
        passed(f"recovered by itself after {seconds:.1f} s")

        # A start below the reserve serves what it has.
        leave_free(stage.path("disk"), foreign, RESERVE // 2)
    same("exit status below the reserve", broker.stop(), 0)
    broker.start()
    with Client(broker) as client:
        same("records after a start below the reserve", client.read("records"), list(enumerate(expected)))
        same("the commit after it", client.committed("readers", "records"), 7)
        check(client.produce("records", numbered)["error_code"] in RETRIABLE, "produces are taken below the reserve")
        os.unlink(foreign)
        eventually("produces are taken again", lambda: client.produce("records", simple_batch([b"end"]))["error_code"] == 0)
    same("exit status", broker.stop(), 0)
    print(f"figures: {free_bytes(stage.path('disk')) >> 20} MiB free at the end, served again {seconds:.1f} s after there was room")
