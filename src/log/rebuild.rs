//! Reading segments as they are found on disk: the part of a segment that a crash may have touched, and the tail of
//! the active one.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Offset, Timestamp};
use crate::config::TopicConfig;
use crate::record::BatchHeader;

use super::active::{ActiveSegment, IndexMarks, index_interval};
use super::disk::Disk;
use super::names::SegmentFile;
use super::offset_index;
use super::partition_log::LogError;
use super::reader::RecentBatches;
use super::resync::next_whole;
use super::scan::{BatchScan, HeaderWalk, Step, is_old_format};
use super::segment::{Segment, SegmentFiles};
use super::time_index::{self, TimeEntry};
use super::trusted_part::TrustedPart;

/// A segment that was read and whose indexes match it now.
pub(super) struct Rebuilt {
    /// It ends before the bad tail, if there is one.
    pub(super) segment: Segment,
    /// Bytes that were read.
    pub(super) scanned: u64,
    /// Whether files were changed.
    pub(super) changed: bool,
    /// Damage with whole batches on both sides.
    pub(super) damages: Vec<Damage>,
    pub(super) bad_tail: Option<BadTail>,
    marks: IndexMarks,
    recent: RecentBatches,
    first_timestamp: Option<Timestamp>,
}

/// Bytes in the middle of a segment that are not a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) position: u64,
    /// The offsets that should be there.
    pub(super) offsets: Range<Offset>,
    pub(super) reason: String,
}

/// Where the good part of a segment ends before its file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadTail {
    pub(super) position: u64,
    pub(super) reason: String,
    /// Whether there are whole batches in it.
    pub(super) holds_whole: bool,
    /// Whether there are whole batches in it that cannot belong to this segment.
    pub(super) holds_other_batches: bool,
}

impl BadTail {
    /// The bytes of a log from a bad batch to its end.
    fn of(log: &File, bytes: Range<u64>, reason: String, holds_whole: bool) -> io::Result<Self> {
        let position = bytes.start;
        let anything = Offset::ZERO..Offset(i64::MAX);
        Ok(Self {
            position,
            reason,
            holds_whole,
            holds_other_batches: !holds_whole && next_whole(log, bytes, &anything)?.is_some(),
        })
    }
}

/// What is known of a segment before it is read.
pub(super) struct Expected {
    /// Data below this offset need not be read.
    pub(super) trusted_below: Offset,
    /// Batches after damage stay if the damage is below this offset: damage by a crash is above it.
    pub(super) kept_below: Offset,
    /// No offset is at or above this one.
    pub(super) end: Offset,
}

impl Expected {
    /// For a segment that no crash has touched: all of it is read.
    pub(super) const fn all_below(end: Offset) -> Self {
        Self {
            trusted_below: Offset::ZERO,
            kept_below: Offset(i64::MAX),
            end,
        }
    }
}

impl Rebuilt {
    /// For an empty segment.
    pub(super) fn empty(files: SegmentFiles) -> Self {
        Self {
            segment: Segment::empty(files),
            scanned: 0,
            changed: false,
            damages: Vec::new(),
            bad_tail: None,
            marks: IndexMarks::EMPTY,
            recent: RecentBatches::default(),
            first_timestamp: None,
        }
    }
}

/// Positions in a segment have 31 bits, so a segment cannot be longer.
pub(super) const LONGEST_LOG: u64 = i32::MAX as u64;

