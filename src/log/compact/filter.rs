//! The rule that decides which records of a batch stay.

use std::borrow::Cow;

use crate::base::{Offset, Timestamp};
use crate::config::TopicConfig;
use crate::record::control::ControlType;
use crate::record::retain::{retain, retain_empty};
use crate::record::{BatchHeader, Codec, CodecError, RawRecord, RawRecords, Records};

use super::CompactionError;
use super::map::OffsetMap;
use super::read::WholeBatch;
use super::transactions::Transactions;
use crate::log::producer::ProducerPicture;
use crate::log::txn_index::AbortedTransaction;

/// A batch whose records unpack to more bytes is not read: it stays as it is, and its keys are not known.
/// Unpacking it would cost the broker a thousand times what it costs the producer.
pub(super) const MOST_UNPACKED: usize = 128 * 1024 * 1024;

/// The rule for one run of a compaction.
pub(super) struct Filter<'a> {
    pub(super) map: &'a OffsetMap,
    pub(super) producers: &'a ProducerPicture,
    pub(super) config: &'a TopicConfig,
    pub(super) now: Timestamp,
    /// The delete horizon for batches with tombstones that have none yet.
    pub(super) horizon: Timestamp,
    /// The end of the cleaned range.
    pub(super) round_end: Offset,
}

/// What happens to a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Dropped,
    /// It stays as it is.
    Copied,
    Rewritten(BatchHeader, Vec<u8>),
}

/// What happens to a batch, with its figures.
#[derive(Debug)]
pub(super) struct Filtered {
    pub(super) outcome: Outcome,
    /// Records in it before, and after.
    pub(super) records: (u64, u64),
    /// Records without a key.
    pub(super) invalid: u64,
    /// The aborted transaction that it ends, if its marker is still needed.
    pub(super) aborts: Option<AbortedTransaction>,
}

/// The unpacked records of a batch, or `None` if they are too large.
pub(super) fn unpack<'b>(batch: &WholeBatch<'b>) -> Result<Option<Cow<'b, [u8]>>, CompactionError> {
    let body = batch.body();
    match codec(batch)? {
        Codec::None => Ok(Some(Cow::Borrowed(body))),
        _ if body.is_empty() => Ok(Some(Cow::Borrowed(body))),
        codec => match codec.decompress(body, MOST_UNPACKED) {
            Ok(bytes) => Ok(Some(Cow::Owned(bytes.into()))),
            Err(CodecError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(batch.corrupt(error)),
        },
    }
}

/// The content of the first record of a control batch; `None` if the batch is empty.
pub(super) fn control_type(batch: &WholeBatch<'_>) -> Result<Option<ControlType>, CompactionError> {
    let Some(bytes) = unpack(batch)? else {
        return Err(batch.corrupt("a control batch of that size"));
    };
    let first = Records::new(&batch.header, &bytes).next().transpose();
    let Some(record) = first.map_err(|error| batch.corrupt(error))? else {
        return Ok(None);
    };
    let kind = ControlType::parse(record.key).map_err(|error| batch.corrupt(error))?;
    Ok(Some(kind))
}

fn codec(batch: &WholeBatch<'_>) -> Result<Codec, CompactionError> {
    let codec = batch.header.attributes.codec();
    codec.map_err(|error| batch.corrupt(error))
}

/// What the transactions say about a batch.
struct TransactionRole {
    /// All its records are removed.
    discard: bool,
    /// A marker that waits for its delete horizon.
    idle_marker: bool,
    aborts: Option<AbortedTransaction>,
}

impl Filter<'_> {
    /// Applies the rule to the next batch in the log.
    pub(super) fn apply(
        &self,
        batch: &WholeBatch<'_>,
        transactions: &mut Transactions,
    ) -> Result<Filtered, CompactionError> {
        let header = &batch.header;
        let role = self.role(batch, transactions)?;
        let keep_empty =
            self.is_last_of_its_producer(header) || header.next_offset() == self.round_end;
        let announced = u64::try_from(header.record_count).unwrap_or(0);
        let mut filtered = Filtered {
            outcome: Outcome::Dropped,
            records: (announced, 0),
            invalid: 0,
            aborts: role.aborts,
        };
        if role.discard {
            if keep_empty {
                filtered.outcome = emptied(header);
            }
            return Ok(filtered);
        }
        let Some(bytes) = unpack(batch)? else {
            filtered.outcome = Outcome::Copied;
            filtered.records.1 = announced;
            return Ok(filtered);
        };
        let mut kept: Vec<RawRecord<'_>> = Vec::new();
        let most = batch.most_record(self.config);
        for raw in RawRecords::new(header, &bytes).with_records_up_to(most) {
            let raw = raw.map_err(|error| batch.bad_record(error))?;
            match self.stays(header, &raw) {
                Some(true) => kept.push(raw),
                Some(false) => {}
                None => filtered.invalid += 1,
            }
        }
        filtered.records.1 = kept.len() as u64;
        if kept.is_empty() {
            if keep_empty {
                filtered.outcome = emptied(header);
            }
            return Ok(filtered);
        }
        let has_tombstone = kept.iter().any(|raw| raw.record.value.is_none());
        let needs_horizon =
            (has_tombstone || role.idle_marker) && header.delete_horizon().is_none();
        if kept.len() as u64 == announced && !needs_horizon {
            filtered.outcome = Outcome::Copied;
            return Ok(filtered);
        }
        let horizon = needs_horizon.then_some(self.horizon);
        let (header, bytes) =
            retain(header, codec(batch)?, &kept, horizon).map_err(|error| batch.corrupt(error))?;
        filtered.outcome = Outcome::Rewritten(header, bytes);
        Ok(filtered)
    }

    fn role(
        &self,
        batch: &WholeBatch<'_>,
        transactions: &mut Transactions,
    ) -> Result<TransactionRole, CompactionError> {
        let header = &batch.header;
        if !header.attributes.is_control() {
            return Ok(TransactionRole {
                discard: transactions.is_aborted(header),
                idle_marker: false,
                aborts: None,
            });
        }
        let marker = transactions.marker(header, control_type(batch)?);
        let has_passed = header
            .delete_horizon()
            .is_some_and(|horizon| horizon <= self.now);
        Ok(TransactionRole {
            discard: marker.is_of_no_use && has_passed,
            idle_marker: marker.is_of_no_use,
            aborts: marker.aborts,
        })
    }

    fn is_last_of_its_producer(&self, header: &BatchHeader) -> bool {
        if !header.producer_id.is_some() {
            return false;
        }
        let entry = self.producers.get(header.producer_id);
        entry.is_some_and(|entry| match entry.batches().last() {
            Some(newest) => header.last_offset() == newest.last_offset,
            None => header.attributes.is_control() && header.producer_epoch == entry.epoch,
        })
    }

    /// Whether a record stays; `None` if it should not be in the log at all.
    fn stays(&self, header: &BatchHeader, raw: &RawRecord<'_>) -> Option<bool> {
        let record = &raw.record;
        if header.attributes.is_control() || record.offset > self.map.latest() {
            return Some(true);
        }
        let newest = self.map.get(record.key?);
        let is_newest = newest.is_none_or(|newest| record.offset >= newest);
        let horizon = header.delete_horizon();
        let may_be_deleted = record.value.is_none() && horizon.is_some_and(|at| at <= self.now);
        Some(is_newest && !may_be_deleted)
    }
}

fn emptied(header: &BatchHeader) -> Outcome {
    if header.record_count == 0 {
        return Outcome::Copied;
    }
    let (header, bytes) = retain_empty(header);
    Outcome::Rewritten(header, bytes)
}
