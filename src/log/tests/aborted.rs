//! Aborted transactions: what the index says of them, over restarts, crashes and truncation.

use std::path::Path;

use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::log::producer::state::touched;
use crate::log::testing::{
    Checkpointed, TestLog, batch_of, config, file_names, open_as, quick_disk,
};
use crate::log::{AbortedTransaction, AppendOrigin};
use crate::record::BatchOptions;
use crate::record::control::{ControlPlace, EndTransactionMarker};

/// Two records of a producer's transaction.
fn data(test: &mut TestLog, producer: i64, sequence: i32) {
    let options = BatchOptions {
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        transactional: true,
        ..BatchOptions::default()
    };
    let records = batch_of(options, &[900_000, 900_000], &[7; 200]);
    test.append(&records).unwrap();
}

fn end(test: &mut TestLog, producer: i64, committed: bool) {
    let marker = EndTransactionMarker {
        committed,
        coordinator_epoch: 0,
    };
    let place = ControlPlace {
        base_offset: Offset(0),
        leader_epoch: LeaderEpoch(0),
        timestamp: Timestamp(900_001),
    };
    let marker = marker.batch(place, ProducerId(producer), ProducerEpoch(0));
    test.log
        .append_as_leader(&marker, LeaderEpoch(0), AppendOrigin::Coordinator, test.now)
        .unwrap();
}

fn aborted(producer: i64, first: i64, last: i64, last_stable: i64) -> AbortedTransaction {
    AbortedTransaction {
        producer: ProducerId(producer),
        first: Offset(first),
        last: Offset(last),
        last_stable: Offset(last_stable),
    }
}

fn found(test: &TestLog, from: i64, upper: i64) -> Vec<AbortedTransaction> {
    let view = test.log.view();
    view.aborted_transactions(Offset(from), Offset(upper))
        .unwrap()
}

/// Offsets 0-1 and 5-6 of producer 1, aborted; 2-3 of producer 2, aborted last; 4, 7, 8 and 11 are markers;
/// 9-10 of producer 3, committed.
fn three_producers() -> (TestLog, [AbortedTransaction; 3]) {
    let mut config = config();
    // Two batches are more than a segment.
    config.segment_bytes = 600;
    let mut test = TestLog::new(config);
    data(&mut test, 1, 0);
    data(&mut test, 2, 0);
    end(&mut test, 1, false);
    data(&mut test, 1, 2);
    end(&mut test, 1, false);
    end(&mut test, 2, false);
    data(&mut test, 3, 0);
    end(&mut test, 3, true);
    assert_eq!(test.log.log_end(), Offset(12));
    assert!(test.log.segment_count() > 3);
    let entries = [
        aborted(1, 0, 4, 2),
        aborted(1, 5, 7, 2),
        aborted(2, 2, 8, 9),
    ];
    (test, entries)
}

fn remove_indexes(path: &Path) {
    for name in file_names(path) {
        if name.ends_with(".txnindex") {
            std::fs::remove_file(path.join(name)).unwrap();
        }
    }
}

#[test]
fn a_reader_is_told_of_what_was_aborted_around_its_records() {
    let (test, all) = three_producers();
    assert_eq!(found(&test, 0, 12), all);
    assert_eq!(found(&test, 0, 2), all[..1], "the search stops");
    assert_eq!(found(&test, 0, 3), [all[0], all[2]]);
    assert_eq!(found(&test, 5, 12), all[1..]);
    assert_eq!(found(&test, 8, 12), all[2..]);
    assert_eq!(found(&test, 9, 12), []);
    assert!(!test.log.view().has_no_aborted_transactions(Offset(0)));
    let mut quiet = TestLog::new(config());
    data(&mut quiet, 1, 0);
    end(&mut quiet, 1, true);
    assert!(quiet.log.view().has_no_aborted_transactions(Offset(0)));
    end(&mut quiet, 1, false);
    assert_eq!(found(&quiet, 0, 4), [], "there was nothing to abort");
    data(&mut quiet, 1, 2);
    end(&mut quiet, 1, false);
    assert_eq!(found(&quiet, 0, 7), [aborted(1, 4, 6, 7)]);
}

#[test]
fn the_index_stays_over_restarts_and_is_made_anew_after_a_crash() {
    let (test, all) = three_producers();
    let test = test.reopen();
    assert_eq!(found(&test, 0, 12), all);
    let test = test.crash(|_| ());
    assert_eq!(found(&test, 0, 12), all);

    let (test, all) = three_producers();
    let test = test.crash(remove_indexes);
    assert_eq!(found(&test, 0, 12), all);

    let (test, all) = three_producers();
    let test = test.crash(|path| {
        for name in file_names(path) {
            if name.ends_with(".txnindex") {
                let content = std::fs::read(path.join(&name)).unwrap();
                // An entry of rubbish, and a piece of one.
                let rubbish = [&content[..], &[0; 50]].concat();
                std::fs::write(path.join(&name), rubbish).unwrap();
            }
        }
    });
    assert_eq!(found(&test, 0, 12), all);
}

#[test]
fn what_a_crash_took_of_the_log_is_not_in_the_index() {
    let (test, all) = three_producers();
    let test = test.crash(|path| {
        let logs = file_names(path)
            .into_iter()
            .filter(|name| name.ends_with(".log"));
        // The log ends with the marker of producer 1 at offset 7.
        for name in logs {
            let base: i64 = name[..20].parse().unwrap();
            if base > 7 {
                std::fs::write(path.join(name), b"").unwrap();
            }
        }
    });
    let end = test.log.log_end().0;
    let kept: Vec<_> = all.into_iter().filter(|one| one.last.0 < end).collect();
    assert_eq!(found(&test, 0, end), kept);
}

