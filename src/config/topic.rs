//! CONTRACT STUB. Field names are Kafka's topic keys with dots as underscores, in natural Rust types:
//! sizes and times that may be "none/unlimited" (-1 or i64::MAX) stay i64 as Kafka has them.
use std::collections::BTreeMap;
/// What a topic's cleanup policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy { /** delete */ pub delete: bool, /** compact */ pub compact: bool }
/// Which clock stamps records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType { /** producer's */ CreateTime, /** broker's */ LogAppendTime }
/// The effective configuration of one topic: its overrides over the broker's defaults.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct TopicConfig {
    pub cleanup_policy: CleanupPolicy,
    pub compression_type: String,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub index_interval_bytes: i32,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: i32,
    pub message_timestamp_after_max_ms: i64,
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_type: TimestampType,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    pub segment_bytes: i32,
    pub segment_index_bytes: i32,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
    /// `zurau.flush.before.ack`
    pub zurau_flush_before_ack: bool,
}
impl TopicConfig {
    /// The effective configuration of a topic with these overrides. Errors name key, value and cure.
    pub fn resolve(_overrides: &BTreeMap<String, String>, _broker: &super::BrokerConfig) -> Result<Self, super::topic::InvalidConfig> { todo!() }
}
/// A configuration value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);
