"""The served APIs: number, first flexible version, and the fields of request and response."""

from . import admin_messages, group_messages, topic_messages, transaction_messages
from .codec import Field as F

# Request header v2 ends with its own tagged fields; we send none.
REQUEST_HEADER_TAGS = b"\0"


class Api:
    def __init__(self, name, key, lowest, highest, flexible, request, response):
        self.name = name
        self.key = key
        self.lowest = lowest
        self.highest = highest
        self.flexible = flexible
        self.request = request
        self.response = response

    def __repr__(self):
        return self.name


NODE_ENDPOINTS = [F("node_id", "int32"), F("host", "string"), F("port", "int32"), F("rack", "string", null="0+")]
LEADER = [F("leader_id", "int32"), F("leader_epoch", "int32")]

PRODUCE_REQUEST = [
    F("transactional_id", "string", "3+", null="3+"),
    F("acks", "int16", default=-1),
    F("timeout_ms", "int32", default=5000),
    F("topic_data", [
        F("name", "string", "0-12"),
        F("topic_id", "uuid", "13+"),
        F("partition_data", [F("index", "int32"), F("records", "records", null="0+")]),
    ]),
]
PRODUCE_RESPONSE = [
    F("responses", [
        F("name", "string", "0-12"),
        F("topic_id", "uuid", "13+"),
        F("partition_responses", [
            F("index", "int32"),
            F("error_code", "int16"),
            F("base_offset", "int64"),
            F("log_append_time_ms", "int64", "2+"),
            F("log_start_offset", "int64", "5+"),
            F("record_errors", [
                F("batch_index", "int32"),
                F("batch_index_error_message", "string", null="0+"),
            ], "8+"),
            F("error_message", "string", "8+", null="8+"),
            F("current_leader", LEADER, "10+", tag=0, shape="{}"),
        ]),
    ]),
    F("throttle_time_ms", "int32", "1+"),
    F("node_endpoints", NODE_ENDPOINTS, "10+", tag=0),
]

FETCH_REQUEST = [
    F("cluster_id", "string", "12+", null="12+", tag=0),
    F("replica_id", "int32", "0-14", default=-1),
    F("replica_state", [F("replica_id", "int32", default=-1), F("replica_epoch", "int64", default=-1)],
      "15+", tag=1, shape="{}"),
    F("max_wait_ms", "int32"),
    F("min_bytes", "int32"),
    F("max_bytes", "int32", "3+", default=1 << 20),
    F("isolation_level", "int8", "4+"),
    F("session_id", "int32", "7+"),
    F("session_epoch", "int32", "7+", default=-1),
    F("topics", [
        F("topic", "string", "0-12"),
        F("topic_id", "uuid", "13+"),
        F("partitions", [
            F("partition", "int32"),
            F("current_leader_epoch", "int32", "9+", default=-1),
            F("fetch_offset", "int64"),
            F("last_fetched_epoch", "int32", "12+", default=-1),
            F("log_start_offset", "int64", "5+", default=-1),
            F("partition_max_bytes", "int32", default=1 << 20),
            F("replica_directory_id", "uuid", "17+", tag=0),
            F("high_watermark", "int64", "18+", tag=1),
        ]),
    ]),
    F("forgotten_topics_data", [
        F("topic", "string", "7-12"),
        F("topic_id", "uuid", "13+"),
        F("partitions", "[]int32"),
    ], "7+"),
    F("rack_id", "string", "11+"),
]
FETCH_RESPONSE = [
    F("throttle_time_ms", "int32", "1+"),
    F("error_code", "int16", "7+"),
    F("session_id", "int32", "7+"),
    F("responses", [
        F("topic", "string", "0-12"),
        F("topic_id", "uuid", "13+"),
        F("partitions", [
            F("partition_index", "int32"),
            F("error_code", "int16"),
            F("high_watermark", "int64"),
            F("last_stable_offset", "int64", "4+"),
            F("log_start_offset", "int64", "5+"),
            F("diverging_epoch", [F("epoch", "int32"), F("end_offset", "int64")], "12+", tag=0, shape="{}"),
            F("current_leader", LEADER, "12+", tag=1, shape="{}"),
            F("snapshot_id", [F("end_offset", "int64"), F("epoch", "int32")], "12+", tag=2, shape="{}"),
            F("aborted_transactions", [F("producer_id", "int64"), F("first_offset", "int64")], "4+", null="4+"),
            F("preferred_read_replica", "int32", "11+"),
            F("records", "records", null="0+"),
        ]),
    ]),
    F("node_endpoints", NODE_ENDPOINTS, "16+", tag=0),
]

