//! The file `leader-epoch-checkpoint`. It has two possible writers, and an older state must never replace a newer
//! one.
//!
//! A new leader epoch is first noted in memory only. The file is written when something needs it: with the sync that
//! lets the recovery point pass the first offset of the epoch, at a clean stop, and before segments are removed.
//! Below the recovery point the file is right; above it, recovery finds the epochs in the batches. An epoch in which
//! nothing was written is forgotten when the process ends, and the next one has a higher number. So starting and
//! stopping write nothing for a partition without new records.
//!
//! Two threads may write the file: the owner of the log, and a [`SyncJob`](super::sync_job::SyncJob) that the owner has handed
//! out. The job may be late: the owner may have written a newer state, or the replica's directory may be about to be
//! removed. Both are detected here, under one lock.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use crate::base::lock;

use super::disk::Disk;
use super::epochs::{FILE_NAME, LeaderEpochs};

/// The file of one replica, as far as this process has written it.
#[derive(Debug, Default)]
pub(super) struct EpochsFile {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest version that was written; 0 is the file as it was found.
    version: u64,
    is_retired: bool,
}

impl EpochsFile {
    /// Replaces the file by version `version`, with its content synced but not its name. Does nothing if a newer
    /// version is there, or if the file is no longer written.
    pub(super) fn put(
        &self,
        disk: &Disk,
        directory: &Path,
        version: u64,
        epochs: &LeaderEpochs,
    ) -> io::Result<()> {
        let mut state = self.state();
        if state.is_retired || state.version >= version {
            return Ok(());
        }
        disk.put(&directory.join(FILE_NAME), epochs.encode().as_bytes())?;
        state.version = version;
        Ok(())
    }

    /// Whether `version` or a newer one was written.
    pub(super) fn has(&self, version: u64) -> bool {
        self.state().version >= version
    }

    /// The file is no longer written, since its directory is about to be renamed.
    pub(super) fn retire(&self) {
        self.state().is_retired = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{LeaderEpoch, Offset};

    #[test]
    fn who_comes_late_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (disk, file) = (Disk::default(), EpochsFile::default());
        let put = |version: u64| {
            let mut epochs = LeaderEpochs::default();
            epochs.assign(LeaderEpoch(i32::try_from(version).unwrap()), Offset(0));
            file.put(&disk, directory.path(), version, &epochs).unwrap();
            std::fs::read_to_string(directory.path().join(FILE_NAME)).unwrap()
        };
        assert_eq!(put(2), "0\n1\n2 0\n");
        assert_eq!(put(1), "0\n1\n2 0\n");
        assert!(file.has(1) && file.has(2) && !file.has(3));
        file.retire();
        assert_eq!(put(3), "0\n1\n2 0\n");
        assert!(!file.has(3));
    }
}