/// Reads `length` bytes of a segment, except for the trusted part, and makes its indexes match the intact batches.
/// `note` is called with every good batch that was read. `buffer` is reused between calls. The log is not changed.
pub(super) fn rebuild(
    disk: &Disk,
    files: SegmentFiles,
    length: u64,
    expected: &Expected,
    config: &TopicConfig,
    buffer: &mut Vec<u8>,
    note: &mut dyn FnMut(&BatchHeader),
) -> Result<Rebuilt, LogError> {
    let base = files.base;
    let log = files.log()?;
    let mut recent = RecentBatches::default();
    let readable = length.min(LONGEST_LOG);
    let mut scan = BatchScan::new(&log, readable, base, expected.end, std::mem::take(buffer));
    let (mut damages, mut bad_tail) = (Vec::new(), None);
    let (mut marks, mut first_timestamp, mut end) = (IndexMarks::EMPTY, None, base);
    let (mut offset_entries, mut time_entries) = (Vec::new(), Vec::new());
    let mut trusted_length = 0;
    let trusted = TrustedPart::read(&files, readable, expected.trusted_below)?;
    let kept = trusted.as_ref().map_or((0, 0), |trusted| {
        (trusted.offset_entries.len(), trusted.time_entries.len())
    });
    if let Some(trusted) = trusted {
        scan.go_to(trusted.length, trusted.end);
        (marks, end, trusted_length) = (trusted.marks, trusted.end, trusted.length);
        first_timestamp = Some(trusted.first_timestamp);
        (offset_entries, time_entries) = (trusted.offset_entries, trusted.time_entries);
    }
    let mut add_time_entry =
        |entry: TimeEntry| time_entries.extend(entry.encode(base).into_iter().flatten());

    let good = loop {
        match scan.step()? {
            Step::Batch(located) => {
                let header = &located.header;
                if let Some((entry, time_entry)) =
                    marks.note(located.position, header, index_interval(config))
                {
                    offset_entries.extend(entry.encode(base).into_iter().flatten());
                    time_entry.into_iter().for_each(&mut add_time_entry);
                }
                first_timestamp.get_or_insert(header.max_timestamp);
                recent.push(header.base_offset, located.position);
                // only compaction removes batches between others
                if header.base_offset > end && !config.cleanup_policy.compact {
                    damages.push(Damage {
                        position: located.position,
                        offsets: end..header.base_offset,
                        reason: format!("offset {} follows {end}", header.base_offset),
                    });
                }
                end = header.next_offset();
                note(header);
            }
            Step::End => break readable,
            Step::Bad { position, reason } => {
                refuse_old_format(&files, &log, position, readable)?;
                let behind = position + 1..readable;
                let whole = next_whole(&log, behind, &(end..expected.end))?;
                match whole {
                    Some(whole) if end < expected.kept_below => {
                        let next = whole.header.base_offset;
                        damages.push(Damage {
                            position,
                            offsets: end..next,
                            reason,
                        });
                        scan.go_to(whole.position, next);
                        end = next;
                    }
                    whole => {
                        let behind = position..readable;
                        bad_tail = Some(BadTail::of(&log, behind, reason, whole.is_some())?);
                        break position;
                    }
                }
            }
        }
    };
    if good == readable && readable < length {
        bad_tail = Some(BadTail {
            position: readable,
            reason: format!("the file has {length} bytes, and a segment has at most {LONGEST_LOG}"),
            holds_whole: false,
            holds_other_batches: false,
        });
    }
    *buffer = scan.into_buffer();
    marks.time_entry().into_iter().for_each(&mut add_time_entry);

    let is_other_log = bad_tail.as_ref().is_some_and(|bad| bad.holds_other_batches);
    if is_other_log {
        // If the log is another segment's, its indexes match the right log; until that is back, they point to wrong places.
        (offset_entries, time_entries) = (Vec::new(), Vec::new());
    }
    let entries = (&offset_entries[..], &time_entries[..]);
    let changed = !is_other_log && write_indexes(disk, &files, entries, kept)?;
    let segment = Segment {
        files: Arc::new(files.closed()),
        length: good,
        offset_entries: count(offset_entries.len() as u64, offset_index::ENTRY_SIZE),
        time_entries: count(time_entries.len() as u64, time_index::ENTRY_SIZE),
        end,
        known_largest: Some(marks.largest),
    };
    Ok(Rebuilt {
        segment,
        scanned: readable.saturating_sub(trusted_length),
        changed,
        damages,
        bad_tail,
        marks,
        recent,
        first_timestamp,
    })
}

