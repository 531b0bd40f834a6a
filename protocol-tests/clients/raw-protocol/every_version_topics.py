"""Topics, configurations and the cluster at every version of their APIs; auto-creation as the request asks for it."""

import uuid

from raw import BOOTSTRAP, PREFIX, check, connect, same, until, versions

connection = connect()


def one(name, version, body, key):
    return connection.call(name, version, body)[key][0]


for version in versions("CreateTopics"):
    name = f"{PREFIX}create-{version}"
    topic = {"name": name, "num_partitions": 2, "configs": [{"name": "retention.ms", "value": "1000"}]}
    answer = one("CreateTopics", version, {"topics": [topic], "validate_only": True}, "topics")
    same(f"CreateTopics v{version}, validated", (answer["name"], answer["error_code"]), (name, 0))
    answer = one("CreateTopics", version, {"topics": [topic]}, "topics")
    same(f"CreateTopics v{version}", (answer["name"], answer["error_code"]), (name, 0))
    if version >= 5:
        same(f"CreateTopics v{version}: what was made", (answer["num_partitions"], answer["replication_factor"]), (2, 1))
        configs = {entry["name"]: entry["value"] for entry in answer["configs"]}
        same(f"CreateTopics v{version}: its configs", (configs["retention.ms"], configs["cleanup.policy"]), ("1000", "delete"))
    if version >= 7:
        check(f"CreateTopics v{version}: an id", answer["topic_id"].int)
    answer = one("CreateTopics", version, {"topics": [topic]}, "topics")
    same(f"CreateTopics v{version}, twice", answer["error_code"], 36)
    # The same name twice in one request is the request's own fault.
    doubled = connection.call("CreateTopics", version, {"topics": [{"name": name + "-double"}, {"name": name + "-double"}]})
    same(f"CreateTopics v{version}, doubled in one request", {entry["error_code"] for entry in doubled["topics"]}, {42})

for version in versions("CreatePartitions"):
    name = f"{PREFIX}create-{min(versions('CreateTopics'))}"
    answer = one("CreatePartitions", version, {"topics": [{"name": name, "count": 3 + version, "assignments": None}]}, "results")
    same(f"CreatePartitions v{version}", (answer["name"], answer["error_code"]), (name, 0))
    answer = one("CreatePartitions", version, {"topics": [{"name": name, "count": 1, "assignments": None}]}, "results")
    same(f"CreatePartitions v{version}, fewer", answer["error_code"], 37)

# Metadata: by name, by id, all, none; unknown ones in their place; created or not as the flag says.
known = f"{PREFIX}create-{max(versions('CreateTopics'))}"
identity = None
for version in versions("Metadata"):
    until("metadata has arrived", lambda: not one("Metadata", version, {"topics": [{"name": known}]}, "topics")["error_code"])
    answer = connection.call("Metadata", version, {"topics": [{"name": known}]})
    same(f"Metadata v{version}: broker", [f"{b['host']}:{b['port']}" for b in answer["brokers"]], [BOOTSTRAP])
    topic = answer["topics"][0]
    same(f"Metadata v{version}: topic", (topic["name"], [p["partition_index"] for p in topic["partitions"]]), (known, [0, 1]))
    node = answer["brokers"][0]["node_id"]
    for partition in topic["partitions"]:
        same(f"Metadata v{version}: partition", (partition["leader_id"], partition["replica_nodes"], partition["isr_nodes"]), (node, [node], [node]))
        if version >= 7:
            same(f"Metadata v{version}: leader epoch", partition["leader_epoch"], 0)
    if version >= 1:
        same(f"Metadata v{version}: controller", answer["controller_id"], node)
        check(f"Metadata v{version}: all topics", known in [t["name"] for t in connection.call("Metadata", version, {"topics": None})["topics"]])
        same(f"Metadata v{version}: no topics", connection.call("Metadata", version, {"topics": []})["topics"], [])
    else:
        # In version 0 an empty list means all.
        check("Metadata v0: all topics", known in [t["name"] for t in connection.call("Metadata", 0, {"topics": []})["topics"]])
    if version >= 10:
        identity = identity or topic["topic_id"]
        same(f"Metadata v{version}: a stable id", topic["topic_id"], identity)
    if version >= 12:
        by_id = one("Metadata", version, {"topics": [{"topic_id": identity, "name": None}]}, "topics")
        same(f"Metadata v{version}: by id", (by_id["error_code"], by_id["name"]), (0, known))
        stranger = one("Metadata", version, {"topics": [{"topic_id": uuid.uuid4(), "name": None}]}, "topics")
        same(f"Metadata v{version}: by an unknown id", stranger["error_code"], 100)
    if 8 <= version <= 10:
        operations = connection.call("Metadata", version, {"topics": [], "include_cluster_authorized_operations": True})["cluster_authorized_operations"]
        check(f"Metadata v{version}: operations on the cluster", operations > 0, operations)
    if version >= 8:
        operations = one("Metadata", version, {"topics": [{"name": known}], "include_topic_authorized_operations": True}, "topics")
        check(f"Metadata v{version}: operations on the topic", operations["topic_authorized_operations"] > 0, operations)
        quiet = one("Metadata", version, {"topics": [{"name": known}]}, "topics")["topic_authorized_operations"]
        same(f"Metadata v{version}: not told when not asked", quiet, -(2**31))
    if version >= 4:
        never = f"{PREFIX}never-{version}"
        same(f"Metadata v{version}: unknown and not to be made",
             one("Metadata", version, {"topics": [{"name": never}], "allow_auto_topic_creation": False}, "topics")["error_code"], 3)
        same("it was not made", one("Metadata", version, {"topics": [{"name": never}]}, "topics")["error_code"], 3)
    made = f"{PREFIX}made-{version}"
    asked = {"topics": [{"name": made}], "allow_auto_topic_creation": True}
    first = one("Metadata", version, asked, "topics")["error_code"]
    check(f"Metadata v{version}: made on the way", first in (0, 3, 5), first)
    until("it is made", lambda: not one("Metadata", version, asked, "topics")["error_code"])
    bad = one("Metadata", version, {"topics": [{"name": "not a name"}], "allow_auto_topic_creation": True}, "topics")
    same(f"Metadata v{version}: an impossible name", bad["error_code"], 17)

