//! Fixtures for this room's tests.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;

use crate::base::{
    KafkaUuid, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId, TopicPartition,
};
use crate::config::TopicConfig;
use crate::config::topic::{CleanupPolicy, CompressionType, TimestampType};
use crate::record::{Batch, BatchBuilder, BatchOptions, Batches};

use super::disk::{Operation, Probe, Verdict};
use super::{
    AppendError, AppendInfo, AppendOrigin, Disk, LogError, LogView, OpenOptions, PartitionLog,
    ProducerExpiration, RecoveryReport,
};

/// Kafka's defaults.
pub(crate) fn config() -> TopicConfig {
    TopicConfig {
        cleanup_policy: CleanupPolicy {
            delete: true,
            compact: false,
        },
        compression_gzip_level: -1,
        compression_lz4_level: 9,
        compression_type: CompressionType::Producer,
        compression_zstd_level: 3,
        delete_retention_ms: 86_400_000,
        file_delete_delay_ms: 60_000,
        flush_messages: i64::MAX,
        flush_ms: i64::MAX,
        index_interval_bytes: 4096,
        max_compaction_lag_ms: i64::MAX,
        max_decompressed_message_bytes: 2_147_483_639,
        max_message_bytes: 1_048_588,
        message_timestamp_after_max_ms: 3_600_000,
        message_timestamp_before_max_ms: i64::MAX,
        message_timestamp_type: TimestampType::CreateTime,
        min_cleanable_dirty_ratio: 0.5,
        min_compaction_lag_ms: 0,
        min_insync_replicas: 1,
        preallocate: false,
        retention_bytes: -1,
        retention_ms: 604_800_000,
        segment_bytes: 1_073_741_824,
        segment_index_bytes: 10_485_760,
        segment_jitter_ms: 0,
        segment_ms: 604_800_000,
        unclean_leader_election_enable: false,
        zurau_flush_before_ack: false,
    }
}

/// A batch as a client sends it: one record per timestamp.
pub(crate) fn batch(timestamps: &[i64], value: &[u8]) -> Bytes {
    batch_of(BatchOptions::default(), timestamps, value)
}

/// A batch of an idempotent producer.
pub(crate) fn producer_batch(
    id: i64,
    epoch: i16,
    sequence: i32,
    timestamps: &[i64],
    value: &[u8],
) -> Bytes {
    let options = BatchOptions {
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        ..BatchOptions::default()
    };
    batch_of(options, timestamps, value)
}

/// A batch with these header fields.
pub(crate) fn batch_of(options: BatchOptions, timestamps: &[i64], value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for timestamp in timestamps {
        builder.push(Timestamp(*timestamp), Some(b"key"), Some(value), &[]);
    }
    builder.finish()
}

/// A log in a directory of its own.
pub(crate) struct TestLog {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) config: TopicConfig,
    pub(crate) log: PartitionLog,
    pub(crate) report: RecoveryReport,
    pub(crate) now: Timestamp,
}

/// A directory in memory where there is such a thing, since some tests make thousands of files.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Some topic's id.
pub(crate) const TOPIC_ID: TopicId = KafkaUuid(uuid::Uuid::from_u128(0x1234_5678));

impl TestLog {
    pub(crate) fn new(config: TopicConfig) -> Self {
        let directory = directory();
        let now = Timestamp(1_000_000);
        let (log, report) = open(
            directory.path(),
            &config,
            true,
            Offset(0),
            Offset(0),
            now,
            &quick_disk(),
        )
        .unwrap();
        Self {
            directory,
            config,
            log,
            report,
            now,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("topic-0")
    }

    pub(crate) fn append(&mut self, records: &Bytes) -> Result<AppendInfo, AppendError> {
        self.log
            .append_as_leader(records, LeaderEpoch(0), AppendOrigin::Client, self.now)
    }

    /// Stops cleanly and starts again.
    pub(crate) fn reopen(self) -> Self {
        let Self {
            directory,
            config,
            log,
            now,
            ..
        } = self;
        let log_start = log.log_start();
        let recovery_point = log.close().unwrap();
        let (log, report) = open(
            directory.path(),
            &config,
            true,
            recovery_point,
            log_start,
            now,
            &quick_disk(),
        )
        .unwrap();
        Self {
            directory,
            config,
            log,
            report,
            now,
        }
    }

    /// Dies, suffers `damage`, and starts again.
    pub(crate) fn crash(self, damage: impl FnOnce(&Path)) -> Self {
        let path = self.path();
        let Self {
            directory,
            config,
            log,
            now,
            ..
        } = self;
        let (recovery_point, log_start) = (log.recovery_point(), log.log_start());
        drop(log);
        damage(&path);
        let (log, report) = open(
            directory.path(),
            &config,
            false,
            recovery_point,
            log_start,
            now,
            &quick_disk(),
        )
        .unwrap();
        Self {
            directory,
            config,
            log,
            report,
            now,
        }
    }

    /// Names of the files in the replica directory, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        file_names(&self.path())
    }
}

