//! The active segment: appending to it, its index rule, and when it is full.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Offset, Timestamp};
use crate::config::TopicConfig;
use crate::record::{BatchHeader, HEADER_SIZE};

use super::disk::Disk;
use super::offset_index::{self, OffsetEntry};
use super::segment::Segment;
use super::time_index::{self, TimeEntry};

/// A batch that is ready to be written: the header as it will be stored, and the records as they came.
#[derive(Debug)]
pub(crate) struct ReadyBatch {
    pub(crate) header: BatchHeader,
    pub(crate) body: Bytes,
}

impl ReadyBatch {
    /// Sets the timestamp of the batch to the time at which it is stored, and its checksum.
    pub(crate) fn stamp(&mut self, now: Timestamp) {
        self.header.max_timestamp = now;
        self.header.crc = self.header.crc_over(&self.body);
    }
}

/// Which batches get index entries. One rule for appending and for rebuilding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexMarks {
    /// Where the batch of the last offset-index entry starts.
    pub(crate) last_entry_position: u64,
    /// The timestamp of the last time-index entry.
    pub(crate) last_time_entry: Timestamp,
    /// The largest timestamp so far.
    pub(crate) largest: TimeEntry,
}

impl IndexMarks {
    /// The marks of an empty segment.
    pub(crate) const EMPTY: Self = Self {
        last_entry_position: 0,
        last_time_entry: Timestamp::NONE,
        largest: TimeEntry::NONE,
    };

    /// Notes the batch at `position`, and returns its index entries, if it gets any.
    pub(crate) fn note(
        &mut self,
        position: u64,
        header: &BatchHeader,
        interval: u64,
    ) -> Option<(OffsetEntry, Option<TimeEntry>)> {
        if header.max_timestamp > self.largest.timestamp {
            self.largest = TimeEntry {
                timestamp: header.max_timestamp,
                offset: header.last_offset(),
            };
        }
        if position.saturating_sub(self.last_entry_position) <= interval {
            return None;
        }
        self.last_entry_position = position;
        let entry = OffsetEntry {
            offset: header.last_offset(),
            position,
        };
        Some((entry, self.time_entry()))
    }

    /// A time-index entry for the largest timestamp so far, unless there is one.
    pub(crate) fn time_entry(&mut self) -> Option<TimeEntry> {
        let news = self.largest.timestamp > self.last_time_entry;
        news.then(|| {
            self.last_time_entry = self.largest.timestamp;
            self.largest
        })
    }
}

/// `index.interval.bytes` as a distance in a file.
pub(crate) fn index_interval(config: &TopicConfig) -> u64 {
    u64::try_from(config.index_interval_bytes).unwrap_or(0)
}

/// The size of an append, to decide whether it still fits the segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) bytes: u64,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) last_offset: Offset,
}

/// The last segment of a log.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) segment: Segment,
    pub(crate) marks: IndexMarks,
    /// Max timestamp of the first batch.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// When the segment was created or loaded.
    pub(crate) created: Timestamp,
    /// How much earlier than `segment.ms` it rolls, so that not all partitions roll at once.
    pub(crate) jitter_ms: i64,
    /// Whether the log's file may be longer than the segment.
    pub(crate) is_preallocated: bool,
}

impl ActiveSegment {
    /// A new, empty segment.
    pub(crate) fn create(
        disk: &Disk,
        directory: &Arc<Path>,
        base: Offset,
        config: &TopicConfig,
        now: Timestamp,
        jitter_ms: i64,
    ) -> io::Result<Self> {
        let segment = Segment::create(disk, directory, base)?;
        if config.preallocate {
            let length = u64::try_from(config.segment_bytes).unwrap_or(0);
            disk.set_length(&*segment.files.log()?, length)?;
        }
        Ok(Self {
            segment,
            marks: IndexMarks::EMPTY,
            first_timestamp: None,
            created: now,
            jitter_ms,
            is_preallocated: config.preallocate,
        })
    }

    /// Whether `incoming` belongs in a new segment.
    pub(crate) fn should_roll(
        &self,
        incoming: &Incoming,
        config: &TopicConfig,
        now: Timestamp,
    ) -> bool {
        let segment = &self.segment;
        if i32::try_from(incoming.last_offset.since(segment.base())).is_err() {
            return true;
        }
        // an empty segment would be followed by one of the same name
        if segment.length == 0 {
            return false;
        }
        let waited = match self.first_timestamp {
            Some(first) if first >= Timestamp(0) => incoming.max_timestamp.millis_since(first),
            _ => now.millis_since(self.created),
        };
        let capacity = |entry_size: usize| {
            u32::try_from(config.segment_index_bytes).unwrap_or(0) / entry_size as u32
        };
        segment.length.saturating_add(incoming.bytes) > u64::try_from(config.segment_bytes).unwrap_or(0)
            || waited > config.roll_ms().saturating_sub(self.jitter_ms)
            || segment.offset_entries >= capacity(offset_index::ENTRY_SIZE)
            // one place is kept for the entry that sealing adds
            || segment.time_entries.saturating_add(1) >= capacity(time_index::ENTRY_SIZE)
    }

