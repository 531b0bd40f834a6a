"""Requests and responses about groups and their offsets."""

from .codec import Field as F

OFFSET_COMMIT_REQUEST = [
    F("group_id", "string"),
    F("generation_id", "int32", "1+", default=-1),
    F("member_id", "string", "1+"),
    F("group_instance_id", "string", "7+", null="7+"),
    F("retention_time_ms", "int64", "2-4", default=-1),
    F("topics", [
        F("name", "string", "0-9"),
        F("topic_id", "uuid", "10+"),
        F("partitions", [
            F("partition_index", "int32"),
            F("committed_offset", "int64"),
            F("committed_leader_epoch", "int32", "6+", default=-1),
            F("committed_metadata", "string", null="0+"),
        ]),
    ]),
]
OFFSET_COMMIT_RESPONSE = [
    F("throttle_time_ms", "int32", "3+"),
    F("topics", [
        F("name", "string", "0-9"),
        F("topic_id", "uuid", "10+"),
        F("partitions", [F("partition_index", "int32"), F("error_code", "int16")]),
    ]),
]

COMMITTED = [
    F("partition_index", "int32"),
    F("committed_offset", "int64"),
    F("committed_leader_epoch", "int32", "5+"),
    F("metadata", "string", null="0+"),
    F("error_code", "int16"),
]
OFFSET_FETCH_REQUEST = [
    F("group_id", "string", "0-7"),
    F("topics", [F("name", "string"), F("partition_indexes", "[]int32")], "0-7", null="2-7"),
    F("groups", [
        F("group_id", "string"),
        F("member_id", "string", "9+", null="9+"),
        F("member_epoch", "int32", "9+", default=-1),
        F("topics", [
            F("name", "string", "8-9"),
            F("topic_id", "uuid", "10+"),
            F("partition_indexes", "[]int32"),
        ], null="8+"),
    ], "8+"),
    F("require_stable", "bool", "7+"),
]
OFFSET_FETCH_RESPONSE = [
    F("throttle_time_ms", "int32", "3+"),
    F("topics", [F("name", "string"), F("partitions", COMMITTED)], "0-7"),
    F("error_code", "int16", "2-7"),
    F("groups", [
        F("group_id", "string"),
        F("topics", [
            F("name", "string", "8-9"),
            F("topic_id", "uuid", "10+"),
            F("partitions", COMMITTED),
        ]),
        F("error_code", "int16"),
    ], "8+"),
]

FIND_COORDINATOR_REQUEST = [
    F("key", "string", "0-3"),
    F("key_type", "int8", "1+"),
    F("coordinator_keys", "[]string", "4+"),
]
FIND_COORDINATOR_RESPONSE = [
    F("throttle_time_ms", "int32", "1+"),
    F("error_code", "int16", "0-3"),
    F("error_message", "string", "1-3", null="1-3"),
    F("node_id", "int32", "0-3"),
    F("host", "string", "0-3"),
    F("port", "int32", "0-3"),
    F("coordinators", [
        F("key", "string"),
        F("node_id", "int32"),
        F("host", "string"),
        F("port", "int32"),
        F("error_code", "int16"),
        F("error_message", "string", null="0+"),
    ], "4+"),
]

JOIN_GROUP_REQUEST = [
    F("group_id", "string"),
    F("session_timeout_ms", "int32", default=10000),
    F("rebalance_timeout_ms", "int32", "1+", default=10000),
    F("member_id", "string"),
    F("group_instance_id", "string", "5+", null="5+"),
    F("protocol_type", "string", default="consumer"),
    F("protocols", [F("name", "string"), F("metadata", "bytes")]),
    F("reason", "string", "8+", null="8+"),
]
JOIN_GROUP_RESPONSE = [
    F("throttle_time_ms", "int32", "2+"),
    F("error_code", "int16"),
    F("generation_id", "int32"),
    F("protocol_type", "string", "7+", null="7+"),
    F("protocol_name", "string", null="7+"),
    F("leader", "string"),
    F("skip_assignment", "bool", "9+"),
    F("member_id", "string"),
    F("members", [
        F("member_id", "string"),
        F("group_instance_id", "string", "5+", null="5+"),
        F("metadata", "bytes"),
    ]),
]

HEARTBEAT_REQUEST = [
    F("group_id", "string"),
    F("generation_id", "int32"),
    F("member_id", "string"),
    F("group_instance_id", "string", "3+", null="3+"),
]
HEARTBEAT_RESPONSE = [F("throttle_time_ms", "int32", "1+"), F("error_code", "int16")]

LEAVE_GROUP_REQUEST = [
    F("group_id", "string"),
    F("member_id", "string", "0-2"),
    F("members", [
        F("member_id", "string"),
        F("group_instance_id", "string", null="0+"),
        F("reason", "string", "5+", null="5+"),
    ], "3+"),
]
LEAVE_GROUP_RESPONSE = [
    F("throttle_time_ms", "int32", "1+"),
    F("error_code", "int16"),
    F("members", [
        F("member_id", "string"),
        F("group_instance_id", "string", null="0+"),
        F("error_code", "int16"),
    ], "3+"),
]

