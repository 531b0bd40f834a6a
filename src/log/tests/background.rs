//! Jobs: what they sync, in which order, and when their results no longer count.

use std::sync::{Arc, Mutex};

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::testing::{TestLog, config, directory, open, producer_batch};
use crate::log::{AppendOrigin, Disk, LogError, PartitionLog, SyncJob};

/// Three batches fill a segment.
fn rolling() -> TestLog {
    let mut config = config();
    config.segment_bytes = 500;
    config.file_delete_delay_ms = 0;
    TestLog::new(config)
}

fn append(test: &mut TestLog, offsets: std::ops::Range<i32>) {
    for n in offsets {
        test.append(&producer_batch(1, 0, n, &[900_000], &[0; 70]))
            .unwrap();
    }
}

fn run(log: &mut PartitionLog, job: SyncJob) -> Offset {
    let result = job.run();
    log.synced(job, result).unwrap()
}

fn later(test: &TestLog) -> Timestamp {
    test.now.plus_millis(15_000)
}

#[test]
fn a_closed_segment_moves_the_recovery_point() {
    let mut test = rolling();
    append(&mut test, 0..3);
    assert!(test.log.sync_job(test.now).is_none(), "nothing is closed");
    append(&mut test, 3..5);
    let job = test.log.sync_job(test.now).unwrap();
    assert!(test.log.sync_job(later(&test)).is_none(), "one at a time");
    append(&mut test, 5..8);
    assert_eq!(test.log.recovery_point(), Offset(0), "nothing is done yet");
    assert_eq!(run(&mut test.log, job), Offset(3));
    let job = test.log.sync_job(test.now).unwrap();
    assert_eq!(run(&mut test.log, job), Offset(6));
    assert!(test.log.sync_job(test.now).is_none());
    let mut test = test.crash(|_| ());
    // the active one, and the one before it that may have been closed after the recovery point got there
    assert_eq!(test.report.segments_scanned, 2);
    assert_eq!(test.log.log_end(), Offset(8));
    append(&mut test, 8..9);
}

#[test]
fn what_recovery_has_read_is_synced_by_the_next_job() {
    let mut test = rolling();
    append(&mut test, 0..10);
    let mut test = test.crash(|_| ());
    assert!(test.report.segments_scanned > 2);
    let job = test.log.sync_job(test.now).unwrap();
    assert_eq!(run(&mut test.log, job), Offset(9));
    assert_eq!(test.crash(|_| ()).report.segments_scanned, 2);
}

#[test]
fn batches_of_the_active_segment_wait_for_fifteen_seconds() {
    let mut test = rolling();
    append(&mut test, 0..1);
    let started = test.now;
    assert!(test.log.sync_job(Timestamp(started.0 + 14_999)).is_none());
    let job = test.log.sync_job(later(&test)).unwrap();
    test.now = later(&test);
    append(&mut test, 1..2);
    assert_eq!(run(&mut test.log, job), Offset(1));
    assert!(test.log.sync_job(Timestamp(started.0 + 29_999)).is_none());
    let job = test.log.sync_job(later(&test)).unwrap();
    assert_eq!(run(&mut test.log, job), Offset(2));
    assert!(
        test.log.sync_job(Timestamp(i64::MAX)).is_none(),
        "an idle log has no work"
    );
}

#[test]
fn a_job_of_a_log_that_was_cut_moves_nothing() {
    let mut test = rolling();
    append(&mut test, 0..8);
    let job = test.log.sync_job(later(&test)).unwrap();
    test.log.truncate(Offset(4)).unwrap();
    append(&mut test, 4..9);
    assert_eq!(run(&mut test.log, job), Offset(0));
    // the job did not find all of its files, and so there is none for a second
    let now = later(&test).plus_millis(1000);
    let job = test.log.sync_job(now).unwrap();
    test.log.truncate_fully(Offset(0)).unwrap();
    append(&mut test, 0..5);
    assert_eq!(run(&mut test.log, job), Offset(0));
    let job = test.log.sync_job(now.plus_millis(1000)).unwrap();
    assert_eq!(run(&mut test.log, job), Offset(5));
}

