//! Fetches: the partitions that a client wants, how long it waits, and what it gets.
//!
//! # What a fetch costs
//!
//! A fetch, with or without a session, is an [`interest`] in partitions. It reads only those that are *due*:
//! partitions that the request names, that have had news, or that were not read to their end. A poll over 2,000 quiet
//! partitions visits none of them when it continues a session. A publication costs one mark for each poll on the
//! partition ([`super::waiters`]). Long loops yield to other tasks.
//!
//! What ends the wait ([`run`]):
//! - A. a partition cannot be read at all (not led here, offset out of range, directory offline), or
//!   the client's log diverges: the client must learn that now;
//! - B. the partitions together hold `min_bytes` below their upper bounds;
//! - C. the deadline;
//! - D. a partition's leadership has changed, or the partition was deleted (case A on the next look);
//! - E. the broker stops.
//!
//! # What an answer holds
//!
//! Records are sent as ranges of the segment file, so an answer that its client does not read holds only references.
//! Small slices are read into memory at once: several of them are sent in one write, and copying a few kilobytes from
//! the page cache costs less than one call for each. Readers at the end of a log get such slices, so the broker keeps
//! no tail in memory besides the page cache.
//!
//! | bound of one answer | |
//! | --- | --- |
//! | bytes in memory | [`read::MOST_IN_MEMORY`]: 800 clients that do not read hold 100 MiB at most |
//! | ranges of files | 256, and a single one while many files are open |
//! | bytes in all | the request's, and `fetch.max.bytes` |
//!
//! Records beyond these bounds are left out, like records beyond the request's own limit: the client asks again. A
//! reader that holds a file can read it to the end, even when the file is renamed: retention and compaction unlink
//! files, and never change them.

pub(super) mod interest;
mod read;
pub(super) mod run;

use std::sync::Arc;

use crate::base::{ErrorCode, LeaderEpoch, Offset, TopicId};

use super::replica::Replica;

#[cfg(test)]
pub use read::MOST_IN_MEMORY;
pub use read::{FetchedPart, FetchedRecords, ReadFailure};
pub use run::{FetchLimits, FetchedRow, RowId};

/// How a session identifies topics. It depends on the version of its requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TopicKey {
    /// Fetch 13 and later.
    Id(TopicId),
    /// Before.
    Name(Arc<str>),
}

/// A partition in a session.
pub type PartitionKey = (TopicKey, i32);

/// What the client wants of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedPartition {
    /// The first offset wanted.
    pub from: Offset,
    /// The maximum number of bytes. A larger first batch is still returned.
    pub max_bytes: usize,
    /// The client's leader epoch, negative when not sent.
    pub current_epoch: LeaderEpoch,
    /// The epoch of the last record that the client has, negative when not sent.
    pub last_fetched_epoch: LeaderEpoch,
}

/// Finds partitions by the names or ids of a request.
pub trait Finder: Sync {
    /// The partition. `was_known`: the topic was known when the session answered before.
    ///
    /// # Errors
    /// The error for the client.
    fn find(&self, key: &PartitionKey, was_known: bool) -> Result<Arc<Replica>, ErrorCode>;
}

/// The part of an answer about a partition that a session compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// High watermark.
    pub high_watermark: Offset,
    /// Log start offset.
    pub log_start: Offset,
    /// Whether the partition's topic exists.
    pub is_known: bool,
    /// Whether the answer carries records, an error or a divergence: then it must be sent.
    pub is_news: bool,
}
