//! What can change, how far, and what is in force then.

use super::*;
use crate::config::definitions::BROKER;
use crate::config::describe_topic;
use crate::config::{ConfigSource, TopicConfig};

fn changes(changes: &[(&str, &str)]) -> Changes {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    changes.iter().map(owned).collect()
}

fn retention(broker: &BrokerConfig) -> i64 {
    let topic = TopicConfig::resolve(&BTreeMap::new(), broker).unwrap();
    topic.retention_ms
}

#[test]
fn this_broker_prevails_over_all_and_all_over_the_start() {
    let broker = BrokerConfig::with(&[("log.retention.ms", "1000")]).unwrap();
    let (none, all) = (changes(&[]), changes(&[("log.retention.ms", "2000")]));
    let own = changes(&[("log.retention.ms", "3000")]);
    assert_eq!(retention(&broker.in_force(&none, &none)), 1_000);
    assert_eq!(retention(&broker.in_force(&all, &none)), 2_000);
    let in_force = broker.in_force(&all, &own);
    assert_eq!(retention(&in_force), 3_000);
    let described = describe_topic(&BTreeMap::new(), &in_force);
    let described = described.iter().find(|row| row.name == "retention.ms");
    let synonyms: Vec<_> = described
        .unwrap()
        .synonyms
        .iter()
        .map(|synonym| (synonym.value.as_deref().unwrap(), synonym.source))
        .collect();
    assert_eq!(
        synonyms,
        [
            ("3000", ConfigSource::DynamicBrokerConfig),
            ("2000", ConfigSource::DynamicDefaultBrokerConfig),
            ("1000", ConfigSource::StaticBrokerConfig),
            ("168", ConfigSource::DefaultConfig),
        ]
    );
}

#[test]
fn what_makes_no_sense_counts_as_not_set() {
    let broker = BrokerConfig::default();
    let none = changes(&[]);
    let wrong = changes(&[
        ("log.retention.ms", "soon"),
        ("num.partitions", "7"),
        ("log.segment.bytes", "2000000"),
        ("max.connections", "9"),
    ]);
    let in_force = broker.in_force(&wrong, &none);
    assert_eq!(in_force.settings.value("log.retention.ms"), None);
    assert_eq!(in_force.num_partitions, 1);
    assert_eq!(
        in_force.settings.value("log.segment.bytes"),
        Some("2000000")
    );
    assert_eq!(in_force.max_connections, 9);
    assert!(broker.check_changes(&broker, &wrong, &none).is_err());

    let contradicting = changes(&[
        ("log.cleaner.min.compaction.lag.ms", "20"),
        ("log.cleaner.max.compaction.lag.ms", "10"),
        ("message.max.bytes", "7"),
    ]);
    assert!(
        broker
            .check_changes(&broker, &contradicting, &none)
            .is_err()
    );
    let in_force = broker.in_force(&contradicting, &none);
    assert_eq!(in_force.settings.value("message.max.bytes"), Some("7"));
    TopicConfig::resolve(&BTreeMap::new(), &in_force).unwrap();
}

#[test]
fn a_step_is_bounded_and_a_start_is_not() {
    let broker = BrokerConfig::with(&[("log.cleaner.threads", "3")]).unwrap();
    let none = changes(&[]);
    let step =
        |name: &str, value: &str| broker.check_changes(&broker, &none, &changes(&[(name, value)]));
    for (name, value) in [
        ("num.io.threads", "4"),
        ("num.io.threads", "16"),
        ("num.network.threads", "1"),
        ("log.cleaner.threads", "1"),
        ("log.cleaner.threads", "6"),
        ("background.threads", "20"),
        ("num.recovery.threads.per.data.dir", "1"),
        ("max.connections", "1"),
        ("max.connection.creation.rate", "1"),
        ("log.cleaner.dedupe.buffer.size", "3145731"),
    ] {
        assert_eq!(step(name, value), Ok(()), "{name}={value}");
    }
    for (name, value) in [
        ("num.io.threads", "3"),
        ("num.io.threads", "17"),
        ("num.network.threads", "7"),
        ("log.cleaner.threads", "0"),
        ("log.cleaner.threads", "7"),
        ("background.threads", "4"),
        ("num.recovery.threads.per.data.dir", "5"),
        ("max.connections", "0"),
        ("max.connection.creation.rate", "0"),
        ("log.cleaner.dedupe.buffer.size", "3145728"),
        ("max.connections.per.ip", "0"),
        ("producer.id.expiration.ms", "0"),
    ] {
        assert!(step(name, value).is_err(), "{name}={value}");
    }
    // From what is in force now, not from what the broker was started with.
    let now = broker.in_force(&none, &changes(&[("num.io.threads", "16")]));
    let far = changes(&[("num.io.threads", "32")]);
    assert!(broker.check_changes(&now, &none, &far).is_ok());
    assert_eq!(broker.in_force(&none, &far).num_io_threads, 32);
}

#[test]
fn refusals_name_all_keys_and_say_why_where_kafka_would_change_them() {
    let text = |names: &[&str]| refusal(names.iter().copied()).map(|no| no.to_string());
    assert_eq!(text(&["num.io.threads", "log.roll.ms"]), None);
    let plain = "Cannot update these configs dynamically: [node.id, no.such]";
    assert_eq!(
        text(&["node.id", "num.io.threads", "no.such"]).as_deref(),
        Some(plain)
    );
    let keys = ["ssl.keystore.location", "sasl.jaas.config"];
    let with_reason = "Cannot update these configs dynamically: [ssl.keystore.location, sasl.jaas.config]: TLS and SASL are not served";
    assert_eq!(text(&keys).as_deref(), Some(with_reason));
}

