"""Two log directories, of which one fails: its partitions are offline, everything else goes on.

The failing one is on a small file system of its own that is filled to the last byte. What it holds is not
made anew in the other, neither while the broker runs nor when it starts without it; when it is back, so is
every acknowledged record. Without the directory of the metadata log nothing can be created, and what is in the
others is served.
"""

import os
import shutil

from client import KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER, Client
from mounts import enter_private_namespace, leave_free, mount_memory
from one_shot import overrides, run
from stage import Stage, check, eventually, passed, same

from wire.records import simple_batch

enter_private_namespace()
LOG_DIR_NOT_FOUND = 57
UNKNOWN_TOPIC_OR_PARTITION = 3


def describe(client):
    """A dict from directory to (error, {(topic, partition): is future})."""
    answer = client.call("DescribeLogDirs", 4, {"topics": None})
    same("error of DescribeLogDirs", answer["error_code"], 0)
    found = {}
    for directory in answer["results"]:
        replicas = {(topic["name"], entry["partition_index"]): entry["is_future_key"]
                    for topic in directory["topics"] for entry in topic["partitions"]}
        if not directory["error_code"]:
            check(0 <= directory["usable_bytes"] <= directory["total_bytes"], f"space: {directory}")
        found[directory["log_dir"]] = (directory["error_code"], replicas)
    return found


def alter(client, path, topic, partition):
    body = {"dirs": [{"path": path, "topics": [{"name": topic, "partitions": [partition]}]}]}
    return client.call("AlterReplicaLogDirs", 2, body)["results"][0]["partitions"][0]["error_code"]


def fill(client, good, bad, acknowledged, partitions):
    """Writes to the bad directory until that fails."""
    for number in range(1000):
        value = b"%06d " % number + b"z" * 50_000
        answer = client.produce("records", simple_batch([value]), bad)
        if answer["error_code"]:
            check(answer["error_code"] in (KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER), f"error {answer}")
            return
        acknowledged[bad].append(value)
    check(False, "a full disk takes everything")


def offline(stage, broker, client, good, bad, directories):
    """What the failure of one directory leaves."""
    seen = eventually("the partition has no leader", lambda: leaderless(client, bad))
    same("offline replicas", (seen["offline_replicas"], seen["isr_nodes"]), ([1], [1]))
    same("error of a produce", client.produce("records", simple_batch([b"late"]), bad)["error_code"], KAFKA_STORAGE_ERROR)
    same("error of a fetch", client.fetch("records", 0, bad)["error_code"], KAFKA_STORAGE_ERROR)
    found = describe(client)
    same("errors of the directories", [found[path][0] for path in directories], [0, KAFKA_STORAGE_ERROR])
    same("what is described of an offline directory", found[directories[1]][1], {})
    same("error of a move to it", alter(client, directories[1], "records", good), KAFKA_STORAGE_ERROR)
    same("error of a move from it", alter(client, directories[0], "records", bad), KAFKA_STORAGE_ERROR)
    check(broker.alive(), "the broker has ended")
    check(any(directories[1] in line for line in broker.logged("goes offline")), "the log does not name the directory")


def leaderless(client, partition):
    seen = next(entry for entry in client.describe("records")["partitions"] if entry["partition_index"] == partition)
    return seen if seen["leader_id"] == -1 else None


