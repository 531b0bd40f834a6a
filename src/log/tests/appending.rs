//! What is accepted, how it is stored, and how it is found again.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::config::topic::TimestampType;
use crate::log::testing::{TestLog, batch, batch_of, config, producer_batch, read_all};
use crate::log::{AppendError, AppendOrigin};
use crate::record::control::{ControlPlace, EndTransactionMarker};
use crate::record::{Attributes, BatchHeader, BatchOptions, Codec, HEADER_SIZE};

/// The batch with another header and the checksum that goes with it.
fn with_header(batch: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::parse(batch).unwrap();
    change(&mut header);
    header.crc = header.crc_over(&batch[HEADER_SIZE..]);
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&batch[HEADER_SIZE..]);
    Bytes::from(bytes)
}

#[test]
fn batches_get_offsets_and_epoch_and_are_otherwise_untouched() {
    let mut test = TestLog::new(config());
    let first = batch(&[900_000, 900_001, 900_002], b"one");
    let second = batch(&[900_003], b"two");
    let info = test.append(&first).unwrap();
    assert_eq!(
        (info.first_offset, info.last_offset, info.duplicate),
        (Offset(0), Offset(2), false)
    );
    assert_eq!(info.log_append_time, Timestamp::NONE);
    let info = test
        .log
        .append_as_leader(&second, LeaderEpoch(7), AppendOrigin::Client, test.now)
        .unwrap();
    assert_eq!(
        (info.first_offset, info.last_offset),
        (Offset(3), Offset(3))
    );

    let batches = read_all(&test.log.view(), Offset(0), 1 << 20);
    assert_eq!(batches[0].bytes[17..], first[17..]);
    assert_eq!(batches[1].bytes[17..], second[17..]);
    assert_eq!(batches[1].header.base_offset, Offset(3));
    assert_eq!(batches[1].header.leader_epoch, LeaderEpoch(7));
    assert_eq!(test.log.view().epoch_at(Offset(2)), Some(LeaderEpoch(0)));
    // a new log has the file; what is in it follows with the sync that lets the recovery point pass
    let checkpoint = std::fs::read_to_string(test.path().join("leader-epoch-checkpoint"));
    assert_eq!(checkpoint.unwrap(), "0\n0\n");
    let job = test.log.sync_job(test.now.plus_millis(15_000)).unwrap();
    let result = job.run();
    assert_eq!(test.log.synced(job, result).unwrap(), Offset(4));
    let checkpoint = std::fs::read_to_string(test.path().join("leader-epoch-checkpoint"));
    assert_eq!(checkpoint.unwrap(), "0\n2\n0 0\n7 3\n");
    assert_eq!(
        test.files(),
        [
            "00000000000000000000.index",
            "00000000000000000000.log",
            "00000000000000000000.timeindex",
            "leader-epoch-checkpoint",
            "partition.metadata",
        ]
    );
    assert_eq!(test.log.size(), (first.len() + second.len()) as u64);
}

#[test]
fn log_append_time_is_stamped_by_the_broker() {
    let mut config = config();
    config.message_timestamp_type = TimestampType::LogAppendTime;
    let mut test = TestLog::new(config);
    let info = test.append(&batch(&[1, 2, 3], b"value")).unwrap();
    assert_eq!(info.log_append_time, test.now);
    let stored = read_all(&test.log.view(), Offset(0), 1000).remove(0);
    assert_eq!(stored.header.max_timestamp, test.now);
    assert!(stored.header.attributes.is_log_append_time());
    let found = test
        .log
        .view()
        .offset_for_timestamp(Timestamp(5), Offset(3), i32::MAX)
        .unwrap();
    assert_eq!(found, Some((Offset(0), test.now, LeaderEpoch(0))));
}

#[test]
fn a_wrong_max_timestamp_is_corrected() {
    let mut test = TestLog::new(config());
    let claims = with_header(&batch(&[5, 9, 7], b"value"), |header| {
        header.max_timestamp = Timestamp(99)
    });
    test.append(&claims).unwrap();
    let stored = read_all(&test.log.view(), Offset(0), 1000).remove(0);
    assert_eq!(stored.header.max_timestamp, Timestamp(9));
}