/// Makes both index files match ([`write_index`]). Returns whether that was a change.
fn write_indexes(
    disk: &Disk,
    files: &SegmentFiles,
    (offset_entries, time_entries): (&[u8], &[u8]),
    kept: (usize, usize),
) -> io::Result<bool> {
    let path = |kind| files.path(kind);
    let offsets = write_index(
        disk,
        &path(SegmentFile::OffsetIndex),
        offset_entries,
        kept.0,
    )?;
    let times = write_index(disk, &path(SegmentFile::TimeIndex), time_entries, kept.1)?;
    Ok(offsets || times)
}

/// Writes these entries to an index file that has their first `kept` bytes. Returns whether that was a change:
/// most segments that are read after a crash belong to partitions without new records.
fn write_index(disk: &Disk, path: &Path, entries: &[u8], kept: usize) -> io::Result<bool> {
    if holds(path, entries)? {
        return Ok(false);
    }
    let file = if kept == 0 {
        disk.create(path)?
    } else {
        let file = disk.open(path)?;
        disk.set_length(&file, kept as u64)?;
        file
    };
    disk.write_at(&file, entries.get(kept..).unwrap_or_default(), kept as u64)?;
    Ok(true)
}

/// Whether the file holds exactly `bytes`.
fn holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        result => result?,
    };
    if file.metadata()?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut found = vec![0; bytes.len()];
    file.read_exact_at(&mut found, 0)?;
    Ok(found == bytes)
}

fn count(size: u64, entry_size: usize) -> u32 {
    u32::try_from(size / entry_size as u64).unwrap_or(u32::MAX)
}

/// Bytes that are not a batch may be a record of an old format: then nothing is changed.
fn refuse_old_format(
    files: &SegmentFiles,
    log: &File,
    position: u64,
    length: u64,
) -> Result<(), LogError> {
    if is_old_format(log, position, length)? {
        let message = format!(
            "{} has records of message format 0 or 1 at byte {position}, which are not supported",
            files.path(SegmentFile::Log).display()
        );
        return Err(LogError::Corrupt(message));
    }
    Ok(())
}

/// The active segment, and the part of its tail that views know.
pub(super) struct Tail {
    pub(super) active: ActiveSegment,
    pub(super) recent: RecentBatches,
    /// Whether the indexes did not match the log and were changed.
    pub(super) repaired: bool,
    pub(super) damages: Vec<Damage>,
    /// The segment ends before it, and the file is as long as it was.
    pub(super) bad_tail: Option<BadTail>,
}

impl Tail {
    /// For an empty segment.
    pub(super) fn empty(files: SegmentFiles, now: Timestamp) -> Self {
        Self {
            active: ActiveSegment {
                segment: Segment::empty(files),
                marks: IndexMarks::EMPTY,
                first_timestamp: None,
                created: now,
                jitter_ms: 0,
                is_preallocated: false,
            },
            recent: RecentBatches::default(),
            repaired: false,
            damages: Vec::new(),
            bad_tail: None,
        }
    }
}

