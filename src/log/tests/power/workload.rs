//! Steps that a broker takes with a log, and what it may rely on after each.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{
    LeaderEpoch, NodeId, Offset, ProducerEpoch, ProducerId, Timestamp, TopicPartition,
};
use crate::config::TopicConfig;
use crate::config::topic::CleanupPolicy;
use crate::log::checkpoint::PartitionOffsets;
use crate::log::compact::{CleanableLog, CompactionLimits, Pace, Standing, Stopped};
use crate::log::testing::{TOPIC_ID, config};
use crate::log::{
    AppendOrigin, Checkpoint, Disk, Identity, LogDirectory, OpenOptions, PartitionLog,
    ProducerExpiration, RecoveryReport, SyncJob,
};
use crate::record::control::{ControlPlace, EndTransactionMarker};
use crate::record::{BatchBuilder, BatchOptions};

use super::expected::{Expected, Stored};
use super::trace::Recorder;

pub(super) const NOW: Timestamp = Timestamp(1_000_000);

/// Long enough for the active segment to be synced by a job.
const LATER: Timestamp = Timestamp(NOW.0 + 20_000);

/// What is done to the log.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A batch of a producer (-1: none), with values of this size.
    Append {
        producer: i64,
        records: i64,
        size: usize,
    },
    /// The same in a transaction.
    Transactional {
        producer: i64,
        records: i64,
        size: usize,
    },
    /// The end of the producer's transaction.
    Marker {
        producer: i64,
        committed: bool,
    },
    NewEpoch,
    Flush,
    /// The same without the producer snapshots.
    FlushBatches,
    /// Takes a job of what is due now, or of the active segment as well.
    TakeJob {
        later: bool,
    },
    /// Runs the job that was taken.
    RunJob,
    /// Gives the job back that was run.
    GiveJobBack,
    Retention,
    DeleteExpired,
    /// To so many offsets below the end.
    RaiseLogStart {
        back: i64,
    },
    /// To so many offsets below the end, but not below the log start.
    Truncate {
        back: i64,
    },
    /// Starts anew so many offsets above the end.
    StartAnew {
        above: i64,
    },
    /// The checkpoints, as they are written now and then.
    Checkpoints,
    /// A clean stop and a start.
    Restart,
    /// The process is killed and started again; with it goes what it knew to be synced. Everything that it has left
    /// may be synced by the start.
    Kill {
        synced: bool,
    },
    /// Compaction as far as it goes.
    Compact,
}
use Step::{
    Append, Checkpoints, Compact, DeleteExpired, Flush, FlushBatches, GiveJobBack, Kill, Marker,
    NewEpoch, RaiseLogStart, Restart, Retention, RunJob, StartAnew, TakeJob, Transactional,
    Truncate,
};

pub(super) fn compacted() -> TopicConfig {
    let mut config = small_segments();
    config.cleanup_policy = CleanupPolicy {
        delete: false,
        compact: true,
    };
    config
}

/// The settings of a random workload: every second one is as the fixed ones are.
pub(super) fn config_of(seed: usize) -> TopicConfig {
    let mut config = small_segments();
    match seed % 4 {
        1 => config.preallocate = true,
        3 => config.index_interval_bytes = 0,
        _ => {}
    }
    config
}

pub(super) fn small_segments() -> TopicConfig {
    let mut config = config();
    config.segment_bytes = 6000;
    config.index_interval_bytes = 500;
    config.retention_ms = 80_000;
    config.file_delete_delay_ms = 0;
    config
}

pub(super) fn partition() -> TopicPartition {
    TopicPartition::new("topic", 0)
}

