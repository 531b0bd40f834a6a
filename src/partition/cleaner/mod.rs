//! What compacts logs in the background: a few threads that take the filthiest log in turn.
//!
//! ```text
//!   cleaner:  choose ----- ask -------> map, then per group: ask ----> rewrite ----> ask ---> checkpoint
//!                |          |                                 |                       |
//!             what is    the lane makes                  the lane makes          the lane exchanges
//!             published  the job                         the files               the segments
//! ```
//! A log is looked at by what is published of it, so that looking costs its lane nothing. The job's reading
//! and writing is done here, at the rate that is allowed; names are changed by the lane that owns the log
//! (see [`crate::log::compact`]).
//!
//! As Kafka has it: of the logs that are dirty enough, or overdue, the one with the largest dirty part comes
//! first; a log that cannot be cleaned is set aside until the next start; when there is nothing to do the
//! thread waits for `log.cleaner.backoff.ms`. A thread takes memory for its map only while it cleans.
//!
//! Before anything is compacted, the recovery point that covers it is on disk: recovery would take the gaps
//! of compaction above it for losses.

mod checkpoints;
mod clean;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::{Timestamp, TopicId};
use crate::config::BrokerConfig;
use crate::log::compact::{CleanableLog, CompactionLimits, Standing};
use crate::log::{Checkpoint, is_out_of_descriptors};

use super::manager::{Partitions, StartError};
use super::replica::Replica;
use checkpoints::CleanPoints;
use pace::{Rate, Stop, may_be_cleaned};

/// A partition for as long as its topic lives.
type PartitionKey = (TopicId, i32);

fn key_of(replica: &Replica) -> PartitionKey {
    (replica.topic_id(), replica.topic_partition().partition)
}

/// The running threads; dropping it (or [`Cleaner::stop`]) ends them.
#[derive(Debug)]
pub(super) struct Cleaner {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
struct Shared {
    partitions: Partitions,
    limits: CompactionLimits,
    backoff: Duration,
    stop: Arc<Stop>,
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clean: CleanPoints,
    in_progress: HashSet<PartitionKey>,
    /// Not to be tried again before the next start.
    uncleanable: HashSet<PartitionKey>,
}

/// A log whose turn has come.
struct Chosen {
    replica: Arc<Replica>,
    cleanable: CleanableLog,
    now: Timestamp,
}

impl Partitions {
    pub(super) fn start_cleaner(&self) -> Result<(), StartError> {
        let config = &self.shared.config;
        if !config.log_cleaner_enable || config.log_cleaner_threads < 1 {
            return Ok(());
        }
        let cleaner = Cleaner::start(self.clone(), config).map_err(StartError::Thread)?;
        self.shared
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cleaner = Some(cleaner);
        Ok(())
    }
}

impl Cleaner {
    fn start(partitions: Partitions, config: &BrokerConfig) -> std::io::Result<Self> {
        let threads = config.log_cleaner_threads;
        let part = |bytes: i64| u64::try_from(bytes / i64::from(threads)).unwrap_or(0);
        let io_bytes = part(i64::from(config.log_cleaner_io_buffer_size)) / 2;
        let stop = Arc::new(Stop::default());
        let mut state = State::default();
        state.clean.load(&partitions);
        let shared = Arc::new(Shared {
            limits: CompactionLimits {
                map_bytes: part(config.log_cleaner_dedupe_buffer_size),
                map_load_factor: config.log_cleaner_io_buffer_load_factor,
                io_bytes: usize::try_from(io_bytes).unwrap_or(0),
            },
            backoff: Duration::from_millis(
                u64::try_from(config.log_cleaner_backoff_ms).unwrap_or(0),
            ),
            rate: Rate::new(config.log_cleaner_io_max_bytes_per_second),
            stop: Arc::clone(&stop),
            partitions,
            state: Mutex::new(state),
        });
        let mut cleaner = Self {
            stop,
            threads: Vec::new(),
        };
        for index in 0..threads {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new()
                .name(format!("log-cleaner-{index}"))
                .spawn(move || shared.run())?;
            cleaner.threads.push(thread);
        }
        Ok(cleaner)
    }