/// Loads the segment that will be active: its log from the last index entry on. Indexes that do not match
/// are rebuilt.
pub(super) fn load_tail(
    disk: &Disk,
    files: SegmentFiles,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Tail, LogError> {
    let tail = |segment: Segment, marks: IndexMarks, first_timestamp, recent, repaired| {
        let segment = Segment {
            known_largest: Some(marks.largest),
            ..segment
        };
        Tail {
            active: ActiveSegment {
                segment,
                marks,
                first_timestamp,
                created: now,
                jitter_ms: 0,
                is_preallocated: false,
            },
            recent,
            repaired,
            damages: Vec::new(),
            bad_tail: None,
        }
    };
    let length = files.log()?.metadata()?.len();
    if let Some(read) = read_tail(&files, length)? {
        let segment = Segment {
            files: Arc::new(files.closed()),
            length,
            offset_entries: read.offset_entries,
            time_entries: read.time_entries,
            end: read.end,
            known_largest: None,
        };
        return Ok(tail(
            segment,
            read.marks,
            read.first_timestamp,
            read.recent,
            false,
        ));
    }
    tracing::warn!(path = %files.path(SegmentFile::Log).display(), "the indexes do not match the log: rebuilding them");
    let rebuilt = rebuild(
        disk,
        files,
        length,
        &Expected::all_below(Offset(i64::MAX)),
        config,
        &mut Vec::new(),
        &mut |_| {},
    )?;
    let read = tail(
        rebuilt.segment,
        rebuilt.marks,
        rebuilt.first_timestamp,
        rebuilt.recent,
        true,
    );
    Ok(Tail {
        damages: rebuilt.damages,
        bad_tail: rebuilt.bad_tail,
        ..read
    })
}

struct ReadTail {
    offset_entries: u32,
    time_entries: u32,
    end: Offset,
    marks: IndexMarks,
    first_timestamp: Option<Timestamp>,
    recent: RecentBatches,
}

/// `None` if the indexes are missing or malformed or do not match the log, or if the log does not end with a
/// whole batch.
fn read_tail(files: &SegmentFiles, length: u64) -> Result<Option<ReadTail>, LogError> {
    let (Ok(offset_file), Ok(time_file)) = (files.offset_index(), files.time_index()) else {
        return Ok(None);
    };
    let (offset_size, time_size) = (offset_file.metadata()?.len(), time_file.metadata()?.len());
    if offset_size % offset_index::ENTRY_SIZE as u64 != 0
        || time_size % time_index::ENTRY_SIZE as u64 != 0
    {
        return Ok(None);
    }
    let offset_entries = count(offset_size, offset_index::ENTRY_SIZE);
    let time_entries = count(time_size, time_index::ENTRY_SIZE);
    let last_entry = match offset_entries.checked_sub(1) {
        Some(number) => Some(offset_index::entry(&*offset_file, files.base, number)?),
        None => None,
    };
    let largest = time_index::last(&time_file, files.base, time_entries)?;
    let start = last_entry.map_or(0, |entry| entry.position);
    if start > length || (last_entry.is_some() && start == length) {
        return Ok(None);
    }
    let mut marks = IndexMarks {
        last_entry_position: start,
        last_time_entry: largest.timestamp,
        largest,
    };
    let mut recent = RecentBatches::default();
    let mut end = files.base;
    let mut expected = last_entry.map(|entry| entry.offset);
    let log = files.log()?;
    let mut walk = HeaderWalk::new(&log, start, length);
    loop {
        match walk.step()? {
            Step::End => break,
            Step::Bad { .. } => return Ok(None),
            Step::Batch(located) => {
                let header = &located.header;
                let is_first = recent.is_empty();
                if expected
                    .take()
                    .is_some_and(|offset| offset != header.last_offset())
                    || header.base_offset < end
                    || (header.base_offset > end && !is_first)
                {
                    return Ok(None);
                }
                if header.max_timestamp > marks.largest.timestamp {
                    marks.largest = TimeEntry {
                        timestamp: header.max_timestamp,
                        offset: header.last_offset(),
                    };
                }
                recent.push(header.base_offset, located.position);
                end = header.next_offset();
            }
        }
    }
    if marks.largest.offset >= end {
        return Ok(None);
    }
    let first_timestamp = match HeaderWalk::new(&log, 0, length).step()? {
        Step::Batch(located) => Some(located.header.max_timestamp),
        Step::End | Step::Bad { .. } => None,
    };
    Ok(Some(ReadTail {
        offset_entries,
        time_entries,
        end,
        marks,
        first_timestamp,
        recent,
    }))
}
