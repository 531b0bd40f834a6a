//! A directory's checkpoints: the contents of the files, and whether they are out of date. Most partitions are idle
//! most of the time, and gathering the offsets of all partitions is expensive. So whoever publishes a partition
//! reports what has moved.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::lock;
use crate::log::{Checkpoint, LogDirectory, PartitionOffsets};
use crate::partition::replica::Published;

/// The recovery points of a directory are written soon after this many bytes were appended: about as much as recovery
/// reads in 50 milliseconds.
const BUSY_BYTES: u64 = 64 * 1024 * 1024;

const ALL: [Checkpoint; 3] = [
    Checkpoint::RecoveryPoint,
    Checkpoint::LogStart,
    Checkpoint::Replication,
];

/// The checkpoint files of one directory.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// Their contents, so that they are written only when these change.
    written: Mutex<HashMap<Checkpoint, PartitionOffsets>>,
    recovery_points: AtomicBool,
    log_starts: AtomicBool,
    high_watermarks: AtomicBool,
    /// Bytes since the recovery points were written.
    appended: AtomicU64,
}

impl Checkpoints {
    const fn news(&self, which: Checkpoint) -> &AtomicBool {
        match which {
            Checkpoint::RecoveryPoint => &self.recovery_points,
            Checkpoint::LogStart => &self.log_starts,
            Checkpoint::Replication => &self.high_watermarks,
        }
    }

    /// A partition was published again.
    pub(super) fn note_moved(&self, before: &Published, after: &Published) {
        for which in ALL {
            if before.checkpointed(which) != after.checkpointed(which) {
                self.news(which).store(true, Ordering::Release);
            }
        }
    }

    /// A partition was added or removed.
    pub(super) fn note_all(&self) {
        for which in ALL {
            self.news(which).store(true, Ordering::Release);
        }
    }

    pub(super) fn note_appended(&self, bytes: u64) {
        self.appended.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_news(&self, which: Checkpoint) -> bool {
        self.news(which).load(Ordering::Acquire)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.appended.load(Ordering::Relaxed) >= BUSY_BYTES
    }

    /// Replaces a checkpoint, unless the file has the same contents already. Nobody else writes it between gathering
    /// `offsets` and the end of the write.
    pub(super) fn write(
        &self,
        directory: &LogDirectory,
        which: Checkpoint,
        offsets: impl FnOnce() -> PartitionOffsets,
    ) -> io::Result<()> {
        let mut written = lock(&self.written);
        // before they are gathered: an offset that moves meanwhile marks the file as out of date again
        self.news(which).store(false, Ordering::Release);
        if which == Checkpoint::RecoveryPoint {
            self.appended.store(0, Ordering::Relaxed);
        }
        let offsets = offsets();
        if written.get(&which) != Some(&offsets) {
            directory
                .write_checkpoint(which, &offsets)
                .inspect_err(|_| self.news(which).store(true, Ordering::Release))?;
            written.insert(which, offsets);
        }
        Ok(())
    }
}
