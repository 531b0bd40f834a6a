"""The admin client behind the same words for every release: newer ones renamed its calls and changed its answers."""

from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from session import RELEASE, admin


class ReleaseTwo:
    """Answers are the broker's own structures."""

    def __init__(self):
        self.client = admin()

    def create(self, name, partitions=1, replicas=1, config=None, **settings):
        return self.client.create_topics([NewTopic(name, partitions, replicas, topic_configs=config or {})], **settings)

    def grow(self, name, partitions, **settings):
        return self.client.create_partitions({name: NewPartitions(partitions)}, **settings)

    def delete(self, *names):
        return self.client.delete_topics(list(names))

    def exists(self, name):
        return name in self.client.list_topics()

    def cluster(self):
        """(cluster id, controller's node id, addresses by node id)."""
        answer = self.client.describe_cluster()
        return answer["cluster_id"], answer["controller_id"], {
            node["node_id"]: f"{node['host']}:{node['port']}" for node in answer["brokers"]}

    def topic(self, name):
        """(error code, (leader, replicas, replicas in sync) of each partition)."""
        answer = self.client.describe_topics([name])[0]
        return answer["error_code"], {
            entry["partition"]: (entry["leader"], entry["replicas"], entry["isr"]) for entry in answer["partitions"]}

    def configs(self, kind, name, *keys):
        """(value, number of its source, read only) by key, of some keys or of all."""
        resource = ConfigResource(kind, name, dict.fromkeys(keys) if keys else None)
        (_, _, _, _, entries), = self.client.describe_configs([resource])[0].resources
        return {key: (value, source, read_only) for key, value, read_only, source, *_ in entries}

    def groups(self):
        return {name for name, _ in self.client.list_consumer_groups()}

    def group(self, name):
        """(state, assignor, sorted partitions by the member's client id)."""
        answer, = self.client.describe_consumer_groups([name])
        return answer.state, answer.protocol, {
            member.client_id: sorted(number for _, numbers in member.member_assignment.assignment for number in numbers)
            for member in answer.members}

    def offsets(self, group):
        """Committed offsets by partition number."""
        answer = self.client.list_consumer_group_offsets(group)
        return {partition.partition: entry.offset for partition, entry in answer.items()}

    def delete_groups(self, *names):
        """The name of the error of each group; None when it was deleted."""
        errors = dict(self.client.delete_consumer_groups(list(names)))
        return {name: None if error.errno == 0 else error.__name__ for name, error in errors.items()}


class ReleaseThree(ReleaseTwo):
    """Answers are dictionaries, with what later versions of the protocol say."""

    def cluster(self):
        answer = self.client.describe_cluster()
        return answer["cluster_id"], answer["controller_id"], {
            node["broker_id"]: f"{node['host']}:{node['port']}" for node in answer["brokers"]}

    def topic(self, name):
        answer = self.client.describe_topics([name])[0]
        return answer["error_code"], {
            entry["partition_index"]: (entry["leader_id"], entry["replica_nodes"], entry["isr_nodes"])
            for entry in answer["partitions"]}

    def configs(self, kind, name, *keys):
        answer = self.client.describe_configs([ConfigResource(kind, name, list(keys) or None)], config_filter="all")
        sources = ("UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG", "DYNAMIC_DEFAULT_BROKER_CONFIG",
                   "STATIC_BROKER_CONFIG", "DEFAULT_CONFIG")
        return {key: (entry["value"], sources.index(entry["config_source"]), entry["read_only"])
                for key, entry in answer[kind.name.lower()][name].items()}

    def groups(self):
        return {entry["group_id"] for entry in self.client.list_groups()}

    def group(self, name):
        answer = self.client.describe_groups([name])[name]
        return answer["group_state"], answer["protocol_data"], {
            member["client_id"]: sorted(number for entry in member["member_assignment"]["assigned_partitions"]
                                        for number in entry["partitions"])
            for member in answer["members"]}

    def offsets(self, group):
        answer = self.client.list_group_offsets(group)[group]
        return {partition.partition: entry.offset for partition, entry in answer.items()}

    def delete_groups(self, *names):
        return {name: None if error == "OK" else error for name, error in self.client.delete_groups(list(names)).items()}


def administration():
    return ReleaseTwo() if RELEASE.startswith("2.0.") else ReleaseThree()


TOPIC, BROKER = ConfigResourceType.TOPIC, ConfigResourceType.BROKER
