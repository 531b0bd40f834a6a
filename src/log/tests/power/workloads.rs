//! The workloads: fixed ones, and as many as are wanted at random.

use super::survivals::Dice;
use super::workload::Step::{
    self, Append, Checkpoints, Compact, DeleteExpired, Flush, FlushBatches, GiveJobBack, Kill,
    Marker, NewEpoch, RaiseLogStart, Restart, Retention, RunJob, StartAnew, TakeJob, Transactional,
    Truncate,
};

const fn append(producer: i64, records: i64, size: usize) -> Step {
    Append {
        producer,
        records,
        size,
    }
}

const fn transactional(producer: i64, records: i64, size: usize) -> Step {
    Transactional {
        producer,
        records,
        size,
    }
}

const fn marker(producer: i64, committed: bool) -> Step {
    Marker {
        producer,
        committed,
    }
}

/// By name. The short ones have lost something once.
pub(super) const WORKLOADS: [(&str, &[Step]); 7] = [
    ("standard", STANDARD),
    ("following", FOLLOWING),
    ("forgetting", FORGETTING),
    ("mixing", MIXING),
    ("closing", CLOSING),
    ("waiting", WAITING),
    ("killed", KILLED),
];

/// Of what a kill leaves, a clean stop must not believe that it is on the disk.
const KILLED: &[Step] = &[
    append(1, 1, 100),
    Kill { synced: true },
    Restart,
    append(1, 1, 900),
    NewEpoch,
    Kill { synced: false },
    append(2, 1, 5000),
    append(2, 1, 5000),
    TakeJob { later: true },
    RunJob,
    GiveJobBack,
    Checkpoints,
    Kill { synced: true },
    Restart,
    Kill { synced: true },
    Restart,
];

/// A bit of everything.
const STANDARD: &[Step] = &[
    append(1, 1, 100),
    append(1, 2, 300),
    append(2, 1, 700),
    Flush,
    Checkpoints,
    NewEpoch,
    append(-1, 3, 400),
    transactional(3, 1, 250),
    append(1, 1, 900),
    append(2, 1, 60),
    TakeJob { later: false },
    append(2, 2, 500),
    RunJob,
    append(1, 1, 450),
    GiveJobBack,
    Checkpoints,
    marker(3, true),
    TakeJob { later: true },
    append(1, 1, 5000),
    RunJob,
    append(1, 1, 80),
    GiveJobBack,
    Checkpoints,
    append(2, 1, 200),
    append(2, 1, 1400),
    Truncate { back: 2 },
    NewEpoch,
    append(2, 1, 210),
    append(1, 4, 600),
    RaiseLogStart { back: 6 },
    Checkpoints,
    Retention,
    append(1, 1, 220),
    DeleteExpired,
    TakeJob { later: true },
    RunJob,
    GiveJobBack,
    append(4, 2, 120),
    Restart,
    append(4, 1, 130),
    append(1, 2, 900),
    Flush,
];

/// Leadership that goes back and forth: much is cut, and once everything.
const FOLLOWING: &[Step] = &[
    append(1, 2, 500),
    append(2, 2, 700),
    append(1, 1, 800),
    append(2, 1, 900),
    append(1, 1, 300),
    TakeJob { later: true },
    RunJob,
    GiveJobBack,
    Checkpoints,
    append(1, 1, 600),
    transactional(3, 2, 100),
    marker(3, false),
    TakeJob { later: true },
    Truncate { back: 6 },
    RunJob,
    transactional(3, 1, 100),
    marker(3, false),
    NewEpoch,
    append(2, 1, 100),
    GiveJobBack,
    append(2, 1, 1000),
    append(2, 2, 700),
    Flush,
    Checkpoints,
    StartAnew { above: 5 },
    append(1, 1, 100),
    append(1, 1, 3000),
    append(2, 1, 200),
    TakeJob { later: true },
    RunJob,
    GiveJobBack,
    Checkpoints,
    append(2, 1, 150),
    Restart,
    append(2, 1, 160),
];

/// The one snapshot that knows of a producer was written by a truncation.
const FORGETTING: &[Step] = &[
    append(2, 1, 4200),
    append(1, 1, 4200),
    append(1, 1, 400),
    append(1, 1, 400),
    Truncate { back: 1 },
    append(1, 1, 5000),
    append(1, 1, 100),
    Flush,
    RaiseLogStart { back: 0 },
    Checkpoints,
    Retention,
    append(1, 1, 100),
];

