//! A segment: one `.log` and its indexes.
//!
//! [`SegmentFiles`] is the identity, shared by the writer and all readers. [`Segment`] says how much of
//! the files counts: the files of the active segment grow, what a reader sees of them does not.
//!
//! # Which files stay open
//!
//! Nothing is open until it is needed: of many partitions, most are idle. A `.log` stays open from its
//! first read or write until its segment goes, so a sealed segment that somebody has read costs one
//! descriptor from then on; what was rolled since the start does as well. (A reader whose segment is
//! removed meanwhile reads on through that descriptor.) Indexes stay open while their segment is active;
//! those of sealed segments are opened for each lookup. Syncing and loading keep nothing open.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::base::{Offset, Timestamp};

use super::disk::{Disk, is_out_of_descriptors};
use super::names::{SegmentFile, Suffix, with_suffix};
use super::offset_index;
use super::scan::{HeaderWalk, Located};
use super::time_index::{self, TimeEntry};

/// The files of one segment, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    pub(crate) base: Offset,
    directory: Arc<Path>,
    /// Indexes of the active segment stay open; those of the many sealed ones are opened per lookup.
    keep_indexes: bool,
    log: OnceLock<Arc<File>>,
    offset_index: OnceLock<Arc<File>>,
    time_index: OnceLock<Arc<File>>,
    /// The largest timestamp of a sealed segment, once it was asked for.
    largest: OnceLock<TimeEntry>,
}

impl SegmentFiles {
    /// The files of the segment at `base`; nothing is opened yet.
    pub(crate) const fn new(directory: Arc<Path>, base: Offset, keep_indexes: bool) -> Self {
        Self {
            base,
            directory,
            keep_indexes,
            log: OnceLock::new(),
            offset_index: OnceLock::new(),
            time_index: OnceLock::new(),
            largest: OnceLock::new(),
        }
    }

    /// The same segment after it stopped being active: the log stays open, its indexes do not.
    fn sealed(&self) -> Self {
        let sealed = Self::new(Arc::clone(&self.directory), self.base, false);
        if let Some(log) = self.log.get() {
            let _ = sealed.log.set(Arc::clone(log));
        }
        sealed
    }

    /// The same segment with nothing open: of many partitions, most are idle.
    pub(crate) fn closed(&self) -> Self {
        Self::new(Arc::clone(&self.directory), self.base, self.keep_indexes)
    }

    /// Where the file of this kind is.
    pub(crate) fn path(&self, kind: SegmentFile) -> PathBuf {
        kind.path(&self.directory, self.base)
    }

    /// The `.log` file.
    pub(crate) fn log(&self) -> io::Result<Arc<File>> {
        self.kept(&self.log, SegmentFile::Log)
    }

    /// The `.log` file for a single use: one that is not open yet does not stay so.
    fn log_once(&self) -> io::Result<Arc<File>> {
        match self.log.get() {
            Some(file) => Ok(Arc::clone(file)),
            None => self.open(SegmentFile::Log).map(Arc::new),
        }
    }

    /// The `.index` file.
    pub(crate) fn offset_index(&self) -> io::Result<Arc<File>> {
        if self.keep_indexes {
            return self.kept(&self.offset_index, SegmentFile::OffsetIndex);
        }
        self.open(SegmentFile::OffsetIndex).map(Arc::new)
    }

    /// The `.timeindex` file.
    pub(crate) fn time_index(&self) -> io::Result<Arc<File>> {
        if self.keep_indexes {
            return self.kept(&self.time_index, SegmentFile::TimeIndex);
        }
        self.open(SegmentFile::TimeIndex).map(Arc::new)
    }

    fn kept(&self, slot: &OnceLock<Arc<File>>, kind: SegmentFile) -> io::Result<Arc<File>> {
        if let Some(file) = slot.get() {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(self.open(kind)?);
        Ok(Arc::clone(slot.get_or_init(|| file)))
    }

    /// Opens a file, also when it has been renamed to `.deleted` under a reader.
    fn open(&self, kind: SegmentFile) -> io::Result<File> {
        let open = |path: &Path| File::options().read(true).write(true).open(path);
        let path = self.path(kind);
        match open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                open(&with_suffix(&path, Suffix::Deleted)).map_err(|_| error)
            }
            result => result,
        }
    }

    /// Creates the files, empty, in place of any that are there: all of them, or none where there is no
    /// descriptor left.
    fn create(&self, disk: &Disk) -> io::Result<()> {
        self.create_all(disk).inspect_err(|error| {
            if is_out_of_descriptors(error) {
                for kind in SegmentFile::OF_SEGMENT {
                    // a removal that fails takes the directory offline by itself
                    let _ = disk.remove(&self.path(kind));
                }
            }
        })
    }

    fn create_all(&self, disk: &Disk) -> io::Result<()> {
        for (slot, kind) in [
            (&self.offset_index, SegmentFile::OffsetIndex),
            (&self.time_index, SegmentFile::TimeIndex),
            // last, so that indexes without a log are what a crash leaves behind
            (&self.log, SegmentFile::Log),
        ] {
            let _ = slot.set(Arc::new(disk.create(&self.path(kind))?));
        }
        disk.remove(&self.path(SegmentFile::TransactionIndex))
    }

    /// Makes the content of all files durable.
    pub(crate) fn sync(&self, disk: &Disk) -> io::Result<()> {
        disk.sync(&*self.log_once()?)?;
        disk.sync(&*self.offset_index()?)?;
        disk.sync(&*self.time_index()?)
    }
}

