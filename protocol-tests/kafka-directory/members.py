"""Members of groups of both protocols that outlive the broker that they have joined, each time in the midst of a change.

No client lets us do that: here a member is its id, its epoch and what it owns, and whoever is asking.
"""

import glob
import json
import os
import subprocess

from client import Client
from stage import check, eventually, fail, same

GROUP = "outliving"
CLASSIC = "outliving-classic"
TOPIC = "read-by-members"
PARTITIONS = 6
UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, STALE_MEMBER_EPOCH = 25, 110, 113
# What a consumer group of members with assignments is in the internal topic, by the numbers of its keys.
KINDS = {"3", "5", "6", "7", "8"}


class Member:
    def __init__(self, name, topic_id, instance=None):
        self.name = name
        self.topic_id = topic_id
        self.instance = instance
        self.epoch = 0
        self.owned = []

    def beat(self, client, owned=None, epoch=None):
        """A heartbeat, with what it owns if it tells so; returns the answer."""
        body = {"group_id": GROUP, "member_id": self.name, "instance_id": self.instance,
                "member_epoch": self.epoch if epoch is None else epoch}
        if body["member_epoch"] == 0:
            body.update(rebalance_timeout_ms=600_000, subscribed_topic_names=[TOPIC], topic_partitions=[])
        elif owned is not None:
            body["topic_partitions"] = [{"topic_id": self.topic_id, "partitions": owned}] if owned else []
        return client.call("ConsumerGroupHeartbeat", 1, body)

    def goes_on(self, client, owned=None):
        answer = self.beat(client, owned)
        same(f"{self.name}: error of a heartbeat", (answer["error_code"], answer["error_message"]), (0, None))
        self.epoch = answer["member_epoch"]
        if answer["assignment"] is not None:
            self.owned = sorted(number for topic in answer["assignment"]["topic_partitions"] for number in topic["partitions"])

    def commits(self, client, offset, partition, epoch):
        partitions = [{"partition_index": partition, "committed_offset": offset}]
        body = {"group_id": GROUP, "member_id": self.name, "generation_id": epoch,
                "topics": [{"name": TOPIC, "partitions": partitions}]}
        return client.call("OffsetCommit", 9, body)["topics"][0]["partitions"][0]["error_code"]


