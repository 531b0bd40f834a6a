//! The configuration of one topic: its overrides over the broker's defaults.
//!
//! The value of a topic's setting is the topic's own override; else the first of the broker's
//! synonyms that is not null (`log.retention.ms`, then `.minutes`, then `.hours`); else its default.
//! Overrides are stored as the client sent them, and [`TopicConfig::resolve`] turns them into what
//! the log reads. [`validate_override`] uses Kafka's error texts, since people search for them.

use std::collections::BTreeMap;

use super::broker::BrokerConfig;
use super::definitions::{self, Definition};
use super::value::FromValue;

pub use super::InvalidConfig;

/// A topic's cleanup policy. With neither, everything is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted.
    pub delete: bool,
    /// Segments are compacted.
    pub compact: bool,
}

/// Which clock sets the timestamps of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// The codec in which a topic's batches are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// The producer's codec.
    Producer,
    /// No compression.
    Uncompressed,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

/// The effective configuration of one topic. A field is named like its key, with dots as
/// underscores; sizes and times that may be "none" or "unlimited" (-1 or the greatest number) stay
/// `i64` as Kafka has them. The definitions say what each means.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the definitions say what each key means")]
pub struct TopicConfig {
    pub cleanup_policy: CleanupPolicy,
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_type: CompressionType,
    pub compression_zstd_level: i32,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: i64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub index_interval_bytes: i32,
    pub max_compaction_lag_ms: i64,
    pub max_decompressed_message_bytes: i32,
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
    /// `segment.bytes`, or `internal.segment.bytes` where a test sets it
    pub segment_bytes: i32,
    pub segment_index_bytes: i32,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
    /// `zurau.flush.before.ack`
    pub zurau_flush_before_ack: bool,
}

impl TopicConfig {
    /// The effective configuration of a topic with these overrides, all of them checked, also
    /// against each other. Errors name key, value and reason.
    pub fn resolve(
        overrides: &BTreeMap<String, String>,
        broker: &BrokerConfig,
    ) -> Result<Self, InvalidConfig> {
        for (name, value) in overrides {
            validate_override(name, value)?;
        }
        let values = Values { overrides, broker };
        let policies: Vec<String> = values.read("cleanup.policy")?;
        let has = |policy: &str| policies.iter().any(|listed| listed == policy);
        let segment_bytes = match values.read("internal.segment.bytes")? {
            Some(bytes) => bytes,
            None => values.read("segment.bytes")?,
        };
        let compression: String = values.read("compression.type")?;
        let stamp: String = values.read("message.timestamp.type")?;
        let config = Self {
            cleanup_policy: CleanupPolicy {
                delete: has("delete"),
                compact: has("compact"),
            },
            compression_gzip_level: values.read("compression.gzip.level")?,
            compression_lz4_level: values.read("compression.lz4.level")?,
            compression_type: match compression.as_str() {
                "uncompressed" => CompressionType::Uncompressed,
                "gzip" => CompressionType::Gzip,
                "snappy" => CompressionType::Snappy,
                "lz4" => CompressionType::Lz4,
                "zstd" => CompressionType::Zstd,
                _ => CompressionType::Producer,
            },
            compression_zstd_level: values.read("compression.zstd.level")?,
            delete_retention_ms: values.read("delete.retention.ms")?,
            file_delete_delay_ms: values.read("file.delete.delay.ms")?,
            flush_messages: values.read("flush.messages")?,
            flush_ms: values.read("flush.ms")?,
            index_interval_bytes: values.read("index.interval.bytes")?,
            max_compaction_lag_ms: values.read("max.compaction.lag.ms")?,
            max_decompressed_message_bytes: values.read("max.decompressed.message.bytes")?,
            max_message_bytes: values.read("max.message.bytes")?,
            message_timestamp_after_max_ms: values.read("message.timestamp.after.max.ms")?,
            message_timestamp_before_max_ms: values.read("message.timestamp.before.max.ms")?,
            message_timestamp_type: match stamp.as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            min_cleanable_dirty_ratio: values.read("min.cleanable.dirty.ratio")?,
            min_compaction_lag_ms: values.read("min.compaction.lag.ms")?,
            min_insync_replicas: values.read("min.insync.replicas")?,
            preallocate: values.read("preallocate")?,
            retention_bytes: values.read("retention.bytes")?,
            retention_ms: values.read("retention.ms")?,
            segment_bytes,
            segment_index_bytes: values.read("segment.index.bytes")?,
            segment_jitter_ms: values.read("segment.jitter.ms")?,
            segment_ms: values.read("segment.ms")?,
            unclean_leader_election_enable: values.read("unclean.leader.election.enable")?,
            zurau_flush_before_ack: values.read("zurau.flush.before.ack")?,
        };
        if values.read("remote.storage.enable")? {
            return Err(InvalidConfig(
                "Tiered Storage functionality is disabled in the broker. Topic cannot be \
                 configured with remote log storage."
                    .to_owned(),
            ));
        }
        if config.min_compaction_lag_ms > config.max_compaction_lag_ms {
            return Err(InvalidConfig(format!(
                "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms \
                 ({})",
                config.min_compaction_lag_ms, config.max_compaction_lag_ms
            )));
        }
        Ok(config)
    }

