"""The admin client: the cluster, topics made, grown, described and deleted, settings, groups and their offsets."""

from aiokafka.errors import (InvalidConfigurationError, InvalidPartitionsError, InvalidReplicationFactorError, InvalidTopicError,
                             TopicAlreadyExistsError, UnknownTopicOrPartitionError)
from expectations import check, same
from session import BOOTSTRAP, PREFIX, RELEASE, NewTopic, admin, consumer, producer, read, run, send_all, serves, until

if RELEASE == "0.8.1":
    from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions
else:
    from aiokafka.admin import NewPartitions
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

DYNAMIC_TOPIC, DEFAULT = 1, 5


async def scenario():
    async with admin() as client:
        cluster = await client.describe_cluster()
        node = cluster["controller_id"]
        same("one node", [(b["node_id"], f"{b['host']}:{b['port']}") for b in cluster["brokers"]], [(node, BOOTSTRAP)])
        same("a cluster id", len(cluster["cluster_id"]), 22)
        name = await topics(client, node)
        await settings(client, name)
        await groups(client, name)
        same("deletion", await deletion(client, name), [0])
        await until("the topic is gone", lambda: missing(client, name))
        same("deleting it twice", await deletion(client, name), [UnknownTopicOrPartitionError.errno])


async def topics(client, node):
    """Made, grown, described, and refused with the right error. Returns the name of one with five partitions."""
    async def creation(name, partitions=1, replicas=1, config=None, **asked):
        answer = await client.create_topics([NewTopic(name, partitions, replicas, topic_configs=config or {})], **asked)
        return answer.topic_errors[0][1]

    name = PREFIX + "administered"
    same("creation", await creation(name, 2, config={"retention.ms": "123456"}), 0)
    await serves(name, 2)
    await client.create_partitions({name: NewPartitions(5)})
    await serves(name, 5)
    described, = await client.describe_topics([name])
    same("described", (described["error_code"], described["topic"], sorted(
        (p["partition"], p["leader"], p["replicas"], p["isr"]) for p in described["partitions"])),
        (0, name, [(number, node, [node], [node]) for number in range(5)]))
    checked = PREFIX + "checked"
    same("validation", await creation(checked, validate_only=True), 0)
    for what, code, error in (
            ("a topic that exists", await creation(name), TopicAlreadyExistsError),
            ("zero partitions", await creation(checked, 0), InvalidPartitionsError),
            ("more replicas than brokers", await creation(checked, 1, 3), InvalidReplicationFactorError),
            ("an unknown setting", await creation(checked, config={"no.such.config": "1"}), InvalidConfigurationError),
            ("an impossible name", await creation("a b"), InvalidTopicError)):
        same(what, code, error.errno)
    check("none of them was made", await missing(client, checked))
    return name


async def settings(client, name):
    resource = ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": None, "segment.bytes": None})
    answer, = await client.describe_configs([resource])
    (error, _, _, found, entries), = answer.resources
    same("settings", (error, found, sorted((key, value, source) for key, value, _, source, *_ in entries)),
         (0, name, [("retention.ms", "123456", DYNAMIC_TOPIC), ("segment.bytes", "1073741824", DEFAULT)]))


async def groups(client, name):
    async with producer() as sender:
        await send_all(sender, name, ({"partition": n % 5, "value": str(n).encode()} for n in range(50)))
    group = PREFIX + "members"

    async def state():
        return (await client.describe_consumer_groups([group]))[0].groups[0][2]

    async with consumer(name, group="members", client_id="one") as member:
        await read(member, 50)
        await member.commit()
        answer, = await client.describe_consumer_groups([group])
        error, found, _, kind, assignor, members, *_ = answer.groups[0]
        same("described", (error, found, kind, assignor, [entry[1] for entry in members]),
             (0, group, "consumer", "roundrobin", ["one"]))
        same("its state", await state(), "Stable")
    same("its state without members", await state(), "Empty")
    check("listed", (group, "consumer") in [tuple(entry[:2]) for entry in await client.list_consumer_groups()])
    offsets = await client.list_consumer_group_offsets(group)
    same("offsets", {partition.partition: entry.offset for partition, entry in offsets.items()}, dict.fromkeys(range(5), 10))


async def deletion(client, name):
    return [error for _, error in (await client.delete_topics([name])).topic_error_codes]


async def missing(client, name):
    return name not in await client.list_topics()


run(scenario)
