//! Carries out the end of transactions: a marker for each partition, and then a word to the coordinator.
//!
//! One task does this for all coordinators here. A transaction is a *job*:
//!
//! ```text
//!   effect -> ready -> running -> every partition has its marker, or is gone -> the coordinator is told
//!               ^         |
//!               +- waits -+  some partitions cannot be written now
//! ```
//!
//! A running job has a task of its own, which writes to a few partitions at a time. The number of running jobs is
//! limited; a job that waits for a partition is not running. It is tried again after a pause, or when the metadata
//! change: a partition may have been deleted, or have a leader again.
//!
//! A coordinator that is unloaded says so, and its jobs end. When it is loaded again it repeats what is not finished.
//! Two jobs of one transactional id never run at the same time: a marker of the first could then be written after the
//! second is done, and would end a transaction that has begun meanwhile.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use crate::base::{LeaderEpoch, TimerChange, TopicPartition, limited};
use crate::coordinator::hosts::Origin;
use crate::coordinator::timers::Timers;
use crate::record::control::{EndTransactionMarker, TransactionMarker};
use crate::txn::{MarkersWritten, WriteMarkers};

use super::markers::{Markers, NotMarked};

/// How many jobs run at a time.
const MOST_RUNNING: usize = 1024;
/// How many partitions of a job are written at a time.
const AT_ONCE: usize = 64;
/// The pause after the first failure; it doubles with every further one, up to a limit.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// From this many failures in a row on, there is a log line.
const TOLD_FROM: u32 = 5;

/// What a coordinator wants carried out.
#[derive(Debug)]
pub enum Effect {
    /// The coordinator is loaded, or is not any more: what it has asked for before is void.
    Void,
    /// Markers are to be written.
    Write(WriteMarkers),
}

/// A message to the carrier.
pub(super) enum Message {
    /// An effect of a coordinator.
    Effect(Origin, Effect),
    /// The metadata have changed.
    Changed,
}

/// Tells a coordinator that everything is written. Returns whether that is all.
pub(super) type Tell =
    Arc<dyn Fn(MarkersWritten) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// The end of one transaction. Cheap to clone.
#[derive(Clone)]
struct Job {
    origin: Origin,
    write: Arc<WriteMarkers>,
    /// The partitions without a marker.
    rest: Arc<[TopicPartition]>,
    failures: u32,
}

impl Job {
    fn failed(self, rest: Arc<[TopicPartition]>) -> Self {
        Self {
            rest,
            failures: self.failures.saturating_add(1),
            ..self
        }
    }
}

/// The jobs of one transactional id.
enum Place {
    /// In the queue, or waiting for its timer.
    Waits(Job),
    Runs {
        job: Job,
        task: AbortHandle,
        /// Follows when the task has ended, whatever it has reached.
        next: Option<Job>,
        is_void: bool,
    },
}

/// The state of the task.
pub(super) struct Carrier {
    markers: Arc<dyn Markers>,
    tell: Tell,
    jobs: HashMap<Arc<str>, Place>,
    /// The newest epoch of each coordinator's partition.
    epochs: HashMap<i32, LeaderEpoch>,
    ready: VecDeque<Arc<str>>,
    pauses: Timers<Arc<str>>,
    /// A task returns its job if it must run again.
    running: JoinSet<Option<Job>>,
    /// The transactional ids of the running tasks.
    names: HashMap<tokio::task::Id, Arc<str>>,
}

