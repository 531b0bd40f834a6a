//! Records of open transactions: they count when the transaction's commit marker is read, and never when it is
//! aborted. Kafka's transactional producers commit offsets in this way. Transactions are not served here yet, but the
//! records that Kafka has left are read correctly.
//!
//! ```text
//!   log:     [a=1 of p] [a=2] [b=5 of p] [commit p] [c=3 of q]
//!   counts:              a=2              b=5                     a=1 is older than a=2; q is open
//! ```

use std::collections::HashMap;

use crate::base::{Offset, ProducerId, Replayed, TransactionEnd};

/// A record of an open transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) place: Offset,
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// The records of open transactions.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    by_producer: HashMap<ProducerId, Vec<Held>>,
    /// Where a key was written last, while there are pending records that could be older.
    written: HashMap<Vec<u8>, Offset>,
}

impl Undecided {
    /// Adds a record of a producer's open transaction.
    pub(super) fn hold(&mut self, producer: ProducerId, record: &Replayed<'_>) {
        self.by_producer.entry(producer).or_default().push(Held {
            place: record.place,
            key: record.key.to_vec(),
            value: record.value.map(<[u8]>::to_vec),
        });
    }

    /// Registers a record outside of transactions.
    pub(super) fn note(&mut self, record: &Replayed<'_>) {
        if !self.by_producer.is_empty() {
            self.written.insert(record.key.to_vec(), record.place);
        }
    }

    /// Ends a producer's transaction and returns the records that count from now on. Records of the producer behind
    /// the marker belong to its next transaction, and still wait.
    pub(super) fn end(&mut self, end: &TransactionEnd) -> Vec<Held> {
        let mut held = self.by_producer.remove(&end.producer).unwrap_or_default();
        let next = held.split_off(held.partition_point(|record| record.place < end.place));
        if !next.is_empty() {
            self.by_producer.insert(end.producer, next);
        }
        held.retain(|record| {
            let written = self.written.get(&record.key);
            end.is_committed && written.is_none_or(|written| *written < record.place)
        });
        if self.by_producer.is_empty() {
            self.written.clear();
        } else {
            let now_written = held.iter().map(|record| (record.key.clone(), record.place));
            self.written.extend(now_written);
        }
        held
    }

    /// The number of waiting records.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.by_producer.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ProducerId = ProducerId(1);
    const TWO: ProducerId = ProducerId(2);

    fn record(place: i64, key: &[u8]) -> Replayed<'_> {
        Replayed {
            key,
            value: Some(b"value"),
            producer: None,
            place: Offset(place),
        }
    }

    fn end(place: i64, producer: ProducerId, is_committed: bool) -> TransactionEnd {
        TransactionEnd {
            producer,
            is_committed,
            place: Offset(place),
        }
    }

    fn keys(held: &[Held]) -> Vec<&[u8]> {
        held.iter().map(|record| &*record.key).collect()
    }

    #[test]
    fn what_is_committed_counts_unless_something_newer_does() {
        let mut undecided = Undecided::default();
        undecided.note(&record(0, b"a"));
        undecided.hold(ONE, &record(1, b"a"));
        undecided.hold(ONE, &record(2, b"b"));
        undecided.note(&record(3, b"a"));
        undecided.hold(TWO, &record(4, b"b"));
        undecided.hold(TWO, &record(5, b"c"));
        assert_eq!(undecided.count(), 4);
        assert_eq!(keys(&undecided.end(&end(6, ONE, true))), [b"b"]);
        assert_eq!(keys(&undecided.end(&end(7, TWO, true))), [b"b", b"c"]);
        assert_eq!((undecided.count(), undecided.written.len()), (0, 0));
    }

    #[test]
    fn what_is_aborted_or_unknown_never_counts() {
        let mut undecided = Undecided::default();
        undecided.hold(ONE, &record(1, b"a"));
        assert_eq!(undecided.end(&end(2, TWO, true)), []);
        assert_eq!(undecided.end(&end(3, ONE, false)), []);
        assert_eq!(undecided.end(&end(4, ONE, true)), []);
    }

    #[test]
    fn an_older_transaction_that_commits_later_does_not_go_back() {
        let mut undecided = Undecided::default();
        undecided.hold(ONE, &record(1, b"a"));
        undecided.hold(TWO, &record(2, b"a"));
        assert_eq!(keys(&undecided.end(&end(3, TWO, true))), [b"a"]);
        assert_eq!(undecided.end(&end(4, ONE, true)), []);
    }

    #[test]
    fn a_marker_ends_what_was_before_it() {
        let mut undecided = Undecided::default();
        undecided.hold(ONE, &record(1, b"a"));
        // Its marker is being written to the log, and the next transaction has begun.
        undecided.hold(ONE, &record(3, b"b"));
        assert_eq!(keys(&undecided.end(&end(2, ONE, true))), [b"a"]);
        assert_eq!(undecided.end(&end(4, ONE, false)), []);
        assert_eq!(undecided.count(), 0);
    }
}
