//! The log dies at every single change that a workload makes to the disk, and once more at every change
//! that the recovery from that makes; what is found afterwards is what was written.

use std::collections::HashMap;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::config::TopicConfig;
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::testing::{
    config, directory, file_names, open, producer_batch, quick_disk, read_all,
};
use crate::log::{AppendError, AppendOrigin, Disk, LogError, PartitionLog, SyncJob};

const NOW: Timestamp = Timestamp(1_000_000);

/// Lets so many changes happen; the next one fails, or is torn if it is a write.
#[derive(Debug)]
pub(super) struct Countdown {
    left: AtomicUsize,
    tear: Option<usize>,
}

impl Probe for Countdown {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        let before = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match (before, operation, self.tear) {
            (Ok(_), _, _) => Verdict::Pretend,
            (Err(_), Operation::Write { .. }, Some(kept)) => Verdict::Tear(kept),
            (Err(_), _, _) => Verdict::Fail,
        }
    }
}

pub(super) fn failing_after(changes: usize, tear: Option<usize>) -> (Disk, Arc<Countdown>) {
    let probe = Arc::new(Countdown {
        left: AtomicUsize::new(changes),
        tear,
    });
    (Disk::with_probe(probe.clone()), probe)
}

fn small_segments() -> TopicConfig {
    let mut config = config();
    config.segment_bytes = 500;
    config.index_interval_bytes = 150;
    config.retention_ms = 60_000;
    config.file_delete_delay_ms = 0;
    config
}

fn sent(n: i64) -> Bytes {
    producer_batch(
        n % 2,
        0,
        (n / 2) as i32,
        &[900_000 + 10_000 * n],
        &[b'0' + n as u8; 70],
    )
}

/// What is known to be on disk whatever happens next.
#[derive(Default)]
struct Durable {
    end: Offset,
    log_start: Offset,
}

fn workload(directory: &Path, disk: &Disk, durable: &mut Durable) -> Result<(), AppendError> {
    let config = small_segments();
    let (mut log, _) = open(directory, &config, true, Offset(0), Offset(0), NOW, disk)?;
    let append = |log: &mut PartitionLog, n: i64| {
        log.append_as_leader(
            &sent(n),
            LeaderEpoch((n / 4) as i32),
            AppendOrigin::Client,
            NOW,
        )
        .map(|_| ())
    };
    for n in 0..5 {
        append(&mut log, n)?;
    }
    durable.end = log.flush()?;
    for n in 5..9 {
        append(&mut log, n)?;
    }
    durable.end = log.flush()?;
    log.apply_retention(log.log_end(), NOW)?;
    durable.log_start = log.log_start();
    log.delete_expired_files(NOW)?;
    durable.end = Offset(7);
    log.truncate(Offset(7))?;
    for n in 7..10 {
        append(&mut log, n)?;
    }
    durable.end = log.close()?;
    Ok(())
}

/// The same with jobs in place of flushes, each run while the log has gone on.
fn workload_with_jobs(
    directory: &Path,
    disk: &Disk,
    durable: &mut Durable,
) -> Result<(), AppendError> {
    /// Long enough for the active segment to be synced as well.
    const LATER: Timestamp = Timestamp(NOW.0 + 60_000);
    let config = small_segments();
    let (mut log, _) = open(directory, &config, true, Offset(0), Offset(0), NOW, disk)?;
    let append = |log: &mut PartitionLog, n: i64| {
        log.append_as_leader(&sent(n), LeaderEpoch(0), AppendOrigin::Client, NOW)
            .map(|_| ())
    };
    let run = |log: &mut PartitionLog, job: Option<SyncJob>| {
        let job = job.expect("something to sync");
        let result = job.run();
        log.synced(job, result)
    };
    for n in 0..4 {
        append(&mut log, n)?;
    }
    let job = log.sync_job(NOW);
    append(&mut log, 4)?;
    durable.end = run(&mut log, job)?;
    assert_eq!(durable.end, log.active.segment.base());
    let job = log.sync_job(LATER);
    for n in 5..9 {
        append(&mut log, n)?;
    }
    durable.end = run(&mut log, job)?;
    assert_eq!(durable.end, Offset(5));
    // a job of a log that is cut, and written on with what the job does not know
    let job = log.sync_job(LATER);
    durable.end = Offset(4);
    log.truncate(Offset(4))?;
    for n in 4..8 {
        append(&mut log, n)?;
    }
    durable.end = run(&mut log, job)?;
    assert_eq!(durable.end, Offset(4));
    // a job whose segments retention takes away
    let job = log.sync_job(LATER);
    log.apply_retention(log.log_end(), NOW)?;
    (durable.log_start, durable.end) = (log.log_start(), log.recovery_point());
    log.delete_expired_files(NOW)?;
    durable.end = run(&mut log, job)?;
    for n in 8..10 {
        append(&mut log, n)?;
    }
    let job = log.sync_job(LATER);
    durable.end = run(&mut log, job)?;
    assert_eq!(durable.end, Offset(10));
    Ok(())
}

