//! Loads the metadata log at the start. The whole log is checked before anything is changed.
//!
//! ```text
//!   snapshot of 4711          [.log 4000 ............][.log 5200 .........]
//!                             every batch whole, each where the one before it ends, no leadership coming back
//!   metadata-offset-checkpoint: 5310                                    ^ not below this
//! ```
//!
//! Only the last write may be flawed, torn by a crash. It was never answered, since each write is synced before that.
//! It is complete or it is cut off, and the offset that is known to be on the disk ([`super::committed`]) is not
//! above its beginning. Everything else is damage. If a start took a damaged log for a shorter one, topics and
//! configurations would be lost, and their partitions would be set aside. So the start ends with a line that names
//! the damage and its place.
//!
//! A damaged snapshot is skipped for an older one, or for the log from its first offset on, if the log reaches back
//! far enough. So is a snapshot that is older than its name says: the time of its last record is in its header, and
//! in the log.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{LeaderEpoch, Offset, Timestamp, TopicId};
use crate::log::names::{SegmentFile, SegmentFileName, Suffix};
use crate::log::plain_file;
use crate::metadata::{Loader, MetadataRecord};
use crate::record::{Batch, BatchHeader};

use super::batch_file::{BatchFile, Place, Step};
use super::error::MetadataLogError;
use super::feed::feed_batch;
use super::quorum::Quorum;
use super::quorum_state;
use super::snapshots::{self, Loaded, SnapshotName};

/// The metadata log, loaded.
pub(super) struct History {
    pub(super) loader: Loader,
    pub(super) quorum: Quorum,
    /// The newest leader epoch in the log.
    pub(super) epoch: LeaderEpoch,
    /// The first offset of the log, or of the log to be created.
    pub(super) start: Offset,
    /// The end offset.
    pub(super) end: Offset,
    /// The bytes of the log behind the loaded snapshot.
    pub(super) bytes: usize,
    /// Topics whose deletion was replayed.
    pub(super) deleted: HashSet<TopicId>,
}

/// What other files say about the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// Everything below was synced.
    pub(super) committed: Option<Offset>,
    /// The newest leader epoch.
    pub(super) epoch: Option<LeaderEpoch>,
}

impl History {
    /// Checks and loads the contents of `directory`; nothing is changed.
    pub(super) fn read(directory: &Path, expected: Expected) -> Result<Self, MetadataLogError> {
        let files = Files::list(directory)?;
        let checked = files.check(expected)?;
        let mut history = files.load_snapshot(directory, &checked)?;
        let mark = checked.marks.get(&history.end).copied();
        let mark = mark.unwrap_or_else(|| Mark::begin(files.first().unwrap_or_default()));
        for (base, path) in files.segments.range(mark.segment..) {
            let from = if *base == mark.segment {
                mark
            } else {
                Mark::begin(*base)
            };
            history.replay(path, from)?;
        }
        history.start = files.first().unwrap_or(history.start);
        history.end = history.end.max(checked.end);
        history.epoch = history.epoch.max(checked.epoch);
        history.loader.publish()?;
        Ok(history)
    }

    /// Feeds the part of a segment that is not loaded yet.
    fn replay(&mut self, path: &Path, from: Mark) -> Result<(), MetadataLogError> {
        let mut file = open(path, Place::beginning(from.offset, None))?;
        file.go_to(from.position)?;
        // damage was checked for before: a flaw here is a torn write
        while let Step::Batch(batch) = file.step()? {
            if batch.header.next_offset() > self.end {
                self.feed(&batch)?;
                self.bytes += batch.bytes.len();
                self.end = batch.header.next_offset();
            }
        }
        Ok(())
    }

    fn feed(&mut self, batch: &Batch) -> Result<(), MetadataLogError> {
        let (from, deleted) = (self.end, &mut self.deleted);
        feed_batch(&mut self.loader, &mut self.quorum, batch, from, |record| {
            if let MetadataRecord::RemoveTopic(removed) = record {
                deleted.insert(removed.topic_id);
            }
        })
    }
}

impl Place {
    /// The beginning of a log, in any leader epoch, up to the newest one if that is known.
    fn beginning(offset: Offset, newest: Option<LeaderEpoch>) -> Self {
        Self {
            offset,
            epoch: LeaderEpoch(0),
            last_epoch: newest.unwrap_or(LeaderEpoch(i32::MAX)),
        }
    }
}

/// The files of the log.
#[derive(Default)]
struct Files {
    /// By their first offsets.
    segments: BTreeMap<Offset, PathBuf>,
    /// Oldest first.
    snapshots: Vec<SnapshotName>,
    /// Whether the log was led before.
    was_led: bool,
}

/// A log without damage.
struct Checked {
    end: Offset,
    epoch: LeaderEpoch,
    /// For the ends of snapshots: finds the batch with the record before the end.
    marks: BTreeMap<Offset, Mark>,
}

/// A batch of the log.
#[derive(Clone, Copy)]
struct Mark {
    segment: Offset,
    position: u64,
    offset: Offset,
    /// The timestamp of its last record.
    time: Timestamp,
}

impl Mark {
    /// The first batch of a segment.
    const fn begin(segment: Offset) -> Self {
        Self {
            segment,
            position: 0,
            offset: segment,
            time: Timestamp(-1),
        }
    }
}

