"""Topics, settings, and what there is to see of a cluster and to change in it."""

import re
import sys

from tools import BOOTSTRAP, IS_KAFKA, PREFIX, Tools, in_file

TOPIC = PREFIX + "t"


def topics(tools):
    tools.call("topics", "--create", "--topic", TOPIC, "--partitions", 3, "--config", "retention.ms=86400000").is_exactly(
        f"Created topic {TOPIC}.")
    tools.call("topics", "--list").is_exactly(TOPIC)
    tools.call("topics", "--alter", "--topic", TOPIC, "--partitions", 4)
    told = tools.call("topics", "--describe", "--topic", TOPIC)
    told.has(r"PartitionCount: 4\tReplicationFactor: 1\tConfigs: .*retention\.ms=86400000")
    told.has(*(rf"Partition: {number}\tLeader: 1\tReplicas: 1\tIsr: 1" for number in range(4)))
    tools.call("topics", "--describe", "--topics-with-overrides").has(rf"^Topic: {TOPIC}\t")
    for state in ("--unavailable-partitions", "--under-replicated-partitions", "--under-min-isr-partitions"):
        tools.call("topics", "--describe", state).is_exactly()
    told = tools.call("topics", "--describe", "--at-min-isr-partitions")
    if len(told.lines) != 4:
        told.fail("does not show four partitions")
    tools.call("topics", "--create", "--topic", TOPIC, status=1).has(rf"Topic '{TOPIC}' already exists")
    tools.call("topics", "--create", "--if-not-exists", "--topic", TOPIC)
    tools.call("topics", "--create", "--topic", PREFIX + "r", "--replication-factor", 2, status=1).has("replication factor of 2")
    tools.call("topics", "--create", "--topic", PREFIX + "assigned", "--replica-assignment", "1,1")
    tools.call("topics", "--delete", "--topic", PREFIX + "assigned")
    tools.call("topics", "--delete", "--topic", PREFIX + "missing", status=1).has("does not exist")
    tools.call("topics", "--list").is_exactly(TOPIC)


def settings_of_topics(tools):
    topic = ("--entity-type", "topics", "--entity-name", TOPIC)
    tools.call("configs", "--alter", *topic, "--add-config", "cleanup.policy=[compact,delete],max.message.bytes=2000000")
    described = ("configs", "--describe", *topic)
    told = tools.call(*described).has("cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:")
    told.has("^  max.message.bytes=2000000 ", "^  retention.ms=86400000 ")
    tools.call("configs", "--describe", "--all", *topic).has("^  segment.bytes=1073741824 ", "^  flush.ms=9223372036854775807 ")
    tools.call("configs", "--alter", *topic, "--delete-config", "cleanup.policy,max.message.bytes")
    told = tools.call(*described)
    if "cleanup.policy" in told.output:
        told.fail("still has a deleted setting")
    tools.call("configs", "--alter", *topic, "--add-config", "retention.ms=soon", status=1).warns("soon")
    tools.call("configs", "--describe", "--entity-type", "topics").has(f"^Dynamic configs for topic {TOPIC} are:")


def settings_of_brokers(tools):
    one, all_brokers = ("--entity-type", "brokers", "--entity-name", 1), ("--entity-type", "brokers", "--entity-default")
    tools.call("configs", "--describe", *one, "--all").has("^  auto.create.topics.enable=true ", "^  log.retention.hours=168 ")
    tools.call("configs", "--alter", *all_brokers, "--add-config", "log.retention.ms=7654321").is_exactly(
        "Completed updating default config for brokers in the cluster.")
    tools.shows_change(
        ("configs", "--describe", "--entity-type", "brokers"),
        "^Dynamic configs for broker 1 are:", "^Default configs for brokers in the cluster are:",
        "log.retention.ms=7654321 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=7654321")
    tools.call("configs", "--alter", *all_brokers, "--delete-config", "log.retention.ms")
    tools.call("configs", "--alter", *one, "--add-config", "message.max.bytes=2097152")
    tools.shows_change(("configs", "--describe", *one), "^  message.max.bytes=2097152 ")
    tools.call("configs", "--alter", *one, "--delete-config", "message.max.bytes").is_exactly(
        "Completed updating config for broker 1.")
    tools.call("configs", "--alter", *one, "--add-config", "listeners=PLAINTEXT://:1", status=1)


def settings_of_others(tools):
    """Whoever has none; and what is not served says so."""
    for kind in ("users", "clients", "ips"):
        tools.call("configs", "--describe", "--entity-type", kind).is_exactly()
    tools.call("configs", "--describe", "--entity-type", "users", "--entity-name", "anna").is_exactly()
    tools.call("configs", "--describe", "--entity-type", "clients", "--entity-name", "c").is_exactly()
    tools.call("configs", "--describe", "--entity-type", "users", "--entity-default").is_exactly()
    for kind in ("groups", "client-metrics"):
        tools.call("configs", "--describe", "--entity-type", kind).is_exactly()
    tools.call("configs", "--describe", "--entity-type", "groups", "--entity-name", "g").has("'g' doesn't exist")
    tools.call("client-metrics", "--list").is_exactly()
    tools.call("client-metrics", "--describe").is_exactly()
    tools.call("configs", "--describe", "--entity-type", "broker-loggers", "--entity-name", 1).has("^Dynamic configs for broker-logger 1")
    nothing = in_file("nothing.properties", "")
    tools.call("delegation-tokens", "--describe", "--command-config", nothing, status=1).warns("DELEGATION_TOKEN|Delegation Token")
    if not IS_KAFKA:
        metrics = ("--name", "m", "--metrics", "org.apache.kafka.producer.", "--interval", 10000)
        tools.call("client-metrics", "--alter", *metrics, status=1)
        quota = ("--entity-type", "clients", "--entity-name", "c", "--add-config", "producer_byte_rate=1000000")
        tools.call("configs", "--alter", *quota, status=1).warns("does not support ALTER_CLIENT_QUOTAS")
        secret = ("--entity-type", "users", "--entity-name", "anna", "--add-config", "SCRAM-SHA-256=[password=secret]")
        tools.call("configs", "--alter", *secret, status=1).warns("does not support ALTER_USER_SCRAM_CREDENTIALS")


