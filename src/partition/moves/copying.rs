//! One move from its first batch to the swap, all on the mover's thread. For the last step it takes the log out of
//! its lane, so that neither lane waits for the other directory's disk.

use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::base::{Offset, Timestamp};
use crate::log::{
    AppendError, Checkpoint, LogError, LogView, PartitionLog, ReadError, ReplicaState,
};
use crate::partition::directory::HostedDirectory;
use crate::partition::lane::Hosted;
use crate::partition::replica::Replica;
use crate::partition::route::Detached;
use crate::partition::upkeep::rate::LEAST_WAIT;
use crate::partition::upkeep::workers::Signal;
use crate::record::BatchHeader;

use super::assignment::Assignment;
use super::moving::{Move, Moves};

/// How much is read at a time.
const CHUNK_BYTES: usize = 1024 * 1024;

/// How much is copied between two syncs, so that the last step has little left to sync.
const SYNC_BYTES: u64 = 64 * 1024 * 1024;

/// How much may be copied in the last step, while appends wait. It grows with every attempt, so the move of a
/// partition that is written faster than it is copied still ends.
const LAST_STEP_BYTES: u64 = 4 * 1024 * 1024;

/// How long a mover waits for a file descriptor before the next attempt.
const DESCRIPTOR_PAUSE: Duration = Duration::from_secs(1);

/// How long a mover that exceeded the rate waits before it checks again: a directory that fails wakes nobody.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why a move stops.
#[derive(Debug)]
enum Broken {
    /// The move was cancelled, or the partition is gone: the future replica is removed.
    Cancelled,
    /// The broker stops or a directory has failed: the next start continues the move.
    Suspended,
    /// It cannot be done: the future replica is removed.
    Failed(String),
    /// The replica has deleted the records that the copy would begin with: the copy starts again.
    Overtaken,
    /// There is no file descriptor at present.
    OutOfDescriptors,
}

