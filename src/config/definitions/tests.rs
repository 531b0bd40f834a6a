//! The table agrees with itself and with Kafka.

use std::collections::BTreeSet;

use super::{BROKER, CLIENT_METRICS, Definition, GROUP, Kind, Scope, TOPIC};

fn all() -> impl Iterator<Item = &'static Definition> {
    [BROKER, TOPIC, GROUP, CLIENT_METRICS].into_iter().flatten()
}

fn default_of(definition: Option<&Definition>) -> Option<&str> {
    definition.unwrap().default
}

#[test]
fn names_are_unique_and_rows_have_their_scope() {
    for (table, scope) in [
        (BROKER, Scope::Broker),
        (TOPIC, Scope::Topic),
        (GROUP, Scope::Group),
        (CLIENT_METRICS, Scope::ClientMetrics),
    ] {
        let names: BTreeSet<_> = table.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), table.len());
        assert!(table.iter().all(|definition| definition.scope == scope));
    }
}

#[test]
fn defaults_are_allowed_and_canonical() {
    for definition in all() {
        if let Some(default) = definition.default {
            let canonical = definition.canonical(default);
            assert_eq!(canonical.as_deref(), Ok(default), "{}", definition.name);
        }
    }
}

#[test]
fn every_row_says_what_it_means() {
    for definition in all() {
        let text = definition.documentation;
        assert!(
            text.len() > 20 && text.ends_with('.'),
            "{}",
            definition.name
        );
    }
}

#[test]
fn synonyms_exist_and_have_a_type_that_fits() {
    for definition in TOPIC {
        for (name, factor) in definition.synonyms {
            let synonym = super::broker(name).unwrap_or_else(|| panic!("{name} is no broker key"));
            assert!(*factor > 1 || synonym.kind == definition.kind, "{name}");
            assert!(*factor == 1 || synonym.kind == Kind::Int, "{name}");
        }
        // What a topic inherits must be what it would have without a broker.
        if let Some((name, factor)) = definition.synonyms.last() {
            let inherited = default_of(super::broker(name)).unwrap();
            let in_unit = match factor {
                1 => inherited.to_owned(),
                factor => (inherited.parse::<i64>().unwrap() * factor).to_string(),
            };
            assert_eq!(
                Some(in_unit.as_str()),
                definition.default,
                "{}",
                definition.name
            );
        }
    }
}

/// Copied by hand from Kafka 4.3.1, so that a slip in the table does not go unseen.
#[test]
fn important_defaults_are_kafkas() {
    let broker = [
        ("auto.create.topics.enable", Some("true")),
        ("compression.type", Some("producer")),
        ("connections.max.idle.ms", Some("600000")),
        ("default.replication.factor", Some("1")),
        ("fetch.max.bytes", Some("57671680")),
        ("group.initial.rebalance.delay.ms", Some("3000")),
        ("group.max.session.timeout.ms", Some("1800000")),
        ("group.min.session.timeout.ms", Some("6000")),
        ("log.cleanup.policy", Some("delete")),
        ("log.flush.interval.messages", Some("9223372036854775807")),
        ("log.message.timestamp.after.max.ms", Some("3600000")),
        ("log.retention.check.interval.ms", Some("300000")),
        ("log.retention.hours", Some("168")),
        ("log.retention.ms", None),
        ("log.segment.bytes", Some("1073741824")),
        ("max.incremental.fetch.session.cache.slots", Some("1000")),
        ("message.max.bytes", Some("1048588")),
        ("min.insync.replicas", Some("1")),
        ("num.partitions", Some("1")),
        ("num.recovery.threads.per.data.dir", Some("2")),
        ("offset.metadata.max.bytes", Some("4096")),
        ("offsets.retention.minutes", Some("10080")),
        ("offsets.topic.num.partitions", Some("50")),
        ("offsets.topic.replication.factor", Some("3")),
        ("producer.id.expiration.ms", Some("86400000")),
        ("queued.max.requests", Some("500")),
        ("socket.request.max.bytes", Some("104857600")),
    ];
    for (name, default) in broker {
        assert_eq!(default_of(super::broker(name)), default, "{name}");
    }
    let topic = [
        ("cleanup.policy", "delete"),
        ("delete.retention.ms", "86400000"),
        ("file.delete.delay.ms", "60000"),
        ("index.interval.bytes", "4096"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "CreateTime"),
        ("min.cleanable.dirty.ratio", "0.5"),
        ("retention.bytes", "-1"),
        ("retention.ms", "604800000"),
        ("segment.bytes", "1073741824"),
        ("segment.index.bytes", "10485760"),
        ("segment.ms", "604800000"),
    ];
    for (name, default) in topic {
        assert_eq!(default_of(super::topic(name)), Some(default), "{name}");
    }
    assert_eq!(default_of(super::topic("internal.segment.bytes")), None);
}