/// A segment as far as it counts for whoever holds this value.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) files: Arc<SegmentFiles>,
    /// Bytes of the log, a batch boundary.
    pub(crate) length: u64,
    pub(crate) offset_entries: u32,
    pub(crate) time_entries: u32,
    /// No offset of this segment is at or above this one.
    pub(crate) end: Offset,
    /// The largest timestamp, where it is known without asking the time index.
    pub(crate) known_largest: Option<TimeEntry>,
}

impl Segment {
    /// The first offset that the segment may hold.
    pub(crate) fn base(&self) -> Offset {
        self.files.base
    }

    /// The largest timestamp and where it is.
    pub(crate) fn largest(&self) -> io::Result<TimeEntry> {
        if let Some(largest) = self
            .known_largest
            .or_else(|| self.files.largest.get().copied())
        {
            return Ok(largest);
        }
        let largest = match self.time_entries {
            0 => TimeEntry::NONE,
            entries => time_index::last(&*self.files.time_index()?, self.base(), entries)?,
        };
        Ok(*self.files.largest.get_or_init(|| largest))
    }

    /// The largest timestamp for retention: where no record has one, the time of the last change.
    pub(crate) fn largest_or_modified(&self) -> io::Result<Timestamp> {
        let largest = self.largest()?.timestamp;
        if largest >= Timestamp(0) {
            return Ok(largest);
        }
        let modified = self.files.log()?.metadata()?.modified()?;
        let since_epoch = modified
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(Timestamp(
            i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX),
        ))
    }

    /// Where a walk that looks for `offset` may begin. Without its index, a segment is walked from the start.
    pub(crate) fn walk_start(&self, offset: Offset) -> u64 {
        if self.offset_entries == 0 {
            return 0;
        }
        let floor = self.files.offset_index().and_then(|index| {
            offset_index::floor(&index, self.base(), self.offset_entries, offset)
        });
        floor
            .ok()
            .flatten()
            .map_or(0, |entry| entry.position)
            .min(self.length)
    }

    /// The greatest batch boundary known to the index at or below `position`.
    pub(crate) fn boundary_at_or_below(&self, position: u64) -> u64 {
        if self.offset_entries == 0 {
            return 0;
        }
        let floor = self.files.offset_index().and_then(|index| {
            offset_index::floor_by_position(&index, self.base(), self.offset_entries, position)
        });
        floor.ok().flatten().map_or(0, |entry| entry.position)
    }

    /// The first batch whose last offset is at or above `offset`, looked for from `start`, which must
    /// be a batch boundary not behind it.
    pub(crate) fn find_from(&self, start: u64, offset: Offset) -> io::Result<Option<Located>> {
        let log = self.files.log()?;
        let mut walk = HeaderWalk::new(&log, start, self.length);
        while let Some(located) = walk.next_good()? {
            if located.header.last_offset() >= offset {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }

    /// The first batch whose last offset is at or above `offset`.
    pub(crate) fn find(&self, offset: Offset) -> io::Result<Option<Located>> {
        self.find_from(self.walk_start(offset), offset)
    }

    /// This segment, no longer active and ending at `end`.
    pub(crate) fn sealed(&self, end: Offset) -> Self {
        Self {
            files: Arc::new(self.files.sealed()),
            end,
            ..self.clone()
        }
    }

    /// Creates the files of a new segment.
    pub(crate) fn create(disk: &Disk, directory: &Arc<Path>, base: Offset) -> io::Result<Self> {
        let files = SegmentFiles::new(Arc::clone(directory), base, true);
        files.create(disk)?;
        Ok(Self {
            files: Arc::new(files),
            length: 0,
            offset_entries: 0,
            time_entries: 0,
            end: base,
            known_largest: Some(TimeEntry::NONE),
        })
    }
}
