"""Requests and responses about topics, configurations and the cluster."""

from .codec import Field as F

METADATA_REQUEST = [
    F("topics", [
        F("topic_id", "uuid", "10+"),
        F("name", "string", null="10+"),
    ], null="1+"),
    F("allow_auto_topic_creation", "bool", "4+"),
    F("include_cluster_authorized_operations", "bool", "8-10"),
    F("include_topic_authorized_operations", "bool", "8+"),
]
METADATA_RESPONSE = [
    F("throttle_time_ms", "int32", "3+"),
    F("brokers", [
        F("node_id", "int32"),
        F("host", "string"),
        F("port", "int32"),
        F("rack", "string", "1+", null="1+"),
    ]),
    F("cluster_id", "string", "2+", null="2+"),
    F("controller_id", "int32", "1+"),
    F("topics", [
        F("error_code", "int16"),
        F("name", "string", null="12+"),
        F("topic_id", "uuid", "10+"),
        F("is_internal", "bool", "1+"),
        F("partitions", [
            F("error_code", "int16"),
            F("partition_index", "int32"),
            F("leader_id", "int32"),
            F("leader_epoch", "int32", "7+"),
            F("replica_nodes", "[]int32"),
            F("isr_nodes", "[]int32"),
            F("offline_replicas", "[]int32", "5+"),
        ]),
        F("topic_authorized_operations", "int32", "8+"),
    ]),
    F("cluster_authorized_operations", "int32", "8-10"),
    F("error_code", "int16", "13+"),
]

CREATE_TOPICS_REQUEST = [
    F("topics", [
        F("name", "string"),
        F("num_partitions", "int32", default=1),
        F("replication_factor", "int16", default=1),
        F("assignments", [F("partition_index", "int32"), F("broker_ids", "[]int32")]),
        F("configs", [F("name", "string"), F("value", "string", null="0+")]),
    ]),
    F("timeout_ms", "int32", default=15000),
    F("validate_only", "bool", "1+"),
]
CREATE_TOPICS_RESPONSE = [
    F("throttle_time_ms", "int32", "2+"),
    F("topics", [
        F("name", "string"),
        F("topic_id", "uuid", "7+"),
        F("error_code", "int16"),
        F("error_message", "string", "1+", null="0+"),
        F("topic_config_error_code", "int16", "5+", tag=0),
        F("num_partitions", "int32", "5+"),
        F("replication_factor", "int16", "5+"),
        F("configs", [
            F("name", "string"),
            F("value", "string", null="0+"),
            F("read_only", "bool"),
            F("config_source", "int8"),
            F("is_sensitive", "bool"),
        ], "5+", null="5+"),
    ]),
]

DELETE_TOPICS_REQUEST = [
    F("topics", [F("name", "string", null="6+"), F("topic_id", "uuid")], "6+"),
    F("topic_names", "[]string", "0-5"),
    F("timeout_ms", "int32", default=15000),
]
DELETE_TOPICS_RESPONSE = [
    F("throttle_time_ms", "int32", "1+"),
    F("responses", [
        F("name", "string", null="6+"),
        F("topic_id", "uuid", "6+"),
        F("error_code", "int16"),
        F("error_message", "string", "5+", null="5+"),
    ]),
]

CREATE_PARTITIONS_REQUEST = [
    F("topics", [
        F("name", "string"),
        F("count", "int32", default=1),
        F("assignments", [F("broker_ids", "[]int32")], null="0+"),
    ]),
    F("timeout_ms", "int32", default=15000),
    F("validate_only", "bool"),
]
CREATE_PARTITIONS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("results", [
        F("name", "string"),
        F("error_code", "int16"),
        F("error_message", "string", null="0+"),
    ]),
]

DESCRIBE_CONFIGS_REQUEST = [
    F("resources", [
        F("resource_type", "int8", default=2),
        F("resource_name", "string"),
        F("configuration_keys", "[]string", null="0+"),
    ]),
    F("include_synonyms", "bool", "1+"),
    F("include_documentation", "bool", "3+"),
]
DESCRIBE_CONFIGS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("results", [
        F("error_code", "int16"),
        F("error_message", "string", null="0+"),
        F("resource_type", "int8"),
        F("resource_name", "string"),
        F("configs", [
            F("name", "string"),
            F("value", "string", null="0+"),
            F("read_only", "bool"),
            F("config_source", "int8", "1+"),
            F("is_sensitive", "bool"),
            F("synonyms", [
                F("name", "string"),
                F("value", "string", null="0+"),
                F("source", "int8"),
            ], "1+"),
            F("config_type", "int8", "3+"),
            F("documentation", "string", "3+", null="3+"),
        ]),
    ]),
]

