//! A producer's last five batches are recognised whatever happened to the broker in between.

use bytes::Bytes;

use crate::base::Offset;
use crate::log::AppendError;
use crate::log::testing::{TestLog, config, producer_batch};

/// Two records of producer `id`.
fn sent(id: i64, epoch: i16, sequence: i32) -> Bytes {
    producer_batch(id, epoch, sequence, &[900_000, 900_001], b"value")
}

/// Sends again what the log has at `offset`, and expects to be told so.
fn assert_recognised(test: &mut TestLog, batch: &Bytes, offset: i64) {
    let info = test.append(batch).unwrap();
    assert_eq!(
        (info.duplicate, info.first_offset, info.last_offset),
        (true, Offset(offset), Offset(offset + 1))
    );
}

fn assert_unknown(test: &mut TestLog, batch: &Bytes) {
    assert!(matches!(
        test.append(batch),
        Err(AppendError::OutOfOrderSequence { .. })
    ));
}

#[test]
fn all_five_are_recognised_after_a_clean_restart() {
    let mut test = TestLog::new(config());
    for n in 0..7 {
        test.append(&sent(1, 0, 2 * n)).unwrap();
    }
    let before = test.log.producers.clone();
    let mut test = test.reopen();
    assert_eq!(test.log.producers, before);
    assert_eq!(test.report.segments_scanned, 0);
    for n in 2..7 {
        assert_recognised(&mut test, &sent(1, 0, 2 * n), 2 * i64::from(n));
    }
    assert_unknown(&mut test, &sent(1, 0, 2));
    let info = test.append(&sent(1, 0, 14)).unwrap();
    assert_eq!((info.duplicate, info.first_offset), (false, Offset(14)));
    // and again, with a log that has gone on
    let mut test = test.reopen();
    assert_recognised(&mut test, &sent(1, 0, 6), 6);
    assert_unknown(&mut test, &sent(1, 0, 4));
}

#[test]
fn sequences_may_wrap() {
    let mut test = TestLog::new(config());
    let sequences = [i32::MAX - 4, i32::MAX - 2, i32::MAX, 1, 3];
    for sequence in sequences {
        test.append(&sent(1, 0, sequence)).unwrap();
    }
    let mut test = test.reopen();
    for (sequence, offset) in sequences.into_iter().zip((0..).step_by(2)) {
        assert_recognised(&mut test, &sent(1, 0, sequence), offset);
    }
}

#[test]
fn batches_of_an_older_epoch_are_forgotten() {
    let mut test = TestLog::new(config());
    for n in 0..3 {
        test.append(&sent(1, 0, 2 * n)).unwrap();
    }
    for n in 0..2 {
        test.append(&sent(1, 1, 2 * n)).unwrap();
    }
    let before = test.log.producers.clone();
    let mut test = test.reopen();
    assert_eq!(test.log.producers, before);
    assert_recognised(&mut test, &sent(1, 1, 0), 6);
    assert_recognised(&mut test, &sent(1, 1, 2), 8);
    assert!(matches!(
        test.append(&sent(1, 0, 4)),
        Err(AppendError::InvalidProducerEpoch { .. })
    ));
}

#[test]
fn producers_that_write_in_turns_are_kept_apart() {
    let mut test = TestLog::new(config());
    for n in 0..6 {
        for id in 1..4 {
            test.append(&sent(id, 0, 2 * n)).unwrap();
        }
        test.append(&producer_batch(-1, -1, -1, &[900_000], b"plain"))
            .unwrap();
    }
    let before = test.log.producers.clone();
    let mut test = test.reopen();
    assert_eq!(test.log.producers, before);
    for n in 1..6 {
        for id in 1..4 {
            let offset = 7 * i64::from(n) + 2 * (id - 1);
            assert_recognised(&mut test, &sent(id, 0, 2 * n), offset);
        }
    }
}

#[test]
fn the_tail_goes_on_in_the_segments_before() {
    let mut config = config();
    config.segment_bytes = 200;
    for clean in [true, false] {
        let mut test = TestLog::new(config.clone());
        for n in 0..8 {
            test.append(&sent(1, 0, 2 * n)).unwrap();
        }
        assert!(test.log.segment_count() >= 4);
        // the last segments are not replayed after a crash either
        test.log.flush().unwrap();
        let before = test.log.producers.clone();
        let mut test = if clean {
            test.reopen()
        } else {
            test.crash(|_| ())
        };
        assert_eq!(test.log.producers, before, "clean: {clean}");
        assert_recognised(&mut test, &sent(1, 0, 6), 6);
    }
}

#[test]
fn a_producer_that_began_anew_has_no_history_before_that() {
    let mut test = TestLog::new(config());
    test.append(&sent(1, 0, 0)).unwrap();
    test.append(&sent(1, 0, 2)).unwrap();
    // forgotten, it may begin anywhere
    let expired = test.now.plus_millis(1 << 40);
    test.log.expire_producers(expired);
    test.append(&sent(1, 0, 40)).unwrap();
    test.append(&sent(1, 0, 42)).unwrap();
    let before = test.log.producers.clone();
    let mut test = test.reopen();
    assert_eq!(test.log.producers, before);
    assert_recognised(&mut test, &sent(1, 0, 40), 4);
    assert_unknown(&mut test, &sent(1, 0, 2));
}

#[test]
fn the_tail_has_an_end() {
    let mut config = config();
    // every batch is a step
    config.index_interval_bytes = 0;
    let mut test = TestLog::new(config);
    for n in 0..3 {
        test.append(&sent(1, 0, 2 * n)).unwrap();
    }
    for n in 0..300 {
        test.append(&sent(2, 0, 2 * n)).unwrap();
    }
    let mut test = test.reopen();
    // the snapshot's own
    assert_recognised(&mut test, &sent(1, 0, 4), 4);
    assert_unknown(&mut test, &sent(1, 0, 2));
    assert_recognised(&mut test, &sent(2, 0, 2 * 295), 6 + 2 * 295);
}
