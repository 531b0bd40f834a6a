//! What readers find, also while retention takes segments away.

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::log::testing::{TestLog, batch, config, file_names, producer_batch, read_all};
use crate::log::{Access, LookupError, ReadError};
use crate::record::{BatchBuilder, BatchHeader, BatchOptions, Batches, Codec};

#[test]
fn reading_respects_bounds() {
    let mut test = TestLog::new(config());
    let one = batch(&[900_000, 900_000], &[0; 50]);
    for _ in 0..40 {
        test.append(&one).unwrap();
    }
    let view = test.log.view();
    let size = one.len();
    assert!(matches!(
        view.locate(Offset(81), Offset(80), 1000, true),
        Err(ReadError::OutOfRange { .. })
    ));
    assert!(
        view.locate(Offset(80), Offset(80), 1000, true)
            .unwrap()
            .is_none()
    );
    assert!(
        view.locate(Offset(10), Offset(10), 1000, true)
            .unwrap()
            .is_none()
    );
    for from in [0, 4, 60, 78] {
        let slice = view
            .locate(Offset(from), Offset(80), 0, true)
            .unwrap()
            .unwrap();
        assert_eq!(
            (slice.position, slice.length),
            (from as u64 / 2 * size as u64, size),
            "the first batch always"
        );
        assert!(
            view.locate(Offset(from), Offset(80), size - 1, false)
                .unwrap()
                .is_none()
        );
        let slice = view
            .locate(Offset(from + 1), Offset(80), 2 * size + 5, false)
            .unwrap()
            .unwrap();
        assert_eq!(slice.position, from as u64 / 2 * size as u64);
        let last = Batches::new(slice.read().unwrap()).last().unwrap();
        assert_eq!(slice.end, last.unwrap().header.next_offset());
        assert_eq!(
            slice.length,
            (2 * size).min(size * (80 - from as usize) / 2),
            "whole batches only"
        );
        let slice = view
            .locate(Offset(from), Offset(from + 2), 1 << 20, false)
            .unwrap()
            .unwrap();
        assert_eq!(slice.length, size, "nothing at or above the upper bound");
        let exact = size * (80 - from as usize) / 2;
        let estimate = view.bytes_between(Offset(from), Offset(80)) as usize;
        assert!(
            (exact..=exact + 4096 + size).contains(&estimate),
            "{estimate} for {exact}"
        );
    }
    let whole = view
        .locate(Offset(0), Offset(80), 1 << 20, false)
        .unwrap()
        .unwrap();
    assert_eq!(whole.read().unwrap().len(), 40 * size);
    if let Ok(bytes) = whole.read_by(Access::Memory) {
        assert_eq!(bytes, whole.read().unwrap());
    }

    test.append(&one).unwrap();
    assert_eq!(view.log_end(), Offset(80), "a view does not change");
    assert!(
        view.locate(Offset(80), Offset(82), 1000, true)
            .unwrap()
            .is_none()
    );
}

#[test]
fn offsets_are_found_by_time() {
    let mut config = config();
    config.segment_bytes = 300;
    config.index_interval_bytes = 0;
    let mut test = TestLog::new(config);
    for n in 0..10 {
        test.append(&batch(&[1000 * n, 1000 * n + 500], b"v"))
            .unwrap();
    }
    assert!(test.log.segment_count() > 2);
    let view = test.log.view();
    let at = |timestamp| {
        view.offset_for_timestamp(Timestamp(timestamp), view.log_end(), i32::MAX)
            .unwrap()
            .map(|(offset, time, _)| (offset.0, time.0))
    };
    assert_eq!(at(0), Some((0, 0)));
    assert_eq!(at(1), Some((1, 500)));
    assert_eq!(at(3500), Some((7, 3500)));
    assert_eq!(at(3501), Some((8, 4000)));
    assert_eq!(at(9500), Some((19, 9500)));
    assert_eq!(at(9501), None);
    assert_eq!(
        view.offset_for_timestamp(Timestamp(9500), Offset(18), i32::MAX)
            .unwrap(),
        None
    );
    assert_eq!(
        view.offset_of_max_timestamp(i32::MAX)
            .unwrap()
            .map(|(offset, ..)| offset),
        Some(Offset(19))
    );
}