LIST_OFFSETS_REQUEST = [
    F("replica_id", "int32", default=-1),
    F("isolation_level", "int8", "2+"),
    F("topics", [
        F("name", "string"),
        F("partitions", [
            F("partition_index", "int32"),
            F("current_leader_epoch", "int32", "4+", default=-1),
            F("timestamp", "int64", default=-1),
        ]),
    ]),
    F("timeout_ms", "int32", "10+", default=5000),
]
LIST_OFFSETS_RESPONSE = [
    F("throttle_time_ms", "int32", "2+"),
    F("topics", [
        F("name", "string"),
        F("partitions", [
            F("partition_index", "int32"),
            F("error_code", "int16"),
            F("timestamp", "int64", "1+"),
            F("offset", "int64", "1+"),
            F("leader_epoch", "int32", "4+"),
        ]),
    ]),
]

API_VERSIONS_REQUEST = [
    F("client_software_name", "string", "3+", default="protocol-tests"),
    F("client_software_version", "string", "3+", default="1"),
]
API_VERSIONS_RESPONSE = [
    F("error_code", "int16"),
    F("api_keys", [F("api_key", "int16"), F("min_version", "int16"), F("max_version", "int16")]),
    F("throttle_time_ms", "int32", "1+"),
    F("supported_features", [
        F("name", "string"), F("min_version", "int16"), F("max_version", "int16"),
    ], "3+", tag=0),
    F("finalized_features_epoch", "int64", "3+", tag=1),
    F("finalized_features", [
        F("name", "string"), F("max_version_level", "int16"), F("min_version_level", "int16"),
    ], "3+", tag=2),
    F("zk_migration_ready", "bool", "3+", tag=3),
]

INIT_PRODUCER_ID_REQUEST = [
    F("transactional_id", "string", null="0+"),
    F("transaction_timeout_ms", "int32", default=60000),
    F("producer_id", "int64", "3+", default=-1),
    F("producer_epoch", "int16", "3+", default=-1),
]
INIT_PRODUCER_ID_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("error_code", "int16"),
    F("producer_id", "int64"),
    F("producer_epoch", "int16"),
]

OFFSET_FOR_LEADER_EPOCH_REQUEST = [
    F("replica_id", "int32", "3+", default=-1),
    F("topics", [
        F("topic", "string"),
        F("partitions", [
            F("partition", "int32"),
            F("current_leader_epoch", "int32", "2+", default=-1),
            F("leader_epoch", "int32"),
        ]),
    ]),
]
OFFSET_FOR_LEADER_EPOCH_RESPONSE = [
    F("throttle_time_ms", "int32", "2+"),
    F("topics", [
        F("topic", "string"),
        F("partitions", [
            F("error_code", "int16"),
            F("partition", "int32"),
            F("leader_epoch", "int32", "1+"),
            F("end_offset", "int64"),
        ]),
    ]),
]

