//! Opening a replica directory: load what a clean stop left, mend what a crash left.
//!
//! 1. Sweep: remove `.deleted` and `.cleaned` files, and `.swap` files that belong to an unfinished set.
//! 2. Complete swaps: remove the segments that a finished compaction replaces, put its output in place.
//! 3. Catalogue: list the segments by their logs; remove indexes without a log.
//! 4. Scan, after an unclean stop, everything from the recovery point on, and the end of the segment before it:
//!    check each batch, bring the indexes in line. Of a segment that lies below the recovery point or holds it, what lies
//!    below is trusted (see `trusted_part`): there, and after a clean stop, each segment is only asked where it ends
//!    (`reach`), and indexes that are missing or do not fit are rebuilt.
//!    Below what was acknowledged, a batch that is not whole is damage, and what is whole around it stays. Above it the log
//!    ends before the first bad batch or gap: what is whole behind that is set aside (`aside`), what is torn is cut.
//! 5. Start anew at the log start when the log ends below it, and nothing was ever written above it.
//! 6. Load the tail of the active segment. Where the checkpoints, or what was set aside, know of higher offsets than
//!    the log holds, it is closed as it is and the log goes on at the highest of them.
//! 7. Bring the leader epochs in line with what is there; their file follows later where it may (`epochs_file`).
//! 8. Load the producers from the highest good snapshot, look up their older batches in the log below it,
//!    and replay the batches above it.
//!
//! The recovery point is never raised here: nothing was synced.

mod aside;
mod end;
mod segments;

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Offset, TopicPartition};

use super::active::{ActiveSegment, index_interval};
use super::catalogue::{Catalogue, Files, Found};
use super::disk::Disk;
use super::epochs::{self, LeaderEpochs};
use super::epochs_file::EpochsFile;
use super::names::SegmentFile;
use super::partition_log::{LogError, OpenOptions, PartitionLog, RecoveryReport};
use super::partition_metadata;
use super::producer::{ProducerLoader, ProducerTable};
use super::reader::RecentBatches;
use super::rebuild::{Tail, load_tail};
use super::replica_directory::ReplicaDirectory;
use super::roll::Jitter;
use super::segment::{Segment, SegmentFiles};
use super::sync_job::{Synced, Unsynced};

pub(super) fn open(
    directory: &Path,
    topic_partition: TopicPartition,
    options: OpenOptions,
) -> Result<(PartitionLog, RecoveryReport), LogError> {
    let opened = match ReplicaDirectory::open(directory)? {
        Some(opened) => opened,
        None => create_directory(&options.disk, directory)?,
    };
    let mut recovery = Recovery {
        directory: Arc::from(directory),
        options,
        report: RecoveryReport::default(),
        unsynced: Vec::new(),
    };
    let log = recovery.run(&opened, topic_partition)?;
    Ok((log, recovery.report))
}

/// The snapshots that are not known to be synced, of which `written` are new.
fn unsynced_snapshots(
    written: Vec<Offset>,
    snapshots: &BTreeSet<Offset>,
    recovery_point: Offset,
) -> Vec<Offset> {
    let above = snapshots.range(recovery_point.next()..).copied();
    let below = written.into_iter();
    let below = below.filter(|offset| *offset <= recovery_point);
    below.chain(above).collect()
}

fn create_directory(disk: &Disk, directory: &Path) -> Result<ReplicaDirectory, LogError> {
    disk.create_directory(directory)?;
    if let Some(parent) = directory.parent() {
        disk.sync_directory(parent)?;
    }
    let opened = ReplicaDirectory::open(directory)?;
    Ok(opened.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?)
}

/// What is in the directory, and what looking through it has made of it.
struct Contents<'a> {
    topic_partition: &'a TopicPartition,
    found: &'a [Found],
    snapshots: &'a mut BTreeSet<Offset>,
    epochs: LeaderEpochs,
    /// Segments that have indexes and no log.
    without_log: &'a [Offset],
    /// What is set aside: from this offset up to that one.
    set_aside: Vec<(Offset, Offset)>,
    /// Only there to be used again.
    buffer: Vec<u8>,
}

