//! What is in a replica directory: passes 1 to 3 of opening (see `recover`).

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::base::Offset;

use super::disk::Disk;
use super::names::{SegmentFile, SegmentFileName, Suffix};
use super::partition_log::LogError;
use super::scan::HeaderWalk;
use super::segment::{Segment, SegmentFiles};
use super::{offset_index, time_index};

/// A segment's files as the catalogue found them.
pub(super) struct Found {
    pub(super) base: Offset,
    pub(super) length: u64,
    /// Sizes of the indexes that are there.
    offset_index: Option<u64>,
    time_index: Option<u64>,
}

impl Found {
    /// Whether both indexes are there and hold whole entries.
    pub(super) fn indexes_are_plausible(&self) -> bool {
        let whole = |size: Option<u64>, entry_size: usize| {
            size.is_some_and(|size| size % entry_size as u64 == 0)
        };
        whole(self.offset_index, offset_index::ENTRY_SIZE)
            && whole(self.time_index, time_index::ENTRY_SIZE)
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

/// The files of a replica directory.
pub(super) struct Files<'a> {
    pub(super) disk: &'a Disk,
    pub(super) directory: &'a Path,
}

impl Files<'_> {
    fn file_names(&self) -> Result<Vec<String>, LogError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.directory)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn segment_files(&self) -> Result<Vec<(String, SegmentFileName)>, LogError> {
        let names = self.file_names()?;
        let parsed = names.into_iter().filter_map(|name| {
            let file = SegmentFileName::parse(&name)?;
            Some((name, file))
        });
        Ok(parsed.collect())
    }

    fn remove(&self, name: &str) -> Result<(), LogError> {
        Ok(self.disk.remove(&self.directory.join(name))?)
    }

    /// Pass 1.
    pub(super) fn sweep(&self) -> Result<(), LogError> {
        let files = self.segment_files()?;
        let lowest_cleaned = files
            .iter()
            .filter(|(_, file)| file.suffix == Suffix::Cleaned)
            .map(|(_, file)| file.offset)
            .min();
        for (name, file) in &files {
            let stale = match file.suffix {
                Suffix::None => false,
                Suffix::Deleted | Suffix::Cleaned => true,
                // a set whose parts are not all finished: the originals are still there
                Suffix::Swap => lowest_cleaned.is_some_and(|lowest| file.offset >= lowest),
            };
            if stale {
                self.remove(name)?;
            }
        }
        Ok(())
    }

    /// Pass 2.
    pub(super) fn complete_swaps(&self) -> Result<(), LogError> {
        let files = self.segment_files()?;
        let mut replaced: Option<(Offset, Offset)> = None;
        for (name, file) in files.iter().filter(|(_, file)| file.suffix == Suffix::Swap) {
            if file.kind == SegmentFile::Log {
                let next = next_offset(&self.directory.join(name), file.offset)?;
                // the segment of that name goes even if nothing is left of it
                let next = next.max(file.offset.next());
                let (from, to) = replaced.unwrap_or((file.offset, next));
                replaced = Some((from.min(file.offset), to.max(next)));
            }
        }
        if let Some((from, to)) = replaced {
            for (name, file) in files.iter().filter(|(_, file)| file.suffix == Suffix::None) {
                if (from..to).contains(&file.offset) {
                    self.remove(name)?;
                }
            }
        }
        for (name, _) in files.iter().filter(|(_, file)| file.suffix == Suffix::Swap) {
            if let Some(plain) = name.strip_suffix(Suffix::Swap.text()) {
                self.disk
                    .rename(&self.directory.join(name), &self.directory.join(plain))?;
            }
        }
        Ok(())
    }

    /// Pass 3.
    pub(super) fn catalogue(&self) -> Result<(Vec<Found>, BTreeSet<Offset>), LogError> {
        let files = self.segment_files()?;
        let mut found: Vec<Found> = Vec::new();
        for (name, file) in &files {
            if file.kind == SegmentFile::Log {
                let length = self.directory.join(name).metadata()?.len();
                found.push(Found {
                    base: file.offset,
                    length,
                    offset_index: None,
                    time_index: None,
                });
            }
        }
        let mut snapshots = BTreeSet::new();
        for (name, file) in &files {
            let at = found
                .binary_search_by_key(&file.offset, |segment| segment.base)
                .ok();
            let segment = at.and_then(|at| found.get_mut(at));
            match (file.kind, segment) {
                (SegmentFile::Log, _) | (SegmentFile::TransactionIndex, Some(_)) => {}
                (SegmentFile::ProducerSnapshot, _) => {
                    snapshots.insert(file.offset);
                }
                (SegmentFile::OffsetIndex, Some(segment)) => {
                    segment.offset_index = Some(self.directory.join(name).metadata()?.len());
                }
                (SegmentFile::TimeIndex, Some(segment)) => {
                    segment.time_index = Some(self.directory.join(name).metadata()?.len());
                }
                (_, None) => self.remove(name)?,
            }
        }
        self.remove_stray_snapshots(&found, &mut snapshots)?;
        Ok((found, snapshots))
    }

    /// Snapshots count where a segment begins; one more counts above all segments.
    fn remove_stray_snapshots(
        &self,
        found: &[Found],
        snapshots: &mut BTreeSet<Offset>,
    ) -> Result<(), LogError> {
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
        for offset in stray {
            snapshots.remove(&offset);
            self.disk
                .remove(&SegmentFile::ProducerSnapshot.path(self.directory, offset))?;
        }
        Ok(())
    }
}

/// The offset behind the last batch of a log file; `base` when it has none.
fn next_offset(path: &Path, base: Offset) -> Result<Offset, LogError> {
    let file = File::open(path)?;
    let mut walk = HeaderWalk::new(&file, 0, file.metadata()?.len());
    let mut next = base;
    while let Some(located) = walk.next_good()? {
        next = located.header.next_offset();
    }
    Ok(next)
}
