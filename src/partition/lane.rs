//! A storage lane: a thread that writes the logs given to it. A lane belongs to one log directory, so it waits only
//! for the disk of its own logs.
//!
//! The lane serves its logs in turn ([`super::turns`]): a turn is a quantum of appends, and each append is written to
//! its log at once. A log that needs no sync is published at the end of its turn, and its appends are answered: a
//! client with little to write does not wait for the writes of others. Logs that must be synced before the answer
//! wait for the end of the drain. The drain ends when there is nothing more to do, or when it has done enough. So
//! under load one sync serves every append that arrived during the sync before; without load an append is alone in
//! its drain and does not wait.
//!
//! ```text
//!          +--------------------------- drain (bounded) ----------------------------+
//!          |  turn of a: append, append, ... -> publish -> answer                    |
//!   take in|  turn of b: append, append, ... -> (to be synced) ------------+         |-> sync b -> publish
//!          |  some logs of a sweep                                         |         |      -> answer
//!          |  turn of a: append, ...                                       v         |
//!          +---------------------------------------------------------------waits-----+
//!                    task: moves the recovery point <------ Syncer, for what nobody waits for
//! ```
//! New work is taken in before each task, so what a log gets during its turn belongs to that turn, as far as the
//! quantum goes. Work on all logs (a sweep) is done a few logs at a time, between turns. The
//! tasks of one log run in the order in which they were sent to that log.

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::base::{Clock, LeaderEpoch};
use crate::log::{AppendError, PreparedAppend, RecordSet};

use super::append::{AppendFailure, AppendReply, Appended};
pub(super) use super::hosted::Hosted;
use super::preparation::Room;
pub(super) use super::slot::Slot;
use super::slot::{NumberMap, SlotSet};
use super::turns::Turns;
use super::upkeep::syncer::Syncer;

/// How many bytes a log may append before the other logs have their turn: a disk or a page cache takes them in less
/// than a millisecond, and the cost of a turn is small in comparison.
const QUANTUM: usize = 256 * 1024;

/// The cost of any task besides the bytes that it appends.
const TASK_COST: usize = 1024;

/// How many logs of a sweep are done between two turns.
const SWEPT_AT_ONCE: usize = 16;

/// A drain ends when this many bytes were appended since the first append that waits for a sync: a slow disk writes
/// them in some 40 milliseconds. Where syncs are cheap, this causes no more of them.
const DRAIN_BYTES: usize = 4 * 1024 * 1024;
/// Or after this many tasks.
const DRAIN_TASKS: usize = 1024;

/// An append on its way to the log.
pub(super) struct AppendTask {
    content: Content,
    /// Memory for the records that were rebuilt, if any.
    room: Option<Room>,
    reply: AppendReply,
}

/// The records to append.
pub(super) enum Content {
    /// As received, if they are cheap to prepare.
    Unprepared(RecordSet),
    /// Prepared in this epoch, or refused.
    Prepared(LeaderEpoch, Result<PreparedAppend, AppendError>),
}

impl Content {
    /// The leadership at the time when it was handed over.
    pub(super) const fn epoch(&self) -> LeaderEpoch {
        match self {
            Self::Unprepared(set) => set.epoch,
            Self::Prepared(epoch, _) => *epoch,
        }
    }
}

impl AppendTask {
    pub(super) const fn unprepared(set: RecordSet, reply: AppendReply) -> Self {
        Self {
            content: Content::Unprepared(set),
            room: None,
            reply,
        }
    }

    pub(super) const fn prepared(
        prepared: Result<PreparedAppend, AppendError>,
        epoch: LeaderEpoch,
        room: Option<Room>,
        reply: AppendReply,
    ) -> Self {
        Self {
            content: Content::Prepared(epoch, prepared),
            room,
            reply,
        }
    }

    fn size(&self) -> usize {
        match &self.content {
            Content::Unprepared(set) => set.records.len(),
            Content::Prepared(_, Ok(prepared)) => prepared.size(),
            Content::Prepared(_, Err(_)) => 0,
        }
    }
}

