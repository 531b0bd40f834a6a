//! Syncing at once, stopping, and removing files. What can be synced later is in [`super::sync_job`].
//!
//! [`PartitionLog::flush`] syncs in this order: the content of sealed segments, that of the active segment, the
//! leader epochs if one of them has begun, then the names in the directory. Only then do the positions move. Producer
//! snapshots are left to the next job unless everything must be durable. The caller waits for a flush, so the indexes
//! of the active segment are left to the next job as well, and the recovery point waits for that if it must: a crash
//! before it costs a longer scan and nothing else.

use std::path::PathBuf;

use crate::base::{Offset, Timestamp};

use super::names::{self, ReplicaState, SegmentFile, Suffix, with_suffix};
use super::partition_log::{LogError, PartitionLog};
use super::segment::Segment;

impl PartitionLog {
    /// Everything that the start has found may be synced by now: see [`super::LogDirectory::sync_found`].
    pub(super) fn note_found_is_synced(&mut self) {
        if self.disk.all_found_is_synced() {
            self.unsynced.found_is_synced();
        }
    }

    /// Syncs everything below the log end and returns the log end. The recovery point moves as far as index
    /// entries are synced as well.
    pub fn flush(&mut self) -> Result<Offset, LogError> {
        self.write_snapshots()?;
        for snapshot in &self.unsynced.snapshots {
            snapshot.sync(&self.disk, &self.directory)?;
        }
        self.unsynced.snapshots.clear();
        self.flush_batches()
    }

    /// Writes the pending producer snapshots; they are not synced.
    pub(super) fn write_snapshots(&mut self) -> Result<(), LogError> {
        for snapshot in &self.unsynced.snapshots {
            snapshot.write(&self.disk, &self.directory)?;
        }
        if !self.unsynced.snapshots.is_empty() {
            // jobs write them as well, and their names may be new
            self.unsynced.note_names();
        }
        Ok(())
    }

    /// The same without producer snapshots, which may be large while the caller waits for the batches only. The
    /// next job writes and syncs them, and the recovery point waits for that.
    pub fn flush_batches(&mut self) -> Result<Offset, LogError> {
        // data that a job is syncing meanwhile is not known to be synced
        for files in &self.unsynced.segments {
            files.sync(&self.disk)?;
            files.release_log();
        }
        self.unsynced.segments.clear();
        if self.flushed < self.log_end {
            self.active.segment.files.sync_log(&self.disk)?;
        }
        self.store_epochs_below_end()?;
        self.sync_names()?;
        self.flushed = self.log_end;
        let first_snapshot = self.unsynced.first_snapshot();
        let with_entries = self.unsynced.entries_are_synced();
        let reached = match first_snapshot {
            None if with_entries => {
                self.all_is_synced();
                self.log_end
            }
            None => self.active.segment.base(),
            Some(snapshot) => snapshot.min(self.active.segment.base()),
        };
        self.recovery_point = self.recovery_point.max(reached);
        self.last_flush = self.latest_time;
        Ok(self.flushed)
    }

    /// Every batch is synced with its index entries.
    pub(super) fn all_is_synced(&mut self) {
        self.unsynced.nothing_written();
        self.active.segment.files.release_log();
    }

    pub(super) fn sync_names(&mut self) -> Result<(), LogError> {
        if !self.unsynced.names_are_synced() {
            self.disk.sync_directory(&self.directory)?;
            self.unsynced.names_synced();
        }
        Ok(())
    }

    /// Clean stop: flush, last time-index entry, producer snapshot at log end.
    pub fn close(mut self) -> Result<Offset, LogError> {
        if !self.needs_closing() {
            // idle since it was closed the last time
            return Ok(self.log_end);
        }
        self.active.finish(&self.disk)?;
        if self.needs_snapshot() {
            self.take_producer_snapshot();
        }
        // after a clean stop nothing is scanned, so this segment's indexes count as well
        self.active.segment.files.sync(&self.disk)?;
        self.unsynced.entries_synced();
        self.flush()
    }

