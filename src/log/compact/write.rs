//! Writes the output segment of a compaction, with its indexes.

use std::fs::{File, FileTimes};
use std::io;
use std::time::SystemTime;

use crate::base::Offset;
use crate::log::active::IndexMarks;
use crate::log::disk::Disk;
use crate::log::segment::Segment;
use crate::log::time_index::{self, TimeEntry};
use crate::log::txn_index::AbortedTransaction;
use crate::log::{names::SegmentFile, offset_index};
use crate::record::BatchHeader;

use super::exchange::CleanedFiles;
use super::{CompactionError, Pace};

/// A segment that can replace its originals ([`crate::log::PartitionLog::compacted`]).
#[derive(Debug)]
#[must_use = "its files stay until the log is told"]
pub struct CleanedSegment {
    pub(super) files: CleanedFiles,
    pub(super) length: u64,
    pub(super) offset_entries: u32,
    pub(super) time_entries: u32,
    pub(super) largest: TimeEntry,
    /// The aborted transactions whose markers are in it.
    pub(super) aborted: Vec<AbortedTransaction>,
    /// It equals its single original segment.
    pub(super) is_same: bool,
}

/// A file that is written from front to end in larger pieces.
struct Appender<'a> {
    disk: &'a Disk,
    pace: &'a dyn Pace,
    file: &'a File,
    written: u64,
    buffer: Vec<u8>,
    io_bytes: usize,
}

impl Appender<'_> {
    fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), CompactionError> {
        if self.buffer.len() + bytes.len() > self.io_bytes {
            self.flush()?;
        }
        if bytes.len() >= self.io_bytes {
            return self.write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CompactionError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CompactionError> {
        self.pace.moved(bytes.len())?;
        self.disk.write_at(self.file, bytes, self.written)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<u64, CompactionError> {
        self.flush()?;
        self.disk.sync(self.file)?;
        Ok(self.written)
    }
}

/// Writes the batches that stay.
pub(super) struct CleanedWriter<'a> {
    log: Appender<'a>,
    offset_index: Appender<'a>,
    time_index: Appender<'a>,
    base: Offset,
    index_interval: u64,
    marks: IndexMarks,
}

/// What was written.
pub(super) struct Written {
    length: u64,
    offset_entries: u32,
    time_entries: u32,
    largest: TimeEntry,
}

impl<'a> CleanedWriter<'a> {
    pub(super) fn new(
        disk: &'a Disk,
        pace: &'a dyn Pace,
        files: &'a CleanedFiles,
        index_interval: u64,
        io_bytes: usize,
    ) -> Self {
        /// Indexes are a thousandth of the log.
        const INDEX_IO: usize = 16 * 1024;
        let appender = |file, io_bytes| Appender {
            disk,
            pace,
            file,
            written: 0,
            buffer: Vec::new(),
            io_bytes,
        };
        Self {
            log: appender(&files.log, io_bytes),
            offset_index: appender(&files.offset_index, INDEX_IO),
            time_index: appender(&files.time_index, INDEX_IO),
            base: files.group.base(),
            index_interval,
            marks: IndexMarks::EMPTY,
        }
    }

    /// Appends a batch.
    pub(super) fn append(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
    ) -> Result<(), CompactionError> {
        let position = self.log.length();
        if let Some((offset_entry, time_entry)) =
            self.marks.note(position, header, self.index_interval)
            // beyond the range of an index, the segment is read batch by batch
            && let Some(entry) = offset_entry.encode(self.base)
        {
            self.offset_index.append(&entry)?;
            if let Some(entry) = time_entry.and_then(|entry| entry.encode(self.base)) {
                self.time_index.append(&entry)?;
            }
        }
        self.log.append(bytes)
    }

    /// Writes and syncs what is left.
    pub(super) fn finish(mut self) -> Result<Written, CompactionError> {
        let last = self.marks.time_entry();
        if let Some(entry) = last.and_then(|entry| entry.encode(self.base)) {
            self.time_index.append(&entry)?;
        }
        let entries = |size: u64, entry_size: usize| {
            u32::try_from(size / entry_size as u64).unwrap_or(u32::MAX)
        };
        Ok(Written {
            length: self.log.finish()?,
            offset_entries: entries(self.offset_index.finish()?, offset_index::ENTRY_SIZE),
            time_entries: entries(self.time_index.finish()?, time_index::ENTRY_SIZE),
            largest: self.marks.largest,
        })
    }
}

impl CleanedSegment {
    pub(super) fn new(
        files: CleanedFiles,
        written: &Written,
        aborted: Vec<AbortedTransaction>,
        is_same: bool,
    ) -> Self {
        Self {
            files,
            length: written.length,
            offset_entries: written.offset_entries,
            time_entries: written.time_entries,
            largest: written.largest,
            aborted,
            is_same,
        }
    }

    /// Bytes of its log.
    pub const fn length(&self) -> u64 {
        self.length
    }
}

/// Gives the new log the modification time of the newest of `originals`: retention uses it if records
/// have no timestamps.
pub(super) fn keep_time(
    disk: &Disk,
    file: &File,
    originals: &[Segment],
) -> Result<(), CompactionError> {
    let Some(newest) = originals.last() else {
        return Ok(());
    };
    let modified: io::Result<SystemTime> =
        std::fs::metadata(newest.files.path(SegmentFile::Log)).and_then(|of| of.modified());
    Ok(disk.set_times(file, FileTimes::new().set_modified(modified?))?)
}
