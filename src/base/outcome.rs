//! What a state machine returns for a question: the records to write, the replies and the effects that follow once they
//! are written, and the timers to change. The question has not changed the state that records describe; that
//! happens when the host replays the records into the machine.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::ids::{ProducerEpoch, ProducerId};
use super::offset::Offset;

/// Names a request that waits for a reply of type `R`. The host gives one to every question; a machine may
/// keep it (a join that waits for other members) and answer it in a later outcome.
pub struct Token<R> {
    number: u64,
    reply: PhantomData<fn() -> R>,
}

impl<R> Token<R> {
    /// The token of the request with this number.
    pub const fn new(number: u64) -> Self {
        Self {
            number,
            reply: PhantomData,
        }
    }

    /// The number of the request. No two requests to one machine have the same.
    #[cfg(test)]
    pub const fn number(self) -> u64 {
        self.number
    }
}

// Derived, these would ask the same of the reply.
impl<R> Clone for Token<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Token<R> {}

impl<R> PartialEq for Token<R> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<R> Eq for Token<R> {}

impl<R> fmt::Debug for Token<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.number)
    }
}

/// A reply on its way. The type of what is in it is known to whoever has the token.
#[derive(Debug)]
pub struct SealedReply {
    number: u64,
    reply: Box<dyn Any + Send>,
}

impl SealedReply {
    /// The reply to the request that `token` names.
    pub fn new<R: Send + 'static>(token: Token<R>, reply: R) -> Self {
        Self {
            number: token.number,
            reply: Box::new(reply),
        }
    }

    /// The number of the request.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The reply, if it is the one to the request that `token` names.
    pub fn open<R: 'static>(self, token: Token<R>) -> Option<R> {
        let reply = self.reply.downcast();
        reply
            .ok()
            .filter(|_| self.number == token.number)
            .map(|reply| *reply)
    }
}

/// A record of an internal topic, encoded. Without a value it is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// What the record is about.
    pub key: Vec<u8>,
    /// What is so from now on, or nothing when it is over.
    pub value: Option<Vec<u8>>,
}

/// What bounds a decision from outside of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The largest record batch that the log takes, in bytes.
    pub largest_batch: usize,
    /// What the other machines of the kind hold in memory, in bytes.
    pub held_elsewhere: usize,
    /// How many machines of the kind there are.
    pub machines: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            largest_batch: usize::MAX,
            held_elsewhere: 0,
            machines: 1,
        }
    }
}

/// A change to one of a machine's timers, named by a key of the machine's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerChange<K> {
    /// Fire `key` after this time. This replaces an earlier setting of the timer.
    Set(K, Duration),
    /// The same, unless the timer is set already.
    Start(K, Duration),
    /// Do not fire `key`.
    Cancel(K),
}

/// A producer and its epoch, under which records of its open transaction are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The producer.
    pub producer: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

/// The decision of a machine that has effects of the kind `Effect`.
#[derive(Debug)]
pub struct Outcome<TimerKey, Effect = Infallible> {
    /// Written as one batch, in this order, and replayed into the machine before any reply is given.
    pub records: Vec<KeyValue>,
    /// The open transaction to which the records belong: they hold when a marker says that it is committed.
    pub transaction: Option<Transaction>,
    /// Replies that may leave once the records (or, without records, all earlier ones) are committed.
    pub replies: Vec<SealedReply>,
    /// Timers to set or cancel at once.
    pub timers: Vec<TimerChange<TimerKey>>,
    /// What others are to carry out, once the same are committed as for the replies.
    pub effects: Vec<Effect>,
}

impl<TimerKey, Effect> Default for Outcome<TimerKey, Effect> {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            transaction: None,
            replies: Vec::new(),
            timers: Vec::new(),
            effects: Vec::new(),
        }
    }
}

impl<TimerKey, Effect> Outcome<TimerKey, Effect> {
    /// Answers the request that `token` names.
    pub fn reply<R: Send + 'static>(&mut self, token: Token<R>, reply: R) {
        self.replies.push(SealedReply::new(token, reply));
    }
}

/// A record that is in the log of a machine, or is about to be.
#[derive(Clone, Copy, Debug)]
pub struct Replayed<'a> {
    /// What the record is about.
    pub key: &'a [u8],
    /// What is so from now on, or nothing when it is over.
    pub value: Option<&'a [u8]>,
    /// The producer to whose open transaction it belongs.
    pub producer: Option<ProducerId>,
    /// The record's place in the order of the log: above those of all records before it.
    pub place: Offset,
}

/// A marker that ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionEnd {
    /// The producer whose transaction it was.
    pub producer: ProducerId,
    /// Whether the records of the transaction hold.
    pub is_committed: bool,
    /// The marker's place in the order of the log. What the producer has written behind it is of its next transaction.
    pub place: Offset,
}

#[cfg(test)]
mod tests {
    use super::{SealedReply, Token};

    #[test]
    fn a_reply_is_for_the_one_who_asked() {
        let token = Token::new(3);
        let reply = || SealedReply::new(token, "yes");
        assert_eq!(reply().open(token), Some("yes"));
        assert_eq!(reply().open(Token::<&str>::new(4)), None);
        assert_eq!(reply().open(Token::<u8>::new(3)), None);
    }
}