/// A truncation, and a batch up to where a segment began that it has taken away.
const MIXING: &[Step] = &[
    append(1, 1, 4200),
    append(1, 1, 4200),
    append(1, 1, 1000),
    append(1, 1, 4200),
    Truncate { back: 2 },
    append(2, 1, 1000),
    append(2, 1, 1100),
];

/// A segment is closed after the recovery point got to its end.
const CLOSING: &[Step] = &[
    append(1, 1, 4200),
    Flush,
    Checkpoints,
    append(1, 1, 4200),
    append(1, 1, 300),
    RaiseLogStart { back: 1 },
    NewEpoch,
    append(1, 1, 300),
];

/// Batches are synced and acknowledged before their producers are written down, and the log is cut while that is
/// still to be done, and while a job does it.
const WAITING: &[Step] = &[
    append(1, 1, 4200),
    transactional(3, 1, 1500),
    append(2, 1, 1200),
    FlushBatches,
    Checkpoints,
    append(1, 1, 3500),
    marker(3, false),
    append(2, 1, 3000),
    FlushBatches,
    Checkpoints,
    TakeJob { later: true },
    append(1, 1, 4000),
    Truncate { back: 2 },
    RunJob,
    append(2, 1, 2500),
    FlushBatches,
    GiveJobBack,
    Checkpoints,
    TakeJob { later: true },
    RunJob,
    append(1, 1, 3000),
    GiveJobBack,
    Checkpoints,
    RaiseLogStart { back: 1 },
    Checkpoints,
    Retention,
    append(2, 1, 4000),
    FlushBatches,
];

/// What is compacted twice, and goes on; with settings for it.
pub(super) const COMPACTING: &[Step] = &[
    append(1, 2, 700),
    append(2, 1, 1500),
    append(1, 1, 2200),
    append(-1, 2, 900),
    append(1, 1, 1800),
    append(2, 2, 1200),
    append(1, 1, 300),
    TakeJob { later: true },
    RunJob,
    GiveJobBack,
    Compact,
    DeleteExpired,
    NewEpoch,
    append(1, 1, 3000),
    append(1, 2, 1000),
    append(2, 1, 2500),
    Flush,
    Compact,
    append(1, 1, 300),
    Restart,
    append(2, 1, 4200),
    Flush,
    Compact,
    DeleteExpired,
];

/// So many steps as `dice` has them.
pub(super) fn random_steps(dice: &mut Dice, count: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    while steps.len() < count {
        let producer = dice.below(4) as i64 - i64::from(dice.below(8) == 0);
        let size = [60, 200, 500, 1100, 4200][dice.below(5)];
        let records = 1 + dice.below(if size > 1500 { 1 } else { 3 }) as i64;
        steps.push(match dice.below(40) {
            0..16 => Append {
                producer,
                records,
                size,
            },
            16..18 => Transactional {
                producer: 7,
                records,
                size,
            },
            18..20 => Marker {
                producer: 7,
                committed: dice.below(2) == 0,
            },
            20..22 => NewEpoch,
            22 => Flush,
            23 => FlushBatches,
            24..26 => TakeJob {
                later: dice.below(2) == 0,
            },
            26..28 => RunJob,
            28..31 => GiveJobBack,
            31 => Retention,
            32 => DeleteExpired,
            33 => RaiseLogStart {
                back: dice.below(12) as i64,
            },
            34 => Truncate {
                back: dice.below(8) as i64,
            },
            35 if dice.below(3) == 0 => StartAnew {
                above: dice.below(4) as i64,
            },
            36 => Restart,
            37 => Kill {
                synced: dice.below(2) == 0,
            },
            _ => Checkpoints,
        });
    }
    steps
}

/// The same for a log that is compacted, where a truncation ends at other offsets than elsewhere.
pub(super) fn compacting(steps: &[Step]) -> Vec<Step> {
    let instead = |step: &Step| match *step {
        Transactional { records, size, .. } => Append {
            producer: 2,
            records,
            size,
        },
        Marker { .. } | Truncate { .. } | StartAnew { .. } => Compact,
        other => other,
    };
    steps.iter().map(instead).collect()
}
