//! CONTRACT STUB: the single writer of one partition.
use std::path::Path;
use std::sync::Arc;
use bytes::Bytes;
use crate::base::{LeaderEpoch, Offset, TopicId, TopicPartition, Timestamp};
use crate::config::TopicConfig;
use super::reader::LogView;

/// Who appends: decides which checks apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AppendOrigin { Client, Coordinator, Raft }

/// How to open a replica directory.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct OpenOptions {
    pub config: Arc<TopicConfig>,
    /// the log directory's clean-shutdown marker was there
    pub clean_shutdown: bool,
    /// from recovery-point-offset-checkpoint (0 when absent)
    pub recovery_point: Offset,
    /// from log-start-offset-checkpoint (0 when absent)
    pub log_start: Offset,
    pub topic_id: TopicId,
    pub producer_id_expiration_ms: i64,
    pub now: Timestamp,
}
/// What opening found and mended.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct RecoveryReport { pub segments_scanned: usize, pub bytes_scanned: u64, pub bytes_truncated: u64, pub segments_deleted: usize }

/// A successful append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AppendInfo {
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// set under LogAppendTime, else Timestamp::NONE
    pub log_append_time: Timestamp,
    pub log_start: Offset,
    /// the batch was stored before; offsets are the original ones and nothing was written
    pub duplicate: bool,
}
/// Why an append was refused; nothing of it was stored. (helper: one variant per Kafka error; `Io` is fatal for the directory)
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum AppendError { #[error("placeholder")] Placeholder, #[error(transparent)] Io(#[from] std::io::Error) }
/// A failure of the disk or of its content.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LogError { #[error(transparent)] Io(#[from] std::io::Error), #[error("{0}")] Corrupt(String) }

/// One partition's log; exactly one owner, not shared. All methods are synchronous and may block on the disk.
pub struct PartitionLog {}
impl PartitionLog {
    /// Creates the directory when it is not there, else loads and recovers it in numbered passes.
    pub fn open(_directory: &Path, _topic_partition: TopicPartition, _options: OpenOptions) -> Result<(Self, RecoveryReport), LogError> { todo!() }
    /// Validates, assigns offsets and epoch, checks producers, rolls, writes. Not synced (see `flush`).
    /// `records` = a produce request's record set: one batch from clients (Kafka refuses more), any number from others.
    pub fn append_as_leader(&mut self, _records: &Bytes, _epoch: LeaderEpoch, _origin: AppendOrigin, _now: Timestamp) -> Result<AppendInfo, AppendError> { todo!() }
    /// Makes everything below log end durable (fsync), moves the recovery point.
    pub fn flush(&mut self) -> Result<Offset, LogError> { todo!() }
    /// An immutable view for readers, cheap to clone; a later append needs a new view to be seen.
    pub fn view(&self) -> Arc<LogView> { todo!() }
    /// First offset that may be read.
    pub fn log_start(&self) -> Offset { todo!() }
    /// Next offset.
    pub fn log_end(&self) -> Offset { todo!() }
    /// First offset of the oldest open transaction, or `None`.
    pub fn first_unstable(&self) -> Option<Offset> { todo!() }
    /// Everything below is synced.
    pub fn recovery_point(&self) -> Offset { todo!() }
    /// Bytes in all segments.
    pub fn size(&self) -> u64 { todo!() }
    /// Records a new leadership starting at log end.
    pub fn assign_epoch(&mut self, _epoch: LeaderEpoch) -> Result<(), LogError> { todo!() }
    /// Replaces the configuration.
    pub fn set_config(&mut self, _config: Arc<TopicConfig>) { todo!() }
    /// Retention by time, size and log start: renames the segments that may go to `.deleted`; they are unlinked by `delete_expired_files`.
    pub fn apply_retention(&mut self, _high_watermark: Offset, _now: Timestamp) -> Result<usize, LogError> { todo!() }
    /// Unlinks `.deleted` files older than file.delete.delay.ms.
    pub fn delete_expired_files(&mut self, _now: Timestamp) -> Result<(), LogError> { todo!() }
    /// Raises the log start offset (DeleteRecords, retention).
    pub fn raise_log_start(&mut self, _to: Offset, _high_watermark: Offset) -> Result<(), LogError> { todo!() }
    /// Cuts everything at and above `to`.
    pub fn truncate(&mut self, _to: Offset) -> Result<(), LogError> { todo!() }
    /// Forgets producers that have been silent for too long.
    pub fn expire_producers(&mut self, _now: Timestamp) { todo!() }
    /// flush.messages / flush.ms: whether a sync is due.
    pub fn flush_due(&self, _now: Timestamp) -> bool { todo!() }
    /// Clean stop: flush, trim indexes, producer snapshot at log end.
    pub fn close(self) -> Result<Offset, LogError> { todo!() }
    /// Renames the directory to its `-delete` form; returns the new path.
    pub fn mark_deleted(self) -> Result<std::path::PathBuf, LogError> { todo!() }
}
