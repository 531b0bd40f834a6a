//! A fetch over several partitions: wait until there is enough, then read once.
//!
//! What ends the wait:
//! - A. a partition cannot be read at all (not led here, offset out of range, directory offline), or
//!   the client's log diverges: the client must learn that now;
//! - B. the partitions together hold `min_bytes` below their upper bounds;
//! - C. the deadline;
//! - D. a partition's leadership has changed, or the partition was deleted (case A on the next look);
//! - E. the broker stops.
//!
//! A wait is a registration with every partition and one notification, never a sleep in steps.
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
//! | ranges of files | [`MOST_RANGES`], and a single one while many files are open |
//! | bytes in all | the request's, and `fetch.max.bytes` |
//!
//! What has no room is left out, as what is beyond the request's own limit is: the client asks again. Whoever
//! holds a file reads it to the end, whatever becomes of its name: retention and compaction unlink files, and
//! change none.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::{LeaderEpoch, Offset, Positions};
use crate::log::{AbortedTransaction, Access, LogView, ReadError, ReadSlice, kept_files_are_many};

use super::replica::{EpochMismatch, Published, Replica};

/// One partition of a fetch.
#[derive(Clone, Debug)]
pub struct FetchPart {
    /// The partition.
    pub replica: Arc<Replica>,
    /// The first offset wanted.
    pub from: Offset,
    /// No more bytes than this, but for a first batch that is larger.
    pub max_bytes: usize,
    /// The client's leader epoch, negative when not sent.
    pub current_epoch: LeaderEpoch,
    /// The epoch of the last record that the client has, negative when not sent.
    pub last_fetched_epoch: LeaderEpoch,
    /// Only what `read_committed` consumers may see.
    pub read_committed: bool,
}

/// Limits over the whole fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Wait until so many bytes are there.
    pub min_bytes: u64,
    /// Return no more than this, but for a first batch that is larger.
    pub max_bytes: usize,
    /// Wait no longer than until then.
    pub deadline: Instant,
}

/// What was read of one partition. Empty `records` are a success: nothing there yet.
#[derive(Clone, Debug)]
pub struct FetchedPart {
    /// The positions that go with the records.
    pub positions: Positions,
    /// Whole batches, the first of which contains the wanted offset.
    pub records: FetchedRecords,
    /// Transactions of which there may be records here, and which were aborted: for who reads committed
    /// records only.
    pub aborted: Vec<AbortedTransaction>,
    /// The client's log is another one from here on: the last common epoch and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
}

/// Slices up to this size are read into memory while there is room for them.
const SMALL: usize = 32 * 1024;

/// How much of an answer's records is in memory.
pub const MOST_IN_MEMORY: usize = 128 * 1024;

/// How many ranges of files an answer refers to.
const MOST_RANGES: usize = 256;

/// Record bytes, or where they are.
#[derive(Clone, Debug)]
pub enum FetchedRecords {
    /// The bytes.
    InMemory(Bytes),
    /// A range of a segment file.
    InFile(ReadSlice),
}

impl FetchedRecords {
    /// No records.
    pub const NONE: Self = Self::InMemory(Bytes::new());

