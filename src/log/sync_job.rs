//! Making a log durable without delaying appends.
//!
//! ```text
//!   writer:  sync_job() ------------- append, roll, append ... ------------> synced(job, result)
//!                |                                                               ^
//!   any thread:  +----> SyncJob::run: content, then names ------------------------+
//! ```
//!
//! A [`SyncJob`] syncs everything below one offset: the closed segments that are not synced yet, the producer snapshots
//! (which it also writes), the active segment and its indexes if they are due, the leader epochs if one of them begins
//! there, and the directory. Only [`PartitionLog::synced`] moves the recovery point, after all of it is on disk.
//!
//! The active segment is due when a batch has waited for 15 seconds, or when 64 MiB wait. So a start after a crash reads
//! only recent data, however large the log and its segments are. For the same reason the job of a busy segment writes a
//! producer snapshot at its end (`midway`): without one, all batches of the segment would have to be read for the
//! producer state.
//!
//! The log continues meanwhile, so the result of a job may be outdated:
//! - After a truncation, offsets below the job's end may be filled with other batches. Every truncation
//!   starts a new history, and a job of an older one moves nothing.
//! - Retention may remove segments; it syncs everything first. A file that a job does not find is not an error if the log
//!   no longer waits for it.
//! - [`PartitionLog::flush`] does not wait for a job: it syncs everything that is not known to be synced. A job
//!   that ends later has nothing left to do.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::base::{Offset, Timestamp};

use super::disk::{Disk, is_out_of_descriptors};
use super::epochs::LeaderEpochs;
use super::epochs_file::EpochsFile;
use super::partition_log::{LogError, PartitionLog};
use super::producer::UnsyncedSnapshot;
use super::segment::SegmentFiles;

/// How old a batch in the active segment may get before a job syncs it, if the topic's flush policy does not ask
/// for more. Kafka leaves this to the system, which writes pages out after about twice that time
/// (`dirty_expire_centisecs`). But a single replica cannot fetch the rest from another one after a power failure.
const ACTIVE_SYNC_MS: i64 = 15_000;

/// The same where a policy has synced the batches and only index entries wait, with the recovery point.
const ENTRIES_SYNC_MS: i64 = 1_000;

/// How many unsynced bytes may be in the active segment before a job syncs them, however young they are: about
/// what recovery reads in 50 milliseconds.
const ACTIVE_SYNC_BYTES: u64 = 64 * 1024 * 1024;

/// How long no new job is created after one that could not open its files.
const RETRY_MS: i64 = 1_000;

/// Tracks what is not synced yet.
#[derive(Debug)]
pub(super) struct Unsynced {
    /// Segments that were sealed and not synced since.
    pub(super) segments: Vec<Arc<SegmentFiles>>,
    /// Producer snapshots that were taken and not synced; many of them are not written yet.
    pub(super) snapshots: Vec<UnsyncedSnapshot>,
    /// How often names in the directory were changed, and how many of these changes are synced.
    names_changed: u64,
    names_synced: u64,
    /// How often index entries of the active segment were changed, and how many of these changes are synced.
    entries_changed: u64,
    entries_synced: u64,
    /// Whether the first of these changes were made before the log was opened, and only these.
    is_as_found: bool,
    /// How often the leader epochs were changed.
    epochs_changed: u64,
    /// From this offset on their file may differ.
    epochs_from: Option<Offset>,
    /// When the active segment got its oldest batch that is not synced with its entries.
    since: Option<Timestamp>,
    /// Bytes of the active segment that are synced with their entries.
    active_synced: u64,
    /// How many unsynced bytes may be in the active segment before a job syncs them.
    pub(super) most_waiting: u64,
    /// Bytes of the active segment that its newest producer snapshot covers.
    pub(super) snapshot_covers: u64,
    /// Truncations so far.
    history: u64,
    /// A job is running; there is at most one.
    job_is_out: bool,
    /// No job before this time.
    not_before: Timestamp,
}

/// What recovery knows to be synced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Synced {
    /// The names in the directory.
    pub(super) names: bool,
    /// The index entries of the active segment.
    pub(super) entries: bool,
    /// Where the leader epochs begin to differ from their file.
    pub(super) epochs_from: Option<Offset>,
    /// Whether recovery has changed nothing: names and entries are synced once all that was found is
    /// ([`Disk::all_found_is_synced`]).
    pub(super) is_as_found: bool,
}