/// Work on a hosted log other than an append; its effect on positions is published afterwards.
type Operation = Box<dyn FnOnce(&mut Hosted) + Send>;
/// Work on every log of the lane.
type Sweep = Arc<dyn Fn(&mut Hosted) + Send + Sync>;
/// Receives a log that leaves the lane; `None` when the log was not there.
type Release = Box<dyn FnOnce(Option<Hosted>) + Send>;
/// What to do with each log when the lane ends.
type Farewell = Box<dyn FnMut(Hosted) + Send>;

/// A task for one log.
pub(super) enum LogTask {
    Append(AppendTask),
    Adopt(Box<Hosted>),
    Operate(Operation),
    Release(Release),
    /// Answered when everything that was sent to the log before is settled.
    Settle(oneshot::Sender<()>),
}

impl LogTask {
    /// The task's cost within a turn.
    fn cost(&self) -> usize {
        TASK_COST
            + match self {
                Self::Append(task) => task.size(),
                Self::Adopt(_) | Self::Operate(_) | Self::Release(_) | Self::Settle(_) => 0,
            }
    }
}

/// A task for all logs of a lane.
enum LaneTask {
    Sweep { every: Sweep, only_written: bool },
    Stop(Farewell),
}

enum Task {
    Log(Slot, LogTask),
    Lane(LaneTask),
}

/// The sending side of a lane. Cheap to clone; sending never blocks, since requests are bounded by bytes where they
/// enter the broker.
#[derive(Clone, Debug)]
pub(super) struct LaneHandle {
    tasks: mpsc::Sender<Task>,
}

impl LaneHandle {
    // A lane that has stopped drops the task and with it the reply, which the waiting side reads as
    // "the partition is gone": nothing else needs to be said here.
    fn send_task(&self, task: Task) {
        drop(self.tasks.send(task));
    }

    /// Sends a task for one log. The task has its place in the log's order when this returns.
    pub(super) fn send(&self, slot: Slot, task: LogTask) {
        self.send_task(Task::Log(slot, task));
    }

    pub(super) fn adopt(&self, slot: Slot, hosted: Hosted) {
        self.send(slot, LogTask::Adopt(Box::new(hosted)));
    }

    /// Runs `every` on all logs of the lane, after everything that was sent before.
    pub(super) fn sweep(&self, every: impl Fn(&mut Hosted) + Send + Sync + 'static) {
        self.send_task(Task::Lane(LaneTask::Sweep {
            every: Arc::new(every),
            only_written: false,
        }));
    }

    /// Runs `every` on the logs with unsynced data.
    pub(super) fn sweep_written(&self, every: impl Fn(&mut Hosted) + Send + Sync + 'static) {
        self.send_task(Task::Lane(LaneTask::Sweep {
            every: Arc::new(every),
            only_written: true,
        }));
    }

    /// Ends the lane after everything sent so far; every log is passed to `each`.
    pub(super) fn stop(&self, each: impl FnMut(Hosted) + Send + 'static) {
        self.send_task(Task::Lane(LaneTask::Stop(Box::new(each))));
    }
}

/// Starts a lane. `name` is a short name for its thread.
pub(super) fn start(
    name: &str,
    clock: Arc<dyn Clock>,
) -> std::io::Result<(LaneHandle, JoinHandle<()>)> {
    let (tasks, queue) = mpsc::channel();
    let lane = Lane {
        queue,
        turns: Turns::new(QUANTUM),
        sweeps: VecDeque::new(),
        clock,
        syncer: Syncer::start(name)?,
        hosted: NumberMap::default(),
        unsynced: SlotSet::default(),
    };
    let thread = std::thread::Builder::new()
        .name(format!("storage-lane-{name}"))
        .spawn(move || lane.run())?;
    Ok((LaneHandle { tasks }, thread))
}

struct Lane {
    queue: mpsc::Receiver<Task>,
    turns: Turns<Slot, LogTask, LaneTask>,
    /// Sweeps under way.
    sweeps: VecDeque<SweepUnderWay>,
    clock: Arc<dyn Clock>,
    syncer: Syncer,
    hosted: NumberMap<Slot, Hosted>,
    /// Logs with unsynced data, so that the check for due syncs visits only written logs.
    unsynced: SlotSet,
}