impl Contents<'_> {
    /// Whether these offsets are missing because something was set aside there.
    fn was_set_aside(&self, gap: &Range<Offset>) -> bool {
        let mut ranges = self.set_aside.iter();
        ranges.any(|(first, end)| *first < gap.end && gap.start < *end)
    }

    /// The first segment without a log that begins there.
    fn without_log_in(&self, gap: &Range<Offset>) -> Option<Offset> {
        let mut bases = self.without_log.iter();
        bases.find(|base| gap.contains(base)).copied()
    }
}

struct Recovery {
    directory: Arc<Path>,
    options: OpenOptions,
    report: RecoveryReport,
    /// Segments whose files were changed here.
    unsynced: Vec<Arc<SegmentFiles>>,
}

impl Recovery {
    fn run(
        &mut self,
        opened: &ReplicaDirectory,
        topic_partition: TopicPartition,
    ) -> Result<PartitionLog, LogError> {
        let files = Files {
            disk: &self.options.disk,
            directory: &self.directory,
            opened,
        };
        let Catalogue {
            segments: found,
            mut snapshots,
            is_changed,
            has_topic_id,
            has_epochs,
            without_log,
            deleted,
            set_aside,
        } = files.look_through()?;
        let found_snapshots = snapshots.clone();
        self.check_topic_id(opened, has_topic_id)?;
        let found_epochs = self.load_epochs(opened, has_epochs)?;
        self.remember_set_aside(&set_aside);
        let mut contents = Contents {
            topic_partition: &topic_partition,
            found: &found,
            snapshots: &mut snapshots,
            epochs: found_epochs.clone().unwrap_or_default(),
            without_log: &without_log,
            set_aside,
            buffer: Vec::new(),
        };
        let mut segments = self.scan(&mut contents)?;
        let Contents {
            mut epochs,
            set_aside,
            ..
        } = contents;
        let is_scanned = !self.unsynced.is_empty();
        let last = segments.pop();
        let is_new = last.is_none();
        let mut tail = self.tail(last.as_ref())?;

        // 5.
        let checkpointed = self.options.log_start;
        let goes_on_at = self.goes_on_at(&set_aside);
        self.refuse_impossible_start(tail.as_ref(), goes_on_at)?;
        if let Some(ended) =
            tail.take_if(|tail| tail.active.segment.end < checkpointed && goes_on_at < checkpointed)
        {
            segments.push(ended.active.segment);
            self.start_anew(&mut segments, &mut snapshots)?;
            epochs = LeaderEpochs::default();
        }

        // 6.
        let content_end = tail.as_ref().map(|tail| tail.active.segment.end);
        let first_epoch = found_epochs.as_ref().and_then(LeaderEpochs::first_offset);
        let is_short = self.close_short(
            &mut tail,
            &mut segments,
            &without_log,
            (goes_on_at, first_epoch),
        )?;
        let mut jitter = Jitter::new(self.options.jitter_seed);
        let Tail {
            active,
            recent,
            mended,
            ..
        } = self.active(tail, goes_on_at, jitter.next_ms(&self.options.config))?;
        let log_end = active.segment.end;
        let first_base = segments.first().unwrap_or(&active.segment).base();
        let log_start = checkpointed.max(first_base);
        // Whoever removes segments writes the epochs down: a file without any is of a log that was never cut in front.
        let is_uncut = found_epochs.is_some()
            && self.options.recovery_point == Offset::ZERO
            && self.known_end() > Offset::ZERO;
        let first_known = first_epoch.or_else(|| is_uncut.then_some(Offset::ZERO));
        let first_known = first_known.filter(|_| !is_new);
        self.note_missing_front(first_known, first_base, &deleted);

        // one that lies above the end speaks of a log that is lost, and its name will mean another one
        self.remove_snapshots(snapshots.split_off(&log_end.next()))?;

        // 7.
        let file_says_nothing = first_epoch.is_none();
        if file_says_nothing
            && (self.options.clean_shutdown || self.options.recovery_point > first_base)
        {
            epochs = Self::epochs_of(segments.iter().chain([&active.segment]))?;
        }
        // what was set aside takes its leaderships with it
        let known_up_to = content_end.map_or(log_end, |end| end.max(self.known_end()));
        epochs.truncate_from_end(known_up_to.min(log_end));
        epochs.truncate_from_start(first_base);
        let (epochs_file, epochs_from) = self.epochs_file(
            found_epochs,
            &epochs,
            first_base,
            log_end,
            !deleted.is_empty(),
        )?;
        let all_epochs = epochs.clone();
        epochs.truncate_from_start(log_start);

        // 8.
        segments.push(active.segment.clone());
        let (producers, written) = self.producers(&segments, &mut snapshots, log_end)?;
        segments.pop();

        let OpenOptions {
            config,
            disk,
            now,
            producer_expiration,
            clean_shutdown,
            ..
        } = self.options.clone();
        let is_as_found = !is_new
            && !is_short
            && !is_changed
            && !is_scanned
            && !mended
            && self.report.has_changed_nothing()
            && written.is_empty()
            && snapshots == found_snapshots;
        let has_synced_names = self.write_topic_id(has_topic_id)?;
        let recovery_point = self.recovery_point(log_end);
        let unsynced_snapshots = unsynced_snapshots(written, &snapshots, recovery_point);
        Ok(PartitionLog {
            directory: Arc::clone(&self.directory),
            topic_partition,
            disk,
            sealed_bytes: segments.iter().map(|segment| segment.length).sum(),
            sealed: Arc::new(segments),
            active,
            recent,
            log_start,
            log_end,
            recovery_point,
            flushed: recovery_point,
            epochs: Arc::new(epochs),
            all_epochs,
            epochs_file,
            producers,
            unsynced: Unsynced::new(
                std::mem::take(&mut self.unsynced),
                unsynced_snapshots,
                (recovery_point < log_end).then_some(now),
                Synced {
                    names: has_synced_names || (clean_shutdown && is_as_found),
                    entries: is_new
                        || is_short
                        || (clean_shutdown && !mended && self.report.indexes_rebuilt == 0),
                    epochs_from,
                    is_as_found,
                },
            ),
            snapshots,
            midway_snapshot: None,
            doomed: Vec::new(),
            last_flush: now,
            latest_time: now,
            producer_expiration,
            jitter,
            config,
        })
    }

