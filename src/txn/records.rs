//! The records of `__transaction_state`, in Kafka's own schemas.
//!
//! A key is a type (16 bits) and the key's fields; a value is a version (16 bits) and the value's fields; no value is
//! a tombstone. Version 1 of values is flexible. It is written from level 1 of `transaction.version` on; before that,
//! what only version 1 can say is not in use.
//!
//! ```text
//! key 0      transactional id
//! value 0-1  producer id, epoch, timeout, state, partitions by topic (null when Empty), last change, start;
//!            previous producer id (tag 0), next producer id (tag 1), version under which the client acted (tag 2),
//!            next epoch (tag 3)
//! ```
//!
//! The previous producer id is the one before this record, mostly the same. The next one is that which the producer
//! gets when the transaction has ended, after the last epoch of the present one. The next epoch belongs to two-phase
//! commits, which are not served; it is kept.

use std::sync::Arc;

use super::ids::ProducerIdAndEpoch;
use super::partitions::Partitions;
use super::replay::ReplayError;
use super::state::StateName;
use crate::base::{KeyValue, ProducerEpoch, ProducerId, Timestamp, TransactionVersion};
use crate::schema::{Reader, Tags, Writer};

const TRANSACTION_KEY: i16 = 0;
const LATEST_VALUE: i16 = 1;
const PREVIOUS_PRODUCER_TAG: u32 = 0;
const NEXT_PRODUCER_TAG: u32 = 1;
const CLIENT_VERSION_TAG: u32 = 2;
const NEXT_EPOCH_TAG: u32 = 3;

/// Larger than the header of a batch.
const BATCH_OVERHEAD: usize = 128;
/// Larger than a record apart from the transactional id and the partitions.
const RECORD_OVERHEAD: usize = 128;

/// What the log says of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// The producer and its epoch.
    pub(super) ids: ProducerIdAndEpoch,
    /// The producer id before this record.
    pub(super) previous: ProducerId,
    /// The producer id after the end of the transaction, if that is another.
    pub(super) next: ProducerId,
    /// The epoch that goes with it in two-phase commits.
    pub(super) next_epoch: ProducerEpoch,
    /// The time after which a transaction is aborted.
    pub(super) timeout_ms: i32,
    /// The state.
    pub(super) state: StateName,
    /// The partitions of the transaction.
    pub(super) partitions: Partitions,
    /// The time of this record.
    pub(super) updated: Timestamp,
    /// The start of the last transaction; [`Timestamp::NONE`] if there was none.
    pub(super) started: Timestamp,
    /// The version under which the client has acted.
    pub(super) client_version: TransactionVersion,
}

/// Reads a key: the transactional id.
pub(super) fn decode_key(bytes: &[u8]) -> Result<Arc<str>, ReplayError> {
    let mut reader = Reader::new(bytes);
    match reader.int16()? {
        TRANSACTION_KEY => Ok(reader.string()?),
        version => Err(ReplayError::UnknownVersion {
            part: "key",
            version,
        }),
    }
}