/// Opens the directory and the log as a broker does: as its files say.
pub(super) fn open(
    root: &Path,
    disk: Disk,
    config: &TopicConfig,
) -> Result<(LogDirectory, PartitionLog, RecoveryReport), String> {
    let identity = Identity {
        node_id: NodeId(1),
        cluster_id: Some("AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
    };
    let directory =
        LogDirectory::open_on(root, &identity, disk).map_err(|error| error.to_string())?;
    directory.take_over().map_err(|error| error.to_string())?;
    let checkpoint = |which| {
        let offsets = directory
            .read_checkpoint(which)
            .map_err(|error| error.to_string())?;
        Ok::<_, String>(offsets.get(&partition()).copied().unwrap_or_default())
    };
    let options = OpenOptions {
        config: Arc::new(config.clone()),
        clean_shutdown: directory.had_clean_shutdown(),
        recovery_point: checkpoint(Checkpoint::RecoveryPoint)?,
        log_start: checkpoint(Checkpoint::LogStart)?,
        high_watermark: checkpoint(Checkpoint::Replication)?,
        topic_id: TOPIC_ID,
        producer_expiration: ProducerExpiration::new(86_400_000),
        now: NOW,
        disk: directory.disk().clone(),
        jitter_seed: 0,
    };
    let path = directory.replica_path(&partition());
    let (mut log, report) = PartitionLog::open(&path, partition(), options)
        .map_err(|error| format!("the log cannot be opened: {error}"))?;
    log.unsynced.most_waiting = 2000;
    Ok((directory, log, report))
}

/// Writes the checkpoints as the partition room does.
pub(super) fn write_checkpoints(
    directory: &LogDirectory,
    recovery_point: Offset,
    log_start: Option<Offset>,
) {
    let offsets = |offset: Option<Offset>| {
        let of_partition = |offset| (partition(), offset);
        offset
            .map(of_partition)
            .into_iter()
            .collect::<PartitionOffsets>()
    };
    for (which, offset) in [
        (Checkpoint::RecoveryPoint, Some(recovery_point)),
        (Checkpoint::LogStart, log_start),
    ] {
        let offsets = offsets(offset);
        if directory.read_checkpoint(which).unwrap() != offsets {
            directory.write_checkpoint(which, &offsets).unwrap();
        }
    }
}

/// What the log-start checkpoint says of a log.
fn checkpointed_start(log: &PartitionLog) -> Option<Offset> {
    Some(log.log_start()).filter(|start| *start > log.first_segment_base())
}

/// Stops cleanly.
pub(super) fn stop(directory: &LogDirectory, log: PartitionLog) {
    let log_start = checkpointed_start(&log);
    let end = log.close().unwrap();
    write_checkpoints(directory, end, log_start);
    let replicated = PartitionOffsets::from([(partition(), end)]);
    directory
        .write_checkpoint(Checkpoint::Replication, &replicated)
        .unwrap();
    directory.mark_clean_shutdown(1).unwrap();
}

const LIMITS: CompactionLimits = CompactionLimits {
    map_bytes: 24 * 1000,
    map_load_factor: 0.9,
    io_bytes: 1000,
};

/// As fast as it goes, to the end.
struct Unhurried;

impl Pace for Unhurried {
    fn moved(&self, _bytes: usize) -> Result<(), Stopped> {
        Ok(())
    }
}

/// A log that steps are taken with.
pub(super) struct Run<'a> {
    root: &'a Path,
    recorder: Arc<Recorder>,
    open: Option<(LogDirectory, PartitionLog)>,
    job: Option<SyncJob>,
    result: Option<std::io::Result<()>>,
    epoch: LeaderEpoch,
    /// Makes every batch another one.
    batches: u8,
    pub(super) expected: Expected,
}

impl<'a> Run<'a> {
    pub(super) fn start(root: &'a Path, recorder: Arc<Recorder>, config: TopicConfig) -> Self {
        let mut run = Self {
            root,
            recorder,
            open: None,
            job: None,
            result: None,
            epoch: LeaderEpoch(0),
            batches: 0,
            expected: Expected::new(config),
        };
        run.open();
        run
    }

    fn open(&mut self) {
        let (directory, log, _) = open(
            self.root,
            Disk::with_probe(self.recorder.clone()),
            &self.expected.config,
        )
        .unwrap();
        self.open = Some((directory, log));
    }