    /// The last segment as it goes on being written, loaded before pass 5, which asks where it ends.
    fn tail(&mut self, last: Option<&Segment>) -> Result<Option<Tail>, LogError> {
        let Some(last) = last else { return Ok(None) };
        self.unsynced.retain(|files| files.base != last.base());
        let files = SegmentFiles::new(Arc::clone(&self.directory), last.base(), true);
        let OpenOptions {
            disk, config, now, ..
        } = &self.options;
        if last.is_empty() {
            return Ok(Some(Tail::empty(files, *now)));
        }
        let mut tail = load_tail(disk, files, config, *now)?;
        self.note_damages(&tail.active.segment, std::mem::take(&mut tail.damages));
        if let Some(bad) = &tail.bad_tail
            && tail.active.segment.end >= self.known_end()
        {
            // nobody was told of anything there, and nothing is whole
            self.cut_torn(&tail.active.segment, bad)?;
            tail.bad_tail = None;
        }
        Ok(Some(tail))
    }

    /// Pass 6: the active segment, the one that was found or a new one.
    fn active(
        &self,
        tail: Option<Tail>,
        goes_on_at: Offset,
        jitter_ms: i64,
    ) -> Result<Tail, LogError> {
        if let Some(tail) = tail {
            return Ok(Tail {
                active: ActiveSegment {
                    jitter_ms,
                    ..tail.active
                },
                ..tail
            });
        }
        let OpenOptions {
            disk,
            config,
            now,
            log_start,
            ..
        } = &self.options;
        Ok(Tail {
            active: ActiveSegment::create(
                disk,
                &self.directory,
                goes_on_at.max(*log_start),
                config,
                *now,
                jitter_ms,
            )?,
            recent: RecentBatches::default(),
            mended: false,
            damages: Vec::new(),
            bad_tail: None,
        })
    }

    fn recovery_point(&self, log_end: Offset) -> Offset {
        if self.options.clean_shutdown {
            log_end
        } else {
            self.options.recovery_point.min(log_end)
        }
    }