class OutlivingMembers:
    def __init__(self):
        self.topic_id = None
        self.members = []
        self.described = None
        self.classic = None
        self.count = 0

    def join(self, client, instance=None):
        self.count += 1
        member = Member(f"member-{self.count}", self.topic_id, instance)
        member.goes_on(client)
        self.members.append(member)

    def settle(self, client):
        """Every member gives back what it must and takes what it is given, until nothing changes."""
        def rounds():
            for member in self.members:
                member.goes_on(client, member.owned)
            state = self.describe(client)["group_state"]
            return state == "Stable" and sum(len(member.owned) for member in self.members) == PARTITIONS
        eventually("the members are settled", rounds, seconds=60)
        owned = sorted(number for member in self.members for number in member.owned)
        same("owned partitions", owned, list(range(PARTITIONS)))

    def describe(self, client):
        group = client.call("ConsumerGroupDescribe", 1, {"group_ids": [GROUP]})["groups"][0]
        same("error of a description", (group["error_code"], group["error_message"]), (0, None))
        group["members"].sort(key=lambda member: member["member_id"])
        for member in group["members"]:
            for assignment in (member["assignment"], member["target_assignment"]):
                for topic in assignment["topic_partitions"]:
                    topic["partitions"].sort()
        return group

    def describe_classic(self, client):
        return client.call("DescribeGroups", 5, {"groups": [CLASSIC]})["groups"][0]

    def go_on(self, broker, stay):
        """What the broker before has left is there, and its members go on with this one."""
        with Client(broker) as client:
            client.find_coordinator(GROUP)
            client.find_coordinator(CLASSIC)
            if self.topic_id is None:
                self.topic_id = client.create_topic(TOPIC, PARTITIONS)
                self.begin(client)
                return
            eventually("the group is loaded", lambda: client.call(
                "ConsumerGroupDescribe", 1, {"group_ids": [GROUP]})["groups"][0]["error_code"] not in (14, 15, 16))
            same("the group's description", self.describe(client), self.described[0])
            same("the classic group's description", self.describe_classic(client), self.described[1])
            for member in self.members:
                wrong = member.beat(client, epoch=member.epoch + 1)
                same(f"error of {member.name} with another epoch", wrong["error_code"], FENCED_MEMBER_EPOCH)
            same("error of a stranger", Member("nobody", self.topic_id).beat(client, epoch=1)["error_code"], UNKNOWN_MEMBER_ID)
            for member in self.members:
                for partition in member.owned:
                    same(f"{member.name} commits", member.commits(client, 100 * stay + partition, partition, member.epoch), 0)
                same("a commit of an epoch to come", member.commits(client, 1, 0, member.epoch + 1), STALE_MEMBER_EPOCH)
            self.settle(client)
            generation, member_id = self.classic
            answer = client.call("Heartbeat", 3, {"group_id": CLASSIC, "generation_id": generation, "member_id": member_id})
            same("error of the classic member's heartbeat", answer["error_code"], 0)

    def begin(self, client):
        def joined():
            answer = client.call("JoinGroup", 3, {
                "group_id": CLASSIC, "session_timeout_ms": 600_000, "rebalance_timeout_ms": 60_000, "protocol_type": "consumer",
                "protocols": [{"name": "range", "metadata": b"what a member wants"}]})
            self.classic = (answer["generation_id"], answer["member_id"])
            return answer["error_code"] == 0
        eventually("the classic member joins", joined)
        generation, member_id = self.classic
        answer = client.call("SyncGroup", 3, {"group_id": CLASSIC, "generation_id": generation, "member_id": member_id,
                                              "assignments": [{"member_id": member_id, "assignment": b"what it gets"}]})
        same("error of SyncGroup", answer["error_code"], 0)
        first = Member("member-0", self.topic_id, "instance")
        eventually("the coordinator is loaded", lambda: client.call(
            "ConsumerGroupDescribe", 1, {"group_ids": [GROUP]})["groups"][0]["error_code"] not in (14, 15, 16))
        first.goes_on(client)
        self.members.append(first)
        self.settle(client)

    def leave_in_the_midst(self, broker):
        """One goes, two come, and of those who must give something back one has and one has not."""
        with Client(broker) as client:
            if len(self.members) > 3:
                gone = self.members.pop(1)
                same("error of leaving", gone.beat(client, epoch=-1)["error_code"], 0)
                self.settle(client)
            self.join(client)
            self.join(client)
            # The assignments are a second apart.
            eventually("a target for all members", lambda: [member.goes_on(client) for member in self.members] and (
                lambda group: group["group_epoch"] == group["assignment_epoch"])(self.describe(client)), seconds=30)
            self.members[0].goes_on(client)
            check(any(member["assignment"] != member["target_assignment"] for member in self.describe(client)["members"]),
                  "the group has nothing left to do")
            self.described = (self.describe(client), self.describe_classic(client))


def decoded(root, data):
    """What Kafka's dump tool says of the group in the internal topic: its kinds of records, each readable."""
    classpath = subprocess.run([os.path.join(root, "kafka-peer", "classpath")], check=True, capture_output=True, text=True).stdout.strip()
    files = ",".join(sorted(glob.glob(os.path.join(data, "__consumer_offsets-*", "*.log"))))
    done = subprocess.run(["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classpath,
                           "org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", files], capture_output=True, text=True)
    same("status of the dump tool", done.returncode, 0)
    kinds = set()
    for line in done.stdout.splitlines():
        if " key: " not in line:
            continue
        record = line.split(" key: ", 1)[1]
        if not record.startswith("{"):
            fail(f"the dump tool cannot read {record[:300]}")
        key, _, payload = record.partition(" payload: ")
        key = json.loads(key)
        if not (payload.startswith("{") or payload == "<DELETE>"):
            fail(f"the dump tool cannot read {record[:300]}")
        if key["data"].get("groupId") == GROUP:
            kinds.add(str(key["type"]))
    check(kinds >= KINDS, f"the group's records are of the kinds {sorted(kinds)}")