impl Files {
    /// The files in the directory. Entries with names of the log's files must be files.
    fn list(directory: &Path) -> Result<Self, MetadataLogError> {
        let mut files = Self::default();
        if !directory.try_exists()? {
            return Ok(files);
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let segment = SegmentFileName::parse(name);
            let snapshot = SnapshotName::parse(name);
            let is_small = [
                quorum_state::FILE,
                "partition.metadata",
                "leader-epoch-checkpoint",
            ]
            .contains(&name);
            if segment.is_none() && snapshot.is_none() && !is_small {
                continue;
            }
            let kind = entry.file_type()?;
            if !kind.is_file() {
                return Err(MetadataLogError::NotAFile {
                    path: entry.path(),
                    kind: plain_file::kind_of(kind),
                });
            }
            files.was_led |= name == quorum_state::FILE;
            files.snapshots.extend(snapshot);
            if let Some(SegmentFileName {
                offset,
                kind: SegmentFile::Log,
                suffix: Suffix::None,
            }) = segment
            {
                files.segments.insert(offset, entry.path());
            }
        }
        files.snapshots.sort_unstable();
        Ok(files)
    }

    /// The first offset of the log.
    fn first(&self) -> Option<Offset> {
        self.segments.keys().next().copied()
    }

    /// Reads all of the log.
    fn check(&self, expected: Expected) -> Result<Checked, MetadataLogError> {
        let mut place = Place::beginning(self.first().unwrap_or_default(), expected.epoch);
        let mut marks = BTreeMap::new();
        let last = self.segments.keys().next_back();
        for (base, path) in &self.segments {
            if *base != place.offset {
                return Err(MetadataLogError::Gap {
                    path: path.clone(),
                    from: place.offset,
                    to: *base,
                });
            }
            let mut file = open(path, place)?;
            loop {
                let position = file.position();
                match file.step()? {
                    Step::Batch(batch) => {
                        let mark = Mark {
                            segment: *base,
                            position,
                            offset: batch.header.base_offset,
                            time: batch.header.max_timestamp,
                        };
                        self.note(&batch.header, mark, &mut marks);
                    }
                    Step::End => break,
                    Step::Bad(flaw) => {
                        let is_last = Some(base) == last;
                        if is_last && flaw.may_be_torn && !file.has_batch_behind(&flaw)? {
                            break;
                        }
                        return Err(MetadataLogError::Damaged {
                            path: path.clone(),
                            position: flaw.position,
                            reason: flaw.reason,
                        });
                    }
                }
            }
            place = file.place();
        }
        let end = place.offset;
        if let Some(committed) = expected.committed.filter(|committed| *committed > end) {
            return Err(MetadataLogError::Short { end, committed });
        }
        Ok(Checked {
            end,
            epoch: place.epoch,
            marks,
        })
    }

    fn note(&self, header: &BatchHeader, mark: Mark, marks: &mut BTreeMap<Offset, Mark>) {
        let within = self.snapshots.iter().map(|name| name.end);
        let within = within.filter(|end| header.base_offset < *end && *end <= header.next_offset());
        marks.extend(within.map(|end| (end, mark)));
    }

    /// What the log continues: the newest valid snapshot, or nothing, if the log is complete from its first offset.
    fn load_snapshot(
        &self,
        directory: &Path,
        checked: &Checked,
    ) -> Result<History, MetadataLogError> {
        let first = self.first();
        for name in self.snapshots.iter().rev() {
            let path = directory.join(name.to_string());
            if first.is_some() && name.end > checked.end {
                let end = checked.end;
                return Err(MetadataLogError::BehindSnapshot { path, end });
            }
            if first.is_some_and(|first| first > name.end) {
                break;
            }
            match load(&path, *name, checked) {
                Ok(loaded) if first.is_none() => return self.without_log(*name, loaded),
                Ok(loaded) => return Ok(History::beginning(*name, loaded)),
                Err(error) => {
                    tracing::error!(snapshot = %path.display(), %error, "metadata snapshot cannot be used: trying the one before it");
                }
            }
        }
        match first {
            Some(first) if first > Offset::ZERO => Err(MetadataLogError::NoSnapshot { first }),
            None if self.was_led || !self.snapshots.is_empty() => Err(MetadataLogError::NoLog),
            _ => Ok(History::beginning(SnapshotName::FIRST, Loaded::default())),
        }
    }

    /// A snapshot and no log. Only Kafka's format tool leaves that.
    fn without_log(&self, name: SnapshotName, loaded: Loaded) -> Result<History, MetadataLogError> {
        if name.end > Offset::ZERO {
            tracing::error!(snapshot = %name, "the metadata log has no segment: starting from its snapshot; later changes are lost");
        } else if self.was_led {
            return Err(MetadataLogError::NoLog);
        }
        Ok(History::beginning(name, loaded))
    }
}

impl History {
    /// The contents of a snapshot.
    fn beginning(name: SnapshotName, loaded: Loaded) -> Self {
        Self {
            loader: Loader::new(loaded.image),
            quorum: loaded.quorum,
            epoch: name.epoch,
            start: name.end,
            end: name.end,
            bytes: 0,
            deleted: HashSet::new(),
        }
    }
}

/// A snapshot that is as new as the log says.
fn load(path: &Path, name: SnapshotName, checked: &Checked) -> Result<Loaded, MetadataLogError> {
    let loaded = snapshots::load(path, name)?;
    let written = checked.marks.get(&name.end).map(|mark| mark.time);
    if loaded.log_time < written {
        return Err(MetadataLogError::OldSnapshot);
    }
    Ok(loaded)
}

fn open(path: &Path, place: Place) -> Result<BatchFile, MetadataLogError> {
    BatchFile::open(path, place)
        .map_err(|error| MetadataLogError::of_file(path, error, "restore it from a copy"))
}

#[cfg(test)]
mod tests;
