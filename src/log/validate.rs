//! Whether a record set may be stored: the checks that make every stored batch one that any consumer
//! can read.
//!
//! From clients, in this order: exactly one whole batch of format 2; base offset 0; size; checksum; codec;
//! offset range and record count agree; no control batch; a sequence where there is a producer; then
//! every record (decompressed, but not kept): well formed, dense offsets, a key where the topic is
//! compacted, a timestamp near enough to now. Coordinators and the metadata log write batches of our
//! own making, of which size, format and checksum are checked.

use bytes::Bytes;

use crate::base::{LeaderEpoch, Offset, Timestamp};
use crate::config::TopicConfig;
use crate::config::topic::TimestampType;
use crate::record::batch::LENGTH_OVERHEAD;
use crate::record::{Batch, BatchError, BatchHeader, Record};

use super::active::ReadyBatch;
use super::append::{AppendError, AppendOrigin, RecordFailure};

/// A batch that is stored already may grow to this many bytes as it is decompressed, and no further.
pub(crate) const MOST_DECOMPRESSED: usize = 1024 * 1024 * 1024;

/// A batch of a client may grow to this many bytes in any topic ...
const CLIENT_DECOMPRESSED: usize = 64 * 1024 * 1024;

/// ... and to this many times `max.message.bytes` where that is more.
const CLIENT_EXPANSION: usize = 8;

/// Failures of single records that an answer lists; the others are only counted.
const MOST_FAILURES: usize = 64;

/// Up to the magic byte, at which all formats agree.
const LEAST_FRAME: usize = 17;

/// The smallest length field that any format can have.
const LEAST_LENGTH: i32 = 14;

/// Checks `records`; returns its batches with everything set but base offset and leader epoch.
pub(crate) fn validate(
    records: &Bytes,
    origin: AppendOrigin,
    epoch: LeaderEpoch,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Vec<ReadyBatch>, AppendError> {
    match origin {
        AppendOrigin::Client => client_batch(records, config, now).map(|batch| vec![batch]),
        AppendOrigin::Coordinator | AppendOrigin::Raft => {
            own_batches(records, origin, epoch, config, now)
        }
    }
}

/// The next batch's bytes, as Kafka divides a record set: a cut-off batch at the end is as good as none.
fn next_frame(rest: &mut Bytes) -> Result<Option<Bytes>, AppendError> {
    let Some(length) = rest
        .get(LENGTH_OVERHEAD - 4..)
        .and_then(|bytes| bytes.first_chunk::<4>())
    else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*length);
    if length < LEAST_LENGTH {
        return Err(AppendError::CorruptMessage(format!(
            "a batch of length {length}"
        )));
    }
    if rest.len() < LEAST_FRAME {
        return Ok(None);
    }
    let magic = rest
        .get(LEAST_FRAME - 1)
        .copied()
        .unwrap_or_default()
        .cast_signed();
    if !(0..=2).contains(&magic) {
        return Err(AppendError::CorruptMessage(format!(
            "a batch of the unknown format {magic}"
        )));
    }
    let size = usize::try_from(length)
        .unwrap_or(usize::MAX)
        .saturating_add(LENGTH_OVERHEAD);
    if rest.len() < size {
        return Ok(None);
    }
    if magic != 2 {
        return Err(AppendError::invalid_record(format!(
            "record batches must have format 2, not {magic}"
        )));
    }
    Ok(Some(rest.split_to(size)))
}

fn parse(bytes: &Bytes) -> Result<Batch, AppendError> {
    Batch::parse(bytes).map_err(|error| AppendError::CorruptMessage(error.to_string()))
}

fn check_size(header: &BatchHeader, config: &TopicConfig) -> Result<(), AppendError> {
    let most = usize::try_from(config.max_message_bytes).unwrap_or(0);
    if header.size() > most {
        return Err(AppendError::MessageTooLarge {
            size: header.size(),
            most,
        });
    }
    Ok(())
}

