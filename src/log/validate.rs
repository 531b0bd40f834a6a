//! The checks of a record set before it is stored, so that any consumer can read every stored batch.
//!
//! For clients, in this order: exactly one whole batch of format 2; base offset 0; size; checksum; codec;
//! offset range and record count agree; no control batch; a sequence where there is a producer; then
//! every record (as it comes out of its codec, and none is kept): well formed, dense offsets, a key if the topic
//! is compacted, a timestamp near enough to now. Then, if the topic has another codec ([`recompress`]), the size once
//! more. The batches of coordinators and the metadata log are our own; only their size, format and checksum are
//! checked.

use bytes::Bytes;

use crate::base::{Offset, Timestamp, TopicPartition};
use crate::config::TopicConfig;
use crate::config::topic::TimestampType;
use crate::record::batch::LENGTH_OVERHEAD;
use crate::record::{Batch, BatchHeader, Limits};

use super::active::ReadyBatch;
use super::append::{AppendError, AppendOrigin};
use super::prepare::RecordSet;

pub(super) mod recompress;
mod records;

pub(super) use records::client_limits;

/// A stored batch may be decompressed to at most this many bytes.
pub(crate) const MOST_DECOMPRESSED: usize = 1024 * 1024 * 1024;

/// Up to the magic byte, at which all formats agree.
const LEAST_FRAME: usize = 17;

/// The smallest length field that any format can have.
const LEAST_LENGTH: i32 = 14;

/// Checks `set`, and returns its batches with everything set except base offset and leader epoch, and except timestamp
/// and checksum if the broker sets the timestamp. `limits` are for the decompression of a client's batch.
pub(crate) fn validate(
    set: &RecordSet,
    limits: Limits,
    partition: &TopicPartition,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Vec<ReadyBatch>, AppendError> {
    match set.origin {
        AppendOrigin::Client => {
            client_batch(&set.records, limits, partition, config, now).map(|batch| vec![batch])
        }
        AppendOrigin::Coordinator | AppendOrigin::Raft => own_batches(set, config),
    }
}

/// The bytes of the next batch, as Kafka divides a record set: a truncated batch at the end is ignored.
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
            "Record size {length} is less than the minimum record overhead ({LEAST_LENGTH})"
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
            "Invalid magic found in record: {magic}"
        )));
    }
    let size = usize::try_from(length)
        .unwrap_or(usize::MAX)
        .saturating_add(LENGTH_OVERHEAD);
    if rest.len() < size {
        return Ok(None);
    }
    if magic != 2 {
        return Err(AppendError::NotOneBatch(format!(
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
    limits: Limits,
    partition: &TopicPartition,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<ReadyBatch, AppendError> {
    let mut rest = records.clone();
    let Some(frame) = next_frame(&mut rest)? else {
        return Err(AppendError::NotOneBatch(
            "a record set must hold a whole record batch".to_owned(),
        ));
    };
    if next_frame(&mut rest)?.is_some() {
        return Err(AppendError::NotOneBatch(
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
    let checked = records::check(&batch, limits, partition, config, now)?;
    match recompress::wanted(header, config) {
        None => Ok(as_sent(&batch, checked.largest, config)),
        Some(target) => recompress::client_batch(&batch, target, limits, &checked, config),
    }
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

/// The batch with its largest timestamp and the attribute for its timestamp type.
fn as_sent(batch: &Batch, largest: Timestamp, config: &TopicConfig) -> ReadyBatch {
    let by_broker = config.message_timestamp_type == TimestampType::LogAppendTime;
    let mut header = batch.header;
    header.attributes = header.attributes.with_log_append_time(by_broker);
    if !by_broker {
        header.max_timestamp = largest;
        if header != batch.header {
            header.crc = batch.crc_with_header(&header);
        }
    }
    ReadyBatch {
        header,
        body: batch.body(),
    }
}

fn own_batches(set: &RecordSet, config: &TopicConfig) -> Result<Vec<ReadyBatch>, AppendError> {
    let RecordSet {
        records,
        origin,
        epoch,
        transactions: _,
    } = set;
    let mut rest = records.clone();
    let mut batches = Vec::new();
    while !rest.is_empty() {
        let Some(frame) = next_frame(&mut rest)? else {
            return Err(AppendError::CorruptMessage(format!(
                "{} bytes after the last batch",
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
        if *origin == AppendOrigin::Raft {
            if header.leader_epoch.is_some() && header.leader_epoch != *epoch {
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
            batches.push(match recompress::wanted(&header, config) {
                None => as_sent(&batch, header.max_timestamp, config),
                Some(target) => recompress::own_batch(&batch, target, config)?,
            });
        }
    }
    if batches.is_empty() {
        return Err(AppendError::invalid_record(
            "a record set must hold a whole record batch".to_owned(),
        ));
    }
    Ok(batches)
}
