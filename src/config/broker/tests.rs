//! The typed view and its cross-checks.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::BrokerConfig;
use crate::config::{InvalidConfig, definitions};

fn refusal(overrides: &[(&str, &str)]) -> String {
    let InvalidConfig(text) = BrokerConfig::with(overrides).unwrap_err();
    text
}

#[test]
fn every_key_of_the_table_is_read_and_fields_have_its_type() {
    let keys = BrokerConfig::keys();
    for (key, suits) in &keys {
        assert!(
            suits,
            "{key} has a field of the wrong type, or no definition"
        );
    }
    let fields: BTreeSet<_> = keys.iter().map(|(key, _)| *key).collect();
    let table: BTreeSet<_> = definitions::BROKER.iter().map(|row| row.name).collect();
    assert_eq!(fields, table);
}

#[test]
fn the_defaults_are_usable() {
    let config = BrokerConfig::default();
    assert_eq!((config.node_id, config.broker_id), (1, 1));
    assert_eq!(config.log_dirs, [PathBuf::from("./data")]);
    assert_eq!(config.metadata_log_dir, PathBuf::from("./data"));
    assert_eq!(
        config.listeners[0].to_string(),
        "PLAINTEXT://127.0.0.1:9092"
    );
    assert_eq!(config.settings.value("log.retention.ms"), None);
    assert_eq!(config.offsets_topic_replication_factor, 3);
    assert_eq!(config.zurau_disk_reserve_bytes, 268_435_456);
    assert_ne!(config.serving_threads(), Some(0));
    assert!((1..=4).contains(&config.storage_lanes()));
    let two = BrokerConfig::with(&[("log.dirs", "/a,/b")]).unwrap();
    assert_eq!(two.log_dirs, [PathBuf::from("/a"), PathBuf::from("/b")]);
    assert_eq!(two.metadata_log_dir, PathBuf::from("/a"));
    assert!((1..=2).contains(&two.storage_lanes()), "shared out");
    let three = BrokerConfig::with(&[("zurau.storage.lanes", "3")]).unwrap();
    assert_eq!(three.storage_lanes(), 3);
}

#[test]
fn settings_that_contradict_each_other_stop_the_start() {
    for (overrides, reason) in [
        (
            &[("group.min.session.timeout.ms", "1800001")][..],
            "group.max.session.timeout.ms",
        ),
        (
            &[("queued.max.request.bytes", "1000")],
            "socket.request.max.bytes",
        ),
        (
            &[("max.connections.per.ip", "0")],
            "max.connections.per.ip.overrides",
        ),
        (&[("log.retention.hours", "0")], "cannot be 0"),
        (
            &[
                ("log.cleaner.min.compaction.lag.ms", "2"),
                ("log.cleaner.max.compaction.lag.ms", "1"),
            ],
            "log.cleaner.max.compaction.lag.ms",
        ),
        (&[("log.dirs", "")], "at least one"),
        (
            &[("max.connections.per.ip.overrides", "host")],
            "host:count",
        ),
    ] {
        let text = refusal(overrides);
        assert!(text.contains(reason) && !text.contains('\n'), "{text}");
    }
}

#[test]
fn connection_overrides_are_read_by_host() {
    let config = BrokerConfig::with(&[
        ("max.connections.per.ip", "0"),
        ("max.connections.per.ip.overrides", "127.0.0.1:5, [::1]:7"),
    ])
    .unwrap();
    assert_eq!(config.max_connections_per_ip_overrides["127.0.0.1"], 5);
    assert_eq!(config.max_connections_per_ip_overrides["::1"], 7);
}