/// What Kafka 4.4.0 changes while it runs. Of the others it says read-only.
const KAFKA_CHANGES: &str = "\
    background.threads compression.gzip.level compression.lz4.level compression.type compression.zstd.level \
    config.providers cordoned.log.dirs errors.deadletterqueue.auto.create.topics.enable \
    errors.deadletterqueue.topic.name.prefix follower.fetch.last.tiered.offset.enable \
    follower.replication.throttled.rate group.consumer.assignment.interval.ms \
    group.consumer.assignor.offload.enable group.share.assignor.offload.enable \
    group.streams.assignor.offload.enable \
    group.coordinator.cached.buffer.max.bytes group.share.assignment.interval.ms \
    group.streams.assignment.interval.ms leader.replication.throttled.rate listener.security.protocol.map \
    listeners log.cleaner.backoff.ms log.cleaner.dedupe.buffer.size log.cleaner.delete.retention.ms \
    log.cleaner.io.buffer.load.factor log.cleaner.io.buffer.size log.cleaner.io.max.bytes.per.second \
    log.cleaner.max.compaction.lag.ms log.cleaner.min.cleanable.ratio log.cleaner.min.compaction.lag.ms \
    log.cleaner.threads log.cleanup.policy log.flush.interval.messages log.flush.interval.ms \
    log.index.interval.bytes log.index.size.max.bytes log.local.retention.bytes log.local.retention.ms \
    log.message.timestamp.after.max.ms log.message.timestamp.before.max.ms log.message.timestamp.type \
    log.preallocate log.remote.copy.lag.bytes log.remote.copy.lag.ms log.retention.bytes log.retention.ms log.roll.jitter.ms log.roll.ms log.segment.bytes \
    log.segment.delete.delay.ms max.connection.creation.rate max.connections max.connections.per.ip \
    max.connections.per.ip.overrides max.decompressed.message.bytes message.max.bytes metric.reporters min.insync.replicas num.io.threads \
    num.network.threads num.recovery.threads.per.data.dir num.replica.fetchers principal.builder.class \
    producer.id.expiration.ms remote.fetch.max.wait.ms remote.list.offsets.request.timeout.ms \
    remote.log.index.file.cache.total.size.bytes remote.log.manager.copier.thread.pool.size \
    remote.log.manager.copy.max.bytes.per.second remote.log.manager.expiration.thread.pool.size \
    remote.log.manager.fetch.max.bytes.per.second remote.log.manager.follower.thread.pool.size \
    remote.log.reader.threads replica.alter.log.dirs.io.max.bytes.per.second sasl.enabled.mechanisms \
    sasl.jaas.config sasl.kerberos.kinit.cmd sasl.kerberos.min.time.before.relogin \
    sasl.kerberos.principal.to.local.rules sasl.kerberos.service.name sasl.kerberos.ticket.renew.jitter \
    sasl.kerberos.ticket.renew.window.factor sasl.login.refresh.buffer.seconds \
    sasl.login.refresh.min.period.seconds sasl.login.refresh.window.factor sasl.login.refresh.window.jitter \
    sasl.mechanism.inter.broker.protocol share.coordinator.cached.buffer.max.bytes ssl.cipher.suites \
    ssl.client.auth ssl.enabled.protocols ssl.endpoint.identification.algorithm ssl.engine.factory.class \
    ssl.key.password ssl.keymanager.algorithm ssl.keystore.certificate.chain ssl.keystore.key \
    ssl.keystore.location ssl.keystore.password ssl.keystore.type ssl.protocol ssl.provider \
    ssl.secure.random.implementation ssl.trustmanager.algorithm ssl.truststore.certificates \
    ssl.truststore.location ssl.truststore.password ssl.truststore.type \
    transaction.partition.verification.enable unclean.leader.election.enable";

/// Of these it says per-broker: not for all brokers at once. The table has none of them, nor a rule for them.
const PER_BROKER: [&str; 5] = ["cordoned.", "listener", "principal.", "sasl.", "ssl."];

/// Honoured and changed by Kafka, but not here; [`elsewhere`] has the reasons.
const EXCEPTIONS: [&str; 2] = ["listener.security.protocol.map", "listeners"];

#[test]
fn what_kafka_changes_and_we_honour_changes_here() {
    let kafka: Vec<&str> = KAFKA_CHANGES.split_ascii_whitespace().collect();
    for name in &kafka {
        let is_changeable = changeable(name).is_some();
        let is_exception = EXCEPTIONS.contains(name);
        let is_honoured = definitions::broker(name).is_some();
        assert_eq!(is_changeable, is_honoured && !is_exception, "{name}");
        assert_eq!(
            elsewhere::reason(name).is_none(),
            is_changeable,
            "{name}: a reason for a refusal"
        );
        if PER_BROKER.iter().any(|start| name.starts_with(start)) {
            assert!(
                !is_changeable,
                "{name} would need the rule for per-broker settings"
            );
        }
    }
    for definition in BROKER
        .iter()
        .filter(|definition| !definition.is_read_only())
    {
        let name = definition.name;
        assert!(
            kafka.contains(&name) || name.starts_with("zurau."),
            "{name}"
        );
    }
}
