//! What is known of an append before its log is asked, and what only the log may say.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, Timestamp, TopicPartition};
use crate::config::TopicConfig;
use crate::config::topic::{CompressionType, TimestampType};
use crate::log::testing::{TestLog, batch_of, config, read_all};
use crate::log::{AppendError, AppendOrigin, Effort, PreparedAppend, RecordSet, TransactionCheck};
use crate::record::batch::LENGTH_OVERHEAD;
use crate::record::{Batch, BatchHeader, BatchOptions, Codec, HEADER_SIZE};

fn set(records: Bytes, origin: AppendOrigin) -> RecordSet {
    RecordSet {
        records,
        origin,
        epoch: LeaderEpoch(0),
        transactions: TransactionCheck::Trusted,
    }
}

fn batch(codec: Codec, value: &[u8]) -> Bytes {
    let options = BatchOptions {
        codec,
        ..BatchOptions::default()
    };
    batch_of(options, &[900_000], value)
}

fn prepare(records: Bytes, config: &TopicConfig, now: i64) -> Result<PreparedAppend, AppendError> {
    let partition = TopicPartition::new("topic", 0);
    set(records, AppendOrigin::Client).prepare(&partition, config, Timestamp(now))
}

#[test]
fn the_effort_is_known_from_the_header() {
    let plain = config();
    let zstd = TopicConfig {
        compression_type: CompressionType::Zstd,
        ..config()
    };
    let recompress = Effort::Recompress { most: 1_048_588 };
    let small = |codec| batch(codec, b"v");
    let large = || batch(Codec::None, &[0; 1_100_000]);
    for (records, config, effort) in [
        (small(Codec::None), &plain, Effort::Slight),
        // few bytes can be a very long stream
        (small(Codec::Lz4), &plain, Effort::Check),
        (small(Codec::Zstd), &plain, Effort::Check),
        (large(), &plain, Effort::Check),
        (small(Codec::None), &zstd, recompress),
        (small(Codec::Gzip), &zstd, recompress),
        (small(Codec::Zstd), &zstd, Effort::Check),
        // no batch, and a part of one: refused at once
        (Bytes::from_static(b"garbage"), &zstd, Effort::Slight),
        (large().slice(..200_000), &plain, Effort::Slight),
    ] {
        let found = set(records.clone(), AppendOrigin::Client).effort(config);
        assert_eq!(found, effort, "{} bytes", records.len());
        let own = match effort {
            Effort::Check => Effort::Slight,
            other => other,
        };
        let found = set(records, AppendOrigin::Coordinator).effort(config);
        assert_eq!(found, own, "of a coordinator");
    }
}

#[test]
fn a_stored_batch_does_not_grow_without_bound() {
    let boundless = TopicConfig {
        compression_type: CompressionType::Uncompressed,
        max_message_bytes: i32::MAX,
        ..config()
    };
    let bomb = batch(Codec::Zstd, &vec![0; 100 << 20]);
    let Err(AppendError::MessageTooLarge { most, .. }) = prepare(bomb, &boundless, 900_000) else {
        panic!("a hundred megabytes for some kilobytes");
    };
    assert_eq!(most, 64 << 20);
}

/// A batch whose records are one bare block of snappy, which has to be held as a whole.
fn bare_snappy(value: usize) -> Bytes {
    let sent = Batch::parse(&batch(Codec::None, &vec![0; value])).unwrap();
    let block = snap::raw::Encoder::new().compress_vec(&sent.body());
    let block = block.unwrap();
    let length = HEADER_SIZE - LENGTH_OVERHEAD + block.len();
    let mut header = BatchHeader {
        length: i32::try_from(length).unwrap(),
        attributes: sent.header.attributes.with_codec(Codec::Snappy),
        ..sent.header
    };
    header.crc = header.crc_over(&block);
    [&header.encode(), &block[..]].concat().into()
}

#[test]
fn what_a_batch_obliges_us_to_hold_has_a_bound_whatever_the_topic_allows() {
    let boundless = TopicConfig {
        max_message_bytes: i32::MAX,
        ..config()
    };
    assert!(prepare(bare_snappy(60 << 20), &boundless, 900_000).is_ok());
    let refused = prepare(bare_snappy(70 << 20), &boundless, 900_000);
    assert!(matches!(refused, Err(AppendError::InvalidRecord { .. })));
}

#[test]
fn what_was_prepared_is_stored_as_the_configuration_was_then() {
    let mut test = TestLog::new(config());
    let prepared = prepare(batch(Codec::None, &[1; 1000]), &config(), 900_000).unwrap();
    let smaller = TopicConfig {
        max_message_bytes: 100,
        message_timestamp_type: TimestampType::LogAppendTime,
        ..config()
    };
    test.log.set_config(smaller.clone().into());
    let info = test.log.append(prepared, test.now).unwrap();
    assert_eq!(info.log_append_time, Timestamp::NONE);
    let refused = prepare(batch(Codec::None, &[1; 1000]), &smaller, 900_000);
    assert!(matches!(refused, Err(AppendError::MessageTooLarge { .. })));
}

#[test]
fn the_time_of_the_broker_follows_the_order_of_the_log() {
    for compression_type in [CompressionType::Producer, CompressionType::Gzip] {
        let config = TopicConfig {
            compression_type,
            message_timestamp_type: TimestampType::LogAppendTime,
            ..config()
        };
        let mut test = TestLog::new(config.clone());
        let first = prepare(batch(Codec::None, b"a"), &config, 1000).unwrap();
        let second = prepare(batch(Codec::None, b"b"), &config, 2000).unwrap();
        for (prepared, now) in [(second, 3000), (first, 3001)] {
            let info = test.log.append(prepared, Timestamp(now)).unwrap();
            assert_eq!(info.log_append_time, Timestamp(now));
        }
        // Which also compares the checksums.
        let stored = read_all(&test.log.view(), Offset(0), 1 << 20);
        let times: Vec<i64> = stored
            .iter()
            .map(|batch| batch.header.max_timestamp.0)
            .collect();
        assert_eq!(times, [3000, 3001]);
    }
}
