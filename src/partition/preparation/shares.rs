//! Chooses who is served next among those who wait: the party that is served least now, and was served least lately.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

/// How many idle parties are remembered.
const MOST_REMEMBERED: usize = 4096;

/// The parties, and the time that each of them has had.
///
/// A party's time is remembered as long as another one waits that has had less. A party that comes back counts as
/// having had as much as the one served last: idle time is not saved up.
#[derive(Debug)]
pub(super) struct Shares<K> {
    parties: HashMap<K, Party>,
    /// Running jobs, time had, and party: parties are served in this order.
    waiting: BTreeSet<(usize, Duration, K)>,
    /// The time that the party served last has had.
    floor: Duration,
}

#[derive(Debug, Default)]
struct Party {
    waits: bool,
    under_way: usize,
    had: Duration,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self {
            parties: HashMap::new(),
            waiting: BTreeSet::new(),
            floor: Duration::ZERO,
        }
    }
}

impl<K: Copy + Ord + Hash> Shares<K> {
    /// Whether no party waits, is served or is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.parties.is_empty()
    }

    /// `key` waits, if it does not wait yet.
    pub(super) fn wait(&mut self, key: K) {
        let floor = self.floor;
        self.change(key, |party| {
            if !party.waits {
                party.waits = true;
                party.had = party.had.max(floor);
            }
        });
    }

    /// `key` does not wait any more.
    pub(super) fn leave(&mut self, key: K) {
        self.change(key, |party| party.waits = false);
        self.forget(key);
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<K> {
        self.waiting.first().map(|(_, _, key)| *key)
    }

    /// A job of `key` begins.
    pub(super) fn begin(&mut self, key: K) {
        let had = self.change(key, |party| {
            party.under_way += 1;
            party.had
        });
        self.floor = self.floor.max(had);
    }

    /// A job of `key` ends after this time.
    pub(super) fn end(&mut self, key: K, spent: Duration) {
        self.change(key, |party| {
            party.under_way = party.under_way.saturating_sub(1);
            party.had = party.had.saturating_add(spent);
        });
        self.forget(key);
    }

    fn change<R>(&mut self, key: K, change: impl FnOnce(&mut Party) -> R) -> R {
        let party = self.parties.entry(key).or_default();
        if party.waits {
            self.waiting.remove(&(party.under_way, party.had, key));
        }
        let result = change(party);
        if party.waits {
            self.waiting.insert((party.under_way, party.had, key));
        }
        result
    }

    /// Forgets parties that no longer make a difference.
    fn forget(&mut self, key: K) {
        let floor = self.floor;
        let is_idle = |party: &Party| !party.waits && party.under_way == 0;
        if let Some(party) = self.parties.get(&key)
            && is_idle(party)
            && party.had <= floor
        {
            self.parties.remove(&key);
        }
        let nobody = self.waiting.is_empty() && self.parties.values().all(is_idle);
        if nobody || self.parties.len() > MOST_REMEMBERED + self.waiting.len() {
            self.parties.retain(|_, party| !is_idle(party));
        }
    }
}
