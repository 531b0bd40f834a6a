//! The catalogue of a replica directory: passes 1 to 3 of opening (see `recover`).

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::base::Offset;
use crate::record::HEADER_SIZE;

use super::disk::Disk;
use super::names::{self, SegmentFile, SegmentFileName, Suffix};
use super::partition_log::LogError;
use super::replica_directory::{Listing, ReplicaDirectory};
use super::scan::HeaderWalk;
use super::segment::{Segment, SegmentFiles};
use super::{epochs, offset_index, partition_metadata, time_index};

/// A segment's files as the catalogue found them.
pub(super) struct Found {
    pub(super) base: Offset,
    pub(super) length: u64,
    /// Sizes of the indexes that exist.
    offset_index: Option<u64>,
    time_index: Option<u64>,
    pub(super) has_transaction_index: bool,
}

impl Found {
    /// Whether both indexes exist, with whole entries and no more of them than there can be batches.
    pub(super) fn indexes_are_plausible(&self) -> bool {
        let most = self.length / HEADER_SIZE as u64 + 1;
        let whole = |size: Option<u64>, entry_size: usize| {
            let entry_size = entry_size as u64;
            size.is_some_and(|size| size % entry_size == 0 && size / entry_size <= most)
        };
        whole(self.offset_index, offset_index::ENTRY_SIZE)
            && whole(self.time_index, time_index::ENTRY_SIZE)
    }

    /// Whether the segment is empty, and its indexes agree: there is nothing to read.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0 && self.offset_index == Some(0) && self.time_index == Some(0)
    }

    /// The segment as its files say.
    pub(super) fn load(&self, directory: &Arc<Path>, end: Offset) -> Segment {
        let entries = |size: Option<u64>, entry_size: usize| {
            u32::try_from(size.unwrap_or(0) / entry_size as u64).unwrap_or(u32::MAX)
        };
        Segment {
            files: Arc::new(SegmentFiles::new(Arc::clone(directory), self.base, false)),
            length: self.length,
            offset_entries: entries(self.offset_index, offset_index::ENTRY_SIZE),
            time_entries: entries(self.time_index, time_index::ENTRY_SIZE),
            end,
            known_largest: None,
        }
    }
}

/// What passes 1 to 3 find.
pub(super) struct Catalogue {
    pub(super) segments: Vec<Found>,
    pub(super) snapshots: BTreeSet<Offset>,
    /// Whether a file that matters was renamed or removed.
    pub(super) is_changed: bool,
    pub(super) has_topic_id: bool,
    pub(super) has_epochs: bool,
    /// Segments whose log is missing although an index of it has entries.
    pub(super) without_log: Vec<Offset>,
    /// Segments that were being removed, by the names of their logs.
    pub(super) deleted: Vec<Offset>,
    /// The ranges of offsets that earlier starts have set aside.
    pub(super) set_aside: Vec<(Offset, Offset)>,
}

/// The files of a replica directory.
pub(super) struct Files<'a> {
    pub(super) disk: &'a Disk,
    pub(super) directory: &'a Path,
    pub(super) opened: &'a ReplicaDirectory,
}

