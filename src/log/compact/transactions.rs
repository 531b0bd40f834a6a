//! Which batches belong to aborted transactions, and which transaction markers are no longer needed.
//!
//! The `.txnindex` files say which transactions were aborted. Batches are read in the order of their offsets, and a
//! transaction is open from its first offset to its marker. A marker may be removed once no batch of its transaction
//! was found before it: then no record in the log depends on it.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::base::{Offset, ProducerId};
use crate::log::txn_index::AbortedTransaction;
use crate::record::BatchHeader;
use crate::record::control::ControlType;

/// The transactions of the batches that were read so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    /// Aborted transactions that begin later in the log, by their first offset.
    upcoming: VecDeque<AbortedTransaction>,
    aborted: HashMap<ProducerId, Current>,
    /// Producers with a batch in an open transaction that is not aborted.
    held: HashSet<ProducerId>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    transaction: AbortedTransaction,
    batch_seen: bool,
}

/// What a control batch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// No batch of its transaction is left.
    pub(super) is_of_no_use: bool,
    /// It ends this aborted transaction, which still has batches.
    pub(super) aborts: Option<AbortedTransaction>,
}

impl Transactions {
    /// Before the first batch, with all aborted transactions of the log.
    pub(super) fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_by_key(|transaction| transaction.first);
        Self {
            upcoming: aborted.into(),
            ..Self::default()
        }
    }

    fn pass(&mut self, offset: Offset) {
        let begins = |transaction: &&AbortedTransaction| transaction.first <= offset;
        while let Some(transaction) = self.upcoming.front().filter(begins).copied() {
            self.upcoming.pop_front();
            let current = Current {
                transaction,
                batch_seen: false,
            };
            // a transaction without a marker must not hide the next one
            let known = self.aborted.entry(transaction.producer);
            let known = known.or_insert(current);
            if known.transaction.last < transaction.first {
                *known = current;
            }
        }
    }

    /// Notes a batch of data. Whether its transaction was aborted.
    pub(super) fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        self.pass(header.last_offset());
        if !header.attributes.is_transactional() {
            return false;
        }
        if let Some(current) = self.aborted.get_mut(&header.producer_id) {
            let AbortedTransaction { first, last, .. } = current.transaction;
            if first <= header.base_offset && header.last_offset() <= last {
                current.batch_seen = true;
                return true;
            }
        }
        self.held.insert(header.producer_id);
        false
    }

    /// Notes a control batch; `kind` is `None` if it is empty.
    pub(super) fn marker(&mut self, header: &BatchHeader, kind: Option<ControlType>) -> Marker {
        self.pass(header.last_offset());
        let id = header.producer_id;
        let nothing = Marker {
            is_of_no_use: true,
            aborts: None,
        };
        match kind {
            None => nothing,
            Some(ControlType::Abort) => {
                // An aborted transaction that is in no index counts as committed.
                let unknown = self.held.remove(&id);
                match self.aborted.remove(&id) {
                    Some(current) if current.batch_seen => Marker {
                        is_of_no_use: false,
                        aborts: Some(current.transaction),
                    },
                    _ => Marker {
                        is_of_no_use: !unknown,
                        aborts: None,
                    },
                }
            }
            Some(ControlType::Commit) => Marker {
                is_of_no_use: !self.held.remove(&id),
                aborts: None,
            },
            Some(_) => Marker {
                is_of_no_use: false,
                aborts: None,
            },
        }
    }
}
