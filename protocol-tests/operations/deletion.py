"""A deleted topic: its directory is renamed, then removed; a topic of the same name is a new one."""

import os
import re
import time

from client import NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, Client, batches_of, fetch_body
from stage import Stage, check, eventually, passed, same

from wire.connection import decode_response
from wire.messages import APIS
from wire.records import simple_batch

DELAY_SECONDS = 3
SETTINGS = {
    "log.segment.delete.delay.ms": DELAY_SECONDS * 1000,
    "log.retention.check.interval.ms": 300,
    "log.initial.task.delay.ms": 100,
    "auto.create.topics.enable": "false",
}


def renamed(broker, topic):
    """Directories of deleted replicas of this topic, by partition."""
    pattern = re.compile(re.escape(topic) + r"-(\d+)\.[0-9a-f]{32}-delete")
    found = [(pattern.fullmatch(name), name) for name in os.listdir(broker.data_directory)]
    return {int(match[1]): os.path.join(broker.data_directory, name) for match, name in found if match}


def fetch_by_id(client, topic_id):
    """Error of a fetch that names the topic by its id, as new consumers do."""
    asked = {"topic_id": topic_id, "partitions": [{"partition": 0, "fetch_offset": 0}]}
    answer = client.call("Fetch", 13, {"topics": [asked]})
    return answer["error_code"] or answer["responses"][0]["partitions"][0]["error_code"]


def produce_by_id(client, topic_id):
    data = [{"topic_id": topic_id, "partition_data": [{"index": 0, "records": simple_batch([b"lost"])}]}]
    return client.call("Produce", 13, {"topic_data": data})["responses"][0]["partition_responses"][0]["error_code"]


def metadata_id(broker, topic):
    with open(os.path.join(broker.partition_directory(topic), "partition.metadata")) as file:
        return file.read().splitlines()


def delete_and_make_again(broker, client):
    first = client.create_topic("again", partitions=3)
    for partition in range(3):
        client.produce_values("again", [b"old"] * 10, partition)
    same("error of a fetch by id", fetch_by_id(client, first), 0)
    same("error of a commit", client.commit("readers", "again", 8), 0)
    client.delete_topic("again")
    eventually("Metadata forgets the topic", lambda: client.describe("again")["error_code"] == UNKNOWN_TOPIC_OR_PARTITION)
    same("error of a produce", client.produce("again", simple_batch([b"late"]))["error_code"], UNKNOWN_TOPIC_OR_PARTITION)
    same("error of a fetch", client.fetch("again", 0)["error_code"], UNKNOWN_TOPIC_OR_PARTITION)
    same("error of a fetch by the old id", fetch_by_id(client, first), UNKNOWN_TOPIC_ID)
    waiting = eventually("all three directories are renamed", lambda: len(renamed(broker, "again")) == 3 and renamed(broker, "again"))
    for partition in range(3):
        check(not os.path.exists(broker.partition_directory("again", partition)), f"again-{partition} is still there")
    check(os.listdir(waiting[0]), "the files are gone at once, not after the delay")

    # The same name at once, while the files of the first are still there.
    second = client.create_topic("again", partitions=2)
    check(second != first, f"the new topic has the old id {first}")
    same("partitions of the new topic", len(client.describe("again")["partitions"]), 2)
    for partition in range(2):
        same("range of the new topic", client.range("again", partition), (0, 0))
    same("what the commit of the old topic has become", client.committed("readers", "again"), -1)
    same("error of a fetch by the old id", fetch_by_id(client, first), UNKNOWN_TOPIC_ID)
    same("error of a produce by the old id", produce_by_id(client, first), UNKNOWN_TOPIC_ID)
    same("first offset in the new topic", client.produce_values("again", [b"new"]), 0)
    got = client.fetch("again", 0)
    same("batches in the new topic", len(list(batches_of(got["records"]))), 1)
    lines = metadata_id(broker, "again")
    check(lines[0] == "version: 0" and re.fullmatch(r"topic_id: [A-Za-z0-9_-]{22}", lines[1]), f"partition.metadata: {lines}")
    eventually("the old directories are removed", lambda: not renamed(broker, "again"), seconds=DELAY_SECONDS + 15)
    same("and the new topic is unharmed", client.read("again"), [(0, b"new")])
    passed("deleted and made again")
    return second