SYNC_GROUP_REQUEST = [
    F("group_id", "string"),
    F("generation_id", "int32"),
    F("member_id", "string"),
    F("group_instance_id", "string", "3+", null="3+"),
    F("protocol_type", "string", "5+", null="5+"),
    F("protocol_name", "string", "5+", null="5+"),
    F("assignments", [F("member_id", "string"), F("assignment", "bytes")]),
]
SYNC_GROUP_RESPONSE = [
    F("throttle_time_ms", "int32", "1+"),
    F("error_code", "int16"),
    F("protocol_type", "string", "5+", null="5+"),
    F("protocol_name", "string", "5+", null="5+"),
    F("assignment", "bytes"),
]

DESCRIBE_GROUPS_REQUEST = [F("groups", "[]string"), F("include_authorized_operations", "bool", "3+")]
DESCRIBE_GROUPS_RESPONSE = [
    F("throttle_time_ms", "int32", "1+"),
    F("groups", [
        F("error_code", "int16"),
        F("error_message", "string", "6+", null="6+"),
        F("group_id", "string"),
        F("group_state", "string"),
        F("protocol_type", "string"),
        F("protocol_data", "string"),
        F("members", [
            F("member_id", "string"),
            F("group_instance_id", "string", "4+", null="4+"),
            F("client_id", "string"),
            F("client_host", "string"),
            F("member_metadata", "bytes"),
            F("member_assignment", "bytes"),
        ]),
        F("authorized_operations", "int32", "3+"),
    ]),
]

LIST_GROUPS_REQUEST = [F("states_filter", "[]string", "4+"), F("types_filter", "[]string", "5+")]
LIST_GROUPS_RESPONSE = [
    F("throttle_time_ms", "int32", "1+"),
    F("error_code", "int16"),
    F("groups", [
        F("group_id", "string"),
        F("protocol_type", "string"),
        F("group_state", "string", "4+"),
        F("group_type", "string", "5+"),
    ]),
]

DELETE_GROUPS_REQUEST = [F("groups_names", "[]string")]
DELETE_GROUPS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("results", [F("group_id", "string"), F("error_code", "int16")]),
]

OFFSET_DELETE_REQUEST = [
    F("group_id", "string"),
    F("topics", [F("name", "string"), F("partitions", [F("partition_index", "int32")])]),
]
OFFSET_DELETE_RESPONSE = [
    F("error_code", "int16"),
    F("throttle_time_ms", "int32"),
    F("topics", [F("name", "string"), F("partitions", [F("partition_index", "int32"), F("error_code", "int16")])]),
]

ASSIGNED = [F("topic_partitions", [F("topic_id", "uuid"), F("partitions", "[]int32")])]
CONSUMER_GROUP_HEARTBEAT_REQUEST = [
    F("group_id", "string"),
    F("member_id", "string"),
    F("member_epoch", "int32"),
    F("instance_id", "string", null="0+"),
    F("rack_id", "string", null="0+"),
    F("rebalance_timeout_ms", "int32", default=-1),
    F("subscribed_topic_names", "[]string", null="0+"),
    F("subscribed_topic_regex", "string", "1+", null="1+"),
    F("server_assignor", "string", null="0+"),
    F("topic_partitions", [F("topic_id", "uuid"), F("partitions", "[]int32")], null="0+"),
]
CONSUMER_GROUP_HEARTBEAT_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("error_code", "int16"),
    F("error_message", "string", null="0+"),
    F("member_id", "string", null="0+"),
    F("member_epoch", "int32"),
    F("heartbeat_interval_ms", "int32"),
    F("assignment", ASSIGNED, shape="?{}"),
]
NAMED = [F("topic_partitions", [F("topic_id", "uuid"), F("topic_name", "string"), F("partitions", "[]int32")])]
CONSUMER_GROUP_DESCRIBE_REQUEST = [F("group_ids", "[]string"), F("include_authorized_operations", "bool")]
CONSUMER_GROUP_DESCRIBE_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("groups", [
        F("error_code", "int16"),
        F("error_message", "string", null="0+"),
        F("group_id", "string"),
        F("group_state", "string"),
        F("group_epoch", "int32"),
        F("assignment_epoch", "int32"),
        F("assignor_name", "string"),
        F("members", [
            F("member_id", "string"),
            F("instance_id", "string", null="0+"),
            F("rack_id", "string", null="0+"),
            F("member_epoch", "int32"),
            F("client_id", "string"),
            F("client_host", "string"),
            F("subscribed_topic_names", "[]string"),
            F("subscribed_topic_regex", "string", null="0+"),
            F("assignment", NAMED, shape="{}"),
            F("target_assignment", NAMED, shape="{}"),
            F("member_type", "int8", "1+"),
        ]),
        F("authorized_operations", "int32"),
    ]),
]