struct SweepUnderWay {
    every: Sweep,
    left: Vec<Slot>,
}

/// An append that is in its log and waits to be published.
struct Applied {
    result: Result<Appended, AppendFailure>,
    reply: AppendReply,
}

/// What one drain has deferred to its end.
#[derive(Default)]
struct Drain {
    /// Bytes appended since the first append that waits.
    bytes: usize,
    tasks: usize,
    /// Logs to be synced, and the appends to be answered then.
    waiting: NumberMap<Slot, Vec<Applied>>,
}

impl Drain {
    fn is_full(&self) -> bool {
        !self.waiting.is_empty() && (self.bytes >= DRAIN_BYTES || self.tasks >= DRAIN_TASKS)
    }
}

/// What a lane does after a step.
enum Step {
    /// The next step.
    More,
    /// Nothing is left to do: it waits for new tasks.
    Idle,
    /// It ends.
    Stop(Farewell),
}

impl Lane {
    fn run(mut self) {
        while self.wait_for_tasks() {
            let mut drain = Drain::default();
            let farewell = loop {
                match self.step(&mut drain) {
                    Step::More if !drain.is_full() => {}
                    Step::More | Step::Idle => break None,
                    Step::Stop(each) => break Some(each),
                }
            };
            for (slot, applied) in drain.waiting {
                self.settle(slot, applied);
            }
            if let Some(mut each) = farewell {
                self.syncer.stop();
                for (_, hosted) in self.hosted.drain() {
                    each(hosted);
                }
                return;
            }
        }
    }

    /// Waits until there is something to do. False when all senders are dropped.
    fn wait_for_tasks(&mut self) -> bool {
        if !self.turns.is_empty() || !self.sweeps.is_empty() {
            return true;
        }
        let first = self.queue.recv();
        first.map(|task| self.line_up(task)).is_ok()
    }

    fn line_up(&mut self, task: Task) {
        match task {
            Task::Log(slot, task) => self.turns.push(slot, task.cost(), task),
            Task::Lane(task) => self.turns.push_common(task),
        }
    }

    fn take_in(&mut self) {
        while let Ok(task) = self.queue.try_recv() {
            self.line_up(task);
        }
    }

    /// Takes in new work, then does one step: work on all logs, some logs of a sweep, or one log's turn.
    fn step(&mut self, drain: &mut Drain) -> Step {
        self.take_in();
        match self.turns.take_common() {
            Some(LaneTask::Stop(each)) => return Step::Stop(each),
            Some(LaneTask::Sweep {
                every,
                only_written,
            }) => self.begin_sweep(every, only_written),
            None => {}
        }
        let has_swept = self.sweep_on(drain);
        let turn = self.turns.begin();
        if let Some(slot) = turn {
            self.serve(slot, drain);
        }
        if has_swept || turn.is_some() {
            Step::More
        } else {
            Step::Idle
        }
    }

    /// Takes in new work, and the next task of the log whose turn it is.
    fn next_of(&mut self, slot: Slot) -> Option<LogTask> {
        self.take_in();
        self.turns.take(slot)
    }

    /// One log's turn. What is sent to the log meanwhile belongs to it too: the log is published once for all of that,
    /// and a connection that waits for several answers is woken once.
    fn serve(&mut self, slot: Slot, drain: &mut Drain) {
        let mut applied = Vec::new();
        let mut is_touched = false;
        while let Some(task) = self.next_of(slot) {
            drain.tasks += 1;
            match task {
                LogTask::Append(task) => {
                    drain.bytes += task.size();
                    is_touched |= self.append(slot, task, &mut applied);
                }
                LogTask::Adopt(hosted) => is_touched |= self.adopt(slot, *hosted),
                LogTask::Operate(operation) => {
                    if let Some(hosted) = self.hosted.get_mut(&slot) {
                        operation(hosted);
                        is_touched = true;
                    }
                }
                LogTask::Release(then) => {
                    // Everything that concerns the log is answered before it leaves.
                    self.settle_all_of(slot, std::mem::take(&mut applied), drain);
                    self.unsynced.remove(&slot);
                    then(self.hosted.remove(&slot));
                }
                LogTask::Settle(settled) => {
                    self.settle_all_of(slot, std::mem::take(&mut applied), drain);
                    drop(settled);
                }
            }
        }
        if is_touched {
            self.settle_or_wait(slot, applied, drain);
        }
    }

