//! Stopping, crashing, and starting again.

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::log::testing::{TestLog, batch, config, open, producer_batch, quick_disk, read_all};
use crate::log::{AppendOrigin, RecoveryReport};

fn small_segments() -> TestLog {
    let mut config = config();
    config.segment_bytes = 400;
    config.index_interval_bytes = 100;
    TestLog::new(config)
}

fn filled(batches: i64) -> TestLog {
    let mut test = small_segments();
    for n in 0..batches {
        test.append(&producer_batch(
            n % 3,
            0,
            (n / 3) as i32,
            &[900_000 + n],
            &[0; 50],
        ))
        .unwrap();
    }
    test
}

fn offsets(test: &TestLog) -> Vec<i64> {
    read_all(&test.log.view(), test.log.log_start(), 1000)
        .iter()
        .map(|batch| batch.header.base_offset.0)
        .collect()
}

#[test]
fn a_clean_stop_needs_no_scan() {
    let test = filled(20);
    let producers = test.log.producers.clone();
    let test = test.reopen();
    assert_eq!(test.report, RecoveryReport::default());
    assert_eq!(
        (test.log.log_end(), test.log.recovery_point()),
        (Offset(20), Offset(20))
    );
    assert_eq!(offsets(&test), (0..20).collect::<Vec<_>>());
    assert_eq!(test.log.producers.len(), producers.len());
    let mut again = test.reopen();
    assert_eq!(again.log.log_end(), Offset(20));
    again
        .append(&producer_batch(20 % 3, 0, 20 / 3, &[900_020], &[0; 50]))
        .unwrap();
}

#[test]
fn a_crash_is_scanned_from_the_recovery_point() {
    let mut test = filled(10);
    test.log.flush().unwrap();
    for n in 10..20 {
        test.append(&producer_batch(
            n % 3,
            0,
            (n / 3) as i32,
            &[900_000 + n],
            &[0; 50],
        ))
        .unwrap();
    }
    let before = test.log.producers.clone();
    let segments = test.log.segment_count();
    let test = test.crash(|_| ());
    assert_eq!(test.log.log_end(), Offset(20));
    assert!(test.report.segments_scanned < segments);
    assert_eq!(test.report.bytes_truncated, 0);
    assert_eq!(
        test.log.recovery_point(),
        Offset(10),
        "nothing was synced by recovering"
    );
    assert_eq!(offsets(&test), (0..20).collect::<Vec<_>>());
    for (id, entry) in before.iter() {
        let recovered = test.log.producers.get(id).unwrap();
        assert_eq!(recovered.batches().last(), entry.batches().last());
    }
}

#[test]
fn replay_gives_the_same_producers_and_indexes() {
    let test = filled(40);
    let producers = test.log.producers.clone();
    let read = |test: &TestLog| -> Vec<Vec<u8>> {
        let names = test
            .files()
            .into_iter()
            .filter(|name| name.ends_with("index"));
        names
            .map(|name| std::fs::read(test.path().join(name)).unwrap())
            .collect()
    };
    let mut before = read(&test);
    let test = test.crash(|path| {
        for name in crate::log::testing::file_names(path) {
            if name.ends_with(".snapshot") || name.ends_with("index") {
                std::fs::remove_file(path.join(name)).unwrap();
            }
        }
    });
    assert_eq!(test.log.producers, producers);
    let mut after = read(&test);
    // recovery closes the last time index, as a clean stop would
    before.pop();
    after.pop();
    assert_eq!(before, after);
}

#[test]
fn a_torn_tail_is_cut() {
    for torn in [1, 60, 61, 100] {
        let mut test = filled(10);
        test.log.flush().unwrap();
        let end = test.log.active.segment.length;
        let file = test
            .log
            .active
            .segment
            .files
            .path(crate::log::names::SegmentFile::Log);
        test.append(&producer_batch(9, 0, 0, &[900_000], &[0; 50]))
            .unwrap();
        let mut test = test.crash(|_| {
            std::fs::File::options()
                .write(true)
                .open(&file)
                .unwrap()
                .set_len(end + torn)
                .unwrap();
        });
        assert_eq!(test.log.log_end(), Offset(10));
        assert_eq!(test.report.bytes_truncated, torn);
        assert_eq!(offsets(&test), (0..10).collect::<Vec<_>>());
        let info = test
            .append(&producer_batch(9, 0, 0, &[900_000], &[0; 50]))
            .unwrap();
        assert!(!info.duplicate, "the lost batch is not remembered");
        assert_eq!(offsets(&test).len(), 11);
    }
}