for version in versions("DescribeConfigs"):
    asked = {"resources": [{"resource_type": 2, "resource_name": known, "configuration_keys": None}], "include_synonyms": True, "include_documentation": True}
    answer = one("DescribeConfigs", version, asked, "results")
    configs = {entry["name"]: entry for entry in answer["configs"]}
    same(f"DescribeConfigs v{version}", (answer["error_code"], answer["resource_name"], configs["retention.ms"]["value"]), (0, known, "1000"))
    same(f"DescribeConfigs v{version}: source", (configs["retention.ms"]["config_source"], configs["segment.bytes"]["config_source"]), (1, 5))
    same(f"DescribeConfigs v{version}: synonyms", [s["name"] for s in configs["segment.bytes"]["synonyms"]], ["log.segment.bytes"])
    if version >= 3:
        # Types: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list.
        kinds = {key: configs[key]["config_type"] for key in ("retention.ms", "segment.bytes", "cleanup.policy", "preallocate", "min.cleanable.dirty.ratio", "compression.type")}
        same(f"DescribeConfigs v{version}: types", kinds, {"retention.ms": 5, "segment.bytes": 3, "cleanup.policy": 7, "preallocate": 1,
                                                          "min.cleanable.dirty.ratio": 6, "compression.type": 2})
        check(f"DescribeConfigs v{version}: documentation", configs["retention.ms"]["documentation"])
    some = {"resources": [{"resource_type": 2, "resource_name": known, "configuration_keys": ["retention.ms", "no.such"]}]}
    answer = one("DescribeConfigs", version, some, "results")
    same(f"DescribeConfigs v{version}: only what was asked", [entry["name"] for entry in answer["configs"]], ["retention.ms"])
    same(f"DescribeConfigs v{version}: unknown topic", one("DescribeConfigs", version, {"resources": [
        {"resource_type": 2, "resource_name": PREFIX + "never-was", "configuration_keys": None}]}, "results")["error_code"], 3)

for version in versions("DescribeCluster"):
    answer = connection.call("DescribeCluster", version, {"include_cluster_authorized_operations": True})
    same(f"DescribeCluster v{version}", (answer["error_code"], [f"{b['host']}:{b['port']}" for b in answer["brokers"]]), (0, [BOOTSTRAP]))
    check(f"DescribeCluster v{version}: operations", answer["cluster_authorized_operations"] > 0, answer)

# DescribeTopicPartitions: sorted by name, page by page.
names = sorted(f"{PREFIX}create-{version}" for version in versions("CreateTopics"))
seen, cursor, pages = [], None, 0
while pages == 0 or cursor:
    body = {"topics": [{"name": name} for name in names], "response_partition_limit": 3, "cursor": cursor}
    answer = connection.call("DescribeTopicPartitions", 0, body)
    seen += [(t["name"], p["partition_index"]) for t in answer["topics"] for p in t["partitions"]]
    check("no page is too large", sum(len(t["partitions"]) for t in answer["topics"]) <= 3, answer)
    cursor = answer["next_cursor"]
    pages += 1
    check("pages come to an end", pages < 50)
same("DescribeTopicPartitions, all pages", seen, sorted(set(seen)))
same("every topic is on them", sorted({name for name, _ in seen}), names)
same("an unknown topic", one("DescribeTopicPartitions", 0, {"topics": [{"name": PREFIX + "never-was"}]}, "topics")["error_code"], 3)

for version, making in zip(versions("DeleteTopics"), versions("CreateTopics")):
    name = f"{PREFIX}create-{making}"
    body = {"topic_names": [name], "topics": [{"name": name}]}
    answer = one("DeleteTopics", version, body, "responses")
    same(f"DeleteTopics v{version}", (answer["name"], answer["error_code"]), (name, 0))
    until("it is gone", lambda: one("Metadata", 4, {"topics": [{"name": name}]}, "topics")["error_code"] == 3)
    same(f"DeleteTopics v{version}, twice", one("DeleteTopics", version, body, "responses")["error_code"], 3)
# By id, from version 6 on.
name = PREFIX + "by-id"
made = one("CreateTopics", 7, {"topics": [{"name": name}]}, "topics")
answer = one("DeleteTopics", 6, {"topics": [{"topic_id": made["topic_id"], "name": None}]}, "responses")
same("DeleteTopics v6 by id", (answer["error_code"], answer["name"]), (0, name))
answer = one("DeleteTopics", 6, {"topics": [{"topic_id": uuid.uuid4(), "name": None}]}, "responses")
same("DeleteTopics v6 by an unknown id", answer["error_code"], 100)

# ApiVersions itself: header v0 at every version, its own range included, Produce from 0 on for old librdkafka.
for version in versions("ApiVersions"):
    answer = connection.call("ApiVersions", version, {})
    ranges = {entry["api_key"]: (entry["min_version"], entry["max_version"]) for entry in answer["api_keys"]}
    same(f"ApiVersions v{version}", (answer["error_code"], ranges[18][0], ranges[0][0]), (0, 0, 0))
connection.socket.close()
