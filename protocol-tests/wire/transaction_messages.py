"""Requests and responses of transactions."""

from .codec import Field as F

THROTTLE = F("throttle_time_ms", "int32")
PRODUCER = [F("transactional_id", "string"), F("producer_id", "int64"), F("producer_epoch", "int16")]
PARTITIONS = [F("name", "string"), F("partitions", "[]int32")]
ADDED = [
    F("name", "string"),
    F("results_by_partition", [F("partition_index", "int32"), F("partition_error_code", "int16")]),
]

# Clients have one transaction in a request, brokers (from version 4 on) several.
ADD_PARTITIONS_TO_TXN_REQUEST = [
    F("transactions", [*PRODUCER, F("verify_only", "bool"), F("topics", PARTITIONS)], "4+"),
    F("v3_and_below_transactional_id", "string", "0-3"),
    F("v3_and_below_producer_id", "int64", "0-3"),
    F("v3_and_below_producer_epoch", "int16", "0-3"),
    F("v3_and_below_topics", PARTITIONS, "0-3"),
]
ADD_PARTITIONS_TO_TXN_RESPONSE = [
    THROTTLE,
    F("error_code", "int16", "4+"),
    F("results_by_transaction", [F("transactional_id", "string"), F("topic_results", ADDED)], "4+"),
    F("results_by_topic_v3_and_below", ADDED, "0-3"),
]
ADD_OFFSETS_TO_TXN_REQUEST = [*PRODUCER, F("group_id", "string")]
ADD_OFFSETS_TO_TXN_RESPONSE = [THROTTLE, F("error_code", "int16")]
END_TXN_REQUEST = [*PRODUCER, F("committed", "bool")]
END_TXN_RESPONSE = [
    THROTTLE, F("error_code", "int16"), F("producer_id", "int64", "5+"), F("producer_epoch", "int16", "5+")]
WRITE_TXN_MARKERS_REQUEST = [
    F("markers", [
        F("producer_id", "int64"),
        F("producer_epoch", "int16"),
        F("transaction_result", "bool"),
        F("topics", [F("name", "string"), F("partition_indexes", "[]int32")]),
        F("coordinator_epoch", "int32"),
        F("transaction_version", "int8", "2+"),
    ]),
]
WRITE_TXN_MARKERS_RESPONSE = [
    F("markers", [
        F("producer_id", "int64"),
        F("topics", [
            F("name", "string"), F("partitions", [F("partition_index", "int32"), F("error_code", "int16")])]),
    ]),
]
TXN_OFFSET_COMMIT_REQUEST = [
    F("transactional_id", "string"),
    F("group_id", "string"),
    F("producer_id", "int64"),
    F("producer_epoch", "int16"),
    F("generation_id_or_member_epoch", "int32", "3+", default=-1),
    F("member_id", "string", "3+"),
    F("group_instance_id", "string", "3+", null="3+"),
    F("topics", [
        F("name", "string", "0-5"),
        F("topic_id", "uuid", "6+"),
        F("partitions", [
            F("partition_index", "int32"),
            F("committed_offset", "int64"),
            F("committed_leader_epoch", "int32", "2+", default=-1),
            F("committed_metadata", "string", null="0+"),
        ]),
    ]),
]
TXN_OFFSET_COMMIT_RESPONSE = [
    THROTTLE,
    F("topics", [
        F("name", "string", "0-5"),
        F("topic_id", "uuid", "6+"),
        F("partitions", [F("partition_index", "int32"), F("error_code", "int16")]),
    ]),
]

# Name, number, first and last version, first flexible version, request, response.
APIS = [
    ("AddPartitionsToTxn", 24, 0, 5, 3, ADD_PARTITIONS_TO_TXN_REQUEST, ADD_PARTITIONS_TO_TXN_RESPONSE),
    ("AddOffsetsToTxn", 25, 0, 4, 3, ADD_OFFSETS_TO_TXN_REQUEST, ADD_OFFSETS_TO_TXN_RESPONSE),
    ("EndTxn", 26, 0, 5, 3, END_TXN_REQUEST, END_TXN_RESPONSE),
    ("WriteTxnMarkers", 27, 1, 2, 1, WRITE_TXN_MARKERS_REQUEST, WRITE_TXN_MARKERS_RESPONSE),
    ("TxnOffsetCommit", 28, 0, 6, 3, TXN_OFFSET_COMMIT_REQUEST, TXN_OFFSET_COMMIT_RESPONSE),
]