#[test]
fn retention_renames_first_and_unlinks_later() {
    let mut config = config();
    config.segment_bytes = 300;
    config.retention_ms = 5000;
    let mut test = TestLog::new(config);
    for n in 0..10 {
        test.append(&producer_batch(n, 0, 0, &[1000 * n], &[0; 50]))
            .unwrap();
    }
    let before = test.log.view();
    assert_eq!(
        test.log
            .apply_retention(Offset(10), Timestamp(7000))
            .unwrap(),
        1
    );
    assert_eq!(
        (test.log.log_start(), test.log.first_segment_base()),
        (Offset(2), Offset(2))
    );
    assert_eq!(test.log.view().epoch_at(Offset(2)), Some(LeaderEpoch(0)));
    assert!(
        test.files()
            .contains(&"00000000000000000000.log.deleted".to_owned())
    );
    assert_eq!(
        read_all(&before, Offset(0), 100).len(),
        10,
        "older views still read what is going"
    );
    test.log.delete_expired_files(Timestamp(1_059_999)).unwrap();
    assert!(
        test.files()
            .contains(&"00000000000000000000.log.deleted".to_owned())
    );
    test.log.delete_expired_files(Timestamp(1_060_000)).unwrap();
    assert!(
        !test
            .files()
            .iter()
            .any(|name| name.starts_with("00000000000000000000"))
    );
    assert_eq!(read_all(&before, Offset(0), 100).len(), 10);

    assert_eq!(
        test.log
            .apply_retention(Offset(9), Timestamp(1_000_000))
            .unwrap(),
        3,
        "not above the watermark"
    );
    assert_eq!(
        test.log
            .apply_retention(Offset(10), Timestamp(1_000_000))
            .unwrap(),
        1,
        "not even the active segment stays"
    );
    assert_eq!(
        (test.log.log_start(), test.log.log_end(), test.log.size()),
        (Offset(10), Offset(10), 0)
    );
    test = test.reopen();
    assert_eq!(test.log.log_end(), Offset(10));
    let duplicate = test
        .append(&producer_batch(9, 0, 0, &[9000], &[0; 50]))
        .unwrap();
    assert!(
        duplicate.duplicate,
        "producers outlive the segments that they wrote"
    );
    test = test.crash(|_| ());
    assert!(
        test.append(&producer_batch(0, 0, 0, &[0], &[0; 50]))
            .unwrap()
            .duplicate
    );
}

#[test]
fn the_log_start_can_be_raised() {
    let mut test = TestLog::new(config());
    for _ in 0..5 {
        test.append(&batch(&[900_000, 900_000], b"v")).unwrap();
    }
    assert!(test.log.raise_log_start(Offset(6), Offset(5)).is_err());
    test.log.raise_log_start(Offset(3), Offset(10)).unwrap();
    test.log.raise_log_start(Offset(1), Offset(10)).unwrap();
    let view = test.log.view();
    assert_eq!(view.log_start(), Offset(3));
    assert!(view.locate(Offset(2), Offset(10), 1000, true).is_err());
    let slice = view
        .locate(Offset(3), Offset(10), 1000, true)
        .unwrap()
        .unwrap();
    assert_eq!(
        BatchHeader::parse(&slice.read().unwrap())
            .unwrap()
            .base_offset,
        Offset(2),
        "the whole batch"
    );
    assert_eq!(
        view.offset_for_timestamp(Timestamp(0), Offset(10), i32::MAX)
            .unwrap()
            .unwrap()
            .0,
        Offset(3)
    );
    assert_eq!(test.log.apply_retention(Offset(10), test.now).unwrap(), 0);
}

#[test]
fn what_lies_below_the_log_start_has_no_largest_timestamp() {
    let mut test = TestLog::new(config());
    test.append(&batch(&[900_000, 900_900, 900_005], b"v"))
        .unwrap();
    test.append(&batch(&[900_007, 900_003], b"v")).unwrap();
    let mut largest_from = |start: i64| {
        test.log.raise_log_start(Offset(start), Offset(5)).unwrap();
        let found = test.log.view().offset_of_max_timestamp(i32::MAX).unwrap();
        found.map(|(offset, timestamp, _)| (offset.0, timestamp.0))
    };
    assert_eq!(largest_from(1), Some((1, 900_900)));
    assert_eq!(largest_from(2), Some((3, 900_007)));
    assert_eq!(largest_from(4), Some((4, 900_003)));
    assert_eq!(largest_from(5), None);
    test.append(&batch(&[900_001], b"v")).unwrap();
    let found = test.log.view().offset_of_max_timestamp(i32::MAX).unwrap();
    assert_eq!(found.map(|(offset, ..)| offset), Some(Offset(5)));
}

#[test]
fn a_record_that_is_too_large_by_now_is_not_unpacked_to_look_at_its_time() {
    let mut test = TestLog::new(config());
    let mut builder = BatchBuilder::new(BatchOptions {
        codec: Codec::Gzip,
        ..BatchOptions::default()
    });
    for (time, value) in [(900_000, 10), (900_001, 500), (900_002, 10)] {
        builder.push(Timestamp(time), Some(b"k"), Some(&vec![0; value]), &[]);
    }
    test.append(&builder.finish()).unwrap();
    let view = test.log.view();
    let at = |time, most| {
        let found = view.offset_for_timestamp(Timestamp(time), view.log_end(), most);
        found.map(|found| found.unwrap().0)
    };
    assert_eq!(at(900_000, 100).unwrap(), Offset(0));
    assert_eq!(at(900_002, 1000).unwrap(), Offset(2));
    for failed in [
        at(900_001, 100).map(Some),
        view.offset_of_max_timestamp(100)
            .map(|found| found.map(|(offset, ..)| offset)),
    ] {
        assert!(
            matches!(failed, Err(LookupError::Record { .. })),
            "{failed:?}"
        );
    }
}

#[test]
fn a_deleted_log_goes_by_renaming() {
    let mut test = TestLog::new(config());
    test.append(&batch(&[900_000], b"v")).unwrap();
    let view = test.log.view();
    let path = test.log.mark_deleted().unwrap();
    assert_eq!(
        file_names(test.directory.path()),
        [path.file_name().unwrap().to_str().unwrap()]
    );
    assert!(path.to_str().unwrap().ends_with("-delete"));
    assert_eq!(read_all(&view, Offset(0), 100).len(), 1);
}
