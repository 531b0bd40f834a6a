//! Compaction as Kafka does it: of each key the newest record stays.
//!
//! ```text
//!   log start          first dirty offset        end: first segment that      active
//!      |                       |                 must not be touched yet      segment
//!      |------- clean ---------|-------- dirty --------|---------------------|------->
//!      |                       |  1. keys into a map   |
//!      |<---------- 2. every segment is rewritten ---->|
//!                  without records that the map knows newer ones of
//! ```
//! [`CleanableLog`] says of a log how dirty it is, by what is published of it. The owner of the log makes a
//! [`CompactionJob`] over its closed segments; any thread runs it: it reads the dirty section into the
//! [`map`], and then rewrites group after group of segments, each into one:
//!
//! ```text
//!   owner:  compaction_job -> [create_cleaned -------------> compacted] -> ... next group
//!                |                    |                          ^
//!   any thread:  +--> map_keys ------ +--> CompactionJob::clean -+
//! ```
//! Whatever has to do with names is done by the owner: the directory may be renamed under the job, and then
//! the files that it holds open simply lead nowhere.
//!
//! # What stays ([`filter`])
//!
//! - Of each key the record with the greatest offset; all that is above the offset that the map reaches.
//! - A tombstone, until the delete horizon that the first compaction stamped on its batch has passed.
//! - No record without a key (such records should not be there), no record of an aborted transaction.
//! - A transaction marker, as long as a record of its transaction was there, and from then on for the time
//!   of a tombstone.
//! - The last batch of each known producer, for its sequence, and the last batch of the cleaned range, for
//!   its offset, if need be as a bare header.
//! - A record that stays keeps its bytes, and a batch of which all records stay is copied as it is.
//!
//! # What must hold
//!
//! - Only segments below the recovery point are touched, and only below the recovery point that is on
//!   disk: what recovery scans after a crash is not compacted. (Kafka has no such rule, and a checkpoint may
//!   be lost: how recovery tells then is in [`trace`].)
//! - The checksum of every batch that is read is compared, and its offsets. A bad one ends the compaction
//!   of the partition; a group is exchanged only when all of it was good.
//! - After a truncation nothing that was mapped before counts; after retention a group whose segments are
//!   gone does not. ([`exchange`])
//! - At each moment a crash leaves either the old segments or the new one: `.cleaned` is thrown away,
//!   `.swap` is put in place. Both at once differ only in records that have newer ones.
//! - Readers of older views go on reading the old files, which are opened for them before.

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
pub use exchange::{CleanedFiles, Group};
pub use job::{CompactionJob, CompactionStats};
pub(super) use trace::CompactionTrace;
pub use write::CleanedSegment;

/// The name of the checkpoint of a log directory that tells of each compacted partition the first offset
/// that is not clean.
pub const CHECKPOINT: &str = "cleaner-offset-checkpoint";

/// What a compaction may take.
#[derive(Clone, Copy, Debug)]
pub struct CompactionLimits {
    /// Bytes of the map of keys.
    pub map_bytes: u64,
    /// How much of them may be filled.
    pub map_load_factor: f64,
    /// Bytes that are read or written at a time, where a batch is not larger.
    pub io_bytes: usize,
}

/// Holds a compaction to its rate, and ends it.
pub trait Pace {
    /// Called before and between reads and writes, with the bytes that were moved since. May wait.
    ///
    /// # Errors
    /// When the compaction is to end.
    fn moved(&self, bytes: usize) -> Result<(), Stopped>;
}

/// The compaction is to end where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Why a compaction has ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum CompactionError {
    /// It was told to.
    #[error("stopped")]
    Stopped,
    /// The log or its segments are not there any more.
    #[error("the segments are gone")]
    Gone,
    /// What was read is not what was written.
    #[error("offset {offset}: {reason}")]
    Corrupt {
        /// Of the batch, or the first offset that was not read.
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