impl Files<'_> {
    /// Passes 1 to 3.
    pub(super) fn look_through(&self) -> Result<Catalogue, LogError> {
        let mut names = self.names()?;
        let deleted = names.with(Suffix::Deleted);
        let deleted = deleted.filter(|(_, file)| file.kind == SegmentFile::Log);
        let deleted: Vec<Offset> = deleted.map(|(_, file)| file.offset).collect();
        let mut is_changed = false;
        if names.has_suffixes() {
            self.sweep(&names)?;
            names = self.names()?;
        }
        if names.has_suffixes() {
            self.complete_swaps(&names)?;
            is_changed = true;
            names = self.names()?;
        }
        let found = self.catalogue(&names, &deleted)?;
        Ok(Catalogue {
            is_changed: is_changed || found.is_changed,
            deleted,
            ..found
        })
    }

    /// The names in the directory. Something that has the name of a file but is not a file must not count as missing:
    /// its content is unknown, and a new file must not be created in its place.
    fn names(&self) -> Result<Names, LogError> {
        let Listing { files, others } = self.opened.list()?;
        for (name, what) in others {
            let is_ours = SegmentFileName::parse(&name).is_some()
                || [partition_metadata::FILE_NAME, epochs::FILE_NAME].contains(&&*name);
            if is_ours {
                return Err(LogError::NotAFile {
                    path: self.directory.join(name),
                    what,
                });
            }
        }
        Ok(Names::of(files))
    }

    fn remove(&self, name: &str) -> Result<(), LogError> {
        Ok(self.disk.remove(&self.directory.join(name))?)
    }

    /// Pass 1.
    fn sweep(&self, names: &Names) -> Result<(), LogError> {
        // before the logs, whose names show why these have none
        for (name, file) in names.with(Suffix::None) {
            if file.kind.is_index() && names.has_only_deleted_log(file.offset) {
                self.remove(name)?;
            }
        }
        for name in &names.unfinished {
            self.remove(name)?;
        }
        let cleaned = names.with(Suffix::Cleaned);
        let lowest_cleaned = cleaned.map(|(_, file)| file.offset).min();
        for (name, file) in &names.segment_files {
            let stale = match file.suffix {
                Suffix::None => false,
                Suffix::Deleted | Suffix::Cleaned => true,
                // not all files of the set are complete: the originals still exist
                Suffix::Swap => lowest_cleaned.is_some_and(|lowest| file.offset >= lowest),
            };
            if stale {
                self.remove(name)?;
            }
        }
        Ok(())
    }

    /// Pass 2.
    fn complete_swaps(&self, names: &Names) -> Result<(), LogError> {
        let mut replaced: Option<(Offset, Offset)> = None;
        for (name, file) in names.with(Suffix::Swap) {
            if file.kind == SegmentFile::Log {
                let next = next_offset(&self.directory.join(name), file.offset)?;
                // the segment of that name goes even if nothing is left of it
                let next = next.max(file.offset.next());
                let (from, to) = replaced.unwrap_or((file.offset, next));
                replaced = Some((from.min(file.offset), to.max(next)));
            }
        }
        if let Some((from, to)) = replaced {
            for (name, file) in names.with(Suffix::None) {
                if (from..to).contains(&file.offset) {
                    self.remove(name)?;
                }
            }
        }
        for (name, _) in names.with(Suffix::Swap) {
            if let Some(plain) = name.strip_suffix(Suffix::Swap.text()) {
                self.disk
                    .rename(&self.directory.join(name), &self.directory.join(plain))?;
            }
        }
        Ok(())
    }

    /// Pass 3.
    fn catalogue(&self, names: &Names, deleted: &[Offset]) -> Result<Catalogue, LogError> {
        let mut segments: Vec<Found> = Vec::new();
        for (name, file) in &names.segment_files {
            if file.kind == SegmentFile::Log {
                segments.push(Found {
                    base: file.offset,
                    length: self.opened.length(name)?,
                    offset_index: None,
                    time_index: None,
                    has_transaction_index: false,
                });
            }
        }
        let mut snapshots = BTreeSet::new();
        let mut is_changed = false;
        let mut without_log = Vec::new();
        for (name, file) in &names.segment_files {
            let at = segments
                .binary_search_by_key(&file.offset, |segment| segment.base)
                .ok();
            let segment = at.and_then(|at| segments.get_mut(at));
            match (file.kind, segment) {
                (SegmentFile::Log, _) => {}
                (SegmentFile::ProducerSnapshot, _) => {
                    snapshots.insert(file.offset);
                }
                (SegmentFile::TransactionIndex, Some(segment)) => {
                    segment.has_transaction_index = true;
                }
                (SegmentFile::OffsetIndex, Some(segment)) => {
                    segment.offset_index = Some(self.opened.length(name)?);
                }
                (SegmentFile::TimeIndex, Some(segment)) => {
                    segment.time_index = Some(self.opened.length(name)?);
                }
                // A crash leaves an index without its log when the log was renamed, or was not made yet.
                (_, None) if deleted.contains(&file.offset) || self.opened.length(name)? == 0 => {
                    self.remove(name)?;
                    is_changed = true;
                }
                (_, None) => without_log.push(file.offset),
            }
        }
        without_log.dedup();
        is_changed |= self.remove_stray_snapshots(&segments, &mut snapshots)?;
        Ok(Catalogue {
            segments,
            snapshots,
            is_changed,
            has_topic_id: names.has_topic_id,
            has_epochs: names.has_epochs,
            without_log,
            deleted: Vec::new(),
            set_aside: names.set_aside.clone(),
        })
    }

    /// Keeps snapshots at the base of a segment, and one above all segments. Whether others were removed.
    fn remove_stray_snapshots(
        &self,
        found: &[Found],
        snapshots: &mut BTreeSet<Offset>,
    ) -> Result<bool, LogError> {
        let last_base = found.last().map(|segment| segment.base);
        let newest = snapshots
            .last()
            .copied()
            .filter(|newest| Some(*newest) > last_base);
        let stray: Vec<Offset> = snapshots
            .iter()
            .copied()
            .filter(|offset| {
                Some(*offset) != newest
                    && found
                        .binary_search_by_key(offset, |segment| segment.base)
                        .is_err()
            })
            .collect();
        for offset in &stray {
            snapshots.remove(offset);
            self.disk
                .remove(&SegmentFile::ProducerSnapshot.path(self.directory, *offset))?;
        }
        Ok(!stray.is_empty())
    }
}