#[test]
fn a_job_whose_segments_are_gone_is_no_failure() {
    let mut test = rolling();
    test.config.retention_ms = 1000;
    test.log.set_config(Arc::new(test.config.clone()));
    append(&mut test, 0..8);
    let job = test.log.sync_job(test.now).unwrap();
    let now = test.now;
    assert!(test.log.apply_retention(Offset(8), now).unwrap() > 1);
    test.log.delete_expired_files(now).unwrap();
    let result = job.run();
    assert_eq!(
        result.as_ref().unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
    assert_eq!(test.log.synced(job, result).unwrap(), Offset(8));
    assert!(!test.log.disk.is_offline());
    append(&mut test, 8..9);
}

#[test]
fn a_file_that_somebody_else_removed_is_a_failure() {
    let mut test = rolling();
    append(&mut test, 0..5);
    std::fs::remove_file(test.path().join("00000000000000000000.index")).unwrap();
    let job = test.log.sync_job(test.now).unwrap();
    let result = job.run();
    assert!(matches!(test.log.synced(job, result), Err(LogError::Io(_))));
    assert_eq!(test.log.recovery_point(), Offset(0));
}

#[test]
fn a_flush_does_not_wait_for_a_job() {
    let mut test = rolling();
    append(&mut test, 0..5);
    let job = test.log.sync_job(later(&test)).unwrap();
    assert_eq!(test.log.flush().unwrap(), Offset(5));
    append(&mut test, 5..6);
    assert_eq!(run(&mut test.log, job), Offset(5));
}

#[test]
fn the_recovery_point_waits_for_producers_that_are_not_written_down() {
    let mut test = rolling();
    append(&mut test, 0..5);
    assert_eq!(test.log.flush_batches().unwrap(), Offset(5));
    assert_eq!(test.log.flushed(), Offset(5));
    assert_eq!(test.log.recovery_point(), Offset(3));
    let snapshot = test.path().join("00000000000000000003.snapshot");
    assert!(!snapshot.exists());
    let job = test.log.sync_job(test.now).unwrap();
    assert_eq!(run(&mut test.log, job), Offset(3));
    assert!(snapshot.exists());
    let job = test.log.sync_job(later(&test)).unwrap();
    assert_eq!(run(&mut test.log, job), Offset(5));
}

#[test]
fn a_job_writes_no_producers_of_a_log_that_was_cut_or_deleted() {
    let mut test = rolling();
    append(&mut test, 0..8);
    let job = test.log.sync_job(test.now).unwrap();
    test.log.truncate(Offset(2)).unwrap();
    append(&mut test, 2..3);
    drop(job.run());
    let stray = |test: &TestLog| test.files().iter().any(|name| name.contains("006.snap"));
    assert!(!stray(&test));
    let mut test = rolling();
    append(&mut test, 0..4);
    let job = test.log.sync_job(test.now).unwrap();
    let disk = test.log.disk.clone();
    let renamed = test.log.mark_deleted().unwrap();
    drop(job.run());
    assert!(!disk.is_offline());
    assert!(!renamed.join("00000000000000000003.snapshot").exists());
}

/// Notes what is synced; syncs fail once they are to.
#[derive(Debug, Default)]
struct Notes {
    synced: Mutex<Vec<String>>,
    fail: std::sync::atomic::AtomicBool,
}

impl Probe for Notes {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        let name = match operation {
            Operation::Sync(file) => {
                use std::os::fd::AsRawFd as _;
                let link = format!("/proc/self/fd/{}", file.as_raw_fd());
                let path = std::fs::read_link(link).unwrap();
                path.file_name().unwrap().to_string_lossy().into_owned()
            }
            Operation::SyncDirectory(_) => "names".to_owned(),
            _ => return Verdict::Go,
        };
        self.synced.lock().unwrap().push(name);
        if self.fail.load(std::sync::atomic::Ordering::SeqCst) {
            Verdict::Fail
        } else {
            Verdict::Pretend
        }
    }
}

#[test]
fn content_comes_before_names_and_a_failed_sync_is_final() {
    let mut config = config();
    config.segment_bytes = 500;
    let (directory, notes) = (directory(), Arc::new(Notes::default()));
    let disk = Disk::with_probe(notes.clone());
    let now = Timestamp(1_000_000);
    let zero = Offset(0);
    let (mut log, _) = open(directory.path(), &config, true, zero, zero, now, &disk).unwrap();
    let append = |log: &mut PartitionLog, n| {
        let records = producer_batch(1, 0, n, &[900_000], &[0; 70]);
        log.append_as_leader(&records, LeaderEpoch(0), AppendOrigin::Client, now)
    };
    for n in 0..4 {
        append(&mut log, n).unwrap();
    }
    notes.synced.lock().unwrap().clear();
    let job = log.sync_job(now).unwrap();
    job.run().unwrap();
    assert_eq!(
        *notes.synced.lock().unwrap(),
        [
            "00000000000000000000.log",
            "00000000000000000000.index",
            "00000000000000000000.timeindex",
            "00000000000000000003.snapshot",
            "leader-epoch-checkpoint.tmp",
            "names",
        ]
    );
    assert_eq!(log.recovery_point(), zero);
    assert_eq!(log.synced(job, Ok(())).unwrap(), Offset(3));

    // the active segment alone needs nothing but itself
    notes.synced.lock().unwrap().clear();
    let job = log.sync_job(now.plus_millis(15_000)).unwrap();
    notes.fail.store(true, std::sync::atomic::Ordering::SeqCst);
    let result = job.run();
    assert_eq!(*notes.synced.lock().unwrap(), ["00000000000000000003.log"]);
    assert!(log.synced(job, result).is_err());
    assert_eq!(log.recovery_point(), Offset(3));
    assert!(disk.is_offline());
    assert!(append(&mut log, 4).is_err());
    assert!(log.sync_job(Timestamp(i64::MAX)).is_none());
}