#[test]
fn what_may_not_be_stored_is_refused_and_leaves_no_trace() {
    let mut config = config();
    config.max_message_bytes = 500;
    config.message_timestamp_before_max_ms = 600_000;
    let mut test = TestLog::new(config);
    let good = batch(&[900_000, 900_000], b"value");
    let control = batch_of(
        BatchOptions {
            control: true,
            ..BatchOptions::default()
        },
        &[900_000],
        b"",
    );
    let mut flipped = good.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let mut old_format = good.to_vec();
    old_format[16] = 1;
    let mut unknown_format = good.to_vec();
    unknown_format[16] = 3;
    let twice = [good.clone(), good.clone()].concat();

    let mut refused = |bytes: Bytes| test.append(&bytes).unwrap_err();
    let invalid = |error| {
        matches!(
            error,
            AppendError::InvalidRecord { .. } | AppendError::NotOneBatch(_)
        )
    };
    let corrupt = |error| matches!(error, AppendError::CorruptMessage(_));
    assert!(invalid(refused(Bytes::new())), "nothing");
    assert!(
        invalid(refused(good.slice(..good.len() - 1))),
        "a cut-off batch is no batch"
    );
    assert!(invalid(refused(twice.into())), "two batches");
    assert!(invalid(refused(old_format.into())), "format 1");
    assert!(corrupt(refused(unknown_format.into())), "format 3");
    assert!(corrupt(refused(flipped.into())), "checksum");
    assert!(
        corrupt(refused(Bytes::from([good.as_ref(), &[0; 12]].concat()))),
        "a batch of length 0 behind it"
    );
    assert!(invalid(refused(control)), "control batch");
    assert!(
        invalid(refused(
            with_header(&good, |header| header.base_offset = Offset(1))
        )),
        "base offset"
    );
    assert!(
        invalid(refused(with_header(&good, |header| header
            .last_offset_delta =
            5))),
        "offset range"
    );
    assert!(
        invalid(refused(with_header(&good, |header| header.record_count = 0))),
        "no records"
    );
    assert!(
        invalid(refused(with_header(&good, |header| {
            header.record_count = 3;
            header.last_offset_delta = 2;
        }))),
        "more records than there are"
    );
    assert!(
        invalid(refused(with_header(&good, |header| {
            header.record_count = i32::MAX;
            header.last_offset_delta = i32::MAX - 1;
        }))),
        "very many more"
    );
    assert!(
        invalid(refused(
            with_header(&good, |header| header.producer_id = ProducerId(1))
        )),
        "no sequence"
    );
    assert!(invalid(refused(with_header(&good, |header| header
        .attributes =
        header.attributes.with_codec(Codec::Zstd)))));
    assert!(matches!(
        refused(with_header(&good, |header| header.attributes = Attributes(7))),
        AppendError::UnsupportedCompressionType(_)
    ));
    assert!(matches!(
        refused(batch(&[900_000], &[0; 500])),
        AppendError::MessageTooLarge { most: 500, .. }
    ));
    let AppendError::InvalidTimestamp { record_errors, .. } =
        refused(batch(&[900_000, 399_999, 4_600_001], b"v"))
    else {
        panic!("too old and too new");
    };
    assert_eq!(
        record_errors
            .iter()
            .map(|failure| failure.batch_index)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(matches!(
        refused(with_header(&batch(&[-1], b"v"), |header| {
            header.attributes = header.attributes.with_log_append_time(true);
        })),
        AppendError::InvalidTimestamp { .. }
    ));
    assert_eq!((test.log.log_end(), test.log.size()), (Offset(0), 0));

    // as in Kafka, a cut-off batch behind the first one is as good as none
    let trailing = [good.as_ref(), &good[..30]].concat();
    test.append(&trailing.into()).unwrap();
    assert_eq!(test.log.size(), good.len() as u64);
}

#[test]
fn compacted_topics_take_keyed_records_only() {
    let mut config = config();
    config.cleanup_policy.compact = true;
    let mut test = TestLog::new(config);
    test.append(&batch(&[900_000], b"keyed")).unwrap();
    let mut builder = crate::record::BatchBuilder::new(BatchOptions::default());
    builder.push(Timestamp(900_000), Some(b"key"), None, &[]);
    builder.push(Timestamp(900_000), None, Some(b"value"), &[]);
    let Err(AppendError::InvalidRecord { record_errors, .. }) = test.append(&builder.finish())
    else {
        panic!("a record without a key");
    };
    assert_eq!(record_errors.len(), 1);
    assert_eq!(record_errors[0].batch_index, 1);
}

#[test]
fn every_codec_is_checked_and_stored_as_it_came() {
    for codec in [
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ] {
        let mut test = TestLog::new(config());
        let sent = batch_of(
            BatchOptions {
                codec,
                ..BatchOptions::default()
            },
            &[900_000; 50],
            &[b'x'; 100],
        );
        test.append(&sent).unwrap();
        let stored = read_all(&test.log.view(), Offset(0), 1000).remove(0);
        assert_eq!(stored.bytes[17..], sent[17..]);
        assert_eq!(stored.header.next_offset(), Offset(50));
    }
}

#[test]
fn segments_roll_by_size_and_are_named_by_their_first_offset() {
    let one = batch(&[900_000], &[0; 100]);
    let mut config = config();
    config.segment_bytes = i32::try_from(3 * one.len()).unwrap();
    let mut test = TestLog::new(config);
    for _ in 0..7 {
        test.append(&one).unwrap();
    }
    assert_eq!(test.log.segment_count(), 3);
    let is_snapshot = |name: &String| name.ends_with(".snapshot");
    assert!(!test.files().iter().any(is_snapshot), "left to a job");
    let job = test.log.sync_job(test.now).unwrap();
    let result = job.run();
    test.log.synced(job, result).unwrap();
    let logs: Vec<String> = test
        .files()
        .into_iter()
        .filter(|name| name.contains("003."))
        .collect();
    assert_eq!(
        logs,
        [
            "00000000000000000003.index",
            "00000000000000000003.log",
            "00000000000000000003.snapshot",
            "00000000000000000003.timeindex",
        ]
    );
    // sealing adds the entry for the largest timestamp
    for (name, entries) in [
        ("00000000000000000003.timeindex", 1),
        ("00000000000000000006.timeindex", 0),
    ] {
        assert_eq!(
            std::fs::read(test.path().join(name)).unwrap().len(),
            12 * entries
        );
    }
    assert!(matches!(
        test.append(&batch(&[900_000], &[0; 1000])),
        Err(AppendError::RecordListTooLarge { .. })
    ));
}

#[test]
fn segments_roll_by_time_and_by_full_indexes() {
    let mut by_time = config();
    by_time.segment_ms = 1000;
    let mut test = TestLog::new(by_time);
    for timestamp in [100_000, 101_000, 101_001, 99_000] {
        test.append(&batch(&[timestamp], b"v")).unwrap();
    }
    assert_eq!(test.log.segment_count(), 2);

    let mut by_index = config();
    by_index.index_interval_bytes = 0;
    by_index.segment_index_bytes = 36;
    let mut test = TestLog::new(by_index);
    for timestamp in 0..10 {
        test.append(&batch(&[100_000 + timestamp], b"v")).unwrap();
    }
    // two time-index entries leave only the place that sealing needs
    let bases: Vec<String> = test
        .files()
        .into_iter()
        .filter(|name| name.ends_with(".log"))
        .collect();
    assert_eq!(bases.len(), 4);
    let index = std::fs::read(test.path().join("00000000000000000000.timeindex")).unwrap();
    assert_eq!(index.len(), 24);
}

#[test]
fn index_entries_follow_kafkas_rule() {
    let mut config = config();
    let one = batch(&[900_000, 900_001], &[0; 100]);
    let size = one.len() as u32;
    config.index_interval_bytes = i32::try_from(2 * size).unwrap();
    let mut test = TestLog::new(config);
    for _ in 0..8 {
        test.append(&one).unwrap();
    }
    // more than two batches must lie between the starts of two indexed ones
    let mut expected = Vec::new();
    for (offset, position) in [(7u32, 3 * size), (13, 6 * size)] {
        expected.extend(offset.to_be_bytes());
        expected.extend(position.to_be_bytes());
    }
    assert_eq!(
        std::fs::read(test.path().join("00000000000000000000.index")).unwrap(),
        expected
    );
    let mut time = 900_001i64.to_be_bytes().to_vec();
    time.extend(1u32.to_be_bytes());
    assert_eq!(
        std::fs::read(test.path().join("00000000000000000000.timeindex")).unwrap(),
        time
    );
}

#[test]
fn idempotent_producers_are_answered_from_memory() {
    let mut test = TestLog::new(config());
    let first = producer_batch(7, 0, 0, &[900_000, 900_000], b"v");
    let second = producer_batch(7, 0, 2, &[900_000], b"v");
    test.append(&first).unwrap();
    test.append(&second).unwrap();
    let info = test.append(&first).unwrap();
    assert!(info.duplicate);
    assert_eq!(
        (info.first_offset, info.last_offset),
        (Offset(0), Offset(1))
    );
    assert_eq!(test.log.log_end(), Offset(3));
    assert!(matches!(
        test.append(&producer_batch(7, 0, 5, &[900_000], b"v")),
        Err(AppendError::OutOfOrderSequence {
            expected: 3,
            found: 5,
            ..
        })
    ));
    test.append(&producer_batch(7, 1, 0, &[900_000], b"v"))
        .unwrap();
    assert!(matches!(
        test.append(&producer_batch(7, 0, 3, &[900_000], b"v")),
        Err(AppendError::InvalidProducerEpoch {
            known_epoch: ProducerEpoch(1),
            ..
        })
    ));
}

#[test]
fn the_metadata_log_appends_several_batches_with_control_batches() {
    let mut test = TestLog::new(config());
    let control = batch_of(
        BatchOptions {
            control: true,
            ..BatchOptions::default()
        },
        &[5],
        b"",
    );
    let records =
        Bytes::from([control.as_ref(), &batch(&[6, 7], b"v"), &batch(&[8], b"v")].concat());
    let info = test
        .log
        .append_as_leader(&records, LeaderEpoch(3), AppendOrigin::Raft, test.now)
        .unwrap();
    assert_eq!(
        (info.first_offset, info.last_offset),
        (Offset(0), Offset(3))
    );
    let bases: Vec<Offset> = read_all(&test.log.view(), Offset(0), 1000)
        .iter()
        .map(|batch| batch.header.base_offset)
        .collect();
    assert_eq!(bases, [Offset(0), Offset(1), Offset(3)]);
}

#[test]
fn preallocated_files_are_cut_when_they_stop_growing() {
    let mut config = config();
    config.preallocate = true;
    config.segment_bytes = 4096;
    let mut test = TestLog::new(config);
    let path = test.path().join("00000000000000000000.log");
    let one = batch(&[900_000], &[b'v'; 1000]);
    test.append(&one).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4096);
    test = test.crash(|_| ());
    assert_eq!(test.log.log_end(), Offset(1));
    assert_eq!(test.report.bytes_truncated, 4096 - one.len() as u64);
    test = test.reopen();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), one.len() as u64);
    for _ in 0..4 {
        test.append(&one).unwrap();
    }
    assert_eq!(test.log.segment_count(), 2);
    assert_eq!(test.reopen().log.log_end(), Offset(5));
}

