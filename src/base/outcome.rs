//! What a state machine answers to a command: the records to write, the replies to give once they
//! are written, and the timers to change. The machine itself has not changed its hard state; it
//! will when the host replays the records into it.

use std::time::Duration;

/// Names a request that waits for its reply. The host gives one to every command; a machine may
/// keep it (a join that waits for other members) and answer it in a later outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// A change to one of a machine's timers, named by a key of the machine's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerChange<K> {
    /// Fire `key` after this time, instead of whenever it was set to fire before.
    Set(K, Duration),
    /// Do not fire `key`.
    Cancel(K),
}

/// The decision of a machine on one command.
#[derive(Debug)]
pub struct Outcome<Record, Reply, TimerKey> {
    /// Written as one batch, in this order, and replayed into the machine before any reply is given.
    pub records: Vec<Record>,
    /// Replies that may leave once the records (or, without records, all earlier ones) are committed.
    pub replies: Vec<(Token, Reply)>,
    /// Timers to set or cancel at once.
    pub timers: Vec<TimerChange<TimerKey>>,
}

impl<Record, Reply, TimerKey> Default for Outcome<Record, Reply, TimerKey> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            replies: Vec::new(),
            timers: Vec::new(),
        }
    }
}

impl<Record, Reply, TimerKey> Outcome<Record, Reply, TimerKey> {
    /// An outcome that only answers `token`.
    pub fn reply(token: Token, reply: Reply) -> Self {
        Self {
            replies: vec![(token, reply)],
            ..Self::default()
        }
    }
}
