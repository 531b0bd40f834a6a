//! The names of Kafka's broker settings, so that a key that is not honoured yet can be told from a
//! misspelt one.

/// Every broker setting of Kafka 4.3 by name, except those that [`PREFIXES`] covers.
const KAFKA_4_3: &str = "\
    add.partitions.to.txn.retry.backoff.max.ms add.partitions.to.txn.retry.backoff.ms \
    advertised.listeners alter.config.policy.class.name alter.log.dirs.replication.quota.window.num \
    alter.log.dirs.replication.quota.window.size.seconds authorizer.class.name auto.create.topics.enable \
    auto.leader.rebalance.enable background.threads broker.heartbeat.interval.ms broker.id broker.rack \
    broker.session.timeout.ms client.quota.callback.class compression.gzip.level compression.lz4.level \
    compression.type compression.zstd.level config.providers connection.failed.authentication.delay.ms \
    connections.max.idle.ms connections.max.reauth.ms controlled.shutdown.enable \
    controller.listener.names controller.performance.always.log.threshold.ms \
    controller.performance.sample.period.ms controller.quorum.append.linger.ms \
    controller.quorum.auto.join.enable controller.quorum.bootstrap.servers \
    controller.quorum.election.backoff.max.ms controller.quorum.election.timeout.ms \
    controller.quorum.fetch.max.bytes controller.quorum.fetch.snapshot.max.bytes \
    controller.quorum.fetch.timeout.ms controller.quorum.request.timeout.ms \
    controller.quorum.retry.backoff.ms controller.quorum.voters controller.quota.window.num \
    controller.quota.window.size.seconds controller.socket.timeout.ms cordoned.log.dirs \
    create.topic.policy.class.name default.replication.factor delegation.token.expiry.check.interval.ms \
    delegation.token.expiry.time.ms delegation.token.max.lifetime.ms delegation.token.secret.key \
    delete.records.purgatory.purge.interval.requests delete.topic.enable early.start.listeners \
    fetch.max.bytes fetch.purgatory.purge.interval.requests follower.fetch.last.tiered.offset.enable \
    follower.replication.throttled.rate group.consumer.assignment.interval.ms group.consumer.assignors \
    group.consumer.heartbeat.interval.ms group.consumer.max.assignment.interval.ms \
    group.consumer.max.heartbeat.interval.ms group.consumer.max.session.timeout.ms \
    group.consumer.max.size group.consumer.migration.policy group.consumer.min.assignment.interval.ms \
    group.consumer.min.heartbeat.interval.ms group.consumer.min.session.timeout.ms \
    group.consumer.regex.refresh.interval.ms group.consumer.session.timeout.ms \
    group.coordinator.append.linger.ms group.coordinator.background.threads \
    group.coordinator.cached.buffer.max.bytes group.coordinator.rebalance.protocols \
    group.coordinator.threads group.initial.rebalance.delay.ms group.max.session.timeout.ms \
    group.max.size group.min.session.timeout.ms group.share.assignment.interval.ms group.share.assignors \
    group.share.delivery.count.limit group.share.heartbeat.interval.ms \
    group.share.initialize.retry.interval.ms group.share.max.assignment.interval.ms \
    group.share.max.delivery.count.limit group.share.max.heartbeat.interval.ms \
    group.share.max.partition.max.record.locks group.share.max.record.lock.duration.ms \
    group.share.max.session.timeout.ms group.share.max.share.sessions group.share.max.size \
    group.share.min.assignment.interval.ms group.share.min.delivery.count.limit \
    group.share.min.heartbeat.interval.ms group.share.min.partition.max.record.locks \
    group.share.min.record.lock.duration.ms group.share.min.session.timeout.ms \
    group.share.partition.max.record.locks group.share.persister.class.name \
    group.share.record.lock.duration.ms group.share.session.timeout.ms \
    group.streams.assignment.interval.ms group.streams.heartbeat.interval.ms \
    group.streams.initial.rebalance.delay.ms group.streams.max.assignment.interval.ms \
    group.streams.max.heartbeat.interval.ms group.streams.max.session.timeout.ms group.streams.max.size \
    group.streams.max.standby.replicas group.streams.min.assignment.interval.ms \
    group.streams.min.heartbeat.interval.ms group.streams.min.session.timeout.ms \
    group.streams.num.standby.replicas group.streams.session.timeout.ms \
    initial.broker.registration.timeout.ms inter.broker.listener.name \
    internal.metadata.delete.delay.millis internal.metadata.log.segment.bytes \
    internal.metadata.max.batch.size.in.bytes kafka.metrics.polling.interval.secs \
    kafka.metrics.reporters leader.imbalance.check.interval.seconds leader.replication.throttled.rate \
    listener.security.protocol.map listeners log.cleaner.backoff.ms log.cleaner.dedupe.buffer.size \
    log.cleaner.delete.retention.ms log.cleaner.enable log.cleaner.io.buffer.load.factor \
    log.cleaner.io.buffer.size log.cleaner.io.max.bytes.per.second log.cleaner.max.compaction.lag.ms \
    log.cleaner.min.cleanable.ratio log.cleaner.min.compaction.lag.ms log.cleaner.threads \
    log.cleanup.policy log.dir log.dir.failure.timeout.ms log.dirs log.flush.interval.messages \
    log.flush.interval.ms log.flush.offset.checkpoint.interval.ms log.flush.scheduler.interval.ms \
    log.flush.start.offset.checkpoint.interval.ms log.index.interval.bytes log.index.size.max.bytes \
    log.initial.task.delay.ms log.local.retention.bytes log.local.retention.ms \
    log.message.timestamp.after.max.ms log.message.timestamp.before.max.ms log.message.timestamp.type \
    log.preallocate log.retention.bytes log.retention.check.interval.ms log.retention.hours \
    log.retention.minutes log.retention.ms log.roll.hours log.roll.jitter.hours log.roll.jitter.ms \
    log.roll.ms log.segment.bytes log.segment.delete.delay.ms max.connection.creation.rate \
    max.connections max.connections.per.ip max.connections.per.ip.overrides \
    max.incremental.fetch.session.cache.slots max.request.partition.size.limit message.max.bytes \
    metadata.log.dir metadata.log.max.record.bytes.between.snapshots \
    metadata.log.max.snapshot.interval.ms metadata.log.segment.bytes metadata.log.segment.ms \
    metadata.max.idle.interval.ms metadata.max.retention.bytes metadata.max.retention.ms \
    metric.reporters metrics.num.samples metrics.recording.level metrics.sample.window.ms \
    min.insync.replicas node.id num.io.threads num.network.threads num.partitions \
    num.recovery.threads.per.data.dir num.replica.alter.log.dirs.threads num.replica.fetchers \
    offset.metadata.max.bytes offsets.commit.timeout.ms offsets.load.buffer.size \
    offsets.retention.check.interval.ms offsets.retention.minutes offsets.topic.compression.codec \
    offsets.topic.num.partitions offsets.topic.replication.factor offsets.topic.segment.bytes \
    principal.builder.class process.roles producer.id.expiration.check.interval.ms \
    producer.id.expiration.ms producer.purgatory.purge.interval.requests queued.max.request.bytes \
    queued.max.requests quota.window.num quota.window.size.seconds remote.fetch.max.wait.ms \
    remote.list.offsets.request.timeout.ms remote.log.index.file.cache.total.size.bytes \
    remote.log.index.file.cache.ttl.ms remote.log.manager.copier.thread.pool.size \
    remote.log.manager.copy.max.bytes.per.second remote.log.manager.copy.quota.window.num \
    remote.log.manager.copy.quota.window.size.seconds remote.log.manager.expiration.thread.pool.size \
    remote.log.manager.fetch.max.bytes.per.second remote.log.manager.fetch.quota.window.num \
    remote.log.manager.fetch.quota.window.size.seconds remote.log.manager.follower.thread.pool.size \
    remote.log.manager.task.interval.ms remote.log.manager.task.retry.backoff.max.ms \
    remote.log.manager.task.retry.backoff.ms remote.log.manager.task.retry.jitter \
    remote.log.manager.thread.pool.size remote.log.metadata.custom.metadata.max.bytes \
    remote.log.metadata.manager.class.name remote.log.metadata.manager.class.path \
    remote.log.metadata.manager.impl.prefix remote.log.metadata.manager.listener.name \
    remote.log.reader.max.pending.tasks remote.log.reader.threads remote.log.storage.manager.class.name \
    remote.log.storage.manager.class.path remote.log.storage.manager.impl.prefix \
    remote.log.storage.system.enable replica.alter.log.dirs.io.max.bytes.per.second \
    replica.fetch.backoff.ms replica.fetch.max.bytes replica.fetch.min.bytes \
    replica.fetch.response.max.bytes replica.fetch.wait.max.ms \
    replica.high.watermark.checkpoint.interval.ms replica.lag.time.max.ms replica.selector.class \
    replica.socket.receive.buffer.bytes replica.socket.timeout.ms replication.quota.window.num \
    replication.quota.window.size.seconds request.timeout.ms security.inter.broker.protocol \
    security.providers server.max.startup.time.ms share.coordinator.append.linger.ms \
    share.coordinator.cached.buffer.max.bytes share.coordinator.cold.partition.snapshot.interval.ms \
    share.coordinator.load.buffer.size share.coordinator.snapshot.update.records.per.snapshot \
    share.coordinator.state.topic.compression.codec share.coordinator.state.topic.min.isr \
    share.coordinator.state.topic.num.partitions share.coordinator.state.topic.prune.interval.ms \
    share.coordinator.state.topic.replication.factor share.coordinator.state.topic.segment.bytes \
    share.coordinator.threads share.coordinator.write.timeout.ms \
    share.fetch.purgatory.purge.interval.requests socket.connection.setup.timeout.max.ms \
    socket.connection.setup.timeout.ms socket.listen.backlog.size socket.receive.buffer.bytes \
    socket.request.max.bytes socket.send.buffer.bytes telemetry.max.bytes \
    transaction.abort.timed.out.transaction.cleanup.interval.ms transaction.max.timeout.ms \
    transaction.partition.verification.enable transaction.remove.expired.transaction.cleanup.interval.ms \
    transaction.state.log.load.buffer.size transaction.state.log.min.isr \
    transaction.state.log.num.partitions transaction.state.log.replication.factor \
    transaction.state.log.segment.bytes transaction.two.phase.commit.enable \
    transactional.id.expiration.ms unclean.leader.election.enable unclean.leader.election.interval.ms \
    unstable.api.versions.enable unstable.feature.versions.enable \
";

