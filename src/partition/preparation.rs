//! Prepares appends before their lanes see them: decompressing, checking and compressing records takes up to seconds
//! of processor time, which a lane cannot spare from its other partitions.
//!
//! ```text
//!   Replica::append
//!      | slight, or checked here since it is small; and nothing before it in preparation
//!      +------------------------------------------------------------------------> lane
//!      | anything else
//!      v
//!   line (partition, source) --turn--> checker       unpack, check         ----> lane, with what follows that is slight
//!                            --turn--> recompressor  the same, compress    ----> lane
//! ```
//! Owns: which append waits for which ([`lines`], a structure without threads), the workers, and how many of their
//! results may wait for the lanes. The work itself is in [`crate::log::RecordSet`].
//!
//! Invariants
//! - The appends of one source to one partition reach its lane in the order in which they were handed over, whatever
//!   they cost. A cheap append also waits for those before it, and a refused one is refused in its turn. There is no
//!   order between sources: the batches of one client do not delay those of others in the same partition.
//! - A client with one cheap batch waits for at most one job of every other client. The next job belongs to the
//!   address, and there to the connection, that was served least. Checks never wait for recompressions: these have
//!   threads of their own, one fewer than there are processors, with low priority.
//! - A caller with little to append checks a small compressed batch itself, if nothing of its partition is in
//!   preparation: that takes less time than handing it to a worker. Lanes decompress no client data.
//! - The broker's own appends wait for no client: the broker is a source like the others, and its appends are almost
//!   always cheap.
//! - No work is begun for a closed connection: when the turn of an append comes whose client is gone, it is dropped
//!   together with the appends behind it in its line, so nothing is stored without what was sent before it. A closed
//!   connection may go unnoticed while its unread requests do not fit in the socket. So no append is begun after
//!   [`PATIENCE_SECONDS`]: by default a client waits no longer than that, and Kafka has an error code for it.
//! - Memory: the number of workers is fixed, and each holds at most what the limits of one batch allow. A result that
//!   is a slice of the request uses the request's memory. A rebuilt result has a [`Room`] until its lane has written
//!   it.
//! - The lock is held only while a line is read or changed. Nothing is sent, and no [`Room`] is given back, under it.
//!
//! The stop does not wait: appends that no worker has taken are answered with [`AppendFailure::Gone`]. So is an
//! append in a worker's hands, unless it reaches its lane before the lane ends. Connections end first, so all answers
//! that clients still wait for have been given by then.

mod lines;
mod shares;
pub(super) mod source;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::base::{Clock, Timestamp, lock};
use crate::config::TopicConfig;
use crate::log::{AppendError, Effort, PreparedAppend, RecordSet};

use super::append::{AppendFailure, AppendReply};
use super::lane::AppendTask;
use super::replica::Replica;
use lines::{Kind, LineId, Lines, Need, Next, Taken, Work};
use source::Source;

/// The niceness of the threads that compress, as with nice(1).
const RECOMPRESSORS_NICE: i32 = 10;

/// The maximum number of threads. More threads would be faster, but a hostile load would be larger: each may hold
/// some 100 MiB for a moment.
const MOST_CHECKERS: usize = 8;
const MOST_RECOMPRESSORS: usize = 4;

/// How long an append may wait for its turn: the default of the clients' `request.timeout.ms`.
const PATIENCE_SECONDS: i64 = 30;

/// The running workers; dropping it (or [`Preparation::stop`]) ends them.
pub(super) struct Preparation {
    pool: Arc<Pool>,
}

impl Preparation {
    /// Starts the workers for a machine with this many processors.
    pub(super) fn start(clock: Arc<dyn Clock>, processors: usize) -> std::io::Result<Self> {
        let preparation = Self {
            pool: Arc::new(Pool {
                state: Mutex::default(),
                checks: Condvar::new(),
                recompressions: Condvar::new(),
                clock,
            }),
        };
        for number in 0..processors.clamp(2, MOST_CHECKERS) {
            preparation.start_worker(Kind::Check, number)?;
        }
        for number in 0..processors.saturating_sub(1).clamp(1, MOST_RECOMPRESSORS) {
            preparation.start_worker(Kind::Recompress, number)?;
        }
        Ok(preparation)
    }

    fn start_worker(&self, kind: Kind, number: usize) -> std::io::Result<()> {
        let pool = Arc::clone(&self.pool);
        let name = match kind {
            Kind::Check => "checker",
            Kind::Recompress => "recompressor",
        };
        let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
        thread.spawn(move || pool.work(kind)).map(drop)
    }

