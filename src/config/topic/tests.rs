//! Overrides, inheritance and refusals.

use std::collections::BTreeMap;

use super::{CleanupPolicy, InvalidConfig, TimestampType, TopicConfig, validate_override};
use crate::config::BrokerConfig;

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn resolve(topic: &[(&str, &str)], broker: &[(&str, &str)]) -> Result<TopicConfig, InvalidConfig> {
    TopicConfig::resolve(&overrides(topic), &BrokerConfig::with(broker).unwrap())
}

#[test]
fn a_topic_without_overrides_has_kafkas_defaults() {
    let config = TopicConfig::default();
    assert_eq!(
        config.cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: false
        }
    );
    assert_eq!(config.retention_ms, 604_800_000);
    assert_eq!(config.segment_ms, 604_800_000);
    assert_eq!(config.segment_jitter_ms, 0);
    assert_eq!(config.flush_ms, i64::MAX);
    assert_eq!(config.message_timestamp_type, TimestampType::CreateTime);
    assert_eq!(config.segment_bytes, 1_073_741_824);
}

#[test]
fn the_broker_gives_defaults_by_precedence() {
    let retention = |broker: &[(&str, &str)]| resolve(&[], broker).unwrap().retention_ms;
    let (hours, minutes) = (("log.retention.hours", "2"), ("log.retention.minutes", "3"));
    assert_eq!(retention(&[hours]), 7_200_000);
    assert_eq!(retention(&[hours, minutes]), 180_000);
    assert_eq!(retention(&[hours, minutes, ("log.retention.ms", "4")]), 4);
    assert_eq!(retention(&[("log.retention.hours", "-3")]), -1);
    let flush = |broker: &[(&str, &str)]| resolve(&[], broker).unwrap().flush_ms;
    assert_eq!(flush(&[("log.flush.scheduler.interval.ms", "5")]), 5);
    assert_eq!(
        flush(&[
            ("log.flush.scheduler.interval.ms", "5"),
            ("log.flush.interval.ms", "9")
        ]),
        9
    );
    assert_eq!(
        resolve(&[], &[("message.max.bytes", "77")])
            .unwrap()
            .max_message_bytes,
        77
    );
    assert!(
        resolve(&[], &[("zurau.flush.before.ack", "true")])
            .unwrap()
            .zurau_flush_before_ack
    );
}

#[test]
fn overrides_prevail() {
    let config = resolve(
        &[
            ("cleanup.policy", "compact, delete"),
            ("retention.ms", "10"),
            ("message.timestamp.type", "LogAppendTime"),
            ("internal.segment.bytes", "1000"),
            ("segment.bytes", "2000000"),
        ],
        &[("log.retention.ms", "4")],
    )
    .unwrap();
    assert_eq!(
        config.cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: true
        }
    );
    assert_eq!(config.retention_ms, 10);
    assert_eq!(config.message_timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(config.segment_bytes, 1000);
    let none = resolve(&[("cleanup.policy", "")], &[])
        .unwrap()
        .cleanup_policy;
    assert_eq!(
        none,
        CleanupPolicy {
            delete: false,
            compact: false
        }
    );
}

#[test]
fn wrong_overrides_are_refused_in_kafkas_words() {
    let refusal = |name, value| validate_override(name, value).unwrap_err().0;
    assert_eq!(refusal("x", "1"), "Unknown topic config name: x");
    assert_eq!(
        refusal("log.retention.ms", "1"),
        "Unknown topic config name: log.retention.ms"
    );
    assert_eq!(
        refusal("retention.ms", "abc"),
        "Invalid value abc for configuration retention.ms: Not a number of type LONG"
    );
    assert_eq!(
        refusal("segment.bytes", "14"),
        "Invalid value 14 for configuration segment.bytes: Value must be at least 1048576"
    );
    assert!(refusal("cleanup.policy", "compact,nope").contains("cleanup.policy"));
    assert!(resolve(&[("x", "1")], &[]).is_err());
    assert!(resolve(&[("remote.storage.enable", "true")], &[]).is_err());
    let lags = [
        ("min.compaction.lag.ms", "20"),
        ("max.compaction.lag.ms", "10"),
    ];
    assert!(resolve(&lags, &[]).unwrap_err().0.contains("conflict"));
}
