//! Opening a replica directory: load it after a clean stop, repair it after a crash.
//!
//! 1. Sweep: remove `.deleted` and `.cleaned` files, and `.swap` files that belong to an unfinished set.
//! 2. Complete swaps: replace the segments of a finished compaction by its output.
//! 3. Catalogue: list the segments by their logs; remove indexes without a log.
//! 4. Scan, after an unclean stop, everything from the recovery point on, and the end of the segment before it:
//!    check each batch, and make the indexes match. The part of a segment below the recovery point is trusted (see
//!    `trusted_part`). For trusted segments, and after a clean stop, only the end of each segment is looked up (`reach`),
//!    and indexes that are missing or do not match are rebuilt.
//!    Below the last acknowledged offset, a batch that is not intact is damage, and intact batches around it stay. Above it,
//!    the log ends before the first bad batch or gap: intact batches after that are set aside (`aside`), incomplete ones
//!    are truncated.
//! 5. Start with an empty log at the log start offset if the log ends below it and nothing was ever written above it.
//! 6. Load the tail of the active segment. If the checkpoints, or the files that were set aside, have higher offsets than
//!    the log, the segment is closed and the log continues at the highest of them.
//! 7. Make the leader epochs match the log; their file may be written later (`epochs_file`).
//! 8. Load the producers from the highest good snapshot, look up their older batches in the log below it,
//!    and replay the batches above it.
//!
//! The recovery point is never raised here, since nothing was synced.

mod aside;
mod end;
mod leader_epochs;
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
use super::epochs::LeaderEpochs;
use super::names::SegmentFile;
use super::partition_log::{LogError, OpenOptions, PartitionLog, RecoveryReport};
use super::partition_metadata;
use super::producer::{EndedTransactions, OpenTransactions, ProducerLoader, ProducerTable};
use super::reader::RecentBatches;
use super::rebuild::{Tail, load_tail};
use super::replica_directory::ReplicaDirectory;
use super::roll::Jitter;
use super::segment::{Segment, SegmentFiles};
use super::sync_job::{Synced, Unsynced};
use leader_epochs::{Ends, RecoveredEpochs};

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

/// The content of the directory after passes 1 to 3.
struct Contents<'a> {
    topic_partition: &'a TopicPartition,
    found: &'a [Found],
    snapshots: &'a mut BTreeSet<Offset>,
    epochs: LeaderEpochs,
    /// Segments that have indexes and no log.
    without_log: &'a [Offset],
    /// The ranges of offsets that are set aside.
    set_aside: Vec<(Offset, Offset)>,
    /// Reused between segments.
    buffer: Vec<u8>,
}

impl Contents<'_> {
    /// Whether these offsets are missing because something was set aside ends.
    fn was_set_aside(&self, gap: &Range<Offset>) -> bool {
        let mut ranges = self.set_aside.iter();
        ranges.any(|(first, end)| *first < gap.end && gap.start < *end)
    }

    /// The first segment without a log that begins ends.
    fn without_log_in(&self, gap: &Range<Offset>) -> Option<Offset> {
        let mut bases = self.without_log.iter();
        bases.find(|base| gap.contains(base)).copied()
    }
}

/// The state of producers at the log end.
struct Producers {
    table: ProducerTable,
    /// What markers have ended that may not be committed.
    ended: EndedTransactions,
    /// Snapshots that were written on the way.
    written: Vec<Offset>,
}

/// The result of the passes.
struct Settled {
    topic_partition: TopicPartition,
    /// All except the active one.
    segments: Vec<Segment>,
    active: ActiveSegment,
    recent: RecentBatches,
    log_start: Offset,
    log_end: Offset,
    recovered: RecoveredEpochs,
    producers: Producers,
    snapshots: BTreeSet<Offset>,
    jitter: Jitter,
    has_topic_id: bool,
    /// Whether nothing had to be changed.
    is_as_found: bool,
    are_entries_synced: bool,
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
        let goes_on_at = self.goes_on_at(&set_aside);
        self.refuse_impossible_start(tail.as_ref(), goes_on_at)?;
        if self.start_anew_behind_the_end(&mut tail, &mut segments, &mut snapshots, goes_on_at)? {
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
            repaired,
            ..
        } = self.active(tail, goes_on_at, jitter.next_ms(&self.options.config))?;
        let log_end = active.segment.end;
        let first_base = segments.first().unwrap_or(&active.segment).base();
        let log_start = self.options.log_start.max(first_base);
        let first_known = self.first_known(found_epochs.as_ref()).filter(|_| !is_new);
        self.note_missing_front(first_known, first_base, &deleted);
        // a snapshot above the log end is of records that are lost; its name will later be used again
        self.remove_snapshots(snapshots.split_off(&log_end.next()))?;

