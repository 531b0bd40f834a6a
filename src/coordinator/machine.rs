//! What a machine must offer to be hosted.

use std::fmt::Display;
use std::hash::Hash;
use std::sync::Arc;

use crate::base::{Ask, Bounds, Outcome, TimerChange, Timestamp, Token};

/// A state machine whose only memory is a partition of an internal topic.
pub(super) trait Machine: Send + Sized + 'static {
    /// How it names its timers.
    type TimerKey: Clone + Eq + Hash + Send + 'static;
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
    fn timer_fired(&mut self, key: Self::TimerKey, now: Timestamp) -> Outcome<Self::TimerKey>;

    /// The records of the last decision are larger than a batch of the log may be, and none of them has been replayed:
    /// decides on what follows. Requests that the decision has answered are refused by the host, but for those that
    /// this answers.
    fn not_written(&mut self, _now: Timestamp) -> Outcome<Self::TimerKey> {
        Outcome::default()
    }

    /// Applies one record: the only way for logged state to change.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn replay(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<(), Self::ReplayError>;

    /// Called once when everything has been replayed.
    fn loaded(&mut self, now: Timestamp) -> Vec<TimerChange<Self::TimerKey>>;
}

/// A machine that can be asked `A`.
pub(super) trait Decides<A: Ask>: Machine {
    /// What the question is about.
    fn subject(ask: &A) -> Subject;

    /// Decides. Changes no state that is in the log. `token` names the request when it is answered, now or later.
    fn decide(&mut self, token: Token<A::Reply>, ask: A, now: Timestamp)
    -> Outcome<Self::TimerKey>;
}

/// What a decision is about, for the line that tells that it could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// What was to be done, by Kafka's name of the API where there is one.
    pub(super) operation: &'static str,
    /// The key, as in a group's id; empty for what is about all of them.
    pub(super) key: Arc<str>,
}
