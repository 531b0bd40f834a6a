//! The transactional ids, and the entry points of the machine.

use std::sync::Arc;

use super::asks::WriteMarkers;
use crate::base::{self, Bounds, TransactionVersion};

/// What the machine decides.
pub type Outcome = base::Outcome<TimerKey, WriteMarkers>;

/// The broker's settings for transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The maximum transaction timeout (`transaction.max.timeout.ms`).
    pub max_timeout_ms: i32,
    /// How long an unused transactional id is kept (`transactional.id.expiration.ms`).
    pub id_expiration_ms: i64,
    /// The memory limit for transactional ids and their partitions, in bytes.
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

/// All transactional ids of one partition of `__transaction_state`.
#[derive(Debug)]
pub struct Registry {
    #[expect(dead_code, reason = "the decisions come with the next commits")]
    pub(super) settings: Settings,
    pub(super) bounds: Bounds,
    /// The level of `transaction.version` that is in force in the cluster.
    pub(super) version: TransactionVersion,
}

impl Registry {
    /// A registry of an empty partition, ready to replay.
    pub fn new(settings: Settings, version: TransactionVersion) -> Self {
        Self {
            settings,
            bounds: Bounds::default(),
            version,
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
}