def acls(tools):
    for words in (["--list"], ["--add", "--allow-principal", "User:anna", "--operation", "Read", "--topic", TOPIC],
                  ["--remove", "--force", "--allow-principal", "User:anna", "--operation", "Read", "--topic", TOPIC]):
        tools.call("acls", *words, status=1).has("SecurityDisabledException: No Authorizer is configured")


def elections(tools):
    tools.call("leader-election", "--election-type", "preferred", "--all-topic-partitions").is_exactly()
    for kind in ("preferred", "unclean"):
        tools.call("leader-election", "--election-type", kind, "--topic", TOPIC, "--partition", 0).is_exactly(
            f"Valid replica already elected for partitions {TOPIC}-0")
    some = in_file("elect.json", {"partitions": [{"topic": TOPIC, "partition": number} for number in (0, 1)]})
    told = tools.call("leader-election", "--election-type", "preferred", "--path-to-json-file", some)
    told.has(f"already elected for partitions .*{TOPIC}-1", f"already elected for partitions .*{TOPIC}-0")
    missing = ("leader-election", "--election-type", "preferred", "--topic", PREFIX + "missing", "--partition", 0)
    tools.call(*missing, status=1).has("UnknownTopicOrPartitionException: No such topic").warns("1 replica.s. could not be elected")


def quorum(tools):
    told = tools.call("metadata-quorum", "describe", "--status")
    told.has(r"^LeaderId: +1$", r"^LeaderEpoch: +[1-9]", r"^HighWatermark: +[1-9]", r"^MaxFollowerLag: +0$",
             r'^CurrentVoters: +\[{"id": 1', r"^CurrentObservers: +\[\]$")
    cluster_id = re.search(r"^ClusterId: +(\S+)$", told.output, re.MULTILINE)[1]
    tools.call("cluster", "cluster-id").is_exactly(f"Cluster ID: {cluster_id}")
    row = r"^1 .*\d+ +\t0 +\t\d+ +\t\d+ +\tLeader"
    tools.call("metadata-quorum", "describe", "--replication").has(row)
    tools.call("metadata-quorum", "describe", "--replication", "--human-readable").has(r"\d+ ms ago .*\d+ ms ago .*Leader")
    words = ("remove-controller", "--controller-id", 1, "--controller-directory-id", cluster_id)
    tools.call("metadata-quorum", *words, status=1).warns("UnsupportedVersionException")


def features(tools):
    told = tools.call("features", "describe").has(r"^Feature: metadata\.version\s+SupportedMinVersion: 3\.3-IV3\s")
    # The tool has names for the levels that there were when it was made, and numbers for newer ones.
    named = re.search(r"^Feature: metadata\.version .*FinalizedVersionLevel: (?:UNKNOWN (\d+)|(\S+))", told.output, re.MULTILINE)
    level = named[1] or {"4.3-IV0": "30", "4.4-IV2": "33"}[named[2]]
    tools.call("features", "upgrade", "--feature", f"metadata.version={level}").is_exactly(
        f"metadata.version was upgraded to {level}.")
    for extra in ([], ["--dry-run"]):
        told = tools.call("features", "downgrade", "--feature", "metadata.version=29", *extra, status=1)
        told.has("not downgrade metadata.version to 29.*might delete metadata")
    tools.call("features", "downgrade", "--unsafe", "--metadata", "3.9", status=1).has("Unsafe metadata downgrade is not supported")
    tools.call("features", "upgrade", "--feature", "nonsense=1", status=1).has("does not support this feature")
    tools.call("features", "disable", "--feature", "nonsense", status=1).has("Feature nonsense not found")
    if not IS_KAFKA:
        told = tools.call("features", "upgrade", "--release-version", "4.3" if named[1] else "4.4", status=1)
        told.has("Could not upgrade share.version to.*does not support this feature")


def cluster(tools):
    address = rf"^1 +127\.0\.0\.1 +{BOOTSTRAP.rpartition(':')[2]} +null +unfenced +broker"
    tools.call("cluster", "list-endpoints").has(address)
    tools.call("cluster", "list-endpoints", "--include-fenced-brokers").has(address)
    tools.call("cluster", "unregister", "--id", 7, status=1).warns("Broker ID 7 is not currently registered")
    if not IS_KAFKA:
        # Kafka does it, and its partitions have no leader from then on.
        tools.call("cluster", "unregister", "--id", 1, status=1).warns("Broker 1 is running. Stop it before it is unregistered.")
    told = tools.call("broker-api-versions").has(r"^127\.0\.0\.1:\d+ \(id: 1 ", r"\tProduce\(0\): 0 to 13 \[usable: 13\]")
    if IS_KAFKA:
        return
    for served in ("ElectLeaders", "AlterPartitionReassignments", "ListPartitionReassignments", "DescribeQuorum",
                   "UpdateFeatures", "UnregisterBroker", "ListConfigResources"):
        told.has(rf"\t{served}\(\d+\): 0.* \[usable: \d\]")
    told.has(r"\tAlterClientQuotas\(49\): UNSUPPORTED")


def main():
    steps = [topics, settings_of_topics, settings_of_brokers, settings_of_others, acls, elections, quorum, features, cluster]
    with Tools() as tools:
        for step in steps:
            step(tools)


if __name__ == "__main__":
    sys.exit(main())
