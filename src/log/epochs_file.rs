//! `leader-epoch-checkpoint`, the file: who may write it, and that an older state never takes the place of a
//! newer one.
//!
//! A leadership is noted in memory when it begins. The file follows when something needs it: with the sync
//! that lets the recovery point pass the leadership's first offset, at a clean stop, and before segments go.
//! Below the recovery point the file is right; above it, recovery finds the leaderships in the batches; one
//! that has not written anything is forgotten with the process, and the next one has a higher number. So a
//! start and a stop write nothing for a partition that nobody has written to.
//!
//! Two threads may write: the log's owner, and a [`SyncJob`](super::SyncJob) that the owner has sent away. A
//! job may come late, after the owner has written a newer state, or when the replica's directory is about to
//! be removed. Both are found out here, under one lock.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::Disk;
use super::epochs::{FILE_NAME, LeaderEpochs};

/// The file of one replica, as far as this process has written it.
#[derive(Debug, Default)]
pub(super) struct EpochsFile {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The newest version that was put in place; 0 is what was found.
    version: u64,
    is_retired: bool,
}

impl EpochsFile {
    /// Puts version `version` in place: as a whole, with its content synced, its name not. Does nothing where
    /// a newer one is there, or where the file is not written any more.
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

    /// Whether `version` or a newer one was put in place.
    pub(super) fn has(&self, version: u64) -> bool {
        self.state().version >= version
    }

    /// Nobody writes it any more: its directory is about to get another name.
    pub(super) fn retire(&self) {
        self.state().is_retired = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
