//! Periodic work that keeps logs within their bounds: retention, due syncs, checkpoints, producer expiration, free
//! space. Each directory has one thread for the schedule, so a directory that hangs delays no other one. The lane
//! that owns a log does the work on it, in turn with its appends.

use std::time::{Duration, Instant};

use crate::config::HousekeepingConfig;
use crate::log::Checkpoint;

use super::rounds::DirectoryRounds;
use super::rounds_at_once::MOST_PASSED_OVER;
use super::workers::{Signal, Workers};

/// How often due syncs (`flush.ms`), free space and the recovery points of busy directories are checked. The cost
/// depends on what was written since the last check.
const SHORT_ROUND: Duration = Duration::from_secs(1);

/// How often logs that could not be opened for lack of file descriptors are tried again. Each failure is a line in
/// the log.
const SECOND_ATTEMPTS: Duration = Duration::from_secs(10);

/// Starts the housekeeper of directory number `number`.
pub(in crate::partition) fn start(
    number: usize,
    rounds: DirectoryRounds,
    periods: HousekeepingConfig,
) -> std::io::Result<Workers> {
    Workers::start_one(format!("housekeeping-{number}"), move |signal| {
        keep_house(&rounds, periods, signal);
    })
}

fn keep_house(rounds: &DirectoryRounds, periods: HousekeepingConfig, signal: &Signal) {
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
    while signal.rest(SHORT_ROUND).is_continue() {
        let now = Instant::now();
        rounds.check_space();
        rounds.sync_due();
        let turn = rounds.take_turn();
        if turn.is_none() && passed_over < MOST_PASSED_OVER {
            passed_over += 1;
            continue;
        }
        passed_over = 0;
        rounds.remove_deleted();
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
