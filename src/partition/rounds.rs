//! What the housekeeper does in its rounds. Work on a log is sent to the lane that owns it; what
//! concerns the directory as a whole is done here, on the housekeeper's thread.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use crate::base::Timestamp;
use crate::log::{Checkpoint, PartitionOffsets};

use super::housekeeping::{Housekeeper, Periods};
use super::manager::{Partitions, StartError};
use super::opening;

impl Partitions {
    pub(super) fn start_housekeeping(&self) -> Result<(), StartError> {
        let config = &self.shared.config;
        let millis = |value: i64| Duration::from_millis(u64::try_from(value).unwrap_or(1).max(1));
        let periods = Periods {
            retention: millis(config.log_retention_check_interval_ms),
            checkpoints: millis(i64::from(config.log_flush_offset_checkpoint_interval_ms)),
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

    /// Lets the lanes sync what is due by `flush.ms`: a touched log is looked at when a drain settles.
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
                    let partition = hosted.replica.topic_partition();
                    hosted
                        .replica
                        .directory()
                        .fail(&format_args!("retention of {partition}: {error}"));
                }
            });
        }
        self.remove_doomed(now);
    }

    fn remove_doomed(&self, now: Timestamp) {
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

    pub(super) fn write_checkpoints(&self) {
        if self.shared.directory.is_offline() {
            return;
        }
        let recovery_points = self
            .all()
            .iter()
            .map(|replica| {
                (
                    replica.topic_partition().clone(),
                    replica.published().recovery_point,
                )
            })
            .collect();
        if let Err(error) = self.write_position_checkpoints(&recovery_points) {
            self.shared
                .directory
                .fail(&format_args!("checkpoint: {error}"));
        }
    }

    pub(super) fn write_position_checkpoints(
        &self,
        recovery_points: &PartitionOffsets,
    ) -> std::io::Result<()> {
        let mut log_starts = PartitionOffsets::new();
        let mut high_watermarks = PartitionOffsets::new();
        for replica in self.all() {
            let published = replica.published();
            let positions = published.positions;
            // Kafka keeps this file small: where it says nothing, the log starts with its first segment.
            if positions.log_start > published.first_segment {
                log_starts.insert(replica.topic_partition().clone(), positions.log_start);
            }
            high_watermarks.insert(replica.topic_partition().clone(), positions.high_watermark);
        }
        let directory = &self.shared.log_directory;
        directory.write_checkpoint(Checkpoint::RecoveryPoint, recovery_points)?;
        directory.write_checkpoint(Checkpoint::LogStart, &log_starts)?;
        directory.write_checkpoint(Checkpoint::Replication, &high_watermarks)
    }
}