impl Unsynced {
    /// The state after recovery: its segments and snapshots, and names and entries of the active segment if it
    /// may have changed them.
    pub(super) fn new(
        segments: Vec<Arc<SegmentFiles>>,
        snapshots: Vec<Offset>,
        since: Option<Timestamp>,
        synced: Synced,
    ) -> Self {
        Self {
            segments,
            snapshots: snapshots
                .into_iter()
                .map(UnsyncedSnapshot::written)
                .collect(),
            names_changed: 1,
            names_synced: synced.names as u64,
            entries_changed: 1,
            entries_synced: synced.entries as u64,
            is_as_found: synced.is_as_found,
            epochs_changed: 1,
            epochs_from: synced.epochs_from,
            since,
            active_synced: 0,
            most_waiting: ACTIVE_SYNC_BYTES,
            snapshot_covers: 0,
            history: 0,
            job_is_out: false,
            not_before: Timestamp(i64::MIN),
        }
    }

    /// Whether there are snapshots that have yet to be written.
    pub(super) fn has_snapshots_to_write(&self) -> bool {
        self.snapshots
            .iter()
            .any(UnsyncedSnapshot::is_to_be_written)
    }

    /// The offset that the recovery point must not pass: that of the first snapshot that may not be on disk.
    pub(super) fn first_snapshot(&self) -> Option<Offset> {
        self.snapshots.iter().map(UnsyncedSnapshot::offset).min()
    }

    /// Drops a snapshot that is no longer needed. Returns whether its file may exist.
    pub(super) fn forget_snapshot(&mut self, offset: Offset) -> bool {
        let mut may_be_there = true;
        self.snapshots.retain(|snapshot| {
            let is_it = snapshot.offset() == offset;
            if is_it {
                may_be_there = snapshot.withdraw();
            }
            !is_it
        });
        may_be_there
    }

    /// Whether recovery has changed nothing, and nothing has been found to be synced since.
    #[cfg(test)]
    pub(super) const fn is_as_found(&self) -> bool {
        self.is_as_found
    }

    /// Everything that was found when the log was opened is synced.
    pub(super) const fn found_is_synced(&mut self) {
        if self.is_as_found {
            self.is_as_found = false;
            if self.names_synced == 0 {
                self.names_synced = 1;
            }
            if self.entries_synced == 0 {
                self.entries_synced = 1;
            }
        }
    }

    /// Names in the directory are about to change, or have changed.
    pub(super) const fn note_names(&mut self) {
        self.names_changed += 1;
    }

    pub(super) const fn names_are_synced(&self) -> bool {
        self.names_synced == self.names_changed
    }

    /// All changes of names so far are synced.
    pub(super) const fn names_synced(&mut self) {
        self.names_synced = self.names_changed;
    }

    /// A batch was written at `now`. Whether it is the only one that is not synced.
    pub(super) fn note_written(&mut self, now: Timestamp) -> bool {
        let is_first = self.since.is_none();
        self.since.get_or_insert(now);
        is_first
    }

    /// Index entries of the active segment are about to change, or have changed.
    pub(super) const fn note_entries(&mut self) {
        self.entries_changed += 1;
    }

    pub(super) const fn entries_are_synced(&self) -> bool {
        self.entries_synced == self.entries_changed
    }

    /// All changes of entries so far are synced.
    pub(super) const fn entries_synced(&mut self) {
        self.entries_synced = self.entries_changed;
    }

    /// The leader epochs have changed from this offset on.
    pub(super) fn note_epochs(&mut self, from: Offset) {
        self.epochs_changed += 1;
        self.epochs_from = Some(self.epochs_from.map_or(from, |known| known.min(from)));
    }

    /// The current version of the leader epochs.
    pub(super) const fn epochs_version(&self) -> u64 {
        self.epochs_changed
    }

    /// Their file is up to date.
    pub(super) const fn epochs_stored(&mut self) {
        self.epochs_from = None;
    }

    /// Up to where their file is right.
    pub(super) fn epochs_reach(&self) -> Offset {
        self.epochs_from.unwrap_or(Offset(i64::MAX))
    }

    /// Every batch is synced with its entries.
    pub(super) const fn nothing_written(&mut self) {
        self.since = None;
    }

    /// Truncations so far.
    pub(super) const fn history(&self) -> u64 {
        self.history
    }

    /// The active segment is new and empty.
    pub(super) const fn begin_segment(&mut self) {
        self.nothing_written();
        self.entries_synced();
        self.active_synced = 0;
        self.snapshot_covers = 0;
    }

