//! The records of a client's batch: borrowed if they are not compressed, otherwise checked as they stream
//! out of their codec, so that a batch costs the same memory whatever its uncompressed size.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use crate::base::{Timestamp, TopicPartition};
use crate::config::TopicConfig;
use crate::config::topic::TimestampType;
use crate::log::append::{AppendError, RecordFailure};
use crate::record::{Batch, BatchHeader, Codec, Limits, ScannedRecord, scan_plain};

use super::MOST_DECOMPRESSED;

/// The limit on the total uncompressed size of a client's batch in any topic ...
///
/// Its records are not kept, so this bounds time alone: about half a second of a processor for gzip,
/// the slowest codec. Kafka has no such limit; an honest batch would have to be compressed 256 times over
/// at the default size to meet it.
const CLIENT_UNPACKED: usize = 256 * 1024 * 1024;

/// ... and how many times `max.message.bytes`, if that is more.
const CLIENT_UNPACKED_TIMES: usize = 64;

/// The limit on the memory that decompressing a client's batch needs at once, in any topic ...
///
/// Met by snappy without snappy-java's blocks, and by zstd whose window is larger than this (levels 20
/// and up) once it unpacks to more.
const CLIENT_HELD: usize = 16 * 1024 * 1024;

/// ... and how many times `max.message.bytes`, if that is more ...
const CLIENT_HELD_TIMES: usize = 8;

/// ... but never more than this: any client may create a topic with a `max.message.bytes` of its choice.
const CLIENT_HELD_MOST: usize = 64 * 1024 * 1024;

/// Failures of single records that an answer lists; the others are only counted.
const MOST_FAILURES: usize = 64;

/// The limits on client batches.
pub(in crate::log) fn client_limits(config: &TopicConfig) -> Limits {
    let most = usize::try_from(config.max_message_bytes).unwrap_or(0);
    let unpacked = CLIENT_UNPACKED.max(most.saturating_mul(CLIENT_UNPACKED_TIMES));
    let held = most.saturating_mul(CLIENT_HELD_TIMES);
    // What is stored must stay readable.
    Limits {
        total: unpacked.min(MOST_DECOMPRESSED),
        held: held.clamp(CLIENT_HELD, CLIENT_HELD_MOST),
    }
}

/// The result of checking the records of a batch.
pub(super) struct Checked {
    /// The largest timestamp.
    pub(super) largest: Timestamp,
    /// The uncompressed size of the records.
    pub(super) unpacked: usize,
}

/// Checks every record.
pub(super) fn check(
    batch: &Batch,
    limits: Limits,
    partition: &TopicPartition,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Checked, AppendError> {
    let mut check = RecordCheck {
        header: &batch.header,
        partition,
        config,
        allowed: allowed_timestamps(config, now),
        index: 0,
        largest: Timestamp::NONE,
        failures: Failures::default(),
    };
    let unpacked = if batch.header.attributes.codec() == Ok(Codec::None) {
        let body = batch.body();
        scan_plain(&batch.header, &body, |record| check.take(record)).map_err(malformed)?;
        body.len()
    } else {
        let scan = batch.scan(limits).map_err(malformed)?;
        let mut scan = scan.with_records_up_to(config.max_decompressed_message_bytes);
        for record in scan.by_ref() {
            check.take(record.map_err(malformed)?);
        }
        scan.unpacked()
    };
    let largest = check.largest;
    check
        .failures
        .into_result()
        .map(|()| Checked { largest, unpacked })
}

fn allowed_timestamps(config: &TopicConfig, now: Timestamp) -> RangeInclusive<Timestamp> {
    let oldest = config.message_timestamp_before_max_ms.saturating_neg();
    now.plus_millis(oldest)..=now.plus_millis(config.message_timestamp_after_max_ms)
}

pub(super) fn malformed(error: impl std::fmt::Display) -> AppendError {
    AppendError::invalid_record(error.to_string())
}

/// The rules for single records of a batch, and the records so far.
struct RecordCheck<'a> {
    header: &'a BatchHeader,
    /// For error texts.
    partition: &'a TopicPartition,
    config: &'a TopicConfig,
    /// Timestamps that the producer may give.
    allowed: RangeInclusive<Timestamp>,
    /// Index of the next record.
    index: i32,
    largest: Timestamp,
    failures: Failures,
}

impl RecordCheck<'_> {
    #[inline(always)]
    fn take(&mut self, record: ScannedRecord) {
        self.check(&record);
        self.largest = self.largest.max(record.timestamp);
        self.index = self.index.saturating_add(1);
    }

    #[inline(always)]
    fn check(&mut self, record: &ScannedRecord) {
        let index = self.index;
        if record.offset_delta != index {
            self.failures.add(index, || {
                let found = record.offset_delta;
                format!("offset delta {found} where {index} was expected")
            });
        } else if self.config.cleanup_policy.compact && !record.has_key {
            self.failures.add(index, || {
                let partition = self.partition;
                format!(
                    "Compacted topic cannot accept message without key in topic partition {partition}"
                )
            });
        } else if self.config.message_timestamp_type == TimestampType::CreateTime
            && record.timestamp != Timestamp::NONE
        {
            self.check_age(record.timestamp);
        } else if self.header.attributes.is_log_append_time() {
            self.failures.invalid_timestamp = true;
            self.failures.add(index, || {
                "producers may not set the timestamp type to LogAppendTime".to_owned()
            });
        }
    }

    #[inline]
    fn check_age(&mut self, timestamp: Timestamp) {
        let allowed = &self.allowed;
        if !allowed.contains(&timestamp) {
            self.failures.invalid_timestamp = true;
            let index = self.index;
            self.failures.add(index, || {
                format!(
                    "Timestamp {} of message with offset {index} is out of range. The timestamp \
                     should be within [{}, {}]",
                    timestamp.0,
                    allowed.start().0,
                    allowed.end().0
                )
            });
        }
    }
}

