//! The transactional ids in memory, and what they take.

use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Bound;
use std::sync::Arc;

use super::partitions::Partitions;
use super::records::Value;
use crate::base::ProducerEpoch;

/// The cost of a transactional id besides its bytes and the partitions: itself, its entry in the map, its timer.
const ID_BYTES: usize = 320;

/// A transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    /// What the log says.
    pub(super) value: Value,
    /// The epoch before the present one, if the producer has changed it itself. It tells a producer that repeats its
    /// request from one that was fenced. Kafka's records do not have it, so a restart forgets it.
    pub(super) last_epoch: ProducerEpoch,
}

/// Transactional ids, and their memory.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Boxed: otherwise a half-full tree node would take as much memory again for each.
    by_id: BTreeMap<Arc<str>, Box<Transaction>>,
    held: usize,
    changes: u64,
}

impl Transactions {
    pub(super) fn get(&self, id: &str) -> Option<&Transaction> {
        self.by_id.get(id).map(|transaction| &**transaction)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Transaction)> {
        self.by_id.iter().map(|(id, one)| (id, &**one))
    }

    /// Those from this id on, in the order of their ids.
    pub(super) fn from(
        &self,
        first: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = (&Arc<str>, &Transaction)> {
        let from = self.by_id.range((first.clone(), Bound::Unbounded));
        from.map(|(id, one)| (id, &**one))
    }

    /// The memory of all, in bytes.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// How often one was added, removed or changed.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn insert(&mut self, id: Arc<str>, transaction: Transaction) {
        self.changes += 1;
        self.held += held_bytes(&id, &transaction.value.partitions);
        match self.by_id.entry(id) {
            Entry::Occupied(mut place) => {
                self.held -= held_bytes(place.key(), &place.get().value.partitions);
                **place.get_mut() = transaction;
            }
            Entry::Vacant(place) => {
                place.insert(Box::new(transaction));
            }
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(removed) = self.by_id.remove(id) {
            self.changes += 1;
            self.held -= held_bytes(id, &removed.value.partitions);
        }
    }
}

/// The memory of a transactional id with these partitions.
pub(super) fn held_bytes(id: &str, partitions: &Partitions) -> usize {
    ID_BYTES + id.len() + partitions.held_bytes()
}
