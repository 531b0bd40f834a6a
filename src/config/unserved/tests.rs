//! Every setting of Kafka's is in one class, and what asks for protection is never passed over.

use std::collections::BTreeSet;

use super::{Standing, UNSERVED, judge, names};
use crate::config::settings::Origin;
use crate::config::warning::{Lack, Warning};
use crate::config::{InvalidConfig, definitions};

/// The broker settings that Kafka 4.4 answers DescribeConfigs with, and those that it keeps to itself.
const KAFKAS: &str = include_str!("kafka-4.4.txt");

/// Settings of the authorizer that comes with Kafka, and of Kafka's past, which its broker does not list.
const BESIDE_KAFKAS: &[&str] = &[
    "allow.everyone.if.no.acl.found",
    "super.users",
    "zookeeper.connect",
];

fn warning(key: &str, value: &str) -> Option<Warning> {
    judge(key, value, &Origin::Override).unwrap().unwrap()
}

fn refusal(key: &str, value: &str) -> String {
    let InvalidConfig(text) = judge(key, value, &Origin::Override).unwrap().unwrap_err();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn every_setting_of_kafkas_is_in_exactly_one_class() {
    let kafkas: BTreeSet<_> = KAFKAS.lines().collect();
    for name in &kafkas {
        let rows = UNSERVED.iter().filter(|row| row.name == *name).count();
        let served = usize::from(definitions::broker(name).is_some());
        assert_eq!(
            rows + served,
            1,
            "{name} is in {rows} rows of those not served, served: {served}"
        );
    }
    for name in names().filter(|name| !BESIDE_KAFKAS.contains(name)) {
        assert!(kafkas.contains(name), "{name} is no setting of Kafka's");
    }
    for definition in definitions::BROKER {
        let name = definition.name;
        assert!(
            name.starts_with("zurau.") || kafkas.contains(name),
            "{name}"
        );
    }
    for row in UNSERVED {
        let former = matches!(row.standing, Standing::Ineffective(Lack::Former(_)));
        assert!(
            !former || !kafkas.contains(row.name),
            "{} is none of the past",
            row.name
        );
    }
}

#[test]
fn what_asks_for_protection_ends_the_start_and_says_what_to_do() {
    let provider = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    for (key, value) in [
        ("authorizer.class.name", provider),
        ("super.users", "User:admin"),
        ("allow.everyone.if.no.acl.found", "false"),
        ("ssl.client.auth", "required"),
        ("ssl.client.auth", "requested"),
        ("ssl.keystore.location", "/etc/kafka/keystore.jks"),
        ("ssl.keystore.filename", "kafka.keystore.jks"),
        ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
        ("sasl.enabled.mechanisms", "GSSAPI,PLAIN"),
        ("security.inter.broker.protocol", "SASL_SSL"),
        ("connections.max.reauth.ms", "3600000"),
        ("principal.builder.class", "org.example.Builder"),
        ("create.topic.policy.class.name", "org.example.Policy"),
        ("listener.name.external.ssl.client.auth", "required"),
        ("listener.name.external.max.connections", "100"),
        ("controller.quorum.auto.join.enable", "true"),
        ("zookeeper.connect", "localhost:2181"),
        ("remote.log.storage.system.enable", "true"),
        ("config.providers", "file"),
    ] {
        let text = refusal(key, value);
        let beginning = format!("{key} cannot be {value:?} (--override): it ");
        assert!(
            text.starts_with(&beginning) && text.contains("; remove it"),
            "{text}"
        );
    }
}

#[test]
fn secrets_are_not_shown() {
    for key in [
        "delegation.token.secret.key",
        "sasl.jaas.config",
        "ssl.keystore.password",
        "ssl.keystore.key",
        "listener.name.internal.plain.sasl.jaas.config",
        "listener.name.internal.ssl.key.password",
    ] {
        let text = refusal(key, "hush");
        assert!(
            text.starts_with(&format!("{key} cannot be set (--override): ")),
            "{text}"
        );
        assert!(!text.contains("hush"), "{text}");
    }
}

#[test]
fn the_default_and_nothing_ask_for_nothing() {
    for row in UNSERVED {
        assert_eq!(warning(row.name, row.default), None, "{}", row.name);
        assert_eq!(warning(row.name, " "), None, "{}", row.name);
    }
    assert_eq!(warning("ssl.enabled.protocols", "TLSv1.2, TLSv1.3"), None);
    assert_eq!(warning("sasl.enabled.mechanisms", "GSSAPI"), None);
    assert_eq!(warning("ssl.endpoint.identification.algorithm", ""), None);
    assert_eq!(warning("allow.everyone.if.no.acl.found", "true"), None);
}

#[test]
fn yet_is_said_only_of_what_will_come() {
    let text = |key: &str| warning(key, "7").unwrap().to_string();
    assert_eq!(
        text("group.share.max.size"),
        "group.share.max.size (--override) has no effect: share groups are not served yet"
    );
    for key in [
        "fetch.purgatory.purge.interval.requests",
        "metric.reporters",
        "replica.fetch.max.bytes",
        "port",
    ] {
        assert!(!text(key).contains("yet"), "{}", text(key));
    }
    assert!(text("port").ends_with("use listeners"));
}

#[test]
fn what_cannot_matter_on_one_node_does_not_matter() {
    for key in [
        "replica.lag.time.max.ms",
        "controller.quorum.election.timeout.ms",
        "share.coordinator.state.topic.replication.factor",
        "share.coordinator.state.topic.min.isr",
    ] {
        assert!(!warning(key, "7").unwrap().matters(), "{key}");
    }
    assert!(warning("group.share.max.size", "7").unwrap().matters());
}

#[test]
fn what_kafka_does_not_know_is_for_others_to_judge() {
    for key in [
        "retention.ms",
        "something.else",
        "confluent.license",
        "zurau.nothing",
    ] {
        assert!(judge(key, "1", &Origin::Override).is_none(), "{key}");
    }
}