/// What is wrong with single records.
#[derive(Default)]
struct Failures {
    invalid_timestamp: bool,
    count: usize,
    listed: Vec<RecordFailure>,
}

impl Failures {
    /// Builds the text only if it will be listed, since a hostile batch can have millions of wrong records.
    #[cold]
    fn add(&mut self, batch_index: i32, message: impl FnOnce() -> String) {
        self.count += 1;
        if self.listed.len() < MOST_FAILURES {
            self.listed.push(RecordFailure {
                batch_index,
                message: message(),
            });
        }
    }

    fn into_result(self) -> Result<(), AppendError> {
        if self.count == 0 {
            return Ok(());
        }
        if self.invalid_timestamp {
            return Err(AppendError::InvalidTimestamp {
                message: "One or more records have been rejected due to invalid timestamp"
                    .to_owned(),
                record_errors: self.listed,
            });
        }
        Err(AppendError::InvalidRecord {
            message: self.summary(),
            record_errors: self.listed,
        })
    }

    /// Kafka's text, since people search logs for it.
    fn summary(&self) -> String {
        let mut first_three = String::new();
        for failure in self.listed.iter().take(3) {
            let separator = if first_three.is_empty() { "" } else { ", " };
            let RecordFailure {
                batch_index,
                message,
            } = failure;
            // Writing to a string does not fail.
            let _ = write!(
                first_three,
                "{separator}RecordError(batchIndex={batch_index}, message='{message}')"
            );
        }
        format!(
            "One or more records have been rejected due to {} record errors in total, and only showing \
             the first three errors at most: [{first_three}]",
            self.count
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::base::Timestamp;
    use crate::log::AppendError;
    use crate::log::testing::{TestLog, batch_of, config};
    use crate::record::{BatchBuilder, BatchOptions, Codec};

    fn options(codec: Codec) -> BatchOptions {
        BatchOptions {
            codec,
            ..BatchOptions::default()
        }
    }

    #[test]
    fn records_are_checked_whatever_their_codec() {
        let mut config = config();
        config.cleanup_policy.compact = true;
        for codec in [
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ] {
            let mut test = TestLog::new(config.clone());
            let mut builder = BatchBuilder::new(options(codec));
            builder.push(Timestamp(900_000), Some(b"key"), Some(&[0; 100_000]), &[]);
            builder.push(Timestamp(900_000), None, Some(b"value"), &[]);
            let Err(AppendError::InvalidRecord { record_errors, .. }) =
                test.append(&builder.finish())
            else {
                panic!("a record without a key, {codec}");
            };
            let places: Vec<i32> = record_errors
                .iter()
                .map(|error| error.batch_index)
                .collect();
            assert_eq!(places, [1], "{codec}");
        }
    }

    #[test]
    fn many_failures_are_counted_and_some_are_listed() {
        let mut config = config();
        config.cleanup_policy.compact = true;
        let mut builder = BatchBuilder::new(options(Codec::Lz4));
        for _ in 0..10_000 {
            builder.push(Timestamp(900_000), None, Some(b"value"), &[]);
        }
        let Err(AppendError::InvalidRecord {
            record_errors,
            message,
        }) = TestLog::new(config).append(&builder.finish())
        else {
            panic!("records without a key");
        };
        assert_eq!(record_errors.len(), super::MOST_FAILURES);
        assert!(message.contains(" 10000 record errors "), "{message}");
        assert_eq!(message.matches("RecordError(").count(), 3);
    }

    #[test]
    fn a_batch_may_unpack_to_much_more_than_is_held() {
        let mut test = TestLog::new(config());
        let batch = batch_of(options(Codec::Zstd), &[900_000], &vec![0; 100 << 20]);
        assert!(batch.len() < 100_000);
        test.append(&batch).expect("stored");
    }

    #[test]
    fn a_record_of_a_compressed_batch_has_a_size_that_the_topic_allows() {
        let mut config = config();
        config.max_decompressed_message_bytes = 100;
        // A record has ten bytes beside its value here, and its length field does not count.
        let batch = |codec, value: usize| {
            let mut builder = BatchBuilder::new(options(codec));
            builder.push(Timestamp(900_000), Some(b"k"), Some(b"short"), &[]);
            builder.push(Timestamp(900_000), Some(b"k"), Some(&vec![0; value]), &[]);
            builder.finish()
        };
        let mut test = TestLog::new(config);
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            test.append(&batch(codec, 92)).expect("as large as may be");
            for value in [93, 200_000] {
                let Err(AppendError::InvalidRecord { message, .. }) =
                    test.append(&batch(codec, value))
                else {
                    panic!("a record of {value} bytes, {codec}");
                };
                assert!(message.contains("at most 100 are allowed"), "{message}");
            }
        }
        test.append(&batch(Codec::None, 200_000))
            .expect("it was never larger than it came");
    }
}