    /// The age at which a segment is closed. In a compacted topic it is at most `max.compaction.lag.ms`, since
    /// the active segment is not compacted.
    pub fn roll_ms(&self) -> i64 {
        if self.cleanup_policy.compact && self.max_compaction_lag_ms > 0 {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}

impl Default for TopicConfig {
    /// The configuration of a topic without overrides on a broker with the embedded defaults.
    ///
    /// # Panics
    /// Never: a test resolves the same defaults.
    fn default() -> Self {
        match Self::resolve(&BTreeMap::new(), &BrokerConfig::default()) {
            Ok(config) => config,
            Err(error) => unreachable!("the embedded defaults contradict themselves: {error}"),
        }
    }
}

/// Checks one override of a topic by itself. The error texts are Kafka's.
pub fn validate_override(name: &str, value: &str) -> Result<(), InvalidConfig> {
    canonical_override(name, value).map(|_| ())
}

/// A topic's override in its canonical text.
pub(super) fn canonical_override(name: &str, value: &str) -> Result<String, InvalidConfig> {
    let definition = definitions::topic(name)
        .ok_or_else(|| InvalidConfig(format!("Unknown topic config name: {name}")))?;
    definition.checked(value)
}

/// The value that the broker gives a topic's setting, or the setting's own default.
pub(super) fn inherited(definition: &Definition, broker: &BrokerConfig) -> Option<String> {
    let from_broker = definition.synonyms.iter().find_map(|(name, factor)| {
        let value = broker.settings.value(name)?;
        match (*factor, value.parse::<i64>()) {
            (1, _) | (_, Err(_)) => Some(value.to_owned()),
            // Any negative number of hours means "for ever".
            (factor, Ok(number)) => Some(number.saturating_mul(factor).max(-1).to_string()),
        }
    });
    from_broker.or_else(|| definition.default.map(str::to_owned))
}

/// The effective values of one topic as texts.
struct Values<'a> {
    overrides: &'a BTreeMap<String, String>,
    broker: &'a BrokerConfig,
}

impl Values<'_> {
    fn read<T: FromValue>(&self, name: &str) -> Result<T, InvalidConfig> {
        let value = match self.overrides.get(name) {
            Some(value) => Some(canonical_override(name, value)?),
            None => {
                definitions::topic(name).and_then(|definition| inherited(definition, self.broker))
            }
        };
        // The definitions of topics and brokers agree, so that this fails for no input.
        T::from_value(value.as_deref()).ok_or_else(|| {
            let value = value.unwrap_or_default();
            InvalidConfig(format!("Invalid value {value} for configuration {name}"))
        })
    }
}

#[cfg(test)]
mod tests;
