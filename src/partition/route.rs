//! The way from a replica to the lane that owns its log, which changes when the log moves to another directory.
//!
//! ```text
//!   Lane(a) --detach--> Between: the log is with the mover, tasks wait here in their order
//!      ^                   |
//!      +-- attach to a ----+---- attach to b --> Lane(b): first the log, then what has waited
//! ```
//! The old lane has done everything that was sent before when it releases the log, and the new one gets the log
//! before any task for it. At any time a task has one place in one order. Neither lane waits for the other or for the
//! other's disk.
//!
//! The lock is held only while a task is put into a queue; nothing else is locked under it.

use std::sync::{Mutex, MutexGuard, mpsc};

use tokio::sync::oneshot;

use crate::base::lock;

use super::directory::HostedDirectory;
use super::lane::{AppendTask, Hosted, LaneHandle, LogTask, Slot};

/// Where the tasks of one replica are sent.
#[derive(Debug)]
pub(super) struct Route {
    slot: Slot,
    way: Mutex<Way>,
}

enum Way {
    Lane(LaneHandle),
    Between(Vec<LogTask>),
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Lane(_) => f.write_str("Lane"),
            Self::Between(waiting) => f.debug_tuple("Between").field(&waiting.len()).finish(),
        }
    }
}

impl Route {
    pub(super) const fn new(slot: Slot, lane: LaneHandle) -> Self {
        Self {
            slot,
            way: Mutex::new(Way::Lane(lane)),
        }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        lock(&self.way)
    }

    fn send(&self, task: LogTask) {
        match &mut *self.way() {
            Way::Lane(lane) => lane.send(self.slot, task),
            Way::Between(waiting) => waiting.push(task),
        }
    }

    pub(super) fn append(&self, task: AppendTask) {
        self.send(LogTask::Append(task));
    }

    pub(super) fn operate(&self, operation: impl FnOnce(&mut Hosted) + Send + 'static) {
        self.send(LogTask::Operate(Box::new(operation)));
    }

    pub(super) fn release(&self, then: impl FnOnce(Option<Hosted>) + Send + 'static) {
        self.send(LogTask::Release(Box::new(then)));
    }

    /// Completes when everything sent to the log so far has been settled, or its lane has stopped.
    pub(super) fn settle(&self, settled: oneshot::Sender<()>) {
        self.send(LogTask::Settle(settled));
    }

    /// Takes the log out of its lane after everything that was sent before, and waits for that. `None` when the log
    /// is not in its lane: it was deleted, the broker stops, or somebody else has it.
    pub(super) fn detach(&self) -> Option<Detached<'_>> {
        let (given, taken) = mpsc::channel();
        let from = {
            let mut way = self.way();
            let Way::Lane(lane) = &*way else { return None };
            let lane = lane.clone();
            let release = move |hosted: Option<Hosted>| drop(given.send(hosted));
            lane.send(self.slot, LogTask::Release(Box::new(release)));
            *way = Way::Between(Vec::new());
            lane
        };
        let detached = |hosted| Detached {
            route: self,
            to: from,
            hosted,
        };
        let detached = detached(taken.recv().ok().flatten());
        detached.hosted.is_some().then_some(detached)
    }

    /// Sends the waiting tasks, and everything from now on, to `lane`.
    fn attach(&self, lane: &LaneHandle, hosted: Option<Hosted>) {
        let mut way = self.way();
        if let Some(hosted) = hosted {
            lane.adopt(self.slot, hosted);
        }
        if let Way::Between(waiting) = std::mem::replace(&mut *way, Way::Lane(lane.clone())) {
            for task in waiting {
                lane.send(self.slot, task);
            }
        }
    }
}

/// A log between two lanes. Dropping it returns the log to its old lane.
pub(super) struct Detached<'a> {
    route: &'a Route,
    to: LaneHandle,
    hosted: Option<Hosted>,
}

impl Detached<'_> {
    /// The log. It is always there.
    pub(super) const fn hosted(&mut self) -> Option<&mut Hosted> {
        self.hosted.as_mut()
    }

    /// Gives the log to its lane in another directory.
    pub(super) fn attach_to(mut self, directory: &HostedDirectory) {
        self.to = directory.lane_of(self.route.slot).clone();
    }
}

impl Drop for Detached<'_> {
    fn drop(&mut self) {
        self.route.attach(&self.to, self.hosted.take());
    }
}
