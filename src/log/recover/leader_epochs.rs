//! Pass 7 of opening: makes the leader epochs match the log.

use std::sync::Arc;

use crate::base::{LeaderEpoch, Offset};

use super::Recovery;
use crate::log::epochs::{self, LeaderEpochs};
use crate::log::epochs_file::EpochsFile;
use crate::log::partition_log::LogError;
use crate::log::replica_directory::ReplicaDirectory;
use crate::log::segment::Segment;

/// The segments of a log once its ends are known.
pub(super) struct Ends {
    /// Where the first segment begins.
    pub(super) first_base: Offset,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    /// Leader epochs that begin after this belong to records that were set aside.
    pub(super) known_up_to: Offset,
    /// Whether the removal of segments was interrupted, so that their epochs are still in the file.
    pub(super) removal_was_interrupted: bool,
}

/// The leader epochs of a log.
pub(super) struct RecoveredEpochs {
    /// From the log start on.
    pub(super) current: LeaderEpochs,
    /// From the first segment on.
    pub(super) all: LeaderEpochs,
    pub(super) file: Arc<EpochsFile>,
    /// The first offset at which the file differs.
    pub(super) differs_from: Option<Offset>,
}

impl Recovery {
    /// The leader epochs after recovery, from those in the file and in the scanned batches (`epochs`).
    pub(super) fn recover_epochs<'s>(
        &self,
        found: Option<LeaderEpochs>,
        mut epochs: LeaderEpochs,
        segments: impl Iterator<Item = &'s Segment>,
        ends: Ends,
    ) -> Result<RecoveredEpochs, LogError> {
        let first_found = found.as_ref().and_then(LeaderEpochs::first_offset);
        let options = &self.options;
        if first_found.is_none()
            && (options.clean_shutdown || options.recovery_point > ends.first_base)
        {
            epochs = Self::epochs_of(segments)?;
        }
        epochs.truncate_from_end(ends.known_up_to);
        epochs.truncate_from_start(ends.first_base);
        let (file, differs_from) = self.epochs_file(found, &epochs, &ends)?;
        let all = epochs.clone();
        epochs.truncate_from_start(ends.log_start);
        Ok(RecoveredEpochs {
            current: epochs,
            all,
            file,
            differs_from,
        })
    }

    /// The leader epochs from the batches, if the file has none.
    fn epochs_of<'s>(
        segments: impl Iterator<Item = &'s Segment>,
    ) -> Result<LeaderEpochs, LogError> {
        let mut epochs = LeaderEpochs::default();
        for segment in segments {
            segment.for_each_header(|header| {
                let latest = epochs.latest().unwrap_or(LeaderEpoch::NONE);
                if header.leader_epoch > latest {
                    epochs.assign(header.leader_epoch, header.base_offset);
                }
            })?;
        }
        Ok(epochs)
    }

    /// The leader epoch file, and the offset from which it differs from `epochs`. It is written only if that is
    /// below the recovery point, or if the log starts empty; otherwise the next start finds the same. For
    /// example, the file of most partitions has an epoch in which nothing was written. A missing file is
    /// created, since Kafka has one in every replica.
    fn epochs_file(
        &self,
        found: Option<LeaderEpochs>,
        epochs: &LeaderEpochs,
        ends: &Ends,
    ) -> Result<(Arc<EpochsFile>, Option<Offset>), LogError> {
        let file = Arc::<EpochsFile>::default();
        // the file still has the epochs of segments whose removal was interrupted
        let is_missing = found.is_none() || ends.removal_was_interrupted;
        let mut found = found.unwrap_or_default();
        // every start ignores epochs that begin below the first segment
        found.truncate_from_start(ends.first_base);
        let from = found.first_difference(epochs);
        let recovery_point = self.recovery_point(ends.log_end);
        let is_anew = self.report.segments_deleted > 0;
        if is_missing || from.is_some_and(|from| from < recovery_point || is_anew) {
            let disk = &self.options.disk;
            file.put(disk, &self.directory, 1, epochs)?;
            disk.sync_directory(&self.directory)?;
            return Ok((file, None));
        }
        Ok((file, from))
    }

    /// The content of the leader epoch file, if there is one.
    pub(super) fn load_epochs(
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
                tracing::error!(path = %path.display(), %error, "the file cannot be read: rebuilding it from the batches of the log");
                Ok(None)
            }
        }
    }
}