    /// Whether a clean stop writes a producer snapshot.
    fn needs_snapshot(&self) -> bool {
        self.log_end > self.first_segment_base() || self.producers.len() > 0
    }

    /// Whether [`Self::close`] would write or sync anything.
    pub fn needs_closing(&mut self) -> bool {
        self.note_found_is_synced();
        let has_snapshot = !self.needs_snapshot() || self.snapshots.contains(&self.producers.end());
        let is_closed = has_snapshot
            && self.active.is_finished()
            && self.unsynced.is_nothing()
            && self.unsynced.epochs_reach() >= self.log_end;
        !is_closed
    }

    /// Writes the leader epochs to their file, unless it only lacks one in which nothing was written.
    fn store_epochs_below_end(&mut self) -> Result<(), LogError> {
        if self.unsynced.epochs_reach() < self.log_end {
            self.store_epochs()?;
        }
        Ok(())
    }

    /// Renames the directory to its `-delete` form; returns the new path.
    pub fn mark_deleted(self) -> Result<PathBuf, LogError> {
        // a job that has yet to write one would not find the directory
        for snapshot in &self.unsynced.snapshots {
            snapshot.withdraw();
        }
        self.epochs_file.retire();
        let name = names::marked_directory_name(
            &self.topic_partition,
            uuid::Uuid::new_v4(),
            ReplicaState::Deleted,
        );
        let to = self.directory.with_file_name(name);
        // opened before anything is changed, since there may be no descriptor left later
        let parent = match to.parent() {
            Some(parent) => Some((self.disk.open_directory(parent)?, parent)),
            None => None,
        };
        self.disk.rename(&self.directory, &to)?;
        if let Some((opened, parent)) = parent {
            self.disk.sync_open_directory(&opened, parent)?;
        }
        Ok(to)
    }

    /// Renames the segments' files to `.deleted`, in the given order, and their snapshots. The log comes
    /// first, so that a crash leaves indexes without a log.
    pub(super) fn mark_segments_deleted(
        &mut self,
        segments: impl IntoIterator<Item = Segment>,
    ) -> Result<(), LogError> {
        let due = self
            .latest_time
            .plus_millis(self.config.file_delete_delay_ms);
        for segment in segments {
            segment.files.retire()?;
            for kind in SegmentFile::OF_SEGMENT {
                self.mark_file_deleted(&segment.files.path(kind), due)?;
            }
            self.mark_snapshot_deleted(segment.base(), due)?;
            self.unsynced
                .segments
                .retain(|files| files.base != segment.base());
        }
        Ok(())
    }

    pub(super) fn mark_snapshot_deleted(
        &mut self,
        offset: Offset,
        due: Timestamp,
    ) -> Result<(), LogError> {
        if self.snapshots.remove(&offset) && self.unsynced.forget_snapshot(offset) {
            self.mark_file_deleted(
                &SegmentFile::ProducerSnapshot.path(&self.directory, offset),
                due,
            )?;
        }
        Ok(())
    }

    pub(super) fn mark_file_deleted(
        &mut self,
        path: &std::path::Path,
        due: Timestamp,
    ) -> Result<(), LogError> {
        let to = with_suffix(path, Suffix::Deleted);
        if self.disk.rename_if_present(path, &to)? {
            self.deleted_files.push((due, to));
            self.unsynced.note_names();
        }
        Ok(())
    }

    /// Unlinks `.deleted` files older than `file.delete.delay.ms`.
    pub fn delete_expired_files(&mut self, now: Timestamp) -> Result<(), LogError> {
        self.latest_time = self.latest_time.max(now);
        while let Some(at) = self.deleted_files.iter().position(|(due, _)| *due <= now) {
            let (_, path) = self.deleted_files.swap_remove(at);
            self.disk.remove(&path)?;
        }
        Ok(())
    }
}