/// The names in a replica directory that have a meaning.
struct Names {
    /// In the order of their names.
    segment_files: Vec<(String, SegmentFileName)>,
    has_topic_id: bool,
    has_epochs: bool,
    set_aside: Vec<(Offset, Offset)>,
    /// Unfinished copies of records that were being set aside.
    unfinished: Vec<String>,
}

impl Names {
    fn of(files: Vec<String>) -> Self {
        let mut sorted = Self {
            segment_files: Vec::with_capacity(files.len()),
            has_topic_id: false,
            has_epochs: false,
            set_aside: Vec::new(),
            unfinished: Vec::new(),
        };
        for name in files {
            match SegmentFileName::parse(&name) {
                Some(file) => sorted.segment_files.push((name, file)),
                None if name == partition_metadata::FILE_NAME => sorted.has_topic_id = true,
                None if name == epochs::FILE_NAME => sorted.has_epochs = true,
                None => match name.strip_suffix(Suffix::Cleaned.text()) {
                    Some(whole) if names::parse_set_aside(whole).is_some() => {
                        sorted.unfinished.push(name);
                    }
                    _ => sorted.set_aside.extend(names::parse_set_aside(&name)),
                },
            }
        }
        sorted
    }

    fn with(&self, suffix: Suffix) -> impl Iterator<Item = &(String, SegmentFileName)> {
        let files = self.segment_files.iter();
        files.filter(move |(_, file)| file.suffix == suffix)
    }

    /// Whether the log of the segment at `base` was renamed for removal, and no other has replaced it.
    fn has_only_deleted_log(&self, base: Offset) -> bool {
        let has_log = |suffix| {
            let mut logs = self.with(suffix);
            logs.any(|(_, file)| file.kind == SegmentFile::Log && file.offset == base)
        };
        has_log(Suffix::Deleted) && !has_log(Suffix::None) && !has_log(Suffix::Swap)
    }

    fn has_suffixes(&self) -> bool {
        let mut files = self.segment_files.iter();
        files.any(|(_, file)| file.suffix != Suffix::None) || !self.unfinished.is_empty()
    }
}

/// The offset after the last batch of a log file; `base` if it has none.
fn next_offset(path: &Path, base: Offset) -> Result<Offset, LogError> {
    let file = File::open(path)?;
    let mut walk = HeaderWalk::new(&file, 0, file.metadata()?.len());
    let mut next = base;
    while let Some(located) = walk.next_good()? {
        next = located.header.next_offset();
    }
    Ok(next)
}
