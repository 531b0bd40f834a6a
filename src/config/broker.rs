//! The broker's configuration as the other rooms read it.
//!
//! A setting has a field if somebody reads it from here. Others (`as_text`) are read as text: the defaults of topics by
//! [`TopicConfig`], roles and quorum by `identity`, and some are only shown. A field is named like its key, with dots as underscores, and has the Rust type of the setting:
//! SHORT `i16`, INT `i32`, LONG `i64`, DOUBLE `f64`, LIST `Vec<String>`, and `Option` if there is no
//! default. Settings that belong to one room are read through its view ([`rooms`](super::rooms)), and their fields are
//! not visible elsewhere. Settings that depend on each other (listeners, directories) are parsed further and
//! checked against each other here. A value of this type never changes: a change at run time makes a new one, which
//! [`CurrentConfig`](super::CurrentConfig) publishes. [`BrokerConfig::settings`] keeps the texts and their origins
//! for display.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::listeners::{AdvertisedAddress, Listener, Listeners};
use super::parse::{self, Sources};
use super::settings::Settings;
use super::topic::TopicConfig;
use super::value::list_items;
use super::warning::Warning;
use super::{InvalidConfig, identity, reach};

/// Writes the struct and its reading from [`Settings`], so that a key stands in one place.
macro_rules! broker_config {
    (
        plain { $($field:ident: $type:ty = $key:literal,)* }
        in_views { $($viewed:ident: $viewed_type:ty = $viewed_key:literal,)* }
        as_text { $($text_key:literal,)* }
        derived { $($(#[$doc:meta])* $derived:ident: $derived_type:ty = [$($from:literal),+],)* }
    ) => {
        /// Typed view of the broker's configuration at one time.
        #[derive(Clone, Debug)]
        pub struct BrokerConfig {
            $(#[doc = concat!("`", $key, "`")] pub $field: $type,)*
            $(#[doc = concat!("`", $viewed_key, "`")] pub(super) $viewed: $viewed_type,)*
            $($(#[$doc])* pub $derived: $derived_type,)*
            /// Every setting as text with its origin.
            pub settings: Arc<Settings>,
        }

        /// The fields that need more than reading one value.
        struct Derived { $($derived: $derived_type,)* }

        impl BrokerConfig {
            fn assemble(settings: Arc<Settings>, derived: Derived) -> Result<Self, InvalidConfig> {
                Ok(Self {
                    $($field: settings.read($key)?,)*
                    $($viewed: settings.read($viewed_key)?,)*
                    $($derived: derived.$derived,)*
                    settings,
                })
            }

            /// The keys that are listed above, and whether the type of the field suits.
            #[cfg(test)]
            fn keys() -> Vec<(&'static str, bool)> {
                use super::value::FromValue;
                let suits = |key: &str, suits: fn(&super::definitions::Definition) -> bool| {
                    super::definitions::broker(key).is_some_and(suits)
                };
                vec![
                    $(($key, suits($key, <$type>::suits)),)*
                    $(($viewed_key, suits($viewed_key, <$viewed_type>::suits)),)*
                    $(($text_key, true),)*
                    $($(($from, true),)+)*
                ]
            }
        }
    };
}

broker_config! {
    plain {
        node_id: i32 = "node.id",
        zurau_cluster_id: Option<String> = "zurau.cluster.id",
        broker_rack: Option<String> = "broker.rack",
        num_network_threads: i32 = "num.network.threads",
        num_io_threads: i32 = "num.io.threads",
        num_recovery_threads_per_data_dir: i32 = "num.recovery.threads.per.data.dir",
        zurau_storage_lanes: i32 = "zurau.storage.lanes",
        request_timeout_ms: i32 = "request.timeout.ms",
        fetch_max_bytes: i32 = "fetch.max.bytes",
        max_incremental_fetch_session_cache_slots: i32 = "max.incremental.fetch.session.cache.slots",
        zurau_fetch_session_cache_max_bytes: i64 = "zurau.fetch.session.cache.max.bytes",
        max_request_partition_size_limit: i32 = "max.request.partition.size.limit",
        zurau_stray_partitions_max: i32 = "zurau.stray.partitions.max",
        zurau_disk_reserve_bytes: i64 = "zurau.disk.reserve.bytes",
        zurau_stop_timeout_ms: i64 = "zurau.stop.timeout.ms",
        auto_create_topics_enable: bool = "auto.create.topics.enable",
        num_partitions: i32 = "num.partitions",
        default_replication_factor: i32 = "default.replication.factor",
        delete_topic_enable: bool = "delete.topic.enable",
        min_insync_replicas: i32 = "min.insync.replicas",
        unclean_leader_election_enable: bool = "unclean.leader.election.enable",
        compression_type: String = "compression.type",
        compression_gzip_level: i32 = "compression.gzip.level",
        compression_lz4_level: i32 = "compression.lz4.level",
        compression_zstd_level: i32 = "compression.zstd.level",
        zurau_flush_before_ack: bool = "zurau.flush.before.ack",
        log_segment_delete_delay_ms: i64 = "log.segment.delete.delay.ms",
        log_cleaner_min_compaction_lag_ms: i64 = "log.cleaner.min.compaction.lag.ms",
        log_cleaner_max_compaction_lag_ms: i64 = "log.cleaner.max.compaction.lag.ms",
        replica_alter_log_dirs_io_max_bytes_per_second: i64 = "replica.alter.log.dirs.io.max.bytes.per.second",
        producer_id_expiration_ms: i32 = "producer.id.expiration.ms",
        transaction_partition_verification_enable: bool = "transaction.partition.verification.enable",
        metadata_log_segment_bytes: i32 = "metadata.log.segment.bytes",
        metadata_log_max_record_bytes_between_snapshots: i64 = "metadata.log.max.record.bytes.between.snapshots",
        metadata_log_max_snapshot_interval_ms: i64 = "metadata.log.max.snapshot.interval.ms",
    }
    in_views {
        background_threads: i32 = "background.threads",
        socket_send_buffer_bytes: i32 = "socket.send.buffer.bytes",
        socket_receive_buffer_bytes: i32 = "socket.receive.buffer.bytes",
        socket_listen_backlog_size: i32 = "socket.listen.backlog.size",
        socket_request_max_bytes: i32 = "socket.request.max.bytes",
        connections_max_idle_ms: i64 = "connections.max.idle.ms",
        max_connections: i32 = "max.connections",
        max_connections_per_ip: i32 = "max.connections.per.ip",
        max_connection_creation_rate: i32 = "max.connection.creation.rate",
        queued_max_requests: i32 = "queued.max.requests",
        queued_max_request_bytes: Option<i64> = "queued.max.request.bytes",
        zurau_connection_max_requests_in_flight: i32 = "zurau.connection.max.requests.in.flight",
        zurau_connection_max_request_bytes_in_flight: i64 = "zurau.connection.max.request.bytes.in.flight",
        zurau_request_arrival_timeout_ms: i64 = "zurau.request.arrival.timeout.ms",
        zurau_connection_stall_timeout_ms: i64 = "zurau.connection.stall.timeout.ms",
        zurau_scrub_bytes_per_second: i64 = "zurau.scrub.bytes.per.second",
        zurau_scrub_interval_ms: i64 = "zurau.scrub.interval.ms",
        log_retention_check_interval_ms: i64 = "log.retention.check.interval.ms",
        log_flush_offset_checkpoint_interval_ms: i32 = "log.flush.offset.checkpoint.interval.ms",
        log_flush_start_offset_checkpoint_interval_ms: i32 = "log.flush.start.offset.checkpoint.interval.ms",
        log_initial_task_delay_ms: i64 = "log.initial.task.delay.ms",
        log_cleaner_enable: bool = "log.cleaner.enable",
        log_cleaner_threads: i32 = "log.cleaner.threads",
        log_cleaner_backoff_ms: i64 = "log.cleaner.backoff.ms",
        log_cleaner_dedupe_buffer_size: i64 = "log.cleaner.dedupe.buffer.size",
        log_cleaner_io_buffer_size: i32 = "log.cleaner.io.buffer.size",
        log_cleaner_io_buffer_load_factor: f64 = "log.cleaner.io.buffer.load.factor",
        log_cleaner_io_max_bytes_per_second: f64 = "log.cleaner.io.max.bytes.per.second",
        replica_high_watermark_checkpoint_interval_ms: i64 = "replica.high.watermark.checkpoint.interval.ms",
        producer_id_expiration_check_interval_ms: i32 = "producer.id.expiration.check.interval.ms",
        group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms",
        group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms",
        group_initial_rebalance_delay_ms: i32 = "group.initial.rebalance.delay.ms",
        group_max_size: i32 = "group.max.size",
        group_coordinator_rebalance_protocols: Vec<String> = "group.coordinator.rebalance.protocols",
        group_consumer_session_timeout_ms: i32 = "group.consumer.session.timeout.ms",
        group_consumer_min_session_timeout_ms: i32 = "group.consumer.min.session.timeout.ms",
        group_consumer_max_session_timeout_ms: i32 = "group.consumer.max.session.timeout.ms",
        group_consumer_heartbeat_interval_ms: i32 = "group.consumer.heartbeat.interval.ms",
        group_consumer_min_heartbeat_interval_ms: i32 = "group.consumer.min.heartbeat.interval.ms",
        group_consumer_max_heartbeat_interval_ms: i32 = "group.consumer.max.heartbeat.interval.ms",
        group_consumer_assignment_interval_ms: i32 = "group.consumer.assignment.interval.ms",
        group_consumer_min_assignment_interval_ms: i32 = "group.consumer.min.assignment.interval.ms",
        group_consumer_max_assignment_interval_ms: i32 = "group.consumer.max.assignment.interval.ms",
        group_consumer_max_size: i32 = "group.consumer.max.size",
        group_consumer_assignors: Vec<String> = "group.consumer.assignors",
        group_consumer_migration_policy: String = "group.consumer.migration.policy",
        group_consumer_regex_refresh_interval_ms: i32 = "group.consumer.regex.refresh.interval.ms",
        zurau_group_members_max_bytes: i64 = "zurau.group.members.max.bytes",
        offset_metadata_max_bytes: i32 = "offset.metadata.max.bytes",
        offsets_retention_minutes: i32 = "offsets.retention.minutes",
        offsets_retention_check_interval_ms: i64 = "offsets.retention.check.interval.ms",
        offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions",
        offsets_topic_replication_factor: i16 = "offsets.topic.replication.factor",
        offsets_topic_segment_bytes: i32 = "offsets.topic.segment.bytes",
        offsets_topic_compression_codec: i32 = "offsets.topic.compression.codec",
        offsets_load_buffer_size: i32 = "offsets.load.buffer.size",
        offsets_commit_timeout_ms: i32 = "offsets.commit.timeout.ms",
        transaction_max_timeout_ms: i32 = "transaction.max.timeout.ms",
        transactional_id_expiration_ms: i32 = "transactional.id.expiration.ms",
        zurau_transactional_ids_max_bytes: i64 = "zurau.transactional.ids.max.bytes",
        transaction_remove_expired_transaction_cleanup_interval_ms: i32 = "transaction.remove.expired.transaction.cleanup.interval.ms",
        transaction_state_log_num_partitions: i32 = "transaction.state.log.num.partitions",
        transaction_state_log_replication_factor: i16 = "transaction.state.log.replication.factor",
        transaction_state_log_min_isr: i32 = "transaction.state.log.min.isr",
        transaction_state_log_segment_bytes: i32 = "transaction.state.log.segment.bytes",
        transaction_state_log_load_buffer_size: i32 = "transaction.state.log.load.buffer.size",
    }
    as_text {
        "process.roles",
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
        "controller.listener.names",
        "message.max.bytes",
        "max.decompressed.message.bytes",
        "log.segment.bytes",
        "log.roll.ms",
        "log.roll.hours",
        "log.roll.jitter.ms",
        "log.roll.jitter.hours",
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
        "log.retention.bytes",
        "log.cleanup.policy",
        "log.index.interval.bytes",
        "log.index.size.max.bytes",
        "log.preallocate",
        "log.flush.interval.messages",
        "log.flush.interval.ms",
        "log.flush.scheduler.interval.ms",
        "log.message.timestamp.type",
        "log.message.timestamp.before.max.ms",
        "log.message.timestamp.after.max.ms",
        "log.cleaner.delete.retention.ms",
        "log.cleaner.min.cleanable.ratio",
        "log.local.retention.ms",
        "log.local.retention.bytes",
        "log.remote.copy.lag.ms",
        "log.remote.copy.lag.bytes",
        "leader.replication.throttled.rate",
        "follower.replication.throttled.rate",
    }
    derived {
        /// `listeners` with what each speaks, without those of the controller; never empty
        listeners: Vec<Listener> = ["listeners", "listener.security.protocol.map"],
        /// `advertised.listeners` by listener name, without those of the controller. A listener that
        /// is not here advertises the address that the client connected to.
        advertised_listeners: BTreeMap<String, AdvertisedAddress> = ["advertised.listeners", "zurau.advertised.host"],
        /// `inter.broker.listener.name`, or what it means when unset; always one of `listeners`
        inter_broker_listener_name: String = ["inter.broker.listener.name"],
        /// `max.connections.per.ip.overrides` by host
        max_connections_per_ip_overrides: BTreeMap<String, i32> = ["max.connections.per.ip.overrides"],
        /// `log.dirs`, at least one (`log.dir` is its synonym)
        log_dirs: Vec<PathBuf> = ["log.dirs", "log.dir"],
        /// `metadata.log.dir`, or the first of `log.dirs` when unset
        metadata_log_dir: PathBuf = ["metadata.log.dir"],
        /// `broker.id`: always equal to `node.id`
        broker_id: i32 = ["broker.id"],
    }
}

impl BrokerConfig {
    /// Loads the configuration from these sources.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<Warning>), InvalidConfig> {
        let (settings, mut warnings) = parse::load(sources)?;
        let (config, more) = Self::from_settings(settings)?;
        warnings.extend(more);
        warnings.extend(reach::warning(&config, sources.in_container));
        Ok((config, warnings))
    }

    /// The defaults with these overrides, for tests and embedding. Here a key that has no effect is an
    /// error, since nobody would read a warning.
    pub fn with(overrides: &[(&str, &str)]) -> Result<Self, InvalidConfig> {
        let overrides = overrides
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let (config, warnings) = Self::load(&Sources {
            overrides,
            ..Sources::default()
        })?;
        let fault = warnings
            .iter()
            .find(|warning| !matches!(warning, Warning::Note(_) | Warning::Aside(_)));
        fault.map_or(Ok(config), |fault| Err(InvalidConfig(fault.to_string())))
    }

    /// Reads the settings and checks them against each other.
    pub fn from_settings(settings: Settings) -> Result<(Self, Vec<Warning>), InvalidConfig> {
        identity::check(&settings)?;
        let Listeners {
            listeners,
            advertised,
            inter_broker,
            mut warnings,
        } = Listeners::from_settings(&settings)?;
        let log_dirs: Vec<PathBuf> = list_items(settings.value("log.dirs").unwrap_or_default())
            .into_iter()
            .map(PathBuf::from)
            .collect();
        let Some(first_log_dir) = log_dirs.first() else {
            return Err(InvalidConfig(format!(
                "{} names no directory: name at least one",
                settings.named("log.dirs")
            )));
        };
        let metadata_log_dir = settings
            .value("metadata.log.dir")
            .filter(|path| !path.is_empty())
            .map_or_else(|| first_log_dir.clone(), PathBuf::from);
        let max_connections_per_ip_overrides = connection_overrides(&settings)?;
        let derived = Derived {
            listeners,
            advertised_listeners: advertised,
            inter_broker_listener_name: inter_broker,
            max_connections_per_ip_overrides,
            metadata_log_dir,
            log_dirs,
            broker_id: settings.read("broker.id")?,
        };
        let config = Self::assemble(Arc::new(settings), derived)?;
        config.cross_check()?;
        warnings.extend(config.warning_of_protocols());
        Ok((config, warnings))
    }

    /// Checks for settings that contradict each other.
    fn cross_check(&self) -> Result<(), InvalidConfig> {
        let fail = |text: String| Err(InvalidConfig(text));
        let named = |key: &str| self.settings.named(key);
        self.check_groups()?;
        // With less memory than the largest request needs, that request would always go beyond the limit.
        if let Some(bytes) = self.queued_max_request_bytes
            && bytes > 0
            && bytes < i64::from(self.socket_request_max_bytes)
        {
            return fail(format!(
                "{} is less than {}: raise it, or use -1 for no limit",
                named("queued.max.request.bytes"),
                named("socket.request.max.bytes")
            ));
        }
        if self.max_connections_per_ip == 0 && self.max_connections_per_ip_overrides.is_empty() {
            return fail(format!(
                "{} refuses every client unless max.connections.per.ip.overrides is set: raise it, or name the \
                 hosts that may connect",
                named("max.connections.per.ip")
            ));
        }
        if self.log_cleaner_min_compaction_lag_ms > self.log_cleaner_max_compaction_lag_ms {
            return fail(format!(
                "{} is greater than {}: lower the first or raise the second",
                named("log.cleaner.min.compaction.lag.ms"),
                named("log.cleaner.max.compaction.lag.ms")
            ));
        }
        let topics = TopicConfig::resolve(&BTreeMap::new(), self)?;
        if topics.retention_ms == 0 {
            let keys = [
                "log.retention.ms",
                "log.retention.minutes",
                "log.retention.hours",
            ];
            let set = keys.into_iter().find(|key| self.settings.is_explicit(key));
            return fail(format!(
                "{} cannot be 0: use -1 to keep records for ever, or at least 1",
                named(set.unwrap_or(keys[0]))
            ));
        }
        Ok(())
    }

    /// The id that the cluster must have, if one is configured.
    pub fn cluster_id(&self) -> Option<&str> {
        self.zurau_cluster_id.as_deref().filter(|id| !id.is_empty())
    }

    /// How many threads serve connections and requests. Kafka has `num.network.threads` threads for
    /// sockets and `num.io.threads` for requests. Here one pool does both, and their sum is its limit.
    /// More threads than processor cores would only take turns, so `None` means one for each core.
    pub fn serving_threads(&self) -> Option<usize> {
        let wanted = self.num_network_threads.saturating_add(self.num_io_threads);
        let wanted = usize::try_from(wanted).unwrap_or(1);
        (wanted < processor_cores()).then_some(wanted)
    }

    /// How many storage lanes each log directory has: `zurau.storage.lanes`. By default one lane per processor
    /// core, at most four, are divided among the directories, and each directory has at least one.
    pub fn storage_lanes(&self) -> usize {
        match usize::try_from(self.zurau_storage_lanes) {
            Ok(lanes) if lanes > 0 => lanes,
            _ => processor_cores()
                .min(4)
                .div_ceil(self.log_dirs.len().max(1)),
        }
    }
}

impl Default for BrokerConfig {
    /// The embedded defaults.
    ///
    /// # Panics
    /// Never: a test reads the same defaults.
    fn default() -> Self {
        match Self::from_settings(Settings::defaults()) {
            Ok((config, _)) => config,
            Err(error) => unreachable!("the embedded defaults contradict themselves: {error}"),
        }
    }
}

fn processor_cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// `max.connections.per.ip.overrides`: a list of `host:count`.
fn connection_overrides(settings: &Settings) -> Result<BTreeMap<String, i32>, InvalidConfig> {
    const KEY: &str = "max.connections.per.ip.overrides";
    list_items(settings.value(KEY).unwrap_or_default())
        .into_iter()
        .map(|entry| {
            entry
                .rsplit_once(':')
                .and_then(|(host, count)| {
                    let count = count.trim().parse().ok().filter(|count| *count >= 0)?;
                    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
                    (!host.is_empty()).then(|| (host.to_owned(), count))
                })
                .ok_or_else(|| {
                    InvalidConfig(format!(
                        "{KEY} cannot contain {entry:?} ({}): use a list of host:count",
                        settings.origin(KEY)
                    ))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests;
