//! Reading one partition for an answer: whether it may be read, and where its records are.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{ErrorCode, LeaderEpoch, Offset, Positions, TopicPartition};
use crate::log::{
    AbortedTransaction, Access, LogView, Loss, ReadError, ReadSlice, kept_files_are_many,
};
use crate::partition::replica::{EpochMismatch, Published, Replica};
use crate::record::HEADER_SIZE;

use super::WantedPartition;

/// One partition of a fetch.
#[derive(Clone, Debug)]
pub(super) struct FetchPart {
    pub(super) replica: Arc<Replica>,
    pub(super) wanted: WantedPartition,
    /// Only what `read_committed` consumers may see.
    pub(super) read_committed: bool,
}

/// What was read of one partition. Empty `records` are a success: nothing there yet.
#[derive(Clone, Debug)]
pub struct FetchedPart {
    /// The positions that go with the records.
    pub positions: Positions,
    /// Whole batches, the first of which contains the wanted offset.
    pub records: FetchedRecords,
    /// Aborted transactions that may have records in this range. Only for `read_committed` readers.
    pub aborted: Vec<AbortedTransaction>,
    /// Set when the client's log diverges from this one: the last common epoch and its end.
    pub diverging: Option<(LeaderEpoch, Offset)>,
}

/// Slices up to this size are read into memory while there is room for them. Over loopback, a slice slightly larger
/// than this costs the same whether the broker copies it or the kernel sends it.
const SMALL: usize = 32 * 1024;

/// How many bytes of records one answer may hold in memory.
pub const MOST_IN_MEMORY: usize = 128 * 1024;

/// How many ranges of files one answer may refer to.
const MOST_RANGES: usize = 256;

/// Record bytes, or their location.
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

    /// The number of bytes.
    pub const fn len(&self) -> usize {
        match self {
            Self::InMemory(bytes) => bytes.len(),
            Self::InFile(slice) => slice.length,
        }
    }

    /// Whether it is empty.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The room that is left in an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    bytes: usize,
    in_memory: usize,
    ranges: usize,
    /// Whether nothing has been read yet: then a first batch is returned whatever its size.
    is_untouched: bool,
}