    /// Nothing at all is to be synced.
    pub(super) const fn is_nothing(&self) -> bool {
        self.segments.is_empty()
            && self.snapshots.is_empty()
            && self.since.is_none()
            && self.names_are_synced()
            && self.entries_are_synced()
    }

    /// Jobs that were created before this are outdated.
    pub(super) const fn begin_history(&mut self) {
        self.history += 1;
        self.note_entries();
        self.active_synced = 0;
        self.snapshot_covers = 0;
    }
}

/// Everything that must be synced for a log to be durable up to an offset. It runs on any thread, and is
/// given back to the log ([`PartitionLog::synced`]) with its result.
#[derive(Debug)]
#[must_use = "the log gives out no other job before this one is back"]
pub struct SyncJob {
    disk: Disk,
    directory: Arc<Path>,
    segments: Vec<Arc<SegmentFiles>>,
    snapshots: Vec<UnsyncedSnapshot>,
    active: Option<ActivePart>,
    epochs: Option<EpochsPart>,
    /// Everything below is durable once the job has run.
    up_to: Offset,
    /// The changes of names that it syncs, and whether there are any.
    names_changed: u64,
    with_names: bool,
    history: u64,
    made: Timestamp,
}

/// The active segment's part of a job.
#[derive(Debug)]
struct ActivePart {
    files: Arc<SegmentFiles>,
    /// Whether there are index entries that are not synced.
    with_indexes: bool,
    /// Bytes of the log as of now.
    length: u64,
    entries_changed: u64,
}

/// The leader epochs of a job.
#[derive(Debug)]
struct EpochsPart {
    file: Arc<EpochsFile>,
    version: u64,
    epochs: LeaderEpochs,
}

impl SyncJob {
    /// Runs the job: syncs content, then names. A failed sync takes the directory offline; a file that cannot be
    /// opened does not, since it may have been deleted.
    pub fn run(&self) -> io::Result<()> {
        let names = match self.with_names {
            true => Some(self.disk.open_directory(&self.directory)?),
            false => None,
        };
        for files in &self.segments {
            files.sync(&self.disk)?;
        }
        for snapshot in &self.snapshots {
            snapshot.sync(&self.disk, &self.directory)?;
        }
        if let Some(active) = &self.active {
            active.files.sync_log(&self.disk)?;
            if active.with_indexes {
                active.files.sync_indexes(&self.disk)?;
            }
        }
        if let Some(EpochsPart {
            file,
            version,
            epochs,
        }) = &self.epochs
        {
            file.put(&self.disk, &self.directory, *version, epochs)?;
        }
        names.map_or(Ok(()), |names| {
            self.disk.sync_open_directory(&names, &self.directory)
        })
    }
}

impl PartitionLog {
    /// A job, if one is due now: for closed segments that are not synced yet, or for batches in the active segment
    /// that have waited for 15 seconds or are many. There is at most one job at a time.
    pub fn sync_job(&mut self, now: Timestamp) -> Option<SyncJob> {
        self.note_found_is_synced();
        self.latest_time = self.latest_time.max(now);
        let unsynced = &self.unsynced;
        if unsynced.job_is_out || now < unsynced.not_before || self.disk.is_offline() {
            return None;
        }
        let waiting = self.active.segment.length - unsynced.active_synced;
        let only_entries_wait = self.flushed >= self.log_end;
        let patience = if only_entries_wait {
            ENTRIES_SYNC_MS
        } else {
            ACTIVE_SYNC_MS
        };
        let is_due = |since: Timestamp| {
            now.millis_since(since) >= patience || waiting >= unsynced.most_waiting
        };
        let with_active = unsynced.since.is_some_and(is_due);
        let is_idle = unsynced.segments.is_empty() && !unsynced.has_snapshots_to_write();
        if !with_active && is_idle {
            return None;
        }
        let active = if with_active {
            // a failure for lack of a descriptor is retried with the next drain
            Some(self.active_part().ok()?)
        } else {
            None
        };
        self.unsynced.job_is_out = true;
        let unsynced = &self.unsynced;
        let up_to = match active {
            Some(_) => self.log_end,
            None => self.active.segment.base(),
        };
        let epochs = (unsynced.epochs_reach() < up_to).then(|| EpochsPart {
            file: Arc::clone(&self.epochs_file),
            version: unsynced.epochs_changed,
            epochs: self.all_epochs.clone(),
        });
        Some(SyncJob {
            disk: self.disk.clone(),
            directory: Arc::clone(&self.directory),
            segments: unsynced.segments.clone(),
            snapshots: unsynced.snapshots.clone(),
            up_to,
            active,
            names_changed: unsynced.names_changed,
            // a snapshot or the epochs that the job writes have a new name
            with_names: epochs.is_some()
                || !unsynced.names_are_synced()
                || !unsynced.snapshots.is_empty(),
            epochs,
            history: unsynced.history,
            made: now,
        })
    }

