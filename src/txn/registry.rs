//! The transactional ids, and the entry points of the machine.

use std::sync::Arc;
use std::time::Duration;

use super::asks::{TxnError, WriteMarkers};
use super::expiry::Sweep;
use super::listing::LastListing;
use super::partitions::Partitions;
use super::records::{self, Value};
use super::state::StateName;
use super::transactions::{Transaction, Transactions, held_bytes};
use crate::base::{
    self, Bounds, KeyValue, ProducerEpoch, TimerChange, Timestamp, Token, TransactionVersion,
    limited,
};
use crate::schema::MAX_STRING;

/// What the machine decides.
pub type Outcome = base::Outcome<TimerKey, WriteMarkers>;

/// Until an abort is tried again that the log has not accepted.
const RETRY_MS: i64 = 10_000;

/// The broker's settings for transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The maximum transaction timeout (`transaction.max.timeout.ms`).
    pub max_timeout_ms: i32,
    /// How long an unused transactional id is kept (`transactional.id.expiration.ms`).
    pub id_expiration_ms: i64,
    /// The memory limit for transactional ids and their partitions, in bytes (`zurau.transactional.ids.max.bytes`).
    pub max_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_timeout_ms: 15 * 60 * 1_000,
            id_expiration_ms: 7 * 24 * 60 * 60 * 1_000,
            max_bytes: 512 << 20,
        }
    }
}

/// Names a timer of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKey {
    /// The time limit for a transaction.
    Transaction {
        /// The transactional id.
        transactional_id: Arc<str>,
    },
    /// The pause between two steps that remove unused transactional ids.
    Sweep,
}

impl TimerKey {
    /// What ends when the timer fires.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Transaction { .. } => "end of the time for a transaction",
            Self::Sweep => "removal of transactional ids that nobody needs",
        }
    }

    /// The transactional id; empty for a timer of all.
    pub fn transactional_id(&self) -> Arc<str> {
        match self {
            Self::Transaction { transactional_id } => Arc::clone(transactional_id),
            Self::Sweep => Arc::default(),
        }
    }
}

/// A decision in progress: its inputs, and its results so far.
#[derive(Debug)]
pub struct Turn {
    pub(super) now: Timestamp,
    outcome: Outcome,
    deciding: Option<Deciding>,
}

impl Turn {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            outcome: Outcome::default(),
            deciding: None,
        }
    }

    pub(super) fn reply<R: Send + 'static>(&mut self, token: Token<R>, reply: R) {
        self.outcome.reply(token, reply);
    }

    pub(super) fn write(&mut self, record: KeyValue) {
        self.outcome.records.push(record);
    }

    pub(super) fn set(&mut self, key: TimerKey, milliseconds: i64) {
        let milliseconds = u64::try_from(milliseconds).unwrap_or(0);
        let after = Duration::from_millis(milliseconds);
        self.outcome.timers.push(TimerChange::Set(key, after));
    }

    fn cancel(&mut self, key: TimerKey) {
        self.outcome.timers.push(TimerChange::Cancel(key));
    }

    fn have(&mut self, effect: WriteMarkers) {
        self.outcome.effects.push(effect);
    }
}

/// The transactional id of the last decision, and what its records do not say.
#[derive(Debug)]
pub(super) struct Deciding {
    pub(super) id: Arc<str>,
    pub(super) last_epoch: ProducerEpoch,
}

/// All transactional ids of one partition of `__transaction_state`.
#[derive(Debug)]
pub struct Registry {
    pub(super) settings: Settings,
    bounds: Bounds,
    /// The level of `transaction.version` that is in force in the cluster.
    pub(super) version: TransactionVersion,
    pub(super) transactions: Transactions,
    pub(super) last_listing: LastListing,
    /// The removal of unused transactional ids that is in progress.
    pub(super) sweep: Option<Sweep>,
    pub(super) deciding: Option<Deciding>,
}

impl Registry {
    /// A registry of an empty partition, ready to replay.
    pub fn new(settings: Settings, version: TransactionVersion) -> Self {
        Self {
            settings,
            bounds: Bounds::default(),
            version,
            transactions: Transactions::default(),
            last_listing: LastListing::default(),
            sweep: None,
            deciding: None,
        }
    }

