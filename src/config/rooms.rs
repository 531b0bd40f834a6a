//! The broker's configuration as single rooms read it: one view for each, with the units that the room works in.
//!
//! A view is made from a [`BrokerConfig`] and is as old as that: a room that follows changes makes a new one from the
//! current configuration. Values are converted here and nowhere else. The ranges in the table of definitions see to it
//! that none is lost by that.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broker::BrokerConfig;

/// Sockets and connections, for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// `max.connections`
    pub max: usize,
    /// `max.connections.per.ip`
    pub max_per_ip: usize,
    /// `max.connections.per.ip.overrides`, by host
    pub max_per_ip_overrides: BTreeMap<String, usize>,
    /// `max.connection.creation.rate`
    pub creation_rate: usize,
    /// `connections.max.idle.ms`; `None` for no limit
    pub max_idle: Option<Duration>,
    /// `socket.request.max.bytes`
    pub max_request_bytes: usize,
    /// `socket.listen.backlog.size`
    pub listen_backlog: i32,
    /// `socket.send.buffer.bytes`; `None` leaves it to the system
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system
    pub receive_buffer_bytes: Option<usize>,
    /// `queued.max.requests`
    pub queued_max_requests: usize,
    /// `queued.max.request.bytes`
    pub queued_max_request_bytes: MemoryLimit,
    /// `zurau.connection.max.requests.in.flight`
    pub max_requests_in_flight: usize,
    /// `zurau.connection.max.request.bytes.in.flight`
    pub max_request_bytes_in_flight: usize,
    /// `zurau.request.arrival.timeout.ms`; `None` for no limit
    pub arrival_timeout: Option<Duration>,
    /// `zurau.connection.stall.timeout.ms`; `None` for no limit
    pub stall_timeout: Option<Duration>,
}

/// How much memory all connections together may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// A part of the machine's memory: nothing is set.
    PartOfMachine,
    /// So many bytes.
    Bytes(usize),
    /// Any amount.
    Unlimited,
}

/// The periodic tasks of each log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HousekeepingConfig {
    /// `log.initial.task.delay.ms`
    pub initial_delay: Duration,
    /// `log.retention.check.interval.ms`
    pub retention: Duration,
    /// `log.flush.offset.checkpoint.interval.ms`
    pub recovery_points: Duration,
    /// `log.flush.start.offset.checkpoint.interval.ms`
    pub log_starts: Duration,
    /// `replica.high.watermark.checkpoint.interval.ms`
    pub high_watermarks: Duration,
    /// `producer.id.expiration.check.interval.ms`
    pub producers: Duration,
    /// `background.threads`
    pub directories_at_once: usize,
}

/// The log cleaner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`
    pub is_enabled: bool,
    /// `log.cleaner.threads`
    pub threads: usize,
    /// `log.cleaner.backoff.ms`
    pub backoff: Duration,
    /// The part of one thread in `log.cleaner.dedupe.buffer.size`.
    pub map_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`
    pub map_load_factor: f64,
    /// The part of one thread in `log.cleaner.io.buffer.size`, half of it: for reading, and for writing.
    pub io_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`
    pub max_bytes_per_second: f64,
}

/// The scrubber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubConfig {
    /// `log.initial.task.delay.ms`
    pub initial_delay: Duration,
    /// `zurau.scrub.bytes.per.second`; 0 for never
    pub bytes_per_second: u64,
    /// `zurau.scrub.interval.ms`
    pub interval: Duration,
}

/// Classic groups, committed offsets, and the topic that both are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`
    pub max_size: i32,
    /// `zurau.group.members.max.bytes`
    pub members_max_bytes: usize,
    /// `offset.metadata.max.bytes`
    pub offset_metadata_max_bytes: i32,
    /// `offsets.retention.minutes`, in milliseconds
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval: Duration,
    /// `offsets.commit.timeout.ms`
    pub commit_timeout: Duration,
    /// `offsets.load.buffer.size`
    pub load_bytes: usize,
    /// `offsets.topic.compression.codec`
    pub topic_codec: i16,
    /// `offsets.topic.num.partitions`
    pub topic_partitions: i32,
    /// `offsets.topic.replication.factor`
    pub topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`
    pub topic_segment_bytes: i32,
}

/// Transactions, and the topic that they are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`
    pub id_expiration_ms: i32,
    /// `zurau.transactional.ids.max.bytes`
    pub ids_max_bytes: usize,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expired_ids_check_interval: Duration,
    /// `request.timeout.ms`, which Kafka sets for writes
    pub write_timeout: Duration,
    /// `transaction.state.log.load.buffer.size`
    pub load_bytes: usize,
    /// `transaction.state.log.num.partitions`
    pub topic_partitions: i32,
    /// `transaction.state.log.replication.factor`
    pub topic_replication_factor: i16,
    /// `transaction.state.log.min.isr`
    pub topic_min_isr: i32,
    /// `transaction.state.log.segment.bytes`
    pub topic_segment_bytes: i32,
}

