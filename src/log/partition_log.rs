//! The single writer of one partition. This file holds the state and what is short; the larger operations are in `append`,
//! `store`, `roll`, `durable`, `sync_job`, `truncate`, `retention` and `recover`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, ProducerId, Timestamp, TopicId, TopicPartition};
use crate::config::TopicConfig;

use super::active::ActiveSegment;
use super::append::{AppendError, AppendInfo, AppendOrigin};
use super::disk::{DirectoryOffline, Disk, is_out_of_descriptors};
use super::epochs::LeaderEpochs;
use super::epochs_file::EpochsFile;
use super::loss::Loss;
use super::prepare::RecordSet;
use super::producer::{
    EndedTransactions, OpenTransactions, ProducerExpiration, ProducerPicture, ProducerTable,
    TransactionCheck,
};
use super::reader::{LogView, RecentBatches};
use super::recover;
use super::roll::Jitter;
use super::segment::Segment;
use super::sync_job::Unsynced;

/// How to open a replica directory.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The topic's effective configuration.
    pub config: Arc<TopicConfig>,
    /// The log directory's clean-shutdown marker was there.
    pub clean_shutdown: bool,
    /// From recovery-point-offset-checkpoint (0 when absent).
    pub recovery_point: Offset,
    /// From log-start-offset-checkpoint (0 when absent).
    pub log_start: Offset,
    /// From replication-offset-checkpoint (0 when absent): everything below was acknowledged.
    pub high_watermark: Offset,
    /// Written to, or compared with, `partition.metadata`; the zero id does neither.
    pub topic_id: TopicId,
    /// `producer.id.expiration.ms`.
    pub producer_expiration: ProducerExpiration,
    /// The time now.
    pub now: Timestamp,
    /// The log directory's disk ([`super::LogDirectory::disk`]).
    pub disk: Disk,
    /// Any number that differs between partitions: the seed of the roll jitter.
    pub jitter_seed: u64,
}

/// What opening has found and repaired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments that were read completely.
    pub segments_scanned: usize,
    /// Bytes in them.
    pub bytes_scanned: u64,
    /// Bytes truncated because no good batch begins there or later.
    pub bytes_truncated: u64,
    /// Segments removed: after a truncation, without an intact batch, or below the log start; or set aside.
    pub segments_deleted: usize,
    /// Segments whose indexes were missing or unusable although the stop was clean.
    pub indexes_rebuilt: usize,
    /// The records that were lost, in no order.
    pub losses: Vec<Loss>,
}

impl RecoveryReport {
    /// Whether all is as it was found.
    pub(super) const fn has_changed_nothing(&self) -> bool {
        self.bytes_truncated == 0 && self.segments_deleted == 0 && self.indexes_rebuilt == 0
    }
}

/// A failure of the disk or of its content.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk has just failed; if it was a change, the directory is offline from now on
    /// (see [`Self::is_out_of_descriptors`] for the exception).
    #[error(transparent)]
    Io(std::io::Error),
    /// The directory is offline since an earlier failure.
    #[error(transparent)]
    Offline(#[from] DirectoryOffline),
    /// The content of the disk is invalid.
    #[error("{0}")]
    Corrupt(String),
    /// Something that is not a file has the name of one, so its content is unknown.
    #[error(
        "{path:?} is {what}, not a file, so its content is unknown; stop the broker and put the file back, or remove what is in its place (an index is rebuilt)"
    )]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The directory belongs to another topic of the same name, deleted earlier.
    #[error(
        "{directory:?} has topic id {found} in its partition.metadata, but should have {expected}: stop the broker and put the directory of {expected} in its place, or remove partition.metadata if the log is that of {expected}"
    )]
    InconsistentTopicId {
        /// The replica directory.
        directory: PathBuf,
        /// The id in `partition.metadata`.
        found: TopicId,
        /// The id that was asked for.
        expected: TopicId,
    },
    /// A log start offset that the log does not reach.
    #[error("offset {wanted} is above the high watermark {high_watermark}")]
    OutOfRange {
        /// The offset that was asked for.
        wanted: Offset,
        /// The high watermark.
        high_watermark: Offset,
    },
}

impl LogError {
    /// Whether the only problem was a lack of file descriptors: the directory is not offline, and a repetition
    /// finds everything as before and may succeed.
    pub fn is_out_of_descriptors(&self) -> bool {
        matches!(self, Self::Io(error) if is_out_of_descriptors(error))
    }
}

impl From<std::io::Error> for LogError {
    fn from(error: std::io::Error) -> Self {
        if DirectoryOffline::caused(&error) {
            Self::Offline(DirectoryOffline)
        } else {
            Self::Io(error)
        }
    }
}

/// One partition's log; exactly one owner, not shared. All methods are synchronous and may block on the disk.
#[derive(Debug)]
pub struct PartitionLog {
    pub(super) directory: Arc<Path>,
    pub(super) topic_partition: TopicPartition,
    pub(super) config: Arc<TopicConfig>,
    pub(super) disk: Disk,

    /// All segments except the last. Shared with views, so it is replaced and not changed while one holds it.
    pub(super) sealed: Arc<Vec<Segment>>,
    pub(super) sealed_bytes: u64,
    pub(super) active: ActiveSegment,
    pub(super) recent: RecentBatches,

    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    /// Everything below is synced with its index entries. After a crash, the log is scanned from here on.
    pub(super) recovery_point: Offset,
    /// Every batch below is synced; at or above the recovery point.
    pub(super) flushed: Offset,
    /// From the log start on.
    pub(super) epochs: Arc<LeaderEpochs>,
    /// From the first segment on, since the log may start there after a crash: the content of the file.
    pub(super) all_epochs: LeaderEpochs,
    pub(super) epochs_file: Arc<EpochsFile>,
    pub(super) producers: ProducerTable,
    /// What the markers that were stored since the start have ended.
    pub(super) ended: EndedTransactions,
    /// The open transactions, for those who append.
    pub(super) transactions: Arc<OpenTransactions>,