pub(crate) fn file_names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn open(
    directory: &Path,
    config: &TopicConfig,
    clean_shutdown: bool,
    recovery_point: Offset,
    log_start: Offset,
    now: Timestamp,
    disk: &Disk,
) -> Result<(PartitionLog, RecoveryReport), LogError> {
    let checkpointed = Checkpointed {
        clean_shutdown,
        recovery_point,
        log_start,
        high_watermark: Offset::ZERO,
    };
    open_as(directory, config, checkpointed, now, disk)
}

/// What the files of a log directory say about one log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Checkpointed {
    pub(crate) clean_shutdown: bool,
    pub(crate) recovery_point: Offset,
    pub(crate) log_start: Offset,
    pub(crate) high_watermark: Offset,
}

pub(crate) fn open_as(
    directory: &Path,
    config: &TopicConfig,
    checkpointed: Checkpointed,
    now: Timestamp,
    disk: &Disk,
) -> Result<(PartitionLog, RecoveryReport), LogError> {
    let options = OpenOptions {
        config: Arc::new(config.clone()),
        clean_shutdown: checkpointed.clean_shutdown,
        recovery_point: checkpointed.recovery_point,
        log_start: checkpointed.log_start,
        high_watermark: checkpointed.high_watermark,
        topic_id: TOPIC_ID,
        producer_expiration: ProducerExpiration::new(86_400_000),
        now,
        disk: disk.clone(),
        jitter_seed: 0,
    };
    PartitionLog::open(
        &directory.join("topic-0"),
        TopicPartition::new("topic", 0),
        options,
    )
}

/// Everything from `from` on, batch by batch, as a consumer reads it.
pub(crate) fn read_all(view: &LogView, from: Offset, max_bytes: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut next = from;
    while let Some(slice) = view.locate(next, view.log_end(), max_bytes, true).unwrap() {
        let before = next;
        for batch in Batches::new(slice.read().unwrap()) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            next = batch.header.next_offset();
            batches.push(batch);
        }
        assert!(next > before, "a read at {before} brought nothing");
    }
    batches
}

/// Answers syncs without doing them.
#[derive(Debug)]
struct NoSyncs;

impl Probe for NoSyncs {
    fn before(&self, _operation: &Operation<'_>) -> Verdict {
        Verdict::Pretend
    }
}

/// A disk for tests in which only the process may die.
pub(crate) fn quick_disk() -> Disk {
    Disk::with_probe(Arc::new(NoSyncs))
}

/// Holds up every change of a disk while it hangs, and notes the lengths of writes.
#[derive(Debug, Default)]
pub(crate) struct HangingDisk {
    state: Mutex<Hanging>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Hanging {
    hangs: bool,
    /// How many changes are held up.
    held_up: usize,
    written: Vec<usize>,
}

impl HangingDisk {
    /// Whether it hangs from now on.
    pub(crate) fn set(&self, hangs: bool) {
        self.state.lock().expect("no panic").hangs = hangs;
        self.changed.notify_all();
    }

    pub(crate) fn wait_until_something_is_held_up(&self) {
        let state = self.state.lock().expect("no panic");
        drop(self.changed.wait_while(state, |state| state.held_up == 0));
    }

    /// The lengths of all writes so far.
    pub(crate) fn written(&self) -> Vec<usize> {
        self.state.lock().expect("no panic").written.clone()
    }
}

impl Probe for HangingDisk {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        let mut state = self.state.lock().expect("no panic");
        if let Operation::Write { length, .. } = operation {
            state.written.push(*length);
        }
        state.held_up += 1;
        self.changed.notify_all();
        state = self
            .changed
            .wait_while(state, |state| state.hangs)
            .expect("no panic");
        state.held_up -= 1;
        Verdict::Go
    }
}
