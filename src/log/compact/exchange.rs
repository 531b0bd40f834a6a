//! The owner's part: making a job, and putting its output in the place of what it was made of.
//!
//! ```text
//!   0.log 0.index 0.timeindex   7.log 7.index ...          the originals
//!   0.log.cleaned ...                                      made empty here, written and synced by the job
//!   0.log.swap ...                                         from here on the exchange will be completed
//!   0.log.deleted ...           7.log.deleted ...
//!   0.log 0.index 0.timeindex                              and then the directory is synced
//! ```
//! The log goes first where suffixes are stripped: as long as it is a `.swap`, a start removes the plain
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

/// Neighbouring segments that become one.
#[derive(Clone, Debug)]
pub struct Group {
    pub(super) originals: Vec<Segment>,
    /// The truncations of the log before the job was made.
    pub(super) history: u64,
}

impl Group {
    /// The base of the first one, and of what they become.
    pub fn base(&self) -> Offset {
        self.originals.first().map_or(Offset::NONE, Segment::base)
    }
}

/// The files that a group is to be written into, empty.
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
    /// A compaction of what `cleanable` says, if that still holds. The recovery point that it was made with
    /// must be on disk. `secret` is a random number: who knows it can make keys that are taken for one.
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
        let stable = self.first_unstable().unwrap_or(self.log_end);
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

    /// Makes the files that `group` is to be written into; `None` when the log has changed meanwhile.
    pub fn create_cleaned(&mut self, group: Group) -> Result<Option<CleanedFiles>, LogError> {
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
                // those that there was a descriptor for
                self.discard_cleaned(group.base())?;
                Err(error.into())
            }
        }
    }

    /// Removes the files of a compaction that has not come to its end.
    pub fn discard_cleaned(&mut self, base: Offset) -> Result<(), LogError> {
        if self.disk.is_offline() {
            return Ok(());
        }
        for kind in KINDS {
            let path = kind.path(&self.directory, base);
            self.disk.remove(&with_suffix(&path, Suffix::Cleaned))?;
        }
        Ok(())
    }

    /// Puts a cleaned segment in the place of its originals. False when they are not there any more, or not
    /// what they were: then nothing is changed.
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
        // what may fail for want of a descriptor comes before what cannot be taken back
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
        self.doom_originals(originals)?;
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

    /// Where the originals of a group are among the closed segments, if the log has not been cut since.
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

    /// Opens what readers of older views will ask for, writes the index of aborted transactions, and opens
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

    /// Unlinks the files of an earlier compaction that still have the names which the originals are to get.
    fn unlink_names_for(&mut self, originals: &[Segment]) -> Result<(), LogError> {
        for original in originals {
            for kind in KINDS {
                let name = with_suffix(&original.files.path(kind), Suffix::Deleted);
                if let Some(at) = self.doomed.iter().position(|(_, path)| *path == name) {
                    self.doomed.swap_remove(at);
                    self.disk.remove(&name)?;
                }
            }
        }
        Ok(())
    }

    /// Renames the originals to `.deleted`, and the snapshots between them: none begins there any more.
    fn doom_originals(&mut self, originals: &[Segment]) -> Result<(), LogError> {
        let delay = self.config.file_delete_delay_ms;
        let due = self.latest_time.plus_millis(delay);
        for original in originals {
            for kind in KINDS {
                self.doom_file(&original.files.path(kind), due)?;
            }
        }
        for original in originals.iter().skip(1) {
            self.doom_snapshot(original.base(), due)?;
        }
        Ok(())
    }
}