    /// Sets the bounds for the next decisions.
    pub const fn within(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Sets the level of `transaction.version` for the next decisions.
    pub const fn set_version(&mut self, version: TransactionVersion) {
        self.version = version;
    }

    /// The memory of all transactional ids, in bytes.
    pub const fn held(&self) -> usize {
        self.transactions.held()
    }

    /// The log has been read: what is to be finished. The time limits of open transactions count from their start.
    pub fn loaded(&mut self, now: Timestamp) -> Outcome {
        self.deciding = None;
        let mut turn = Turn::new(now);
        for (id, Transaction { value, .. }) in self.transactions.iter() {
            set_timer(id, value, &mut turn);
            if value.state.is_prepared() {
                turn.have(markers(id, value));
            }
        }
        self.end(turn)
    }

    /// Decides what follows when a timer fires. One that is out of date has no effect.
    pub fn timer_fired(&mut self, key: TimerKey, now: Timestamp) -> Outcome {
        let mut turn = Turn::new(now);
        match key {
            TimerKey::Transaction { transactional_id } => {
                self.time_is_up(&transactional_id, &mut turn)
            }
            TimerKey::Sweep => self.expire_some(&mut turn),
        }
        self.end(turn)
    }

    /// The log does not accept the records of the last decision, and none of them has been replayed: decides what
    /// follows. The host refuses the requests that the decision has answered.
    pub fn not_written(&mut self, now: Timestamp) -> Outcome {
        let mut turn = Turn::new(now);
        if let Some(Deciding { id, .. }) = self.deciding.take() {
            let deadline = self.transactions.get(&id).and_then(|t| t.value.deadline());
            let key = TimerKey::Transaction {
                transactional_id: id,
            };
            match deadline {
                Some(deadline) => turn.set(key, deadline.millis_since(now).max(RETRY_MS)),
                None => turn.cancel(key),
            }
        }
        self.end(turn)
    }

    /// The decision is made.
    pub(super) fn end(&mut self, turn: Turn) -> Outcome {
        self.deciding = turn.deciding;
        turn.outcome
    }

    /// Writes a change, with the timer and the markers that go with it.
    pub(super) fn write(
        &self,
        id: &Arc<str>,
        value: &Value,
        last_epoch: ProducerEpoch,
        turn: &mut Turn,
    ) {
        turn.write(records::record(id, value, self.version));
        turn.deciding = Some(Deciding {
            id: Arc::clone(id),
            last_epoch,
        });
        let was_open = self.transactions.get(id).map(|t| t.value.state) == Some(StateName::Ongoing);
        match value.state {
            StateName::Ongoing if !was_open => set_timer(id, value, turn),
            StateName::PrepareCommit | StateName::PrepareAbort => {
                if was_open {
                    turn.cancel(TimerKey::Transaction {
                        transactional_id: Arc::clone(id),
                    });
                }
                // Without partitions there are no markers to wait for.
                if value.partitions.is_empty() && !value.needs_producer_id() {
                    self.write(id, &value.completed(turn.now), last_epoch, turn);
                } else {
                    turn.have(markers(id, value));
                }
            }
            _ => {}
        }
    }

    /// The version under which a client acts. Without the records that can say so, there is only version 0.
    pub(super) fn effective(&self, client: TransactionVersion) -> TransactionVersion {
        if self.version.has_flexible_records() {
            client
        } else {
            TransactionVersion::V0
        }
    }

    pub(super) const fn fits_batch(&self, bytes: usize) -> bool {
        bytes <= self.bounds.largest_batch
    }

    /// Refuses a transactional id with partitions that fit no batch, or for which there is no memory.
    pub(super) fn make_room_for(&self, id: &str, partitions: &Partitions) -> Result<(), TxnError> {
        let mut topics = partitions.topics();
        if !self.fits_batch(records::batch_bytes(id, partitions))
            || topics.any(|(topic, _)| topic.len() > MAX_STRING)
        {
            limited!(
                warn,
                "transaction refused: it has more partitions than a batch of __transaction_state may hold",
                bytes = partitions.record_bytes()
            );
            return Err(TxnError::TooLarge);
        }
        let has = self
            .transactions
            .get(id)
            .map_or(0, |t| held_bytes(id, &t.value.partitions));
        let more = held_bytes(id, partitions).saturating_sub(has);
        let held = self.held().saturating_add(self.bounds.held_elsewhere);
        if more > 0 && held.saturating_add(more) > self.settings.max_bytes {
            limited!(
                warn,
                "transaction refused: the memory for transactional ids and their partitions is used up",
                held,
                limit = self.settings.max_bytes
            );
            return Err(TxnError::NoMemory);
        }
        Ok(())
    }
}

/// Sets the time limit of a transaction, if there is one.
pub(super) fn set_timer(id: &Arc<str>, value: &Value, turn: &mut Turn) {
    if let Some(deadline) = value.deadline() {
        let key = TimerKey::Transaction {
            transactional_id: Arc::clone(id),
        };
        // The clock may have been set back.
        let left = deadline.millis_since(turn.now);
        turn.set(key, left.min(value.timeout_ms.into()));
    }
}

/// The markers of a prepared transaction.
fn markers(id: &Arc<str>, value: &Value) -> WriteMarkers {
    WriteMarkers {
        transactional_id: Arc::clone(id),
        ids: value.ids,
        commit: value.state == StateName::PrepareCommit,
        partitions: value.partitions.to_vec(),
        client_version: value.client_version,
        prepared: value.updated,
    }
}
