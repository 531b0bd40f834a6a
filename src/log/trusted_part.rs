//! The part of a segment that need not be read again after a crash: everything below the recovery point, as far as the
//! indexes reach.
//!
//! ```text
//!   .log    |batch|batch|batch|batch|batch|batch|batch|ba
//!   .index            ^           ^   |       ^           entries: last offset, start of the batch
//!                                 |   recovery point
//!                                 last entry below it: what follows that batch is scanned
//! ```
//! The recovery point passes a batch only when the batch and its index entries are synced, so everything up to that
//! entry is as it was written. The rest of an index may be anything: entries that were not synced, or zeros from a
//! crash (or from Kafka, which preallocates these files). Only entries below the recovery point count, and only as
//! long as they grow.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::base::{Offset, Timestamp};
use crate::record::HEADER_SIZE;

use super::active::IndexMarks;
use super::names::SegmentFile;
use super::offset_index::{self, OffsetEntry};
use super::scan::{HeaderWalk, Step};
use super::segment::SegmentFiles;
use super::time_index::{self, TimeEntry};

/// The trusted part of a segment, with what a scan of it would have found.
pub(super) struct TrustedPart {
    /// Where it ends, a batch boundary.
    pub(super) length: u64,
    /// The offset after its last batch.
    pub(super) end: Offset,
    pub(super) marks: IndexMarks,
    pub(super) first_timestamp: Timestamp,
    /// Its entries as they are in the files.
    pub(super) offset_entries: Vec<u8>,
    pub(super) time_entries: Vec<u8>,
}

impl TrustedPart {
    /// The part of the segment, whose log has `length` bytes, below `recovery_point`; `None` if no index entry is
    /// below it.
    pub(super) fn read(
        files: &SegmentFiles,
        length: u64,
        recovery_point: Offset,
    ) -> io::Result<Option<Self>> {
        let base = files.base;
        if recovery_point <= base {
            return Ok(None);
        }
        let offsets = read_index(files, SegmentFile::OffsetIndex, length)?;
        let (kept, Some(last)) = offset_entries_below(&offsets, base, recovery_point, length)
        else {
            return Ok(None);
        };
        let times = read_index(files, SegmentFile::TimeIndex, length)?;
        let (kept_times, largest) = time_entries_up_to(&times, base, last.offset);
        let log = files.log()?;
        let Some((end, first_timestamp)) = check(&log, last, length)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            length: end,
            end: last.offset.next(),
            marks: IndexMarks {
                last_entry_position: last.position,
                last_time_entry: largest.timestamp,
                // whenever a batch got an offset entry, the largest timestamp so far got one as well
                largest,
            },
            first_timestamp,
            offset_entries: offsets.get(..kept).unwrap_or_default().to_vec(),
            time_entries: times.get(..kept_times).unwrap_or_default().to_vec(),
        }))
    }
}

