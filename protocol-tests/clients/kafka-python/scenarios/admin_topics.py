"""Topics and the cluster through the admin client: made, grown, described, deleted, and refused with the right error."""

from administration import BROKER, TOPIC, administration
from expectations import check, same, until
from kafka.errors import (InvalidConfigurationError, InvalidPartitionsError, InvalidReplicationFactorError, InvalidTopicError,
                          TopicAlreadyExistsError, UnknownTopicOrPartitionError)
from session import BOOTSTRAP, PREFIX, producer, read_partition, refused, send_all, serves

DYNAMIC_TOPIC, STATIC_BROKER, DEFAULT = 1, 4, 5

admin = administration()
cluster_id, controller, nodes = admin.cluster()
same("a cluster id", len(cluster_id), 22)
same("one node at its address, which is the controller", nodes, {controller: BOOTSTRAP})

# Made, with settings, and grown.
name = PREFIX + "made"
admin.create(name, 2, config={"retention.ms": "123456", "cleanup.policy": "compact,delete"})
until("the topic shows", lambda: admin.exists(name))
serves(name, 2)
same("described", admin.topic(name), (0, {number: (controller, [controller], [controller]) for number in range(2)}))
admin.grow(name, 5)
until("five partitions", lambda: len(admin.topic(name)[1]) == 5)
serves(name, 5)
send_all(producer(), name, ({"partition": n, "key": b"k", "value": str(n).encode()} for n in range(5)))
for number in range(5):
    same(f"partition {number}", [record.value for record in read_partition(name, number, 1)], [str(number).encode()])
same("an unknown topic", admin.topic(PREFIX + "never-was"), (UnknownTopicOrPartitionError.errno, {}))

# Settings.
same("some settings", admin.configs(TOPIC, name, "retention.ms", "segment.bytes", "cleanup.policy"), {
    "retention.ms": ("123456", DYNAMIC_TOPIC, False),
    "cleanup.policy": ("compact,delete", DYNAMIC_TOPIC, False),
    "segment.bytes": ("1073741824", DEFAULT, False),
})
everything = admin.configs(TOPIC, name)
check("all settings", len(everything) > 20 and everything["max.message.bytes"] == ("1048588", DEFAULT, False), everything)
of_broker = admin.configs(BROKER, str(controller))
same("of the broker", of_broker["offsets.retention.minutes"][:2], ("10080", DEFAULT))
same("that its start was told", of_broker["group.initial.rebalance.delay.ms"][:2], ("0", STATIC_BROKER))

# Validation makes nothing, and finds what creation would find.
checked = PREFIX + "checked"
admin.create(checked, validate_only=True)
refused("validating a topic that exists", lambda: admin.create(name, validate_only=True), TopicAlreadyExistsError)
admin.grow(name, 7, validate_only=True)
same("validation added nothing", len(admin.topic(name)[1]), 5)

# What is refused.
problem = refused("a topic that exists", lambda: admin.create(name), TopicAlreadyExistsError)
check("names the topic", name in str(problem), problem)
for what, settings, error in (
        ("zero partitions", {"partitions": 0}, InvalidPartitionsError),
        ("more replicas than brokers", {"replicas": 3}, InvalidReplicationFactorError),
        ("an unknown setting", {"config": {"no.such.config": "1"}}, InvalidConfigurationError),
        ("a bad setting", {"config": {"retention.ms": "soon"}}, InvalidConfigurationError)):
    refused(what, lambda: admin.create(checked, **settings), error)
for bad in ("a b", "..", "x" * 250):
    refused(f"the name {bad[:10]!r}", lambda: admin.create(bad), InvalidTopicError)
check("none of them was made", not admin.exists(checked))
refused("as many partitions as there are", lambda: admin.grow(name, 5), InvalidPartitionsError)
refused("more partitions of nothing", lambda: admin.grow(checked, 5), UnknownTopicOrPartitionError)

# Deletion; and a topic made anew under the name starts empty.
admin.delete(name)
until("the topic is gone", lambda: not admin.exists(name))
refused("deleting it twice", lambda: admin.delete(name), UnknownTopicOrPartitionError)
admin.create(name)
serves(name, 1)
same("offsets start over", send_all(producer(), name, [{"value": b"first again"}])[0].offset, 0)
