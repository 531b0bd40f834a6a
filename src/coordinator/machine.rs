//! The interface of a hosted machine, and the events that it receives.
//!
//! | when | hook |
//! | --- | --- |
//! | a request arrives | [`Decides::decide`] |
//! | a timer has fired | [`Machine::timer_fired`] |
//! | the cluster's metadata has changed | [`Machine::news_of`], [`Machine::hear`] |
//! | a record is in the log, or about to be | [`Machine::replay`] |
//! | the log has records of a transaction, or has refused them | [`Machine::settled`] |
//! | a marker has ended a transaction | [`Machine::transaction_ended`] |
//! | everything has been replayed | [`Machine::loaded`] |
//! | the log does not accept a decision | [`Machine::not_written`], [`Decides::too_large`] |
//! | the partition has a new leader | [`Machine::unloaded`] |

use std::fmt::Display;
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use crate::base::{
    Ask, Bounds, Offset, Outcome, Replayed, Timestamp, Token, Transaction, TransactionEnd,
};
use crate::metadata::{Delta, Image};

/// A decision of the machine.
pub type Decision<M> = Outcome<<M as Machine>::TimerKey, <M as Machine>::Effect>;

/// A state machine whose only storage is a partition of an internal topic.
pub trait Machine: Send + Sized + 'static {
    /// The key of its timers.
    type TimerKey: Clone + Eq + Hash + Send + 'static;
    /// An effect that others carry out when its records are committed, such as writing markers.
    type Effect: Send + 'static;
    /// The part of a metadata change that concerns it.
    type News: Clone + Send + 'static;
    /// The error for a record that cannot be replayed.
    type ReplayError: Display;

    /// What an operator can do when the records of a decision are larger than a batch of the log may be.
    const TOO_LARGE_CURE: &'static str;

    /// The subject of a timer.
    fn subject_of_timer(key: &Self::TimerKey) -> Subject;

    /// Sets the bounds for the following decisions.
    fn within(&mut self, _bounds: Bounds) {}

    /// The memory in bytes that the machine holds for its clients, as far as it is limited.
    fn held(&self) -> usize {
        0
    }

    /// Decides on a timer that has fired.
    fn timer_fired(&mut self, key: Self::TimerKey, now: Timestamp) -> Decision<Self>;

    /// The part of a change that concerns machines of this kind; `None` if there is none.
    fn news_of(_image: &Arc<Image>, _delta: &Delta) -> Option<Self::News> {
        None
    }

    /// Decides on a metadata change. Changes during loading are passed on when the machine is loaded.
    fn hear(&mut self, _news: Self::News, _now: Timestamp) -> Decision<Self> {
        Decision::<Self>::default()
    }

    /// The records of the last decision are larger than a batch of the log may be, and none of them has been
    /// replayed: decides what follows. The host refuses the requests that the decision has answered, except those
    /// that this answers.
    fn not_written(&mut self, _now: Timestamp) -> Decision<Self> {
        Decision::<Self>::default()
    }

    /// Applies one record: the only way to change logged state, apart from the end of transactions. A record of an
    /// open transaction must not count before the transaction is committed.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn replay(&mut self, record: &Replayed<'_>, now: Timestamp) -> Result<(), Self::ReplayError>;

    /// The log has the records of an open transaction that were replayed at these places since the machine was loaded;
    /// or it has refused them, and they never were there.
    fn settled(&mut self, _under: Transaction, _places: &Range<Offset>, _is_written: bool) {}

    /// Applies the end of a transaction.
    fn transaction_ended(&mut self, _end: &TransactionEnd, _now: Timestamp) {}

    /// Called once when everything has been replayed: decides on unfinished work.
    fn loaded(&mut self, now: Timestamp) -> Decision<Self>;

    /// The machine is dropped. Only replies and effects of this decision count; they are released at once. The host
    /// fails the other pending requests.
    fn unloaded(&mut self) -> Decision<Self> {
        Decision::<Self>::default()
    }
}

/// A machine that accepts requests of type `A`.
pub(super) trait Decides<A: Ask>: Machine {
    /// The subject of the request.
    fn subject(ask: &A) -> Subject;

    /// Decides. Must not change logged state. `token` identifies the request in its reply, now or later.
    fn decide(&mut self, token: Token<A::Reply>, ask: A, now: Timestamp) -> Decision<Self>;

    /// The machine's own answer to a request whose decision is larger than a batch of the log may be. Without one the
    /// host refuses the request.
    fn too_large() -> Option<A::Reply> {
        None
    }
}

/// The subject of a decision, for the log line if it could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The operation, with Kafka's API name where there is one.
    pub(super) operation: &'static str,
    /// The key, such as a group id; empty for an operation on all keys.
    pub(super) key: Arc<str>,
}

impl Subject {
    /// An operation on all keys.
    pub(super) fn all(operation: &'static str) -> Self {
        Self {
            operation,
            key: Arc::default(),
        }
    }
}
