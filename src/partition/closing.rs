//! The end of hosting: logs are closed, then each directory gets its checkpoints and the marker of a clean
//! stop, if that is what it was.
//!
//! ```text
//!   cleaner, scrubber, movers end           those that hang in a directory are left behind
//!   each directory, on a thread of its own:
//!     housekeeper, changes end -> lanes close their logs -> checkpoints -> marker
//!                                      every closed log is progress
//! ```
//! A directory in which nothing goes on for a while is given up, with a line that says so: the next start checks
//! its logs. The others are closed as they should be.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::base::{Offset, TopicPartition};
use crate::log::Checkpoint;

use super::directory::HostedDirectory;
use super::manager::{DirectoryThreads, Partitions, Threads};

/// How long the threads that work in all directories may take to end.
const PATIENCE_WITH_THREADS: Duration = Duration::from_secs(3);

/// How long it may take until something goes on in a directory: longer than a disk takes to sync what a log has
/// not synced yet, and together with what comes before within the half minute that Kubernetes gives.
const PATIENCE: Duration = Duration::from_secs(15);

/// After so long without anything going on it is said what is waited for.
const TOLD_AFTER: Duration = Duration::from_secs(4);

/// Ends something and waits for its threads.
type Ender = Box<dyn FnOnce() + Send>;

/// A log that was closed, and how far it is synced.
struct Closed {
    partition: TopicPartition,
    synced: Offset,
}

/// What goes on.
enum Progress {
    /// A log of the directory was closed.
    In(Arc<HostedDirectory>),
    /// The directory is closed.
    EndOf(Arc<HostedDirectory>),
}

/// A directory that is being closed.
struct Open {
    directory: Arc<HostedDirectory>,
    /// When something went on the last time.
    since: Instant,
    is_told: bool,
}

impl Open {
    fn new(directory: &Arc<HostedDirectory>) -> Self {
        Self {
            directory: Arc::clone(directory),
            since: Instant::now(),
            is_told: false,
        }
    }

    fn is_in(&self, directory: &Arc<HostedDirectory>) -> bool {
        Arc::ptr_eq(&self.directory, directory)
    }

    fn note_progress(&mut self) {
        (self.since, self.is_told) = (Instant::now(), false);
    }

    /// When it is to be looked at.
    fn due(&self) -> Instant {
        self.since + if self.is_told { PATIENCE } else { TOLD_AFTER }
    }

    /// Whether it is waited for any longer; says what an operator wants to know.
    fn has_patience(&mut self) -> bool {
        let directory = self.directory.path().display();
        if self.since.elapsed() >= PATIENCE {
            tracing::error!(%directory, "log directory hangs: stopping without it; the next start will check its logs");
            return false;
        }
        if self.since.elapsed() >= TOLD_AFTER && !self.is_told {
            self.is_told = true;
            tracing::warn!(%directory, "waiting for a log directory: nothing goes on there");
        }
        true
    }
}

