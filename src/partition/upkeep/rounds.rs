//! What the housekeeper of a directory does in its rounds. Work on a log is sent to the lane that owns it; what
//! concerns the directory as a whole is done here, on the housekeeper's thread.

use std::sync::{Arc, PoisonError};

use crate::base::{Offset, Timestamp};
use crate::log::{Checkpoint, PartitionOffsets};
use crate::partition::directory::HostedDirectory;
use crate::partition::hosting::manager::{Partitions, StartError};

use super::housekeeping;
use super::rounds_at_once::Turn;

impl Partitions {
    pub(in crate::partition) fn start_housekeeping(&self) -> Result<(), StartError> {
        let periods = self.shared.config.now().housekeeping();
        for (number, directory) in self.shared.directories.iter().enumerate() {
            let rounds = DirectoryRounds {
                partitions: self.clone(),
                directory: Arc::clone(directory),
            };
            let housekeeper =
                housekeeping::start(number, rounds, periods).map_err(StartError::Thread)?;
            let mut threads = self
                .shared
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(threads) = threads.directories.get_mut(number) {
                threads.housekeeper = Some(housekeeper);
            }
        }
        Ok(())
    }

    /// Writes a checkpoint of what is published in one of them; whether it is there now.
    pub(in crate::partition) fn write_checkpoint_of(
        &self,
        directory: &Arc<HostedDirectory>,
        which: Checkpoint,
    ) -> bool {
        if directory.is_offline() {
            return false;
        }
        let offsets = || self.published_offsets(directory, which);
        let written = directory.write_checkpoint(which, offsets);
        if let Err(error) = &written {
            directory.note_failure("checkpoint", error);
        }
        written.is_ok()
    }

    /// What a checkpoint of `directory` is to say of all open partitions there.
    pub(in crate::partition) fn published_offsets(
        &self,
        directory: &Arc<HostedDirectory>,
        which: Checkpoint,
    ) -> PartitionOffsets {
        let is_here = |other: &Arc<HostedDirectory>| Arc::ptr_eq(other, directory);
        let mut offsets = directory.expected_offsets(which);
        for replica in self.all() {
            if is_here(&replica.directory())
                && let Some(offset) = replica.published().checkpointed(which)
            {
                offsets.insert(replica.topic_partition().clone(), offset);
            }
        }
        // Of what could not be opened nothing new is known.
        for unreadable in self.unreadable() {
            let offset = match which {
                Checkpoint::RecoveryPoint => unreadable.recovery_point,
                Checkpoint::LogStart => unreadable.log_start,
                Checkpoint::Replication => unreadable.high_watermark,
            };
            if offset > Offset::ZERO && is_here(&unreadable.directory) {
                offsets.insert(unreadable.wanted.topic_partition, offset);
            }
        }
        offsets
    }
}

/// The rounds of one directory.
pub(in crate::partition) struct DirectoryRounds {
    partitions: Partitions,
    directory: Arc<HostedDirectory>,
}

impl DirectoryRounds {
    fn now(&self) -> Timestamp {
        self.partitions.shared.clock.now()
    }

    /// Leave to make a round, if not too many are under way.
    pub(in crate::partition) fn take_turn(&self) -> Option<Turn<'_>> {
        let shared = &self.partitions.shared;
        let most = shared.config.now().housekeeping().directories_at_once;
        shared.rounds_at_once.take(most)
    }

    pub(in crate::partition) fn check_space(&self) {
        self.directory.state().check_space();
    }

    /// Lets the lanes sync what is due by `flush.ms`, and hand over what has waited long enough for a sync
    /// in the background: a touched log is looked at when its turn ends.
    pub(in crate::partition) fn sync_due(&self) {
        for lane in self.directory.lanes() {
            lane.sweep_written(|_| {});
        }
    }

    pub(in crate::partition) fn expire_producers(&self) {
        let now = self.now();
        for lane in self.directory.lanes() {
            lane.sweep(move |hosted| hosted.expire_producers(now, None));
        }
    }

    pub(in crate::partition) fn apply_retention(&self) {
        let now = self.now();
        for lane in self.directory.lanes() {
            lane.sweep(move |hosted| hosted.apply_retention(now));
        }
    }

    /// Removes the files of deleted partitions that have waited long enough.
    pub(in crate::partition) fn remove_doomed(&self) {
        if !self.directory.is_offline() {
            self.directory.remove_doomed(self.now());
        }
    }

    /// Opens what could not be opened for want of descriptors.
    pub(in crate::partition) fn open_again(&self) {
        self.partitions.open_again(&self.directory);
    }

    /// Writes a checkpoint where it would say something new.
    pub(in crate::partition) fn write_checkpoint(&self, which: Checkpoint) {
        if self.directory.is_news(which) {
            self.partitions.write_checkpoint_of(&self.directory, which);
        }
    }

    /// Writes recovery points where much was appended since the last time: a crash is recovered from what the
    /// file says, whatever is synced.
    pub(in crate::partition) fn write_recovery_points_if_busy(&self) {
        if self.directory.is_busy() {
            self.write_checkpoint(Checkpoint::RecoveryPoint);
        }
    }
}