/// The bytes of an index file; empty if it is missing. A batch has at most one entry, so a file that is larger than
/// its log allows is not read to the end.
fn read_index(files: &SegmentFiles, kind: SegmentFile, log_length: u64) -> io::Result<Vec<u8>> {
    let entry_size = match kind {
        SegmentFile::OffsetIndex => offset_index::ENTRY_SIZE,
        _ => time_index::ENTRY_SIZE,
    };
    let file = match File::open(files.path(kind)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result?,
    };
    let most = (log_length / HEADER_SIZE as u64 + 1) * entry_size as u64;
    let length = usize::try_from(file.metadata()?.len().min(most)).unwrap_or(0);
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// How many bytes of entries grow strictly and lie below `recovery_point`, and the last of them.
fn offset_entries_below(
    bytes: &[u8],
    base: Offset,
    recovery_point: Offset,
    log_length: u64,
) -> (usize, Option<OffsetEntry>) {
    let mut last: Option<OffsetEntry> = None;
    let mut kept = 0;
    for entry in bytes.chunks_exact(offset_index::ENTRY_SIZE) {
        let Some(entry) = OffsetEntry::decode(entry, base) else {
            break;
        };
        let grows = last.is_none_or(|last| last.offset < entry.offset)
            && last.map_or(0, |last| last.position) < entry.position;
        if !grows || entry.offset >= recovery_point || entry.position >= log_length {
            break;
        }
        last = Some(entry);
        kept += offset_index::ENTRY_SIZE;
    }
    (kept, last)
}

/// How many bytes of entries grow correctly and are at or below `offset`, and the last of them.
fn time_entries_up_to(bytes: &[u8], base: Offset, offset: Offset) -> (usize, TimeEntry) {
    let mut last = TimeEntry::NONE;
    let mut kept = 0;
    for entry in bytes.chunks_exact(time_index::ENTRY_SIZE) {
        let Some(entry) = TimeEntry::decode(entry, base) else {
            break;
        };
        let grows = last.timestamp < entry.timestamp && last.offset <= entry.offset;
        if !grows || entry.offset > offset {
            break;
        }
        last = entry;
        kept += time_index::ENTRY_SIZE;
    }
    (kept, last)
}

/// Where the batch of `entry` ends, and the timestamp of the segment's first batch; `None` if the log has
/// something else there.
fn check(log: &File, entry: OffsetEntry, length: u64) -> io::Result<Option<(u64, Timestamp)>> {
    let header_at = |position| HeaderWalk::new(log, position, length).step();
    let (Step::Batch(batch), Step::Batch(first)) = (header_at(entry.position)?, header_at(0)?)
    else {
        return Ok(None);
    };
    let fits = batch.header.last_offset() == entry.offset;
    Ok(fits.then(|| (batch.end(), first.header.max_timestamp)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Offset = Offset(1000);

    fn offsets(entries: &[(i64, u64)]) -> Vec<u8> {
        let encode = |&(offset, position): &(i64, u64)| {
            let offset = Offset(offset);
            OffsetEntry { offset, position }.encode(BASE).unwrap()
        };
        entries.iter().flat_map(encode).collect()
    }

    #[test]
    fn entries_count_as_long_as_they_grow_below_the_recovery_point() {
        let bytes = offsets(&[(1010, 100), (1020, 200), (1030, 300)]);
        let kept = |recovery_point, length| {
            let (kept, last) = offset_entries_below(&bytes, BASE, Offset(recovery_point), length);
            (kept / 8, last.map(|entry| entry.position))
        };
        assert_eq!(kept(1031, 1000), (3, Some(300)));
        assert_eq!(kept(1030, 1000), (2, Some(200)));
        assert_eq!(kept(1031, 300), (2, Some(200)), "the log is shorter");
        assert_eq!(kept(1010, 1000), (0, None));
        let zeros = [&bytes[..16], &[0; 8], &bytes[16..]].concat();
        let (kept, last) = offset_entries_below(&zeros, BASE, Offset(2000), 1000);
        assert_eq!((kept, last.map(|entry| entry.position)), (16, Some(200)));
    }

    #[test]
    fn times_count_as_long_as_they_grow_up_to_an_offset() {
        let entry = |timestamp, offset| {
            let (timestamp, offset) = (Timestamp(timestamp), Offset(offset));
            TimeEntry { timestamp, offset }.encode(BASE).unwrap()
        };
        let bytes = [entry(5, 1003), entry(9, 1003), entry(12, 1040)].concat();
        let (kept, last) = time_entries_up_to(&bytes, BASE, Offset(1039));
        assert_eq!((kept, last.timestamp), (24, Timestamp(9)));
        let zeros = [&bytes[..12], &[0; 12], &bytes[12..]].concat();
        let (kept, last) = time_entries_up_to(&zeros, BASE, Offset(2000));
        assert_eq!((kept, last.timestamp), (12, Timestamp(5)));
    }
}