impl BrokerConfig {
    /// The view of the server.
    pub fn connections(&self) -> ConnectionConfig {
        let overrides = self.max_connections_per_ip_overrides.iter();
        ConnectionConfig {
            max: count(self.max_connections),
            max_per_ip: count(self.max_connections_per_ip),
            max_per_ip_overrides: overrides
                .map(|(host, limit)| (host.clone(), count(*limit)))
                .collect(),
            creation_rate: count(self.max_connection_creation_rate),
            max_idle: limit(self.connections_max_idle_ms),
            max_request_bytes: count(self.socket_request_max_bytes),
            listen_backlog: self.socket_listen_backlog_size,
            send_buffer_bytes: usize::try_from(self.socket_send_buffer_bytes).ok(),
            receive_buffer_bytes: usize::try_from(self.socket_receive_buffer_bytes).ok(),
            queued_max_requests: count(self.queued_max_requests),
            queued_max_request_bytes: match self.queued_max_request_bytes {
                None => MemoryLimit::PartOfMachine,
                Some(bytes) => {
                    usize::try_from(bytes).map_or(MemoryLimit::Unlimited, MemoryLimit::Bytes)
                }
            },
            max_requests_in_flight: count(self.zurau_connection_max_requests_in_flight),
            max_request_bytes_in_flight: bytes(self.zurau_connection_max_request_bytes_in_flight),
            arrival_timeout: limit(self.zurau_request_arrival_timeout_ms),
            stall_timeout: limit(self.zurau_connection_stall_timeout_ms),
        }
    }

    /// The view of the housekeepers.
    pub fn housekeeping(&self) -> HousekeepingConfig {
        HousekeepingConfig {
            initial_delay: period(self.log_initial_task_delay_ms),
            retention: period(self.log_retention_check_interval_ms),
            recovery_points: period(self.log_flush_offset_checkpoint_interval_ms.into()),
            log_starts: period(self.log_flush_start_offset_checkpoint_interval_ms.into()),
            high_watermarks: period(self.replica_high_watermark_checkpoint_interval_ms),
            producers: period(self.producer_id_expiration_check_interval_ms.into()),
            directories_at_once: count(self.background_threads),
        }
    }

    /// The view of the log cleaner.
    pub fn cleaner(&self) -> CleanerConfig {
        let part = |bytes: i64| {
            let part = bytes / i64::from(self.log_cleaner_threads.max(1));
            u64::try_from(part).unwrap_or(0)
        };
        let io_bytes = part(self.log_cleaner_io_buffer_size.into()) / 2;
        CleanerConfig {
            is_enabled: self.log_cleaner_enable,
            threads: count(self.log_cleaner_threads),
            backoff: time(self.log_cleaner_backoff_ms),
            map_bytes: part(self.log_cleaner_dedupe_buffer_size),
            map_load_factor: self.log_cleaner_io_buffer_load_factor,
            io_bytes: usize::try_from(io_bytes).unwrap_or(0),
            max_bytes_per_second: self.log_cleaner_io_max_bytes_per_second,
        }
    }

    /// The view of the scrubber.
    pub fn scrub(&self) -> ScrubConfig {
        ScrubConfig {
            initial_delay: time(self.log_initial_task_delay_ms),
            bytes_per_second: u64::try_from(self.zurau_scrub_bytes_per_second).unwrap_or(0),
            interval: period(self.zurau_scrub_interval_ms),
        }
    }