impl Room {
    pub(super) const fn new(bytes: usize) -> Self {
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

    pub(super) fn take(&mut self, records: &FetchedRecords) {
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
    /// There is no such partition here. The error is the finder's.
    #[error("not found: {0:?}")]
    NotFound(ErrorCode),
    /// The client's view of the leadership is not the broker's.
    #[error(transparent)]
    Epoch(#[from] EpochMismatch),
    /// The offset is not in the log.
    #[error("offset {wanted} is outside {positions:?}")]
    OutOfRange {
        /// The offset that was asked for.
        wanted: Offset,
        /// The positions of the log at that time.
        positions: Positions,
    },
    /// The data on the disk differs from what was written.
    #[error("{0}")]
    Damaged(String),
    /// A record is larger than its topic allows by now, so it is not decompressed.
    #[error("{0}")]
    RecordTooLarge(String),
    /// The log directory is offline, or reading failed.
    #[error("the log cannot be read: {0}")]
    Storage(String),
}

impl FetchPart {
    /// The state to read from, and the point where the client's log diverges from this one, if it does.
    fn admit(&self) -> Result<Admitted, ReadFailure> {
        if self.replica.is_offline() {
            let reason = "the log directory is offline".to_owned();
            return Err(ReadFailure::Storage(reason));
        }
        self.replica.check_epoch(self.wanted.current_epoch)?;
        let published = self.replica.published();
        let (from, positions) = (self.wanted.from, published.positions);
        let out_of_range = || ReadFailure::OutOfRange {
            wanted: from,
            positions,
        };
        // First, since a client whose log has diverged may well be beyond the end of this log.
        let diverging = self.divergence(&published).ok_or_else(out_of_range)?;
        if diverging.is_none() && (from < positions.log_start || from > positions.log_end) {
            return Err(out_of_range());
        }
        Ok(Admitted {
            published,
            diverging,
        })
    }

    /// Whether the client has records that were never in this log, or are no longer in it: the last common epoch and
    /// its end. The outer `None`: the client's records are older than anything this log knows.
    fn divergence(&self, published: &Published) -> Option<Option<(LeaderEpoch, Offset)>> {
        if !self.wanted.last_fetched_epoch.is_some() {
            return Some(None);
        }
        let (epoch, end) = published
            .view
            .end_of_epoch(self.wanted.last_fetched_epoch)?;
        let diverges = epoch < self.wanted.last_fetched_epoch || end < self.wanted.from;
        Some(diverges.then_some((epoch, end)))
    }

    const fn upper(&self, positions: &Positions) -> Offset {
        if self.read_committed {
            positions.last_stable
        } else {
            positions.high_watermark
        }
    }

    /// Whether the client has everything that could be read. Then the partition is not due before it has news.
    pub(super) fn is_caught_up(&self, fetched: &FetchedPart) -> bool {
        fetched.diverging.is_none() && self.wanted.from >= self.upper(&fetched.positions)
    }

    /// The number of readable bytes; more than `enough` is not counted exactly. `None`: the client must be answered
    /// now, since the partition cannot be read, or since the client's log diverges.
    pub(super) async fn available(&self, enough: u64) -> Option<u64> {
        let Ok(Admitted {
            published,
            diverging: None,
        }) = self.admit()
        else {
            return None;
        };
        let (from, upper) = (self.wanted.from, self.upper(&published.positions));
        if from >= upper {
            return Some(0);
        }
        let at_most = |bytes: u64| bytes.min(self.wanted.max_bytes as u64);
        // No batch is smaller than its header.
        let one_batch = at_most(HEADER_SIZE as u64);
        if one_batch >= enough {
            return Some(one_batch);
        }
        let view = Arc::clone(&published.view);
        let bytes = match view.bytes_between_by(Access::Memory, from, upper) {
            Ok(bytes) => bytes,
            Err(_) => {
                let look = move || view.bytes_between(from, upper);
                // Cancelled only when the broker ends.
                let directory = self.replica.directory();
                directory.blocking().run(look).await.unwrap_or(0)
            }
        };
        Some(at_most(bytes))
    }

    /// Reads as much as there is room for.
    pub(super) async fn read(&self, room: Room) -> Result<FetchedPart, ReadFailure> {
        let admitted = self.admit()?;
        let published = Arc::clone(&admitted.published);
        let read = read_admitted(self, admitted, room).await;
        // The replica has moved to another directory meanwhile, and its files with it.
        if matches!(read, Err(ReadFailure::Storage(_) | ReadFailure::Damaged(_)))
            && !Arc::ptr_eq(&published, &self.replica.published())
        {
            return read_admitted(self, self.admit()?, room).await;
        }
        read
    }
}

/// The range that a fetch may read.
struct Admitted {
    published: Arc<Published>,
    diverging: Option<(LeaderEpoch, Offset)>,
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
    let max_bytes = room.bytes.min(part.wanted.max_bytes);
    if diverging.is_some() || part.wanted.from >= upper || (max_bytes == 0 && !room.is_untouched) {
        return Ok(FetchedPart {
            positions,
            records: FetchedRecords::NONE,
            aborted: Vec::new(),
            diverging,
        });
    }
    let wanted = LogRead {
        from: part.wanted.from,
        upper,
        max_bytes,
        read_committed: part.read_committed,
        room,
    };
    // Most of the data was written or read a moment ago, and is in the page cache. Then another thread would cost
    // more than the read itself.
    let read = match wanted.read(&published.view, Access::Memory) {
        Err(error) if error.would_block() => {
            let view = Arc::clone(&published.view);
            let directory = part.replica.directory();
            let read = directory
                .blocking()
                .run(move || wanted.read(&view, Access::Disk));
            read.await
                .unwrap_or_else(|stopped| Err(ReadError::Io(stopped)))
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
        Err(ReadError::Io(error)) if Loss::met(&error).is_some() => {
            if let Some(loss) = Loss::met(&error) {
                tell(part.replica.topic_partition(), loss);
            }
            Err(ReadFailure::Damaged(error.to_string()))
        }
        Err(ReadError::Io(error)) => {
            crate::base::limited!(error, "read failed", partition = %part.replica.topic_partition(), %error);
            Err(ReadFailure::Storage(error.to_string()))
        }
    }
}

fn tell(partition: &TopicPartition, loss: &Loss) {
    crate::base::limited!(
        error,
        "a consumer reached damaged records and gets CORRUPT_MESSAGE; the intact records around them are served. Restore the file from a copy while the broker is stopped",
        %partition,
        first_lost = loss.first.0,
        last_lost = loss.end.0.saturating_sub(1),
        file = %loss.path.display(),
        error = %loss
    );
}

/// A read that can be moved to another thread.
#[derive(Clone, Copy)]
struct LogRead {
    from: Offset,
    upper: Offset,
    max_bytes: usize,
    read_committed: bool,
    room: Room,
}

impl LogRead {
    /// The records, and the aborted transactions that they may belong to.
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