#[test]
fn what_follows_a_bad_batch_in_the_middle_is_set_aside() {
    let test = filled(20);
    let name = test
        .files()
        .into_iter()
        .filter(|name| name.ends_with(".log"))
        .nth(1)
        .unwrap();
    let segments = test.log.segment_count();
    let test = test.crash(|path| {
        let mut bytes = std::fs::read(path.join(&name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(path.join(&name), bytes).unwrap();
    });
    assert_eq!(test.report.segments_deleted, segments - 2);
    assert_eq!(
        (test.log.segment_count(), test.log.log_end()),
        (3, Offset(20))
    );
    let left = offsets(&test);
    let end = left.len() as i64;
    assert!(end < 10);
    assert_eq!(left, (0..end).collect::<Vec<_>>());
    // the bad batch has nothing whole behind it in its segment; the other segments are aside
    let aside = |test: &TestLog| -> Vec<(i64, i64)> {
        let losses = test.report.losses.iter();
        let mut offsets: Vec<_> = losses.map(|loss| (loss.first.0, loss.end.0)).collect();
        offsets.sort_unstable();
        offsets
    };
    let before = aside(&test);
    assert_eq!(before.len(), segments - 2);
    assert_eq!((before[0].0, before[segments - 3].1), (end + 1, 20));
    let test = test.crash(|_| ());
    assert_eq!((offsets(&test), test.log.log_end()), (left, Offset(20)));
    assert_eq!(aside(&test), before, "it is told again");
}

#[test]
fn missing_indexes_are_rebuilt_after_a_clean_stop() {
    let test = filled(20);
    let path = test.path();
    let config = test.config.clone();
    let now = test.now;
    let directory = test.directory;
    let end = test.log.close().unwrap();
    let names = crate::log::testing::file_names(&path);
    let indexes: Vec<&String> = names
        .iter()
        .filter(|name| name.ends_with("index"))
        .collect();
    std::fs::remove_file(path.join(indexes[0])).unwrap();
    std::fs::remove_file(path.join(indexes[3])).unwrap();
    std::fs::remove_file(path.join(indexes[indexes.len() - 1])).unwrap();
    let disk = crate::log::testing::quick_disk();
    let (log, report) =
        crate::log::testing::open(directory.path(), &config, true, end, Offset(0), now, &disk)
            .unwrap();
    assert_eq!((report.indexes_rebuilt, report.segments_scanned), (3, 0));
    assert_eq!(log.log_end(), Offset(20));
    assert_eq!(read_all(&log.view(), Offset(0), 500).len(), 20);
}

#[test]
fn a_log_that_ends_below_its_start_starts_anew() {
    let test = filled(10);
    let directory = test.directory;
    let config = test.config;
    drop(test.log);
    let disk = crate::log::testing::quick_disk();
    let (mut log, report) = crate::log::testing::open(
        directory.path(),
        &config,
        false,
        Offset(0),
        Offset(50),
        test.now,
        &disk,
    )
    .unwrap();
    assert!(report.segments_deleted > 0);
    assert_eq!(
        (log.log_start(), log.log_end(), log.size()),
        (Offset(50), Offset(50), 0)
    );
    let info = log
        .append_as_leader(
            &batch(&[900_000], b"v"),
            LeaderEpoch(1),
            AppendOrigin::Client,
            test.now,
        )
        .unwrap();
    assert_eq!(info.first_offset, Offset(50));
}

#[test]
fn truncation_cuts_everything_above() {
    for to in [0, 1, 7, 10, 19] {
        let mut test = filled(20);
        test.log.assign_epoch(LeaderEpoch(5));
        test.log.truncate(Offset(20)).unwrap();
        assert_eq!(test.log.view().latest_epoch(), Some(LeaderEpoch(0)));
        test.log.truncate(Offset(to)).unwrap();
        assert_eq!(test.log.log_end(), Offset(to));
        assert_eq!(offsets(&test), (0..to).collect::<Vec<_>>());
        let next = producer_batch(to % 3, 0, (to / 3) as i32, &[900_000], &[0; 50]);
        assert!(!test.append(&next).unwrap().duplicate);
        let test = test.crash(|_| ());
        assert_eq!(offsets(&test), (0..=to).collect::<Vec<_>>());
        assert_eq!(test.report.bytes_truncated, 0);
    }
}

#[test]
fn a_log_can_restart_elsewhere() {
    let mut test = filled(10);
    test.log.truncate_fully(Offset(100)).unwrap();
    assert_eq!(
        (test.log.log_start(), test.log.log_end()),
        (Offset(100), Offset(100))
    );
    assert_eq!(test.log.view().latest_epoch(), None);
    test.append(&producer_batch(0, 0, 77, &[900_000], b"v"))
        .unwrap();
    let test = test.crash(|_| ());
    assert_eq!(offsets(&test), [100]);
}

#[test]
fn interrupted_compaction_is_finished_or_forgotten() {
    let test = filled(20);
    let mut test = test.crash(|path| {
        let copy = |from: &str, to: &str| std::fs::copy(path.join(from), path.join(to)).unwrap();
        // finished output that replaces the first segment
        for kind in ["log", "index", "timeindex"] {
            copy(
                &format!("00000000000000000000.{kind}"),
                &format!("00000000000000000000.{kind}.swap"),
            );
        }
        // unfinished output of a later one
        copy(
            "00000000000000000000.log",
            "00000000000000000009.log.cleaned",
        );
        copy("00000000000000000000.log", "00000000000000000012.log.swap");
        copy(
            "00000000000000000000.log",
            "00000000000000000012.log.deleted",
        );
    });
    assert_eq!(offsets(&test), (0..20).collect::<Vec<_>>());
    assert!(!test.files().iter().any(|name| name.contains(".log.")));
    test.append(&batch(&[900_000], b"v")).unwrap();
}

fn index_files(test: &TestLog) -> Vec<(String, Vec<u8>)> {
    let names = test.files().into_iter();
    let indexes = names.filter(|name| name.ends_with("index"));
    indexes
        .map(|name| {
            let bytes = std::fs::read(test.path().join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

/// One segment of 60 batches, of which 50 lie below the recovery point.
fn half_synced() -> TestLog {
    let mut config = config();
    config.index_interval_bytes = 300;
    let mut test = TestLog::new(config);
    let append = |test: &mut TestLog, n: i32| {
        // now and then a timestamp that is not the largest so far
        let timestamp = 900_000 + i64::from(n) - 20 * i64::from(n % 3);
        test.append(&producer_batch(1, 0, n, &[timestamp], &[0; 50]))
            .unwrap();
    };
    (0..50).for_each(|n| append(&mut test, n));
    let job = test.log.sync_job(test.now.plus_millis(15_000)).unwrap();
    let result = job.run();
    assert_eq!(test.log.synced(job, result).unwrap(), Offset(50));
    (50..60).for_each(|n| append(&mut test, n));
    test
}

#[test]
fn what_lies_below_the_recovery_point_is_not_read_again() {
    let test = half_synced();
    let size = test.log.size();
    // the same directory scanned from its start
    let elsewhere = crate::log::testing::directory();
    let copy = elsewhere.path().join("topic-0");
    std::fs::create_dir(&copy).unwrap();
    for name in test.files() {
        std::fs::copy(test.path().join(&name), copy.join(&name)).unwrap();
    }
    let disk = crate::log::testing::quick_disk();
    let (whole, report) = crate::log::testing::open(
        elsewhere.path(),
        &test.config,
        false,
        Offset(0),
        Offset(0),
        test.now,
        &disk,
    )
    .unwrap();
    assert_eq!(report.bytes_scanned, size);

    let test = test.crash(|_| ());
    assert!(
        (size / 6..size / 4).contains(&test.report.bytes_scanned),
        "{} of {size} bytes",
        test.report.bytes_scanned
    );
    assert_eq!(test.log.producers, whole.producers);
    for (name, bytes) in index_files(&test) {
        assert_eq!(bytes, std::fs::read(copy.join(&name)).unwrap(), "{name}");
    }
    for timestamp in 899_990..900_070 {
        let timestamp = crate::base::Timestamp(timestamp);
        let find = |log: &crate::log::PartitionLog| {
            let found = log
                .view()
                .offset_for_timestamp(timestamp, Offset(60), i32::MAX);
            found.unwrap()
        };
        assert_eq!(find(&test.log), find(&whole));
    }
    // and once more, with nothing left to do
    let before = index_files(&test);
    let mut test = test.crash(|_| ());
    assert_eq!(index_files(&test), before);
    let next = producer_batch(1, 0, 60, &[900_060], &[0; 50]);
    assert_eq!(test.append(&next).unwrap().first_offset, Offset(60));
}

/// As Kafka leaves the indexes of its active segment when it is killed.
#[test]
fn indexes_may_be_larger_than_they_are_used() {
    let test = half_synced();
    let (size, before) = (test.log.size(), index_files(&test));
    let test = test.crash(|path| {
        for (name, length) in [("index", 10_485_760), ("timeindex", 10_485_756)] {
            let index = path.join(format!("00000000000000000000.{name}"));
            let file = std::fs::File::options().write(true).open(&index).unwrap();
            file.set_len(length).unwrap();
        }
    });
    assert!(test.report.bytes_scanned < size / 4);
    let after = index_files(&test);
    for ((name, after), (_, before)) in after.iter().zip(&before) {
        // recovery closes the time index, as a clean stop would
        assert_eq!(after[..before.len()], before[..], "{name}");
        assert!(after.len() <= before.len() + 12, "{name}");
    }
    let test = test.reopen();
    assert_eq!(
        (test.report.indexes_rebuilt, test.log.log_end()),
        (0, Offset(60))
    );
}

#[test]
fn a_busy_segment_has_its_producers_written_down_on_the_way() {
    let mut test = TestLog::new(config());
    let large = vec![0; 1_000_000];
    let append = |test: &mut TestLog, range: std::ops::Range<i32>| {
        for n in range {
            test.append(&producer_batch(1, 0, n, &[900_000], &large))
                .unwrap();
        }
    };
    let run = |test: &mut TestLog| {
        let job = test.log.sync_job(test.now)?;
        let result = job.run();
        Some(test.log.synced(job, result).unwrap())
    };
    append(&mut test, 0..60);
    assert_eq!(run(&mut test), None, "neither old nor many");
    append(&mut test, 60..70);
    assert_eq!(run(&mut test), Some(Offset(70)));
    append(&mut test, 70..140);
    assert_eq!(run(&mut test), Some(Offset(140)));
    append(&mut test, 140..143);
    let snapshots = |test: &TestLog| {
        let names = test.files().into_iter();
        let snapshots = names.filter(|name| name.ends_with(".snapshot"));
        snapshots.collect::<Vec<_>>()
    };
    assert_eq!(snapshots(&test), ["00000000000000000140.snapshot"]);
    let before = test.log.producers.clone();
    let mut test = test.crash(|_| ());
    assert!(test.report.bytes_scanned < 5_000_000);
    assert_eq!(test.log.producers, before);
    assert!(test.log.snapshots.contains(&Offset(140)));
    append(&mut test, 143..144);
}

#[test]
fn a_segment_that_was_closed_after_its_sync_gets_its_last_index_entry() {
    let mut config = config();
    config.segment_bytes = 200;
    let mut test = TestLog::new(config);
    test.append(&batch(&[900_000], &[1; 100])).unwrap();
    test.log.flush().unwrap();
    assert_eq!(test.log.recovery_point(), Offset(1));
    // closes the first segment: its time index gets an entry that nobody has synced yet
    test.append(&batch(&[900_001], &[2; 100])).unwrap();
    assert_eq!(test.log.segment_count(), 2);
    for lost in [Vec::new(), vec![0; 12]] {
        test = test.crash(|path| {
            std::fs::write(path.join("00000000000000000000.timeindex"), lost).unwrap();
        });
        assert_eq!(test.log.recovery_point(), Offset(1));
        let view = test.log.view();
        let found = view
            .offset_for_timestamp(Timestamp(1), view.log_end(), i32::MAX)
            .unwrap();
        assert_eq!(
            found.map(|(offset, time, _)| (offset.0, time.0)),
            Some((0, 900_000))
        );
        // nothing is as old as an entry of zeros would have it
        test.config.retention_ms = 900_000;
        test.log
            .set_config(std::sync::Arc::new(test.config.clone()));
        let end = test.log.log_end();
        assert_eq!(test.log.apply_retention(end, test.now).unwrap(), 0);
    }
}

#[test]
fn epochs_below_a_log_start_that_a_crash_takes_back_are_there() {
    let mut test = TestLog::new(config());
    for epoch in 0..3 {
        let records = batch(&[900_000], b"v");
        test.log
            .append_as_leader(&records, LeaderEpoch(epoch), AppendOrigin::Client, test.now)
            .unwrap();
    }
    test.log.flush().unwrap();
    test.log.raise_log_start(Offset(2), Offset(3)).unwrap();
    assert_eq!(test.log.view().epoch_at(Offset(1)), None);
    let directory = test.directory.path().to_owned();
    let (now, config) = (test.now, test.config.clone());
    // the log-start checkpoint was not written
    let (log, _) = open(
        &directory,
        &config,
        false,
        Offset(3),
        Offset(0),
        now,
        &quick_disk(),
    )
    .unwrap();
    for epoch in 0..3 {
        let offset = Offset(i64::from(epoch));
        assert_eq!(log.view().epoch_at(offset), Some(LeaderEpoch(epoch)));
    }
    // where it was, they do not count, and they go with the segment
    let (mut log, _) = open(
        &directory,
        &config,
        false,
        Offset(3),
        Offset(2),
        now,
        &quick_disk(),
    )
    .unwrap();
    assert_eq!(log.view().epoch_at(Offset(1)), None);
    let stored = || std::fs::read_to_string(test.path().join("leader-epoch-checkpoint")).unwrap();
    assert_eq!(stored(), "0\n3\n0 0\n1 1\n2 2\n");
    let later = now.plus_millis(config.retention_ms + 1);
    log.apply_retention(Offset(3), later).unwrap();
    assert_eq!(stored(), "0\n1\n2 3\n");
}
