//! Settings of groups and of client metrics. Those that begin with `consumer.` are in force (see
//! [`groups`](crate::config)). The others are of kinds of groups that are not served, as client metrics are not:
//! DescribeConfigs shows the values that a data directory has brought from Kafka, or Kafka's defaults. They have no
//! effect here and cannot be set; nor can the broker's settings that give their defaults in Kafka.

use super::Allowed::{Any, DistinctList, OneOf, Range};
use super::Kind::{Boolean, Int, List, Long, String};
use super::UpdateMode::ClusterWide;
use super::{Definition, Scope, at_least, in_scope, key};

/// Every setting of a group, by name.
pub const GROUP: &[Definition] = &group_settings();

/// Every setting of a client metrics subscription, by name.
pub const CLIENT_METRICS: &[Definition] = &client_metrics_settings();

#[rustfmt::skip]
const fn group_settings() -> [Definition; 27] {
    in_scope(Scope::Group, [
        key("consumer.assignment.interval.ms", Int, "1000", at_least(0), ClusterWide,
            "The shortest time between two assignments of a consumer group.").inheriting(&[("group.consumer.assignment.interval.ms", 1)]),
        key("consumer.assignor.offload.enable", Boolean, "true", Any, ClusterWide,
            "Whether Kafka computes the assignments of a consumer group in a thread of their own. No effect here.").internal().inheriting(&[("group.consumer.assignor.offload.enable", 1)]),
        key("consumer.heartbeat.interval.ms", Int, "5000", at_least(1), ClusterWide,
            "How often members of a consumer group are told to send a heartbeat.").inheriting(&[("group.consumer.heartbeat.interval.ms", 1)]),
        key("consumer.session.timeout.ms", Int, "45000", at_least(1), ClusterWide,
            "A member of a consumer group that sends no heartbeat for this long is removed.").inheriting(&[("group.consumer.session.timeout.ms", 1)]),
        key("errors.deadletterqueue.copy.record.enable", Boolean, "false", Any, ClusterWide,
            "Whether a share group copies the whole record to its dead letter queue."),
        key("errors.deadletterqueue.topic.name", String, "", Any, ClusterWide,
            "The topic of a share group's dead letter queue."),
        key("share.assignment.interval.ms", Int, "1000", at_least(0), ClusterWide,
            "The shortest time between two assignments of a share group.").inheriting(&[("group.share.assignment.interval.ms", 1)]),
        key("share.assignor.offload.enable", Boolean, "true", Any, ClusterWide,
            "Whether Kafka computes the assignments of a share group in a thread of their own.").internal().inheriting(&[("group.share.assignor.offload.enable", 1)]),
        key("share.auto.offset.reset", String, "latest", Any, ClusterWide,
            "The offset at which a share group starts in a partition: latest, earliest, or by_duration: followed by a duration before now."),
        key("share.delivery.count.limit", Int, "5", at_least(2), ClusterWide,
            "How often a record is delivered to a share group at most.").inheriting(&[("group.share.delivery.count.limit", 1)]),
        key("share.heartbeat.interval.ms", Int, "5000", at_least(1), ClusterWide,
            "How often members of a share group send a heartbeat.").inheriting(&[("group.share.heartbeat.interval.ms", 1)]),
        key("share.isolation.level", String, "read_uncommitted", OneOf(&["read_committed", "read_uncommitted"]), ClusterWide,
            "Whether a share group reads records of transactions that are not committed."),
        key("share.partition.max.record.locks", Int, "2000", at_least(100), ClusterWide,
            "How many records of a partition may be locked by members of a share group at the same time.").inheriting(&[("group.share.partition.max.record.locks", 1)]),
        key("share.record.lock.duration.ms", Int, "30000", at_least(1000), ClusterWide,
            "How long a member of a share group holds the lock on a record.").inheriting(&[("group.share.record.lock.duration.ms", 1)]),
        key("share.renew.acknowledge.enable", Boolean, "true", Any, ClusterWide,
            "Whether a member of a share group may renew its lock on a record."),
        key("share.session.timeout.ms", Int, "45000", at_least(1), ClusterWide,
            "A member of a share group is removed when it has sent no heartbeat for this long.").inheriting(&[("group.share.session.timeout.ms", 1)]),
        key("streams.acceptable.recovery.lag", Long, "10000", at_least(0), ClusterWide,
            "How many offsets a task of a Streams group may be behind and still count as warm.").internal().inheriting(&[("group.streams.acceptable.recovery.lag", 1)]),
        key("streams.assignment.interval.ms", Int, "1000", at_least(0), ClusterWide,
            "The shortest time between two assignments of a Streams group.").inheriting(&[("group.streams.assignment.interval.ms", 1)]),
        key("streams.assignor.name", String, "sticky", Any, ClusterWide,
            "How the tasks of a Streams group are assigned to its members.").inheriting(&[("group.streams.assignors", 1)]),
        key("streams.assignor.offload.enable", Boolean, "true", Any, ClusterWide,
            "Whether Kafka computes the assignments of a Streams group in a thread of their own.").internal().inheriting(&[("group.streams.assignor.offload.enable", 1)]),
        key("streams.heartbeat.interval.ms", Int, "5000", at_least(1), ClusterWide,
            "How often members of a Streams group send a heartbeat.").inheriting(&[("group.streams.heartbeat.interval.ms", 1)]),
        key("streams.initial.rebalance.delay.ms", Int, "3000", at_least(0), ClusterWide,
            "How long an empty Streams group waits for more members after the first has joined.").inheriting(&[("group.streams.initial.rebalance.delay.ms", 1)]),
        key("streams.num.standby.replicas", Int, "0", at_least(0), ClusterWide,
            "How many standby replicas each stateful task of a Streams group has.").inheriting(&[("group.streams.num.standby.replicas", 1)]),
        key("streams.num.warmup.replicas", Int, "2", at_least(0), ClusterWide,
            "How many warmup replicas the tasks of a Streams group have at most.").internal().inheriting(&[("group.streams.num.warmup.replicas", 1)]),
        key("streams.rack.aware.assignment.tags", List, "", DistinctList, ClusterWide,
            "The tags of clients by which the standby tasks of a Streams group are spread.").inheriting(&[("group.streams.rack.aware.assignment.tags", 1)]),
        key("streams.session.timeout.ms", Int, "45000", at_least(1), ClusterWide,
            "A member of a Streams group is removed when it has sent no heartbeat for this long.").inheriting(&[("group.streams.session.timeout.ms", 1)]),
        key("streams.task.offset.interval.ms", Int, "60000", at_least(1), ClusterWide,
            "How often the members of a Streams group report the offsets of their warmup tasks.").internal().inheriting(&[("group.streams.task.offset.interval.ms", 1)]),
    ])
}

#[rustfmt::skip]
const fn client_metrics_settings() -> [Definition; 3] {
    in_scope(Scope::ClientMetrics, [
        key("interval.ms", Int, "300000", Range(100, 3_600_000), ClusterWide,
            "How often clients send their metrics."),
        key("match", List, "", DistinctList, ClusterWide,
            "The clients that the subscription is for, as a list of name=pattern."),
        key("metrics", List, "", DistinctList, ClusterWide,
            "The metrics that clients send, as a list of prefixes of their names."),
    ])
}
