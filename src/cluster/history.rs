//! The metadata log as a start finds it: checked as a whole before anything is changed, then loaded.
//!
//! ```text
//!   snapshot of 4711          [.log 4000 ............][.log 5200 .........]
//!                             every batch whole, each where the one before it ends, no leadership coming back
//!   metadata-offset-checkpoint: 5310                                    ^ not below this
//! ```
//!
//! What may be wrong is only the last write, which a crash has torn: it was never answered, since each write is synced
//! before that. It is whole or it is cut, and what was known to be on the disk ([`super::committed`]) does not end before
//! it. Everything else is damage. A start that took a damaged log for a shorter one would have topics and
//! configurations be gone, and set their partitions aside; so it ends with a line that says what is wrong where.
//!
//! A snapshot that is damaged is passed over for an older one, or for the log from its first offset on, if that reaches
//! far enough back. So is one that is older than its name says: the time of its last record is in its header, and in
//! the log.

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
    /// The newest leadership that has written something.
    pub(super) epoch: LeaderEpoch,
    /// Where it begins, or is to begin if there is none.
    pub(super) start: Offset,
    /// Where it ends.
    pub(super) end: Offset,
    /// Bytes of the log behind what was loaded of a snapshot.
    pub(super) bytes: usize,
    /// Topics whose deletion has been replayed.
    pub(super) deleted: HashSet<TopicId>,
}

/// What is known of the log from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    /// Everything below was synced.
    pub(super) committed: Option<Offset>,
    /// The newest leadership.
    pub(super) epoch: Option<LeaderEpoch>,
}

impl History {
    /// Checks and loads what is in `directory`; nothing is changed.
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

    /// Feeds what stands in a segment and is not known yet.
    fn replay(&mut self, path: &Path, from: Mark) -> Result<(), MetadataLogError> {
        let mut file = open(path, Place::beginning(from.offset, None))?;
        file.go_to(from.position)?;
        // what is bad was looked at before: it is torn
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
    /// The begin of a log, in whichever leadership, up to the newest one where that is known.
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
    /// Whether there was a leadership.
    was_led: bool,
}

/// A log without damage.
struct Checked {
    end: Offset,
    epoch: LeaderEpoch,
    /// For ends of snapshots: the batch with the record before it.
    marks: BTreeMap<Offset, Mark>,
}

/// A batch of the log.
#[derive(Clone, Copy)]
struct Mark {
    segment: Offset,
    position: u64,
    offset: Offset,
    /// When its last record was written.
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
    /// The files in the directory. Those of our names must be files.
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

    /// Where the log begins.
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

    /// What the log goes on from: the newest snapshot that holds what its name says, or nothing, where the log is
    /// there from its begin.
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

    /// A snapshot and no log, as Kafka's format tool leaves them, and as nobody else does.
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
    /// What a snapshot holds.
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

/// A snapshot that is not older than the log says.
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