type Workload = fn(&Path, &Disk, &mut Durable) -> Result<(), AppendError>;
const WORKLOADS: [Workload; 2] = [workload, workload_with_jobs];

fn reopen(directory: &Path, durable: &Durable, disk: &Disk) -> Result<PartitionLog, LogError> {
    Ok(open(
        directory,
        &small_segments(),
        false,
        durable.end,
        durable.log_start,
        NOW,
        disk,
    )?
    .0)
}

fn check(log: &mut PartitionLog, durable: &Durable, what: &str) {
    assert!(
        log.log_end() >= durable.end,
        "{what}: the log ends at {} and not at {}",
        log.log_end(),
        durable.end
    );
    let batches = read_all(&log.view(), log.log_start(), 1000);
    let last = batches.last().map(|batch| batch.header.next_offset());
    let end = last.unwrap_or_else(|| log.log_start());
    assert!(end >= durable.end, "{what}: what is left ends at {end}");
    // the log goes on behind what was set aside, and only then further on
    let names = file_names(log.directory());
    let is_set_aside = names.iter().any(|name| name.ends_with(".set-aside"));
    assert_eq!(end < log.log_end(), is_set_aside, "{what}: {names:?}");
    let expected: Vec<Bytes> = (log.log_start().0..end.0).map(sent).collect();
    assert_eq!(batches.len(), expected.len(), "{what}");
    for (batch, expected) in batches.iter().zip(&expected) {
        assert_eq!(batch.bytes[17..], expected[17..], "{what}");
    }
    // the producers go on where the log ends
    let goes_on_at = log.log_end();
    if end > Offset(2) {
        let again = log
            .append_as_leader(&sent(end.0 - 1), LeaderEpoch(9), AppendOrigin::Client, NOW)
            .unwrap();
        assert!(again.duplicate, "{what}");
    }
    let info = log
        .append_as_leader(&sent(end.0), LeaderEpoch(9), AppendOrigin::Client, NOW)
        .unwrap();
    let wanted = (goes_on_at, false);
    assert_eq!((info.first_offset, info.duplicate), wanted, "{what}");
}

#[test]
fn dying_at_any_change_loses_nothing_that_was_flushed() {
    WORKLOADS.into_iter().for_each(dying_at_any_change);
}

fn dying_at_any_change(workload: Workload) {
    let mut whole = false;
    let mut changes = 0;
    while !whole {
        for tear in [None, Some(0), Some(30), Some(100)] {
            let directory = directory();
            let mut durable = Durable::default();
            let (disk, _) = failing_after(changes, tear);
            let result = workload(directory.path(), &disk, &mut durable);
            whole |= result.is_ok();
            assert_eq!(result.is_err(), disk.is_offline());
            let what = format!("after {changes} changes, torn at {tear:?}");
            let mut log = reopen(directory.path(), &durable, &quick_disk()).unwrap();
            check(&mut log, &durable, &what);
        }
        changes += 1;
    }
    assert!(changes > 50, "only {changes} changes");
}

