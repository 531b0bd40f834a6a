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

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::{LeaderEpoch, Offset, Positions};
use crate::log::{AbortedTransaction, LogView, ReadError};
use crate::record::Batches;

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
    pub records: Bytes,
    /// Transactions of which there may be records here, and which were aborted: for who reads committed
    /// records only.
    pub aborted: Vec<AbortedTransaction>,
    /// The client's log is another one from here on: the last common epoch and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
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
    let mut left = limits.max_bytes;
    let mut nothing_yet = true;
    let mut fetched = Vec::with_capacity(parts.len());
    for part in parts {
        let result = read_part(part, left, nothing_yet).await;
        if let Ok(FetchedPart { records, .. }) = &result {
            nothing_yet &= records.is_empty();
            left = left.saturating_sub(records.len());
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

async fn read_part(
    part: &FetchPart,
    left: usize,
    nothing_yet: bool,
) -> Result<FetchedPart, ReadFailure> {
    let admitted = part.admit()?;
    let published = Arc::clone(&admitted.published);
    let read = read_admitted(part, admitted, left, nothing_yet).await;
    // Another replica has taken the place of the one that was to be read: its files have other names.
    if matches!(read, Err(ReadFailure::Storage(_)))
        && !Arc::ptr_eq(&published, &part.replica.published())
    {
        return read_admitted(part, part.admit()?, left, nothing_yet).await;
    }
    read
}

async fn read_admitted(
    part: &FetchPart,
    admitted: Admitted,
    left: usize,
    nothing_yet: bool,
) -> Result<FetchedPart, ReadFailure> {
    let Admitted {
        published,
        diverging,
    } = admitted;
    let positions = published.positions;
    let upper = part.upper(&positions);
    let max_bytes = left.min(part.max_bytes);
    if diverging.is_some() || part.from >= upper || (max_bytes == 0 && !nothing_yet) {
        return Ok(FetchedPart {
            positions,
            records: Bytes::new(),
            aborted: Vec::new(),
            diverging,
        });
    }
    let wanted = Wanted {
        from: part.from,
        upper,
        max_bytes,
        at_least_one: nothing_yet,
        read_committed: part.read_committed,
    };
    // Most of what is read was written a moment ago, or was read by somebody else, and is in memory: then
    // another thread would cost more than the read itself.
    let at_once = wanted.read_without_blocking(&published.view).transpose();
    let read = match at_once {
        Some(read) => read,
        None => {
            let view = Arc::clone(&published.view);
            let read = tokio::task::spawn_blocking(move || wanted.read(&view)).await;
            read.unwrap_or_else(|stopped| Err(ReadError::Io(std::io::Error::other(stopped))))
        }
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
    at_least_one: bool,
    read_committed: bool,
}

/// Records, and the aborted transactions that they may be of.
type Read = (Bytes, Vec<AbortedTransaction>);

impl Wanted {
    /// Reads what is in memory; `None` when it would have to come from the disk.
    fn read_without_blocking(self, view: &LogView) -> Result<Option<Read>, ReadError> {
        if self.read_committed && !view.has_no_aborted_transactions(self.from) {
            return Ok(None);
        }
        let nothing_aborted = |records| (records, Vec::new());
        match view.locate(self.from, self.upper, self.max_bytes, self.at_least_one)? {
            Some(slice) => Ok(slice.read_without_blocking()?.map(nothing_aborted)),
            None => Ok(Some(nothing_aborted(Bytes::new()))),
        }
    }

    fn read(self, view: &LogView) -> Result<Read, ReadError> {
        let slice = view.locate(self.from, self.upper, self.max_bytes, self.at_least_one)?;
        let Some(slice) = slice else {
            return Ok((Bytes::new(), Vec::new()));
        };
        let records = slice.read()?;
        let aborted = if self.read_committed && !view.has_no_aborted_transactions(self.from) {
            view.aborted_transactions(self.from, end_of(&records).unwrap_or(self.upper))?
        } else {
            Vec::new()
        };
        Ok((records, aborted))
    }
}

/// The offset behind the last of these batches.
fn end_of(records: &Bytes) -> Option<Offset> {
    let last = Batches::new(records.clone()).flatten().last();
    last.map(|batch| batch.header.next_offset())
}