    /// Ends the threads where they are, and waits for them.
    pub(super) fn stop(&mut self) {
        self.stop.call();
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let has_cleaned = self.round();
            if self.stop.is_called() || (!has_cleaned && self.stop.wait(self.backoff)) {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cleans the filthiest log. False when there was none, or it came no further.
    fn round(&self) -> bool {
        let Some(chosen) = self.choose() else {
            return false;
        };
        let has_cleaned = self.clean(&chosen);
        self.state().in_progress.remove(&key_of(&chosen.replica));
        has_cleaned
    }

    fn choose(&self) -> Option<Chosen> {
        let partitions = &self.partitions;
        let now = partitions.shared.clock.now();
        let mut state = self.state();
        let replicas = partitions.all();
        state.forget_what_is_gone(&replicas, partitions);
        let mut filthiest: Option<Chosen> = None;
        for replica in replicas {
            let Some(cleanable) = self.look_at(&mut state, &replica, now) else {
                continue;
            };
            let ratio = cleanable.dirty_ratio();
            if filthiest
                .as_ref()
                .is_none_or(|other| other.cleanable.dirty_ratio() < ratio)
            {
                filthiest = Some(Chosen {
                    replica,
                    cleanable,
                    now,
                });
            }
        }
        let chosen = filthiest?;
        state.in_progress.insert(key_of(&chosen.replica));
        drop(state);
        if self.is_covered(&chosen) {
            return Some(chosen);
        }
        self.state().in_progress.remove(&key_of(&chosen.replica));
        None
    }

    /// A log that is to be cleaned.
    fn look_at(
        &self,
        state: &mut State,
        replica: &Replica,
        now: Timestamp,
    ) -> Option<CleanableLog> {
        let config = replica.config();
        let key = key_of(replica);
        if !may_be_cleaned(replica)
            || state.in_progress.contains(&key)
            || state.uncleanable.contains(&key)
        {
            return None;
        }
        let published = replica.published();
        let positions = published.positions;
        let standing = Standing {
            checkpoint: state.clean.get(key),
            last_stable: positions.last_stable.min(positions.high_watermark),
            recovery_point: published.recovery_point,
            now,
        };
        match CleanableLog::of(&published.view, &config, &standing) {
            Ok(cleanable) => {
                if let Some(start) = cleanable.reset_to {
                    crate::base::limited!(
                        info,
                        "the cleaner's checkpoint is outside of the log: cleaning from its start",
                        partition = %replica.topic_partition(),
                        checkpoint = ?standing.checkpoint,
                        %start
                    );
                    state.clean.set(key, start);
                    state.clean.store(&self.partitions);
                }
                Some(cleanable).filter(|cleanable| cleanable.is_due(&config))
            }
            // segments that have just gone, or no descriptor left: the next round will tell
            Err(error)
                if is_out_of_descriptors(&error)
                    || error.kind() == std::io::ErrorKind::NotFound =>
            {
                None
            }
            Err(error) => {
                state.set_aside(replica, &error);
                None
            }
        }
    }

    /// Sees to it that the recovery point on disk covers what will be compacted.
    fn is_covered(&self, chosen: &Chosen) -> bool {
        let directory = chosen.replica.directory();
        self.partitions
            .write_checkpoint_of(&directory, Checkpoint::RecoveryPoint)
    }
}

impl State {
    fn forget_what_is_gone(&mut self, replicas: &[Arc<Replica>], partitions: &Partitions) {
        if self.clean.is_empty() && self.uncleanable.is_empty() {
            return;
        }
        let mut known: HashSet<PartitionKey> =
            replicas.iter().map(|replica| key_of(replica)).collect();
        known.extend(
            partitions
                .unreadable()
                .into_iter()
                .map(|it| (it.wanted.topic_id, it.wanted.topic_partition.partition)),
        );
        self.uncleanable.retain(|key| known.contains(key));
        if self.clean.retain(&known) {
            self.clean.store(partitions);
        }
    }

    fn set_aside(&mut self, replica: &Replica, reason: &dyn std::fmt::Display) {
        crate::base::limited!(
            error,
            "log cannot be compacted: set aside until the broker is started again",
            partition = %replica.topic_partition(),
            directory = %replica.directory().path().display(),
            %reason
        );
        self.uncleanable.insert(key_of(replica));
    }
}
