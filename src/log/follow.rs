//! Becoming a copy of another replica: first its batches, with their offsets, leader epochs and the gaps that compaction
//! has made; then the state that is not in batches; then the replica's name.
//!
//! ```text
//!   another replica:   [0..4] [7..9]        [20..20] ... end 31     epochs, producers, log start
//!                        |      |               |         |                   |
//!   append_as_follower   v      v               v         |                   |
//!   this log:          [0..4] [7..9]        [20..20]      |                   |
//!   take_over                                             v                   v
//! ```
//! A segment begins at the log end before it, not at its first batch, since recovery treats a gap between segments as a
//! loss. The batches were checked when they were first stored, so only their checksum and order are checked here, so
//! that damage does not spread.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Offset, Timestamp};
use crate::record::{Batch, Batches};

use super::active::{Incoming, ReadyBatch};
use super::append::AppendError;
use super::disk::DirectoryOffline;
use super::partition_log::{LogError, PartitionLog};
use super::segment::{Segment, SegmentFiles};
use super::store::Markers;

impl PartitionLog {
    /// Appends whole batches that another replica of the partition has stored, unchanged. They must not begin
    /// below the log end. If one is refused, those before it are stored. Nothing is synced.
    pub fn append_as_follower(
        &mut self,
        batches: &Bytes,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        if self.disk.is_offline() {
            return Err(DirectoryOffline.into());
        }
        self.latest_time = self.latest_time.max(now);
        let mut run = Run::default();
        for batch in Batches::new(batches.clone()) {
            let checked = batch
                .map_err(|error| AppendError::CorruptMessage(error.to_string()))
                .and_then(|batch| self.check_copy(batch, run.end.unwrap_or(self.log_end)));
            let batch = match checked {
                Ok(batch) => batch,
                Err(error) => {
                    self.store_run(&run, now)?;
                    return Err(error);
                }
            };
            if self
                .active
                .should_roll(&run.incoming(&batch), &self.config, now)
            {
                self.store_run(&std::mem::take(&mut run), now)?;
                self.roll_for(&batch, now)?;
            }
            run.push(batch);
        }
        self.store_run(&run, now)
    }

    fn store_run(&mut self, run: &Run, now: Timestamp) -> Result<(), AppendError> {
        Ok(self.store(&run.batches, &Markers::of(&run.batches), now)?)
    }

    /// Makes everything below the log end durable with its indexes, and returns the recovery point, which then is
    /// the log end.
    pub fn sync_whole(&mut self) -> Result<Offset, LogError> {
        self.active.segment.files.sync(&self.disk)?;
        self.unsynced.entries_synced();
        self.flush()?;
        Ok(self.recovery_point)
    }

    /// Takes over the state of `source` that is not in its batches. The batches of both must be the same, and
    /// this log is synced when it returns.
    pub fn take_over(&mut self, source: &Self, now: Timestamp) -> Result<Offset, LogError> {
        debug_assert!(self.log_end <= source.log_end, "a copy is not ahead");
        self.producers = source.producers.clone();
        self.ended = source.ended.clone();
        self.transactions = Arc::clone(&source.transactions);
        if self.log_end < source.log_end {
            // There are no batches in between. The name of an empty segment preserves the offset.
            self.log_end = source.log_end;
            self.roll(source.log_end, now)?;
        }
        self.set_log_start(source.log_start);
        let epochs = source.all_epochs.clone();
        self.change_epochs(|own| {
            let differs = *own != epochs;
            *own = epochs;
            differs
        })?;
        self.sync_whole()
    }

    /// Renames the replica's directory. Views of readers keep the old path; the log must be synced.
    pub fn rename(&mut self, to: &Path) -> Result<(), LogError> {
        // opened before anything is changed, since there may be no descriptor left later
        let parent = match to.parent() {
            Some(parent) => Some((self.disk.open_directory(parent)?, parent)),
            None => None,
        };
        // a running job knows the old name
        self.epochs_file.retire();
        self.disk.rename(&self.directory, to)?;
        self.directory = Arc::from(to);
        self.epochs_file = Arc::default();
        let moved = |segment: &Segment, keep_indexes| Segment {
            files: Arc::new(SegmentFiles::new(
                Arc::from(to),
                segment.base(),
                keep_indexes,
            )),
            ..segment.clone()
        };
        self.sealed = Arc::new(
            self.sealed
                .iter()
                .map(|segment| moved(segment, false))
                .collect(),
        );
        self.active.segment = moved(&self.active.segment, true);
        for (_, path) in &mut self.deleted_files {
            if let Some(name) = path.file_name() {
                *path = to.join(name);
            }
        }
        if let Some((opened, parent)) = parent {
            self.disk.sync_open_directory(&opened, parent)?;
        }
        Ok(())
    }

    /// Gives the directory of a replaced replica its `-delete` name. Readers of older views can go on reading.
    pub fn mark_replaced(self) -> Result<std::path::PathBuf, LogError> {
        for segment in self.sealed.iter().chain([&self.active.segment]) {
            // A reader that still fails tries again and finds the new replica.
            drop(segment.files.retire());
        }
        self.mark_deleted()
    }

    fn check_copy(&self, batch: Batch, end: Offset) -> Result<Batch, AppendError> {
        let header = &batch.header;
        batch.check_crc().map_err(|error| {
            AppendError::CorruptMessage(format!("batch at offset {}: {error}", header.base_offset))
        })?;
        if header.base_offset < end || header.last_offset_delta < 0 {
            return Err(AppendError::invalid_record(format!(
                "batch with offsets {} to {}, but the log end of {} is {end}",
                header.base_offset,
                header.last_offset(),
                self.topic_partition
            )));
        }
        Ok(batch)
    }

    /// A new segment for `batch`, from the log end on, or from the batch on where the log end is too far away.
    fn roll_for(&mut self, batch: &Batch, now: Timestamp) -> Result<(), AppendError> {
        let from_end = batch.header.last_offset().since(self.log_end);
        if i32::try_from(from_end).is_err() {
            self.log_end = batch.header.base_offset;
            self.producers.advance_end(self.log_end);
        }
        Ok(self.roll(self.log_end, now)?)
    }
}

/// Batches that go into one segment with one write.
#[derive(Default)]
struct Run {
    batches: Vec<ReadyBatch>,
    bytes: u64,
    /// The offset after the last one.
    end: Option<Offset>,
}

impl Run {
    /// The size of the append if `next` were added.
    fn incoming(&self, next: &Batch) -> Incoming {
        Incoming {
            bytes: self.bytes + next.header.size() as u64,
            max_timestamp: next.header.max_timestamp,
            last_offset: next.header.last_offset(),
        }
    }

    fn push(&mut self, batch: Batch) {
        self.bytes += batch.header.size() as u64;
        self.end = Some(batch.header.next_offset());
        self.batches.push(ReadyBatch {
            header: batch.header,
            body: batch.body(),
        });
    }
}
