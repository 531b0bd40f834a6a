//! How far the logs of a directory are opened, for whoever watches a start that takes its time.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::TopicPartition;
use crate::log::RecoveryReport;

/// Between two lines about one directory.
const PAUSE: Duration = Duration::from_secs(1);

/// The opening of the logs in one directory.
pub(super) struct RecoveryProgress<'a> {
    directory: &'a Path,
    total: usize,
    state: Mutex<State>,
}

struct State {
    began: Instant,
    last_told: Instant,
    opened: usize,
    checked: usize,
    bytes_read: u64,
}

impl<'a> RecoveryProgress<'a> {
    /// `total` logs are to be opened in `directory`.
    pub(super) fn begin(directory: &'a Path, total: usize) -> Self {
        let now = Instant::now();
        Self {
            directory,
            total,
            state: Mutex::new(State {
                began: now,
                last_told: now,
                opened: 0,
                checked: 0,
                bytes_read: 0,
            }),
        }
    }

    /// A log is open. What was lost is told at once, the rest in sum.
    pub(super) fn note_opened(&self, partition: &TopicPartition, report: &RecoveryReport) {
        if report.bytes_truncated > 0 || report.segments_deleted > 0 {
            tracing::warn!(
                %partition,
                scanned = report.bytes_scanned,
                cut = report.bytes_truncated,
                segments_deleted = report.segments_deleted,
                "log recovered: an unfinished end was cut off"
            );
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.opened += 1;
        state.checked += usize::from(report.segments_scanned > 0 || report.indexes_rebuilt > 0);
        state.bytes_read += report.bytes_scanned;
        let now = Instant::now();
        if now.duration_since(state.last_told) >= PAUSE {
            state.last_told = now;
            tracing::info!(
                directory = %self.directory.display(), opened = state.opened, of = self.total,
                checked = state.checked, bytes_read = state.bytes_read, "opening logs"
            );
        }
    }

    /// All that can be opened is open.
    pub(super) fn end(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.checked > 0 || state.last_told > state.began {
            tracing::info!(
                directory = %self.directory.display(), opened = state.opened, of = self.total,
                checked = state.checked, bytes_read = state.bytes_read,
                milliseconds = state.began.elapsed().as_millis(), "logs opened"
            );
        }
    }
}
