//! Which producers have a transaction open in a partition, and which are about to begin one (KIP-890, part 1).
//!
//! A batch may begin a transaction here only if the transaction coordinator knows that the partition is part of it.
//! Otherwise nobody would end it: a batch that arrives after the marker of its transaction would hold up readers of
//! committed records for ever. So the coordinator is asked before the first batch is appended. Its answer is good as
//! long as the [`Guard`] holds that was given out before the question.
//!
//! ```text
//!              begin                          verified                    its first batch is stored
//!   (nothing) ------> Unverified, with guard ----------> Verified, with guard ------> Open in its epoch
//!       ^                    | refused                         |                            |
//!       +--------------------+---------------------------------+----------------------------+
//!                               a marker, or the time for which producers are remembered
//! ```
//! A marker takes the guard away before it is stored. Until the coordinator hears that it is stored, it confirms nothing
//! to the producer. So a guard that was given out later is good for a later transaction only.
//!
//! The log's writer changes this table, and checks each batch by it. Other threads read it: whether a batch needs
//! a verification must be known before it is handed over. What they see may be out of date when the writer reaches the
//! batch. Then the batch is refused, or was verified for nothing.
//!
//! While a verification is under way the table also has the lowest sequence that was sent. If its batch is to be sent
//! again (the coordinator was loading, for example), a later one must not be stored before it: then it would come too
//! late for ever.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::base::{ProducerEpoch, ProducerId, Timestamp, lock};

/// How many producers of a partition may be about to begin a transaction. Each takes some 100 bytes.
const MOST_VERIFICATIONS: usize = 100_000;

/// A permission to begin a transaction, valid until it is used or a marker is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard(u64);

impl Guard {
    /// No two are the same, since a partition may be deleted and made again while a verification is under way.
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A transactional batch that is to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionalBatch {
    /// Its producer.
    pub producer: ProducerId,
    /// The producer's epoch.
    pub epoch: ProducerEpoch,
    /// Its first sequence.
    pub sequence: i32,
    /// Whether the producer gets a new epoch with every transaction (transaction version 2). Then its first sequence in
    /// an epoch is 0.
    pub new_epochs: bool,
}

/// What a transactional batch needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: its transaction is open.
    Open,
    /// The guard of a verification that has succeeded.
    Verified(Guard),
    /// A verification, and this guard.
    Unverified(Guard),
    /// It comes too late: a newer epoch of the producer has a transaction open.
    Fenced,
    /// A verification, but there are too many at the moment.
    Full,
}

/// The open transactions of a partition, and those that are about to begin.
#[derive(Debug, Default)]
pub struct OpenTransactions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The epoch of each producer with an open transaction.
    open: HashMap<ProducerId, ProducerEpoch>,
    verifications: HashMap<ProducerId, Verification>,
}

/// A producer that is about to begin a transaction.
#[derive(Clone, Copy, Debug)]
struct Verification {
    guard: Guard,
    since: Timestamp,
    /// The newest epoch, and the lowest sequence that was sent in it.
    epoch: ProducerEpoch,
    lowest_sequence: i32,
    new_epochs: bool,
    /// The epoch for which the coordinator has confirmed it.
    verified: Option<ProducerEpoch>,
}

impl OpenTransactions {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// What `batch` needs. If that is a verification, it begins with this call.
    pub fn begin(&self, batch: &TransactionalBatch, now: Timestamp) -> Standing {
        let mut state = self.state();
        match state.open.get(&batch.producer) {
            Some(open) if *open == batch.epoch => return Standing::Open,
            Some(open) if *open > batch.epoch => return Standing::Fenced,
            Some(_) | None => {}
        }
        if let Some(verification) = state.verifications.get_mut(&batch.producer) {
            return verification.join(batch);
        }
        if state.verifications.len() >= MOST_VERIFICATIONS {
            return Standing::Full;
        }
        let guard = Guard::next();
        let verification = Verification {
            guard,
            since: now,
            epoch: batch.epoch,
            lowest_sequence: batch.sequence,
            new_epochs: batch.new_epochs,
            verified: None,
        };
        state.verifications.insert(batch.producer, verification);
        Standing::Unverified(guard)
    }

