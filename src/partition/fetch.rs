//! Fetches: what a client is interested in, how long it waits, what it is given.
//!
//! # What a fetch costs
//!
//! A fetch, with or without a session, is an [`interest`] in partitions. Only those that are *due* are looked at:
//! what the request names, what has had news, what was not read to its end. A poll over 2,000 quiet partitions
//! visits none of them when it goes on with a session, and a publication costs each poll on the partition a mark
//! ([`super::waiters`]). Long loops yield to other tasks.
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
//! Records leave as ranges of the segment file, so an answer that its client does not read costs references.
//! Small slices are read at once: several of them leave in one write, and a copy of a few kilobytes from the page
//! cache costs less than a call for each. Who reads at the end of a log gets such slices, so the broker keeps no
//! tail in memory of its own beside the page cache.
//!
//! | bound of one answer | |
//! | --- | --- |
//! | bytes in memory | [`MOST_IN_MEMORY`]: 800 clients that do not read hold 100 MiB at most |
//! | ranges of files | 256, and a single one while many files are open |
//! | bytes in all | the request's, and `fetch.max.bytes` |
//!
//! What has no room is left out, as what is beyond the request's own limit is: the client asks again. Whoever
//! holds a file reads it to the end, whatever becomes of its name: retention and compaction unlink files, and
//! change none.

pub(super) mod interest;
mod read;
pub(super) mod run;

use std::sync::Arc;

use crate::base::{ErrorCode, LeaderEpoch, Offset, TopicId};

use super::replica::Replica;

pub use read::{FetchedPart, FetchedRecords, MOST_IN_MEMORY, ReadFailure};
pub use run::{FetchLimits, FetchedRow, RowId};

/// How a session names a topic: as the version of its requests does.
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
    /// No more bytes than this, but for a first batch that is larger.
    pub max_bytes: usize,
    /// The client's leader epoch, negative when not sent.
    pub current_epoch: LeaderEpoch,
    /// The epoch of the last record that the client has, negative when not sent.
    pub last_fetched_epoch: LeaderEpoch,
}

/// Finds partitions by what a request calls them.
pub trait Finder: Sync {
    /// The partition. `was_known`: an earlier answer of the session could speak of its topic.
    ///
    /// # Errors
    /// What the client is to be told instead.
    fn find(&self, key: &PartitionKey, was_known: bool) -> Result<Arc<Replica>, ErrorCode>;
}

/// What an answer would say of a partition, as far as a session cares.
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
