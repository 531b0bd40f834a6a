//! The end of hosting: the logs are closed, then each directory gets its checkpoints and, after a clean stop, the
//! clean-shutdown marker.
//!
//! ```text
//!   cleaner, scrubber, movers end           those that hang in a directory are left behind
//!   each directory, on a thread of its own:
//!     housekeeper, changes end -> lanes give their logs to closers -> checkpoints -> marker
//!                                                  every closed log is progress
//! ```
//! A log without new writes is closed without access to the disk. Of the other logs, many are synced at a time, since
//! a file system handles concurrent syncs together.
//!
//! A directory that makes no progress for a while is abandoned, with a log line: the next start checks its logs. The
//! others are closed normally. A stop also has a deadline: what is not synced by then stays unsynced. Without the
//! marker, the next start checks everything above the recovery points, which is what was written lately.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::base::{Offset, TopicPartition, lock};
use crate::log::{Checkpoint, LogError};
use crate::partition::directory::HostedDirectory;
use crate::partition::lane::Hosted;

use super::manager::Partitions;
use super::progress::ClosedLogs;
use super::running::{DirectoryThreads, Hosting};

/// How long the threads that work in all directories may take to end.
const PATIENCE_WITH_THREADS: Duration = Duration::from_secs(3);

/// How long a directory may make no progress. This is longer than a disk takes to sync what a log has not synced yet.
/// Together with the earlier steps it fits into the half minute that Kubernetes gives.
const PATIENCE: Duration = Duration::from_secs(15);

/// After this time without progress, a log line says what is waited for.
const TOLD_AFTER: Duration = Duration::from_secs(4);

/// Ends something and waits for its threads.
type Ender = Box<dyn FnOnce() + Send>;

/// The interval between two lines about the progress of a slow stop.
const PAUSE: Duration = Duration::from_secs(1);

/// The share of the time that is reserved for checkpoints.
const SHARE_FOR_CHECKPOINTS: u32 = 10;

/// The maximum number of logs of a directory that are closed at a time, and how many logs justify one more thread.
const MOST_CLOSERS: usize = 32;
const LOGS_PER_CLOSER: usize = 4;

/// A log that was closed, and how far it is synced.
struct Closed {
    partition: TopicPartition,
    synced: Offset,
}

/// A sign of progress.
enum Progress {
    /// A log of the directory was closed.
    In(Arc<HostedDirectory>),
    /// The directory is closed.
    EndOf(Arc<HostedDirectory>),
}

/// A directory that is being closed.
struct Open {
    directory: Arc<HostedDirectory>,
    total: usize,
    closed: usize,
    /// When the last progress was made.
    since: Instant,
    is_told: bool,
}

impl Open {
    fn new(directory: &Arc<HostedDirectory>, total: usize) -> Self {
        Self {
            directory: Arc::clone(directory),
            total,
            closed: 0,
            since: Instant::now(),
            is_told: false,
        }
    }

    fn is_in(&self, directory: &Arc<HostedDirectory>) -> bool {
        Arc::ptr_eq(&self.directory, directory)
    }

    fn note_progress(&mut self) {
        self.closed += 1;
        (self.since, self.is_told) = (Instant::now(), false);
    }

    fn so_far(&self) -> ClosedLogs<'_> {
        ClosedLogs {
            directory: self.directory.path(),
            closed: self.closed,
            total: self.total,
        }
    }

    /// When its progress is to be checked.
    fn due(&self) -> Instant {
        self.since + if self.is_told { PATIENCE } else { TOLD_AFTER }
    }

    /// Whether to wait for it any longer. Writes the log lines for the operator.
    fn has_patience(&mut self) -> bool {
        let directory = self.directory.path().display();
        if self.since.elapsed() >= PATIENCE {
            tracing::error!(%directory, "log directory hangs: stopping without it; the next start will check its logs");
            return false;
        }
        if self.since.elapsed() >= TOLD_AFTER && !self.is_told {
            self.is_told = true;
            tracing::warn!(%directory, "waiting for a log directory that makes no progress");
        }
        true
    }
}

