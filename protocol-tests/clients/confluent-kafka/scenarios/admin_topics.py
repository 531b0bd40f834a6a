"""Topics through the AdminClient: made in every way, grown, deleted, and refused with the right error."""

from confluent_kafka import KafkaError
from confluent_kafka.admin import ConfigResource, NewPartitions, NewTopic

from expectations import PATIENCE_SECONDS, check, same, until
from session import PREFIX, admin, producer, read_partition, refused, send_all, topic

client = admin()
broker = next(iter(client.list_topics(timeout=30).brokers))


def create(name, **settings):
    validate_only = settings.pop("validate_only", False)
    return client.create_topics([NewTopic(name, **settings)], validate_only=validate_only)[name]


def partitions(name):
    # Of all topics: asking for one by name would make it.
    found = client.list_topics(timeout=30).topics.get(name)
    return None if found is None or found.error else sorted(found.partitions)


def exists(name):
    return name in client.list_topics(timeout=30).topics


# In every way.
plain = PREFIX + "plain"
create(plain, num_partitions=3, replication_factor=1).result(PATIENCE_SECONDS)
until("the topic shows", lambda: partitions(plain) == [0, 1, 2])
defaults = PREFIX + "defaults"
create(defaults, num_partitions=-1).result(PATIENCE_SECONDS)
until("broker defaults: one partition", lambda: partitions(defaults) == [0])
assigned = PREFIX + "assigned"
create(assigned, num_partitions=4, replica_assignment=[[broker]] * 4).result(PATIENCE_SECONDS)
until("as many partitions as were assigned", lambda: partitions(assigned) == [0, 1, 2, 3])
configured = PREFIX + "configured"
create(configured, num_partitions=1, config={"retention.ms": "123456", "cleanup.policy": "compact,delete"}).result(PATIENCE_SECONDS)
until("the configured topic shows", lambda: partitions(configured) == [0])
entries = client.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, configured)])
values = {name: entry.value for name, entry in next(iter(entries.values())).result(PATIENCE_SECONDS).items()}
same("configs took", (values["retention.ms"], values["cleanup.policy"]), ("123456", "compact,delete"))

# Several in one request: each has its own answer.
batch = client.create_topics([NewTopic(PREFIX + "batch-1", 1), NewTopic(PREFIX + "batch-1.bad name", 1), NewTopic(PREFIX + "batch-2", 2)])
batch[PREFIX + "batch-1"].result(PATIENCE_SECONDS)
batch[PREFIX + "batch-2"].result(PATIENCE_SECONDS)
refused("the bad one of a batch", batch[PREFIX + "batch-1.bad name"], KafkaError.TOPIC_EXCEPTION)

# Validation makes nothing, and finds what creation would find.
checked = PREFIX + "checked"
create(checked, num_partitions=2, validate_only=True).result(PATIENCE_SECONDS)
check("validate-only made nothing", not exists(checked))
refused("validating a topic that exists", create(plain, num_partitions=1, validate_only=True), KafkaError.TOPIC_ALREADY_EXISTS)
refused("validating a bad config", create(checked, num_partitions=1, config={"retention.ms": "long"}, validate_only=True),
        KafkaError.INVALID_CONFIG)

# What is refused, and that the message names the culprit.
error = refused("a topic that exists", create(plain, num_partitions=1), KafkaError.TOPIC_ALREADY_EXISTS)
check("names the topic", plain in error.str(), error.str())
bad = PREFIX + "bad"
refused("zero partitions", create(bad, num_partitions=0), KafkaError.INVALID_PARTITIONS)
refused("more replicas than brokers", create(bad, num_partitions=1, replication_factor=3), KafkaError.INVALID_REPLICATION_FACTOR)
refused("no replicas", create(bad, num_partitions=1, replication_factor=0), KafkaError.INVALID_REPLICATION_FACTOR)
refused("an unknown broker", create(bad, num_partitions=1, replica_assignment=[[broker + 7]]), KafkaError.INVALID_REPLICA_ASSIGNMENT)
refused("a broker twice", create(bad, num_partitions=1, replica_assignment=[[broker, broker]]), KafkaError.INVALID_REPLICA_ASSIGNMENT)
for name in ("", ".", "..", "a b", "a/b", "ä", "a:b", "x" * 250):
    refused(f"the name {name[:10]!r}", create(name, num_partitions=1), KafkaError.TOPIC_EXCEPTION)
