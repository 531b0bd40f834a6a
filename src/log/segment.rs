//! A segment: one `.log` and its indexes.
//!
//! [`SegmentFiles`] is the identity, shared by the writer and all readers. [`Segment`] says how much of the files
//! counts: the files of the active segment grow, but what a reader sees of them does not.
//!
//! # Which files stay open
//!
//! A file is opened when it is first needed, since most of many partitions are idle. A `.log` then stays open, and so do
//! the indexes of the active segment, as long as there is room ([`super::open_files`]). Indexes of sealed segments are
//! opened for each lookup. Syncing and loading keep nothing open.
//!
//! A segment is retired before it is removed: readers of older views find its files under their `.deleted` names, even if
//! a compacted segment has replaced it, and its `.log` is held open for readers that outlive the files.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use crate::base::{Offset, Timestamp};

use super::disk::{Disk, is_out_of_descriptors};
use super::names::{SegmentFile, Suffix, with_suffix};
use super::offset_index::{self, OffsetEntry};
use super::open_files::{Hold, KeptFile};
use super::page_cache::{Access, Reading};
use super::time_index::{self, TimeEntry};

/// The files of one segment, opened when they are first needed.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    pub(crate) base: Offset,
    directory: Arc<Path>,
    /// Indexes of the active segment stay open; those of the many sealed ones are opened per lookup.
    keep_indexes: bool,
    log: KeptFile,
    offset_index: KeptFile,
    time_index: KeptFile,
    /// The names of the files belong to other files, now or soon.
    is_retired: AtomicBool,
    /// The largest timestamp of a sealed segment, once it was needed.
    largest: OnceLock<TimeEntry>,
    /// Whether there is a `.txnindex`: one of the numbers below.
    aborted: AtomicU8,
}

/// It is not known yet.
const ABORTED_UNKNOWN: u8 = 0;
/// There is none; this changes if one is created.
const NOTHING_ABORTED: u8 = 1;
/// One was created.
const SOMETHING_ABORTED: u8 = 2;

impl SegmentFiles {
    /// The files of the segment at `base`; nothing is opened yet.
    pub(crate) const fn new(directory: Arc<Path>, base: Offset, keep_indexes: bool) -> Self {
        Self {
            base,
            directory,
            keep_indexes,
            log: KeptFile::new(),
            offset_index: KeptFile::new(),
            time_index: KeptFile::new(),
            is_retired: AtomicBool::new(false),
            largest: OnceLock::new(),
            aborted: AtomicU8::new(ABORTED_UNKNOWN),
        }
    }

    /// The same segment after it stopped being active: the log stays open, its indexes do not.
    fn sealed(&self) -> Self {
        Self {
            log: self.log.clone(),
            aborted: AtomicU8::new(self.aborted.load(Ordering::SeqCst)),
            ..Self::new(Arc::clone(&self.directory), self.base, false)
        }
    }

    /// The same segment with nothing open: of many partitions, most are idle.
    pub(crate) fn closed(&self) -> Self {
        Self::new(Arc::clone(&self.directory), self.base, self.keep_indexes)
    }

    /// The path of the file of this kind.
    pub(crate) fn path(&self, kind: SegmentFile) -> PathBuf {
        kind.path(&self.directory, self.base)
    }

    /// The `.log` file.
    pub(crate) fn log(&self) -> io::Result<Arc<File>> {
        self.log.get(|| self.open(SegmentFile::Log))
    }

    /// A file for a single use: if it is not open yet, it is closed afterwards.
    fn once(&self, kept: &KeptFile, kind: SegmentFile) -> io::Result<Arc<File>> {
        match kept.opened() {
            Some(file) => Ok(file),
            None => self.open(kind).map(Arc::new),
        }
    }

    /// The `.index` file.
    pub(crate) fn offset_index(&self) -> io::Result<Arc<File>> {
        self.index(&self.offset_index, SegmentFile::OffsetIndex)
    }

    /// The `.timeindex` file.
    pub(crate) fn time_index(&self) -> io::Result<Arc<File>> {
        self.index(&self.time_index, SegmentFile::TimeIndex)
    }