DESCRIBE_CLUSTER_REQUEST = [
    F("include_cluster_authorized_operations", "bool"),
    F("endpoint_type", "int8", "1+", default=1),
    F("include_fenced_brokers", "bool", "2+"),
]
DESCRIBE_CLUSTER_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("error_code", "int16"),
    F("error_message", "string", null="0+"),
    F("endpoint_type", "int8", "1+"),
    F("cluster_id", "string"),
    F("controller_id", "int32"),
    F("brokers", [
        F("broker_id", "int32"),
        F("host", "string"),
        F("port", "int32"),
        F("rack", "string", null="0+"),
        F("is_fenced", "bool", "2+"),
    ]),
    F("cluster_authorized_operations", "int32"),
]

CURSOR = [F("topic_name", "string"), F("partition_index", "int32")]
DESCRIBE_TOPIC_PARTITIONS_REQUEST = [
    F("topics", [F("name", "string")]),
    F("response_partition_limit", "int32", default=2000),
    F("cursor", CURSOR, shape="?{}"),
]
DESCRIBE_TOPIC_PARTITIONS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("topics", [
        F("error_code", "int16"),
        F("name", "string", null="0+"),
        F("topic_id", "uuid"),
        F("is_internal", "bool"),
        F("partitions", [
            F("error_code", "int16"),
            F("partition_index", "int32"),
            F("leader_id", "int32"),
            F("leader_epoch", "int32"),
            F("replica_nodes", "[]int32"),
            F("isr_nodes", "[]int32"),
            F("eligible_leader_replicas", "[]int32", null="0+"),
            F("last_known_elr", "[]int32", null="0+"),
            F("offline_replicas", "[]int32"),
        ]),
        F("topic_authorized_operations", "int32"),
    ]),
    F("next_cursor", CURSOR, shape="?{}"),
]

DELETE_RECORDS_REQUEST = [
    F("topics", [
        F("name", "string"),
        F("partitions", [F("partition_index", "int32"), F("offset", "int64")]),
    ]),
    F("timeout_ms", "int32", default=30_000),
]
DELETE_RECORDS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("topics", [
        F("name", "string"),
        F("partitions", [F("partition_index", "int32"), F("low_watermark", "int64"), F("error_code", "int16")]),
    ]),
]

ALTER_CONFIGS_REQUEST = [
    F("resources", [
        F("resource_type", "int8"),
        F("resource_name", "string"),
        F("configs", [F("name", "string"), F("value", "string", null="0+")]),
    ]),
    F("validate_only", "bool"),
]
INCREMENTAL_ALTER_CONFIGS_REQUEST = [
    F("resources", [
        F("resource_type", "int8"),
        F("resource_name", "string"),
        F("configs", [F("name", "string"), F("config_operation", "int8"), F("value", "string", null="0+")]),
    ]),
    F("validate_only", "bool"),
]
# The same for both.
ALTER_CONFIGS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("responses", [
        F("error_code", "int16"),
        F("error_message", "string", null="0+"),
        F("resource_type", "int8"),
        F("resource_name", "string"),
    ]),
]

ALTER_REPLICA_LOG_DIRS_REQUEST = [
    F("dirs", [
        F("path", "string"),
        F("topics", [F("name", "string"), F("partitions", "[]int32")]),
    ]),
]
ALTER_REPLICA_LOG_DIRS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("results", [
        F("topic_name", "string"),
        F("partitions", [F("partition_index", "int32"), F("error_code", "int16")]),
    ]),
]

DESCRIBE_LOG_DIRS_REQUEST = [
    F("topics", [F("topic", "string"), F("partitions", "[]int32")], null="0+"),
]
DESCRIBE_LOG_DIRS_RESPONSE = [
    F("throttle_time_ms", "int32"),
    F("error_code", "int16", "3+"),
    F("results", [
        F("error_code", "int16"),
        F("log_dir", "string"),
        F("topics", [
            F("name", "string"),
            F("partitions", [
                F("partition_index", "int32"),
                F("partition_size", "int64"),
                F("offset_lag", "int64"),
                F("is_future_key", "bool"),
            ]),
        ]),
        F("total_bytes", "int64", "4+"),
        F("usable_bytes", "int64", "4+"),
        F("is_cordoned", "bool", "5+"),
    ]),
]