    /// How many bytes.
    pub const fn len(&self) -> usize {
        match self {
            Self::InMemory(bytes) => bytes.len(),
            Self::InFile(slice) => slice.length,
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What there still is room for in an answer.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: usize,
    in_memory: usize,
    ranges: usize,
    /// Whether nothing has been read yet: then a first batch has room in any case.
    is_untouched: bool,
}

impl Room {
    const fn new(bytes: usize) -> Self {
        Self {
            bytes,
            in_memory: MOST_IN_MEMORY,
            ranges: MOST_RANGES,
            is_untouched: true,
        }
    }

    const fn is_small_enough_for_memory(&self, length: usize) -> bool {
        length <= SMALL && length <= self.in_memory
    }

    fn has_range(&self) -> bool {
        self.is_untouched || (self.ranges > 0 && !kept_files_are_many())
    }

    fn take(&mut self, records: &FetchedRecords) {
        if records.is_empty() {
            return;
        }
        self.is_untouched = false;
        self.bytes = self.bytes.saturating_sub(records.len());
        match records {
            FetchedRecords::InMemory(bytes) => self.in_memory -= bytes.len().min(self.in_memory),
            FetchedRecords::InFile(_) => self.ranges = self.ranges.saturating_sub(1),
        }
    }
}

/// Why a partition could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadFailure {
    /// The client's view of the leadership is not the broker's.
    #[error(transparent)]
    Epoch(#[from] EpochMismatch),
    /// The offset is not in the log.
    #[error("offset {wanted} is outside {positions:?}")]
    OutOfRange {
        /// What was asked for.
        wanted: Offset,
        /// Where the log stood.
        positions: Positions,
    },
    /// The log directory is offline, or reading failed.
    #[error("the log cannot be read: {0}")]
    Storage(String),
}

impl FetchPart {
    /// The state to read from, and where the client's log departs from this one, if it does.
    fn admit(&self) -> Result<Admitted, ReadFailure> {
        if self.replica.is_offline() {
            let reason = "the log directory is offline".to_owned();
            return Err(ReadFailure::Storage(reason));
        }
        self.replica.check_epoch(self.current_epoch)?;
        let published = self.replica.published();
        let positions = published.positions;
        let out_of_range = || ReadFailure::OutOfRange {
            wanted: self.from,
            positions,
        };
        // First, since a client that has other records may well be beyond the end of these.
        let diverging = self.divergence(&published).ok_or_else(out_of_range)?;
        if diverging.is_none() && (self.from < positions.log_start || self.from > positions.log_end)
        {
            return Err(out_of_range());
        }
        Ok(Admitted {
            published,
            diverging,
        })
    }

    /// Whether the client has records that were never in this log, or are not any more: the last common
    /// epoch and its end. The outer `None`: this log knows nothing as old as what the client has.
    fn divergence(&self, published: &Published) -> Option<Option<(LeaderEpoch, Offset)>> {
        if !self.last_fetched_epoch.is_some() {
            return Some(None);
        }
        let (epoch, end) = published.view.end_of_epoch(self.last_fetched_epoch)?;
        let diverges = epoch < self.last_fetched_epoch || end < self.from;
        Some(diverges.then_some((epoch, end)))
    }

    const fn upper(&self, positions: &Positions) -> Offset {
        if self.read_committed {
            positions.last_stable
        } else {
            positions.high_watermark
        }
    }
}

/// What a fetch may read from.
struct Admitted {
    published: Arc<Published>,
    diverging: Option<(LeaderEpoch, Offset)>,
}

/// Waits as the limits say and reads the partitions in the given order.
pub async fn fetch(
    parts: &[FetchPart],
    limits: FetchLimits,
) -> Vec<Result<FetchedPart, ReadFailure>> {
    wait_until_worth_reading(parts, limits).await;
    let mut room = Room::new(limits.max_bytes);
    let mut fetched = Vec::with_capacity(parts.len());
    for part in parts {
        let result = read_part(part, room).await;
        if let Ok(FetchedPart { records, .. }) = &result {
            room.take(records);
        }
        fetched.push(result);
    }
    fetched
}

async fn wait_until_worth_reading(parts: &[FetchPart], limits: FetchLimits) {
    // Of nothing there will never be enough: what could not be found is told now.
    if parts.is_empty() || limits.min_bytes == 0 || is_worth_reading(parts, limits.min_bytes) {
        return;
    }
    let waker = Arc::new(Notify::new());
    // Registered before the next look, so that nothing published in between is missed.
    let _registrations: Vec<_> = parts
        .iter()
        .map(|part| part.replica.waiters().register(&waker))
        .collect();
    let has_ended = || parts.iter().any(|part| part.replica.waiters().is_closed());
    while !has_ended() && !is_worth_reading(parts, limits.min_bytes) {
        if tokio::time::timeout_at(limits.deadline, waker.notified())
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Whether cases A, B or D hold.
fn is_worth_reading(parts: &[FetchPart], min_bytes: u64) -> bool {
    let mut available = 0_u64;
    for part in parts {
        let Ok(Admitted {
            published,
            diverging: None,
        }) = part.admit()
        else {
            return true;
        };
        let upper = part.upper(&published.positions);
        if part.from < upper {
            let bytes = published.view.bytes_between(part.from, upper);
            available = available.saturating_add(bytes.min(part.max_bytes as u64));
        }
        if available >= min_bytes {
            return true;
        }
    }
    false
}

async fn read_part(part: &FetchPart, room: Room) -> Result<FetchedPart, ReadFailure> {
    let admitted = part.admit()?;
    let published = Arc::clone(&admitted.published);
    let read = read_admitted(part, admitted, room).await;
    // Another replica has taken the place of the one that was to be read: its files have other names.
    if matches!(read, Err(ReadFailure::Storage(_)))
        && !Arc::ptr_eq(&published, &part.replica.published())
    {
        return read_admitted(part, part.admit()?, room).await;
    }
    read
}

async fn read_admitted(
    part: &FetchPart,
    admitted: Admitted,
    room: Room,
) -> Result<FetchedPart, ReadFailure> {
    let Admitted {
        published,
        diverging,
    } = admitted;
    let positions = published.positions;
    let upper = part.upper(&positions);
    let max_bytes = room.bytes.min(part.max_bytes);
    if diverging.is_some() || part.from >= upper || (max_bytes == 0 && !room.is_untouched) {
        return Ok(FetchedPart {
            positions,
            records: FetchedRecords::NONE,
            aborted: Vec::new(),
            diverging,
        });
    }
    let wanted = Wanted {
        from: part.from,
        upper,
        max_bytes,
        read_committed: part.read_committed,
        room,
    };
    // Most of what is read was written a moment ago, or was read by somebody else, and is in memory: then
    // another thread would cost more than the read itself.
    let read = match wanted.read(&published.view, Access::Memory) {
        Err(error) if error.would_block() => {
            let view = Arc::clone(&published.view);
            let read = tokio::task::spawn_blocking(move || wanted.read(&view, Access::Disk)).await;
            read.unwrap_or_else(|stopped| Err(ReadError::Io(io::Error::other(stopped))))
        }
        read => read,
    };
    match read {
        Ok((records, aborted)) => Ok(FetchedPart {
            positions,
            records,
            aborted,
            diverging,
        }),
        Err(ReadError::OutOfRange { wanted, .. }) => {
            Err(ReadFailure::OutOfRange { wanted, positions })
        }
        Err(ReadError::Io(error)) => {
            crate::base::limited!(error, "read failed", partition = %part.replica.topic_partition(), %error);
            Err(ReadFailure::Storage(error.to_string()))
        }
    }
}

/// A read that may be carried to another thread.
#[derive(Clone, Copy)]
struct Wanted {
    from: Offset,
    upper: Offset,
    max_bytes: usize,
    read_committed: bool,
    room: Room,
}

impl Wanted {
    /// The records, and the aborted transactions that they may be of.
    fn read(
        self,
        view: &LogView,
        access: Access,
    ) -> Result<(FetchedRecords, Vec<AbortedTransaction>), ReadError> {
        let Self {
            from,
            upper,
            max_bytes,
            room,
            ..
        } = self;
        let may_be_aborted = self.read_committed && !view.has_no_aborted_transactions(from);
        if may_be_aborted && access == Access::Memory {
            return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
        }
        let is_first = room.is_untouched;
        let Some(slice) = view.locate_by(access, from, upper, max_bytes, is_first)? else {
            return Ok((FetchedRecords::NONE, Vec::new()));
        };
        let end = slice.end;
        let records = if room.is_small_enough_for_memory(slice.length) {
            FetchedRecords::InMemory(slice.read_by(access)?)
        } else if room.has_range() {
            FetchedRecords::InFile(slice)
        } else {
            FetchedRecords::NONE
        };
        let aborted = if may_be_aborted && !records.is_empty() {
            view.aborted_transactions(from, end)?
        } else {
            Vec::new()
        };
        Ok((records, aborted))
    }
}