    /// The `.log` file; where opening it would have to wait for the disk, only if it is open.
    pub(crate) fn log_by(&self, access: Access) -> io::Result<Arc<File>> {
        match access {
            Access::Disk => self.log(),
            Access::Memory => self.log.get(|| Err(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// The `.index` file; where opening it would have to wait for the disk, only if it is open.
    fn offset_index_by(&self, access: Access) -> io::Result<Arc<File>> {
        match access {
            Access::Disk => self.offset_index(),
            Access::Memory => self
                .offset_index
                .get(|| Err(io::ErrorKind::WouldBlock.into())),
        }
    }

    fn index(&self, kept: &KeptFile, kind: SegmentFile) -> io::Result<Arc<File>> {
        if self.keep_indexes {
            kept.get(|| self.open(kind))
        } else {
            self.once(kept, kind)
        }
    }

    /// The `.txnindex` file, where there is one.
    pub(crate) fn transaction_index(&self) -> io::Result<Option<File>> {
        if self.has_no_aborted() {
            return Ok(None);
        }
        match self.open(SegmentFile::TransactionIndex) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // unless the writer has created one in between
                let _ = self.aborted.compare_exchange(
                    ABORTED_UNKNOWN,
                    NOTHING_ABORTED,
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                );
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it is known that there is no `.txnindex`.
    pub(crate) fn has_no_aborted(&self) -> bool {
        self.aborted.load(Ordering::SeqCst) == NOTHING_ABORTED
    }

    /// Notes that there is a `.txnindex` now.
    pub(crate) fn note_aborted(&self) {
        self.aborted.store(SOMETHING_ABORTED, Ordering::SeqCst);
    }

    /// Notes that the log has unsynced data: it stays open, or is synced before it is closed.
    pub(crate) fn hold_log(&self, disk: &Disk) {
        self.log.hold(Hold::Unsynced(disk.clone()));
    }

    /// Notes that all of the log is synced.
    pub(crate) fn release_log(&self) {
        self.log.release();
    }

    /// Prepares for the renaming of the files. The log stays open for readers of older views; if there is no
    /// descriptor for that, they can read until the files are unlinked.
    pub(crate) fn retire(&self) -> io::Result<()> {
        self.log.hold(Hold::Retired);
        self.is_retired.store(true, Ordering::SeqCst);
        match self.log() {
            Err(error) if !is_out_of_descriptors(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// [`Self::retire`] for files that are replaced at once by others of the same names: all of them are held open,
    /// since their `.deleted` names may be needed for the next ones before the last reader is done. There must be
    /// no such names yet.
    pub(crate) fn retire_for_others(&self) -> io::Result<()> {
        let files = [
            (&self.log, SegmentFile::Log),
            (&self.offset_index, SegmentFile::OffsetIndex),
            (&self.time_index, SegmentFile::TimeIndex),
        ];
        // a failure for lack of a descriptor leaves nothing held
        for (kept, kind) in files {
            kept.get(|| self.open(kind))?;
        }
        for (kept, kind) in files {
            kept.hold(Hold::Retired);
            kept.get(|| self.open(kind))?;
        }
        self.is_retired.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Whether the names of the files belong to others, now or soon.
    pub(super) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::SeqCst)
    }

    /// A separate descriptor, for reading only.
    pub(super) fn open_to_read(&self, kind: SegmentFile) -> io::Result<File> {
        self.open_with(kind, File::options().read(true))
    }

    fn open(&self, kind: SegmentFile) -> io::Result<File> {
        self.open_with(kind, File::options().read(true).write(true))
    }

    /// Opens a file, even if it was renamed to `.deleted` meanwhile.
    fn open_with(&self, kind: SegmentFile, options: &OpenOptions) -> io::Result<File> {
        let open = |path: &Path| options.open(path);
        let path = self.path(kind);
        let deleted = || with_suffix(&path, Suffix::Deleted);
        match open(&path) {
            // checked after the file was opened, since it may be the one that has replaced it
            Ok(file) if self.is_retired() => match open(&deleted()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(file),
                ours => ours,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                open(&deleted()).map_err(|_| error)
            }
            result => result,
        }
    }

    /// Creates the files, empty, replacing existing ones: all of them, or none if there is no descriptor
    /// left.
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
        disk.create(&self.path(SegmentFile::OffsetIndex))?;
        disk.create(&self.path(SegmentFile::TimeIndex))?;
        // last, so that a crash leaves indexes without a log
        self.log.put(disk.create(&self.path(SegmentFile::Log))?);
        disk.remove(&self.path(SegmentFile::TransactionIndex))?;
        self.aborted.store(NOTHING_ABORTED, Ordering::SeqCst);
        Ok(())
    }

    /// Makes the content of all files durable.
    pub(crate) fn sync(&self, disk: &Disk) -> io::Result<()> {
        self.sync_log(disk)?;
        self.sync_indexes(disk)
    }

    /// Makes the content of the log durable.
    pub(crate) fn sync_log(&self, disk: &Disk) -> io::Result<()> {
        self.sync_file(disk, &self.log, SegmentFile::Log)
    }

    /// Makes the content of the indexes durable.
    pub(crate) fn sync_indexes(&self, disk: &Disk) -> io::Result<()> {
        self.sync_file(disk, &self.offset_index, SegmentFile::OffsetIndex)?;
        self.sync_file(disk, &self.time_index, SegmentFile::TimeIndex)
    }

    fn sync_file(&self, disk: &Disk, kept: &KeptFile, kind: SegmentFile) -> io::Result<()> {
        kept.sync(disk, || self.open(kind))
    }
}

/// A segment, with the part of its files that counts for the holder of this value.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) files: Arc<SegmentFiles>,
    /// Bytes of the log, a batch boundary.
    pub(crate) length: u64,
    pub(crate) offset_entries: u32,
    pub(crate) time_entries: u32,
    /// No offset of this segment is at or above this one.
    pub(crate) end: Offset,
    /// The largest timestamp, if it is known without the time index.
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

    /// The largest timestamp for retention: if no record has one, the modification time of the file.
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

    /// The position from which to search for `offset`. Without its index, a segment is searched from the start.
    pub(crate) fn walk_start(&self, offset: Offset) -> u64 {
        // waiting for the disk is allowed: then nothing fails
        self.walk_start_by(Access::Disk, offset).unwrap_or(0)
    }

    /// The same with the given access; an error only if it would block.
    pub(crate) fn walk_start_by(&self, access: Access, offset: Offset) -> io::Result<u64> {
        self.look_up(access, |index| {
            offset_index::floor(index, self.base(), self.offset_entries, offset)
        })
    }

    /// The greatest batch boundary in the index at or below `position`; an error only if the lookup would
    /// block.
    pub(crate) fn boundary_at_or_below(&self, access: Access, position: u64) -> io::Result<u64> {
        self.look_up(access, |index| {
            offset_index::floor_by_position(index, self.base(), self.offset_entries, position)
        })
    }

    /// The position of an index entry; 0 if there is none, or no index.
    fn look_up(
        &self,
        access: Access,
        entry: impl FnOnce(&Reading<'_>) -> io::Result<Option<OffsetEntry>>,
    ) -> io::Result<u64> {
        if self.offset_entries == 0 {
            return Ok(0);
        }
        let found = self.files.offset_index_by(access).and_then(|index| {
            let file = &*index;
            entry(&Reading { file, access })
        });
        match found {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            found => Ok(found
                .ok()
                .flatten()
                .map_or(0, |entry| entry.position)
                .min(self.length)),
        }
    }

    /// Whether its files are empty.
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0 && self.offset_entries == 0 && self.time_entries == 0
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
        Ok(Self::empty(files))
    }

    /// An empty segment.
    pub(crate) fn empty(files: SegmentFiles) -> Self {
        Self {
            length: 0,
            offset_entries: 0,
            time_entries: 0,
            end: files.base,
            known_largest: Some(TimeEntry::NONE),
            files: Arc::new(files),
        }
    }
}
