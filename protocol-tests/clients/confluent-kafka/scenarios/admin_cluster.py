"""The cluster and its topics as the AdminClient sees them, and offsets by kind."""

import time

from confluent_kafka import KafkaError, TopicCollection, TopicPartition
from confluent_kafka.admin import AclOperation, OffsetSpec

from expectations import PATIENCE_SECONDS, check, same, until
from session import BOOTSTRAP, PREFIX, admin, producer, refused, send_all, topic

client = admin()

cluster = client.describe_cluster(include_authorized_operations=True).result(PATIENCE_SECONDS)
same("one node", len(cluster.nodes), 1)
node = cluster.nodes[0]
same("its address", f"{node.host}:{node.port}", BOOTSTRAP)
same("the controller", cluster.controller.id, node.id)
check("a cluster id", cluster.cluster_id and len(cluster.cluster_id) == 22, cluster.cluster_id)
check("what one may do to the cluster", {AclOperation.CREATE, AclOperation.DESCRIBE} <= set(cluster.authorized_operations),
      cluster.authorized_operations)
quiet = client.describe_cluster().result(PATIENCE_SECONDS)
check("not told when not asked", not quiet.authorized_operations, quiet.authorized_operations)
same("the same cluster id from metadata", client.list_topics(timeout=30).cluster_id, cluster.cluster_id)

name = topic("described", 3)
described = client.describe_topics(TopicCollection([name, PREFIX + "never-was"]), include_authorized_operations=True)
found = described[name].result(PATIENCE_SECONDS)
same("name and kind", (found.name, found.is_internal), (name, False))
check("a topic id", str(found.topic_id) not in ("", "AAAAAAAAAAAAAAAAAAAAAA"), found.topic_id)
check("what one may do to the topic", {AclOperation.READ, AclOperation.WRITE, AclOperation.DELETE} <= set(found.authorized_operations),
      found.authorized_operations)
same("partitions", [(p.id, p.leader.id, [r.id for r in p.replicas], [r.id for r in p.isr]) for p in found.partitions],
     [(n, node.id, [node.id], [node.id]) for n in range(3)])
refused("a topic that is not there", described[PREFIX + "never-was"], KafkaError.UNKNOWN_TOPIC_OR_PART)

# The id stays while the topic stays, and a topic made anew has another one.
again = client.describe_topics(TopicCollection([name]))[name].result(PATIENCE_SECONDS)
same("a stable topic id", str(again.topic_id), str(found.topic_id))
client.delete_topics([name])[name].result(PATIENCE_SECONDS)
until("the topic is gone", lambda: name not in client.list_topics(timeout=30).topics)
same("made anew", topic("described", 1), name)
anew = client.describe_topics(TopicCollection([name]))[name].result(PATIENCE_SECONDS)
check("a new topic id", str(anew.topic_id) != str(found.topic_id), anew.topic_id)

# Offsets by kind.
timed = topic("offsets", 2)
base = int(time.time() * 1000) - 100_000
stamps = [base, base + 5000, base + 9000, base + 2000]
send_all(producer(linger_ms=0, batch_num_messages=1), timed, ({"value": "x", "partition": 0, "timestamp": t} for t in stamps))


def offset(spec, partition=0):
    asked = TopicPartition(timed, partition)
    return client.list_offsets({asked: spec})[asked].result(PATIENCE_SECONDS)


same("earliest", offset(OffsetSpec.earliest()).offset, 0)
same("latest", offset(OffsetSpec.latest()).offset, 4)
largest = offset(OffsetSpec.max_timestamp())
same("the largest timestamp", (largest.offset, largest.timestamp), (2, stamps[2]))
later = offset(OffsetSpec.for_timestamp(base + 1))
same("by time", (later.offset, later.timestamp), (1, stamps[1]))
same("after all", offset(OffsetSpec.for_timestamp(base + 9001)).offset, -1)
same("latest of an empty partition", offset(OffsetSpec.latest(), 1).offset, 0)
same("largest timestamp of an empty partition", offset(OffsetSpec.max_timestamp(), 1).offset, -1)
asked = TopicPartition(timed, 9)
# librdkafka looks for the partition's leader first, and finds none.
refused("an unknown partition", client.list_offsets({asked: OffsetSpec.latest()})[asked], KafkaError._NOENT)
