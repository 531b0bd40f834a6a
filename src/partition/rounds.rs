//! What the housekeeper does in its rounds. Work on a log is sent to the lane that owns it; what
//! concerns the directory as a whole is done here, on the housekeeper's thread.

use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use crate::base::{Offset, Timestamp};
use crate::log::{Checkpoint, PartitionOffsets, is_out_of_descriptors};

use super::housekeeping::{Housekeeper, Periods};
use super::manager::{Partitions, StartError};
use super::opening;
use super::replica::Replica;

impl Partitions {
    pub(super) fn start_housekeeping(&self) -> Result<(), StartError> {
        let config = &self.shared.config;
        let millis = |value: i64| Duration::from_millis(u64::try_from(value).unwrap_or(1).max(1));
        let periods = Periods {
            initial_delay: millis(config.log_initial_task_delay_ms),
            retention: millis(config.log_retention_check_interval_ms),
            recovery_points: millis(i64::from(config.log_flush_offset_checkpoint_interval_ms)),
            log_starts: millis(i64::from(
                config.log_flush_start_offset_checkpoint_interval_ms,
            )),
            high_watermarks: millis(config.replica_high_watermark_checkpoint_interval_ms),
            producers: millis(i64::from(config.producer_id_expiration_check_interval_ms)),
        };
        let housekeeper = Housekeeper::start(self.clone(), periods).map_err(StartError::Thread)?;
        self.shared
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .housekeeper = Some(housekeeper);
        Ok(())
    }

    pub(super) fn check_space(&self) {
        self.shared.directory.check_space();
    }

    /// Lets the lanes sync what is due by `flush.ms`, and hand over what has waited long enough for a sync
    /// in the background: a touched log is looked at when a drain settles.
    pub(super) fn sync_due(&self) {
        for lane in &self.shared.lanes {
            lane.sweep_written(|_| {});
        }
    }

    pub(super) fn expire_producers(&self) {
        let now = self.shared.clock.now();
        for lane in &self.shared.lanes {
            lane.sweep(move |hosted| hosted.log.expire_producers(now));
        }
    }

    pub(super) fn apply_retention(&self) {
        let now = self.shared.clock.now();
        for lane in &self.shared.lanes {
            lane.sweep(move |hosted| {
                let high_watermark = hosted.replica.published().positions.high_watermark;
                let result = hosted
                    .log
                    .apply_retention(high_watermark, now)
                    .and_then(|_| hosted.log.delete_expired_files(now));
                if let Err(error) = result {
                    hosted.note_failure("retention", &error);
                }
            });
        }
    }

    /// Removes the files of deleted partitions that have waited long enough.
    pub(super) fn remove_doomed(&self) {
        let now = self.shared.clock.now();
        let mut doomed = self
            .shared
            .doomed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (due, later) = std::mem::take(&mut *doomed)
            .into_iter()
            .partition(|(when, _)| *when <= now);
        *doomed = later;
        drop(doomed);
        let due: Vec<(Timestamp, PathBuf)> = due;
        opening::remove_directories(due.into_iter().map(|(_, path)| path));
    }

    /// Writes a checkpoint of what is published, unless the file says it already; whether it is there now.
    pub(super) fn write_checkpoint(&self, which: Checkpoint) -> bool {
        if self.shared.directory.is_offline() {
            return false;
        }
        // Looked up when it is this one's turn to write: of two writers the later one knows more.
        let Err(error) = self.replace_checkpoint(which, || self.published_offsets(which)) else {
            return true;
        };
        if is_out_of_descriptors(&error) {
            tracing::warn!(%error, "checkpoint not written: no file descriptor left");
        } else {
            self.shared
                .directory
                .fail(&format_args!("checkpoint: {error}"));
        }
        false
    }

    /// What a checkpoint is to say of all open partitions.
    pub(super) fn published_offsets(&self, which: Checkpoint) -> PartitionOffsets {
        let offset = |replica: &Replica| {
            let published = replica.published();
            let positions = published.positions;
            match which {
                Checkpoint::RecoveryPoint => Some(published.recovery_point),
                Checkpoint::Replication => Some(positions.high_watermark),
                // Kafka keeps this file small: where it says nothing, the log starts with its first
                // segment.
                Checkpoint::LogStart => {
                    Some(positions.log_start).filter(|start| *start > published.first_segment)
                }
            }
        };
        let all = self.all();
        let open = all
            .iter()
            .filter_map(|replica| Some((replica.topic_partition().clone(), offset(replica)?)));
        // Of what could not be opened nothing new is known.
        let unreadable = self.unreadable().into_iter().filter_map(|unreadable| {
            let offset = match which {
                Checkpoint::RecoveryPoint => unreadable.recovery_point,
                Checkpoint::LogStart => unreadable.log_start,
                Checkpoint::Replication => return None,
            };
            let partition = unreadable.wanted.topic_partition;
            (offset > Offset::ZERO).then_some((partition, offset))
        });
        open.chain(unreadable).collect()
    }

    pub(super) fn replace_checkpoint(
        &self,
        which: Checkpoint,
        offsets: impl FnOnce() -> PartitionOffsets,
    ) -> io::Result<()> {
        let mut written = self
            .shared
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let offsets = offsets();
        if written.get(&which) != Some(&offsets) {
            self.shared
                .log_directory
                .write_checkpoint(which, &offsets)?;
            written.insert(which, offsets);
        }
        Ok(())
    }
}
