"""Requests and responses of administrators: ACLs, SASL, quotas, users, producers, transactions."""

from .codec import Field as F

NEVER = 32767  # first flexible version of what has none

KINDS = [F("resource_type", "int8", default=2), F("resource_name", "string")]
ERROR = [F("error_code", "int16"), F("error_message", "string", null="0+")]
THROTTLE = F("throttle_time_ms", "int32")

ACL_FILTER = [
    F("resource_type_filter", "int8", default=1),
    F("resource_name_filter", "string", null="0+"),
    F("pattern_type_filter", "int8", "1+", default=1),
    F("principal_filter", "string", null="0+"),
    F("host_filter", "string", null="0+"),
    F("operation", "int8", default=1),
    F("permission_type", "int8", default=1),
]
ACL = [F("principal", "string"), F("host", "string"), F("operation", "int8", default=3), F("permission_type", "int8", default=3)]
DESCRIBE_ACLS_RESPONSE = [
    THROTTLE, *ERROR, F("resources", [*KINDS, F("pattern_type", "int8", "1+"), F("acls", ACL)])]
CREATE_ACLS_REQUEST = [F("creations", [*KINDS, F("resource_pattern_type", "int8", "1+", default=3), *ACL])]
CREATE_ACLS_RESPONSE = [THROTTLE, F("results", ERROR)]
DELETE_ACLS_REQUEST = [F("filters", ACL_FILTER)]
DELETE_ACLS_RESPONSE = [
    THROTTLE,
    F("filter_results", [*ERROR, F("matching_acls", [*ERROR, *KINDS, F("pattern_type", "int8", "1+"), *ACL])]),
]

SASL_HANDSHAKE_REQUEST = [F("mechanism", "string")]
SASL_HANDSHAKE_RESPONSE = [F("error_code", "int16"), F("mechanisms", "[]string")]
SASL_AUTHENTICATE_REQUEST = [F("auth_bytes", "bytes")]
SASL_AUTHENTICATE_RESPONSE = [*ERROR, F("auth_bytes", "bytes"), F("session_lifetime_ms", "int64", "1+")]

DESCRIBE_CLIENT_QUOTAS_REQUEST = [
    F("components", [F("entity_type", "string"), F("match_type", "int8"), F("match", "string", null="0+")]),
    F("strict", "bool"),
]
DESCRIBE_CLIENT_QUOTAS_RESPONSE = [
    THROTTLE,
    *ERROR,
    F("entries", [
        F("entity", [F("entity_type", "string"), F("entity_name", "string", null="0+")]),
        F("values", [F("key", "string"), F("value", "float64")]),
    ], null="0+"),
]

DESCRIBE_USER_SCRAM_CREDENTIALS_REQUEST = [F("users", [F("name", "string")], null="0+")]
DESCRIBE_USER_SCRAM_CREDENTIALS_RESPONSE = [
    THROTTLE,
    *ERROR,
    F("results", [
        F("user", "string"), *ERROR, F("credential_infos", [F("mechanism", "int8"), F("iterations", "int32")])]),
]

DESCRIBE_PRODUCERS_REQUEST = [F("topics", [F("name", "string"), F("partition_indexes", "[]int32")])]
DESCRIBE_PRODUCERS_RESPONSE = [
    THROTTLE,
    F("topics", [
        F("name", "string"),
        F("partitions", [
            F("partition_index", "int32"),
            *ERROR,
            F("active_producers", [
                F("producer_id", "int64"),
                F("producer_epoch", "int32"),
                F("last_sequence", "int32"),
                F("last_timestamp", "int64"),
                F("coordinator_epoch", "int32"),
                F("current_txn_start_offset", "int64"),
            ]),
        ]),
    ]),
]

DESCRIBE_TRANSACTIONS_REQUEST = [F("transactional_ids", "[]string")]
DESCRIBE_TRANSACTIONS_RESPONSE = [
    THROTTLE,
    F("transaction_states", [
        F("error_code", "int16"),
        F("transactional_id", "string"),
        F("transaction_state", "string"),
        F("transaction_timeout_ms", "int32"),
        F("transaction_start_time_ms", "int64"),
        F("producer_id", "int64"),
        F("producer_epoch", "int16"),
        F("topics", [F("topic", "string"), F("partitions", "[]int32")]),
    ]),
]
LIST_TRANSACTIONS_REQUEST = [
    F("state_filters", "[]string"),
    F("producer_id_filters", "[]int64"),
    F("duration_filter", "int64", "1+", default=-1),
    F("transactional_id_pattern", "string", "2+", null="2+"),
]
LIST_TRANSACTIONS_RESPONSE = [
    THROTTLE,
    F("error_code", "int16"),
    F("unknown_state_filters", "[]string"),
    F("transaction_states", [
        F("transactional_id", "string"), F("producer_id", "int64"), F("transaction_state", "string")]),
]

# Name, number, first and last version, first flexible version, request, response.
APIS = [
    ("SaslHandshake", 17, 0, 1, NEVER, SASL_HANDSHAKE_REQUEST, SASL_HANDSHAKE_RESPONSE),
    ("DescribeAcls", 29, 1, 3, 2, ACL_FILTER, DESCRIBE_ACLS_RESPONSE),
    ("CreateAcls", 30, 1, 3, 2, CREATE_ACLS_REQUEST, CREATE_ACLS_RESPONSE),
    ("DeleteAcls", 31, 1, 3, 2, DELETE_ACLS_REQUEST, DELETE_ACLS_RESPONSE),
    ("SaslAuthenticate", 36, 0, 2, 2, SASL_AUTHENTICATE_REQUEST, SASL_AUTHENTICATE_RESPONSE),
    ("DescribeClientQuotas", 48, 0, 1, 1, DESCRIBE_CLIENT_QUOTAS_REQUEST, DESCRIBE_CLIENT_QUOTAS_RESPONSE),
    ("DescribeUserScramCredentials", 50, 0, 0, 0, DESCRIBE_USER_SCRAM_CREDENTIALS_REQUEST,
     DESCRIBE_USER_SCRAM_CREDENTIALS_RESPONSE),
    ("DescribeProducers", 61, 0, 0, 0, DESCRIBE_PRODUCERS_REQUEST, DESCRIBE_PRODUCERS_RESPONSE),
    ("DescribeTransactions", 65, 0, 0, 0, DESCRIBE_TRANSACTIONS_REQUEST, DESCRIBE_TRANSACTIONS_RESPONSE),
    ("ListTransactions", 66, 0, 2, 0, LIST_TRANSACTIONS_REQUEST, LIST_TRANSACTIONS_RESPONSE),
]