    /// The part of the active segment that a job syncs.
    fn active_part(&mut self) -> Result<ActivePart, LogError> {
        self.take_midway_snapshot()?;
        let segment = &self.active.segment;
        Ok(ActivePart {
            files: Arc::clone(&segment.files),
            with_indexes: !self.unsynced.entries_are_synced(),
            length: segment.length,
            entries_changed: self.unsynced.entries_changed,
        })
    }

    /// Takes a snapshot of the producers if much was appended since the last one. It replaces the last one that was
    /// taken for this reason: Kafka keeps at most one that is not at the base of a segment.
    fn take_midway_snapshot(&mut self) -> Result<(), LogError> {
        let length = self.active.segment.length;
        if length - self.unsynced.snapshot_covers < self.unsynced.most_waiting {
            return Ok(());
        }
        let taken = self.take_producer_snapshot();
        self.remove_midway_snapshot(self.log_end)?;
        self.midway_snapshot = taken;
        self.unsynced.snapshot_covers = length;
        Ok(())
    }

    /// Notes that a job has run, and moves the recovery point if possible. Returns the recovery point.
    ///
    /// # Errors
    /// The job's error, if it means that the directory can no longer be trusted.
    pub fn synced(&mut self, job: SyncJob, result: io::Result<()>) -> Result<Offset, LogError> {
        self.unsynced.job_is_out = false;
        match result {
            Ok(()) if job.history == self.unsynced.history => self.note_synced(&job),
            // the log was truncated since: the rest that has to be synced is still listed
            Ok(()) => {}
            Err(error) if self.is_harmless(&error, &job) => {
                self.unsynced.not_before = self.latest_time.plus_millis(RETRY_MS);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.recovery_point)
    }

    fn note_synced(&mut self, job: &SyncJob) {
        let unsynced = &mut self.unsynced;
        unsynced.segments.retain(|files| {
            let is_done = job.segments.iter().any(|done| Arc::ptr_eq(done, files));
            if is_done {
                files.release_log();
            }
            !is_done
        });
        let is_done = |offset| job.snapshots.iter().any(|done| done.offset() == offset);
        unsynced
            .snapshots
            .retain(|snapshot| !is_done(snapshot.offset()));
        unsynced.names_synced = unsynced.names_synced.max(job.names_changed);
        if let Some(epochs) = &job.epochs
            && epochs.version == unsynced.epochs_changed
            && self.epochs_file.has(epochs.version)
        {
            unsynced.epochs_stored();
        }
        let reached = job.up_to.min(self.log_end);
        let with_epochs = reached.min(unsynced.epochs_reach());
        self.recovery_point = self.recovery_point.max(with_epochs);
        self.flushed = self.flushed.max(reached);
        // the job's active segment may have been sealed meanwhile
        let is_active = reached > self.active.segment.base();
        if let Some(active) = job.active.as_ref().filter(|_| is_active) {
            unsynced.entries_synced = unsynced.entries_synced.max(active.entries_changed);
            unsynced.active_synced = unsynced.active_synced.max(active.length);
            // the rest was written after the job was created
            unsynced.since = unsynced.since.map(|since| since.max(job.made));
        }
        if self.recovery_point >= self.log_end {
            self.all_is_synced();
        }
    }

    /// Whether `job` has failed only because it could not open its files, and there was no descriptor left or the files
    /// are no longer needed.
    fn is_harmless(&self, error: &io::Error, job: &SyncJob) -> bool {
        is_out_of_descriptors(error)
            || (error.kind() == io::ErrorKind::NotFound && !self.waits_for(job))
    }

    /// Whether anything in `job` has yet to be synced, so that its files should exist.
    fn waits_for(&self, job: &SyncJob) -> bool {
        let unsynced = &self.unsynced;
        let same = |files| job.segments.iter().any(|done| Arc::ptr_eq(done, files));
        job.history == unsynced.history
            && (self.recovery_point < job.up_to || unsynced.segments.iter().any(same))
    }
}
