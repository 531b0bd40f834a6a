//! Records that stand in transactions: they count when the transaction's commit is read, and never when
//! it is aborted. Kafka's producers commit offsets so; transactions are not served here yet, but what
//! Kafka has left is read as it was meant.
//!
//! ```text
//!   log:     [a=1 of p] [a=2] [b=5 of p] [commit p] [c=3 of q]
//!   counts:              a=2              b=5                     a=1 is older than a=2; q is open
//! ```

use std::collections::HashMap;

use crate::base::{Offset, ProducerId};
use crate::record::Record;

/// A record that waits for its transaction to end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    offset: Offset,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// The records of transactions that have not ended.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    by_producer: HashMap<ProducerId, Vec<Held>>,
    /// Where a key was written last, while anything is held that could be older.
    written: HashMap<Vec<u8>, Offset>,
}

impl Undecided {
    /// Takes a record of a producer's open transaction.
    pub(super) fn hold(&mut self, producer: ProducerId, record: &Record<'_>) {
        let Some(key) = record.key else { return };
        self.by_producer.entry(producer).or_default().push(Held {
            offset: record.offset,
            key: key.to_vec(),
            value: record.value.map(<[u8]>::to_vec),
        });
    }

    /// Takes note of a record outside of transactions.
    pub(super) fn note(&mut self, record: &Record<'_>) {
        if let Some(key) = record.key.filter(|_| !self.by_producer.is_empty()) {
            self.written.insert(key.to_vec(), record.offset);
        }
    }

    /// Ends a producer's transaction: the records that count from now on.
    pub(super) fn end(&mut self, producer: ProducerId, committed: bool) -> Vec<Held> {
        let mut held = self.by_producer.remove(&producer).unwrap_or_default();
        held.retain(|record| {
            let written = self.written.get(&record.key);
            committed && written.is_none_or(|written| *written < record.offset)
        });
        if self.by_producer.is_empty() {
            self.written.clear();
        } else {
            let now_written = held
                .iter()
                .map(|record| (record.key.clone(), record.offset));
            self.written.extend(now_written);
        }
        held
    }

    /// How many records wait.
    pub(super) fn count(&self) -> usize {
        self.by_producer.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::record::{Batch, BatchBuilder, BatchOptions, Batches};

    const ONE: ProducerId = ProducerId(1);
    const TWO: ProducerId = ProducerId(2);

    fn batch(offset: i64, key: &[u8]) -> Batch {
        let options = BatchOptions {
            base_offset: Offset(offset),
            ..BatchOptions::default()
        };
        let mut batch = BatchBuilder::new(options);
        batch.push(Timestamp(1), Some(key), Some(b"value"), &[]);
        let batch = Batches::new(batch.finish()).next();
        batch.expect("one batch").expect("a good one")
    }

    fn with(offset: i64, key: &[u8], look: impl FnOnce(&Record<'_>)) {
        let batch = batch(offset, key);
        let bytes = batch.record_bytes(1_000).expect("records");
        look(&batch.records(&bytes).next().expect("one").expect("good"));
    }

    fn keys(held: &[Held]) -> Vec<&[u8]> {
        held.iter().map(|record| &*record.key).collect()
    }

    #[test]
    fn what_is_committed_counts_unless_something_newer_does() {
        let mut undecided = Undecided::default();
        with(0, b"a", |record| undecided.note(record));
        with(1, b"a", |record| undecided.hold(ONE, record));
        with(2, b"b", |record| undecided.hold(ONE, record));
        with(3, b"a", |record| undecided.note(record));
        with(4, b"b", |record| undecided.hold(TWO, record));
        with(5, b"c", |record| undecided.hold(TWO, record));
        assert_eq!(undecided.count(), 4);
        assert_eq!(keys(&undecided.end(ONE, true)), [b"b"]);
        assert_eq!(keys(&undecided.end(TWO, true)), [b"b", b"c"]);
        assert_eq!((undecided.count(), undecided.written.len()), (0, 0));
    }

    #[test]
    fn what_is_aborted_or_unknown_never_counts() {
        let mut undecided = Undecided::default();
        with(1, b"a", |record| undecided.hold(ONE, record));
        assert_eq!(undecided.end(TWO, true), []);
        assert_eq!(undecided.end(ONE, false), []);
        assert_eq!(undecided.end(ONE, true), []);
    }

    #[test]
    fn an_older_transaction_that_commits_later_does_not_go_back() {
        let mut undecided = Undecided::default();
        with(1, b"a", |record| undecided.hold(ONE, record));
        with(2, b"a", |record| undecided.hold(TWO, record));
        assert_eq!(keys(&undecided.end(TWO, true)), [b"a"]);
        assert_eq!(undecided.end(ONE, true), []);
    }
}
