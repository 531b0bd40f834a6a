"""Groups through the AdminClient: listed, described, their offsets read and set, deleted, and refused when in use."""

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, TopicPartition
from confluent_kafka.admin import AclOperation

from group_members import Group
from expectations import PATIENCE_SECONDS, check, same, until
from session import PREFIX, admin, consumer, producer, read, refused, send_all, topic

client = admin()
name = topic("administered", 4)
send_all(producer(), name, ({"value": str(n), "partition": n % 4} for n in range(40)))


def listed(**filters):
    answer = client.list_consumer_groups(**filters).result(PATIENCE_SECONDS)
    same("errors while listing", answer.errors, [])
    return {entry.group_id: entry for entry in answer.valid if entry.group_id.startswith(PREFIX)}


def described(group, **asked):
    return client.describe_consumer_groups([group], **asked)[group].result(PATIENCE_SECONDS)


def offsets(group, partitions=None):
    asked = ConsumerGroupTopicPartitions(group, partitions and [TopicPartition(name, p) for p in partitions])
    answer = client.list_consumer_group_offsets([asked])[group].result(PATIENCE_SECONDS)
    return {entry.partition: entry.offset for entry in answer.topic_partitions}


# A living group.
group = Group("living", name, "range")
group.join("first")
group.join("second")
until("two equal shares", lambda: len(group.shares()) == 2 and group.balanced(4))
until("stable", lambda: described(group.name).state == ConsumerGroupState.STABLE)
entry = listed()[group.name]
same("listed", (entry.state, entry.is_simple_consumer_group), (ConsumerGroupState.STABLE, False))
check("listed among the stable", group.name in listed(states={ConsumerGroupState.STABLE}))
check("not listed among the empty", group.name not in listed(states={ConsumerGroupState.EMPTY}))
seen = described(group.name, include_authorized_operations=True)
same("assignor", seen.partition_assignor, "range")
same("members", sorted(member.client_id for member in seen.members), ["first", "second"])
shares = {member.client_id: sorted(p.partition for p in member.assignment.topic_partitions) for member in seen.members}
same("their partitions", shares, group.shares())
for member in seen.members:
    check("member id and host", member.member_id.startswith(member.client_id) and "127.0.0.1" in member.host, vars(member))
check("what one may do to the group", {AclOperation.READ, AclOperation.DELETE} <= set(seen.authorized_operations), seen.authorized_operations)
same("its coordinator", seen.coordinator.id, client.describe_cluster().result(PATIENCE_SECONDS).nodes[0].id)

refused("deleting a group with members", client.delete_consumer_groups([group.name])[group.name], KafkaError.NON_EMPTY_GROUP)
setting = ConsumerGroupTopicPartitions(group.name, [TopicPartition(name, 0, 3)])
answer = client.alter_consumer_group_offsets([setting])[group.name].result(PATIENCE_SECONDS)
same("setting offsets of a group with members", answer.topic_partitions[0].error.code(), KafkaError.UNKNOWN_MEMBER_ID)
until("everything is read", lambda: len(group.values_seen()) == 40)
group.leave_all()
until("empty", lambda: described(group.name).state == ConsumerGroupState.EMPTY)
check("listed among the empty", group.name in listed(states={ConsumerGroupState.EMPTY}))
same("no members", described(group.name).members, [])
same("offsets of all partitions", offsets(group.name), {p: 10 for p in range(4)})
same("offsets of some partitions", offsets(group.name, [1, 3]), {1: 10, 3: 10})

# Setting offsets of an empty group; a consumer starts there.
wanted = [TopicPartition(name, 0, 3), TopicPartition(name, 2, 0)]
answer = client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group.name, wanted)])[group.name].result(PATIENCE_SECONDS)
same("no errors", [entry.error for entry in answer.topic_partitions], [None, None])
same("offsets as set", offsets(group.name), {0: 3, 1: 10, 2: 0, 3: 10})
reader = consumer("living")
reader.subscribe([name])
same("a member reads from there", sorted((m.partition(), m.offset()) for m in read(reader, 17)),
     [(0, n) for n in range(3, 10)] + [(2, n) for n in range(10)])
reader.close()

# A group that has offsets and never had members.
simple = PREFIX + "simple"
client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(simple, [TopicPartition(name, 1, 5)])])[simple].result(PATIENCE_SECONDS)
same("its offsets", offsets(simple), {1: 5})
check("it is listed", simple in listed())

# What is not there.
never = PREFIX + "never-was"
same("offsets of an unknown group", offsets(never, [0]), {0: -1001})
refused("deleting an unknown group", client.delete_consumer_groups([never])[never], KafkaError.GROUP_ID_NOT_FOUND)

# Deletion: gone from the list, its offsets too, and the name can be used again.
answers = client.delete_consumer_groups([group.name, simple, never])
answers[group.name].result(PATIENCE_SECONDS)
answers[simple].result(PATIENCE_SECONDS)
refused("the unknown one of several", answers[never], KafkaError.GROUP_ID_NOT_FOUND)
check("gone from the list", not {group.name, simple} & set(listed()), sorted(listed()))
same("offsets are gone", offsets(group.name, [0]), {0: -1001})
reader = consumer("living")
reader.subscribe([name])
same("the group starts over", len(read(reader, 40)), 40)
reader.close()