create("x" * (249 - len(PREFIX)) + PREFIX, num_partitions=1).result(PATIENCE_SECONDS)
create(PREFIX + "dot.ted", num_partitions=1).result(PATIENCE_SECONDS)
refused("a name that collides in metrics", create(PREFIX + "dot_ted", num_partitions=1), KafkaError.TOPIC_EXCEPTION)
for key, value in (("no.such.config", "1"), ("retention.ms", "soon"), ("cleanup.policy", "melt"), ("min.insync.replicas", "0"),
                   ("compression.type", "rar"), ("max.message.bytes", "-1"), ("message.timestamp.type", "Never")):
    error = refused(f"{key}={value}", create(bad, num_partitions=1, config={key: value}), KafkaError.INVALID_CONFIG)
    check(f"names {key}", key in error.str(), error.str())
check("none of the refused was made", not exists(bad))

# More partitions.
growing = topic("growing", 2)
send_all(producer(), growing, ({"value": str(n), "partition": n} for n in range(2)))
client.create_partitions([NewPartitions(growing, 5)])[growing].result(PATIENCE_SECONDS)
until("five partitions", lambda: partitions(growing) == [0, 1, 2, 3, 4])
send_all(producer(), growing, ({"value": str(n), "partition": n} for n in range(2, 5)))
for number in range(5):
    same(f"partition {number}", [m.value() for m in read_partition(growing, number, 1)], [str(number).encode()])
client.create_partitions([NewPartitions(growing, 6, [[broker]])])[growing].result(PATIENCE_SECONDS)
until("six partitions", lambda: len(partitions(growing)) == 6)
client.create_partitions([NewPartitions(growing, 9)], validate_only=True)[growing].result(PATIENCE_SECONDS)
same("validate-only added nothing", len(partitions(growing)), 6)


def grow(name, *arguments):
    return client.create_partitions([NewPartitions(name, *arguments)])[name]


refused("as many as there are", grow(growing, 6), KafkaError.INVALID_PARTITIONS)
refused("fewer than there are", grow(growing, 3), KafkaError.INVALID_PARTITIONS)
refused("more partitions of nothing", grow(bad, 3), KafkaError.UNKNOWN_TOPIC_OR_PART)
refused("an unknown broker", grow(growing, 7, [[broker + 7]]), KafkaError.INVALID_REPLICA_ASSIGNMENT)
refused("too few assignments", grow(growing, 9, [[broker]]), KafkaError.INVALID_REPLICA_ASSIGNMENT)

# Deletion; and a topic made anew under the name starts empty.
client.delete_topics([growing])[growing].result(PATIENCE_SECONDS)
until("the topic is gone", lambda: not exists(growing))
refused("deleting it twice", client.delete_topics([growing])[growing], KafkaError.UNKNOWN_TOPIC_OR_PART)
create(growing, num_partitions=1).result(PATIENCE_SECONDS)
until("made anew", lambda: partitions(growing) == [0])
delivered = send_all(producer(), growing, [{"value": "first again"}])
same("offsets start over", delivered[0].offset(), 0)
same("nothing of the old topic shows", [m.value() for m in read_partition(growing, 0, 1)], [b"first again"])
mixed = client.delete_topics([plain, PREFIX + "never-was", defaults])
mixed[plain].result(PATIENCE_SECONDS)
mixed[defaults].result(PATIENCE_SECONDS)
refused("the unknown one of several", mixed[PREFIX + "never-was"], KafkaError.UNKNOWN_TOPIC_OR_PART)