    /// The coordinator has confirmed that the partition is part of the producer's transaction. Returns whether the guard
    /// still holds: the marker of an earlier transaction may have taken it away meanwhile.
    pub fn verified(&self, producer: ProducerId, epoch: ProducerEpoch, guard: Guard) -> bool {
        match self.state().verifications.get_mut(&producer) {
            Some(verification) if verification.guard == guard => {
                if verification.epoch == epoch {
                    verification.verified = Some(epoch);
                }
                true
            }
            _ => false,
        }
    }

    /// The coordinator has refused that for good.
    pub fn refused(&self, producer: ProducerId, epoch: ProducerEpoch, guard: Guard) {
        let mut state = self.state();
        let is_unused = state
            .verifications
            .get(&producer)
            .is_some_and(|it| it.guard == guard && it.epoch == epoch && it.verified.is_none());
        if is_unused {
            state.verifications.remove(&producer);
        }
    }

    /// Whether a batch with this guard may begin a transaction.
    pub(crate) fn holds(&self, producer: ProducerId, guard: Guard) -> bool {
        let state = self.state();
        let verification = state.verifications.get(&producer);
        verification.is_some_and(|verification| verification.guard == guard)
    }

    /// The highest sequence with which a producer may begin in this epoch, if a verification says so.
    pub(crate) fn highest_first_sequence(
        &self,
        producer: ProducerId,
        epoch: ProducerEpoch,
        is_new: bool,
    ) -> Option<i32> {
        let state = self.state();
        let verification = state.verifications.get(&producer)?;
        if verification.epoch != epoch {
            return None;
        }
        if verification.new_epochs && is_new {
            return Some(0);
        }
        Some(verification.lowest_sequence)
    }

    /// A batch is stored that has begun a transaction in this epoch.
    pub(crate) fn opened(&self, producer: ProducerId, epoch: ProducerEpoch) {
        let mut state = self.state();
        state.open.insert(producer, epoch);
        state.verifications.remove(&producer);
    }

    /// A marker is about to be stored.
    pub(crate) fn ending(&self, producer: ProducerId) {
        self.state().verifications.remove(&producer);
    }

    /// A marker is stored.
    pub(crate) fn ended(&self, producer: ProducerId) {
        self.state().open.remove(&producer);
    }

    /// These are the open transactions: the log was loaded or truncated.
    pub(crate) fn replace(&self, open: impl Iterator<Item = (ProducerId, ProducerEpoch)>) {
        self.state().open = open.collect();
    }

    /// Forgets verifications that have led to nothing for `expiration_ms`.
    pub(crate) fn expire(&self, now: Timestamp, expiration_ms: i64) {
        let is_recent =
            |_: &ProducerId, it: &mut Verification| now.millis_since(it.since) < expiration_ms;
        self.state().verifications.retain(is_recent);
    }
}

