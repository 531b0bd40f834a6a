//! The names of features, and the levels with an effect here.
//!
//! An image holds the finalized level of each feature that is on; a feature at level 0 is off and
//! not listed.

/// The feature that defines the allowed metadata records and inter-broker versions.
pub const METADATA_VERSION: &str = "metadata.version";
/// Classic and KIP-848 consumer groups: level 1 for the latter.
pub const GROUP_VERSION: &str = "group.version";
/// Transactions: level 2 for KIP-890 part 2.
pub const TRANSACTION_VERSION: &str = "transaction.version";
/// Eligible leader replicas (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";
/// Share groups.
pub const SHARE_VERSION: &str = "share.version";
/// Streams groups.
pub const STREAMS_VERSION: &str = "streams.version";
/// The raft layer's own feature; its level lives in control records, not in feature records.
pub const KRAFT_VERSION: &str = "kraft.version";

/// `metadata.version` 3.3-IV3, the oldest that Kafka 4.4 reads.
pub const METADATA_VERSION_3_3_IV3: i16 = 7;
/// `metadata.version` 4.4-IV2, the newest that is served, and with which a directory begins here.
pub const METADATA_VERSION_4_4_IV2: i16 = 33;

/// `group.version` 1, the newest that Kafka 4.4 has.
pub const NEWEST_GROUP_VERSION: i16 = 1;
/// `transaction.version` 2, the newest that Kafka 4.4 has.
pub const NEWEST_TRANSACTION_VERSION: i16 = 2;

/// The levels of `metadata.version` with records or fields that older levels do not have.
const METADATA_VERSIONS_WITH_NEW_RECORDS: [i16; 11] = [7, 8, 11, 13, 14, 15, 17, 23, 30, 32, 33];

/// Whether metadata of the level `newer` may contain what the level `older` does not support.
pub fn has_new_records(older: i16, newer: i16) -> bool {
    METADATA_VERSIONS_WITH_NEW_RECORDS
        .iter()
        .any(|level| older < *level && *level <= newer)
}
