//! The holders of memory, and the queues in which they wait for more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number that only the ledger changes, under its lock, and that anybody may read.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicUsize);

impl Count {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0
            .store(self.get().saturating_add(bytes), Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, bytes: usize) {
        self.0
            .store(self.get().saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// An address with an open connection, or with memory held for one.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) number: u64,
    pub(super) paid: Count,
}

/// A connection's entry in the ledger. It exists as long as memory is held for it.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) number: u64,
    pub(super) address: Arc<Address>,
    pub(super) free: Count,
    pub(super) paid: Count,
}

impl Holder {
    pub(super) fn held(&self) -> usize {
        self.free.get().saturating_add(self.paid.get())
    }
}

/// Waiting claims, by address, and then by age.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) waiting: BTreeMap<(u64, u64), Arc<Holder>>,
    /// The address that was served last.
    pub(super) served: u64,
}

impl Line {
    /// The first claim of the address after `address`; the addresses form a ring.
    pub(super) fn next(&self, address: u64) -> Option<&Arc<Holder>> {
        self.waiting
            .range((address.saturating_add(1), 0)..)
            .next()
            .or_else(|| self.waiting.first_key_value())
            .map(|(_, holder)| holder)
    }
}
