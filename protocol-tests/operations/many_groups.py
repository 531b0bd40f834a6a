"""Many groups, a large group, and many committed offsets: what they cost, and whom they hold up.

Numbers are printed; what is checked leaves room for a busy machine, except where it is about order: a heartbeat writes
nothing, and a partition of __consumer_offsets that is loading holds up no other.
"""

import os
import struct
import time

from client import NOT_YET, Client
from stage import Stage, check, eventually, passed, same

from wire.connection import decode_response, encode_request, frame
from wire.messages import APIS

GROUPS = MEMBERS = 1_000
PARTITIONS = 100
HEARTBEATS = 100_000
# So many requests of a connection are on their way; the broker reads no more than 64.
WINDOW = 50
# Answers of one size: all that matters is the error.
HEARTBEAT_ANSWER = struct.Struct(">8xih")
TICKS = os.sysconf("SC_CLK_TCK")
COORDINATOR_LOAD_IN_PROGRESS = 14
REBALANCE_IN_PROGRESS = 27


def cpu_seconds(broker):
    with open(f"/proc/{broker.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def log_bytes(broker, partitions):
    """How long the partitions of __consumer_offsets are."""
    paths = [path for partition in range(partitions) for path in broker.files("__consumer_offsets", ".log", partition)]
    return sum(os.path.getsize(path) for path in paths)


def request(api, version, body):
    return frame(encode_request(APIS[api], version, body))


def join_request(group, member="", session_timeout_ms=60_000):
    body = {"group_id": group, "session_timeout_ms": session_timeout_ms, "rebalance_timeout_ms": 60_000, "member_id": member,
            "protocol_type": "consumer", "protocols": [{"name": "range", "metadata": b"\0\0\0\0\0\0\xff\xff\xff\xff"}]}
    # In a version that needs no second request for the id.
    return request("JoinGroup", 3, body)


def sync_request(group, member, generation, assignments=()):
    assignments = [{"member_id": name, "assignment": b"its part"} for name in assignments]
    return request("SyncGroup", 2, {"group_id": group, "generation_id": generation, "member_id": member,
                                    "assignments": assignments})


def heartbeat_request(group, member, generation):
    return request("Heartbeat", 1, {"group_id": group, "generation_id": generation, "member_id": member})


def answers(connection, api, version, count):
    return [decode_response(APIS[api], version, connection.receive_frame()) for _ in range(count)]


def in_windows(connection, api, version, requests):
    """The answers to requests that none of them waits for."""
    found = []
    for at in range(0, len(requests), WINDOW):
        part = requests[at : at + WINDOW]
        connection.send_bytes(b"".join(part))
        found += answers(connection, api, version, len(part))
    return found


def heartbeats(connection, requests, count, answer=HEARTBEAT_ANSWER):
    """Sends them in turn, and returns the errors: the fast form of the above, for answers of one size."""
    size, errors = answer.size, set()
    windows = [requests[at : at + WINDOW] for at in range(0, len(requests), WINDOW)]
    windows = [(b"".join(part), len(part)) for part in windows]
    sent = 0
    while sent < count:
        for data, length in windows:
            connection.send_bytes(data)
            got = connection._exactly(size * length)
            errors.update(error for _, error in answer.iter_unpack(got))
            sent += length
    return sent, errors


def measured_heartbeats(broker, connection, requests, partitions, answer=HEARTBEAT_ANSWER):
    heartbeats(connection, requests, len(requests), answer)
    before, cpu, began = log_bytes(broker, partitions), cpu_seconds(broker), time.monotonic()
    sent, errors = heartbeats(connection, requests, HEARTBEATS, answer)
    seconds, cpu = time.monotonic() - began, cpu_seconds(broker) - cpu
    same("errors of heartbeats", errors, {0})
    same("bytes that heartbeats have written", log_bytes(broker, partitions) - before, 0)
    per_100_000 = cpu * 100_000 / sent
    check(per_100_000 < 10, f"100,000 heartbeats cost {per_100_000:.2f} CPU s")
    return f"{sent} heartbeats: {per_100_000:.2f} CPU s per 100,000, {seconds:.1f} s in all, nothing written"


def many_groups(stage):
    """Each with one member, over all partitions of the internal topic."""
    broker = stage.broker({"offsets.topic.num.partitions": 50})
    broker.start()
    names = [f"group-{number}" for number in range(GROUPS)]
    with Client(broker) as client:
        for name in names:
            client.find_coordinator(name)
        eventually("the groups can be joined", lambda: not in_windows(
            client, "JoinGroup", 3, [join_request("first")])[0]["error_code"])
        cpu, began = cpu_seconds(broker), time.monotonic()
        joined = in_windows(client, "JoinGroup", 3, [join_request(name) for name in names])
        same("errors of JoinGroup", {answer["error_code"] for answer in joined}, {0})
        places = [(name, answer["member_id"], answer["generation_id"]) for name, answer in zip(names, joined)]
        requests = [sync_request(*place, assignments=[place[1]]) for place in places]
        synced = in_windows(client, "SyncGroup", 2, requests)
        same("errors of SyncGroup", {answer["error_code"] for answer in synced}, {0})
        print(f"{GROUPS} groups with a member: {time.monotonic() - began:.2f} s, {cpu_seconds(broker) - cpu:.2f} CPU s", flush=True)
        requests = [heartbeat_request(*place) for place in places]
        text = measured_heartbeats(broker, client, requests, 50)
        listed = client.call("ListGroups", 4, {"states_filter": ["Stable"]})["groups"]
        same("stable groups", len(listed), GROUPS)
    same("exit status", broker.stop(), 0)
    passed(f"{GROUPS} groups, {text}")


class Crowd:
    """The members of one group, each with a connection, as clients have it: a join holds up what comes behind it."""

    def __init__(self, broker):
        self.connections = [Client(broker, timeout=60) for _ in range(MEMBERS)]
        self.members = [""] * MEMBERS
        self.generation = self.leader = None

    def close(self):
        for connection in self.connections:
            connection.socket.close()

    def ask(self, api, version, requests):
        """All at once; the answers may depend on all."""
        for connection, one in zip(self.connections, requests):
            connection.send_bytes(one)
        return [answers(connection, api, version, 1)[0] for connection, _ in zip(self.connections, requests)]

    def join(self):
        """A rebalance in which all are."""
        joined = self.ask("JoinGroup", 3, [join_request("crowd", member) for member in self.members])
        same("errors of JoinGroup", {answer["error_code"] for answer in joined}, {0})
        self.members = [answer["member_id"] for answer in joined]
        self.leader = joined[0]["leader"]
        generations = {answer["generation_id"] for answer in joined}
        same("one generation", len(generations), 1)
        self.generation = generations.pop()
        told = [len(answer["members"]) for answer in joined]
        same("members that are told to the leader, and to others", sorted(told)[-2:], [0, len(joined)])

    def sync(self):
        def one(member):
            told = self.members if member == self.leader else ()
            return sync_request("crowd", member, self.generation, told)

        synced = self.ask("SyncGroup", 2, [one(member) for member in self.members])
        same("answers of SyncGroup", {(answer["error_code"], answer["assignment"]) for answer in synced}, {(0, b"its part")})


def one_large_group(stage):
    """A rebalance of all members, their heartbeats, and another rebalance because one of them leaves."""
    # All join before the first rebalance ends.
    broker = stage.broker({"offsets.topic.num.partitions": 1, "group.initial.rebalance.delay.ms": 3000})
    broker.start()
    with Client(broker) as client:
        client.find_coordinator("crowd")
        eventually("the coordinator is there", lambda: client.commit("other", "nothing", 0) not in NOT_YET)
        crowd = Crowd(broker)
        try:
            cpu, before = cpu_seconds(broker), log_bytes(broker, 1)
            crowd.join()
            crowd.sync()
            print(f"{MEMBERS} members joined: {cpu_seconds(broker) - cpu:.2f} CPU s, {log_bytes(broker, 1) - before} bytes", flush=True)
            requests = [heartbeat_request("crowd", member, crowd.generation) for member in crowd.members]
            text = measured_heartbeats(broker, client, requests, 1)
            body = {"group_id": "crowd", "member_id": crowd.members.pop()}
            cpu, before, began = cpu_seconds(broker), log_bytes(broker, 1), time.monotonic()
            same("error of LeaveGroup", client.call("LeaveGroup", 1, body)["error_code"], 0)
            _, errors = heartbeats(client, requests[:WINDOW], WINDOW)
            same("errors of heartbeats then", errors, {REBALANCE_IN_PROGRESS})
            crowd.join()
            crowd.sync()
            print(f"a rebalance of {len(crowd.members)}: {time.monotonic() - began:.2f} s, {cpu_seconds(broker) - cpu:.2f} CPU s, "
                  f"{log_bytes(broker, 1) - before} bytes", flush=True)
        finally:
            crowd.close()
    same("exit status", broker.stop(), 0)
    passed(f"a group of {MEMBERS}, {text}")


# The consumer protocol ------------------------------------------------------------------------

CONSUMER = "ConsumerGroupHeartbeat"


def consumer_heartbeat(group, member, epoch, **others):
    return request(CONSUMER, 1, {"group_id": group, "member_id": member, "member_epoch": epoch, "rebalance_timeout_ms": -1, **others})


def consumer_join(group, member):
    return consumer_heartbeat(group, member, 0, rebalance_timeout_ms=60_000, subscribed_topic_names=["read"],
                              topic_partitions=[])


def settle(client, group, members):
    """Heartbeats until nothing changes any more: (member, epoch), and the number of partitions that they have."""
    places = {member: 0 for member in members}
    owned = {member: [] for member in members}
    requests = [consumer_join(group, member) for member in members]
    for _ in range(200):
        changes = 0
        for member, answer in zip(members, in_windows(client, CONSUMER, 1, requests)):
            same("error of a heartbeat", answer["error_code"], 0)
            if answer["assignment"] is not None:
                owned[member] = answer["assignment"]["topic_partitions"]
                changes += 1
            changes += places[member] != answer["member_epoch"]
            places[member] = answer["member_epoch"]
        if not changes and len(set(places.values())) == 1:
            break
        requests = [consumer_heartbeat(group, member, places[member], topic_partitions=owned[member]) for member in members]
        time.sleep(0.1)
    check(not changes, f"{group} does not settle: {len(set(places.values()))} epochs")
    parts = [(topic["topic_id"], number) for topics in owned.values() for topic in topics for number in topic["partitions"]]
    same("partitions that have two owners", len(parts) - len(set(parts)), 0)
    return list(places.items()), len(parts)


def consumer_groups(stage):
    """A thousand groups of one member, and one of a thousand, whose members the broker assigns."""
    broker = stage.broker({"offsets.topic.num.partitions": 1, "group.consumer.assignment.interval.ms": 0})
    broker.start()
    with Client(broker, timeout=60) as client:
        api = APIS[CONSUMER]
        if api.key not in client.versions():
            print("this broker does not serve the consumer protocol", flush=True)
            return
        client.create_topic("read", partitions=PARTITIONS)
        same("error of a commit", client.commit("first", "read", 0), 0)
        cpu, before, began = cpu_seconds(broker), log_bytes(broker, 1), time.monotonic()
        members = [f"member-{number:04}" for number in range(MEMBERS)]
        places, assigned = settle(client, "crowd", members)
        same("assigned partitions", assigned, PARTITIONS)
        print(f"{MEMBERS} members of the consumer protocol joined: {time.monotonic() - began:.2f} s, "
              f"{cpu_seconds(broker) - cpu:.2f} CPU s, {log_bytes(broker, 1) - before} bytes", flush=True)
        requests = [consumer_heartbeat("crowd", member, epoch) for member, epoch in places]
        client.send_bytes(requests[0])
        # Throttle time, then the error; the member's id and what has not changed follow.
        tail = len(client.receive_frame()) - 4 - 1 - 6
        text = measured_heartbeats(broker, client, requests, 1, struct.Struct(f">9xih{tail}x"))
        passed(f"a consumer group of {MEMBERS}, {text}")
        cpu, began = cpu_seconds(broker), time.monotonic()
        names = [f"group-{number:04}" for number in range(GROUPS)]
        joined = in_windows(client, CONSUMER, 1, [consumer_join(name, "a-member") for name in names])
        same("errors of joins", {answer["error_code"] for answer in joined}, {0})
        print(f"{GROUPS} consumer groups with a member: {time.monotonic() - began:.2f} s, {cpu_seconds(broker) - cpu:.2f} CPU s", flush=True)
        requests = [consumer_heartbeat(name, "a-member", answer["member_epoch"]) for name, answer in zip(names, joined)]
        # The first says once more what is assigned until the member has said that it has it.
        owned = [consumer_heartbeat(name, "a-member", answer["member_epoch"], topic_partitions=answer["assignment"]["topic_partitions"])
                 for name, answer in zip(names, joined)]
        in_windows(client, CONSUMER, 1, owned)
        client.send_bytes(requests[0])
        tail = len(client.receive_frame()) - 4 - 1 - 6
        text = measured_heartbeats(broker, client, requests, 1, struct.Struct(f">9xih{tail}x"))
    same("exit status", broker.stop(), 0)
    passed(f"{GROUPS} consumer groups, {text}")


# A million offsets, all on one of two partitions of the internal topic ------------------------

OFFSET_GROUPS = 10_000


def partition_of(group, partitions):
    """Where Kafka puts a group: by the hash of Java's strings."""
    number = 0
    for letter in group:
        number = (31 * number + ord(letter)) & 0xFFFFFFFF
    return (number & 0x7FFFFFFF) % partitions


def fetch_body(group):
    return {"group_id": group, "topics": [{"name": "read", "partition_indexes": [PARTITIONS - 1]}]}


def a_million_offsets(stage):
    """They are loaded in seconds. Meanwhile their coordinator says so, and the other one serves."""
    broker = stage.broker({"offsets.topic.num.partitions": 2})
    broker.start()
    names = (f"g{number:06}" for number in range(10 * OFFSET_GROUPS))
    crowded, other = [], None
    for name in names:
        if partition_of(name, 2) == 1:
            other = name
        elif len(crowded) < OFFSET_GROUPS:
            crowded.append(name)
        else:
            break
    offsets = [{"partition_index": number, "committed_offset": number, "committed_metadata": ""} for number in range(PARTITIONS)]
    with Client(broker, timeout=60) as client:
        client.create_topic("read", partitions=PARTITIONS)
        for name in (crowded[0], other):
            same("error of a commit", client.commit(name, "read", 7), 0)
        # The id of the group is all that differs.
        template = request("OffsetCommit", 5, {"group_id": "g------", "topics": [{"name": "read", "partitions": offsets}]})
        cpu, began = cpu_seconds(broker), time.monotonic()
        committed = in_windows(client, "OffsetCommit", 5, [template.replace(b"g------", name.encode()) for name in crowded])
        errors = {row["error_code"] for answer in committed for row in answer["topics"][0]["partitions"]}
        same("errors of commits", errors, {0})
        print(f"{OFFSET_GROUPS * PARTITIONS} commits: {time.monotonic() - began:.1f} s, {cpu_seconds(broker) - cpu:.2f} CPU s, "
              f"{log_bytes(broker, 2)} bytes", flush=True)
    same("exit status", broker.stop(), 0)
    broker.start()
    began, refusals, others, slowest = time.monotonic(), 0, 0, 0
    with Client(broker) as client, Client(broker) as beside:
        while True:
            answer = client.call("OffsetFetch", 5, fetch_body(crowded[-1]))
            if not answer["error_code"]:
                break
            check(answer["error_code"] in NOT_YET, f"error {answer['error_code']} while offsets are loaded")
            refusals += answer["error_code"] == COORDINATOR_LOAD_IN_PROGRESS
            asked = time.monotonic()
            served = beside.call("OffsetFetch", 5, {**fetch_body(other), "topics": [{"name": "read", "partition_indexes": [0]}]})
            if not served["error_code"]:
                others += 1
                slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.002)
        seconds = time.monotonic() - began
        same("an offset", answer["topics"][0]["partitions"][0]["committed_offset"], PARTITIONS - 1)
    print(f"loaded after {seconds:.2f} s, {cpu_seconds(broker):.2f} CPU s since the start", flush=True)
    check(refusals > 0, "nobody was told that the offsets were being loaded")
    check(others > 0, "the other partition answered only when this one was loaded")
    check(seconds < 30, f"a million offsets were loaded in {seconds:.1f} s")
    same("exit status", broker.stop(), 0)
    passed(f"{OFFSET_GROUPS * PARTITIONS} offsets loaded in {seconds:.2f} s; meanwhile {refusals} were refused here, {others} served "
           f"beside within {slowest * 1000:.0f} ms")


with Stage(seconds=280) as stage:
    for step in (many_groups, one_large_group, consumer_groups, a_million_offsets):
        stage.step(step)
