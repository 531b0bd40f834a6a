//! The end of hosting: logs are closed, then each directory gets its checkpoints and the marker of a clean
//! stop, if that is what it was.

use std::sync::{Arc, PoisonError, mpsc};
use std::thread::JoinHandle;

use crate::base::{Offset, TopicPartition};
use crate::log::Checkpoint;

use super::directory::HostedDirectory;
use super::manager::Partitions;

/// A log that was closed, and how far it is synced.
struct Closed {
    directory: Arc<HostedDirectory>,
    partition: TopicPartition,
    synced: Offset,
}

impl Partitions {
    /// Ends hosting: everything appended so far is written, synced and closed, then the checkpoints
    /// and the clean-shutdown marker are written. Without errors the next start scans nothing.
    pub fn stop(&self, broker_epoch: i64) {
        let mut threads = std::mem::take(
            &mut *self
                .shared
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let Some(cleaner) = &mut threads.cleaner {
            cleaner.stop();
        }
        if let Some(scrubber) = &mut threads.scrubber {
            scrubber.stop();
        }
        for housekeeper in &mut threads.housekeepers {
            housekeeper.stop();
        }
        for directory in &self.shared.directories {
            directory.changes().end();
        }
        for thread in threads.changes {
            drop(thread.join());
        }
        // Whoever waits for an answer to an assignment that was never sent goes.
        drop(self.assignments());
        self.shared.moves.stop();
        let closed = self.close_logs(threads.lanes);
        for directory in &self.shared.directories {
            if !directory.is_offline()
                && let Err(error) = self.conclude(directory, &closed, broker_epoch)
            {
                tracing::error!(directory = %directory.path().display(), %error, "clean shutdown could not be recorded: the next start will check the logs");
            }
            directory.log_directory().release();
        }
    }

    /// Writes a directory's checkpoints and its marker of a clean stop.
    fn conclude(
        &self,
        directory: &Arc<HostedDirectory>,
        closed: &[Closed],
        broker_epoch: i64,
    ) -> std::io::Result<()> {
        let here = closed
            .iter()
            .filter(|closed| Arc::ptr_eq(&closed.directory, directory));
        let synced = here.map(|closed| (closed.partition.clone(), closed.synced));
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

    /// Closes every log; where each of them ended.
    fn close_logs(&self, threads: Vec<JoinHandle<()>>) -> Vec<Closed> {
        let (closed, results) = mpsc::channel();
        for lane in self.lanes() {
            let closed = closed.clone();
            lane.stop(move |hosted| {
                let partition = hosted.replica.topic_partition().clone();
                let directory = hosted.replica.directory();
                if directory.is_offline() {
                    return;
                }
                match hosted.log.close() {
                    Ok(synced) => drop(closed.send(Closed {
                        directory,
                        partition,
                        synced,
                    })),
                    Err(error) => directory.fail(&format_args!("close of {partition}: {error}")),
                }
            });
        }
        drop(closed);
        for thread in threads {
            if thread.join().is_err() {
                // Which of its logs are closed is not known.
                for directory in &self.shared.directories {
                    directory.fail(&"a storage lane has panicked");
                }
            }
        }
        results.into_iter().collect()
    }
}
