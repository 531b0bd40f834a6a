//! Settings of what only Kafka serves: groups of the new kinds, and client metrics. They are told with the values that
//! a directory has brought from Kafka, or with Kafka's defaults, and have no effect here; nor can they be set, and no
//! more can the broker's settings that give these defaults in Kafka.

use super::Allowed::{Any, DistinctList, OneOf, Range};
use super::Kind::{Boolean, Int, List, String};
use super::UpdateMode::ClusterWide;
use super::{Definition, Scope, at_least, in_scope, key};

/// Every setting of a group, by name.
pub const GROUP: &[Definition] = &group_settings();

/// Every setting of a client metrics subscription, by name.
pub const CLIENT_METRICS: &[Definition] = &client_metrics_settings();

#[rustfmt::skip]
const fn group_settings() -> [Definition; 21] {
    in_scope(Scope::Group, [
        key("consumer.assignment.interval.ms", Int, "1000", at_least(0), ClusterWide,
            "The least time between two assignments of a consumer group of the new protocol.").inheriting(&[("group.consumer.assignment.interval.ms", 1)]),
        key("consumer.heartbeat.interval.ms", Int, "5000", at_least(1), ClusterWide,
            "How often members of a consumer group of the new protocol send a heartbeat.").inheriting(&[("group.consumer.heartbeat.interval.ms", 1)]),
        key("consumer.session.timeout.ms", Int, "45000", at_least(1), ClusterWide,
            "A member of a consumer group of the new protocol is removed after so long without a heartbeat.").inheriting(&[("group.consumer.session.timeout.ms", 1)]),
        key("errors.deadletterqueue.copy.record.enable", Boolean, "false", Any, ClusterWide,
            "Whether a share group copies the whole record to its dead letter queue."),
        key("errors.deadletterqueue.topic.name", String, "", Any, ClusterWide,
            "The topic of a share group's dead letter queue."),
        key("share.assignment.interval.ms", Int, "1000", at_least(0), ClusterWide,
            "The least time between two assignments of a share group.").inheriting(&[("group.share.assignment.interval.ms", 1)]),
        key("share.auto.offset.reset", String, "latest", Any, ClusterWide,
            "Where a share group begins in a partition: latest, earliest, or by_duration: and a duration before now."),
        key("share.delivery.count.limit", Int, "5", at_least(2), ClusterWide,
            "How often a share group tries to deliver a record.").inheriting(&[("group.share.delivery.count.limit", 1)]),
        key("share.heartbeat.interval.ms", Int, "5000", at_least(1), ClusterWide,
            "How often members of a share group send a heartbeat.").inheriting(&[("group.share.heartbeat.interval.ms", 1)]),
        key("share.isolation.level", String, "read_uncommitted", OneOf(&["read_committed", "read_uncommitted"]), ClusterWide,
            "Whether a share group reads records of transactions that are not committed."),
        key("share.partition.max.record.locks", Int, "2000", at_least(100), ClusterWide,
            "How many records of a partition may be with the members of a share group at a time.").inheriting(&[("group.share.partition.max.record.locks", 1)]),
        key("share.record.lock.duration.ms", Int, "30000", at_least(1000), ClusterWide,
            "How long a member of a share group has for a record.").inheriting(&[("group.share.record.lock.duration.ms", 1)]),
        key("share.renew.acknowledge.enable", Boolean, "true", Any, ClusterWide,
            "Whether a member of a share group may ask for more time for a record."),
        key("share.session.timeout.ms", Int, "45000", at_least(1), ClusterWide,
            "A member of a share group is removed after so long without a heartbeat.").inheriting(&[("group.share.session.timeout.ms", 1)]),
        key("streams.assignment.interval.ms", Int, "1000", at_least(0), ClusterWide,
            "The least time between two assignments of a Streams group.").inheriting(&[("group.streams.assignment.interval.ms", 1)]),
        key("streams.assignor.name", String, "sticky", Any, ClusterWide,
            "How the tasks of a Streams group are assigned to its members.").inheriting(&[("group.streams.assignors", 1)]),
        key("streams.heartbeat.interval.ms", Int, "5000", at_least(1), ClusterWide,
            "How often members of a Streams group send a heartbeat.").inheriting(&[("group.streams.heartbeat.interval.ms", 1)]),
        key("streams.initial.rebalance.delay.ms", Int, "3000", at_least(0), ClusterWide,
            "How long a Streams group without members waits for more of them after the first.").inheriting(&[("group.streams.initial.rebalance.delay.ms", 1)]),
        key("streams.num.standby.replicas", Int, "0", at_least(0), ClusterWide,
            "How many standby replicas each stateful task of a Streams group has.").inheriting(&[("group.streams.num.standby.replicas", 1)]),
        key("streams.rack.aware.assignment.tags", List, "", DistinctList, ClusterWide,
            "The tags of clients by which the standby tasks of a Streams group are spread.").inheriting(&[("group.streams.rack.aware.assignment.tags", 1)]),
        key("streams.session.timeout.ms", Int, "45000", at_least(1), ClusterWide,
            "A member of a Streams group is removed after so long without a heartbeat.").inheriting(&[("group.streams.session.timeout.ms", 1)]),
    ])
}

#[rustfmt::skip]
const fn client_metrics_settings() -> [Definition; 3] {
    in_scope(Scope::ClientMetrics, [
        key("interval.ms", Int, "300000", Range(100, 3_600_000), ClusterWide,
            "How often clients are to send their metrics."),
        key("match", List, "", DistinctList, ClusterWide,
            "Which clients are meant: a list of what they must say of themselves, as name=pattern."),
        key("metrics", List, "", DistinctList, ClusterWide,
            "Which metrics are wanted: a list of prefixes of their names."),
    ])
}
