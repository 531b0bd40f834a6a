//! Compacts logs in the background: a few threads, each of which takes the dirtiest log next.
//!
//! ```text
//!   cleaner:  choose ----- ask -------> map, then per group: ask ----> rewrite ----> ask ---> checkpoint
//!                |          |                                 |                       |
//!             what is    the lane makes                  the lane makes          the lane exchanges
//!             published  the job                         the files               the segments
//! ```
//! A log is chosen by its published state, so the choice costs its lane nothing. The job's reading and writing is
//! done here, at the configured rate; the lane that owns the log renames the files (see [`crate::log::compact`]).
//!
//! As in Kafka: of the logs that are dirty enough, or overdue, the one with the largest dirty ratio comes first. A
//! log that cannot be cleaned is set aside until the next start. When there is nothing to do the thread waits for
//! `log.cleaner.backoff.ms`. A thread takes memory for its map only while it cleans. The settings are read when a
//! log's turn comes. The rate may change at any time, which ends a wait. If there are too many threads, a thread ends
//! after its present log.
//!
//! Before anything is compacted, the recovery point that covers it is on disk: above the recovery point, recovery
//! would take the gaps of compaction for losses.

mod checkpoints;
mod clean;
mod pace;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::base::{Timestamp, TopicId, lock};
use crate::config::{CleanerConfig, TopicConfig};
use crate::log::compact::{CleanableLog, CompactionLimits, Standing};
use crate::log::{Checkpoint, is_out_of_descriptors};
use crate::partition::environment::Environment;
use crate::partition::hosting::places::Places;
use crate::partition::replica::Replica;

use super::rate::Rate;
use super::workers::{Signal, Woken, Workers};
use checkpoints::CleanPoints;
use pace::may_be_cleaned;

/// Identifies a partition as long as its topic exists.
type PartitionKey = (TopicId, i32);

fn key_of(replica: &Replica) -> PartitionKey {
    (replica.topic_id(), replica.topic_partition().partition)
}

/// The cleaner and its threads; dropping it ends them where they are.
pub(in crate::partition) struct Cleaner {
    shared: Arc<Shared>,
    workers: Workers,
}

/// What the threads share.
struct Shared {
    environment: Environment,
    places: Arc<Places>,
    signal: Arc<Signal>,
    rate: Rate,
    /// How many threads have not decided to end. Not part of the state, which is locked while a checkpoint is
    /// written.
    running: Mutex<Running>,
    state: Mutex<State>,
}

/// The wanted number of threads.
#[derive(Default)]
struct Running {
    /// Whether there may be any: from the start on, unless the cleaner is turned off.
    has_begun: bool,
    count: usize,
    /// How many were started so far, for their names.
    started: usize,
}

#[derive(Default)]
struct State {
    clean: CleanPoints,
    in_progress: HashSet<PartitionKey>,
    /// Logs not to be tried before the next start. An entry with a size is tried again once larger records are
    /// allowed.
    uncleanable: HashMap<PartitionKey, Option<i32>>,
}

/// A log that was chosen.
struct Chosen {
    replica: Arc<Replica>,
    cleanable: CleanableLog,
    now: Timestamp,
}

impl Cleaner {
    /// One without threads.
    pub(in crate::partition) fn new(environment: Environment, places: Arc<Places>) -> Self {
        let workers = Workers::default();
        Self {
            shared: Arc::new(Shared {
                environment,
                places,
                signal: Arc::clone(workers.signal()),
                rate: Rate::default(),
                running: Mutex::default(),
                state: Mutex::default(),
            }),
            workers,
        }
    }

    /// Starts the threads, if the cleaner is enabled. Call this when the logs are open.
    pub(in crate::partition) fn start(&self) -> std::io::Result<()> {
        let config = self.shared.environment.settings().cleaner();
        if !config.is_enabled {
            return Ok(());
        }
        self.shared.state().clean.load(&self.shared.places);
        self.shared.running().has_begun = true;
        self.start_missing(&config)
    }

    /// Ends the threads where they are, and waits for them.
    pub(in crate::partition) fn stop(&self) {
        self.workers.stop();
    }

