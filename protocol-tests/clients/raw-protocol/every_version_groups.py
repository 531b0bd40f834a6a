"""Every group API at every version: a member joins, syncs, beats, commits, is described, leaves; the group is deleted."""

from raw import PREFIX, check, connect, create_topic, same, until, versions

MEMBER_ID_REQUIRED = 79

name, topic_id = create_topic("every-version-groups", 2)
connection = connect()


def subscription():
    return b"\0\0\0\0\0\1" + len(name).to_bytes(2, "big") + name.encode() + b"\xff\xff\xff\xff"


def join(group, version, **more):
    """Joins as the only member, in one step or two as the version has it; the last answer."""
    body = {"group_id": group, "protocols": [{"name": "range", "metadata": subscription()}], **more}
    answer = connection.call("JoinGroup", version, body)
    if version >= 4 and not more:
        same(f"JoinGroup v{version} without a member id", answer["error_code"], MEMBER_ID_REQUIRED)
        check("a member id is given", answer["member_id"])
        answer = connection.call("JoinGroup", version, {**body, "member_id": answer["member_id"]})
    same(f"JoinGroup v{version}", answer["error_code"], 0)
    return answer


def sync(group, version, joined):
    body = {"group_id": group, "generation_id": joined["generation_id"], "member_id": joined["member_id"],
            "protocol_type": "consumer", "protocol_name": "range",
            "assignments": [{"member_id": joined["member_id"], "assignment": b"\0\0\0\0\0\0 assigned"}]}
    return connection.call("SyncGroup", version, body)


# The first question for a coordinator may have to wait for the internal topic.
until("there is a coordinator", lambda: not connection.call("FindCoordinator", 3, {"key": PREFIX + "a"})["error_code"])
until("it serves", lambda: not connection.call("OffsetFetch", 5, {"group_id": PREFIX + "a", "topics": None})["error_code"])

# FindCoordinator, singly and from v4 on for many.
for version in versions("FindCoordinator"):
    answer = connection.call("FindCoordinator", version, {"key": PREFIX + "a", "coordinator_keys": [PREFIX + "a", PREFIX + "b"]})
    found = answer["coordinators"] if version >= 4 else [answer]
    for entry in found:
        same(f"FindCoordinator v{version}", (entry["error_code"], f"{entry['host']}:{entry['port']}"),
             (0, f"{connection.socket.getpeername()[0]}:{connection.socket.getpeername()[1]}"))
    same(f"FindCoordinator v{version}: one answer per key", {entry.get("key") for entry in found},
         {PREFIX + "a", PREFIX + "b"} if version >= 4 else {None})

# One group per version of JoinGroup; the other APIs run through their versions in it.
for version in versions("JoinGroup"):
    group = f"{PREFIX}join-{version}"
    joined = join(group, version)
    same(f"JoinGroup v{version}: the only member leads", joined["leader"], joined["member_id"])
    same(f"JoinGroup v{version}: protocol", joined["protocol_name"], "range")
    same(f"JoinGroup v{version}: members", [(m["member_id"], m["metadata"]) for m in joined["members"]],
         [(joined["member_id"], subscription())])
    if version >= 7:
        same(f"JoinGroup v{version}: protocol type", joined["protocol_type"], "consumer")
    if version >= 9:
        same(f"JoinGroup v{version}: the leader assigns", joined["skip_assignment"], False)
    synced = sync(group, min(version, max(versions("SyncGroup"))), joined)
    same(f"sync after JoinGroup v{version}", (synced["error_code"], synced["assignment"]), (0, b"\0\0\0\0\0\0 assigned"))

group = PREFIX + "one"
joined = join(group, 5)
for version in versions("SyncGroup"):
    answer = sync(group, version, joined)
    same(f"SyncGroup v{version}", (answer["error_code"], answer["assignment"]), (0, b"\0\0\0\0\0\0 assigned"))
    if version >= 5:
        same(f"SyncGroup v{version}: protocol", (answer["protocol_type"], answer["protocol_name"]), ("consumer", "range"))
membership = {"group_id": group, "generation_id": joined["generation_id"], "member_id": joined["member_id"]}
for version in versions("Heartbeat"):
    same(f"Heartbeat v{version}", connection.call("Heartbeat", version, membership)["error_code"], 0)
    old = {**membership, "generation_id": joined["generation_id"] + 1}
    same(f"Heartbeat v{version} of another generation", connection.call("Heartbeat", version, old)["error_code"], 22)
    stranger = {**membership, "member_id": "stranger"}
    same(f"Heartbeat v{version} of a stranger", connection.call("Heartbeat", version, stranger)["error_code"], 25)