    fn log(&mut self) -> &mut PartitionLog {
        &mut self.open.as_mut().unwrap().1
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Append {
                producer,
                records,
                size,
            } => self.append(producer, records, size, false),
            Transactional {
                producer,
                records,
                size,
            } => self.append(producer, records, size, true),
            Marker {
                producer,
                committed,
            } => self.end_transaction(producer, committed),
            NewEpoch => {
                self.epoch = LeaderEpoch(self.epoch.0 + 1);
                let epoch = self.epoch;
                self.log().assign_epoch(epoch);
                self.expected.assign(epoch);
            }
            Flush => {
                self.log().flush().unwrap();
            }
            FlushBatches => {
                self.log().flush_batches().unwrap();
            }
            TakeJob { later } if self.job.is_none() => {
                self.job = self.log().sync_job(if later { LATER } else { NOW });
            }
            RunJob if self.result.is_none() => {
                self.result = self.job.as_ref().map(SyncJob::run);
            }
            GiveJobBack if self.result.is_some() => {
                let (job, result) = (self.job.take().unwrap(), self.result.take().unwrap());
                self.log().synced(job, result).unwrap();
            }
            TakeJob { .. } | RunJob | GiveJobBack => {}
            Retention => {
                let end = self.log().log_end();
                self.log().apply_retention(end, NOW).unwrap();
                self.expected.least_start = self
                    .expected
                    .least_start
                    .max(self.log().first_segment_base());
            }
            DeleteExpired => self.log().delete_expired_files(NOW).unwrap(),
            RaiseLogStart { back } => {
                let end = self.log().log_end();
                let to = end.plus(-back).max(self.log().log_start());
                self.log().raise_log_start(to, end).unwrap();
            }
            Truncate { back } => {
                let (start, end) = (self.log().log_start(), self.log().log_end());
                self.cut(end.plus(-back).max(start).min(end));
            }
            StartAnew { above } => {
                let at = self.log().log_end().plus(above);
                self.expected.start_anew(at, self.recorder.position());
                self.lower_checkpoints(at, Some(at));
                self.log().truncate_fully(at).unwrap();
                self.checkpoint();
            }
            Checkpoints => self.checkpoint(),
            Compact => self.compact(),
            Restart => {
                (self.job, self.result) = (None, None);
                let (directory, log) = self.open.take().unwrap();
                self.expected.least_start = log.log_start();
                stop(&directory, log);
                drop(directory);
                self.open();
            }
            Kill { synced } => {
                (self.job, self.result) = (None, None);
                drop(self.open.take());
                self.open();
                let (directory, log) = self.open.as_ref().unwrap();
                // which the start has begun with: of what recovery changes nothing is synced by it
                if synced && log.unsynced.is_as_found() {
                    directory.sync_found().unwrap();
                }
            }
        }
        let (position, log) = (self.recorder.position(), &self.open.as_ref().unwrap().1);
        self.expected.mark(position, log);
    }

    fn append(&mut self, producer: i64, records: i64, size: usize, transactional: bool) {
        self.batches = self.batches.wrapping_add(1);
        let first = 915_000 + i64::from(self.batches) * 1500;
        // times fall now and then
        let timestamps: Vec<i64> = (0..records).map(|n| first - (n % 2) * 4000).collect();
        let sequence = self.expected.next_sequence(ProducerId(producer));
        let options = BatchOptions {
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(if producer < 0 { -1 } else { 0 }),
            base_sequence: if producer < 0 { -1 } else { sequence },
            transactional,
            ..BatchOptions::default()
        };
        let value: Vec<u8> = (0..size).map(|n| self.batches ^ (n >> 3) as u8).collect();
        let mut builder = BatchBuilder::new(options);
        for (number, timestamp) in (i64::from(self.batches)..).zip(timestamps) {
            let key = [b'a' + (number % 3) as u8];
            builder.push(Timestamp(timestamp), Some(&key), Some(&value), &[]);
        }
        let bytes = builder.finish();
        self.store(&bytes, AppendOrigin::Client);
    }

    fn end_transaction(&mut self, producer: i64, committed: bool) {
        let marker = EndTransactionMarker {
            committed,
            coordinator_epoch: 3,
        };
        let place = ControlPlace {
            base_offset: Offset(0),
            leader_epoch: self.epoch,
            timestamp: Timestamp(950_000),
        };
        let bytes = marker.batch(place, ProducerId(producer), ProducerEpoch(0));
        self.store(&bytes, AppendOrigin::Coordinator);
    }

    fn store(&mut self, bytes: &Bytes, origin: AppendOrigin) {
        let epoch = self.epoch;
        let info = match self.log().append_as_leader(bytes, epoch, origin, NOW) {
            Ok(info) => info,
            // a plain batch in the midst of a transaction
            Err(crate::log::AppendError::InvalidTransactionState { .. }) => return,
            Err(error) => panic!("{error}"),
        };
        assert!(!info.duplicate);
        self.expected
            .append(Stored::new(bytes, info.first_offset, epoch));
    }

    /// What is cut must not count as synced: the checkpoint says so before, and again before more is written.
    fn cut(&mut self, to: Offset) {
        let log_start = checkpointed_start(self.log());
        self.expected.truncate(to, self.recorder.position());
        self.lower_checkpoints(to, log_start);
        self.log().truncate(to).unwrap();
        let start = self.log().log_start();
        self.expected.least_start = self.expected.least_start.min(start);
        self.checkpoint();
    }

    /// As the cleaner does, with a recovery point that is on the disk.
    fn compact(&mut self) {
        self.checkpoint();
        let log = self.log();
        let standing = Standing {
            checkpoint: None,
            last_stable: log
                .first_unstable(Offset(i64::MAX))
                .unwrap_or_else(|| log.log_end()),
            recovery_point: log.recovery_point(),
            now: NOW,
        };
        let cleanable = CleanableLog::of(&log.view(), log.config(), &standing).unwrap();
        let Some(mut job) = log.compaction_job(&cleanable, LIMITS, [5, 6], NOW) else {
            return;
        };
        job.map_keys(&Unhurried).unwrap();
        while let Some(group) = job.next_group() {
            let files = log.create_cleaned(group).unwrap().unwrap();
            let cleaned = job.clean(files, &Unhurried).unwrap();
            assert!(log.compacted(cleaned).unwrap());
        }
        let (before, after) = job.stats().records;
        self.expected.dropped += before - after;
    }

    fn lower_checkpoints(&self, to: Offset, log_start: Option<Offset>) {
        let (directory, log) = self.open.as_ref().unwrap();
        write_checkpoints(directory, log.recovery_point().min(to), log_start);
    }

    fn checkpoint(&mut self) {
        let (directory, log) = self.open.as_ref().unwrap();
        let log_start = checkpointed_start(log);
        write_checkpoints(directory, log.recovery_point(), log_start);
        self.expected.least_start = log_start.unwrap_or(self.expected.least_start);
    }
}