#[test]
fn a_preallocated_file_is_cut_although_the_setting_has_changed() {
    let mut settings = config();
    settings.preallocate = true;
    settings.segment_bytes = 4096;
    let mut test = TestLog::new(settings.clone());
    let one = batch(&[900_000], &[b'v'; 1500]);
    test.append(&one).unwrap();
    settings.preallocate = false;
    test.log.set_config(std::sync::Arc::new(settings));
    for _ in 0..2 {
        test.append(&one).unwrap();
    }
    assert_eq!(test.log.segment_count(), 2);
    let length = |base: &str| std::fs::metadata(test.path().join(base)).unwrap().len();
    assert_eq!(length("00000000000000000000.log"), 2 * one.len() as u64);
    assert_eq!(length("00000000000000000002.log"), one.len() as u64);
    assert_eq!(test.reopen().log.log_end(), Offset(3));
}

#[test]
fn transactions_hold_the_first_unstable_offset() {
    let mut test = TestLog::new(config());
    test.append(&batch(&[900_000], b"v")).unwrap();
    let options = BatchOptions {
        producer_id: ProducerId(4),
        producer_epoch: ProducerEpoch(0),
        base_sequence: 0,
        transactional: true,
        ..BatchOptions::default()
    };
    test.append(&batch_of(options, &[900_000, 900_000], b"v"))
        .unwrap();
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), Some(Offset(1)));
    test = test.crash(|_| ());
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), Some(Offset(1)));
    test = test.reopen();
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), Some(Offset(1)));
    let marker = EndTransactionMarker {
        committed: true,
        coordinator_epoch: 0,
    };
    let place = ControlPlace {
        base_offset: Offset(0),
        leader_epoch: LeaderEpoch(0),
        timestamp: Timestamp(900_001),
    };
    let marker = marker.batch(place, ProducerId(4), ProducerEpoch(0));
    test.log
        .append_as_leader(&marker, LeaderEpoch(0), AppendOrigin::Coordinator, test.now)
        .unwrap();
    assert_eq!(test.log.first_unstable(Offset(i64::MAX)), None);
    test = test.crash(|_| ());
    assert_eq!(
        (
            test.log.first_unstable(Offset(i64::MAX)),
            test.log.log_end()
        ),
        (None, Offset(4))
    );
}

#[test]
fn writers_move_and_views_are_shared_between_threads() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    moves::<crate::log::PartitionLog>();
    is_shared::<crate::log::LogView>();
    is_shared::<crate::log::LogDirectory>();
}
