//! Truncating the log at its end.

use std::sync::Arc;

use crate::base::Offset;

use super::active::{ActiveSegment, index_interval};
use super::partition_log::{LogError, PartitionLog};
use super::producer::{EndedTransactions, ProducerLoader, UnsyncedSnapshot};
use super::segment::{Segment, SegmentFiles};
use super::{offset_index, rebuild, time_index, txn_index};

#[cfg_attr(
    not(any(test, feature = "fuzzing")),
    expect(
        dead_code,
        reason = "followers will truncate their logs; one broker has none"
    )
)]
impl PartitionLog {
    /// Truncates everything at and above `to`. A batch that contains `to` is removed as a whole. Any failure is
    /// final, whatever its cause, since it leaves the log between two states.
    ///
    /// The recovery point checkpoint must be lowered to `to` **before** this, and be written again before the next
    /// append: it covers batches, names and index entries that are about to change, and a start after a crash in
    /// between would trust it.
    pub fn truncate(&mut self, to: Offset) -> Result<(), LogError> {
        self.truncate_to(to)
            .inspect_err(|_| self.disk.take_offline())
    }

    /// Truncates everything; the log continues at `at`. As with [`Self::truncate`], a failure is final, and the
    /// checkpoints come first: a recovery point that is not above `at`, and `at` as log start offset, so that
    /// the log does not start at offset 0 again after a crash in between.
    pub fn truncate_fully(&mut self, at: Offset) -> Result<(), LogError> {
        self.restart_at(at)
            .inspect_err(|_| self.disk.take_offline())
    }

    pub(super) fn truncate_to(&mut self, to: Offset) -> Result<(), LogError> {
        if to >= self.log_end {
            // an epoch that began at the log end and wrote nothing may contradict the next one
            let log_end = self.log_end;
            return self.change_epochs(|epochs| epochs.truncate_from_end(log_end));
        }
        if to < self.first_segment_base() {
            return self.restart_at(to);
        }
        self.unsynced.begin_history();
        self.mark_deleted_above(to)?;
        // the next segments may end where one of these begins, and it must not be there after a crash
        self.sync_names()?;
        let log_end = self.cut_active(to)?;

        self.log_end = log_end;
        self.recovery_point = self.recovery_point.min(log_end);
        self.flushed = self.flushed.min(log_end);
        self.log_start = self.log_start.min(log_end);
        self.change_epochs(|epochs| epochs.truncate_from_end(log_end))?;
        self.show_epochs();
        self.reload_producers()
    }

    /// Removes the segments that begin above `to`, the newest first, so that a crash leaves no gap.
    fn mark_deleted_above(&mut self, to: Offset) -> Result<(), LogError> {
        if self.active.segment.base() <= to {
            return Ok(());
        }
        let kept = self.sealed.partition_point(|segment| segment.base() <= to);
        let mut deleted = vec![self.active.segment.clone()];
        let sealed = Arc::make_mut(&mut self.sealed);
        deleted.extend(sealed.drain(kept..).rev());
        let Some(last) = sealed.pop() else {
            return Err(LogError::Corrupt(format!("no segment holds offset {to}")));
        };
        self.sealed_bytes = self.sealed.iter().map(|segment| segment.length).sum();
        // the last segment is now the active one and is loaded again, with indexes that stay open
        let files = SegmentFiles::new(Arc::clone(&self.directory), last.base(), true);
        self.active.segment = Segment {
            files: Arc::new(files),
            ..last
        };
        self.mark_segments_deleted(deleted)
    }