/// Settings of earlier Kafka releases that are still found in files.
const FORMER: &str = "\
    advertised.host.name advertised.port auto.include.jmx.reporter broker.id.generation.enable \
    control.plane.listener.name controlled.shutdown.max.retries \
    controlled.shutdown.retry.backoff.ms host.name inter.broker.protocol.version \
    log.message.downconversion.enable log.message.format.version \
    log.message.timestamp.difference.max.ms offsets.commit.required.acks \
    password.encoder.cipher.algorithm password.encoder.iterations password.encoder.key.length \
    password.encoder.keyfactory.algorithm password.encoder.old.secret password.encoder.secret port \
    reserved.broker.max.id zookeeper.clientCnxnSocket zookeeper.connect \
    zookeeper.connection.timeout.ms zookeeper.max.in.flight.requests \
    zookeeper.metadata.migration.enable \
    zookeeper.session.timeout.ms zookeeper.set.acl zookeeper.sync.time.ms \
";

/// Beginnings of keys that Kafka hands on to listeners and plugins.
const PREFIXES: &[&str] = &[
    "config.providers.",
    "listener.name.",
    "metrics.context.",
    "rlmm.config.",
    "rsm.config.",
    "sasl.",
    "ssl.",
    "zookeeper.ssl.",
];

/// Whether `key` means something to Kafka.
pub(super) fn is_known(key: &str) -> bool {
    PREFIXES.iter().any(|prefix| key.starts_with(prefix))
        || names()
            .chain(FORMER.split_ascii_whitespace())
            .any(|name| name == key)
}

/// The names of Kafka 4.3's settings.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KAFKA_4_3.split_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::{is_known, names};
    use crate::config::definitions;

    #[test]
    fn the_honoured_keys_are_kafkas_or_ours() {
        for definition in definitions::BROKER {
            let name = definition.name;
            assert!(
                name.starts_with("zurau.") || names().any(|known| known == name),
                "{name}"
            );
        }
    }

    #[test]
    fn plugin_keys_and_former_keys_are_known() {
        for key in [
            "listener.name.internal.ssl.keystore.type",
            "sasl.enabled.mechanisms",
            "port",
        ] {
            assert!(is_known(key), "{key}");
        }
        assert!(!is_known("retention.ms"));
    }
}