impl Hosting {
    /// Ends hosting until `deadline`: everything appended so far is written, synced and closed, then the checkpoints
    /// and the clean-shutdown marker are written. Without errors the next start scans nothing. A directory that hangs
    /// does not block the stop; what is not synced by then is left to the next start.
    pub fn stop_by(mut self, broker_epoch: i64, deadline: Instant) {
        // Callers that wait for the answer to an assignment that was never sent are released.
        drop(self.take_assignments());
        self.end_shared_threads(deadline);
        self.preparation.stop();
        let partitions = &self.partitions;
        let (progress, going_on) = channel();
        let mut counts: HashMap<_, usize> = HashMap::new();
        for replica in partitions.all() {
            *counts.entry(replica.directory().id()).or_default() += 1;
        }
        let count = |directory: &HostedDirectory| counts.get(&directory.id()).copied().unwrap_or(0);
        let time = deadline.saturating_duration_since(Instant::now());
        for (directory, threads) in partitions.directories().zip(self.directories) {
            let closing = Closing {
                partitions: partitions.clone(),
                directory: Arc::clone(directory),
                closers: (count(directory) / LOGS_PER_CLOSER).clamp(1, MOST_CLOSERS),
                until: deadline - time / SHARE_FOR_CHECKPOINTS,
                progress: progress.clone(),
            };
            let closing = std::thread::Builder::new()
                .name("closing".to_owned())
                .spawn(move || closing.run(threads, broker_epoch));
            if let Err(error) = closing {
                tracing::error!(directory = %directory.path().display(), %error, "log directory cannot be closed: the next start will check its logs");
            }
        }
        drop(progress);
        let open = partitions
            .directories()
            .map(|directory| Open::new(directory, count(directory)));
        partitions.wait_for_directories(open.collect(), &going_on, deadline);
    }

    /// Ends the threads that work in all directories, unless a directory that hangs holds one up.
    fn end_shared_threads(&mut self, deadline: Instant) {
        let (ended, endings) = channel::<()>();
        let scrubber = self.scrubber.take();
        let (cleaner, moves) = (
            Arc::clone(&self.partitions.shared.cleaner),
            Arc::clone(self.partitions.moves()),
        );
        let enders: [(&str, Ender); 3] = [
            ("end-cleaner", Box::new(move || cleaner.stop())),
            ("end-scrubber", Box::new(move || drop(scrubber))),
            ("end-moves", Box::new(move || moves.stop())),
        ];
        for (name, end) in enders {
            let ended = ended.clone();
            let started = std::thread::Builder::new().name(name.to_owned());
            let started = started.spawn(move || {
                end();
                drop(ended);
            });
            if let Err(error) = started {
                tracing::error!(%error, name, "cannot start a thread for the stop");
            }
        }
        drop(ended);
        let half = deadline.saturating_duration_since(Instant::now()) / 2;
        let patience = PATIENCE_WITH_THREADS.min(half);
        if endings.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "the cleaner, the scrubber or a move waits for a disk: stopping without it"
            );
        }
    }
}

