//! What a record says after each change. Whether the change is allowed is decided elsewhere.

use super::ids::ProducerIdAndEpoch;
use super::partitions::Partitions;
use super::records::Value;
use super::state::StateName;
use crate::base::{ProducerEpoch, ProducerId, Timestamp, TransactionVersion};

/// The last epoch that a client gets. The one above is left for fencing it.
pub(super) const LAST_EPOCH: ProducerEpoch = ProducerEpoch(i16::MAX - 1);

/// Whether a producer with this epoch needs a new id before its next epoch.
pub(super) fn is_exhausted(epoch: ProducerEpoch) -> bool {
    epoch >= LAST_EPOCH
}

/// The epoch above this one; the largest has none and stays.
pub(super) const fn above(epoch: ProducerEpoch) -> ProducerEpoch {
    ProducerEpoch(epoch.0.saturating_add(1))
}

impl Value {
    /// A transactional id that was not there before.
    pub(super) fn created(producer: ProducerId, timeout_ms: i32, now: Timestamp) -> Self {
        Self {
            ids: ProducerIdAndEpoch::new(producer, ProducerEpoch(0)),
            previous: producer,
            next: ProducerId::NONE,
            next_epoch: ProducerEpoch::NONE,
            timeout_ms,
            state: StateName::Empty,
            partitions: Partitions::default(),
            updated: now,
            started: Timestamp::NONE,
            client_version: TransactionVersion::V0,
        }
    }

    /// The producer begins with this id and epoch.
    pub(super) fn initialized(
        &self,
        ids: ProducerIdAndEpoch,
        timeout_ms: i32,
        now: Timestamp,
    ) -> Self {
        let next = self.moved(StateName::Empty, now);
        // A repeated answer leaves the producer id of before, so that it can be repeated once more.
        let previous = if ids == self.ids {
            self.previous
        } else {
            next.previous
        };
        Self {
            ids,
            previous,
            timeout_ms,
            partitions: Partitions::default(),
            started: Timestamp::NONE,
            ..next
        }
    }

    /// A transaction has these partitions, and begins if there is none.
    pub(super) fn with_partitions(
        &self,
        partitions: Partitions,
        client_version: TransactionVersion,
        now: Timestamp,
    ) -> Self {
        let next = self.moved(StateName::Ongoing, now);
        Self {
            partitions,
            started: if self.state.is_at_rest() {
                now
            } else {
                self.started
            },
            client_version,
            ..next
        }
    }

    /// The producer is fenced and its transaction aborted.
    pub(super) fn aborted_by_coordinator(
        &self,
        version: TransactionVersion,
        now: Timestamp,
    ) -> Self {
        let mut fenced = self.moved(StateName::PrepareEpochFence, now);
        fenced.ids.epoch = above(self.ids.epoch);
        let is_fenced = fenced.ids.epoch != self.ids.epoch;
        let version = if is_fenced {
            version
        } else {
            TransactionVersion::V0
        };
        fenced.prepared(false, version, None, now)
    }

    /// It is decided how the transaction ends. `next` is the producer id from then on, if that is another.
    ///
    /// A client that gets a new epoch with every transaction leaves the last one to its markers: none of its records
    /// can come behind them. A fenced producer has a new epoch already, and in the largest epoch there is none.
    pub(super) fn prepared(
        &self,
        commit: bool,
        client_version: TransactionVersion,
        next: Option<ProducerId>,
        now: Timestamp,
    ) -> Self {
        let state = if commit {
            StateName::PrepareCommit
        } else {
            StateName::PrepareAbort
        };
        let mut prepared = self.moved(state, now);
        prepared.client_version = client_version;
        if client_version.bumps_epoch() && self.state != StateName::PrepareEpochFence {
            prepared.ids.epoch = above(self.ids.epoch);
            if prepared.ids.epoch == self.ids.epoch {
                prepared.client_version = TransactionVersion::V0;
            }
        }
        prepared.next = next.unwrap_or(ProducerId::NONE);
        if self.state.is_at_rest() {
            prepared.started = now;
        }
        prepared
    }

    /// All markers are written.
    pub(super) fn completed(&self, now: Timestamp) -> Self {
        let state = if self.state == StateName::PrepareCommit {
            StateName::CompleteCommit
        } else {
            StateName::CompleteAbort
        };
        Self {
            ids: self.ids_when_completed(),
            partitions: Partitions::default(),
            ..self.moved(state, now)
        }
    }

    /// What the producer has when a prepared transaction is completed.
    pub(super) const fn ids_when_completed(&self) -> ProducerIdAndEpoch {
        if self.next.is_some() {
            ProducerIdAndEpoch::new(self.next, ProducerEpoch(0))
        } else {
            self.ids
        }
    }

    /// Whether a prepared transaction can only be completed with a new producer id. A client that gets a new epoch
    /// with every transaction would go on with the largest, which cannot be fenced.
    pub(super) fn needs_producer_id(&self) -> bool {
        self.client_version.bumps_epoch() && self.ids.epoch > LAST_EPOCH && !self.next.is_some()
    }

    /// The time at which a transaction is aborted. A transaction without a limit is one of two phases, which Kafka
    /// has written.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let is_limited = self.state == StateName::Ongoing && self.timeout_ms != i32::MAX;
        is_limited.then(|| Timestamp(self.started.0.saturating_add(self.timeout_ms.into())))
    }

    /// In another state. Each record of a transactional id has a time above that of the one before, so that the time
    /// of a record says which one it is.
    fn moved(&self, state: StateName, now: Timestamp) -> Self {
        debug_assert!(
            state.may_follow(self.state),
            "{:?} -> {state:?}",
            self.state
        );
        Self {
            previous: self.ids.producer,
            next: ProducerId::NONE,
            next_epoch: ProducerEpoch::NONE,
            state,
            updated: now.max(Timestamp(self.updated.0.saturating_add(1))),
            ..self.clone()
        }
    }
}