def waiting_fetch(_stage, broker):
    """A fetch that waits for records of a topic is told when the topic goes, not when its time is up."""
    with Client(broker) as client, Client(broker, timeout=30) as waiting:
        client.create_topic("awaited")
        client.produce_values("awaited", [b"value"])
        correlation = waiting.send("Fetch", 11, fetch_body("awaited", 1, max_wait_ms=20000, min_bytes=1))
        time.sleep(0.3)
        client.delete_topic("awaited")
        began = time.monotonic()
        answer = decode_response(APIS["Fetch"], 11, waiting.receive_frame(), correlation)
        seconds = time.monotonic() - began
    error = answer["responses"][0]["partitions"][0]["error_code"]
    check(seconds < 5, f"a waiting fetch is answered (with error {error}) {seconds:.1f} s after its topic was deleted")
    check(error in (UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER), f"error {error} of a fetch from a topic that is gone")
    passed("a waiting fetch")


def many_lives(client):
    """A name that is used again and again never shows an earlier life's records."""
    seen = set()
    for life in range(8):
        seen.add(client.create_topic("reborn"))
        same(f"range in life {life}", client.range("reborn"), (0, 0))
        client.produce_values("reborn", [b"%d" % life] * (life + 1))
        same(f"records in life {life}", client.read("reborn"), [(index, b"%d" % life) for index in range(life + 1)])
        client.delete_topic("reborn")
    same("ids of eight lives", len(seen), 8)
    passed("many lives")


def over_restarts(broker, second):
    """What was deleted stays so, whether the broker was stopped or killed in between."""
    with Client(broker) as client:
        client.create_topic("stopped")
        client.produce_values("stopped", [b"value"])
        client.delete_topic("stopped")
    same("exit status", broker.stop(), 0)
    broker.start()
    with Client(broker) as client:
        same("error in Metadata after a start", client.describe("stopped")["error_code"], UNKNOWN_TOPIC_OR_PARTITION)
        same("id of the topic that was kept", client.describe("again")["topic_id"], second)
        same("its records", client.read("again"), [(0, b"new")])
        client.create_topic("killed")
        client.produce_values("killed", [b"value"])
        client.delete_topic("killed")
    broker.kill9()
    broker.start()
    with Client(broker) as client:
        same("error in Metadata after SIGKILL", client.describe("killed")["error_code"], UNKNOWN_TOPIC_OR_PARTITION)
        client.create_topic("killed")
        same("range of a new topic of that name", client.range("killed"), (0, 0))
        same("id of the topic that was kept", client.describe("again")["topic_id"], second)
    for name in ("stopped", "killed", "reborn"):
        eventually(f"directories of {name} are removed", lambda: not renamed(broker, name), seconds=DELAY_SECONDS + 15)
    # A topic whose deletion was cut off by SIGKILL may be found as one that metadata does not know (Kafka does so).
    strays = [name for name in os.listdir(broker.data_directory)
              if name.endswith("-delete") or name.endswith("-stray") and not name.startswith("killed-0.")]
    same("directories set aside", strays, [])
    same("exit status", broker.stop(), 0)
    passed("over restarts")


with Stage(seconds=100) as stage:
    broker = stage.broker(SETTINGS)
    broker.start()
    with Client(broker) as client:
        second = delete_and_make_again(broker, client)
        many_lives(client)
    over_restarts(broker, second)
    broker.start()
    stage.step(waiting_fetch, broker)
    same("exit status", broker.stop(), 0)
