//! No file descriptor left: refused, and as before once there are some.

use std::fs::File;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::log::disk::{Operation, Probe, Verdict};
use crate::log::testing::{TestLog, config, directory, file_names, open, producer_batch, read_all};
use crate::log::{AppendOrigin, Disk, LogError};

/// Files can be created so many times, and then not for a while.
#[derive(Debug)]
struct Scarce {
    left: AtomicUsize,
}

impl Probe for Scarce {
    fn before(&self, operation: &Operation<'_>) -> Verdict {
        if !matches!(operation, Operation::Create(_)) {
            return Verdict::Pretend;
        }
        let taken = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match taken {
            Ok(_) => Verdict::Go,
            Err(_) => Verdict::OutOfDescriptors,
        }
    }
}

#[test]
fn a_roll_without_descriptors_is_refused_and_leaves_nothing_behind() {
    // the three files of the segment
    for left in 0..3 {
        let mut config = config();
        config.segment_bytes = 500;
        let probe = Arc::new(Scarce {
            left: AtomicUsize::new(1000),
        });
        let (directory, disk) = (directory(), Disk::with_probe(probe.clone()));
        let now = Timestamp(1_000_000);
        let zero = Offset(0);
        let (mut log, _) = open(directory.path(), &config, true, zero, zero, now, &disk).unwrap();
        let mut append = |n: i32, size| {
            let records = producer_batch(1, 0, n, &[900_000 + i64::from(n)], &vec![0; size]);
            log.append_as_leader(&records, LeaderEpoch(0), AppendOrigin::Client, now)
        };
        for n in 0..3 {
            append(n, 70).unwrap();
        }
        let path = directory.path().join("topic-0");
        let before = file_names(&path);
        probe.left.store(left, Ordering::SeqCst);
        for _ in 0..3 {
            let error = append(3, 70).unwrap_err();
            assert!(error.is_out_of_descriptors(), "{error}");
            probe.left.store(left, Ordering::SeqCst);
        }
        assert!(!disk.is_offline());
        assert_eq!(file_names(&path), before);
        // what needs no new segment is served
        append(3, 0).unwrap();
        probe.left.store(1000, Ordering::SeqCst);
        for n in 4..6 {
            append(n, 70).unwrap();
        }
        assert_eq!(log.segment_count(), 2);
        assert_eq!(read_all(&log.view(), zero, 1000).len(), 6);
        let end = log.close().unwrap();
        let (log, report) = open(directory.path(), &config, true, end, zero, now, &disk).unwrap();
        assert_eq!((log.log_end(), report.indexes_rebuilt), (Offset(6), 0));
        drop(log);
        let (log, report) = open(directory.path(), &config, false, zero, zero, now, &disk).unwrap();
        assert_eq!((log.log_end(), report.bytes_truncated), (Offset(6), 0));
    }
}

const IN_CHILD: &str = "ZURAU_TEST_WITHOUT_DESCRIPTORS";

/// The limit is the whole process's, so this runs in one of its own.
#[test]
fn a_process_without_descriptors_serves_again_when_it_has_some() {
    if std::env::var_os(IN_CHILD).is_some() {
        return run_out_of_descriptors();
    }
    let name =
        "log::tests::descriptors::a_process_without_descriptors_serves_again_when_it_has_some";
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 100; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--test-threads", "1", "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// All descriptors that there are.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn run_out_of_descriptors() {
    let mut config = config();
    config.segment_bytes = 500;
    config.file_delete_delay_ms = 0;
    let mut test = TestLog::new(config);
    let batch = |n: i32| producer_batch(1, 0, n, &[900_000], &[0; 70]);
    for n in 0..8 {
        test.append(&batch(n)).unwrap();
    }
    // nothing of it is open now
    let mut test = test.reopen();
    let before = file_names(&test.path());
    let others = take_all();
    let refused = |error: LogError| assert!(error.is_out_of_descriptors(), "{error}");
    assert!(test.append(&batch(8)).unwrap_err().is_out_of_descriptors());
    drop(others);
    // one is enough, where a batch gets no index entry
    let mut others = take_all();
    others.pop();
    test.append(&batch(8)).unwrap();
    drop(others);
    let others = take_all();
    let job = test.log.sync_job(test.now.plus_millis(15_000)).unwrap();
    // the log is open, and so it can be written, until it is full
    let result = job.run();
    assert_eq!(test.log.synced(job, result).unwrap(), Offset(9));
    assert!(test.append(&batch(9)).unwrap_err().is_out_of_descriptors());
    let far = test.now.plus_millis(1 << 40);
    refused(test.log.apply_retention(Offset(9), far).unwrap_err());
    assert!(!test.log.disk.is_offline());
    drop(others);
    assert_eq!(file_names(&test.path()), before);

    test.append(&batch(9)).unwrap();
    // the closed segment's indexes cannot be opened
    let others = take_all();
    let job = test.log.sync_job(far).unwrap();
    let result = job.run();
    assert_eq!(test.log.synced(job, result).unwrap(), Offset(9));
    refused(test.log.flush().unwrap_err());
    assert!(test.log.sync_job(far).is_none(), "not at once again");
    drop(others);
    let later = far.plus_millis(1000);
    let job = test.log.sync_job(later).unwrap();
    let result = job.run();
    assert_eq!(test.log.synced(job, result).unwrap(), Offset(10));
    test.log.assign_epoch(LeaderEpoch(1));
    assert!(test.log.apply_retention(Offset(10), later).unwrap() > 0);
    let test = test.crash(|_| ());
    assert_eq!(test.log.log_end(), Offset(10));
}