# Commits by the member, by a stranger, by an old generation; and reading them back.
offset = 0
for version in versions("OffsetCommit"):
    offset += 1
    entry = {"name": name, "topic_id": topic_id, "partitions": [
        {"partition_index": 0, "committed_offset": offset, "committed_leader_epoch": 0, "committed_metadata": f"note {version}"}]}
    # Version 0 of committing knew no members; from 1 on a commit says whose it is.
    answer = connection.call("OffsetCommit", version, {**membership, "topics": [entry]})
    same(f"OffsetCommit v{version}", answer["topics"][0]["partitions"][0]["error_code"], 0)
    for what, wrong, code in (("a stranger", {"member_id": "stranger"}, 25), ("an old generation", {"generation_id": 99}, 22)):
        answer = connection.call("OffsetCommit", version, {**membership, **wrong, "topics": [entry]})
        same(f"OffsetCommit v{version} by {what}", answer["topics"][0]["partitions"][0]["error_code"], code)
    for reading in versions("OffsetFetch"):
        asked = [{"name": name, "topic_id": topic_id, "partition_indexes": [0, 1]}]
        answer = connection.call("OffsetFetch", reading, {"group_id": group, "topics": asked, "groups": [{"group_id": group, "topics": asked}]})
        found = answer["groups"][0] if reading >= 8 else answer
        same(f"OffsetFetch v{reading}", found.get("error_code", 0), 0)
        pairs = [(p["partition_index"], p["committed_offset"], p["metadata"] or "", p["error_code"]) for p in found["topics"][0]["partitions"]]
        same(f"OffsetFetch v{reading} after OffsetCommit v{version}", pairs, [(0, offset, f"note {version}", 0), (1, -1, "", 0)])
        if reading >= 2:
            everything = connection.call("OffsetFetch", reading, {"group_id": group, "topics": None, "groups": [{"group_id": group, "topics": None}]})
            found = everything["groups"][0] if reading >= 8 else everything
            same(f"OffsetFetch v{reading} of everything", [len(t["partitions"]) for t in found["topics"]], [1])

# Described and listed, with what each version adds.
for version in versions("DescribeGroups"):
    answer = connection.call("DescribeGroups", version, {"groups": [group, PREFIX + "never-was"], "include_authorized_operations": True})
    # The order of the answers is the broker's own.
    found, missing = sorted(answer["groups"], key=lambda entry: entry["group_id"] != group)
    same(f"DescribeGroups v{version}", (found["error_code"], found["group_id"], found["group_state"], found["protocol_type"], found["protocol_data"]),
         (0, group, "Stable", "consumer", "range"))
    member = found["members"][0]
    same(f"DescribeGroups v{version}: member", (member["member_id"], member["client_id"], member["member_assignment"]),
         (joined["member_id"], "protocol-tests", b"\0\0\0\0\0\0 assigned"))
    # A group that is not there was once told as a dead one; since v6 it is an error.
    same(f"DescribeGroups v{version}: unknown group", (missing["error_code"], missing["group_state"]), (69 if version >= 6 else 0, "Dead"))
for version in versions("ListGroups"):
    answer = connection.call("ListGroups", version, {})
    found = [entry for entry in answer["groups"] if entry["group_id"] == group]
    same(f"ListGroups v{version}", (answer["error_code"], [entry["protocol_type"] for entry in found]), (0, ["consumer"]))
    if version >= 4:
        same(f"ListGroups v{version}: state", found[0]["group_state"], "Stable")
        empty = connection.call("ListGroups", version, {"states_filter": ["Empty"]})["groups"]
        check(f"ListGroups v{version}: filtered by state", group not in [entry["group_id"] for entry in empty])
    if version >= 5:
        same(f"ListGroups v{version}: type", found[0]["group_type"].lower(), "classic")

# Offsets of a subscribed topic may not be deleted while the member lives.
body = {"group_id": group, "topics": [{"name": name, "partitions": [{"partition_index": 0}]}]}
answer = connection.call("OffsetDelete", 0, body)
same("OffsetDelete of a subscribed topic", (answer["error_code"], answer["topics"][0]["partitions"][0]["error_code"]), (0, 86))
for version in versions("DeleteGroups"):
    answer = connection.call("DeleteGroups", version, {"groups_names": [group, PREFIX + "never-was"]})
    same(f"DeleteGroups v{version}", {entry["group_id"]: entry["error_code"] for entry in answer["results"]},
         {group: 68, PREFIX + "never-was": 69})

# Leaving at every version: join anew each time.
for version in versions("LeaveGroup"):
    leaving = f"{PREFIX}leave-{version}"
    member = join(leaving, 5)
    body = {"group_id": leaving, "member_id": member["member_id"], "members": [{"member_id": member["member_id"]}]}
    answer = connection.call("LeaveGroup", version, body)
    same(f"LeaveGroup v{version}", answer["error_code"], 0)
    if version >= 3:
        same(f"LeaveGroup v{version}: members", [(m["member_id"], m["error_code"]) for m in answer["members"]], [(member["member_id"], 0)])
    same("the group is empty", connection.call("DescribeGroups", 5, {"groups": [leaving]})["groups"][0]["group_state"], "Empty")
connection.call("LeaveGroup", 3, {"group_id": group, "members": [{"member_id": joined["member_id"]}]})
answer = connection.call("OffsetDelete", 0, {"group_id": group, "topics": [{"name": name, "partitions": [{"partition_index": 0}]}]})
same("OffsetDelete when nobody is subscribed", (answer["error_code"], answer["topics"][0]["partitions"][0]["error_code"]), (0, 0))
same("OffsetDelete in an unknown group", connection.call("OffsetDelete", 0, {"group_id": PREFIX + "never-was"})["error_code"], 69)
for version in versions("DeleteGroups"):
    gone = f"{PREFIX}leave-{version}"
    same(f"DeleteGroups v{version} of an empty group", connection.call("DeleteGroups", version, {"groups_names": [gone]})["results"][0]["error_code"], 0)
connection.socket.close()