impl From<LogError> for Broken {
    fn from(error: LogError) -> Self {
        if error.is_out_of_descriptors() {
            Self::OutOfDescriptors
        } else if matches!(error, LogError::Io(_) | LogError::Offline(_)) {
            Self::Suspended
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<AppendError> for Broken {
    fn from(error: AppendError) -> Self {
        if error.is_out_of_descriptors() {
            Self::OutOfDescriptors
        } else if matches!(error, AppendError::Io(_) | AppendError::Offline(_)) {
            Self::Suspended
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        LogError::from(error).into()
    }
}

/// Carries out one move.
pub(in crate::partition) struct Mover<'a> {
    moves: &'a Moves,
    moving: &'a Arc<Move>,
    /// The controller has recorded that the replica is in the target.
    is_assigned: bool,
}

/// The result of an attempt to swap.
enum Change {
    Done,
    /// The target failed while the replica was put in place: it is not known which one the next start will find.
    InDoubt,
    /// Too much is left to copy while appends wait.
    NotYet(Box<PartitionLog>),
    Broken(Broken),
}

impl<'a> Mover<'a> {
    pub(in crate::partition) const fn new(moves: &'a Moves, moving: &'a Arc<Move>) -> Self {
        Self {
            moves,
            moving,
            is_assigned: false,
        }
    }

    pub(in crate::partition) fn carry_out(&mut self) {
        let partition = self.moving.replica.topic_partition();
        let to = self.moving.target.path().display().to_string();
        loop {
            match self.copy_and_change_places() {
                Ok(()) => {
                    crate::base::limited!(info, "replica moved to another log directory", %partition, to);
                    return;
                }
                Err(Broken::OutOfDescriptors) => {
                    crate::base::limited!(
                        warn,
                        "move between log directories waits for file descriptors",
                        %partition,
                        to
                    );
                    let signal = self.signal();
                    signal.wait(DESCRIPTOR_PAUSE, signal.calls());
                }
                Err(Broken::Overtaken) => {}
                Err(Broken::Suspended) => return self.let_go(),
                Err(Broken::Cancelled) => return self.take_back(),
                Err(Broken::Failed(reason)) => {
                    crate::base::limited!(
                        error,
                        "move between log directories failed: the replica stays where it is",
                        %partition,
                        to,
                        reason
                    );
                    return self.take_back();
                }
            }
        }
    }

    fn copy_and_change_places(&mut self) -> Result<(), Broken> {
        self.check()?;
        let mut log = self.open()?;
        let mut most = LAST_STEP_BYTES;
        loop {
            self.catch_up(&mut log)?;
            self.tell_controller()?;
            let log_start = self.announce(&mut log)?;
            match self.change_places(log, log_start, most) {
                Change::Done => return Ok(()),
                Change::InDoubt => return Err(Broken::Suspended),
                Change::Broken(broken) => return Err(broken),
                Change::NotYet(back) => log = *back,
            }
            most = most.saturating_mul(2);
        }
    }

    /// Whether the move should continue.
    fn check(&self) -> Result<(), Broken> {
        let Move {
            replica, target, ..
        } = &**self.moving;
        if self.moving.is_cancelled() {
            Err(Broken::Cancelled)
        } else if self.signal().has_ended() || target.is_offline() || replica.is_offline() {
            Err(Broken::Suspended)
        } else {
            Ok(())
        }
    }

    fn signal(&self) -> &Signal {
        self.moves.signal()
    }

    fn now(&self) -> Timestamp {
        self.moves.environment.now()
    }

    /// Opens the future replica, or creates it. An existing one is checked as a whole: it is not recorded how far it
    /// is synced.
    fn open(&self) -> Result<PartitionLog, Broken> {
        let Move {
            replica,
            target,
            path,
            ..
        } = &**self.moving;
        let first = first_offset(&replica.published().view)?;
        let open = || {
            let options = self.moves.future_options(replica, target, first);
            PartitionLog::open(path, replica.topic_partition().clone(), options)
        };
        let (mut log, _) = open()?;
        if log.log_start() > first {
            // Its first records were removed.
            drop(log);
            let partition = replica.topic_partition();
            let renamed = target.rename(path, partition, ReplicaState::Deleted)?;
            target.delete_later(renamed, self.now());
            (log, _) = open()?;
        }
        self.moving.copied.note(&log);
        Ok(log)
    }

    /// Copies until there is nothing more to copy.
    fn catch_up(&self, log: &mut PartitionLog) -> Result<(), Broken> {
        let mut unsynced = 0;
        loop {
            self.check()?;
            let published = self.moving.replica.published();
            let before = log.size();
            let copied = copy_once(&published.view, log, self.now())?;
            self.moving.copied.note(log);
            if copied.is_break() {
                return Ok(());
            }
            let added = log.size().saturating_sub(before);
            unsynced += added;
            if unsynced >= SYNC_BYTES {
                log.sync_whole()?;
                unsynced = 0;
            }
            self.keep_pace(added)?;
        }
    }

    /// Limits the copies of all movers to `replica.alter.log.dirs.io.max.bytes.per.second`.
    fn keep_pace(&self, copied: u64) -> Result<(), Broken> {
        let mut bytes = usize::try_from(copied).unwrap_or(usize::MAX);
        loop {
            let calls = self.signal().calls();
            self.check()?;
            let most = self
                .moves
                .environment
                .settings()
                .replica_alter_log_dirs_io_max_bytes_per_second;
            let wait = self.moves.rate.wait_for(bytes, most as f64, Instant::now());
            if wait < LEAST_WAIT {
                return Ok(());
            }
            bytes = 0;
            self.signal().wait(wait.min(LONGEST_PAUSE), calls);
        }
    }

    /// Records the new directory in the image before the replica is there. Otherwise, if the target is offline at the
    /// next start, the partition might be taken for one that was never created.
    fn tell_controller(&mut self) -> Result<(), Broken> {
        if self.is_assigned {
            return Ok(());
        }
        let (answer, answered) = mpsc::channel();
        let replica = &self.moving.replica;
        self.moves.assignments.send(
            Assignment::of(replica, self.moving.target.id()).with_answer(move |is_taken| {
                // The mover waits for it.
                let _ = answer.send(is_taken);
            }),
        );
        self.is_assigned = answered.recv() == Ok(true);
        self.check()?;
        if self.is_assigned {
            Ok(())
        } else {
            Err(Broken::Failed("the controller refuses it".to_owned()))
        }
    }

    /// Syncs the copy and writes the target's checkpoints. After a crash behind the swap, none of its data must be
    /// taken for unsynced, and no deleted records must come back. Returns the log start in the checkpoints.
    fn announce(&self, log: &mut PartitionLog) -> Result<Offset, Broken> {
        let target = &self.moving.target;
        let recovery_point = log.sync_whole()?;
        let log_start = self.moving.replica.published().positions.log_start;
        target.expect(
            self.moving.replica.topic_partition(),
            recovery_point,
            log_start,
        );
        for which in [Checkpoint::RecoveryPoint, Checkpoint::LogStart] {
            let offsets = || self.moves.places.published_offsets(target, which);
            target
                .write_checkpoint(which, offsets)
                .inspect_err(|error| {
                    target.note_failure("checkpoint", error);
                })?;
        }
        Ok(log_start)
    }

    /// The last step, with the log taken out of its lane. The log then continues in the lane of its directory.
    fn change_places(&self, log: PartitionLog, log_start: Offset, most: u64) -> Change {
        let mut detached = self.moving.replica.detach();
        let Some(hosted) = detached.as_mut().and_then(Detached::hosted) else {
            // It was deleted, or the broker stops.
            return Change::Broken(match self.signal().has_ended() {
                true => Broken::Suspended,
                false => Broken::Cancelled,
            });
        };
        // Records that were deleted since the checkpoint was written: the checkpoint must be written again first.
        if hosted.log.log_start() > log_start {
            return Change::NotYet(Box::new(log));
        }
        let change = change_places(hosted, log, self.moving, most, self.now());
        if let (Change::Done | Change::InDoubt, Some(detached)) = (&change, detached) {
            detached.attach_to(&self.moving.target);
        }
        change
    }

    /// Leaves a move as it is, for the next start, unless the image would then be wrong meanwhile.
    fn let_go(&self) {
        if self.signal().has_ended() {
            return;
        }
        let Move {
            replica, target, ..
        } = &**self.moving;
        target.expect_no_more(replica.topic_partition());
        if self.is_assigned {
            let assignment = Assignment::of(replica, replica.directory().id());
            self.moves.assignments.send(assignment);
        }
    }

    /// Undoes the steps of a move that will not be completed.
    pub(in crate::partition) fn take_back(&self) {
        self.let_go();
        let Move {
            replica,
            target,
            path,
            ..
        } = &**self.moving;
        if target.is_offline() {
            return;
        }
        let partition = replica.topic_partition();
        match target.rename(path, partition, ReplicaState::Deleted) {
            Ok(renamed) => target.delete_later(renamed, self.now()),
            // The next start finds it and continues the move, or the move is cancelled again.
            Err(error) => target.note_failure("cancelling a move", &error),
        }
    }
}

/// Copies the next batches. Breaks when there are none.
fn copy_once(
    view: &LogView,
    log: &mut PartitionLog,
    now: Timestamp,
) -> Result<ControlFlow<()>, Broken> {
    if log.log_end() < view.log_start() && log.log_end() < first_offset(view)? {
        return Err(Broken::Overtaken);
    }
    let from = log.log_end().max(view.log_start());
    let slice = view
        .locate(from, view.log_end(), CHUNK_BYTES, true)
        .map_err(of_read)?;
    let Some(slice) = slice else {
        return Ok(ControlFlow::Break(()));
    };
    log.append_as_follower(&slice.read()?, now)?;
    // The log that is copied knows what is committed.
    log.committed(log.log_end());
    Ok(ControlFlow::Continue(()))
}

/// Where a copy of the log begins: at the batch that contains the log start.
fn first_offset(view: &LogView) -> Result<Offset, Broken> {
    let start = view.log_start();
    let first = view
        .locate(start, view.log_end(), 1, true)
        .map_err(of_read)?;
    let Some(first) = first else { return Ok(start) };
    let header =
        BatchHeader::parse(&first.read()?).map_err(|error| Broken::Failed(error.to_string()))?;
    Ok(start.min(header.base_offset))
}

fn of_read(error: ReadError) -> Broken {
    match error {
        ReadError::Io(error) => error.into(),
        ReadError::OutOfRange { .. } => Broken::Failed(error.to_string()),
    }
}

/// The last step.
fn change_places(
    hosted: &mut Hosted,
    mut future: PartitionLog,
    moving: &Move,
    most: u64,
    now: Timestamp,
) -> Change {
    if moving.is_cancelled() {
        return Change::Broken(Broken::Cancelled);
    }
    let view = hosted.log.view();
    let behind = view.bytes_between(future.log_end(), view.log_end());
    if behind > most || future.log_end() < view.log_start() {
        return Change::NotYet(Box::new(future));
    }
    if let Err(broken) = complete(hosted, &view, &mut future, now) {
        return Change::Broken(broken);
    }
    let target = &moving.target;
    let partition = hosted.replica.topic_partition().clone();
    let plain = target.log_directory().replica_path(&partition);
    let in_place = future.rename(&plain);
    if let Err(error) = &in_place
        && error.is_out_of_descriptors()
    {
        return Change::Broken(Broken::OutOfDescriptors);
    }
    let old_recovery_point = hosted.log.recovery_point();
    let (source, replaced) = hosted.replace_log(future, target);
    if let Err(error) = in_place {
        // Whatever the next start finds, nothing may be acknowledged that is only in one of the two replicas: the
        // partition goes offline with its new directory. The old replica keeps its place in the checkpoints.
        target.fail(&format_args!("{partition} after its move: {error}"));
        source.expect(&partition, old_recovery_point, replaced.log_start());
        return Change::InDoubt;
    }
    target.expect_no_more(&partition);
    remove(&source, replaced, &hosted.replica, now);
    Change::Done
}

/// Makes the future replica equal to the replica.
fn complete(
    hosted: &Hosted,
    view: &LogView,
    future: &mut PartitionLog,
    now: Timestamp,
) -> Result<(), Broken> {
    while copy_once(view, future, now)?.is_continue() {}
    future.set_config(hosted.replica.config());
    future.take_over(&hosted.log, now)?;
    Ok(())
}

/// Removes the replica that was replaced; readers that hold its files can continue.
fn remove(source: &HostedDirectory, replaced: PartitionLog, replica: &Replica, now: Timestamp) {
    let partition = replica.topic_partition();
    let due = now.plus_millis(replica.config().file_delete_delay_ms);
    match replaced.mark_replaced() {
        Ok(path) => source.delete_later(path, due),
        Err(error) if error.is_out_of_descriptors() => {
            source.delete_once_renamed(partition.clone(), replica.topic_id(), due);
        }
        Err(error) => source.fail(&format_args!(
            "removal of {partition} after its move: {error}"
        )),
    }
}