    /// The sending side, for replicas.
    pub(super) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Ends the workers, each after its present job, and refuses what none of them has taken.
    pub(super) fn stop(&self) {
        let refused = {
            let mut state = self.pool.state();
            state.is_stopping = true;
            state.lines.take_all()
        };
        self.pool.checks.notify_all();
        self.pool.recompressions.notify_all();
        drop(refused);
    }
}

impl Drop for Preparation {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How many appends of a partition are in preparation. If there are none, a cheap append needs no lock.
#[derive(Debug, Default)]
pub(super) struct InPreparation(AtomicUsize);

/// An append that is counted in [`InPreparation`].
struct Counted(Arc<Replica>);

impl Counted {
    fn new(replica: &Arc<Replica>) -> Self {
        replica.in_preparation().0.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(replica))
    }
}

impl Drop for Counted {
    // After it was sent to the lane: a caller that finds no pending append sends after it.
    fn drop(&mut self) {
        self.0.in_preparation().0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// An entry of a line.
enum Step {
    Append(Job),
    /// Dropped when its turn comes.
    Settle(#[allow(dead_code, reason = "only its end matters")] Arc<Settling>),
}

/// An append on its way to the lane.
struct Job {
    replica: Counted,
    set: RecordSet,
    /// The leader epoch when the append was handed over.
    config: Arc<TopicConfig>,
    since: Timestamp,
    reply: AppendReply,
}

impl Job {
    /// Whether its client has given up by now.
    const fn is_late(&self, now: Timestamp) -> bool {
        now.millis_since(self.since) > PATIENCE_SECONDS * 1000
    }

    /// Refuses it because it has waited too long.
    fn refuse(self) {
        self.reply
            .send(Err(AppendFailure::TimedOut(PATIENCE_SECONDS)));
    }

    /// Sends the append to its lane, which prepares it.
    fn pass(self) {
        self.replica
            .0
            .send(AppendTask::unprepared(self.set, self.reply));
    }

    /// Sends the prepared append to its lane.
    fn hand_on(self, prepared: Result<PreparedAppend, AppendError>, room: Option<Room>) {
        let epoch = self.set.epoch;
        let task = AppendTask::prepared(prepared, epoch, room, self.reply);
        self.replica.0.send(task);
    }
}

/// A caller that waits until all earlier appends are settled.
struct Settling {
    replica: Arc<Replica>,
    settled: Option<oneshot::Sender<()>>,
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Some(settled) = self.settled.take() {
            self.replica.settle_lane(settled);
        }
    }
}

/// The lines, and the workers that wait for them.
pub(super) struct Pool {
    state: Mutex<State>,
    checks: Condvar,
    recompressions: Condvar,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    lines: Lines<Step>,
    is_stopping: bool,
}

impl Pool {
    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A holder of the lock only reads or changes lines.
        lock(&self.state)
    }

    fn wake(&self, kind: Kind) {
        match kind {
            Kind::Check => self.checks.notify_one(),
            Kind::Recompress => self.recompressions.notify_one(),
        }
    }

    /// Hands an append over. A small one is checked first if the caller may do that. When this returns, the append's
    /// place behind the earlier ones of its source is fixed.
    pub(super) fn append(
        &self,
        replica: &Arc<Replica>,
        source: Source,
        may_check_here: bool,
        (set, reply): (RecordSet, AppendReply),
    ) {
        let config = replica.config();
        let work = match set.effort(&config) {
            Effort::Slight => Work::Pass,
            Effort::Check => Work::Check,
            Effort::Recompress { most } => Work::Recompress(Need {
                directory: replica.directory().id(),
                bytes: most,
            }),
        };
        let is_first = replica.in_preparation().0.load(Ordering::Acquire) == 0;
        if work == Work::Pass && is_first {
            return replica.send(AppendTask::unprepared(set, reply));
        }
        if work == Work::Check
            && is_first
            && may_check_here
            && let Some(prepared) =
                set.prepare_small(replica.topic_partition(), &config, self.clock.now())
        {
            return replica.send(AppendTask::prepared(Ok(prepared), set.epoch, None, reply));
        }
        let line = LineId {
            partition: replica.number(),
            source,
        };
        let mut state = self.state();
        if work == Work::Pass && !state.lines.has(line) {
            drop(state);
            return replica.send(AppendTask::unprepared(set, reply));
        }
        if state.is_stopping {
            // Without a reply the append is gone.
            return;
        }
        let job = Job {
            replica: Counted::new(replica),
            set,
            config,
            since: self.clock.now(),
            reply,
        };
        state.lines.push(line, work, Step::Append(job));
        drop(state);
        if let Some(kind) = work.kind() {
            self.wake(kind);
        }
    }

    /// Answers when every append that was handed over before is settled.
    pub(super) fn settle(&self, replica: &Arc<Replica>, settled: oneshot::Sender<()>) {
        let settling = Arc::new(Settling {
            replica: Arc::clone(replica),
            settled: Some(settled),
        });
        if replica.in_preparation().0.load(Ordering::Acquire) == 0 {
            // Dropping `settling` asks the lane.
            return;
        }
        let mut state = self.state();
        for line in state.lines.of_partition(replica.number()) {
            let step = Step::Settle(Arc::clone(&settling));
            state.lines.push(line, Work::Pass, step);
        }
    }

    /// The loop of a worker.
    fn work(self: &Arc<Self>, kind: Kind) {
        if kind == Kind::Recompress {
            give_way_to_others();
        }
        while let Some(Taken { line, step, need }) = self.next(kind) {
            let begun = Instant::now();
            let room = need.map(|need| Room {
                pool: Arc::clone(self),
                need,
            });
            match step {
                Step::Append(job) if line.source.may_leave() && job.reply.is_closed() => {
                    let abandoned = self.state().lines.abandon(line);
                    drop((job, room, abandoned));
                }
                Step::Append(job) if line.source.may_leave() && job.is_late(self.clock.now()) => {
                    job.refuse();
                    drop(room);
                }
                Step::Append(job) => self.prepare(job, room),
                Step::Settle(settling) => drop(settling),
            }
            self.state().lines.end(line, need, begun.elapsed());
            self.go_on(line);
        }
    }

    /// Waits for the next step of this kind; `None` at the end.
    fn next(&self, kind: Kind) -> Option<Taken<Step>> {
        let wakes = match kind {
            Kind::Check => &self.checks,
            Kind::Recompress => &self.recompressions,
        };
        let mut state = self.state();
        loop {
            if state.is_stopping {
                return None;
            }
            if let Some(taken) = state.lines.take(kind) {
                return Some(taken);
            }
            state = wakes.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn prepare(&self, job: Job, mut room: Option<Room>) {
        let partition = job.replica.0.topic_partition();
        let prepare = || job.set.prepare(partition, &job.config, self.clock.now());
        // No input should make it panic. If it does, one batch is lost, and not the worker and the line.
        let prepared = catch_unwind(AssertUnwindSafe(prepare)).unwrap_or_else(|_| {
            let message = "the batch could not be checked".to_owned();
            Err(AppendError::CorruptMessage(message))
        });
        let size = prepared.as_ref().map_or(0, PreparedAppend::size);
        if let Some(room) = &mut room {
            room.shrink_to(size);
        }
        job.hand_on(prepared, room);
    }

    /// Sends the following steps of a line that need no work, then lets the line wait for its next turn.
    fn go_on(&self, line: LineId) {
        loop {
            let next = self.state().lines.go_on(line);
            match next {
                Next::Pass(steps) => steps.into_iter().for_each(|step| match step {
                    Step::Append(job) => job.pass(),
                    Step::Settle(settling) => drop(settling),
                }),
                Next::Waits(kind) => return self.wake(kind),
                Next::Ends => return,
            }
        }
    }
}

/// Memory for the result of a recompression until its lane has written it.
pub(super) struct Room {
    pool: Arc<Pool>,
    need: Need,
}

impl Room {
    fn shrink_to(&mut self, bytes: usize) {
        let bytes = bytes.min(self.need.bytes);
        self.give_back(self.need.bytes - bytes);
        self.need.bytes = bytes;
    }

    fn give_back(&self, bytes: usize) {
        let need = Need { bytes, ..self.need };
        let is_waited_for = self.pool.state().lines.give_back(need);
        if is_waited_for {
            self.pool.recompressions.notify_all();
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.give_back(self.need.bytes);
    }
}

/// From now on this thread runs only when others leave processor time.
fn give_way_to_others() {
    // On Linux a thread has a priority of its own. Elsewhere it would be that of all threads.
    #[cfg(target_os = "linux")]
    {
        let this = rustix::thread::gettid();
        if let Err(error) = rustix::process::setpriority_process(Some(this), RECOMPRESSORS_NICE) {
            tracing::warn!(%error, "recompression cannot run with low priority");
        }
    }
}