impl Partitions {
    /// Ends hosting: everything appended so far is written, synced and closed, then the checkpoints
    /// and the clean-shutdown marker are written. Without errors the next start scans nothing. A directory that
    /// hangs does not keep this from its end.
    pub fn stop(&self, broker_epoch: i64) {
        let mut threads = std::mem::take(
            &mut *self
                .shared
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        // Whoever waits for an answer to an assignment that was never sent goes.
        drop(self.assignments());
        self.end_shared_threads(&mut threads);
        self.shared.preparation.stop();
        let (progress, going_on) = channel();
        for (directory, threads) in self.shared.directories.iter().zip(threads.directories) {
            let closing = Closing {
                partitions: self.clone(),
                directory: Arc::clone(directory),
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
        self.wait_for_directories(&going_on);
    }

    /// Ends what works in all directories, as far as no directory holds it up.
    fn end_shared_threads(&self, threads: &mut Threads) {
        let (ended, endings) = channel::<()>();
        let (cleaner, scrubber) = (threads.cleaner.take(), threads.scrubber.take());
        let partitions = self.clone();
        let enders: [(&str, Ender); 3] = [
            ("end-cleaner", Box::new(move || drop(cleaner))),
            ("end-scrubber", Box::new(move || drop(scrubber))),
            (
                "end-moves",
                Box::new(move || partitions.shared.moves.stop()),
            ),
        ];
        for (name, end) in enders {
            let ended = ended.clone();
            let started = std::thread::Builder::new().name(name.to_owned());
            let started = started.spawn(move || {
                end();
                drop(ended);
            });
            if let Err(error) = started {
                tracing::error!(%error, name, "no thread for the end");
            }
        }
        drop(ended);
        if endings.recv_timeout(PATIENCE_WITH_THREADS) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "the cleaner, the scrubber or a move waits for a disk: stopping without it"
            );
        }
    }

    /// Waits until all directories are closed, or nothing goes on in those that are not.
    fn wait_for_directories(&self, going_on: &Receiver<Progress>) {
        let directories = self.shared.directories.iter();
        let mut open: Vec<_> = directories.map(Open::new).collect();
        while let Some(next) = open.iter().map(Open::due).min() {
            let patience = next.saturating_duration_since(Instant::now());
            match going_on.recv_timeout(patience) {
                Ok(Progress::In(directory)) => {
                    let known = open.iter_mut().filter(|open| open.is_in(&directory));
                    known.for_each(Open::note_progress);
                }
                Ok(Progress::EndOf(directory)) => open.retain(|open| !open.is_in(&directory)),
                Err(RecvTimeoutError::Timeout) => open.retain_mut(|open| open.has_patience()),
                // all that could be closed are
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes a directory's checkpoints and its marker of a clean stop.
    fn conclude(
        &self,
        directory: &Arc<HostedDirectory>,
        closed: &[Closed],
        broker_epoch: i64,
    ) -> std::io::Result<()> {
        let synced = closed
            .iter()
            .map(|closed| (closed.partition.clone(), closed.synced));
        directory.write_checkpoint(Checkpoint::RecoveryPoint, || synced.collect())?;
        for which in [Checkpoint::LogStart, Checkpoint::Replication] {
            directory.write_checkpoint(which, || self.published_offsets(directory, which))?;
        }
        let mut unreadable = self.unreadable().into_iter();
        if unreadable.any(|unreadable| Arc::ptr_eq(&unreadable.directory, directory)) {
            // The marker says that every log ends as it should. Of these nobody knows.
            tracing::warn!(directory = %directory.path().display(), "logs could not be opened: the next start will check all of this directory");
            return Ok(());
        }
        directory.log_directory().mark_clean_shutdown(broker_epoch)
    }
}

/// The end of one directory.
struct Closing {
    partitions: Partitions,
    directory: Arc<HostedDirectory>,
    /// Is told of each log that was closed, and of the end.
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
                // Which of its logs are closed is not known.
                self.directory.fail(&"a storage lane has panicked");
            }
        }
        let closed: Vec<Closed> = closed.into_iter().collect();
        let directory = &self.directory;
        if !directory.is_offline()
            && let Err(error) = self.partitions.conclude(directory, &closed, broker_epoch)
        {
            tracing::error!(directory = %directory.path().display(), %error, "clean shutdown could not be recorded: the next start will check the logs");
        }
        directory.log_directory().release();
        drop(self.progress.send(Progress::EndOf(Arc::clone(directory))));
    }

    /// Has the lanes close every log; where each of them ended.
    fn close_logs(&self) -> Receiver<Closed> {
        let (closed, results) = channel();
        for lane in self.directory.lanes() {
            let (closed, progress) = (closed.clone(), self.progress.clone());
            lane.stop(move |hosted| {
                let partition = hosted.replica.topic_partition().clone();
                let directory = hosted.replica.directory();
                if directory.is_offline() {
                    return;
                }
                match hosted.log.close() {
                    Ok(synced) => drop(closed.send(Closed { partition, synced })),
                    Err(error) => directory.fail(&format_args!("close of {partition}: {error}")),
                }
                drop(progress.send(Progress::In(directory)));
            });
        }
        results
    }
}
