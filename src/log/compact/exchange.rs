//! The part of the log's owner: creating a job, and replacing the original segments with its output.
//!
//! ```text
//!   0.log 0.index 0.timeindex   7.log 7.index ...          the originals
//!   0.log.cleaned ...                                      created empty here, written and synced by the job
//!   0.log.swap ...                                         from here on the exchange will be completed
//!   0.log.deleted ...           7.log.deleted ...
//!   0.log 0.index 0.timeindex                              and then the directory is synced
//! ```
//! When suffixes are stripped, the `.log` comes first: as long as it is a `.swap`, a start removes the plain
//! files of that range.

use std::fs::File;
use std::sync::Arc;

use crate::base::{Offset, Timestamp};
use crate::log::names::{SegmentFile, Suffix, with_suffix};
use crate::log::partition_log::{LogError, PartitionLog};
use crate::log::segment::{Segment, SegmentFiles};
use crate::log::txn_index::AbortedTransaction;

use super::CompactionLimits;
use super::assess::CleanableLog;
use super::job::{CompactionJob, CompactionStats};
use super::map::OffsetMap;
use super::transactions::Transactions;
use super::write::CleanedSegment;

/// Neighbouring segments that are rewritten into one.
#[derive(Clone, Debug)]
pub struct Group {
    pub(super) originals: Vec<Segment>,
    /// The number of truncations of the log before the job was created.
    pub(super) history: u64,
}

impl Group {
    /// The base of the first one, and of the new segment.
    pub fn base(&self) -> Offset {
        self.originals.first().map_or(Offset::NONE, Segment::base)
    }
}

/// The empty files into which a group is written.
#[derive(Debug)]
#[must_use = "the files stay until the log is told"]
pub struct CleanedFiles {
    pub(super) group: Group,
    pub(super) log: File,
    pub(super) offset_index: File,
    pub(super) time_index: File,
}

/// Every file that a cleaned segment may have.
const KINDS: [SegmentFile; 4] = SegmentFile::OF_SEGMENT;

impl PartitionLog {
    /// A compaction as `cleanable` says, if that is still valid. The recovery point that it was created with
    /// must be on disk. `secret` is a random number: whoever knows it could construct keys with the same hash.
    pub fn compaction_job(
        &mut self,
        cleanable: &CleanableLog,
        limits: CompactionLimits,
        secret: [u64; 2],
        now: Timestamp,
    ) -> Option<CompactionJob> {
        self.latest_time = self.latest_time.max(now);
        if self.disk.is_offline() {
            return None;
        }
        let stable = self.first_unstable(self.log_end).unwrap_or(self.log_end);
        let bound = cleanable.end.min(stable).min(self.recovery_point);
        let is_unsynced = |segment: &Segment| {
            let unsynced = &self.unsynced.segments;
            unsynced.iter().any(|files| files.base == segment.base())
        };
        let segments: Vec<Segment> = self
            .sealed
            .iter()
            .take_while(|segment| segment.end <= bound && !is_unsynced(segment))
            .cloned()
            .collect();
        let end = segments.last()?.end;
        if end <= cleanable.first_dirty {
            return None;
        }
        Some(CompactionJob {
            disk: self.disk.clone(),
            config: Arc::clone(&self.config),
            limits,
            segments,
            bases: self
                .sealed
                .iter()
                .chain(std::iter::once(&self.active.segment))
                .map(Segment::base)
                .collect(),
            first_dirty: cleanable.first_dirty,
            end,
            producers: self.producers.picture(),
            history: self.unsynced.history(),
            now,
            map: OffsetMap::new(limits.map_bytes, limits.map_load_factor, secret),
            transactions: Transactions::default(),
            done: 0,
            stats: CompactionStats::default(),
        })
    }

    /// Creates the files into which `group` is written; `None` if the log has changed meanwhile.
    pub fn create_cleaned(&self, group: Group) -> Result<Option<CleanedFiles>, LogError> {
        if self.place_of(&group).is_none() {
            return Ok(None);
        }
        let create = |kind: SegmentFile| {
            let path = kind.path(&self.directory, group.base());
            self.disk.create(&with_suffix(&path, Suffix::Cleaned))
        };
        let created = create(SegmentFile::Log).and_then(|log| {
            Ok((
                log,
                create(SegmentFile::OffsetIndex)?,
                create(SegmentFile::TimeIndex)?,
            ))
        });
        match created {
            Ok((log, offset_index, time_index)) => Ok(Some(CleanedFiles {
                group,
                log,
                offset_index,
                time_index,
            })),
            Err(error) => {
                // the files that could be created before the descriptors ran out
                self.discard_cleaned(group.base())?;
                Err(error.into())
            }
        }
    }

    /// Removes the files of an unfinished compaction.
    pub fn discard_cleaned(&self, base: Offset) -> Result<(), LogError> {
        if self.disk.is_offline() {
            return Ok(());
        }
        for kind in KINDS {
            let path = kind.path(&self.directory, base);
            self.disk.remove(&with_suffix(&path, Suffix::Cleaned))?;
        }
        Ok(())
    }

