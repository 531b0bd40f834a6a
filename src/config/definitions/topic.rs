//! The topics' settings: all of Kafka's, so that tools which create topics with them are not turned
//! away, and ours.

use super::Allowed::{Any, Fraction, ListOf, OneOf, Range, RangeOr, ThrottledReplicas};
use super::Kind::{Boolean, Double, Int, List, Long, String};
use super::UpdateMode::ClusterWide;
use super::{
    CLEANUP_POLICIES, COMPRESSION_TYPES, Definition, Scope, TIMESTAMP_TYPES, at_least, key, unset,
};

/// Every topic setting, by name.
pub const TOPIC: &[Definition] = &scoped(ROWS);

/// The rows as settings of topics.
const fn scoped<const N: usize>(mut rows: [Definition; N]) -> [Definition; N] {
    let mut index = 0;
    while index < N {
        rows[index] = rows[index].in_scope(Scope::Topic);
        index += 1;
    }
    rows
}

#[rustfmt::skip]
const ROWS: [Definition; 35] = [
    key("cleanup.policy", List, "delete", ListOf(CLEANUP_POLICIES), ClusterWide,
        "What happens to old segments: delete removes them by age and size, compact keeps the newest record of every key. Both may be given; an empty list keeps everything.").inheriting(&[("log.cleanup.policy", 1)]),
    key("compression.gzip.level", Int, "-1", RangeOr(1, 9, -1), ClusterWide,
        "The gzip level when the broker compresses; -1 is the codec's own choice.").inheriting(&[("compression.gzip.level", 1)]),
    key("compression.lz4.level", Int, "9", Range(1, 17), ClusterWide,
        "The lz4 level when the broker compresses: 9 is the fast compressor, any other level the slow one, for which 12 to 17 are the same.").inheriting(&[("compression.lz4.level", 1)]),
    key("compression.type", String, "producer", OneOf(COMPRESSION_TYPES), ClusterWide,
        "The codec in which batches are stored; producer keeps what the producer sent. Batches that come in another codec are compressed anew; one that grows beyond 64 MiB by that is refused.").inheriting(&[("compression.type", 1)]),
    key("compression.zstd.level", Int, "3", Range(-131072, 22), ClusterWide,
        "The zstd level when the broker compresses. From 20 on the window is 8 MiB, so that a batch does not take a gigabyte of memory.").inheriting(&[("compression.zstd.level", 1)]),
    key("delete.retention.ms", Long, "86400000", at_least(0), ClusterWide,
        "How long compaction keeps the tombstone of a deleted key.").inheriting(&[("log.cleaner.delete.retention.ms", 1)]),
    key("file.delete.delay.ms", Long, "60000", at_least(0), ClusterWide,
        "How long the file of a deleted segment stays on disk under its .deleted name.").inheriting(&[("log.segment.delete.delay.ms", 1)]),
    key("flush.messages", Long, "9223372036854775807", at_least(1), ClusterWide,
        "The log is synced to disk after this many records.").inheriting(&[("log.flush.interval.messages", 1)]),
    key("flush.ms", Long, "9223372036854775807", at_least(0), ClusterWide,
        "The log is synced to disk when records have waited this long.").inheriting(&[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)]),
    key("follower.replication.throttled.replicas", List, "", ThrottledReplicas, ClusterWide,
        "Replicas whose copying is throttled on the follower, as partition:broker pairs, or * for all."),
    key("index.interval.bytes", Int, "4096", at_least(0), ClusterWide,
        "An index entry is made about every so many bytes.").inheriting(&[("log.index.interval.bytes", 1)]),
    unset("internal.segment.bytes", Int, at_least(1), ClusterWide,
        "For tests: a segment size below the least that segment.bytes allows.").internal(),
    key("leader.replication.throttled.replicas", List, "", ThrottledReplicas, ClusterWide,
        "Replicas whose copying is throttled on the leader, as partition:broker pairs, or * for all."),
    key("local.retention.bytes", Long, "-2", at_least(-2), ClusterWide,
        "Accepted for tiered storage, which is not there: it can be read back, nothing else happens.").inheriting(&[("log.local.retention.bytes", 1)]),
    key("local.retention.ms", Long, "-2", at_least(-2), ClusterWide,
        "Accepted for tiered storage, which is not there: it can be read back, nothing else happens.").inheriting(&[("log.local.retention.ms", 1)]),
    key("max.compaction.lag.ms", Long, "9223372036854775807", at_least(1), ClusterWide,
        "How long a record may wait for compaction at most.").inheriting(&[("log.cleaner.max.compaction.lag.ms", 1)]),
    key("max.message.bytes", Int, "1048588", at_least(0), ClusterWide,
        "The largest record batch that is accepted, after compression.").inheriting(&[("message.max.bytes", 1)]),
    key("message.timestamp.after.max.ms", Long, "3600000", at_least(0), ClusterWide,
        "How far a producer's timestamp may lie in the future.").inheriting(&[("log.message.timestamp.after.max.ms", 1)]),
    key("message.timestamp.before.max.ms", Long, "9223372036854775807", at_least(0), ClusterWide,
        "How far a producer's timestamp may lie in the past.").inheriting(&[("log.message.timestamp.before.max.ms", 1)]),
    key("message.timestamp.type", String, "CreateTime", OneOf(TIMESTAMP_TYPES), ClusterWide,
        "Whose clock stamps records: CreateTime is the producer's, LogAppendTime the broker's.").inheriting(&[("log.message.timestamp.type", 1)]),
    key("min.cleanable.dirty.ratio", Double, "0.5", Fraction, ClusterWide,
        "The share of uncompacted bytes that makes the log due for compaction.").inheriting(&[("log.cleaner.min.cleanable.ratio", 1)]),
    key("min.compaction.lag.ms", Long, "0", at_least(0), ClusterWide,
        "How long a record stays untouched by compaction.").inheriting(&[("log.cleaner.min.compaction.lag.ms", 1)]),
    key("min.insync.replicas", Int, "1", at_least(1), ClusterWide,
        "How many replicas must hold a record before a producer with acks=all is answered.").inheriting(&[("min.insync.replicas", 1)]),
    key("preallocate", Boolean, "false", Any, ClusterWide,
        "Whether segment files are given their full size when they are made.").inheriting(&[("log.preallocate", 1)]),
    key("remote.log.copy.disable", Boolean, "false", Any, ClusterWide,
        "Accepted for tiered storage, which is not there: it can be read back, nothing else happens."),
    key("remote.log.delete.on.disable", Boolean, "false", Any, ClusterWide,
        "Accepted for tiered storage, which is not there: it can be read back, nothing else happens."),
    key("remote.storage.enable", Boolean, "false", Any, ClusterWide,
        "Whether the topic uses tiered storage, which is not there: true is refused."),
    key("retention.bytes", Long, "-1", Any, ClusterWide,
        "The oldest closed segments of a partition are deleted while it is larger than this; -1 sets no limit.").inheriting(&[("log.retention.bytes", 1)]),
    key("retention.ms", Long, "604800000", at_least(-1), ClusterWide,
        "Closed segments whose records are all older than this are deleted; -1 keeps them.").inheriting(&[("log.retention.ms", 1), ("log.retention.minutes", 60000), ("log.retention.hours", 3600000)]),
    key("segment.bytes", Int, "1073741824", at_least(1048576), ClusterWide,
        "A segment that has grown to this size is closed and a new one begun.").inheriting(&[("log.segment.bytes", 1)]),
    key("segment.index.bytes", Int, "10485760", at_least(4), ClusterWide,
        "The most that an offset index takes, 8 bytes an entry; a full index closes its segment.").inheriting(&[("log.index.size.max.bytes", 1)]),
    key("segment.jitter.ms", Long, "0", at_least(0), ClusterWide,
        "At most this much is taken off segment.ms, at random for every segment, so that not all close at once.").inheriting(&[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", 3600000)]),
    key("segment.ms", Long, "604800000", at_least(1), ClusterWide,
        "A segment that is this old is closed and a new one begun.").inheriting(&[("log.roll.ms", 1), ("log.roll.hours", 3600000)]),
    key("unclean.leader.election.enable", Boolean, "false", Any, ClusterWide,
        "Whether a replica that has fallen behind may become leader at the price of lost records.").inheriting(&[("unclean.leader.election.enable", 1)]),
    key("zurau.flush.before.ack", Boolean, "false", Any, ClusterWide,
        "Whether produce requests are answered only after their records are synced to disk.").inheriting(&[("zurau.flush.before.ack", 1)]),
];
