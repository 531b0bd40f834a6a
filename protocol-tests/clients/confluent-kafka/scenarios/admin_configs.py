"""DescribeConfigs: every key of a topic and of the broker with value, source, read-only mark and synonyms."""

from confluent_kafka import KafkaError
from confluent_kafka.admin import ConfigResource, ConfigSource, NewTopic

from expectations import PATIENCE_SECONDS, check, same, until
from session import PREFIX, admin, refused

TOPIC_DEFAULTS = {
    "cleanup.policy": "delete",
    "compression.gzip.level": "-1",
    "compression.lz4.level": "9",
    "compression.type": "producer",
    "compression.zstd.level": "3",
    "delete.retention.ms": "86400000",
    "file.delete.delay.ms": "60000",
    "flush.messages": "9223372036854775807",
    "flush.ms": "9223372036854775807",
    "index.interval.bytes": "4096",
    "max.compaction.lag.ms": "9223372036854775807",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "preallocate": "false",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.index.bytes": "10485760",
    "segment.jitter.ms": "0",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
BROKER_DEFAULTS = {
    "auto.create.topics.enable": "true",
    "compression.type": "producer",
    "group.max.session.timeout.ms": "1800000",
    "group.min.session.timeout.ms": "6000",
    "log.retention.hours": "168",
    "log.segment.bytes": "1073741824",
    "message.max.bytes": "1048588",
    "num.partitions": "1",
    "offsets.retention.minutes": "10080",
    "socket.request.max.bytes": "104857600",
}

client = admin()


def describe(kind, name):
    return client.describe_configs([ConfigResource(kind, name)])[ConfigResource(kind, name)]


def configs(kind, name):
    return describe(kind, name).result(PATIENCE_SECONDS)


def source(entry):
    return ConfigSource(entry.source)


name = PREFIX + "described"
chosen = {"retention.ms": "1000", "cleanup.policy": "compact", "max.message.bytes": "5000"}
client.create_topics([NewTopic(name, 1, config=chosen)])[name].result(PATIENCE_SECONDS)
until("the topic shows", lambda: name in client.list_topics(timeout=30).topics)

entries = configs(ConfigResource.Type.TOPIC, name)
for key, default in TOPIC_DEFAULTS.items():
    check(f"{key} is described", key in entries, sorted(entries))
    entry = entries[key]
    if key in chosen:
        same(f"{key}", (entry.value, source(entry), entry.is_default), (chosen[key], ConfigSource.DYNAMIC_TOPIC_CONFIG, False))
    else:
        same(f"{key}", (entry.value, source(entry), entry.is_default), (default, ConfigSource.DEFAULT_CONFIG, True))
    same(f"{key} may be written and read", (entry.is_read_only, entry.is_sensitive), (False, False))
check("min.insync.replicas", entries["min.insync.replicas"].value == "1")


def synonyms(entry):
    return {other.name: (other.value, ConfigSource(other.source)) for other in entry.synonyms.values()}


# Where the value comes from, and what would hold if it were not set there.
same("synonyms of a topic's own setting", synonyms(entries["cleanup.policy"]), {
    "cleanup.policy": ("compact", ConfigSource.DYNAMIC_TOPIC_CONFIG),
    "log.cleanup.policy": ("delete", ConfigSource.DEFAULT_CONFIG),
})
same("synonyms of a default", synonyms(entries["segment.bytes"]),
     {"log.segment.bytes": ("1073741824", ConfigSource.DEFAULT_CONFIG)})

# The broker: defaults, and what its start was told.
node = str(next(iter(client.list_topics(timeout=30).brokers)))
entries = configs(ConfigResource.Type.BROKER, node)
for key, default in BROKER_DEFAULTS.items():
    check(f"{key} is described", key in entries, sorted(entries))
    same(f"{key}", (entries[key].value, source(entries[key]), entries[key].is_default), (default, ConfigSource.DEFAULT_CONFIG, True))
for key in ("listeners", "log.dirs", "group.initial.rebalance.delay.ms"):
    same(f"source of {key}", (source(entries[key]), entries[key].is_default), (ConfigSource.STATIC_BROKER_CONFIG, False))
same("a number that the start was told", entries["group.initial.rebalance.delay.ms"].value, "0")
check("num.partitions cannot be changed while running", entries["num.partitions"].is_read_only)

# What is not there.
refused("configs of an unknown topic", describe(ConfigResource.Type.TOPIC, PREFIX + "never-was"), KafkaError.UNKNOWN_TOPIC_OR_PART)
refused("configs of an impossible topic", describe(ConfigResource.Type.TOPIC, "a b"), KafkaError.TOPIC_EXCEPTION)
