//! The part that the hosts of the coordinators' machines have in common in tests: the clock, the timers and the replies.

use std::collections::BTreeMap;

use super::{KeyValue, Offset, Replayed, SealedReply, TimerChange, Timestamp, Token};

/// What a host keeps for a machine with these keys of timers.
#[derive(Debug)]
pub struct TestHost<K> {
    /// The time, which only passes when a test says so.
    pub now: Timestamp,
    /// When each timer fires, and the order in which they were set.
    pub timers: BTreeMap<K, (Timestamp, u64)>,
    replies: BTreeMap<u64, SealedReply>,
    counter: u64,
}

impl<K: Ord + Clone> TestHost<K> {
    /// At this time, without timers and replies.
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now,
            timers: BTreeMap::new(),
            replies: BTreeMap::new(),
            counter: 0,
        }
    }

    /// A number that was not there before.
    pub const fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Sets and cancels timers.
    pub fn change_timers(&mut self, changes: Vec<TimerChange<K>>) {
        for change in changes {
            match change {
                TimerChange::Start(key, _) if self.timers.contains_key(&key) => {}
                TimerChange::Set(key, after) | TimerChange::Start(key, after) => {
                    let order = self.count();
                    let after = i64::try_from(after.as_millis()).unwrap();
                    let at = self.now.plus_millis(after);
                    self.timers.insert(key, (at, order));
                }
                TimerChange::Cancel(key) => {
                    self.timers.remove(&key);
                }
            }
        }
    }

    /// The next timer that fires by `end`; the time is then that of the timer. Without one it is `end`.
    pub fn next_timer(&mut self, end: Timestamp) -> Option<K> {
        let due = self.timers.iter().filter(|(_, (at, _))| *at <= end);
        let next = due.min_by_key(|(_, when)| **when);
        let next = next.map(|(key, (at, _))| (key.clone(), *at));
        let Some((key, at)) = next else {
            self.now = end;
            return None;
        };
        self.timers.remove(&key);
        self.now = self.now.max(at);
        Some(key)
    }

    /// Keeps a reply until a test asks for it.
    pub fn keep(&mut self, reply: SealedReply) {
        self.replies.insert(reply.number(), reply);
    }

    /// Whether a reply to this request is there.
    pub fn has_reply(&self, request: u64) -> bool {
        self.replies.contains_key(&request)
    }

    /// The reply to a request, if there is one.
    pub fn answer<R: 'static>(&mut self, token: Token<R>) -> Option<R> {
        let reply = self.replies.remove(&token.number())?;
        Some(reply.open(token).expect("the reply that was asked for"))
    }
}

/// A record outside of transactions. Its offset does not matter.
pub fn replayed(record: &KeyValue) -> Replayed<'_> {
    Replayed {
        key: &record.key,
        value: record.value.as_deref(),
        producer: None,
        place: Offset(0),
    }
}
