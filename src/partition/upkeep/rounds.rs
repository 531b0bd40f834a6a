//! The rounds of a directory's housekeeper. Work on a log is sent to the lane that owns it; work on the directory as
//! a whole is done here, on the housekeeper's thread.

use std::sync::Arc;

use crate::base::Timestamp;
use crate::log::Checkpoint;
use crate::partition::directory::HostedDirectory;
use crate::partition::environment::Environment;
use crate::partition::hosting::places::Places;

use super::rounds_at_once::{RoundsAtOnce, Turn};

/// The rounds of one directory.
pub(in crate::partition) struct DirectoryRounds {
    pub(in crate::partition) places: Arc<Places>,
    pub(in crate::partition) environment: Environment,
    pub(in crate::partition) directory: Arc<HostedDirectory>,
    /// The running rounds of all directories.
    pub(in crate::partition) at_once: Arc<RoundsAtOnce>,
    /// Opens what could not be opened here for want of descriptors.
    pub(in crate::partition) open_again: Box<dyn Fn() + Send>,
}

impl DirectoryRounds {
    fn now(&self) -> Timestamp {
        self.environment.now()
    }

    /// Permission to make a round, if not too many are running.
    pub(super) fn take_turn(&self) -> Option<Turn<'_>> {
        let most = self.environment.settings().housekeeping();
        self.at_once.take(most.directories_at_once)
    }

    pub(super) fn check_space(&self) {
        self.directory.state().check_space();
    }

    /// Lets the lanes sync what is due by `flush.ms`, and hand over what has waited long enough for a sync in the
    /// background. A log is checked at the end of its turn.
    pub(super) fn sync_due(&self) {
        for lane in self.directory.lanes() {
            lane.sweep_written(|_| {});
        }
    }

    pub(super) fn expire_producers(&self) {
        let now = self.now();
        for lane in self.directory.lanes() {
            lane.sweep(move |hosted| hosted.expire_producers(now, None));
        }
    }

    pub(super) fn apply_retention(&self) {
        let now = self.now();
        for lane in self.directory.lanes() {
            lane.sweep(move |hosted| hosted.apply_retention(now));
        }
    }

    /// Removes the files of deleted partitions whose delay has passed.
    pub(super) fn remove_deleted(&self) {
        if !self.directory.is_offline() {
            self.directory.remove_deleted(self.now());
        }
    }

    /// Opens logs that could not be opened for lack of file descriptors.
    pub(super) fn open_again(&self) {
        (self.open_again)();
    }

    /// Writes a checkpoint if it would differ from its file.
    pub(super) fn write_checkpoint(&self, which: Checkpoint) {
        if self.directory.is_news(which) {
            self.places.write_checkpoint(&self.directory, which);
        }
    }

    /// Writes the recovery points if much was appended since the last time: recovery after a crash uses the file,
    /// whatever is synced.
    pub(super) fn write_recovery_points_if_busy(&self) {
        if self.directory.is_busy() {
            self.write_checkpoint(Checkpoint::RecoveryPoint);
        }
    }
}
