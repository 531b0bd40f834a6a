//! A storage lane: one plain thread that writes the logs given to it.
//!
//! The lane takes one task, then whatever else has queued meanwhile, applies all of it, and only
//! then syncs, publishes and answers. So under load one sync serves every append that arrived during
//! the one before; with no load an append is alone in its drain and waits for nobody.
//!
//! ```text
//!   recv -> drain (bounded) -> apply each append -> sync logs that ask for it -> publish -> answer
//!                                                              |
//!                    task: moves the recovery point <------ Syncer, for what nobody waits for
//! ```

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::base::{Clock, LeaderEpoch};
use crate::log::AppendOrigin;

use super::append::{AppendFailure, Appended};
pub(super) use super::hosted::{Hosted, state_of};
use super::syncer::Syncer;

/// A drain ends when it has taken this many bytes: the first appends should not wait for the last.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
/// And this many tasks.
const DRAIN_TASKS: usize = 1024;

/// Names a hosted log within its lane. Never reused, so a late task cannot hit another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(pub(super) u64);

/// An append on its way to the log.
pub(super) struct AppendTask {
    pub(super) slot: Slot,
    pub(super) records: Bytes,
    pub(super) origin: AppendOrigin,
    pub(super) epoch: LeaderEpoch,
    pub(super) reply: oneshot::Sender<Result<Appended, AppendFailure>>,
}

/// Work on a hosted log other than an append; its effect on positions is published afterwards.
type Operation = Box<dyn FnOnce(&mut Hosted) + Send>;
/// Work on every log of the lane.
type Sweep = Arc<dyn Fn(&mut Hosted) + Send + Sync>;
/// What to do with a log that leaves the lane; `None` when it was not there.
type Release = Box<dyn FnOnce(Option<Hosted>) + Send>;
/// What to do with each log when the lane ends.
type Farewell = Box<dyn FnMut(Hosted) + Send>;

enum Task {
    Append(AppendTask),
    Adopt(Slot, Box<Hosted>),
    Operate(Slot, Operation),
    Sweep {
        every: Sweep,
        only_written: bool,
    },
    Release(Slot, Release),
    /// Answered when everything before it is settled.
    Settle(oneshot::Sender<()>),
    Stop(Farewell),
}

/// The way into a lane. Cheap to clone; sending never blocks, since requests are bounded by bytes
/// where they enter the broker.
#[derive(Clone)]
pub(super) struct LaneHandle {
    tasks: mpsc::Sender<Task>,
}

impl LaneHandle {
    // A lane that has stopped drops the task and with it the reply, which the waiting side reads as
    // "the partition is gone": nothing else needs to be said here.
    fn send(&self, task: Task) {
        drop(self.tasks.send(task));
    }

    pub(super) fn append(&self, task: AppendTask) {
        self.send(Task::Append(task));
    }

    pub(super) fn adopt(&self, slot: Slot, hosted: Hosted) {
        self.send(Task::Adopt(slot, Box::new(hosted)));
    }

    pub(super) fn operate(&self, slot: Slot, operation: impl FnOnce(&mut Hosted) + Send + 'static) {
        self.send(Task::Operate(slot, Box::new(operation)));
    }

    /// Runs `every` on all logs of the lane.
    pub(super) fn sweep(&self, every: impl Fn(&mut Hosted) + Send + Sync + 'static) {
        self.send(Task::Sweep {
            every: Arc::new(every),
            only_written: false,
        });
    }

    /// Runs `every` on the logs that have something which is not synced.
    pub(super) fn sweep_written(&self, every: impl Fn(&mut Hosted) + Send + Sync + 'static) {
        self.send(Task::Sweep {
            every: Arc::new(every),
            only_written: true,
        });
    }

    pub(super) fn release(&self, slot: Slot, then: impl FnOnce(Option<Hosted>) + Send + 'static) {
        self.send(Task::Release(slot, Box::new(then)));
    }

    /// Ends when everything sent so far has been settled, or the lane has stopped.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + use<> {
        let (settled, answer) = oneshot::channel();
        self.send(Task::Settle(settled));
        async move { drop(answer.await) }
    }

    /// Ends the lane after everything sent so far; every log passes through `each` on its way out.
    pub(super) fn stop(&self, each: impl FnMut(Hosted) + Send + 'static) {
        self.send(Task::Stop(Box::new(each)));
    }
}