    /// The view of the group coordinator.
    pub fn groups(&self) -> GroupConfig {
        GroupConfig {
            min_session_timeout_ms: self.group_min_session_timeout_ms,
            max_session_timeout_ms: self.group_max_session_timeout_ms,
            initial_rebalance_delay_ms: self.group_initial_rebalance_delay_ms,
            max_size: self.group_max_size,
            members_max_bytes: bytes(self.zurau_group_members_max_bytes),
            offset_metadata_max_bytes: self.offset_metadata_max_bytes,
            offsets_retention_ms: i64::from(self.offsets_retention_minutes) * 60_000,
            offsets_retention_check_interval: period(self.offsets_retention_check_interval_ms),
            commit_timeout: time(self.offsets_commit_timeout_ms.into()),
            load_bytes: count(self.offsets_load_buffer_size),
            topic_codec: i16::try_from(self.offsets_topic_compression_codec).unwrap_or(0),
            topic_partitions: self.offsets_topic_num_partitions,
            topic_replication_factor: self.offsets_topic_replication_factor,
            topic_segment_bytes: self.offsets_topic_segment_bytes,
        }
    }

    /// The view of the transaction coordinator.
    pub fn transactions(&self) -> TransactionConfig {
        let check = self.transaction_remove_expired_transaction_cleanup_interval_ms;
        TransactionConfig {
            max_timeout_ms: self.transaction_max_timeout_ms,
            id_expiration_ms: self.transactional_id_expiration_ms,
            ids_max_bytes: bytes(self.zurau_transactional_ids_max_bytes),
            expired_ids_check_interval: period(check.into()),
            write_timeout: time(self.request_timeout_ms.into()),
            load_bytes: count(self.transaction_state_log_load_buffer_size),
            topic_partitions: self.transaction_state_log_num_partitions,
            topic_replication_factor: self.transaction_state_log_replication_factor,
            topic_min_isr: self.transaction_state_log_min_isr,
            topic_segment_bytes: self.transaction_state_log_segment_bytes,
        }
    }
}

/// A number of things, or of bytes.
fn count(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// A number of bytes that may be more than an address can say.
fn bytes(value: i64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Milliseconds.
fn time(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Milliseconds between two times of the same, at least one.
fn period(ms: i64) -> Duration {
    time(ms.max(1))
}

/// Milliseconds, of which a negative number sets no limit.
fn limit(ms: i64) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_connections_is_set_or_not_or_unlimited() {
        let of = |overrides: &[(&str, &str)]| {
            let config = BrokerConfig::with(overrides).unwrap();
            config.connections().queued_max_request_bytes
        };
        let key = "queued.max.request.bytes";
        assert_eq!(of(&[]), MemoryLimit::PartOfMachine);
        assert_eq!(of(&[(key, "200000000")]), MemoryLimit::Bytes(200_000_000));
        assert_eq!(of(&[(key, "-1")]), MemoryLimit::Unlimited);
    }

    #[test]
    fn a_limit_of_minus_one_is_none_and_a_period_is_never_zero() {
        let config = BrokerConfig::with(&[
            ("connections.max.idle.ms", "-1"),
            ("zurau.request.arrival.timeout.ms", "250"),
            ("socket.send.buffer.bytes", "-1"),
            ("log.flush.offset.checkpoint.interval.ms", "0"),
        ])
        .unwrap();
        let connections = config.connections();
        assert_eq!(connections.max_idle, None);
        assert_eq!(
            connections.arrival_timeout,
            Some(Duration::from_millis(250))
        );
        assert_eq!(connections.send_buffer_bytes, None);
        assert_eq!(
            config.housekeeping().recovery_points,
            Duration::from_millis(1)
        );
    }

    #[test]
    fn cleaner_threads_share_their_memory() {
        let config = BrokerConfig::with(&[
            ("log.cleaner.threads", "4"),
            ("log.cleaner.dedupe.buffer.size", "4000"),
            ("log.cleaner.io.buffer.size", "800"),
        ])
        .unwrap();
        let cleaner = config.cleaner();
        assert_eq!((cleaner.map_bytes, cleaner.io_bytes), (1_000, 100));
        // Without threads nothing is divided.
        let none = BrokerConfig::with(&[("log.cleaner.threads", "0")]).unwrap();
        assert_eq!(none.cleaner().map_bytes, 134_217_728);
    }

    #[test]
    fn minutes_of_retention_are_milliseconds_of_the_group_coordinator() {
        let config = BrokerConfig::with(&[("offsets.retention.minutes", "2")]).unwrap();
        assert_eq!(config.groups().offsets_retention_ms, 120_000);
    }
}
