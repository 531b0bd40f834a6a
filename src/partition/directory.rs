//! A log directory as the running broker sees it: online until a write fails, and with or without
//! room for produced records.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::DirectoryId;

/// How many appended bytes may pass between two looks at the free space. Small against any sensible
/// reserve, large against the price of the system call.
const BYTES_BETWEEN_SPACE_CHECKS: u64 = 8 * 1024 * 1024;

/// State of one log directory, shared by everyone who writes to it.
#[derive(Debug)]
pub struct DirectoryState {
    path: PathBuf,
    id: DirectoryId,
    /// Why the directory is offline; once set it stays until the broker is started again.
    failure: OnceLock<String>,
    reserve_bytes: u64,
    nearly_full: AtomicBool,
    appended_since_check: AtomicU64,
}

impl DirectoryState {
    /// The state of a directory that has just been opened.
    pub fn new(path: PathBuf, id: DirectoryId, reserve_bytes: u64) -> Self {
        let state = Self {
            path,
            id,
            failure: OnceLock::new(),
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
        if self.failure.set(reason.clone()).is_ok() {
            tracing::error!(
                directory = %self.path.display(),
                reason,
                "log directory goes offline: its partitions answer KAFKA_STORAGE_ERROR until the broker is started again"
            );
        }
    }

    /// Whether a write has failed here.
    pub fn is_offline(&self) -> bool {
        self.failure.get().is_some()
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

    #[test]
    fn a_reserve_larger_than_the_disk_makes_it_nearly_full() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let roomy = DirectoryState::new(directory.path().to_owned(), DirectoryId::random(), 1);
        let full =
            DirectoryState::new(directory.path().to_owned(), DirectoryId::random(), u64::MAX);
        assert!(!roomy.is_nearly_full());
        assert!(full.is_nearly_full());
    }

    #[test]
    fn the_first_failure_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = DirectoryState::new(directory.path().to_owned(), DirectoryId::random(), 0);
        assert!(!state.is_offline());
        state.fail(&"no space left");
        state.fail(&"something later");
        assert_eq!(
            state.failure.get().map(String::as_str),
            Some("no space left")
        );
    }
}