#[test]
fn truncation_takes_entries_with_their_markers() {
    for to in (0..=12).rev() {
        let (mut test, all) = three_producers();
        test.log.truncate(Offset(to)).unwrap();
        let end = test.log.log_end().0;
        let kept: Vec<_> = all.into_iter().filter(|one| one.last.0 < end).collect();
        assert_eq!(found(&test, 0, end.max(1)), kept, "truncated to {to}");
        let mut test = test.reopen();
        assert_eq!(found(&test, 0, end.max(1)), kept);
        if to == 8 {
            end_again(&mut test);
        }
    }
}

/// The transaction whose marker was cut off is open, and can be ended again.
fn end_again(test: &mut TestLog) {
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), Some(Offset(2)));
    end(test, 2, false);
    assert_eq!(found(test, 0, 9).last(), Some(&aborted(2, 2, 8, 9)));
}

#[test]
fn the_index_goes_with_its_segment() {
    let (mut test, _) = three_producers();
    test.log.raise_log_start(Offset(12), Offset(12)).unwrap();
    test.log.apply_retention(Offset(12), test.now).unwrap();
    let left = test.files();
    let indexes = left.iter().filter(|name| name.ends_with(".txnindex"));
    assert_eq!(indexes.count(), 0, "{left:?}");
}

#[test]
fn a_marker_costs_the_same_however_many_producers_have_transactions_open() {
    let touched_with = |producers: i64, as_leader: bool| {
        let mut test = TestLog::new(config());
        let open = (0..producers).map(|producer| {
            let options = BatchOptions {
                base_offset: Offset(producer),
                leader_epoch: LeaderEpoch(0),
                producer_id: ProducerId(producer),
                producer_epoch: ProducerEpoch(0),
                base_sequence: 0,
                transactional: true,
                ..BatchOptions::default()
            };
            batch_of(options, &[900_000], b"")
        });
        let open: bytes::Bytes = open.collect::<Vec<_>>().concat().into();
        test.log.append_as_follower(&open, test.now).unwrap();
        assert_eq!(test.log.producer_count() as i64, producers);
        touched::take();
        if as_leader {
            end(&mut test, producers / 2, false);
        } else {
            let marker = EndTransactionMarker {
                committed: false,
                coordinator_epoch: 0,
            };
            let place = ControlPlace {
                base_offset: Offset(producers),
                leader_epoch: LeaderEpoch(0),
                timestamp: Timestamp(900_001),
            };
            let marker = marker.batch(place, ProducerId(producers / 2), ProducerEpoch(0));
            test.log.append_as_follower(&marker, test.now).unwrap();
        }
        let touched = touched::take();
        let last_stable = if producers == 1 { 2 } else { 0 };
        let entry = aborted(producers / 2, producers / 2, producers, last_stable);
        assert_eq!(found(&test, 0, producers + 1), [entry]);
        touched
    };
    for as_leader in [true, false] {
        let touched = touched_with(1, as_leader);
        assert!(touched > 0);
        assert_eq!(
            touched_with(100_000, as_leader),
            touched,
            "as leader: {as_leader}"
        );
    }
}

#[test]
fn a_transaction_is_not_stable_before_its_marker_is_committed() {
    let mut test = TestLog::new(config());
    data(&mut test, 1, 0);
    end(&mut test, 1, false);
    data(&mut test, 2, 0);
    end(&mut test, 2, true);
    let first = |test: &TestLog, watermark| test.log.first_unstable(Offset(watermark));
    assert_eq!(first(&test, 2), Some(Offset(0)), "its marker is at 2");
    assert_eq!(first(&test, 3), Some(Offset(3)));
    assert_eq!(first(&test, 6), None);
    test.log.committed(Offset(3));
    // What is cut off may end otherwise.
    test.log.truncate(Offset(5)).unwrap();
    assert_eq!(first(&test, 5), Some(Offset(3)));
    end(&mut test, 2, false);
    assert_eq!(first(&test, 5), Some(Offset(3)));
    assert_eq!(first(&test, 6), None);
}

/// The watermark of a checkpoint may be below markers, also where a snapshot is above them.
#[test]
fn a_transaction_whose_marker_is_not_committed_is_unstable_after_a_restart_as_well() {
    for clean_shutdown in [true, false] {
        let mut test = TestLog::new(config());
        data(&mut test, 1, 0);
        data(&mut test, 2, 0);
        end(&mut test, 1, true);
        end(&mut test, 2, false);
        let TestLog {
            directory,
            config,
            log,
            now,
            ..
        } = test;
        log.close().unwrap();
        for watermark in 1..=6 {
            let checkpointed = Checkpointed {
                clean_shutdown,
                recovery_point: Offset(6),
                log_start: Offset(0),
                high_watermark: Offset(watermark),
            };
            let opened = open_as(directory.path(), &config, checkpointed, now, &quick_disk());
            let log = opened.unwrap().0;
            let first = match watermark {
                6 => None,
                5 => Some(Offset(2)),
                _ => Some(Offset(0)),
            };
            assert_eq!(log.first_unstable(Offset(watermark)), first, "{watermark}");
            log.close().unwrap();
        }
    }
}