    /// Pass 7: the file of the leader epochs, and from where on it says something else than `epochs`. It is
    /// written only where that is below the recovery point, or the log was started anew: else the next start
    /// finds the same. A leadership that has written nothing, say, is in the file of every partition. Where there
    /// is none it is made, as Kafka has one in every replica.
    fn epochs_file(
        &self,
        found: Option<LeaderEpochs>,
        epochs: &LeaderEpochs,
        first_base: Offset,
        log_end: Offset,
        is_behind: bool,
    ) -> Result<(Arc<EpochsFile>, Option<Offset>), LogError> {
        let file = Arc::<EpochsFile>::default();
        // of segments whose removal was broken off it still speaks
        let is_missing = found.is_none() || is_behind;
        let mut found = found.unwrap_or_default();
        // what begins below the first segment every start leaves out
        found.truncate_from_start(first_base);
        let from = found.first_difference(epochs);
        let recovery_point = self.recovery_point(log_end);
        let is_anew = self.report.segments_deleted > 0;
        if is_missing || from.is_some_and(|from| from < recovery_point || is_anew) {
            let disk = &self.options.disk;
            file.put(disk, &self.directory, 1, epochs)?;
            disk.sync_directory(&self.directory)?;
            return Ok((file, None));
        }
        Ok((file, from))
    }

    /// Pass 8: the state of producers at the log end, and the snapshots that were written for it.
    fn producers(
        &self,
        segments: &[Segment],
        snapshots: &mut BTreeSet<Offset>,
        log_end: Offset,
    ) -> Result<(ProducerTable, Vec<Offset>), LogError> {
        if self.options.clean_shutdown && snapshots.is_empty() {
            // written by a broker that kept no such state: scanning everything would find nothing
            return Ok((ProducerTable::empty_at(log_end), Vec::new()));
        }
        let mut loader = ProducerLoader {
            disk: &self.options.disk,
            directory: &self.directory,
            segments,
            snapshots,
            written: Vec::new(),
            now: self.options.now,
            expiration_ms: self.options.producer_expiration.ms(),
            index_interval: index_interval(&self.options.config),
        };
        let producers = loader.load(log_end)?;
        Ok((producers, loader.written))
    }

    /// Pass 5: removes everything.
    fn start_anew(
        &mut self,
        segments: &mut Vec<Segment>,
        snapshots: &mut BTreeSet<Offset>,
    ) -> Result<(), LogError> {
        tracing::warn!(
            directory = %self.directory.display(), log_start = %self.options.log_start,
            "the log ends below its start: starting anew"
        );
        // before the segments: without any, a crash would have the next start believe them
        self.remove_snapshots(std::mem::take(snapshots))?;
        for segment in segments.drain(..).rev() {
            for kind in SegmentFile::OF_SEGMENT {
                self.options.disk.remove(&segment.files.path(kind))?;
            }
            self.report.segments_deleted += 1;
        }
        self.unsynced.clear();
        Ok(())
    }

    fn remove_snapshots(&self, offsets: BTreeSet<Offset>) -> Result<(), LogError> {
        for offset in offsets {
            self.options
                .disk
                .remove(&SegmentFile::ProducerSnapshot.path(&self.directory, offset))?;
        }
        Ok(())
    }

    /// What the file of the leader epochs says, if there is one.
    fn load_epochs(
        &self,
        opened: &ReplicaDirectory,
        is_there: bool,
    ) -> Result<Option<LeaderEpochs>, LogError> {
        if !is_there {
            return Ok(None);
        }
        let text = opened.read(epochs::FILE_NAME)?;
        match LeaderEpochs::decode(&String::from_utf8_lossy(&text)) {
            Ok(epochs) => Ok(Some(epochs)),
            Err(error) => {
                let path = self.directory.join(epochs::FILE_NAME);
                tracing::error!(path = %path.display(), %error, "made anew from the batches of the log");
                Ok(None)
            }
        }
    }

    /// Refuses the directory of another topic id.
    fn check_topic_id(&self, opened: &ReplicaDirectory, is_there: bool) -> Result<(), LogError> {
        let expected = self.options.topic_id;
        if !is_there || expected.is_zero() {
            return Ok(());
        }
        let content = opened.read(partition_metadata::FILE_NAME)?;
        partition_metadata::check(&self.directory, &content, expected)
    }

    /// Writes the topic id down where that was never done, after the segment's files: so that all names of a
    /// new replica are synced at once. Whether they are.
    fn write_topic_id(&self, is_there: bool) -> Result<bool, LogError> {
        let OpenOptions { disk, topic_id, .. } = &self.options;
        if is_there || topic_id.is_zero() {
            return Ok(false);
        }
        partition_metadata::write(disk, &self.directory, *topic_id)?;
        Ok(true)
    }
}
