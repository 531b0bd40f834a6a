//! A log directory as the running broker sees it: online until a write fails, and with or without
//! room for produced records.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use crate::base::DirectoryId;
use crate::log::Disk;

/// How many appended bytes may pass between two looks at the free space. Small against any sensible
/// reserve, large against the price of the system call.
const BYTES_BETWEEN_SPACE_CHECKS: u64 = 8 * 1024 * 1024;

/// State of one log directory, shared by everyone who writes to it.
#[derive(Debug)]
pub struct DirectoryState {
    path: PathBuf,
    id: DirectoryId,
    /// Why the directory is offline; once set it stays until the broker is started again.
    failure: watch::Sender<Option<String>>,
    /// Knows of failed writes that nobody has reported yet.
    disk: Disk,
    reserve_bytes: u64,
    nearly_full: AtomicBool,
    appended_since_check: AtomicU64,
}

impl DirectoryState {
    /// The state of a directory that has just been opened.
    pub fn new(path: PathBuf, id: DirectoryId, disk: Disk, reserve_bytes: u64) -> Self {
        let state = Self {
            path,
            id,
            failure: watch::Sender::new(None),
            disk,
            reserve_bytes,
            nearly_full: AtomicBool::new(false),
            appended_since_check: AtomicU64::new(0),
        };
        state.check_space();
        state
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its `directory.id`.
    pub const fn id(&self) -> DirectoryId {
        self.id
    }

    /// Takes the directory offline. Only the first failure is logged: the rest follow from it.
    pub fn fail(&self, reason: &dyn std::fmt::Display) {
        let reason = reason.to_string();
        let is_first = self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert_with(|| reason.clone());
            is_first
        });
        if is_first {
            tracing::error!(
                directory = %self.path.display(),
                reason,
                "log directory goes offline: its partitions answer KAFKA_STORAGE_ERROR until the broker is started again"
            );
        }
    }

    /// Whether a write has failed here.
    pub fn is_offline(&self) -> bool {
        self.failure.borrow().is_some() || self.disk.is_offline()
    }

    /// Tells when the directory goes offline.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// Whether free space is below the reserve, so that produced records are refused.
    pub fn is_nearly_full(&self) -> bool {
        self.nearly_full.load(Ordering::Relaxed)
    }

    /// Counts appended bytes, and looks at the free space once in a while.
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

    /// Looks at the free space now.
    pub fn check_space(&self) {
        self.appended_since_check.store(0, Ordering::Relaxed);
        let free = match rustix::fs::statvfs(&self.path) {
            Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
            // A directory whose space cannot be read is not refused for that: its writes will tell.
            Err(_) => return,
        };
        let nearly_full = free < self.reserve_bytes;
        if self.nearly_full.swap(nearly_full, Ordering::Relaxed) != nearly_full {
            if nearly_full {
                tracing::error!(
                    directory = %self.path.display(), free, reserve = self.reserve_bytes,
                    "disk nearly full: produce requests are refused, everything else goes on"
                );
            } else {
                tracing::info!(directory = %self.path.display(), free, "disk has room again: produce requests are served");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(directory: &tempfile::TempDir, reserve: u64) -> DirectoryState {
        DirectoryState::new(
            directory.path().to_owned(),
            DirectoryId::random(),
            Disk::default(),
            reserve,
        )
    }

    #[test]
    fn a_reserve_larger_than_the_disk_makes_it_nearly_full() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(!state(&directory, 1).is_nearly_full());
        assert!(state(&directory, u64::MAX).is_nearly_full());
    }

    #[test]
    fn the_first_failure_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = state(&directory, 0);
        assert!(!state.is_offline());
        state.fail(&"no space left");
        state.fail(&"something later");
        assert!(state.is_offline());
        assert_eq!(state.failure().borrow().as_deref(), Some("no space left"));
    }

    #[test]
    fn a_failure_that_only_the_disk_knows_counts() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = state(&directory, 0);
        state.disk.take_offline();
        assert!(state.is_offline());
    }
}
