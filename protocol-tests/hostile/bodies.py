"""Good request bodies for every served API, as a starting point for bad ones."""

from target import Target
from wire.records import simple_batch


def subscription(topic):
    """What a consumer says about itself when it joins: version 0, one topic, no user data."""
    name = topic.encode()
    return b"\0\0" + b"\0\0\0\1" + len(name).to_bytes(2, "big") + name + b"\xff\xff\xff\xff"


class Bodies:
    """Bodies that name things which exist, so that a mutation gets past the first check."""

    def __init__(self, target: Target):
        self.topic, self.topic_id = target.create_topic("attacked", 2)
        self.group = target.prefix + "attacked"

    def of(self, api):
        """The body of one request; fields that a version lacks are left out by the codec."""
        return getattr(self, "of_" + api.name)()

    def _topic(self, **more):
        return {"name": self.topic, "topic": self.topic, "topic_id": self.topic_id, **more}

    def of_Produce(self):
        batch = simple_batch([b"one", b"two", b"three"])
        return {"acks": 1, "topic_data": [self._topic(partition_data=[{"index": 0, "records": batch}])]}

    def of_Fetch(self):
        partitions = [{"partition": 0, "fetch_offset": 0}, {"partition": 1, "fetch_offset": 0}]
        return {"max_wait_ms": 10, "min_bytes": 1, "topics": [self._topic(partitions=partitions)]}

    def of_ListOffsets(self):
        return {"topics": [self._topic(partitions=[{"partition_index": 0, "timestamp": -1}])]}

    def of_Metadata(self):
        return {"topics": [{"name": self.topic}]}

    def of_OffsetCommit(self):
        partitions = [{"partition_index": 0, "committed_offset": 1, "committed_metadata": "note"}]
        return {"group_id": self.group, "topics": [self._topic(partitions=partitions)]}

    def of_OffsetFetch(self):
        topics = [self._topic(partition_indexes=[0, 1])]
        return {"group_id": self.group, "topics": topics, "groups": [{"group_id": self.group, "topics": topics}]}

    def of_FindCoordinator(self):
        return {"key": self.group, "coordinator_keys": [self.group, self.group + "-2"]}

    def of_JoinGroup(self):
        protocols = [{"name": "range", "metadata": subscription(self.topic)}]
        return {"group_id": self.group, "member_id": "", "session_timeout_ms": 6000, "rebalance_timeout_ms": 6000,
                "protocols": protocols}

    def of_SyncGroup(self):
        return {"group_id": self.group, "generation_id": 1, "member_id": "nobody", "protocol_type": "consumer",
                "protocol_name": "range", "assignments": [{"member_id": "nobody", "assignment": b"\0\0\0\0\0\0"}]}

    def of_Heartbeat(self):
        return {"group_id": self.group, "generation_id": 1, "member_id": "nobody"}

    def of_LeaveGroup(self):
        return {"group_id": self.group, "member_id": "nobody", "members": [{"member_id": "nobody"}]}

    def of_ListGroups(self):
        return {"states_filter": ["Stable"], "types_filter": ["classic"]}

    def of_DescribeGroups(self):
        return {"groups": [self.group, "unknown"]}

    def of_DeleteGroups(self):
        return {"groups_names": [self.group + "-unknown"]}

    def of_ConsumerGroupHeartbeat(self):
        # A join of a group of its own: one of classic members would refuse it before anything else is looked at.
        return {"group_id": self.group + "-assigned", "member_id": "member", "member_epoch": 0, "instance_id": "instance",
                "rack_id": "rack", "rebalance_timeout_ms": 6000, "subscribed_topic_names": [self.topic],
                "subscribed_topic_regex": "attacked.*", "server_assignor": "range", "topic_partitions": []}

    def of_ConsumerGroupDescribe(self):
        return {"group_ids": [self.group + "-assigned", "unknown"], "include_authorized_operations": True}

    def of_OffsetDelete(self):
        return {"group_id": self.group, "topics": [self._topic(partitions=[{"partition_index": 0}])]}

    def of_InitProducerId(self):
        return {"transactional_id": None}

    def of_ApiVersions(self):
        return {}

    def of_CreateTopics(self):
        # Only ever validated: a mutation may well ask for a good topic with a million partitions.
        topic = {"name": self.topic + "-new", "num_partitions": 1, "configs": [{"name": "retention.ms", "value": "1"}]}
        return {"topics": [topic], "validate_only": True}

    def of_DeleteTopics(self):
        return {"topic_names": [self.topic + "-unknown"], "topics": [{"name": self.topic + "-unknown"}]}

    def of_CreatePartitions(self):
        return {"topics": [{"name": self.topic, "count": 3}], "validate_only": True}

    def of_DescribeConfigs(self):
        return {"resources": [{"resource_type": 2, "resource_name": self.topic}], "include_synonyms": True,
                "include_documentation": True}

    def of_DescribeCluster(self):
        return {"include_cluster_authorized_operations": True}

    def of_DescribeTopicPartitions(self):
        return {"topics": [{"name": self.topic}], "cursor": {"topic_name": self.topic, "partition_index": 0}}

    def of_OffsetForLeaderEpoch(self):
        return {"topics": [self._topic(partitions=[{"partition": 0, "leader_epoch": 0}])]}

    def of_DeleteRecords(self):
        return {"topics": [self._topic(partitions=[{"partition_index": 0, "offset": 0}])]}

    def of_AlterConfigs(self):
        # Only ever validated: a mutation may well find a setting that ends the others' requests.
        configs = [{"name": "retention.ms", "value": "1000000"}]
        return {"resources": [{"resource_type": 2, "resource_name": self.topic, "configs": configs}], "validate_only": True}

    def of_IncrementalAlterConfigs(self):
        configs = [{"name": "cleanup.policy", "config_operation": 2, "value": "compact"}]
        return {"resources": [{"resource_type": 2, "resource_name": self.topic, "configs": configs}], "validate_only": True}

    def of_DescribeLogDirs(self):
        return {"topics": [self._topic(partitions=[0, 1])]}

    def of_AlterReplicaLogDirs(self):
        return {"dirs": [{"path": "/nowhere", "topics": [self._topic(partitions=[0, 1])]}]}

    def of_SaslHandshake(self):
        return {"mechanism": "PLAIN"}

    def of_SaslAuthenticate(self):
        return {"auth_bytes": b"\0somebody\0secret"}

    def of_DescribeAcls(self):
        return {"resource_name_filter": self.topic, "principal_filter": "User:somebody", "host_filter": "*"}

    def of_CreateAcls(self):
        return {"creations": [{"resource_name": self.topic, "principal": "User:somebody", "host": "*"}] * 2}

    def of_DeleteAcls(self):
        return {"filters": [{"resource_name_filter": self.topic}, {"principal_filter": "User:somebody"}]}

    def of_DescribeClientQuotas(self):
        user = {"entity_type": "user", "match": "somebody"}
        return {"components": [user, {"entity_type": "client-id", "match_type": 1, "match": None}]}

    def of_DescribeUserScramCredentials(self):
        return {"users": [{"name": "somebody"}, {"name": "nobody"}]}

    def of_DescribeProducers(self):
        return {"topics": [{"name": self.topic, "partition_indexes": [0, 1]}]}

    def of_DescribeTransactions(self):
        return {"transactional_ids": ["one", "another"]}

    def of_ListTransactions(self):
        return {"state_filters": ["Ongoing"], "producer_id_filters": [1], "transactional_id_pattern": "one|an.*"}

    def _transaction(self, **more):
        return {"transactional_id": self.group, "producer_id": 1, "producer_epoch": 0, **more}

    def of_AddPartitionsToTxn(self):
        topics = [{"name": self.topic, "partitions": [0, 1]}]
        return {"v3_and_below_transactional_id": self.group, "v3_and_below_producer_id": 1, "v3_and_below_producer_epoch": 0,
                "v3_and_below_topics": topics, "transactions": [self._transaction(topics=topics)]}

    def of_AddOffsetsToTxn(self):
        return self._transaction(group_id=self.group)

    def of_EndTxn(self):
        return self._transaction(committed=True)

    def of_WriteTxnMarkers(self):
        topics = [{"name": self.topic, "partition_indexes": [1]}]
        return {"markers": [{"producer_id": 1, "producer_epoch": 0, "transaction_result": True, "topics": topics,
                             "coordinator_epoch": 0, "transaction_version": 1}]}

    def of_TxnOffsetCommit(self):
        partitions = [{"partition_index": 0, "committed_offset": 1, "committed_metadata": "note"}]
        return self._transaction(group_id=self.group, topics=[self._topic(partitions=partitions)])
