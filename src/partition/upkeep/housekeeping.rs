//! What keeps logs within their bounds while nobody asks for anything: retention, due syncs,
//! checkpoints, silent producers, free space. One thread of each directory keeps the times, so that one which
//! hangs keeps no other waiting; the work on a log is done by the lane that owns it, in turn with its appends.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::log::Checkpoint;
use crate::partition::upkeep::rounds::DirectoryRounds;
use crate::partition::upkeep::rounds_at_once::MOST_PASSED_OVER;

/// How often due syncs (`flush.ms`), free space and recovery points of busy directories are looked at. All cost
/// what was written since.
const SHORT_ROUND: Duration = Duration::from_secs(1);

/// How often logs that could not be opened for want of descriptors are tried again. Each that fails again is
/// a line in the log.
const SECOND_ATTEMPTS: Duration = Duration::from_secs(10);

/// The running housekeeper; dropping it ends it.
#[derive(Debug)]
pub(in crate::partition) struct Housekeeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// How often each of the longer rounds is made.
#[derive(Clone, Copy, Debug)]
pub(in crate::partition) struct Periods {
    /// Before the first retention.
    pub(in crate::partition) initial_delay: Duration,
    pub(in crate::partition) retention: Duration,
    pub(in crate::partition) recovery_points: Duration,
    pub(in crate::partition) log_starts: Duration,
    pub(in crate::partition) high_watermarks: Duration,
    pub(in crate::partition) producers: Duration,
}

impl Housekeeper {
    /// Starts the housekeeper of directory number `number`.
    pub(in crate::partition) fn start(
        number: usize,
        rounds: DirectoryRounds,
        periods: Periods,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("housekeeping-{number}"))
            .spawn(move || keep_house(&rounds, periods, &stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Housekeeper {
    /// Ends the rounds and waits for the one that is under way.
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn keep_house(rounds: &DirectoryRounds, periods: Periods, stopped: &Receiver<()>) {
    let started = Instant::now();
    let round = |first, every| Round {
        every,
        due: started + first,
    };
    let mut retention = round(
        periods.initial_delay.min(periods.retention),
        periods.retention,
    );
    let mut producers = round(periods.producers, periods.producers);
    let mut second_attempts = round(SECOND_ATTEMPTS, SECOND_ATTEMPTS);
    let mut checkpoints = [
        (Checkpoint::RecoveryPoint, periods.recovery_points),
        (Checkpoint::LogStart, periods.log_starts),
        (Checkpoint::Replication, periods.high_watermarks),
    ]
    .map(|(which, every)| (which, round(every, every)));
    let mut passed_over = 0;
    // A wait for the end that is bounded by the next round: the end is noticed at once.
    while stopped.recv_timeout(SHORT_ROUND) == Err(RecvTimeoutError::Timeout) {
        let now = Instant::now();
        rounds.check_space();
        rounds.sync_due();
        let turn = rounds.take_turn();
        if turn.is_none() && passed_over < MOST_PASSED_OVER {
            passed_over += 1;
            continue;
        }
        passed_over = 0;
        rounds.remove_doomed();
        rounds.write_recovery_points_if_busy();
        if second_attempts.is_due(now) {
            rounds.open_again();
        }
        if retention.is_due(now) {
            rounds.apply_retention();
        }
        if producers.is_due(now) {
            rounds.expire_producers();
        }
        for (which, round) in &mut checkpoints {
            if round.is_due(now) {
                rounds.write_checkpoint(*which);
            }
        }
    }
}

struct Round {
    every: Duration,
    due: Instant,
}

impl Round {
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.every;
        }
        is_due
    }
}
