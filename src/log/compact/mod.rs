//! Compaction as in Kafka: the newest record of each key stays.
//!
//! ```text
//!   log start          first dirty offset        end: first segment that      active
//!      |                       |                 must not be touched yet      segment
//!      |------- clean ---------|-------- dirty --------|---------------------|------->
//!      |                       |  1. keys into a map   |
//!      |<---------- 2. every segment is rewritten ---->|
//!                  without records for which the map has newer ones
//! ```
//! [`CleanableLog`] says how dirty a log is, by its published view. The owner of the log creates a [`CompactionJob`] over
//! its closed segments, and any thread runs it. The job reads the dirty section into the [`map`], and then rewrites one
//! group of segments after the other, each into one segment:
//!
//! ```text
//!   owner:  compaction_job -> [create_cleaned -------------> compacted] -> ... next group
//!                |                    |                          ^
//!   any thread:  +--> map_keys ------ +--> CompactionJob::clean -+
//! ```
//! The owner does everything that has to do with file names: the directory may be renamed while the job runs, and then
//! the files that it holds open are simply unused.
//!
//! # What stays ([`filter`])
//!
//! - For each key, the record with the greatest offset; and every record above the last offset in the map.
//! - A tombstone, until the delete horizon that its first compaction has put on its batch.
//! - No record without a key (there should be none), and no record of an aborted transaction.
//! - A transaction marker, as long as there are records of its transaction, and then as long as a tombstone.
//! - The last batch of each known producer, for its sequence, and the last batch of the cleaned range, for
//!   its offset; without records they are kept as a header only.
//! - A record that stays keeps its bytes, and a batch of which all records stay is copied unchanged.
//!
//! # What must hold
//!
//! - Only segments below the recovery point on disk are compacted: what recovery scans after a crash is not. (Kafka has
//!   no such rule, and a checkpoint may be lost; [`trace`] says how recovery handles that.)
//! - The checksum and the offsets of every batch are checked. A bad batch ends the compaction of the partition, and a
//!   group is replaced only if all of it was good.
//! - A map from before a truncation is not used, nor the output of a group whose segments retention has removed
//!   ([`exchange`]).
//! - At any moment, a crash leaves either the old segments or the new one: `.cleaned` files are removed, `.swap` files
//!   replace the originals. If both are there, they differ only in records that have newer ones.
//! - Readers of older views go on reading the old files, which are opened for them in time.

mod assess;
mod exchange;
mod filter;
mod groups;
mod job;
mod map;
mod read;
#[cfg(test)]
mod tests;
mod trace;
mod transactions;
mod write;

use std::io;

use crate::base::Offset;
use crate::record::RecordError;

pub use assess::{CleanableLog, Standing};
pub use exchange::Group;
pub use job::{CompactionJob, CompactionStats};
pub(super) use trace::CompactionTrace;

/// The name of the cleaner checkpoint of a log directory: for each compacted partition, the first offset
/// that is not clean.
pub const CHECKPOINT: &str = "cleaner-offset-checkpoint";

/// How much memory a compaction may use.
#[derive(Clone, Copy, Debug)]
pub struct CompactionLimits {
    /// Bytes of the map of keys.
    pub map_bytes: u64,
    /// The fraction of it that may be filled.
    pub map_load_factor: f64,
    /// Bytes that are read or written at a time, unless a batch is larger.
    pub io_bytes: usize,
}

/// Limits the rate of a compaction, and can stop it.
pub trait Pace {
    /// Called before and between reads and writes, with the bytes that were read or written since. May wait.
    ///
    /// # Errors
    /// When the compaction should stop.
    fn moved(&self, bytes: usize) -> Result<(), Stopped>;
}

/// The compaction should stop at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Why a compaction has stopped early.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// The pace asked for it.
    #[error("stopped")]
    Stopped,
    /// The log or its segments no longer exist.
    #[error("the segments are gone")]
    Gone,
    /// The data is not what was written.
    #[error("offset {offset}: {reason}")]
    Corrupt {
        /// The offset of the batch, or the first offset that was not read.
        offset: Offset,
        /// What is wrong with it.
        reason: String,
    },
    /// A record is larger than the topic allows by now.
    #[error("batch at offset {batch}: {error}")]
    Record {
        /// The first offset of its batch.
        batch: Offset,
        /// How large it is, and what is allowed.
        error: RecordError,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(io::Error),
}

impl From<Stopped> for CompactionError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<io::Error> for CompactionError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Gone
        } else {
            Self::Io(error)
        }
    }
}
