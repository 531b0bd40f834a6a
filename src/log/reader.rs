//! The view that readers have of a log while the writer continues.
//!
//! A [`LogView`] is a snapshot of positions over shared files, and it never changes. The files grow meanwhile, but
//! the view never reads beyond the lengths that it was created with. A segment that retention removes stays readable
//! through the view as long as its file is open.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::record::{Limits, RecordError, ScanError};

use super::epochs::LeaderEpochs;
use super::page_cache::{Access, ReadAt as _, Reading};
use super::scan::{HeaderWalk, Located, Step, read_batch};
use super::segment::Segment;
use super::time_index;
use super::validate::MOST_DECOMPRESSED;

/// The number of batches at the end of the active segment whose positions a view knows.
const RECENT: usize = 16;

/// Where the last few batches of the active segment start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecentBatches {
    /// Oldest first from `next`, wrapping around.
    places: [(Offset, u64); RECENT],
    next: usize,
    count: usize,
}

impl RecentBatches {
    /// Notes a batch after the others.
    pub(crate) fn push(&mut self, base_offset: Offset, position: u64) {
        if let Some(place) = self.places.get_mut(self.next) {
            *place = (base_offset, position);
        }
        self.next = (self.next + 1) % RECENT;
        self.count = (self.count + 1).min(RECENT);
    }

    /// Whether none is known.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }

    /// Where the batch with `offset` starts (or, in a gap, the one before it).
    fn floor(&self, offset: Offset) -> Option<u64> {
        let newest_first = (1..=self.count).map(|back| (self.next + RECENT - back) % RECENT);
        newest_first
            .filter_map(|at| self.places.get(at))
            .find(|(base_offset, _)| *base_offset <= offset)
            .map(|(_, position)| *position)
    }
}

/// An immutable view: segments with their files and lengths, log start, log end, leader epochs.
#[derive(Debug)]
pub struct LogView {
    pub(super) sealed: Arc<Vec<Segment>>,
    pub(super) active: Segment,
    pub(super) recent: RecentBatches,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) epochs: Arc<LeaderEpochs>,
    pub(super) size: u64,
}

/// Whole batches in one segment file, starting with the batch that contains the wanted offset.
#[derive(Clone, Debug)]
pub struct ReadSlice {
    /// The segment's `.log`.
    pub file: Arc<File>,
    /// Where the first batch starts.
    pub position: u64,
    /// Bytes to the end of the last batch.
    pub length: usize,
    /// No offset of these batches is at or above this one.
    pub end: Offset,
}

impl ReadSlice {
    /// Reads the bytes (page cache or disk: may block).
    pub fn read(&self) -> io::Result<Bytes> {
        self.read_by(Access::Disk)
    }

    /// Reads the bytes with the given access.
    pub fn read_by(&self, access: Access) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.length];
        let file = &*self.file;
        Reading { file, access }.fill(&mut bytes, self.position)?;
        Ok(Bytes::from(bytes))
    }
}