    /// Replaces the original segments by the cleaned one. False if they no longer exist or have changed: then
    /// nothing is done.
    pub fn compacted(&mut self, cleaned: CleanedSegment) -> Result<bool, LogError> {
        let base = cleaned.files.group.base();
        let Some(at) = self.place_of(&cleaned.files.group) else {
            self.discard_cleaned(base)?;
            return Ok(false);
        };
        if cleaned.is_same {
            self.discard_cleaned(base)?;
            return Ok(true);
        }
        let originals = &cleaned.files.group.originals;
        // steps that can fail for lack of a descriptor come before those that cannot be undone
        let prepared = self.prepare(originals, &cleaned.aborted);
        let names = match prepared {
            Ok(names) => names,
            Err(error) => {
                self.discard_cleaned(base)?;
                return Err(error);
            }
        };
        self.unsynced.note_names();
        let path =
            |kind: SegmentFile, suffix| with_suffix(&kind.path(&self.directory, base), suffix);
        let has = |kind| kind != SegmentFile::TransactionIndex || !cleaned.aborted.is_empty();
        for kind in KINDS.into_iter().filter(|kind| has(*kind)) {
            self.disk
                .rename(&path(kind, Suffix::Cleaned), &path(kind, Suffix::Swap))?;
        }
        self.disk.sync_open_directory(&names, &self.directory)?;
        self.mark_originals_deleted(originals)?;
        let path =
            |kind: SegmentFile, suffix| with_suffix(&kind.path(&self.directory, base), suffix);
        for kind in KINDS.into_iter().filter(|kind| has(*kind)) {
            self.disk
                .rename(&path(kind, Suffix::Swap), &path(kind, Suffix::None))?;
        }
        self.disk.sync_open_directory(&names, &self.directory)?;
        self.unsynced.names_synced();

        let segment = Segment {
            files: Arc::new(SegmentFiles::new(Arc::clone(&self.directory), base, false)),
            length: cleaned.length,
            offset_entries: cleaned.offset_entries,
            time_entries: cleaned.time_entries,
            end: originals.last().map_or(base, |last| last.end),
            known_largest: Some(cleaned.largest),
        };
        let places = at..at + originals.len();
        Arc::make_mut(&mut self.sealed).splice(places, [segment]);
        self.sealed_bytes = self.sealed.iter().map(|segment| segment.length).sum();
        Ok(true)
    }

    /// The index of a group's originals among the closed segments, if the log was not truncated since.
    fn place_of(&self, group: &Group) -> Option<usize> {
        if self.disk.is_offline() || group.history != self.unsynced.history() {
            return None;
        }
        let at = self
            .sealed
            .partition_point(|segment| segment.base() < group.base());
        let found = self.sealed.get(at..at + group.originals.len())?;
        let mut pairs = found.iter().zip(&group.originals);
        let same = pairs.all(|(one, other)| Arc::ptr_eq(&one.files, &other.files));
        (same && !group.originals.is_empty()).then_some(at)
    }

    /// Opens the files that readers of older views need, writes the index of aborted transactions, and opens
    /// the directory.
    fn prepare(
        &mut self,
        originals: &[Segment],
        aborted: &[AbortedTransaction],
    ) -> Result<File, LogError> {
        self.unlink_names_for(originals)?;
        for original in originals {
            original.files.retire_for_others()?;
        }
        if let Some(first) = originals.first().filter(|_| !aborted.is_empty()) {
            let path = first.files.path(SegmentFile::TransactionIndex);
            let file = self.disk.create(&with_suffix(&path, Suffix::Cleaned))?;
            let bytes: Vec<u8> = aborted
                .iter()
                .flat_map(AbortedTransaction::encode)
                .collect();
            self.disk.write_at(&file, &bytes, 0)?;
            self.disk.sync(&file)?;
        }
        Ok(self.disk.open_directory(&self.directory)?)
    }

    /// Unlinks the files of an earlier compaction that still have the names that the originals will get.
    fn unlink_names_for(&mut self, originals: &[Segment]) -> Result<(), LogError> {
        for original in originals {
            for kind in KINDS {
                let name = with_suffix(&original.files.path(kind), Suffix::Deleted);
                if let Some(at) = self
                    .deleted_files
                    .iter()
                    .position(|(_, path)| *path == name)
                {
                    self.deleted_files.swap_remove(at);
                    self.disk.remove(&name)?;
                }
            }
        }
        Ok(())
    }

    /// Renames the originals to `.deleted`, and the snapshots between them, since no segment begins there now.
    fn mark_originals_deleted(&mut self, originals: &[Segment]) -> Result<(), LogError> {
        let delay = self.config.file_delete_delay_ms;
        let due = self.latest_time.plus_millis(delay);
        for original in originals {
            for kind in KINDS {
                self.mark_file_deleted(&original.files.path(kind), due)?;
            }
        }
        for original in originals.iter().skip(1) {
            self.mark_snapshot_deleted(original.base(), due)?;
        }
        Ok(())
    }
}
