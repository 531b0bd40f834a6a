//! CONTRACT STUB: what readers hold while the writer goes on.
use std::fs::File;
use std::sync::Arc;
use bytes::Bytes;
use crate::base::{LeaderEpoch, Offset, Timestamp};
/// An immutable view: segments with their files and lengths, log start, log end, leader epochs.
pub struct LogView {}
/// Whole batches in one segment file, starting with the batch that contains the wanted offset.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ReadSlice { pub file: Arc<File>, pub position: u64, pub length: usize }
impl ReadSlice {
    /// Reads the bytes (page cache or disk: may block).
    pub fn read(&self) -> std::io::Result<Bytes> { todo!() }
    /// Reads only if the page cache has all of it (preadv2 RWF_NOWAIT); `None` when it would block.
    pub fn read_without_blocking(&self) -> std::io::Result<Option<Bytes>> { todo!() }
}
/// Why nothing can be read at an offset.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ReadError {
    #[error("offset {wanted} is outside {log_start}..={log_end}")] OutOfRange { wanted: Offset, log_start: Offset, log_end: Offset },
    #[error(transparent)] Io(#[from] std::io::Error),
}
impl LogView {
    /// First readable offset.
    pub fn log_start(&self) -> Offset { todo!() }
    /// Log end of this view.
    pub fn log_end(&self) -> Offset { todo!() }
    /// Where to read from `from`: whole batches, at most `max_bytes` (but the first batch whole when `at_least_one`),
    /// none at or above `upper`. `None`: nothing to read below `upper`. May read batch headers from disk (locating by index + scan).
    pub fn locate(&self, _from: Offset, _upper: Offset, _max_bytes: usize, _at_least_one: bool) -> Result<Option<ReadSlice>, ReadError> { todo!() }
    /// Estimate of bytes from `from` to `upper`, without I/O when it is in the active segment's tail; used for min_bytes.
    pub fn bytes_between(&self, _from: Offset, _upper: Offset) -> u64 { todo!() }
    /// The first record at or after this time: (offset, its timestamp, leader epoch). ListOffsets by timestamp.
    pub fn offset_for_timestamp(&self, _timestamp: Timestamp, _upper: Offset) -> Result<Option<(Offset, Timestamp, LeaderEpoch)>, ReadError> { todo!() }
    /// The record with the largest timestamp. ListOffsets -3.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<(Offset, Timestamp, LeaderEpoch)>, ReadError> { todo!() }
    /// (epoch, end offset) per the rule in log-format.md section 7; `None`: undefined.
    pub fn end_of_epoch(&self, _epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> { todo!() }
    /// The epoch in force at log start / at an offset / the latest.
    pub fn epoch_at(&self, _offset: Offset) -> Option<LeaderEpoch> { todo!() }
    /// The latest leader epoch.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> { todo!() }
    /// Bytes in all segments.
    pub fn size(&self) -> u64 { todo!() }
}
