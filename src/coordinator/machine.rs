//! What a machine must offer to be hosted, and what it hears of the world.
//!
//! | when | hook |
//! | --- | --- |
//! | somebody asks | [`Decides::decide`] |
//! | a timer has fired | [`Machine::timer_fired`] |
//! | the cluster's metadata has changed | [`Machine::news_of`], [`Machine::hear`] |
//! | a record is in the log, or about to be | [`Machine::replay`] |
//! | a marker has ended a transaction | [`Machine::transaction_ended`] |
//! | everything has been replayed | [`Machine::loaded`] |
//! | the log does not take a decision | [`Machine::not_written`], [`Decides::too_large`] |
//! | the partition is led elsewhere from now on | [`Machine::unloaded`] |

use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;

use crate::base::{Ask, Bounds, Outcome, Replayed, Timestamp, Token, TransactionEnd};
use crate::metadata::{Delta, Image};

/// What a machine decides.
pub(super) type Decision<M> = Outcome<<M as Machine>::TimerKey, <M as Machine>::Effect>;

/// A state machine whose only memory is a partition of an internal topic.
pub(super) trait Machine: Send + Sized + 'static {
    /// How it names its timers.
    type TimerKey: Clone + Eq + Hash + Send + 'static;
    /// What others carry out for it when its records are committed: markers to be written, say.
    type Effect: Send + 'static;
    /// What of a change of the cluster's metadata concerns it.
    type News: Clone + Send + 'static;
    /// What a record that cannot be replayed looks like.
    type ReplayError: Display;

    /// What an operator can do when the records of a decision are larger than a batch of the log may be.
    const TOO_LARGE_CURE: &'static str;

    /// What a timer is about.
    fn subject_of_timer(key: &Self::TimerKey) -> Subject;

    /// Tells what bounds the decisions from now on.
    fn within(&mut self, _bounds: Bounds) {}

    /// What the machine holds in memory on behalf of its clients, in bytes, as far as it is bounded.
    fn held(&self) -> usize {
        0
    }

    /// Decides on a timer that has fired.
    fn timer_fired(&mut self, key: Self::TimerKey, now: Timestamp) -> Decision<Self>;

    /// What of a change concerns machines of this kind; nothing, if they need not hear of it.
    fn news_of(_image: &Arc<Image>, _delta: &Delta) -> Option<Self::News> {
        None
    }

    /// Decides on news. What came while the machine was loading comes when it is loaded.
    fn hear(&mut self, _news: Self::News, _now: Timestamp) -> Decision<Self> {
        Decision::<Self>::default()
    }

    /// The records of the last decision are larger than a batch of the log may be, and none of them has been replayed:
    /// decides on what follows. Requests that the decision has answered are refused by the host, but for those that
    /// this answers.
    fn not_written(&mut self, _now: Timestamp) -> Decision<Self> {
        Decision::<Self>::default()
    }

    /// Applies one record: the only way for logged state to change, but for the end of transactions. What belongs to an
    /// open transaction must not count before that has been committed.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn replay(&mut self, record: &Replayed<'_>, now: Timestamp) -> Result<(), Self::ReplayError>;

    /// Applies the end of a transaction.
    fn transaction_ended(&mut self, _end: &TransactionEnd, _now: Timestamp) {}

    /// Called once when everything has been replayed: decides on what was left undone.
    fn loaded(&mut self, now: Timestamp) -> Decision<Self>;

    /// The machine is given up. Of what this decides only replies and effects count, which are given and had at once;
    /// the host answers whoever still waits.
    fn unloaded(&mut self) -> Decision<Self> {
        Decision::<Self>::default()
    }
}

/// A machine that can be asked `A`.
pub(super) trait Decides<A: Ask>: Machine {
    /// What the question is about.
    fn subject(ask: &A) -> Subject;

    /// Decides. Changes no state that is in the log. `token` names the request when it is answered, now or later.
    fn decide(&mut self, token: Token<A::Reply>, ask: A, now: Timestamp) -> Decision<Self>;

    /// The machine's own answer to a question on which the decision is larger than a batch of the log may be; without
    /// one the host refuses.
    fn too_large() -> Option<A::Reply> {
        None
    }
}

/// What a decision is about, for the line that tells that it could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// What was to be done, by Kafka's name of the API where there is one.
    pub(super) operation: &'static str,
    /// The key, as in a group's id; empty for what is about all of them.
    pub(super) key: Arc<str>,
}

impl Subject {
    /// Something that is about all keys.
    pub(super) fn all(operation: &'static str) -> Self {
        Self {
            operation,
            key: Arc::default(),
        }
    }
}
