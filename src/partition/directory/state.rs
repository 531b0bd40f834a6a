//! The state of a log directory: online until a write fails, and with or without space for produced records.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use crate::log::{Disk, LogDirectory};

/// How many bytes may be appended between two checks of the free space. This is small against any sensible reserve,
/// and large against the cost of the system call.
const BYTES_BETWEEN_SPACE_CHECKS: u64 = 8 * 1024 * 1024;

/// State of one log directory, shared by everyone who writes to it.
#[derive(Debug)]
pub struct DirectoryState {
    path: PathBuf,
    /// Why the directory is offline; once set it stays until the broker is started again.
    failure: watch::Sender<Option<String>>,
    disk: Disk,
    reserve_bytes: u64,
    nearly_full: AtomicBool,
    appended_since_check: AtomicU64,
}

impl DirectoryState {
    /// The state of a directory that has just been opened.
    pub fn new(directory: &LogDirectory, reserve_bytes: u64) -> Self {
        let state = Self {
            path: directory.path().to_owned(),
            failure: watch::Sender::new(None),
            disk: directory.disk().clone(),
            reserve_bytes,
            nearly_full: AtomicBool::new(false),
            appended_since_check: AtomicU64::new(0),
        };
        let (path, failure) = (state.path.clone(), state.failure.clone());
        state
            .disk
            .on_failure(move |reason| note_failure(&path, &failure, reason));
        state.check_space();
        state
    }

    /// Takes the directory offline. Only the first failure is logged: the rest follow from it.
    pub fn fail(&self, reason: &dyn Display) {
        note_failure(&self.path, &self.failure, reason);
        self.disk.take_offline();
    }

    /// Whether a write has failed here.
    pub fn is_offline(&self) -> bool {
        self.disk.is_offline()
    }

    /// Notifies when the directory goes offline.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// Whether free space is below the reserve, so that produced records are refused.
    pub fn is_nearly_full(&self) -> bool {
        self.nearly_full.load(Ordering::Relaxed)
    }

    /// Counts appended bytes, and checks the free space from time to time.
    pub fn note_appended(&self, bytes: u64) {
        if self
            .appended_since_check
            .fetch_add(bytes, Ordering::Relaxed)
            + bytes
            >= BYTES_BETWEEN_SPACE_CHECKS
        {
            self.check_space();
        }
    }

    /// Checks the free space now.
    pub fn check_space(&self) {
        self.appended_since_check.store(0, Ordering::Relaxed);
        let free = match rustix::fs::statvfs(&self.path) {
            Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
            // If the free space cannot be read, produce requests are not refused: a failing write will show the
            // fault.
            Err(_) => return,
        };
        let nearly_full = free < self.reserve_bytes;
        if self.nearly_full.swap(nearly_full, Ordering::Relaxed) != nearly_full {
            if nearly_full {
                crate::base::limited!(
                    error,
                    "disk nearly full: produce requests are refused, everything else goes on",
                    directory = %self.path.display(),
                    free,
                    reserve = self.reserve_bytes
                );
            } else {
                crate::base::limited!(
                    info,
                    "disk has room again: produce requests are served",
                    directory = %self.path.display(),
                    free
                );
            }
        }
    }
}

fn note_failure(path: &Path, failure: &watch::Sender<Option<String>>, reason: impl Display) {
    let reason = reason.to_string();
    let is_first = failure.send_if_modified(|failure| {
        let is_first = failure.is_none();
        failure.get_or_insert_with(|| reason.clone());
        is_first
    });
    if is_first {
        tracing::error!(
            directory = %path.display(),
            reason,
            "log directory goes offline: its partitions answer KAFKA_STORAGE_ERROR until the broker is started again"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::NodeId;
    use crate::log::Identity;

    fn state(directory: &tempfile::TempDir, reserve: u64) -> DirectoryState {
        let identity = Identity {
            node_id: NodeId(1),
            cluster_id: None,
        };
        let directory = LogDirectory::open(directory.path(), &identity).expect("a log directory");
        DirectoryState::new(&directory, reserve)
    }

    #[test]
    fn a_reserve_larger_than_the_disk_makes_it_nearly_full() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(!state(&directory, 1).is_nearly_full());
        assert!(state(&directory, u64::MAX).is_nearly_full());
    }

    #[test]
    fn the_first_failure_stays_and_ends_all_writing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = state(&directory, 0);
        assert!(!state.is_offline());
        state.fail(&"no space left");
        state.fail(&"something later");
        assert!(state.is_offline());
        assert_eq!(state.failure().borrow().as_deref(), Some("no space left"));
        assert!(state.disk.create(&directory.path().join("file")).is_err());
    }

    #[test]
    fn a_failure_of_the_disk_is_told() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = state(&directory, 0);
        let told = state.failure();
        let nowhere = directory.path().join("no/such/directory");
        assert!(state.disk.create(&nowhere).is_err());
        assert!(state.is_offline());
        assert!(told.has_changed().expect("the state lives"));
    }
}