impl Carrier {
    pub(super) fn new(markers: Arc<dyn Markers>, tell: Tell) -> Self {
        Self {
            markers,
            tell,
            jobs: HashMap::new(),
            epochs: HashMap::new(),
            ready: VecDeque::new(),
            pauses: Timers::default(),
            running: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Works until there is nobody left who could send messages.
    pub(super) async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        loop {
            self.start_ready();
            let due = self.pauses.next_due();
            tokio::select! {
                message = messages.recv() => match message {
                    None => return,
                    Some(Message::Effect(origin, Effect::Void)) => self.void(origin),
                    Some(Message::Effect(origin, Effect::Write(write))) => self.take(origin, write),
                    Some(Message::Changed) => self.hurry(),
                },
                Some(ended) = self.running.join_next_with_id() => match ended {
                    Ok((task, left)) => self.ended(task, Ok(left)),
                    Err(error) => self.ended(error.id(), Err(error)),
                },
                () = sleep_until(due) => while let Some(id) = self.pauses.take_due(Instant::now()) {
                    self.ready.push_back(id);
                },
            }
        }
    }

    /// A new job.
    fn take(&mut self, origin: Origin, write: WriteMarkers) {
        let newest = self.epochs.entry(origin.partition).or_insert(origin.epoch);
        if origin.epoch < *newest {
            return;
        }
        *newest = origin.epoch;
        let id = Arc::clone(&write.transactional_id);
        let job = Job {
            origin,
            rest: write.partitions.as_slice().into(),
            write: Arc::new(write),
            failures: 0,
        };
        match self.jobs.get_mut(&id) {
            Some(Place::Runs { task, next, .. }) => {
                task.abort();
                *next = Some(job);
            }
            Some(Place::Waits(waiting)) => {
                *waiting = job;
                self.make_ready(id);
            }
            None => {
                self.jobs.insert(Arc::clone(&id), Place::Waits(job));
                self.ready.push_back(id);
            }
        }
    }

    /// Ends the jobs of a coordinator, up to its present epoch.
    fn void(&mut self, by: Origin) {
        let is_void = |of: Origin| of.partition == by.partition && of.epoch <= by.epoch;
        self.jobs.retain(|id, place| match place {
            Place::Waits(job) => {
                let stays = !is_void(job.origin);
                if !stays {
                    self.pauses
                        .change(TimerChange::Cancel(Arc::clone(id)), Instant::now());
                }
                stays
            }
            Place::Runs {
                job,
                task,
                next,
                is_void: ends,
            } => {
                next.take_if(|next| is_void(next.origin));
                if is_void(job.origin) {
                    *ends = true;
                    task.abort();
                }
                true
            }
        });
    }

    /// Tries everything that waits for a partition.
    fn hurry(&mut self) {
        let waiting = self.jobs.iter().filter_map(|(id, place)| match place {
            Place::Waits(job) if job.failures > 0 => Some(Arc::clone(id)),
            _ => None,
        });
        for id in waiting.collect::<Vec<_>>() {
            self.make_ready(id);
        }
    }

    fn make_ready(&mut self, id: Arc<str>) {
        let now = Instant::now();
        self.pauses
            .change(TimerChange::Cancel(Arc::clone(&id)), now);
        // It may be in the queue twice: then the second time finds it running.
        self.ready.push_back(id);
    }

    fn start_ready(&mut self) {
        while self.running.len() < MOST_RUNNING
            && let Some(id) = self.ready.pop_front()
        {
            let Some(place) = self.jobs.get_mut(&id) else {
                continue;
            };
            let Place::Waits(job) = place else { continue };
            let job = job.clone();
            let (markers, tell) = (Arc::clone(&self.markers), Arc::clone(&self.tell));
            let task = self.running.spawn(carry_out(job.clone(), markers, tell));
            self.names.insert(task.id(), id);
            *place = Place::Runs {
                job,
                task,
                next: None,
                is_void: false,
            };
        }
    }

    /// The task of a job has ended, with the job if it must run again.
    fn ended(&mut self, task: tokio::task::Id, left: Result<Option<Job>, JoinError>) {
        let Some(id) = self.names.remove(&task) else {
            return;
        };
        let Some(Place::Runs {
            job, next, is_void, ..
        }) = self.jobs.remove(&id)
        else {
            return;
        };
        if let Some(next) = next {
            self.jobs.insert(Arc::clone(&id), Place::Waits(next));
            return self.ready.push_back(id);
        }
        let again = left.unwrap_or_else(|error| {
            if error.is_panic() {
                limited!(error, "the end of a transaction has panicked: it is tried again", transactional_id = %id);
            }
            let rest = Arc::clone(&job.rest);
            Some(job.failed(rest))
        });
        if let Some(job) = again.filter(|_| !is_void) {
            let pause = TimerChange::Set(Arc::clone(&id), pause(job.failures));
            self.pauses.change(pause, Instant::now());
            self.jobs.insert(id, Place::Waits(job));
        }
    }
}

fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE)
}

/// Writes the markers of a job, and tells the coordinator when all are written. Returns the job if it must run again.
async fn carry_out(job: Job, markers: Arc<dyn Markers>, tell: Tell) -> Option<Job> {
    let marker = marker(&job);
    let mut rest = Vec::new();
    for some in job.rest.chunks(AT_ONCE) {
        let writing: Vec<_> = some
            .iter()
            .map(|partition| (partition, markers.write(partition, &marker)))
            .collect();
        for (partition, writing) in writing {
            match writing.await {
                Ok(()) | Err(NotMarked::Gone) => {}
                Err(NotMarked::NotNow(reason)) => {
                    if job.failures >= TOLD_FROM {
                        tell_late(&job, partition, &reason);
                    }
                    rest.push(partition.clone());
                }
                Err(NotMarked::Refused(reason)) => tell_refused(&job, partition, &reason),
            }
        }
    }
    let is_done = rest.is_empty() && tell(job.write.written()).await;
    (!is_done).then(|| job.failed(rest.into()))
}

fn marker(job: &Job) -> TransactionMarker {
    let write = &job.write;
    TransactionMarker {
        producer: write.ids.producer,
        epoch: write.ids.epoch,
        end: EndTransactionMarker {
            committed: write.commit,
            coordinator_epoch: job.origin.epoch.0,
        },
        version: write.client_version,
    }
}

fn tell_late(job: &Job, partition: &TopicPartition, reason: &str) {
    limited!(
        warn,
        "the end of a transaction cannot be written to a partition: it is tried again, and consumers with read_committed wait",
        transactional_id = %job.write.transactional_id,
        %partition,
        reason
    );
}

fn tell_refused(job: &Job, partition: &TopicPartition, reason: &str) {
    limited!(
        warn,
        "a partition does not accept the end of a transaction: it has been ended by someone with a newer epoch",
        transactional_id = %job.write.transactional_id,
        %partition,
        reason
    );
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