fn client_batch(
    records: &Bytes,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<ReadyBatch, AppendError> {
    let mut rest = records.clone();
    let Some(frame) = next_frame(&mut rest)? else {
        return Err(AppendError::invalid_record(
            "a record set must hold a whole record batch".to_owned(),
        ));
    };
    if next_frame(&mut rest)?.is_some() {
        return Err(AppendError::invalid_record(
            "a record set must hold exactly one record batch".to_owned(),
        ));
    }
    let batch = parse(&frame)?;
    let header = &batch.header;
    if header.base_offset != Offset::ZERO {
        let message = format!(
            "the base offset of a new batch must be 0, not {}",
            header.base_offset
        );
        return Err(AppendError::invalid_record(message));
    }
    check_size(header, config)?;
    batch
        .check_crc()
        .map_err(|error| AppendError::CorruptMessage(error.to_string()))?;
    if let Err(error) = header.attributes.codec() {
        return Err(AppendError::UnsupportedCompressionType(error.to_string()));
    }
    check_client_header(header)?;
    let largest = check_records(&batch, config, now)?;
    Ok(stamped(batch, largest, config, now))
}

fn check_client_header(header: &BatchHeader) -> Result<(), AppendError> {
    if header.last_offset_delta < 0 || header.record_count <= 0 {
        let message = format!(
            "{} records up to offset delta {}",
            header.record_count, header.last_offset_delta
        );
        return Err(AppendError::invalid_record(message));
    }
    if i64::from(header.last_offset_delta) + 1 != i64::from(header.record_count) {
        let message = format!(
            "{} records, but offset deltas up to {}",
            header.record_count, header.last_offset_delta
        );
        return Err(AppendError::invalid_record(message));
    }
    if header.attributes.is_control() {
        return Err(AppendError::invalid_record(
            "clients may not write control records".to_owned(),
        ));
    }
    if header.producer_id.is_some() && header.base_sequence < 0 {
        let message = format!(
            "sequence {} of producer {}",
            header.base_sequence, header.producer_id
        );
        return Err(AppendError::invalid_record(message));
    }
    Ok(())
}

/// Checks every record; returns the largest timestamp.
fn check_records(
    batch: &Batch,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Timestamp, AppendError> {
    let most = usize::try_from(config.max_message_bytes).unwrap_or(0);
    let limit = CLIENT_DECOMPRESSED.max(most.saturating_mul(CLIENT_EXPANSION));
    let bytes = batch.record_bytes(limit).map_err(|error| match error {
        BatchError::UnknownCodec(_) => AppendError::UnsupportedCompressionType(error.to_string()),
        error => AppendError::invalid_record(error.to_string()),
    })?;
    let mut largest = Timestamp::NONE;
    let mut failures = Failures::default();
    for (index, record) in batch.records(&bytes).enumerate() {
        let record = record.map_err(|error| AppendError::invalid_record(error.to_string()))?;
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        if record.offset_delta == index {
            check_record(&record, index, &batch.header, config, now, &mut failures);
        } else {
            failures.add(
                index,
                format!(
                    "offset delta {} where {index} was expected",
                    record.offset_delta
                ),
            );
        }
        largest = largest.max(record.timestamp);
    }
    failures.into_result().map(|()| largest)
}

fn check_record(
    record: &Record<'_>,
    index: i32,
    header: &BatchHeader,
    config: &TopicConfig,
    now: Timestamp,
    failures: &mut Failures,
) {
    if config.cleanup_policy.compact && record.key.is_none() {
        failures.add(
            index,
            "a compacted topic takes no record without a key".to_owned(),
        );
        return;
    }
    if config.message_timestamp_type == TimestampType::CreateTime
        && record.timestamp != Timestamp::NONE
    {
        let age = now.millis_since(record.timestamp);
        let oldest = config.message_timestamp_before_max_ms;
        let newest = config.message_timestamp_after_max_ms;
        if age > oldest || age.saturating_neg() > newest {
            failures.invalid_timestamp = true;
            let message = format!(
                "timestamp {} is not within {oldest} ms before and {newest} ms after {}",
                record.timestamp.0, now.0
            );
            failures.add(index, message);
        }
    } else if header.attributes.is_log_append_time() {
        failures.invalid_timestamp = true;
        failures.add(
            index,
            "producers may not set the timestamp type to LogAppendTime".to_owned(),
        );
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
    fn add(&mut self, batch_index: i32, message: String) {
        self.count += 1;
        if self.listed.len() < MOST_FAILURES {
            self.listed.push(RecordFailure {
                batch_index,
                message,
            });
        }
    }

    fn into_result(self) -> Result<(), AppendError> {
        if self.count == 0 {
            return Ok(());
        }
        if self.invalid_timestamp {
            return Err(AppendError::InvalidTimestamp {
                message: format!(
                    "{} records were rejected, some for their timestamps",
                    self.count
                ),
                record_errors: self.listed,
            });
        }
        let first = self
            .listed
            .first()
            .map(|failure| failure.message.clone())
            .unwrap_or_default();
        Err(AppendError::InvalidRecord {
            message: format!(
                "{} records were rejected, the first one because: {first}",
                self.count
            ),
            record_errors: self.listed,
        })
    }
}

/// The batch with the timestamps and the checksum that it is stored with.
fn stamped(batch: Batch, largest: Timestamp, config: &TopicConfig, now: Timestamp) -> ReadyBatch {
    let mut header = batch.header;
    let by_broker = config.message_timestamp_type == TimestampType::LogAppendTime;
    header.max_timestamp = if by_broker { now } else { largest };
    header.attributes = header.attributes.with_log_append_time(by_broker);
    if (header.max_timestamp, header.attributes)
        != (batch.header.max_timestamp, batch.header.attributes)
    {
        header.crc = batch.crc_with_header(&header);
    }
    ReadyBatch {
        header,
        body: batch.body(),
    }
}

fn own_batches(
    records: &Bytes,
    origin: AppendOrigin,
    epoch: LeaderEpoch,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Vec<ReadyBatch>, AppendError> {
    let mut rest = records.clone();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let Some(frame) = next_frame(&mut rest)? else {
            return Err(AppendError::CorruptMessage(format!(
                "{} bytes behind the last batch",
                rest.len()
            )));
        };
        let batch = parse(&frame)?;
        batch
            .check_crc()
            .map_err(|error| AppendError::CorruptMessage(error.to_string()))?;
        let header = batch.header;
        if header.last_offset_delta < 0 {
            let message = format!("offset delta {}", header.last_offset_delta);
            return Err(AppendError::invalid_record(message));
        }
        if origin == AppendOrigin::Raft {
            if header.leader_epoch.is_some() && header.leader_epoch != epoch {
                let message = format!(
                    "leader epoch {} where {epoch} was expected",
                    header.leader_epoch
                );
                return Err(AppendError::invalid_record(message));
            }
            batches.push(ReadyBatch {
                header,
                body: batch.body(),
            });
        } else {
            check_size(&header, config)?;
            batches.push(stamped(batch, header.max_timestamp, config, now));
        }
    }
    if batches.is_empty() {
        return Err(AppendError::invalid_record(
            "a record set must hold a whole record batch".to_owned(),
        ));
    }
    Ok(batches)
}