    /// Truncates the last segment; returns the new log end.
    fn cut_active(&mut self, to: Offset) -> Result<Offset, LogError> {
        let segment = self.active.segment.clone();
        let found = segment.find(to)?;
        let length = found.map_or(segment.length, |located| located.position);
        let log_end = found.map_or(to, |located| located.header.base_offset.min(to));

        let cut_index = |kept: u32, entry_size: usize| u64::from(kept) * entry_size as u64;
        let index = segment.files.offset_index()?;
        let kept = offset_index::count_up_to(
            &*index,
            segment.base(),
            segment.offset_entries,
            to.plus(-1),
        )?;
        self.disk
            .set_length(&index, cut_index(kept, offset_index::ENTRY_SIZE))?;
        let index = segment.files.time_index()?;
        let kept = time_index::count_below(&index, segment.base(), segment.time_entries, to)?;
        self.disk
            .set_length(&index, cut_index(kept, time_index::ENTRY_SIZE))?;
        txn_index::truncate(&self.disk, &segment.files, to)?;
        self.disk.set_length(&*segment.files.log()?, length)?;
        // flushing compares with the log end only, which is lower now
        segment.files.sync_log(&self.disk)?;

        let files = SegmentFiles::new(Arc::clone(&self.directory), segment.base(), true);
        let tail = rebuild::load_tail(&self.disk, files, &self.config, self.latest_time)?;
        if let Some(bad) = &tail.bad_tail {
            // it was above the new log end
            self.disk.set_length(&*segment.files.log()?, bad.position)?;
        }
        let jitter_ms = self.active.jitter_ms;
        self.active = ActiveSegment {
            jitter_ms,
            ..tail.active
        };
        self.active.segment.end = log_end;
        self.recent = tail.recent;
        Ok(log_end)
    }

    pub(super) fn restart_at(&mut self, at: Offset) -> Result<(), LogError> {
        self.unsynced.begin_history();
        let mut deleted = vec![self.active.segment.clone()];
        deleted.extend(Arc::make_mut(&mut self.sealed).drain(..).rev());
        self.mark_segments_deleted(deleted)?;
        let due = self
            .latest_time
            .plus_millis(self.config.file_delete_delay_ms);
        for offset in self.snapshots.clone() {
            self.mark_snapshot_deleted(offset, due)?;
        }
        self.sync_names()?;
        self.sealed_bytes = 0;
        let jitter_ms = self.jitter.next_ms(&self.config);
        self.active = ActiveSegment::create(
            &self.disk,
            &self.directory,
            at,
            &self.config,
            self.latest_time,
            jitter_ms,
        )?;
        self.unsynced.note_names();
        self.recent.clear();
        (self.log_start, self.log_end) = (at, at);
        self.recovery_point = self.recovery_point.min(at);
        self.flushed = self.flushed.min(at);
        self.change_epochs(|epochs| epochs.truncate_from_end(Offset(i64::MIN)))?;
        self.reload_producers()
    }

    /// Rebuilds the producer state from snapshots and log, after the log was truncated.
    fn reload_producers(&mut self) -> Result<(), LogError> {
        self.ended.cut(self.log_end);
        let due = self
            .latest_time
            .plus_millis(self.config.file_delete_delay_ms);
        // one may stay; the next start removes those that are not at the base of a segment
        self.midway_snapshot = None;
        let above: Vec<Offset> = self
            .snapshots
            .iter()
            .copied()
            .filter(|offset| *offset > self.log_end)
            .collect();
        for offset in above {
            self.mark_snapshot_deleted(offset, due)?;
        }
        // the loader expects all snapshots in this list
        self.write_snapshots()?;
        let mut segments: Vec<Segment> = self.sealed.to_vec();
        segments.push(self.active.segment.clone());
        let mut loader = ProducerLoader {
            disk: &self.disk,
            directory: &self.directory,
            segments: &segments,
            snapshots: &mut self.snapshots,
            written: Vec::new(),
            // What the markers have ended is known already.
            high_watermark: self.log_end,
            ended: EndedTransactions::default(),
            now: self.latest_time,
            expiration_ms: self.producer_expiration.ms(),
            index_interval: index_interval(&self.config),
        };
        self.producers = loader.load(self.log_end)?;
        self.transactions
            .replace(self.producers.open_transactions());
        let written = loader.written.into_iter().map(UnsyncedSnapshot::written);
        self.unsynced.snapshots.extend(written);
        self.unsynced.note_names();
        Ok(())
    }
}