APIS = {
    api.name: api
    for api in [
        Api("Produce", 0, 3, 13, 9, PRODUCE_REQUEST, PRODUCE_RESPONSE),
        Api("Fetch", 1, 4, 18, 12, FETCH_REQUEST, FETCH_RESPONSE),
        Api("ListOffsets", 2, 1, 11, 6, LIST_OFFSETS_REQUEST, LIST_OFFSETS_RESPONSE),
        Api("Metadata", 3, 0, 13, 9, topic_messages.METADATA_REQUEST, topic_messages.METADATA_RESPONSE),
        Api("OffsetCommit", 8, 2, 10, 8, group_messages.OFFSET_COMMIT_REQUEST, group_messages.OFFSET_COMMIT_RESPONSE),
        Api("OffsetFetch", 9, 1, 10, 6, group_messages.OFFSET_FETCH_REQUEST, group_messages.OFFSET_FETCH_RESPONSE),
        Api("FindCoordinator", 10, 0, 6, 3, group_messages.FIND_COORDINATOR_REQUEST,
            group_messages.FIND_COORDINATOR_RESPONSE),
        Api("JoinGroup", 11, 0, 9, 6, group_messages.JOIN_GROUP_REQUEST, group_messages.JOIN_GROUP_RESPONSE),
        Api("Heartbeat", 12, 0, 4, 4, group_messages.HEARTBEAT_REQUEST, group_messages.HEARTBEAT_RESPONSE),
        Api("LeaveGroup", 13, 0, 5, 4, group_messages.LEAVE_GROUP_REQUEST, group_messages.LEAVE_GROUP_RESPONSE),
        Api("SyncGroup", 14, 0, 5, 4, group_messages.SYNC_GROUP_REQUEST, group_messages.SYNC_GROUP_RESPONSE),
        Api("DescribeGroups", 15, 0, 6, 5, group_messages.DESCRIBE_GROUPS_REQUEST,
            group_messages.DESCRIBE_GROUPS_RESPONSE),
        Api("ListGroups", 16, 0, 5, 3, group_messages.LIST_GROUPS_REQUEST, group_messages.LIST_GROUPS_RESPONSE),
        Api("ApiVersions", 18, 0, 4, 3, API_VERSIONS_REQUEST, API_VERSIONS_RESPONSE),
        Api("CreateTopics", 19, 2, 7, 5, topic_messages.CREATE_TOPICS_REQUEST, topic_messages.CREATE_TOPICS_RESPONSE),
        Api("DeleteTopics", 20, 1, 6, 4, topic_messages.DELETE_TOPICS_REQUEST, topic_messages.DELETE_TOPICS_RESPONSE),
        Api("DeleteRecords", 21, 0, 2, 2, topic_messages.DELETE_RECORDS_REQUEST,
            topic_messages.DELETE_RECORDS_RESPONSE),
        Api("InitProducerId", 22, 0, 5, 2, INIT_PRODUCER_ID_REQUEST, INIT_PRODUCER_ID_RESPONSE),
        Api("OffsetForLeaderEpoch", 23, 2, 4, 4, OFFSET_FOR_LEADER_EPOCH_REQUEST, OFFSET_FOR_LEADER_EPOCH_RESPONSE),
        Api("DescribeConfigs", 32, 1, 4, 4, topic_messages.DESCRIBE_CONFIGS_REQUEST,
            topic_messages.DESCRIBE_CONFIGS_RESPONSE),
        Api("AlterConfigs", 33, 0, 2, 2, topic_messages.ALTER_CONFIGS_REQUEST, topic_messages.ALTER_CONFIGS_RESPONSE),
        Api("AlterReplicaLogDirs", 34, 1, 2, 2, topic_messages.ALTER_REPLICA_LOG_DIRS_REQUEST,
            topic_messages.ALTER_REPLICA_LOG_DIRS_RESPONSE),
        Api("DescribeLogDirs", 35, 1, 5, 2, topic_messages.DESCRIBE_LOG_DIRS_REQUEST,
            topic_messages.DESCRIBE_LOG_DIRS_RESPONSE),
        Api("CreatePartitions", 37, 0, 3, 2, topic_messages.CREATE_PARTITIONS_REQUEST,
            topic_messages.CREATE_PARTITIONS_RESPONSE),
        Api("DeleteGroups", 42, 0, 2, 2, group_messages.DELETE_GROUPS_REQUEST, group_messages.DELETE_GROUPS_RESPONSE),
        Api("IncrementalAlterConfigs", 44, 0, 1, 1, topic_messages.INCREMENTAL_ALTER_CONFIGS_REQUEST,
            topic_messages.ALTER_CONFIGS_RESPONSE),
        Api("OffsetDelete", 47, 0, 0, 32767, group_messages.OFFSET_DELETE_REQUEST,
            group_messages.OFFSET_DELETE_RESPONSE),
        Api("DescribeCluster", 60, 0, 2, 0, topic_messages.DESCRIBE_CLUSTER_REQUEST,
            topic_messages.DESCRIBE_CLUSTER_RESPONSE),
        Api("ConsumerGroupHeartbeat", 68, 0, 1, 0, group_messages.CONSUMER_GROUP_HEARTBEAT_REQUEST,
            group_messages.CONSUMER_GROUP_HEARTBEAT_RESPONSE),
        Api("ConsumerGroupDescribe", 69, 0, 1, 0, group_messages.CONSUMER_GROUP_DESCRIBE_REQUEST,
            group_messages.CONSUMER_GROUP_DESCRIBE_RESPONSE),
        Api("DescribeTopicPartitions", 75, 0, 0, 0, topic_messages.DESCRIBE_TOPIC_PARTITIONS_REQUEST,
            topic_messages.DESCRIBE_TOPIC_PARTITIONS_RESPONSE),
        *(Api(*row) for row in admin_messages.APIS),
        *(Api(*row) for row in transaction_messages.APIS),
    ]
}