#[test]
fn dying_in_recovery_is_no_worse() {
    WORKLOADS.into_iter().for_each(dying_in_recovery);
}

fn dying_in_recovery(workload: Workload) {
    for changes in (10..90).step_by(3) {
        let mut recovered = false;
        let mut more = 0;
        while !recovered {
            let directory = directory();
            let mut durable = Durable::default();
            let _ = workload(
                directory.path(),
                &failing_after(changes, Some(50)).0,
                &mut durable,
            );
            recovered = reopen(directory.path(), &durable, &failing_after(more, Some(5)).0).is_ok();
            let what = format!("after {changes} changes, and {more} more in recovery");
            let mut log = reopen(directory.path(), &durable, &quick_disk()).unwrap();
            check(&mut log, &durable, &what);
            more += 1;
        }
    }
}

/// Remembers what every file held when it was synced, and dies like [`Countdown`].
#[derive(Debug)]
struct PowerLoss {
    countdown: Countdown,
    synced: Mutex<HashMap<u64, Vec<u8>>>,
}

impl Probe for PowerLoss {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        let verdict = self.countdown.before(operation);
        if let (Verdict::Pretend, Operation::Sync(file)) = (verdict, operation) {
            let metadata = file.metadata().unwrap();
            let mut content = vec![0; metadata.len() as usize];
            file.read_exact_at(&mut content, 0).unwrap();
            self.synced.lock().unwrap().insert(metadata.ino(), content);
        }
        verdict
    }
}

impl PowerLoss {
    /// Gives files the content that they had when they were synced: all files, or those whose turn it is.
    fn strike(&self, replica: &Path, some: Option<u64>) {
        let synced = self.synced.lock().unwrap();
        for entry in std::fs::read_dir(replica).into_iter().flatten() {
            let path = entry.unwrap().path();
            let inode = path.metadata().unwrap().ino();
            if some.is_none_or(|turn| inode % 3 == turn) {
                std::fs::write(&path, synced.get(&inode).map_or(&[][..], Vec::as_slice)).unwrap();
            }
        }
    }
}

#[test]
fn losing_power_at_any_change_loses_nothing_that_was_flushed() {
    WORKLOADS.into_iter().for_each(losing_power_at_any_change);
}

fn losing_power_at_any_change(workload: Workload) {
    let mut whole = false;
    let mut changes = 0;
    while !whole {
        for some in [None, Some(0), Some(1), Some(2)] {
            let directory = directory();
            let mut durable = Durable::default();
            let countdown = Countdown {
                left: AtomicUsize::new(changes),
                tear: None,
            };
            let probe = Arc::new(PowerLoss {
                countdown,
                synced: Mutex::default(),
            });
            whole |= workload(
                directory.path(),
                &Disk::with_probe(probe.clone()),
                &mut durable,
            )
            .is_ok();
            probe.strike(&directory.path().join("topic-0"), some);
            let mut log = reopen(directory.path(), &durable, &quick_disk()).unwrap();
            check(
                &mut log,
                &durable,
                &format!("after {changes} changes, striking {some:?}"),
            );
        }
        changes += 1;
    }
}

#[test]
fn after_a_failure_everything_is_refused() {
    let directory = directory();
    let (disk, probe) = failing_after(1000, None);
    let (mut log, _) = open(
        directory.path(),
        &config(),
        true,
        Offset(0),
        Offset(0),
        NOW,
        &disk,
    )
    .unwrap();
    log.append_as_leader(&sent(0), LeaderEpoch(0), AppendOrigin::Client, NOW)
        .unwrap();
    probe.left.store(0, Ordering::SeqCst);
    assert!(matches!(log.flush(), Err(LogError::Io(_))));
    probe.left.store(1000, Ordering::SeqCst);
    let refused = log.append_as_leader(&sent(1), LeaderEpoch(0), AppendOrigin::Client, NOW);
    assert!(matches!(refused, Err(AppendError::Offline(_))));
    assert_eq!(
        read_all(&log.view(), Offset(0), 1000).len(),
        1,
        "reading goes on"
    );
}