impl Partitions {
    /// Waits until all directories are closed, or the remaining ones make no progress, or the time is up.
    fn wait_for_directories(
        &self,
        mut open: Vec<Open>,
        going_on: &Receiver<Progress>,
        deadline: Instant,
    ) {
        let mut next_line = Instant::now() + PAUSE;
        while let Some(next) = open.iter().map(Open::due).min() {
            let now = Instant::now();
            if now >= deadline {
                open.iter().for_each(tell_unfinished);
                return;
            }
            if now >= next_line {
                next_line = now + PAUSE;
                open.iter()
                    .for_each(|open| self.tell(open.so_far(), deadline));
            }
            let patience = next.min(next_line).min(deadline);
            match going_on.recv_timeout(patience.saturating_duration_since(now)) {
                Ok(Progress::In(directory)) => {
                    let known = open.iter_mut().filter(|open| open.is_in(&directory));
                    known.for_each(Open::note_progress);
                }
                Ok(Progress::EndOf(directory)) => open.retain(|open| !open.is_in(&directory)),
                Err(RecvTimeoutError::Timeout) => open.retain_mut(|open| open.has_patience()),
                // all directories are closed that could be closed
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn tell(&self, so_far: ClosedLogs<'_>, deadline: Instant) {
        self.shared.recovery_watch.logs_closed(so_far);
        tracing::info!(
            directory = %so_far.directory.display(), closed = so_far.closed, of = so_far.total,
            seconds_left = deadline.saturating_duration_since(Instant::now()).as_secs(),
            "syncing and closing logs"
        );
    }

    /// Writes a directory's checkpoints and its clean-shutdown marker.
    fn conclude(
        &self,
        directory: &Arc<HostedDirectory>,
        closed: &Outcome,
        broker_epoch: i64,
    ) -> std::io::Result<()> {
        let synced = closed.logs.iter();
        let synced = synced.map(|closed| (closed.partition.clone(), closed.synced));
        // for partitions that could not be opened, the offsets that were known before
        let unopened = self.places().unreadable().into_iter();
        let unopened = unopened
            .filter(|unreadable| Arc::ptr_eq(&unreadable.directory, directory))
            .map(|unreadable| {
                let partition = unreadable.wanted.topic_partition;
                (partition, unreadable.recovery_point)
            });
        let known = unopened.chain(synced);
        directory.write_checkpoint(Checkpoint::RecoveryPoint, || known.collect())?;
        for which in [Checkpoint::LogStart, Checkpoint::Replication] {
            directory
                .write_checkpoint(which, || self.places().published_offsets(directory, which))?;
        }
        if closed.left > 0 {
            tracing::warn!(directory = %directory.path().display(), logs = closed.left, of = closed.logs.len(), "no time to sync logs: the next start will check what was written to them lately");
            return Ok(());
        }
        let mut unreadable = self.places().unreadable().into_iter();
        if unreadable.any(|unreadable| Arc::ptr_eq(&unreadable.directory, directory)) {
            // The marker says that every log ends properly. That is not known for these.
            tracing::warn!(directory = %directory.path().display(), "logs could not be opened: the next start will check all of this directory");
            return Ok(());
        }
        directory.log_directory().mark_clean_shutdown(broker_epoch)
    }
}

/// The time for a directory is up.
fn tell_unfinished(open: &Open) {
    let so_far = open.so_far();
    tracing::error!(
        directory = %so_far.directory.display(), closed = so_far.closed, of = so_far.total,
        "log directory is not closed in time: stopping without it; the next start will check its logs"
    );
}

/// The result of closing a directory's logs.
#[derive(Default)]
struct Outcome {
    logs: Vec<Closed>,
    /// How many of them have unsynced records.
    left: usize,
}

/// The end of one directory.
struct Closing {
    partitions: Partitions,
    directory: Arc<HostedDirectory>,
    /// How many logs are closed at a time.
    closers: usize,
    /// After this time no log is synced any more.
    until: Instant,
    /// Receives each closed log, and the end.
    progress: Sender<Progress>,
}

impl Closing {
    fn run(&self, threads: DirectoryThreads, broker_epoch: i64) {
        let DirectoryThreads {
            lanes,
            changes,
            housekeeper,
        } = threads;
        self.directory.changes().end();
        drop(housekeeper);
        drop(changes.join());
        let closed = self.close_logs();
        for lane in lanes {
            if lane.join().is_err() {
                // It is not known which of its logs are closed.
                self.directory.fail(&"a storage lane has panicked");
            }
        }
        let directory = &self.directory;
        if !directory.is_offline()
            && let Err(error) = self.partitions.conclude(directory, &closed, broker_epoch)
        {
            tracing::error!(directory = %directory.path().display(), %error, "clean shutdown could not be recorded: the next start will check the logs");
        }
        directory.log_directory().release();
        drop(self.progress.send(Progress::EndOf(Arc::clone(directory))));
    }

    /// Takes every log out of its lane and closes it. Returns where each of them ended.
    fn close_logs(&self) -> Outcome {
        let (logs, queue) = channel();
        for lane in self.directory.lanes() {
            let logs = logs.clone();
            lane.stop(move |hosted| drop(logs.send(hosted)));
        }
        drop(logs);
        let queue = Mutex::new(queue);
        let mut outcome = Outcome::default();
        std::thread::scope(|scope| {
            let spawn = |_| scope.spawn(|| self.close_until_empty(&queue));
            let closers: Vec<_> = (0..self.closers).map(spawn).collect();
            for closer in closers {
                match closer.join() {
                    Ok(part) => {
                        outcome.logs.extend(part.logs);
                        outcome.left += part.left;
                    }
                    Err(_) => self.directory.fail(&"the closing of a log has panicked"),
                }
            }
        });
        outcome
    }

    fn close_until_empty(&self, queue: &Mutex<Receiver<Hosted>>) -> Outcome {
        let mut outcome = Outcome::default();
        let next = || {
            let queue = lock(queue);
            queue.recv().ok()
        };
        while let Some(hosted) = next() {
            let partition = hosted.replica.topic_partition().clone();
            if !self.directory.is_offline() {
                match self.close(hosted, &mut outcome.left) {
                    Ok(synced) => outcome.logs.push(Closed { partition, synced }),
                    Err(error) => {
                        let what = format_args!("close of {partition}: {error}");
                        self.directory.fail(&what);
                    }
                }
            }
            let progress = Progress::In(Arc::clone(&self.directory));
            drop(self.progress.send(progress));
        }
        outcome
    }

    /// Closes a log, or leaves it as it is if there is no time to sync it. Returns how far it is synced.
    fn close(&self, mut hosted: Hosted, left: &mut usize) -> Result<Offset, LogError> {
        if Instant::now() >= self.until && hosted.log.needs_closing() {
            *left += 1;
            return Ok(hosted.log.recovery_point());
        }
        hosted.log.close()
    }
}