/// Why nothing can be read at an offset.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Below the log start or above the log end.
    #[error("offset {wanted} is outside {log_start}..={log_end}")]
    OutOfRange {
        /// The offset that was asked for.
        wanted: Offset,
        /// First readable offset.
        log_start: Offset,
        /// Log end of the view.
        log_end: Offset,
    },
    /// The disk failed, or its content is damaged.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why a record cannot be looked up by its timestamp.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// A record of a compressed batch is larger than `max.decompressed.message.bytes` allows by now.
    #[error("batch at offset {batch}: {error}")]
    Record {
        /// The first offset of its batch.
        batch: Offset,
        /// How large it is, and what is allowed.
        error: RecordError,
    },
    /// The disk failed, or what it holds is not a log any more.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ReadError {
    /// Whether the read would succeed if it could wait for the disk.
    pub fn would_block(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl LogView {
    /// First readable offset.
    pub const fn log_start(&self) -> Offset {
        self.log_start
    }

    /// Log end of this view.
    pub const fn log_end(&self) -> Offset {
        self.log_end
    }

    /// Bytes in all segments.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that were appended since `earlier`; `None` if anything else has changed.
    pub fn appended_since(&self, earlier: &Self) -> Option<u64> {
        if self.active.base() != earlier.active.base() {
            return None;
        }
        self.active.length.checked_sub(earlier.active.length)
    }

    /// Whether both views have the same closed segments: compaction replaces them at the same offsets.
    pub fn has_segments_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.sealed, &other.sealed)
    }

    /// Where to read from `from`: whole batches of one segment, at most `max_bytes` (but the first batch whole
    /// when `at_least_one`), none at or above `upper`, which is a batch boundary. `None`: nothing to read below
    /// `upper`, or the first batch is larger than `max_bytes`. May read batch headers and an index from disk.
    pub fn locate(
        &self,
        from: Offset,
        upper: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<ReadSlice>, ReadError> {
        self.locate_by(Access::Disk, from, upper, max_bytes, at_least_one)
    }

    /// [`Self::locate`] with the given access.
    pub fn locate_by(
        &self,
        access: Access,
        from: Offset,
        upper: Offset,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Option<ReadSlice>, ReadError> {
        if from < self.log_start || from > self.log_end {
            return Err(ReadError::OutOfRange {
                wanted: from,
                log_start: self.log_start,
                log_end: self.log_end,
            });
        }
        if from >= upper.min(self.log_end) {
            return Ok(None);
        }
        for segment in self.segments_from(from) {
            let Some(first) = self.find(access, segment, from)? else {
                continue;
            };
            if first.header.base_offset >= upper {
                return Ok(None);
            }
            let first_size = first.header.size();
            if first_size > max_bytes && !at_least_one {
                return Ok(None);
            }
            let most = first
                .position
                .saturating_add(max_bytes.max(first_size) as u64);
            let limit = if upper >= segment.end {
                segment.length
            } else {
                self.position_of(access, segment, upper)?
            };
            let (stop, end) = if limit <= most {
                (limit, upper.min(segment.end))
            } else {
                last_boundary(access, segment, &first, most)?
            };
            let length = usize::try_from(stop.saturating_sub(first.position)).unwrap_or(usize::MAX);
            return Ok(Some(ReadSlice {
                file: segment.files.log_by(access)?,
                position: first.position,
                length,
                end,
            }));
        }
        Ok(None)
    }

    /// Estimate of the bytes from `from` to `upper`. Without I/O when both are in the tail of the log or at
    /// segment bounds; elsewhere one or two reads of an index.
    pub fn bytes_between(&self, from: Offset, upper: Offset) -> u64 {
        // waiting for the disk is allowed: then nothing fails
        self.bytes_between_by(Access::Disk, from, upper)
            .unwrap_or(0)
    }

    /// [`Self::bytes_between`] with the given access; an error only if it would block.
    pub fn bytes_between_by(&self, access: Access, from: Offset, upper: Offset) -> io::Result<u64> {
        let upper = upper.min(self.log_end);
        if from >= upper {
            return Ok(0);
        }
        let from = from.max(self.log_start);
        let mut bytes = 0;
        for segment in self
            .segments_from(from)
            .take_while(|segment| segment.base() < upper)
        {
            let start = if from <= segment.base() {
                0
            } else {
                self.estimate(access, segment, from)?
            };
            let end = if upper >= segment.end {
                segment.length
            } else {
                self.estimate(access, segment, upper)?
            };
            bytes += end.saturating_sub(start);
        }
        Ok(bytes)
    }

    /// The first record below `upper` at or after this time: (offset, its timestamp, leader epoch). `most` is how
    /// large a record of a compressed batch may be to be unpacked for it.
    pub fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        upper: Offset,
        most: i32,
    ) -> Result<Option<(Offset, Timestamp, LeaderEpoch)>, LookupError> {
        for segment in self.segments_from(self.log_start) {
            if segment.base() >= upper {
                break;
            }
            if segment.largest()?.timestamp < timestamp {
                continue;
            }
            if let Some(found) = self.first_record(segment, timestamp, most)? {
                return Ok(Some(found).filter(|(offset, ..)| *offset < upper));
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp; `most` as in [`Self::offset_for_timestamp`].
    pub fn offset_of_max_timestamp(
        &self,
        most: i32,
    ) -> Result<Option<(Offset, Timestamp, LeaderEpoch)>, LookupError> {
        let mut best: Option<(&Segment, Timestamp)> = None;
        for segment in self.segments_from(self.log_start) {
            let largest = self.largest_left(segment, most)?;
            if largest >= Timestamp(0) && best.is_none_or(|(_, timestamp)| timestamp < largest) {
                best = Some((segment, largest));
            }
        }
        match best {
            Some((segment, timestamp)) => self.first_record(segment, timestamp, most),
            None => Ok(None),
        }
    }

    /// Where `epoch` ended, with the greatest known epoch not above it; `None`: `epoch` is above all known ones.
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.end_of(epoch, self.log_end)
    }

    /// The epoch in force at an offset.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs.at(offset)
    }

    /// The latest leader epoch.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// The segment with `offset`, and those after it.
    pub(super) fn segments_from(&self, offset: Offset) -> impl Iterator<Item = &Segment> {
        let first = self.sealed.partition_point(|segment| segment.end <= offset);
        self.sealed
            .get(first..)
            .unwrap_or_default()
            .iter()
            .chain(std::iter::once(&self.active))
    }

    fn is_active(&self, segment: &Segment) -> bool {
        segment.base() == self.active.base()
    }

    fn find(
        &self,
        access: Access,
        segment: &Segment,
        offset: Offset,
    ) -> io::Result<Option<Located>> {
        let start = match self.recent.floor(offset) {
            Some(start) if self.is_active(segment) => start,
            _ => segment.walk_start_by(access, offset)?,
        };
        segment.find_from(access, start, offset)
    }

    /// Where the first batch at or above `offset` starts, or where the segment ends.
    fn position_of(&self, access: Access, segment: &Segment, offset: Offset) -> io::Result<u64> {
        Ok(self
            .find(access, segment, offset)?
            .map_or(segment.length, |located| located.position))
    }

    fn estimate(&self, access: Access, segment: &Segment, offset: Offset) -> io::Result<u64> {
        if offset >= segment.end {
            return Ok(segment.length);
        }
        match self.recent.floor(offset) {
            Some(position) if self.is_active(segment) => Ok(position),
            _ => segment.walk_start_by(access, offset),
        }
    }

    /// The largest timestamp of the segment's records at or above the log start. The segment is read from there only
    /// if the record with the largest timestamp of all is below it.
    fn largest_left(&self, segment: &Segment, most: i32) -> Result<Timestamp, LookupError> {
        let largest = segment.largest()?.timestamp;
        if segment.base() >= self.log_start || self.first_record(segment, largest, most)?.is_some()
        {
            return Ok(largest);
        }
        let mut largest = Timestamp::NONE;
        let log = segment.files.log()?;
        let start = segment.walk_start(self.log_start);
        let mut walk = HeaderWalk::new(&log, start, segment.length);
        let offsets = segment.base()..segment.end;
        while let Some(located) = walk.next_behind_damage(&offsets)? {
            let header = &located.header;
            if header.base_offset >= self.log_start {
                largest = largest.max(header.max_timestamp);
            } else if header.last_offset() >= self.log_start {
                visit_records(&log, &located, most, |offset, stamp| {
                    if offset >= self.log_start {
                        largest = largest.max(stamp);
                    }
                    true
                })?;
            }
        }
        Ok(largest)
    }

    /// The first record of the segment that is at or above the log start and at or after `timestamp`.
    fn first_record(
        &self,
        segment: &Segment,
        timestamp: Timestamp,
        most: i32,
    ) -> Result<Option<(Offset, Timestamp, LeaderEpoch)>, LookupError> {
        let earlier = match segment.time_entries {
            0 => None,
            entries => time_index::before(
                &*segment.files.time_index()?,
                segment.base(),
                entries,
                timestamp,
            )?,
        };
        let start = segment
            .walk_start(earlier.map_or(self.log_start, |entry| entry.offset.max(self.log_start)));
        let log = segment.files.log()?;
        let mut walk = HeaderWalk::new(&log, start, segment.length);
        let offsets = segment.base()..segment.end;
        while let Some(located) = walk.next_behind_damage(&offsets)? {
            let header = &located.header;
            if header.max_timestamp < timestamp || header.last_offset() < self.log_start {
                continue;
            }
            let mut found = None;
            visit_records(&log, &located, most, |offset, stamp| {
                let is_it = stamp >= timestamp && offset >= self.log_start;
                found = is_it.then_some((offset, stamp, header.leader_epoch));
                !is_it
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Calls `more` with the records of a batch, each with its offset and timestamp, until it returns false.
fn visit_records(
    log: &File,
    located: &Located,
    most: i32,
    mut more: impl FnMut(Offset, Timestamp) -> bool,
) -> Result<(), LookupError> {
    let batch = read_batch(log, located)?;
    let invalid = |error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    };
    // Stored batches may have any size; only the part that is held at once costs memory.
    let limits = Limits {
        total: MOST_DECOMPRESSED,
        held: MOST_DECOMPRESSED,
    };
    let scan = batch.scan(limits).map_err(|error| invalid(&error))?;
    for record in scan.with_records_up_to(most) {
        let record = record.map_err(|error| match error {
            ScanError::Record(error @ RecordError::TooLarge { .. }) => LookupError::Record {
                batch: batch.header.base_offset,
                error,
            },
            other => invalid(&other).into(),
        })?;
        if !more(record.offset, record.timestamp) {
            break;
        }
    }
    Ok(())
}

/// The last batch boundary at or below `most`, but not before the end of `first`, and an offset above all batches
/// before it.
fn last_boundary(
    access: Access,
    segment: &Segment,
    first: &Located,
    most: u64,
) -> io::Result<(u64, Offset)> {
    let after_first = (first.end(), first.header.next_offset());
    if first.end() >= most {
        return Ok(after_first);
    }
    let start = segment.boundary_at_or_below(access, most)?.max(first.end());
    let log = segment.files.log_by(access)?;
    let mut walk = HeaderWalk::over(Reading { file: &log, access }, start, segment.length);
    let mut last = None;
    // damage is reported to whoever reads from there
    while let Step::Batch(located) = walk.step()? {
        if located.end() > most {
            // the batches before it may be in no index: then this one says where they end
            let before = (start, located.header.base_offset);
            return Ok(last.unwrap_or(before));
        }
        last = Some((located.end(), located.header.next_offset()));
    }
    Ok(last.unwrap_or(after_first))
}