        // 7. The leader epochs of records that were set aside are dropped.
        let known_up_to = content_end.map_or(log_end, |end| end.max(self.known_end()));
        let ends = Ends {
            first_base,
            log_start,
            log_end,
            known_up_to: known_up_to.min(log_end),
            removal_was_interrupted: !deleted.is_empty(),
        };
        let all = segments.iter().chain([&active.segment]);
        let recovered = self.recover_epochs(found_epochs, epochs, all, ends)?;

        // 8.
        segments.push(active.segment.clone());
        let producers = self.producers(&segments, &mut snapshots, log_end)?;
        segments.pop();

        let is_as_found = !is_new
            && !is_short
            && !is_changed
            && !is_scanned
            && !repaired
            && self.report.has_changed_nothing()
            && producers.written.is_empty()
            && snapshots == found_snapshots;
        let are_entries_synced = is_new
            || is_short
            || (self.options.clean_shutdown && !repaired && self.report.indexes_rebuilt == 0);
        self.log(Settled {
            topic_partition,
            segments,
            active,
            recent,
            log_start,
            log_end,
            recovered,
            producers,
            snapshots,
            jitter,
            has_topic_id,
            is_as_found,
            are_entries_synced,
        })
    }

    /// The log after all passes.
    fn log(&mut self, settled: Settled) -> Result<PartitionLog, LogError> {
        let OpenOptions {
            config,
            disk,
            now,
            producer_expiration,
            clean_shutdown,
            ..
        } = self.options.clone();
        let Settled {
            segments,
            log_end,
            recovered,
            snapshots,
            ..
        } = settled;
        let has_synced_names = self.write_topic_id(settled.has_topic_id)?;
        let recovery_point = self.recovery_point(log_end);
        let unsynced_snapshots =
            unsynced_snapshots(settled.producers.written, &snapshots, recovery_point);
        let synced = Synced {
            names: has_synced_names || (clean_shutdown && settled.is_as_found),
            entries: settled.are_entries_synced,
            epochs_from: recovered.differs_from,
            is_as_found: settled.is_as_found,
        };
        let transactions = OpenTransactions::default();
        transactions.replace(settled.producers.table.open_transactions());
        Ok(PartitionLog {
            directory: Arc::clone(&self.directory),
            topic_partition: settled.topic_partition,
            disk,
            sealed_bytes: segments.iter().map(|segment| segment.length).sum(),
            sealed: Arc::new(segments),
            active: settled.active,
            recent: settled.recent,
            log_start: settled.log_start,
            log_end,
            recovery_point,
            flushed: recovery_point,
            epochs: Arc::new(recovered.current),
            all_epochs: recovered.all,
            epochs_file: recovered.file,
            producers: settled.producers.table,
            ended: settled.producers.ended,
            transactions: Arc::new(transactions),
            unsynced: Unsynced::new(
                std::mem::take(&mut self.unsynced),
                unsynced_snapshots,
                (recovery_point < log_end).then_some(now),
                synced,
            ),
            snapshots,
            midway_snapshot: None,
            deleted_files: Vec::new(),
            last_flush: now,
            latest_time: now,
            producer_expiration,
            jitter: settled.jitter,
            config,
        })
    }

    /// The last segment, loaded before pass 5, which needs its end.
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
            // nothing there was acknowledged, and nothing is intact
            self.truncate_incomplete(&tail.active.segment, bad)?;
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
            repaired: false,
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

    /// Pass 8: the state of producers at the log end.
    fn producers(
        &self,
        segments: &[Segment],
        snapshots: &mut BTreeSet<Offset>,
        log_end: Offset,
    ) -> Result<Producers, LogError> {
        if self.options.clean_shutdown && snapshots.is_empty() {
            // written by a broker without producer state: scanning everything would find nothing
            return Ok(Producers {
                table: ProducerTable::empty_at(log_end),
                ended: EndedTransactions::default(),
                written: Vec::new(),
            });
        }
        let mut loader = ProducerLoader {
            disk: &self.options.disk,
            directory: &self.directory,
            segments,
            snapshots,
            written: Vec::new(),
            high_watermark: self.options.high_watermark,
            ended: EndedTransactions::default(),
            now: self.options.now,
            expiration_ms: self.options.producer_expiration.ms(),
            index_interval: index_interval(&self.options.config),
        };
        let table = loader.load(log_end)?;
        Ok(Producers {
            table,
            ended: loader.ended,
            written: loader.written,
        })
    }

    fn remove_snapshots(&self, offsets: BTreeSet<Offset>) -> Result<(), LogError> {
        for offset in offsets {
            self.options
                .disk
                .remove(&SegmentFile::ProducerSnapshot.path(&self.directory, offset))?;
        }
        Ok(())
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

    /// Writes the topic id if it was never written, after the segment's files, so that all names of a new replica are
    /// synced at once. Returns whether they are.
    fn write_topic_id(&self, is_there: bool) -> Result<bool, LogError> {
        let OpenOptions { disk, topic_id, .. } = &self.options;
        if is_there || topic_id.is_zero() {
            return Ok(false);
        }
        partition_metadata::write(disk, &self.directory, *topic_id)?;
        Ok(true)
    }
}
