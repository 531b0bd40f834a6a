//! Sources and synonyms.

use std::collections::BTreeMap;

use super::{ConfigSource, DescribedConfig, describe_topic};
use crate::config::BrokerConfig;

fn describe(topic: &[(&str, &str)], broker: &[(&str, &str)]) -> Vec<DescribedConfig> {
    let overrides: BTreeMap<String, String> = topic
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    describe_topic(&overrides, &BrokerConfig::with(broker).unwrap())
}

fn find<'a>(all: &'a [DescribedConfig], name: &str) -> &'a DescribedConfig {
    all.iter().find(|described| described.name == name).unwrap()
}

fn synonyms(described: &DescribedConfig) -> Vec<(&str, &str, ConfigSource)> {
    let text = |value: &Option<String>| value.as_deref().unwrap_or_default().to_owned().leak();
    described
        .synonyms
        .iter()
        .map(|synonym| (synonym.name, &*text(&synonym.value), synonym.source))
        .collect()
}

#[test]
fn synonyms_run_from_the_override_to_the_default() {
    let all = describe(
        &[("retention.ms", "1000")],
        &[("log.retention.hours", "2"), ("log.retention.minutes", "3")],
    );
    let retention = find(&all, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("1000"));
    assert_eq!(retention.source, ConfigSource::DynamicTopicConfig);
    assert_eq!(retention.kind.code(), 5);
    assert!(!retention.read_only && !retention.sensitive);
    assert_eq!(
        synonyms(retention),
        [("retention.ms", "1000", ConfigSource::DynamicTopicConfig)]
    );
    let all = describe(&[], &[("log.retention.ms", "4000")]);
    assert_eq!(
        synonyms(find(&all, "retention.ms")),
        [
            ("log.retention.ms", "4000", ConfigSource::StaticBrokerConfig),
            ("log.retention.hours", "168", ConfigSource::DefaultConfig),
        ]
    );
    let all = describe(&[], &[("log.retention.minutes", "3")]);
    let retention = find(&all, "retention.ms");
    assert_eq!(retention.value.as_deref(), Some("180000"));
    assert_eq!(
        (retention.source, retention.synonyms.len()),
        (ConfigSource::DefaultConfig, 0)
    );
}

#[test]
fn a_value_that_nobody_set_is_a_default() {
    let all = describe(&[], &[("message.max.bytes", "5")]);
    let cleanup = find(&all, "cleanup.policy");
    assert_eq!(
        (cleanup.value.as_deref(), cleanup.source.code()),
        (Some("delete"), 5)
    );
    assert_eq!(
        synonyms(cleanup),
        [("log.cleanup.policy", "delete", ConfigSource::DefaultConfig)]
    );
    let max = find(&all, "max.message.bytes");
    assert_eq!((max.value.as_deref(), max.source.code()), (Some("5"), 4));
    let remote = find(&all, "remote.storage.enable");
    assert_eq!(
        (remote.value.as_deref(), remote.synonyms.len()),
        (Some("false"), 0)
    );
    assert!(
        !all.iter()
            .any(|described| described.name == "internal.segment.bytes")
    );
    assert_eq!(
        describe(&[("internal.segment.bytes", "9")], &[]).len(),
        all.len() + 1
    );
}

#[test]
fn the_broker_describes_itself() {
    let all = BrokerConfig::with(&[("num.partitions", "4")])
        .unwrap()
        .describe();
    let partitions = find(&all, "num.partitions");
    assert_eq!(partitions.source, ConfigSource::StaticBrokerConfig);
    assert!(partitions.read_only);
    assert_eq!(
        synonyms(partitions),
        [
            ("num.partitions", "4", ConfigSource::StaticBrokerConfig),
            ("num.partitions", "1", ConfigSource::DefaultConfig),
        ]
    );
    let rack = find(&all, "broker.rack");
    assert_eq!(
        (&rack.value, rack.source),
        (&None, ConfigSource::DefaultConfig)
    );
    assert!(!find(&all, "log.segment.bytes").read_only);
    // Kafka keeps this one to itself.
    assert!(
        !all.iter()
            .any(|described| described.name == "log.initial.task.delay.ms")
    );
}