    /// Starts missing threads, lets surplus threads end after their present log, and makes all of them read the
    /// settings again.
    pub(in crate::partition) fn follow_settings(&self, config: &CleanerConfig) {
        if let Err(error) = self.start_missing(config) {
            tracing::error!(%error, "cannot start a log cleaner thread: fewer than log.cleaner.threads run until it is set again");
        }
        self.shared.signal.look_again();
    }

    fn start_missing(&self, config: &CleanerConfig) -> std::io::Result<()> {
        while let Some(number) = self.shared.one_more(config.threads) {
            let shared = Arc::clone(&self.shared);
            self.workers
                .start(format!("log-cleaner-{number}"), move |_| shared.run())
                .inspect_err(|_| self.shared.running().count -= 1)?;
        }
        Ok(())
    }

    /// The number of threads, without those that are about to end.
    #[cfg(test)]
    fn running(&self) -> usize {
        self.shared.running().count
    }
}

/// The limits of one thread.
const fn limits(config: &CleanerConfig) -> CompactionLimits {
    CompactionLimits {
        map_bytes: config.map_bytes,
        map_load_factor: config.map_load_factor,
        io_bytes: config.io_bytes,
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let calls = self.signal.calls();
            let config = self.environment.settings().cleaner();
            if self.is_one_too_many(config.threads) {
                return;
            }
            let has_cleaned = self.round(&config);
            let backoff = if has_cleaned {
                Duration::ZERO
            } else {
                config.backoff
            };
            if self.signal.wait(backoff, calls) == Woken::End {
                return;
            }
        }
    }

    /// Counts one more thread, if fewer are running than wanted. Returns its number.
    fn one_more(&self, wanted: usize) -> Option<usize> {
        let mut running = self.running();
        if !running.has_begun || running.count >= wanted {
            return None;
        }
        running.count += 1;
        running.started += 1;
        Some(running.started - 1)
    }

    /// Counts one thread less, if more are running than wanted.
    fn is_one_too_many(&self, wanted: usize) -> bool {
        let mut running = self.running();
        let is_too_many = running.count > wanted;
        running.count -= usize::from(is_too_many);
        is_too_many
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        lock(&self.running)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Cleans the dirtiest log. False when there was none, or it made no progress.
    fn round(&self, config: &CleanerConfig) -> bool {
        let Some(chosen) = self.choose() else {
            return false;
        };
        let has_cleaned = self.clean(&chosen, limits(config));
        self.state().in_progress.remove(&key_of(&chosen.replica));
        has_cleaned
    }

    fn choose(&self) -> Option<Chosen> {
        let places = &*self.places;
        let now = self.environment.now();
        let mut state = self.state();
        let replicas = places.all();
        state.forget_what_is_gone(&replicas, places);
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
            || state.is_set_aside(key, &config)
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
                    state.clean.store(&self.places);
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

    /// Makes sure that the recovery point on disk covers what will be compacted.
    fn is_covered(&self, chosen: &Chosen) -> bool {
        let directory = chosen.replica.directory();
        self.places
            .write_checkpoint(&directory, Checkpoint::RecoveryPoint)
    }
}

impl State {
    fn forget_what_is_gone(&mut self, replicas: &[Arc<Replica>], places: &Places) {
        if self.clean.is_empty() && self.uncleanable.is_empty() {
            return;
        }
        let mut known: HashSet<PartitionKey> =
            replicas.iter().map(|replica| key_of(replica)).collect();
        known.extend(
            places
                .unreadable()
                .into_iter()
                .map(|it| (it.wanted.topic_id, it.wanted.topic_partition.partition)),
        );
        self.uncleanable.retain(|key, _| known.contains(key));
        if self.clean.retain(&known) {
            self.clean.store(places);
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
        self.uncleanable.insert(key_of(replica), None);
    }

    fn set_aside_for_size(&mut self, replica: &Replica, most: i32, reason: &dyn std::fmt::Display) {
        crate::base::limited!(
            error,
            "log cannot be compacted until max.decompressed.message.bytes is raised",
            partition = %replica.topic_partition(),
            %reason
        );
        self.uncleanable.insert(key_of(replica), Some(most));
    }

    fn is_set_aside(&mut self, key: PartitionKey, config: &TopicConfig) -> bool {
        match self.uncleanable.get(&key) {
            None => false,
            Some(Some(most)) if *most < config.max_decompressed_message_bytes => {
                self.uncleanable.remove(&key);
                false
            }
            Some(_) => true,
        }
    }
}
