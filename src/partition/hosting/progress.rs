//! The progress of opening the logs of a directory: a log line each second, and callbacks for a slow start or stop
//! ([`RecoveryWatch`]).

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::{TopicPartition, lock};
use crate::log::RecoveryReport;

/// The interval between two lines about one directory.
const PAUSE: Duration = Duration::from_secs(1);

/// How many losses of one log are reported individually.
const MOST_TOLD: usize = 16;

/// The progress of a directory's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedLogs<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Logs that are open.
    pub opened: usize,
    /// The total number of logs to open.
    pub total: usize,
    /// Bytes that recovery has read.
    pub bytes_read: u64,
}

/// The progress of a directory's stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedLogs<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// The number of closed logs.
    pub closed: usize,
    /// The total number of logs to close.
    pub total: usize,
}

/// Receives the progress of a start: at its begin, at most once a second, and at its end. It also receives the
/// progress of a stop that takes longer than a second.
pub trait RecoveryWatch: Send + Sync + std::fmt::Debug {
    /// Called from the threads that open logs; must not wait.
    fn logs_opened(&self, so_far: OpenedLogs<'_>);

    /// Called from the thread that stops; must not wait.
    fn logs_closed(&self, so_far: ClosedLogs<'_>);
}

/// Nobody watches.
#[derive(Debug)]
pub struct Unwatched;

impl RecoveryWatch for Unwatched {
    fn logs_opened(&self, _so_far: OpenedLogs<'_>) {}

    fn logs_closed(&self, _so_far: ClosedLogs<'_>) {}
}

/// The opening of the logs in one directory.
pub(in crate::partition) struct RecoveryProgress<'a> {
    watch: &'a dyn RecoveryWatch,
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
    pub(in crate::partition) fn begin(
        watch: &'a dyn RecoveryWatch,
        directory: &'a Path,
        total: usize,
    ) -> Self {
        let now = Instant::now();
        let progress = Self {
            watch,
            directory,
            total,
            state: Mutex::new(State {
                began: now,
                last_told: now,
                opened: 0,
                checked: 0,
                bytes_read: 0,
            }),
        };
        progress.tell_watch(0, 0);
        progress
    }

    fn tell_watch(&self, opened: usize, bytes_read: u64) {
        self.watch.logs_opened(OpenedLogs {
            directory: self.directory,
            opened,
            total: self.total,
            bytes_read,
        });
    }

    /// A log is open. Some losses are reported at once, the rest as a sum.
    pub(in crate::partition) fn note_opened(
        &self,
        partition: &TopicPartition,
        report: &RecoveryReport,
    ) {
        for loss in report.losses.iter().take(MOST_TOLD) {
            loss.tell(partition);
        }
        if let Some(more) = report.losses.len().checked_sub(MOST_TOLD + 1) {
            tracing::error!(%partition, more = more + 1, "records are lost in more places than are listed here: a scrub finds the others");
        }
        if report.bytes_truncated > 0 || report.segments_deleted > 0 {
            tracing::warn!(
                %partition,
                scanned = report.bytes_scanned,
                cut = report.bytes_truncated,
                segments_deleted = report.segments_deleted,
                "log recovered: an unfinished end was cut off"
            );
        }
        let mut state = lock(&self.state);
        state.opened += 1;
        state.checked += usize::from(report.segments_scanned > 0 || report.indexes_rebuilt > 0);
        state.bytes_read += report.bytes_scanned;
        let now = Instant::now();
        if now.duration_since(state.last_told) >= PAUSE {
            state.last_told = now;
            self.tell_watch(state.opened, state.bytes_read);
            tracing::info!(
                directory = %self.directory.display(), opened = state.opened, of = self.total,
                checked = state.checked, bytes_read = state.bytes_read, "opening logs"
            );
        }
    }

    /// All logs are open that could be opened.
    pub(in crate::partition) fn end(&self) {
        let state = lock(&self.state);
        self.tell_watch(state.opened, state.bytes_read);
        if state.checked > 0 || state.last_told > state.began {
            tracing::info!(
                directory = %self.directory.display(), opened = state.opened, of = self.total,
                checked = state.checked, bytes_read = state.bytes_read,
                milliseconds = state.began.elapsed().as_millis(), "logs opened"
            );
        }
    }
}