/// Reads a value.
pub(super) fn decode_value(bytes: &[u8]) -> Result<Value, ReplayError> {
    let mut reader = Reader::new(bytes);
    let version = reader.int16()?;
    if !(0..=LATEST_VALUE).contains(&version) {
        return Err(ReplayError::UnknownVersion {
            part: "value",
            version,
        });
    }
    reader.set_flexible(version >= 1);
    let ids = ProducerIdAndEpoch {
        producer: ProducerId(reader.int64()?),
        epoch: ProducerEpoch(reader.int16()?),
    };
    let timeout_ms = reader.int32()?;
    let state = reader.int8()?;
    let state = StateName::from_number(state)
        .filter(|state| state.is_written())
        .ok_or(ReplayError::State(state))?;
    let partitions = reader.nullable_array(|reader| {
        let topic: Arc<str> = reader.string()?;
        let partitions = reader.array(Reader::int32)?;
        reader.no_tagged_fields()?;
        Ok((topic, partitions))
    })?;
    let partitions = partitions.filter(|_| state != StateName::Empty);
    let mut value = Value {
        ids,
        previous: ProducerId::NONE,
        next: ProducerId::NONE,
        next_epoch: ProducerEpoch::NONE,
        timeout_ms,
        state,
        partitions: partitions.into_iter().flatten().collect(),
        updated: Timestamp(reader.int64()?),
        started: Timestamp(reader.int64()?),
        client_version: TransactionVersion::V0,
    };
    reader.tagged_fields(|tag, field| {
        match tag {
            PREVIOUS_PRODUCER_TAG => value.previous = ProducerId(field.int64()?),
            NEXT_PRODUCER_TAG => value.next = ProducerId(field.int64()?),
            CLIENT_VERSION_TAG => value.client_version = TransactionVersion(field.int16()?),
            NEXT_EPOCH_TAG => value.next_epoch = ProducerEpoch(field.int16()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(value)
}

fn key(transactional_id: &str) -> Vec<u8> {
    let mut writer = Writer::starting_with(TRANSACTION_KEY, false);
    writer.string(transactional_id);
    writer.into_bytes()
}

fn encode_value(value: &Value, version: TransactionVersion) -> Vec<u8> {
    let version = i16::from(version.has_flexible_records());
    let mut writer = Writer::starting_with(version, version >= 1);
    writer.int64(value.ids.producer.0);
    writer.int16(value.ids.epoch.0);
    writer.int32(value.timeout_ms);
    writer.int8(value.state.number());
    let topics = (value.state != StateName::Empty).then(|| {
        let topics = value.partitions.topics();
        topics.collect::<Vec<_>>()
    });
    writer.nullable_array(topics.as_deref(), |writer, (topic, partitions)| {
        writer.string(topic);
        writer.array(partitions, |writer, partition| writer.int32(*partition));
        writer.no_tagged_fields();
    });
    writer.int64(value.updated.0);
    writer.int64(value.started.0);
    let mut tags = Tags::default();
    if value.previous != ProducerId::NONE {
        tags.add(PREVIOUS_PRODUCER_TAG, |field| field.int64(value.previous.0));
    }
    if value.next != ProducerId::NONE {
        tags.add(NEXT_PRODUCER_TAG, |field| field.int64(value.next.0));
    }
    if value.client_version != TransactionVersion::V0 {
        tags.add(CLIENT_VERSION_TAG, |field| {
            field.int16(value.client_version.0);
        });
    }
    if value.next_epoch != ProducerEpoch::NONE {
        tags.add(NEXT_EPOCH_TAG, |field| field.int16(value.next_epoch.0));
    }
    writer.tagged_fields(&tags);
    writer.into_bytes()
}

/// The record that this is so of the transactional id, at this level of `transaction.version`.
pub(super) fn record(
    transactional_id: &str,
    value: &Value,
    version: TransactionVersion,
) -> KeyValue {
    KeyValue {
        key: key(transactional_id),
        value: Some(encode_value(value, version)),
    }
}

/// The record that the transactional id is gone.
pub(super) fn tombstone(transactional_id: &str) -> KeyValue {
    KeyValue {
        key: key(transactional_id),
        value: None,
    }
}

/// No less than the size of any batch about a transactional id with these partitions: at most two records, of which
/// one has the partitions.
pub(super) fn batch_bytes(transactional_id: &str, partitions: &Partitions) -> usize {
    BATCH_OVERHEAD + 2 * (RECORD_OVERHEAD + transactional_id.len()) + partitions.record_bytes()
}

/// No less than the size of a batch with the tombstones of transactional ids that have this many bytes.
pub(super) const fn tombstones_bytes(count: usize, id_bytes: usize) -> usize {
    BATCH_OVERHEAD + count * RECORD_OVERHEAD + id_bytes
}

#[cfg(test)]
mod tests;