def one_fails(stage):
    mount_memory(stage.path("disk"), 16)
    directories = [stage.path("first"), stage.path("disk", "second")]
    broker = stage.broker({"log.dirs": ",".join(directories), "zurau.disk.reserve.bytes": 0})
    broker.start()
    acknowledged = {0: [], 1: []}
    with Client(broker) as client:
        client.create_topic("records", 2)
        places = {partition: path for path, (_, replicas) in describe(client).items() for _, partition in replicas}
        same("directories in use", sorted(places.values()), sorted(directories))
        good, bad = (partition for path in directories for partition in places if places[partition] == path)
        for partition in (good, bad):
            for number in range(20):
                value = b"%06d early" % number
                client.produce_values("records", [value], partition)
                acknowledged[partition].append(value)
        same("error of no directory", alter(client, "/nowhere", "records", 0), LOG_DIR_NOT_FOUND)
        same("error of no topic", alter(client, directories[1], "later", 0), UNKNOWN_TOPIC_OR_PARTITION)
        foreign = stage.path("disk", "foreign-file")
        leave_free(stage.path("disk"), foreign, 630_000)
        fill(client, good, bad, acknowledged, places)
        offline(stage, broker, client, good, bad, directories)
        client.produce_values("records", [b"while it is offline"], good)
        acknowledged[good].append(b"while it is offline")
        client.create_topic("new", 3)
        for partition in range(3):
            client.produce_values("new", [b"new"], partition)
        same("commits go on where they can", client.commit("readers", "records", 3) in (0, 15, 16), True)
        check(not os.path.exists(os.path.join(directories[0], f"records-{bad}")), "the lost partition was made anew")
    same("exit status", broker.stop(), 0)
    markers = [os.path.exists(os.path.join(path, ".kafka_cleanshutdown")) for path in directories]
    same("markers of a clean stop", markers, [True, False])
    passed("one directory fails, the other serves")

    # The disk is gone at the start.
    os.unlink(foreign)
    os.rename(directories[1], directories[1] + "-away")
    with open(directories[1], "w") as file:
        file.write("no directory")
    broker.start()
    with Client(broker) as client:
        check(leaderless(client, bad), "a partition leads whose directory is missing")
        same("error of a fetch", client.fetch("records", 0, bad)["error_code"], KAFKA_STORAGE_ERROR)
        same("errors of the directories", [describe(client)[path][0] for path in directories], [0, KAFKA_STORAGE_ERROR])
        same("the good partition", [value for _, value in client.read("records", good)], acknowledged[good])
        client.create_topic("newer", 2)
        client.delete_topic("new")
        check(not os.path.exists(os.path.join(directories[0], f"records-{bad}")), "the lost partition was made anew")
    same("exit status", broker.stop(), 0)
    passed("it starts without one directory")

    os.unlink(directories[1])
    os.rename(directories[1] + "-away", directories[1])
    broker.start()
    with Client(broker) as client:
        for partition in (good, bad):
            stored = [value for _, value in client.read("records", partition)]
            same(f"records of partition {partition}", stored[:len(acknowledged[partition])] == acknowledged[partition], True)
            same("a new record", client.produce_values("records", [b"after"], partition), len(stored))
        same("error of a move", alter(client, directories[0], "records", bad), 0)
        eventually("the replica has moved", lambda: describe(client)[directories[0]][1].get(("records", bad)) is False)
        stored = [value for _, value in client.read("records", bad)]
        same("records after the move", stored[:len(acknowledged[bad])] == acknowledged[bad], True)
    same("exit status", broker.stop(), 0)
    passed("everything is back")


def metadata_fails(stage):
    """The other way round: what is known of the cluster is on the disk that fails. (Kafka ends then.)"""
    mount_memory(stage.path("metadata-disk"), 16)
    directories = [stage.path("metadata-disk", "first"), stage.path("second")]
    broker = stage.broker({"log.dirs": ",".join(directories), "zurau.disk.reserve.bytes": 0})
    broker.start()
    with Client(broker) as client:
        client.create_topic("records", 2)
        good = next(partition for _, partition in describe(client)[directories[1]][1])
        client.produce_values("records", [b"before"], good)
        leave_free(stage.path("metadata-disk"), stage.path("metadata-disk", "foreign-file"), 0)
        body = {"topics": [{"name": "more"}], "timeout_ms": 3000}
        eventually("nothing can be created", lambda: client.call("CreateTopics", 7, body)["topics"][0]["error_code"] not in (0, 36))
        client.produce_values("records", [b"after"], good)
        same("records in the other directory", [value for _, value in client.read("records", good)], [b"before", b"after"])
        same("errors of the directories", [describe(client)[path][0] for path in directories], [KAFKA_STORAGE_ERROR, 0])
    same("exit status", broker.stop(), 0)
    passed("without the metadata log nothing is created, and the other directory serves")


def confusions(stage):
    """Directories that do not belong together: one line that says what is wrong."""
    first, second, copy = (stage.path("confused", name) for name in ("first", "second", "copy"))
    broker = stage.broker({"log.dirs": f"{first},{second}"})
    broker.start()
    same("exit status", broker.stop(), 0)
    shutil.copytree(second, copy)
    for settings, word in (
            ({"log.dirs": f"{first},{second},{copy}"}, "directory.id"),
            ({"log.dirs": f"{second},{first}"}, "metadata log"),
            ({"log.dirs": f"{first},{first}"}, "repetitions"),
            ({"log.dirs": f"{first},{second}", "node.id": 7}, "node.id"),
    ):
        ended = run(*overrides({**settings, "listeners": "PLAINTEXT://127.0.0.1:0"}), seconds=30)
        lines = [line for line in ended.error_lines() if line.startswith("zurau: ")]
        same(f"status and lines of a start with {settings}", (ended.status, len(lines)), (1, 1))
        check(word in lines[0], f"{lines[0]!r} does not say {word}")
    passed("confusions are refused in one line")


with Stage(seconds=110) as stage:
    stage.step(one_fails)
    stage.step(metadata_fails)
    stage.step(confusions)