    /// Producer snapshots on disk, or on their way there, by the offset in their names.
    pub(super) snapshots: BTreeSet<Offset>,
    /// The snapshot that was taken in the middle of the active segment, so that recovery need not read all of
    /// its batches.
    pub(super) midway_snapshot: Option<Offset>,
    /// The state of everything between the recovery point and the log end.
    pub(super) unsynced: Unsynced,
    /// Files that were renamed to `.deleted`, with the time from which they may be unlinked.
    pub(super) deleted_files: Vec<(Timestamp, PathBuf)>,

    pub(super) last_flush: Timestamp,
    /// The newest `now` that was passed in.
    pub(super) latest_time: Timestamp,
    pub(super) producer_expiration: ProducerExpiration,
    pub(super) jitter: Jitter,
}

impl PartitionLog {
    /// Creates the directory if it does not exist; otherwise loads and recovers it in numbered passes.
    pub fn open(
        directory: &Path,
        topic_partition: TopicPartition,
        options: OpenOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        recover::open(directory, topic_partition, options)
    }

    /// Prepares a record set with the current configuration, and stores it: for the metadata log, and for tests.
    /// [`RecordSet::effort`] says what that can cost.
    pub fn append_as_leader(
        &mut self,
        records: &Bytes,
        epoch: LeaderEpoch,
        origin: AppendOrigin,
        now: Timestamp,
    ) -> Result<AppendInfo, AppendError> {
        if self.disk.is_offline() {
            return Err(DirectoryOffline.into());
        }
        let set = RecordSet {
            records: records.clone(),
            origin,
            epoch,
            transactions: TransactionCheck::Trusted,
        };
        let prepared = set.prepare(&self.topic_partition, &self.config, now)?;
        self.append(prepared, now)
    }

    /// An immutable view for readers. It is cheap, and does not show later appends.
    pub fn view(&self) -> Arc<LogView> {
        Arc::new(LogView {
            sealed: Arc::clone(&self.sealed),
            active: self.active.segment.clone(),
            recent: self.recent,
            log_start: self.log_start,
            log_end: self.log_end,
            epochs: Arc::clone(&self.epochs),
            size: self.size(),
        })
    }

    /// First offset that may be read.
    pub const fn log_start(&self) -> Offset {
        self.log_start
    }

    /// Next offset.
    pub const fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Everything below is synced with its index entries. After a crash, the log is scanned from here on.
    pub const fn recovery_point(&self) -> Offset {
        self.recovery_point
    }

    /// Every batch below is synced; at or above the recovery point.
    pub const fn flushed(&self) -> Offset {
        self.flushed
    }

    /// Bytes in all segments.
    pub const fn size(&self) -> u64 {
        self.sealed_bytes.saturating_add(self.active.segment.length)
    }

    /// Base offset of the oldest segment. A log start offset above it belongs in the log start checkpoint.
    pub fn first_segment_base(&self) -> Offset {
        self.sealed.first().unwrap_or(&self.active.segment).base()
    }

    /// The producers that are remembered now.
    pub(crate) fn producers(&self) -> ProducerPicture {
        self.producers.picture()
    }

    /// The open transactions, and those that are about to begin. It is always the same table.
    pub const fn transactions(&self) -> &Arc<OpenTransactions> {
        &self.transactions
    }
    /// The current configuration.
    pub const fn config(&self) -> &Arc<TopicConfig> {
        &self.config
    }

    /// Notes a new leader epoch that starts at the log end. It is on disk before the recovery point passes its
    /// first batch.
    pub fn assign_epoch(&mut self, epoch: LeaderEpoch) {
        self.assign_epoch_at(epoch, self.log_end);
    }

    /// Replaces the configuration.
    pub fn set_config(&mut self, config: Arc<TopicConfig>) {
        self.config = config;
    }

    /// Raises the log start offset (DeleteRecords). Segments below it go with the next retention.
    pub fn raise_log_start(&mut self, to: Offset, high_watermark: Offset) -> Result<(), LogError> {
        if to > high_watermark || to > self.log_end {
            return Err(LogError::OutOfRange {
                wanted: to,
                high_watermark,
            });
        }
        self.set_log_start(to);
        Ok(())
    }

    /// Forgets some thousands of the producers that have been silent for too long, from the given one on. Returns where to continue, if there are more.
    pub fn expire_some_producers(
        &mut self,
        now: Timestamp,
        from: Option<ProducerId>,
    ) -> Option<ProducerId> {
        const AT_ONCE: usize = 16 * 1024;
        let expiration_ms = self.producer_expiration.ms();
        if from.is_none() {
            self.transactions.expire(now, expiration_ms);
        }
        self.producers
            .expire_some(from, AT_ONCE, now, expiration_ms)
    }

    /// `flush.messages` / `flush.ms`: whether a sync is due.
    pub fn flush_due(&self, now: Timestamp) -> bool {
        let unsynced = self.log_end.since(self.flushed);
        unsynced > 0
            && (unsynced >= self.config.flush_messages
                || now.millis_since(self.last_flush) >= self.config.flush_ms)
    }
}

/// What only tests ask.
#[cfg(test)]
impl PartitionLog {
    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.sealed.len() + 1
    }

    /// How many producers are remembered.
    pub fn producer_count(&self) -> usize {
        self.producers.len()
    }

    /// The replica directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Forgets producers that have been silent for too long.
    pub fn expire_producers(&mut self, now: Timestamp) {
        self.producers.expire(now, self.producer_expiration.ms());
    }
}