/// Starts lane number `index`.
pub(super) fn start(
    index: usize,
    clock: Arc<dyn Clock>,
) -> std::io::Result<(LaneHandle, JoinHandle<()>)> {
    let (tasks, queue) = mpsc::channel();
    let lane = Lane {
        queue,
        clock,
        syncer: Syncer::start(index)?,
        hosted: HashMap::new(),
        unsynced: HashSet::new(),
    };
    let thread = std::thread::Builder::new()
        .name(format!("storage-lane-{index}"))
        .spawn(move || lane.run())?;
    Ok((LaneHandle { tasks }, thread))
}

struct Lane {
    queue: mpsc::Receiver<Task>,
    clock: Arc<dyn Clock>,
    syncer: Syncer,
    hosted: HashMap<Slot, Hosted>,
    /// Logs with something that is not synced, so that looking for due syncs costs what was written.
    unsynced: HashSet<Slot>,
}

/// An append that is in its log and waits for the end of the drain.
struct Applied {
    slot: Slot,
    result: Result<Appended, AppendFailure>,
    reply: oneshot::Sender<Result<Appended, AppendFailure>>,
}

/// What one drain has done so far.
#[derive(Default)]
struct Drain {
    bytes: usize,
    applied: Vec<Applied>,
    touched: HashSet<Slot>,
}

impl Lane {
    fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let mut drain = Drain::default();
            let mut stop = self.apply(first, &mut drain);
            for _ in 1..DRAIN_TASKS {
                if stop.is_some() || drain.bytes >= DRAIN_BYTES {
                    break;
                }
                let Ok(next) = self.queue.try_recv() else {
                    break;
                };
                stop = self.apply(next, &mut drain);
            }
            self.settle(drain);
            if let Some(mut each) = stop {
                self.syncer.stop();
                for (_, hosted) in self.hosted.drain() {
                    each(hosted);
                }
                return;
            }
        }
    }

    fn apply(&mut self, task: Task, drain: &mut Drain) -> Option<Farewell> {
        match task {
            Task::Append(task) => self.append(task, drain),
            Task::Adopt(slot, hosted) => {
                // What recovery has read and not synced is synced from here on.
                if hosted.is_unsynced() {
                    self.unsynced.insert(slot);
                    drain.touched.insert(slot);
                }
                self.hosted.insert(slot, *hosted);
            }
            Task::Operate(slot, operation) => {
                if let Some(hosted) = self.hosted.get_mut(&slot) {
                    operation(hosted);
                    drain.touched.insert(slot);
                }
            }
            Task::Sweep {
                every,
                only_written,
            } => self.sweep(&every, only_written, drain),
            Task::Release(slot, then) => {
                // Whatever of this drain concerns the log is answered before the log leaves.
                self.settle(std::mem::take(drain));
                self.unsynced.remove(&slot);
                then(self.hosted.remove(&slot));
            }
            Task::Settle(settled) => {
                self.settle(std::mem::take(drain));
                drop(settled);
            }
            Task::Stop(each) => return Some(each),
        }
        None
    }

    fn append(&mut self, task: AppendTask, drain: &mut Drain) {
        let AppendTask {
            slot,
            records,
            origin,
            epoch,
            reply,
        } = task;
        let Some(hosted) = self.hosted.get_mut(&slot) else {
            drop(reply.send(Err(AppendFailure::Gone)));
            return;
        };
        drain.bytes += records.len();
        let result = hosted.append(&records, epoch, origin, self.clock.now());
        if result.is_ok() {
            self.unsynced.insert(slot);
        }
        drain.touched.insert(slot);
        drain.applied.push(Applied {
            slot,
            result,
            reply,
        });
    }

    fn sweep(&mut self, every: &Sweep, only_written: bool, drain: &mut Drain) {
        let slots: Vec<Slot> = if only_written {
            self.unsynced.iter().copied().collect()
        } else {
            self.hosted.keys().copied().collect()
        };
        for slot in slots {
            if let Some(hosted) = self.hosted.get_mut(&slot) {
                every(hosted);
                drain.touched.insert(slot);
            }
        }
    }

    /// Ends a drain: sync what must be synced, publish what has changed, then answer.
    fn settle(&mut self, drain: Drain) {
        let now = self.clock.now();
        let mut lost = HashSet::new();
        for slot in drain.touched {
            if let Some(hosted) = self.hosted.get_mut(&slot) {
                if hosted.settle(now, &self.syncer).is_err() {
                    lost.insert(slot);
                }
                if !hosted.is_unsynced() {
                    self.unsynced.remove(&slot);
                }
            }
        }
        for Applied {
            slot,
            result,
            reply,
        } in drain.applied
        {
            let result = if lost.contains(&slot) {
                Err(AppendFailure::Storage)
            } else {
                result
            };
            // A client that has gone away does not wait for its acknowledgement.
            drop(reply.send(result));
        }
    }
}
