"""What a group wants to have written cannot be: it is too large for a batch of its log, or the disk is full. Who asked
hears it, the group goes on, and one line says which operation of which group it was, why, and the cure."""

import os
import subprocess
import time

from client import NOT_YET, Client
from mounts import enter_private_namespace, leave_free, mount_memory
from stage import Stage, check, eventually, passed, same

enter_private_namespace()
SIZE_MEBIBYTES = 64
UNKNOWN_SERVER_ERROR, REBALANCE_IN_PROGRESS = -1, 27
LINE = "coordinator operation not written"
GROUP = "members"


def join(client, member=""):
    """(member id, generation) of the only member, in a version that needs no second request for the id."""
    body = {"group_id": GROUP, "session_timeout_ms": 30000, "rebalance_timeout_ms": 30000, "member_id": member,
            "protocol_type": "consumer", "protocols": [{"name": "range", "metadata": b""}]}
    answer = client.call("JoinGroup", 3, body)
    same("error of JoinGroup", answer["error_code"], 0)
    return answer["member_id"], answer["generation_id"]


def sync(client, member, generation, assignment):
    assignments = [{"member_id": member, "assignment": assignment}]
    body = {"group_id": GROUP, "generation_id": generation, "member_id": member, "assignments": assignments}
    return client.call("SyncGroup", 2, body)


def heartbeat(client, member, generation):
    return client.call("Heartbeat", 1, {"group_id": GROUP, "generation_id": generation, "member_id": member})["error_code"]


def too_large(stage):
    broker = stage.broker(name="too-large")
    broker.start()
    with Client(broker) as client:
        client.create_topic("records")
        client.find_coordinator(GROUP)
        member, generation = join(client)
        large = os.urandom(1_200_000)
        # A client that does so again and again must not fill the log.
        began = time.monotonic()
        for _ in range(120):
            same("error of SyncGroup", sync(client, member, generation, large)["error_code"], UNKNOWN_SERVER_ERROR)
            same("error of Heartbeat", heartbeat(client, member, generation), REBALANCE_IN_PROGRESS)
            member, generation = join(client, member)
        answer = sync(client, member, generation, b"small")
        same("SyncGroup with room", (answer["error_code"], answer["assignment"]), (0, b"small"))
        partitions = [{"partition_index": 0, "committed_offset": 5, "committed_metadata": "x" * 4000}] * 300
        body = {"group_id": "readers", "topics": [{"name": "records", "partitions": partitions}]}
        codes = {row["error_code"] for row in client.call("OffsetCommit", 8, body)["topics"][0]["partitions"]}
        same("errors of a commit that is too large", codes, {UNKNOWN_SERVER_ERROR})
        same("error of a commit", client.commit("readers", "records", 3), 0)
    lines = broker.logged(" WARN ", LINE)
    allowed = 50 * (2 + (time.monotonic() - began) / 10)
    check(0 < len(lines) <= allowed, f"{len(lines)} lines for 121 writes that were refused")
    for word in (f"key={GROUP}", "SyncGroup", "max.message.bytes", "most="):
        check(word in lines[0], f"{word} is not in the line {lines[0]}")
    same("exit status", broker.stop(), 0)
    passed(f"too large: {lines[0]}")


class Reader:
    """A kcat that is a member of a group and commits as it reads, as long as the broker is away too."""

    def __init__(self, stage, broker):
        self.path = stage.path("kcat.out")
        with open(self.path, "wb") as output:
            self.process = subprocess.Popen(
                ["kcat", "-E", "-u", "-q", "-b", broker.bootstrap, "-X", "auto.commit.interval.ms=100", "-X", "auto.offset.reset=earliest",
                 "-X", "reconnect.backoff.max.ms=500", "-G", GROUP, "records"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL)

    def values(self):
        with open(self.path, "rb") as output:
            return output.read().splitlines()


def disk_full(stage):
    disk = stage.path("disk")
    foreign = os.path.join(disk, "foreign-file")
    mount_memory(disk, SIZE_MEBIBYTES)
    broker = stage.broker({"log.dirs": os.path.join(disk, "data"), "zurau.disk.reserve.bytes": 0}, name="disk-full")
    broker.start()
    with Client(broker) as client:
        client.create_topic("records")
        client.produce_values("records", [b"one"])
        reader = Reader(stage, broker)
        try:
            eventually("the member reads", lambda: reader.values() == [b"one"], seconds=30)
            eventually("and commits", lambda: client.committed(GROUP, "records") == 1, seconds=30)
            leave_free(disk, foreign, 0)
            # Commits are all that is written now.
            eventually("a commit is refused", lambda: client.commit("readers", "records", 5, seconds=0) != 0, seconds=60)
            error = client.commit("readers", "records", 5, seconds=0)
            check(error in NOT_YET, f"error {error} of a commit is not one that sends clients to look for the coordinator")
            lines = broker.logged(" ERROR ", LINE)
            check(lines, "the log does not say what could not be written")
            for word in ("OffsetCommit", "key=", "cure="):
                check(word in lines[0], f"{word} is not in the line {lines[0]}")
            check(len(lines) < 5, f"{len(lines)} lines for one directory")
            same("exit status", broker.stop(), 0)
            os.unlink(foreign)
            broker.start()
            with Client(broker) as again:
                again.produce_values("records", [b"two"])
                eventually("the member goes on", lambda: b"two" in reader.values(), seconds=60)
                eventually("and commits", lambda: again.committed(GROUP, "records") == 2, seconds=60)
            same("what the member has read", reader.values(), [b"one", b"two"])
        finally:
            reader.process.kill()
            reader.process.wait()
    same("exit status", broker.stop(), 0)
    passed(f"disk full: {lines[0]}")


with Stage(seconds=150) as stage:
    for step in (too_large, disk_full):
        stage.step(step)