    /// False when the log is not here: the task is answered at once.
    fn append(&mut self, slot: Slot, task: AppendTask, applied: &mut Vec<Applied>) -> bool {
        let AppendTask {
            content,
            room,
            reply,
        } = task;
        let Some(hosted) = self.hosted.get_mut(&slot) else {
            reply.send(Err(AppendFailure::Gone));
            return false;
        };
        let result = hosted.append(content, reply.acks, self.clock.now());
        drop(room);
        if result.is_ok() {
            self.unsynced.insert(slot);
        }
        applied.push(Applied { result, reply });
        true
    }

    /// Whether the log is to be checked for due syncs. This includes data that recovery has read and not synced.
    fn adopt(&mut self, slot: Slot, hosted: Hosted) -> bool {
        let is_unsynced = hosted.is_unsynced();
        if is_unsynced {
            self.unsynced.insert(slot);
        }
        self.hosted.insert(slot, hosted);
        is_unsynced
    }

    fn begin_sweep(&mut self, every: Sweep, only_written: bool) {
        let left = if only_written {
            self.unsynced.iter().copied().collect()
        } else {
            self.hosted.keys().copied().collect()
        };
        self.sweeps.push_back(SweepUnderWay { every, left });
    }

    /// Visits the next few logs of the oldest sweep; false when there is no sweep.
    fn sweep_on(&mut self, drain: &mut Drain) -> bool {
        let Some(sweep) = self.sweeps.front_mut() else {
            return false;
        };
        let every = Arc::clone(&sweep.every);
        let kept = sweep.left.len().saturating_sub(SWEPT_AT_ONCE);
        let slots = sweep.left.split_off(kept);
        if sweep.left.is_empty() {
            self.sweeps.pop_front();
        }
        for slot in slots {
            if let Some(hosted) = self.hosted.get_mut(&slot) {
                every(hosted);
                self.settle_or_wait(slot, Vec::new(), drain);
            }
        }
        true
    }

    /// Ends the turn of a log. If the log must be synced, it waits for the end of the drain.
    fn settle_or_wait(&mut self, slot: Slot, applied: Vec<Applied>, drain: &mut Drain) {
        let now = self.clock.now();
        let waits = self
            .hosted
            .get(&slot)
            .is_some_and(|hosted| hosted.is_to_be_synced(now));
        if waits || drain.waiting.contains_key(&slot) {
            drain.waiting.entry(slot).or_default().extend(applied);
        } else {
            self.settle(slot, applied);
        }
        if drain.waiting.is_empty() {
            (drain.bytes, drain.tasks) = (0, 0);
        }
    }

    /// Settles what waits and what has just been applied.
    fn settle_all_of(&mut self, slot: Slot, applied: Vec<Applied>, drain: &mut Drain) {
        let mut all = drain.waiting.remove(&slot).unwrap_or_default();
        all.extend(applied);
        self.settle(slot, all);
    }

    /// Syncs what must be synced, publishes what has changed, then answers.
    fn settle(&mut self, slot: Slot, applied: Vec<Applied>) {
        let now = self.clock.now();
        let Some(hosted) = self.hosted.get_mut(&slot) else {
            // If their replies are dropped, the appends count as gone, like the log.
            return;
        };
        let is_lost = hosted.settle(now, &self.syncer).is_err();
        if !hosted.is_unsynced() {
            self.unsynced.remove(&slot);
        }
        if is_lost {
            hosted.give_up();
            for Applied { reply, .. } in applied {
                reply.send(Err(AppendFailure::Storage));
            }
            return;
        }
        for Applied { result, reply } in applied {
            hosted.acknowledge(result, reply);
        }
    }
}
