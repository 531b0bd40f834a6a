//! The records of a decision as batches.

use bytes::Bytes;

use crate::base::{KeyValue, Timestamp, Transaction};
use crate::record::{BatchBuilder, BatchOptions, Codec};

/// More than a batch's header, and more than what a record has around its key.
const OVERHEAD: usize = 64;

/// The records of a decision as batches. All go into one batch, so that they are written entirely or not at all. The
/// exception are tombstones: the end of a group or of a topic can bring any number of them, and they do not need each
/// other. They are spread over as many batches of at most `limit` bytes as needed, unless they are of a transaction.
pub(super) fn batches(
    records: &[KeyValue],
    limit: usize,
    codec: Codec,
    transaction: Option<Transaction>,
    now: Timestamp,
) -> Vec<Bytes> {
    let parts = match transaction {
        None => split(records, limit),
        Some(_) => vec![records],
    };
    parts
        .into_iter()
        .map(|records| encode(records, codec, transaction, now))
        .collect()
}

fn split(records: &[KeyValue], limit: usize) -> Vec<&[KeyValue]> {
    if records.iter().any(|record| record.value.is_some()) {
        return vec![records];
    }
    let mut batches = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let mut size = OVERHEAD;
        let fits = rest.iter().take_while(|record| {
            size += record.key.len() + OVERHEAD;
            size <= limit
        });
        let (batch, later) = rest.split_at(fits.count().max(1));
        batches.push(batch);
        rest = later;
    }
    batches
}

/// One batch of these records.
fn encode(
    records: &[KeyValue],
    codec: Codec,
    transaction: Option<Transaction>,
    now: Timestamp,
) -> Bytes {
    let plain = BatchOptions {
        codec,
        ..BatchOptions::default()
    };
    let mut batch = BatchBuilder::new(match transaction {
        None => plain,
        Some(Transaction { producer, epoch }) => BatchOptions {
            producer_id: producer,
            producer_epoch: epoch,
            // A coordinator's batches are not counted; Kafka's all begin with this number.
            base_sequence: 0,
            transactional: true,
            ..plain
        },
    });
    for record in records {
        batch.push(now, Some(&record.key), record.value.as_deref(), &[]);
    }
    batch.finish()
}

#[cfg(test)]
mod tests {
    use super::{Codec, KeyValue, encode, split};
    use crate::base::Timestamp;

    fn record(key: usize, value: Option<&'static [u8]>) -> KeyValue {
        KeyValue {
            key: vec![0; key],
            value: value.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn only_tombstones_are_spread_over_batches() {
        let tombstones = vec![record(100, None); 5];
        let lengths = |records: &[KeyValue]| {
            split(records, 400)
                .iter()
                .map(|batch| batch.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(&tombstones), [2, 2, 1]);
        assert_eq!(lengths(&[record(1000, None), record(1000, None)]), [1, 1]);
        let mut mixed = tombstones;
        mixed.push(record(100, Some(b"value")));
        assert_eq!(lengths(&mixed), [6]);
    }

    #[test]
    fn a_batch_is_no_larger_than_was_reckoned() {
        let records = vec![record(50, None); 1000];
        for batch in split(&records, 4096) {
            assert!(encode(batch, Codec::None, None, Timestamp(1_700_000_000_000)).len() <= 4096);
        }
    }
}