impl Verification {
    /// Another batch of the producer is to be appended.
    fn join(&mut self, batch: &TransactionalBatch) -> Standing {
        if batch.epoch > self.epoch {
            self.epoch = batch.epoch;
            self.lowest_sequence = batch.sequence;
            self.new_epochs = batch.new_epochs;
        } else if batch.epoch == self.epoch {
            self.lowest_sequence = self.lowest_sequence.min(batch.sequence);
        }
        if self.verified == Some(batch.epoch) {
            Standing::Verified(self.guard)
        } else {
            Standing::Unverified(self.guard)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);
    const PRODUCER: ProducerId = ProducerId(7);

    fn batch(epoch: i16, sequence: i32) -> TransactionalBatch {
        TransactionalBatch {
            producer: PRODUCER,
            epoch: ProducerEpoch(epoch),
            sequence,
            new_epochs: false,
        }
    }

    fn guard(standing: Standing) -> Guard {
        match standing {
            Standing::Unverified(guard) | Standing::Verified(guard) => guard,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_verification_is_good_for_all_batches_until_the_marker() {
        let table = OpenTransactions::default();
        let first = guard(table.begin(&batch(3, 0), NOW));
        assert_eq!(table.begin(&batch(3, 5), NOW), Standing::Unverified(first));
        table.verified(PRODUCER, ProducerEpoch(3), first);
        assert_eq!(table.begin(&batch(3, 9), NOW), Standing::Verified(first));
        assert!(table.holds(PRODUCER, first));
        table.opened(PRODUCER, ProducerEpoch(3));
        assert_eq!(table.begin(&batch(3, 12), NOW), Standing::Open);
        assert_eq!(table.begin(&batch(2, 0), NOW), Standing::Fenced);
        assert!(!table.holds(PRODUCER, first), "it is used up");
        table.ending(PRODUCER);
        table.ended(PRODUCER);
        let second = guard(table.begin(&batch(3, 20), NOW));
        assert_ne!(first, second);
        table.verified(PRODUCER, ProducerEpoch(3), first);
        assert_eq!(
            table.begin(&batch(3, 20), NOW),
            Standing::Unverified(second)
        );
        table.ending(PRODUCER);
        assert!(!table.holds(PRODUCER, second));
    }

    #[test]
    fn another_epoch_is_verified_again() {
        let table = OpenTransactions::default();
        let first = guard(table.begin(&batch(3, 4), NOW));
        table.verified(PRODUCER, ProducerEpoch(3), first);
        assert_eq!(table.begin(&batch(4, 0), NOW), Standing::Unverified(first));
        // It was for the epoch before.
        table.refused(PRODUCER, ProducerEpoch(3), first);
        table.verified(PRODUCER, ProducerEpoch(3), first);
        assert_eq!(table.begin(&batch(4, 2), NOW), Standing::Unverified(first));
        table.verified(PRODUCER, ProducerEpoch(4), first);
        assert_eq!(table.begin(&batch(3, 9), NOW), Standing::Unverified(first));
        assert_eq!(table.begin(&batch(4, 2), NOW), Standing::Verified(first));
    }

    #[test]
    fn what_is_refused_for_good_or_forgotten_takes_no_memory() {
        let table = OpenTransactions::default();
        let first = guard(table.begin(&batch(3, 4), NOW));
        table.refused(PRODUCER, ProducerEpoch(3), first);
        assert!(!table.holds(PRODUCER, first));
        let second = guard(table.begin(&batch(3, 4), NOW));
        table.expire(NOW.plus_millis(9), 10);
        assert!(table.holds(PRODUCER, second));
        table.expire(NOW.plus_millis(10), 10);
        assert!(!table.holds(PRODUCER, second));
        for producer in 0..MOST_VERIFICATIONS {
            let producer = ProducerId(i64::try_from(producer).unwrap());
            table.begin(
                &TransactionalBatch {
                    producer,
                    ..batch(0, 0)
                },
                NOW,
            );
        }
        let one_more = TransactionalBatch {
            producer: ProducerId(-5),
            ..batch(0, 0)
        };
        assert_eq!(table.begin(&one_more, NOW), Standing::Full);
    }

    #[test]
    fn the_lowest_sequence_of_the_newest_epoch_counts() {
        let table = OpenTransactions::default();
        let highest =
            |epoch, is_new| table.highest_first_sequence(PRODUCER, ProducerEpoch(epoch), is_new);
        assert_eq!(highest(3, true), None);
        table.begin(&batch(3, 10), NOW);
        table.begin(&batch(3, 15), NOW);
        assert_eq!(highest(3, true), Some(10));
        table.begin(&batch(3, 5), NOW);
        assert_eq!(highest(3, false), Some(5));
        let bumped = TransactionalBatch {
            new_epochs: true,
            ..batch(4, 7)
        };
        table.begin(&bumped, NOW);
        assert_eq!(highest(3, false), None);
        assert_eq!(highest(4, false), Some(7));
        assert_eq!(highest(4, true), Some(0));
    }
}
