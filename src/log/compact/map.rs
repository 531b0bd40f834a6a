//! The newest offset of each key, for as many keys as there is room for.
//!
//! ```text
//!   key --keyed hash--> 128 bits --low bits--> shard --next bits--> slot, then on to the first free one
//!                                                     [ 128 bits | offset ] [ 128 bits | offset ] ...
//! ```
//! The map holds hashes instead of keys, as Kafka's does: 24 bytes per entry, whatever the length of the key. Keys
//! come from clients, so the hash has a secret: nobody can construct two keys with the same hash.
//!
//! Memory is allocated as the map fills. It consists of small tables that grow one by one, so that little is copied at a
//! time. At its limit it uses as much memory as the buffer setting allows.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::base::Offset;

/// Bytes of an entry, as Kafka counts them.
const ENTRY_SIZE: usize = size_of::<Entry>();

const SHARDS: usize = 64;

/// A table grows when it is filled to this fraction, in eighths.
const MOST_EIGHTHS: usize = 7;

const FIRST_SLOTS: usize = 8;

#[derive(Clone, Copy)]
struct Entry {
    hash: [u64; 2],
    offset: i64,
}

const FREE: Entry = Entry {
    hash: [0; 2],
    offset: -1,
};

/// The newest offsets of keys.
pub(crate) struct OffsetMap {
    secret: [u64; 2],
    shards: Vec<Vec<Entry>>,
    counts: Vec<usize>,
    count: usize,
    most: usize,
    /// A table of this many slots grows only when it is full: all of them together are the buffer, and the
    /// twentieth part more that they need because hashes do not fill them equally.
    usual_slots: usize,
    /// Every key of the dirty section up to here is in the map.
    latest: Offset,
}

impl std::fmt::Debug for OffsetMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OffsetMap")
            .field("count", &self.count)
            .field("most", &self.most)
            .field("latest", &self.latest)
            .finish_non_exhaustive()
    }
}

impl OffsetMap {
    /// A map that may take `bytes`, filled up to `load_factor` of them.
    pub(crate) fn new(bytes: u64, load_factor: f64, secret: [u64; 2]) -> Self {
        let slots = bytes / ENTRY_SIZE as u64;
        // a product of numbers far below 2^53, and a cast that saturates
        let most = (slots as f64 * load_factor) as u64;
        let usual_slots = usize::try_from(slots + slots / 20).unwrap_or(usize::MAX) / SHARDS;
        Self {
            secret,
            shards: vec![Vec::new(); SHARDS],
            counts: vec![0; SHARDS],
            count: 0,
            most: usize::try_from(most).unwrap_or(usize::MAX).max(1),
            usual_slots: usual_slots.max(FIRST_SLOTS),
            latest: Offset::NONE,
        }
    }

    /// Notes `offset` as the newest of `key`. False when there is no room for another key.
    pub(crate) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = self.hash(key);
        let shard = shard_of(hash);
        let (Some(entries), Some(count)) = (self.shards.get_mut(shard), self.counts.get_mut(shard))
        else {
            return false;
        };
        if let Some(entry) = find(entries, hash).filter(|entry| entry.offset >= 0) {
            entry.offset = entry.offset.max(offset.0);
            return true;
        }
        if self.count >= self.most {
            return false;
        }
        let is_full = if entries.len() < self.usual_slots {
            *count * 8 >= entries.len() * MOST_EIGHTHS
        } else {
            *count + 1 >= entries.len()
        };
        if is_full {
            grow(entries, self.usual_slots);
        }
        if let Some(entry) = find(entries, hash) {
            *entry = Entry {
                hash,
                offset: offset.0,
            };
        }
        *count += 1;
        self.count += 1;
        true
    }

    /// The newest offset of `key`, if it was seen.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Offset> {
        let hash = self.hash(key);
        let entries = self.shards.get(shard_of(hash))?;
        let at = place(entries, hash)?;
        let entry = entries.get(at)?;
        (entry.offset >= 0).then_some(Offset(entry.offset))
    }

    /// How many keys there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Every key of the dirty section up to this offset is in the map.
    pub(crate) const fn latest(&self) -> Offset {
        self.latest
    }

    /// Notes that every key up to `offset` is in the map.
    pub(crate) fn reach(&mut self, offset: Offset) {
        self.latest = self.latest.max(offset);
    }

    /// Bytes that the tables take.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.iter().map(Vec::len).sum::<usize>() * ENTRY_SIZE
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        let [k0, k1] = self.secret;
        let mut hasher = SipHasher13::new_with_keys(k0, k1);
        hasher.write(key);
        let hash = hasher.finish128();
        [hash.h1, hash.h2]
    }
}

const fn shard_of(hash: [u64; 2]) -> usize {
    // the remainder is below the number of shards
    (hash[0] % SHARDS as u64) as usize
}

/// Where the entry of `hash` is or would be; `None` in a table without room.
fn place(entries: &[Entry], hash: [u64; 2]) -> Option<usize> {
    let size = entries.len();
    let first = usize::try_from(hash[1] % (size.max(1) as u64)).ok()?;
    (first..size).chain(0..first).find(|at| {
        entries
            .get(*at)
            .is_some_and(|entry| entry.offset < 0 || entry.hash == hash)
    })
}

fn find(entries: &mut [Entry], hash: [u64; 2]) -> Option<&mut Entry> {
    let at = place(entries, hash)?;
    entries.get_mut(at)
}

/// Makes a table half as large again, but stops at `usual_slots` on the way.
fn grow(entries: &mut Vec<Entry>, usual_slots: usize) {
    let mut size = (entries.len() + entries.len() / 2).max(FIRST_SLOTS);
    if entries.len() < usual_slots {
        size = size.min(usual_slots);
    }
    let before = std::mem::replace(entries, vec![FREE; size]);
    for entry in before.into_iter().filter(|entry| entry.offset >= 0) {
        if let Some(place) = find(entries, entry.hash) {
            *place = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(puts in prop::collection::vec((0u16..500, 0i64..10_000), 0..2000)) {
            let mut map = OffsetMap::new(24 * 1000, 1.0, [1, 2]);
            let mut model: HashMap<u16, i64> = HashMap::new();
            for (key, offset) in puts {
                prop_assert!(map.put(&key.to_be_bytes(), Offset(offset)));
                let newest = model.entry(key).or_insert(offset);
                *newest = offset.max(*newest);
            }
            prop_assert_eq!(map.len(), model.len());
            for key in 0..500u16 {
                let expected = model.get(&key).copied().map(Offset);
                prop_assert_eq!(map.get(&key.to_be_bytes()), expected);
            }
        }
    }

    #[test]
    fn it_takes_memory_as_it_fills_and_no_more_than_it_may() {
        let buffer = 24 * 100_000;
        let mut map = OffsetMap::new(buffer, 0.9, [3, 4]);
        assert_eq!(map.bytes(), 0);
        let mut put = 0u32;
        while map.put(&put.to_be_bytes(), Offset(i64::from(put))) {
            put += 1;
            assert!(map.bytes() as u64 <= buffer * 21 / 20);
            if put > 1000 {
                assert!(map.bytes() <= put as usize * 24 * 2);
            }
        }
        assert_eq!(put, 90_000);
        // the entries can still be moved
        assert!(map.put(&7u32.to_be_bytes(), Offset(1_000_000)));
        assert_eq!(map.get(&7u32.to_be_bytes()), Some(Offset(1_000_000)));
        assert_eq!(map.len(), 90_000);
    }
}
