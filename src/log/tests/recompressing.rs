//! What `compression.type` makes of batches.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::config::TopicConfig;
use crate::config::topic::{CompressionType, TimestampType};
use crate::log::testing::{TestLog, batch_of, config, read_all};
use crate::log::{AppendError, AppendOrigin};
use crate::record::control::{ControlPlace, EndTransactionMarker};
use crate::record::{Batch, BatchBuilder, BatchOptions, Codec, Header};

const TYPES: [(CompressionType, Option<Codec>); 6] = [
    (CompressionType::Producer, None),
    (CompressionType::Uncompressed, Some(Codec::None)),
    (CompressionType::Gzip, Some(Codec::Gzip)),
    (CompressionType::Snappy, Some(Codec::Snappy)),
    (CompressionType::Lz4, Some(Codec::Lz4)),
    (CompressionType::Zstd, Some(Codec::Zstd)),
];

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];

fn config_of(compression_type: CompressionType) -> TopicConfig {
    TopicConfig {
        compression_type,
        ..config()
    }
}

/// A batch of a transaction, with everything that can get lost.
fn rich_batch(codec: Codec) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        codec,
        producer_id: ProducerId(7),
        producer_epoch: ProducerEpoch(2),
        transactional: true,
        base_sequence: 0,
        ..BatchOptions::default()
    });
    let header = |key, value| Header { key, value };
    let twice = [
        header(b"a", Some(b"1".as_slice())),
        header(b"b", None),
        header(b"a", Some(b"2")),
    ];
    builder.push(Timestamp(900_005), Some(b"key"), Some(b"value"), &twice);
    builder.push(Timestamp(900_009), Some(b""), Some(&[1; 5000]), &[]);
    builder.push(Timestamp(900_001), Some(b"gone"), None, &[]);
    builder.finish()
}

fn only_batch(test: &TestLog) -> Batch {
    let mut batches = read_all(&test.log.view(), Offset(0), 1 << 20);
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

#[test]
fn batches_are_stored_in_the_codec_of_the_topic() {
    for (compression_type, codec) in TYPES {
        for source in CODECS {
            let sent = rich_batch(source);
            let mut test = TestLog::new(config_of(compression_type));
            test.append(&sent).unwrap();
            let stored = only_batch(&test);
            let what = format!("{source} into {compression_type:?}");
            let target = codec.unwrap_or(source);
            assert_eq!(stored.header.attributes.codec(), Ok(target), "{what}");
            if target == source {
                assert_eq!(stored.bytes[17..], sent[17..], "{what}");
            }
            let sent = Batch::parse(&sent).unwrap();
            assert_eq!(
                stored.record_bytes(1 << 20),
                sent.record_bytes(1 << 20),
                "{what}"
            );
            let mut header = stored.header;
            header.attributes = sent.header.attributes;
            (header.length, header.crc) = (sent.header.length, sent.header.crc);
            header.leader_epoch = sent.header.leader_epoch;
            assert_eq!(header, sent.header, "{what}");
            assert!(stored.header.attributes.is_transactional());
        }
    }
}

#[test]
fn the_brokers_time_is_stamped_on_the_new_batch() {
    let mut config = config_of(CompressionType::Zstd);
    config.message_timestamp_type = TimestampType::LogAppendTime;
    let mut test = TestLog::new(config);
    let info = test.append(&rich_batch(Codec::Gzip)).unwrap();
    assert_eq!(info.log_append_time, test.now);
    let stored = only_batch(&test);
    assert!(stored.header.attributes.is_log_append_time());
    assert_eq!(stored.header.max_timestamp, test.now);
    assert_eq!(stored.header.base_timestamp, Timestamp(900_005));
}

#[test]
fn a_repeated_batch_is_known_in_whatever_codec_it_is_stored() {
    let mut test = TestLog::new(config_of(CompressionType::Lz4));
    assert!(!test.append(&rich_batch(Codec::None)).unwrap().duplicate);
    let mut test = test.reopen();
    assert!(test.append(&rich_batch(Codec::None)).unwrap().duplicate);
}

#[test]
fn both_sizes_keep_the_limit() {
    let small = batch_of(BatchOptions::default(), &[900_000], &[1; 500]);
    let options = BatchOptions {
        codec: Codec::Gzip,
        ..BatchOptions::default()
    };
    let packed = batch_of(options, &[900_000], &[1; 500]);
    let refused = |compression_type, limit: usize, batch: &Bytes| {
        let mut config = config_of(compression_type);
        config.max_message_bytes = i32::try_from(limit).unwrap();
        match TestLog::new(config).append(batch) {
            Ok(_) => None,
            Err(AppendError::MessageTooLarge { size, most }) => {
                assert_eq!(most, limit);
                Some(size)
            }
            Err(error) => panic!("{error}"),
        }
    };
    // As it was sent, though it would shrink ...
    assert_eq!(
        refused(CompressionType::Gzip, small.len() - 1, &small),
        Some(small.len())
    );
    assert_eq!(refused(CompressionType::Gzip, small.len(), &small), None);
    // ... and as it would be stored.
    assert!(packed.len() < small.len());
    assert_eq!(
        refused(CompressionType::Uncompressed, small.len() - 1, &packed),
        Some(small.len())
    );
    assert_eq!(
        refused(CompressionType::Uncompressed, small.len(), &packed),
        None
    );
}

#[test]
fn a_bomb_is_refused_whatever_the_topic_stores() {
    let options = BatchOptions {
        codec: Codec::Zstd,
        ..BatchOptions::default()
    };
    let bomb = batch_of(options, &[900_000], &vec![0; 300 << 20]);
    for (compression_type, _) in TYPES {
        let mut test = TestLog::new(config_of(compression_type));
        assert!(test.append(&bomb).is_err(), "{compression_type:?}");
        assert_eq!(test.log.log_end(), Offset(0));
    }
}

#[test]
fn a_wrong_record_is_refused_before_anything_is_compressed() {
    let mut config = config_of(CompressionType::Zstd);
    config.cleanup_policy.compact = true;
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.push(Timestamp(900_000), None, Some(b"value"), &[]);
    let answer = TestLog::new(config).append(&builder.finish());
    assert!(matches!(answer, Err(AppendError::InvalidRecord { .. })));
}

#[test]
fn a_coordinators_records_are_compressed_and_its_markers_are_not() {
    let mut test = TestLog::new(config_of(CompressionType::Snappy));
    let mut append = |records: &Bytes| {
        let now = test.now;
        test.log
            .append_as_leader(records, LeaderEpoch(0), AppendOrigin::Coordinator, now)
            .unwrap();
    };
    append(&batch_of(BatchOptions::default(), &[1], b"value"));
    let marker = EndTransactionMarker {
        committed: true,
        coordinator_epoch: 0,
    };
    let place = ControlPlace {
        base_offset: Offset(0),
        leader_epoch: LeaderEpoch(0),
        timestamp: Timestamp(2),
    };
    append(&marker.batch(place, ProducerId(1), ProducerEpoch(0)));
    let codecs: Vec<_> = read_all(&test.log.view(), Offset(0), 1 << 20)
        .iter()
        .map(|batch| batch.header.attributes.codec())
        .collect();
    assert_eq!(codecs, [Ok(Codec::Snappy), Ok(Codec::None)]);
}
