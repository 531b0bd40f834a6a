//! Moving a replica to another log directory of this broker.
//!
//! ```text
//!   a/orders-0                                b/
//!   serves          asked for b         ---> b/orders-0.<hex>-future     empty
//!   serves, grows   mover of b copies   ---> b/orders-0.<hex>-future     behind, then abreast
//!   serves, grows   controller is told: the image names b
//!   taken out of its lane: the last batches, what is not in batches, everything synced, then
//!   a/orders-0                               b/orders-0                  the second rename of two is still to come
//!   a/orders-0.<hex>-delete                  b/orders-0                  serves
//! ```
//! Appends wait (in their [`Route`](crate::partition::route)) only for the last step, which copies little: what was
//! appended since the mover had caught up. They continue in a lane of the other directory. Nothing is acknowledged
//! from one replica that is not in the other when they are swapped.
//!
//! A crash leaves
//! - the replica in `a` and a future one in `b`: the move continues, whatever the image says. Kafka puts the future
//!   replica in place when the image names its directory, and loses what was not copied yet;
//! - both: the future one was complete and synced, and the image names `b`
//!   ([`crate::partition::hosting::inventory`]);
//! - only the future replica, since `a` was removed from the configuration: it gets the plain name if the image names
//!   its directory; while any directory is offline it waits.
//!
//! There is one mover for each target directory, started with the directory's first move. It carries out one move
//! after another.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::base::{DirectoryId, Offset, TopicId, TopicPartition, lock};
use crate::log::{PartitionLog, ReplicaState};
use crate::partition::directory::HostedDirectory;
use crate::partition::environment::Environment;
use crate::partition::hosting::inventory::FutureReplica;
use crate::partition::hosting::places::Places;
use crate::partition::replica::Replica;
use crate::partition::upkeep::rate::Rate;
use crate::partition::upkeep::workers::{Signal, Workers};

use super::assignment::Assignments;
use super::copying::Mover;

/// A move in progress, or waiting for its mover.
pub(in crate::partition) struct Move {
    pub(in crate::partition) replica: Arc<Replica>,
    pub(in crate::partition) target: Arc<HostedDirectory>,
    /// The future replica.
    pub(in crate::partition) path: PathBuf,
    pub(in crate::partition) copied: Copied,
    is_cancelled: AtomicBool,
    stage: Mutex<Stage>,
    end: Condvar,
}

/// Nobody yet: its mover is busy with other moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody yet: its mover is busy with other moves.
    Queued,
    /// Its mover.
    Running,
    /// Nobody any more.
    Ended,
}

/// The progress of a future replica.
#[derive(Debug, Default)]
pub(in crate::partition) struct Copied {
    bytes: AtomicU64,
    log_end: AtomicI64,
}

impl Copied {
    pub(in crate::partition) fn note(&self, log: &PartitionLog) {
        self.bytes.store(log.size(), Ordering::Relaxed);
        self.log_end.store(log.log_end().0, Ordering::Relaxed);
    }

    pub(in crate::partition) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(in crate::partition) fn log_end(&self) -> Offset {
        Offset(self.log_end.load(Ordering::Relaxed))
    }
}

