//! Removes transactional ids that nobody uses.
//!
//! There can be any number of them. So all are visited in steps: each step is a decision of its own with as many
//! tombstones as fit into a batch, and client requests are served in between. Between two steps [`TimerKey::Sweep`] is
//! set. If a restart ends a sweep, the next sweep makes up for it.

use std::ops::Bound;
use std::sync::Arc;

use super::records::{tombstone, tombstones_bytes};
use super::registry::{Registry, TimerKey, Turn};
use super::state::StateName;
use super::transactions::Transaction;

/// The maximum number of tombstones of a step, and of transactional ids that it visits.
const TOMBSTONES: usize = 1_000;
const VISITS: usize = 10_000;
/// Not zero: pending requests go first.
const PAUSE_MS: i64 = 1;

/// A sweep in progress.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The first transactional id of the next step.
    from: Bound<Arc<str>>,
}

impl Registry {
    /// Begins a sweep, unless one is in progress.
    pub(super) fn expire(&mut self, turn: &mut Turn) {
        if self.sweep.is_none() {
            self.sweep = Some(Sweep {
                from: Bound::Unbounded,
            });
            self.expire_some(turn);
        }
    }

    /// The next step.
    pub(super) fn expire_some(&mut self, turn: &mut Turn) {
        let Some(sweep) = self.sweep.take() else {
            return;
        };
        if let Some(next) = self.remove_some(&sweep.from, turn) {
            self.sweep = Some(Sweep {
                from: Bound::Included(next),
            });
            turn.set(TimerKey::Sweep, PAUSE_MS);
        }
    }

    /// Returns where to continue, if there is more.
    fn remove_some(&self, from: &Bound<Arc<str>>, turn: &mut Turn) -> Option<Arc<str>> {
        let mut removed = 0;
        let mut id_bytes = 0;
        for (visited, (id, transaction)) in self.transactions.from(from).enumerate() {
            if visited == VISITS || removed == TOMBSTONES {
                return Some(Arc::clone(id));
            }
            if !self.is_expired(transaction, turn) {
                continue;
            }
            let fits = self.fits_batch(tombstones_bytes(removed + 1, id_bytes + id.len()));
            if !fits && removed > 0 {
                return Some(Arc::clone(id));
            }
            // One that does not fit alone stays.
            if fits {
                turn.write(tombstone(id));
                removed += 1;
                id_bytes += id.len();
            }
        }
        None
    }

    fn is_expired(&self, transaction: &Transaction, turn: &Turn) -> bool {
        let value = &transaction.value;
        let unused_ms = turn.now.millis_since(value.updated);
        StateName::Dead.may_follow(value.state) && unused_ms >= self.settings.id_expiration_ms
    }
}
