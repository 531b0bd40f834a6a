//! The timers of one machine, by key: setting a key again replaces its time.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use tokio::time::Instant;

use crate::base::TimerChange;

/// The capacity that the table of keys may keep, used or not.
const SMALL: usize = 64;

#[derive(Debug)]
pub(super) struct Timers<K> {
    /// The number breaks ties between timers that are due at the same time.
    due: BTreeMap<(Instant, u64), K>,
    positions: HashMap<K, (Instant, u64)>,
    next: u64,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            positions: HashMap::new(),
            next: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Timers<K> {
    pub(super) fn change(&mut self, change: TimerChange<K>, now: Instant) {
        match change {
            TimerChange::Start(key, _) if self.positions.contains_key(&key) => {}
            TimerChange::Set(key, after) | TimerChange::Start(key, after) => {
                self.cancel(&key);
                let position = (now + after, self.next);
                self.next += 1;
                self.due.insert(position, key.clone());
                self.positions.insert(key, position);
            }
            TimerChange::Cancel(key) => self.cancel(&key),
        }
    }

    fn cancel(&mut self, key: &K) {
        if let Some(position) = self.positions.remove(key) {
            self.due.remove(&position);
            self.let_go();
        }
    }

    /// Frees most of a table that was much larger before. Its use must double before it grows again.
    fn let_go(&mut self) {
        let (used, room) = (self.positions.len(), self.positions.capacity());
        if room > SMALL && used < room / 8 {
            self.positions.shrink_to(used.saturating_mul(2));
        }
    }

    /// When the next timer is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.keys().next().map(|(instant, _)| *instant)
    }

    /// Takes out one timer that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<K> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let key = first.remove();
        self.positions.remove(&key);
        self.let_go();
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_set_again_fires_once_at_the_later_time() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.change(TimerChange::Set("session", Duration::from_secs(1)), start);
        timers.change(TimerChange::Set("session", Duration::from_secs(5)), start);
        timers.change(TimerChange::Set("other", Duration::from_secs(2)), start);
        timers.change(TimerChange::Cancel("other"), start);
        assert_eq!(timers.take_due(start + Duration::from_secs(4)), None);
        assert_eq!(
            timers.take_due(start + Duration::from_secs(5)),
            Some("session")
        );
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn a_timer_that_is_set_is_not_started_again() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.change(TimerChange::Start("join", Duration::from_secs(1)), start);
        timers.change(TimerChange::Start("join", Duration::from_secs(5)), start);
        assert_eq!(
            timers.take_due(start + Duration::from_secs(1)),
            Some("join")
        );
        timers.change(TimerChange::Start("join", Duration::from_secs(5)), start);
        assert_eq!(timers.next_due(), Some(start + Duration::from_secs(5)));
    }

    #[test]
    fn what_many_timers_took_is_given_back() {
        let start = Instant::now();
        let mut timers = Timers::default();
        for key in 0..10_000 {
            timers.change(TimerChange::Set(key, Duration::ZERO), start);
        }
        for key in 0..5_000 {
            timers.change(TimerChange::Cancel(key), start);
        }
        while timers.take_due(start).is_some() {}
        assert!(timers.positions.capacity() <= SMALL);
    }
}