impl Move {
    pub(in crate::partition) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Acquire)
    }

    fn key(&self) -> Key {
        (
            self.replica.topic_id(),
            self.replica.topic_partition().partition,
        )
    }

    /// Changes the stage, unless somebody else has changed it before.
    fn pass(&self, from: Stage, to: Stage) -> bool {
        let mut stage = lock(&self.stage);
        let passes = *stage == from;
        if passes {
            *stage = to;
        }
        passes
    }

    /// Waits until nobody writes to the future replica any more.
    pub(in crate::partition) fn wait_for_end(&self) {
        let stage = lock(&self.stage);
        drop(
            self.end
                .wait_while(stage, |stage| *stage != Stage::Ended)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

type Key = (TopicId, i32);

/// All moves of this broker, and the threads that carry them out.
pub(in crate::partition) struct Moves {
    pub(super) environment: Environment,
    pub(super) places: Arc<Places>,
    pub(super) assignments: Assignments,
    under_way: Mutex<HashMap<Key, Arc<Move>>>,
    movers: Mutex<HashMap<DirectoryId, Sender<Arc<Move>>>>,
    workers: Workers,
    /// What was copied, for `replica.alter.log.dirs.io.max.bytes.per.second`.
    pub(super) rate: Rate,
    /// Held while a decision about moves is made, from the check to the change.
    pub(super) deciding: Mutex<()>,
    /// Directories that were requested before the partition existed.
    pub(super) preferred: Mutex<HashMap<TopicPartition, DirectoryId>>,
}

impl Moves {
    pub(in crate::partition) fn new(
        environment: Environment,
        places: Arc<Places>,
        assignments: Assignments,
    ) -> Self {
        Self {
            environment,
            places,
            assignments,
            under_way: Mutex::default(),
            movers: Mutex::default(),
            workers: Workers::default(),
            rate: Rate::default(),
            deciding: Mutex::default(),
            preferred: Mutex::default(),
        }
    }

    /// Takes the directory that was requested before the partition existed.
    pub(in crate::partition) fn take_preferred(
        &self,
        partition: &TopicPartition,
    ) -> Option<DirectoryId> {
        lock(&self.preferred).remove(partition)
    }

    /// Wakes the movers, to end, or to check for a cancelled move or a new rate.
    pub(in crate::partition) const fn signal(&self) -> &Arc<Signal> {
        self.workers.signal()
    }

    pub(in crate::partition) fn all(&self) -> Vec<Arc<Move>> {
        lock(&self.under_way).values().cloned().collect()
    }

    pub(in crate::partition) fn of(&self, replica: &Replica) -> Option<Arc<Move>> {
        let key = (replica.topic_id(), replica.topic_partition().partition);
        lock(&self.under_way).get(&key).cloned()
    }

    /// Stops all movers where they are; the next start continues their moves.
    pub(in crate::partition) fn stop(&self) {
        self.signal().end();
        // A mover may wait for its next move.
        lock(&self.movers).clear();
        self.workers.stop();
    }

    fn ended(&self, moved: &Arc<Move>) {
        let mut under_way = lock(&self.under_way);
        let key = moved.key();
        if under_way
            .get(&key)
            .is_some_and(|current| Arc::ptr_eq(current, moved))
        {
            under_way.remove(&key);
        }
        drop(under_way);
        moved.replica.set_moving(false);
        *lock(&moved.stage) = Stage::Ended;
        moved.end.notify_all();
    }
}

impl Moves {
    /// Starts, or continues, a move to the future replica at `path` in `target`.
    pub(in crate::partition) fn begin(
        self: &Arc<Self>,
        replica: &Arc<Replica>,
        target: &Arc<HostedDirectory>,
        path: PathBuf,
    ) -> std::io::Result<()> {
        let mover = self.mover_of(target)?;
        let moving = Arc::new(Move {
            replica: Arc::clone(replica),
            target: Arc::clone(target),
            path,
            copied: Copied::default(),
            is_cancelled: AtomicBool::new(false),
            stage: Mutex::new(Stage::Queued),
            end: Condvar::new(),
        });
        replica.set_moving(true);
        lock(&self.under_way).insert(moving.key(), Arc::clone(&moving));
        if let Err(unsent) = mover.send(moving) {
            self.ended(&unsent.0);
        }
        Ok(())
    }

    /// Cancels a move, if there is one, and does not wait for its mover. The future replica is removed.
    pub(in crate::partition) fn cancel(
        self: &Arc<Self>,
        topic: TopicId,
        partition: i32,
    ) -> Option<Arc<Move>> {
        let cancelled = lock(&self.under_way).remove(&(topic, partition))?;
        cancelled.is_cancelled.store(true, Ordering::Release);
        self.signal().look_again();
        if cancelled.pass(Stage::Queued, Stage::Running) {
            // Its mover has not started it, and will skip it.
            let (moves, ended) = (Arc::clone(self), Arc::clone(&cancelled));
            cancelled.target.changes().send(move || {
                Mover::new(&moves, &ended).take_back();
                moves.ended(&ended);
            });
        }
        Some(cancelled)
    }

    /// Continues the moves that the last stop has interrupted.
    pub(in crate::partition) fn resume(self: &Arc<Self>, futures: Vec<FutureReplica>) {
        for FutureReplica {
            topic_partition,
            topic_id,
            directory,
            path,
            ..
        } in futures
        {
            let Ok(replica) = self.places.find(topic_id, topic_partition.partition) else {
                // Its replica is in a directory that is offline, or cannot be read: a later start may find it.
                continue;
            };
            let is_there_already = Arc::ptr_eq(&replica.directory(), &directory);
            let resumed = if is_there_already || self.of(&replica).is_some() {
                directory
                    .rename(&path, &topic_partition, ReplicaState::Stray)
                    .map(drop)
            } else {
                crate::base::limited!(
                    info,
                    "move between log directories resumed",
                    partition = %topic_partition,
                    to = %directory.path().display()
                );
                self.begin(&replica, &directory, path)
            };
            if let Err(error) = resumed {
                crate::base::limited!(
                    error,
                    "move between log directories cannot be resumed",
                    partition = %topic_partition,
                    %error
                );
            }
        }
    }

    fn mover_of(
        self: &Arc<Self>,
        target: &Arc<HostedDirectory>,
    ) -> std::io::Result<Sender<Arc<Move>>> {
        let mut movers = lock(&self.movers);
        if let Some(mover) = movers.get(&target.id()) {
            return Ok(mover.clone());
        }
        let (sender, queue) = mpsc::channel();
        let moves = Arc::clone(self);
        self.workers.start("replica-mover".to_owned(), move |_| {
            carry_out_all(&moves, &queue);
        })?;
        movers.insert(target.id(), sender.clone());
        Ok(sender)
    }
}

/// The loop of a mover: one move after another until the broker stops.
fn carry_out_all(moves: &Moves, queue: &Receiver<Arc<Move>>) {
    for moving in queue {
        if moving.pass(Stage::Queued, Stage::Running) {
            Mover::new(moves, &moving).carry_out();
            moves.ended(&moving);
        }
    }
}