    /// Writes the batches one after the other with one write, then their index entries.
    pub(crate) fn append(
        &mut self,
        disk: &Disk,
        batches: &[ReadyBatch],
        config: &TopicConfig,
    ) -> io::Result<()> {
        let headers: Vec<[u8; HEADER_SIZE]> =
            batches.iter().map(|batch| batch.header.encode()).collect();
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(2 * batches.len());
        for (header, batch) in headers.iter().zip(batches) {
            slices.push(IoSlice::new(header));
            slices.push(IoSlice::new(&batch.body));
        }
        let added = self.indexed(batches, config)?;
        // opened before anything is written, since there may be no descriptor left later
        let log = self.segment.files.log()?;
        let indexes = match added.offset_entries.is_empty() {
            true => None,
            false => Some((
                self.segment.files.offset_index()?,
                self.segment.files.time_index()?,
            )),
        };
        disk.write_vectored_at(&log, &mut slices, self.segment.length)?;
        if let Some((offset_index, time_index)) = indexes {
            self.segment.offset_entries += add_entries(
                disk,
                &offset_index,
                self.segment.offset_entries,
                &added.offset_entries,
            )?;
            self.segment.time_entries += add_entries(
                disk,
                &time_index,
                self.segment.time_entries,
                &added.time_entries,
            )?;
        }
        self.marks = added.marks;
        if self.segment.length == 0 {
            self.first_timestamp = batches.first().map(|batch| batch.header.max_timestamp);
        }
        self.segment.length = added.length;
        if let Some(last) = batches.last() {
            self.segment.end = last.header.next_offset();
        }
        self.segment.known_largest = Some(self.marks.largest);
        Ok(())
    }

    /// The index entries that these batches get.
    fn indexed(&self, batches: &[ReadyBatch], config: &TopicConfig) -> io::Result<Indexed> {
        let base = self.segment.base();
        let mut added = Indexed {
            marks: self.marks,
            length: self.segment.length,
            offset_entries: Vec::new(),
            time_entries: Vec::new(),
        };
        for batch in batches {
            let entries = added
                .marks
                .note(added.length, &batch.header, index_interval(config));
            if let Some((offset_entry, time_entry)) = entries {
                let entry = offset_entry.encode(base);
                added
                    .offset_entries
                    .push(entry.ok_or(io::ErrorKind::InvalidInput)?);
                if let Some(entry) = time_entry {
                    let entry = entry.encode(base);
                    added
                        .time_entries
                        .push(entry.ok_or(io::ErrorKind::InvalidInput)?);
                }
            }
            added.length += batch.header.size() as u64;
        }
        Ok(added)
    }

    /// Whether [`Self::finish`] has nothing to do.
    pub(crate) fn is_finished(&self) -> bool {
        { self.marks }.time_entry().is_none() && !self.is_preallocated
    }

    /// Completes the files of a segment that no longer grows: a time index entry for the largest timestamp,
    /// and nothing after the last batch.
    pub(crate) fn finish(&mut self, disk: &Disk) -> io::Result<()> {
        // first, so that an entry is not taken for written where there is no descriptor left
        let index = self.segment.files.time_index()?;
        if let Some(entry) = self.marks.time_entry() {
            let entry = entry
                .encode(self.segment.base())
                .ok_or(io::ErrorKind::InvalidInput)?;
            self.segment.time_entries +=
                add_entries(disk, &index, self.segment.time_entries, &[entry])?;
        }
        if self.is_preallocated {
            let log = self.segment.files.log()?;
            if log.metadata()?.len() > self.segment.length {
                disk.set_length(&log, self.segment.length)?;
            }
            self.is_preallocated = false;
        }
        Ok(())
    }
}

/// The index entries of an append, and the segment's state after it.
struct Indexed {
    marks: IndexMarks,
    length: u64,
    offset_entries: Vec<[u8; offset_index::ENTRY_SIZE]>,
    time_entries: Vec<[u8; time_index::ENTRY_SIZE]>,
}

/// Appends `entries` to the index, and returns how many they are.
fn add_entries<const SIZE: usize>(
    disk: &Disk,
    index: &File,
    present: u32,
    entries: &[[u8; SIZE]],
) -> io::Result<u32> {
    if !entries.is_empty() {
        let position = u64::from(present) * SIZE as u64;
        disk.write_at(index, entries.as_flattened(), position)?;
    }
    Ok(u32::try_from(entries.len()).unwrap_or(u32::MAX))
}
