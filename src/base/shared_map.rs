//! An ordered map whose clones share unchanged parts.
//!
//! ```text
//!   chunks:   [ a..f ] [ g..k ] [ m..z ]       each at most 128 entries, none empty
//!   a clone:     │        │        │
//!   after m':  [ a..f ] [ g..k ] [ m'..z ]     the first two are the same chunks in memory
//! ```
//!
//! The image of a cluster with ten thousand topics is published again for each topic that changes, and a snapshot of a
//! partition's producers is written while the partition goes on.
//! Copying a map of ten thousand pointers takes milliseconds; copying the list of its chunks and one
//! chunk takes microseconds. A lookup is two binary searches. A map that is not shared is changed in
//! place, so loading a log copies nothing.

use std::borrow::Borrow;
use std::sync::Arc;

/// The most entries that a chunk has.
const CHUNK: usize = 128;

type Chunk<K, V> = Vec<(K, V)>;

/// An ordered map whose clones share unchanged parts.
#[derive(Clone, Debug)]
pub(crate) struct SharedMap<K, V> {
    /// In the order of their keys, none empty.
    chunks: Arc<Vec<Arc<Chunk<K, V>>>>,
    length: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self {
            chunks: Arc::default(),
            length: 0,
        }
    }
}

/// Maps are equal if their entries are, however these are divided into chunks.
impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K, V> SharedMap<K, V> {
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// The chunk that holds `key` if any does: the last one that does not begin after it.
    fn chunk_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let begins_before = |chunk: &Chunk<K, V>| {
            chunk
                .first()
                .is_some_and(|(first, _)| first.borrow() <= key)
        };
        self.chunks
            .partition_point(|chunk| begins_before(chunk))
            .saturating_sub(1)
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let index = place(chunk, key).ok()?;
        chunk.get(index).map(|(_, value)| value)
    }
}

impl<K, V> SharedMap<K, V> {
    /// The first entry after `key`, whether `key` exists or not.
    pub(crate) fn after<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let at = self.chunk_of(key);
        let index = self
            .chunks
            .get(at)?
            .partition_point(|(other, _)| other.borrow() <= key);
        let within = self.chunks.get(at).and_then(|chunk| chunk.get(index));
        let next = within.or_else(|| self.chunks.get(at + 1)?.first());
        next.map(|(key, value)| (key, value))
    }
}

/// Where `key` is in `chunk`, or would be.
fn place<K: Borrow<Q>, V, Q: Ord + ?Sized>(chunk: &Chunk<K, V>, key: &Q) -> Result<usize, usize> {
    chunk.binary_search_by(|(other, _)| other.borrow().cmp(key))
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Sets the value of `key`.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let at = self.chunk_of(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let Some(chunk) = chunks.get_mut(at) else {
            chunks.push(Arc::new(vec![(key, value)]));
            self.length = 1;
            return;
        };
        let chunk = Arc::make_mut(chunk);
        match place(chunk, &key) {
            Ok(index) => {
                if let Some((_, present)) = chunk.get_mut(index) {
                    *present = value;
                }
            }
            Err(index) => {
                chunk.insert(index, (key, value));
                self.length += 1;
                if chunk.len() > CHUNK {
                    // Keys that come in order, as new producer ids do, leave full chunks behind.
                    let stays = if index == CHUNK { CHUNK } else { CHUNK / 2 };
                    let rest = chunk.split_off(stays);
                    chunk.shrink_to_fit();
                    chunks.insert(at + 1, Arc::new(rest));
                }
            }
        }
    }

    /// Removes the entries that `keep` rejects, among `most` entries or a chunk more, starting at the chunk of
    /// `from` or the first. Returns where to continue, if there are more.
    pub(crate) fn retain_some(
        &mut self,
        from: Option<&K>,
        most: usize,
        keep: impl Fn(&K, &V) -> bool,
    ) -> Option<K> {
        let mut at = from.map_or(0, |key| self.chunk_of(key));
        let mut seen = 0;
        while let Some(chunk) = self.chunks.get(at) {
            if seen >= most {
                return chunk.first().map(|(key, _)| key.clone());
            }
            seen += chunk.len();
            if chunk.iter().all(|(key, value)| keep(key, value)) {
                at += 1;
                continue;
            }
            let chunks = Arc::make_mut(&mut self.chunks);
            // if the chunk is shared, only the remaining entries are copied
            let stays = chunks[at].iter().filter(|(key, value)| keep(key, value));
            let stays: Chunk<K, V> = stays.cloned().collect();
            self.length -= chunks[at].len() - stays.len();
            let before = at.checked_sub(1);
            let fits = |before: usize| chunks[before].len() + stays.len() <= CHUNK / 2;
            match before {
                _ if stays.is_empty() => drop(chunks.remove(at)),
                // Deleting most of the entries must not leave a list of tiny chunks.
                Some(before) if fits(before) => {
                    chunks.remove(at);
                    Arc::make_mut(&mut chunks[before]).extend(stays);
                }
                _ => {
                    chunks[at] = Arc::new(stays);
                    at += 1;
                }
            }
        }
        None
    }

    /// Removes `key` and returns its value.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.chunk_of(key);
        let index = place(self.chunks.get(at)?, key).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(chunks.get_mut(at)?);
        let (_, value) = chunk.remove(index);
        self.length -= 1;
        let left = chunk.len();
        if left == 0 {
            chunks.remove(at);
        } else if left < CHUNK / 4
            && chunks
                .get(at + 1)
                .is_some_and(|next| left + next.len() <= CHUNK / 2)
        {
            // Deleting most of the entries must not leave a list of tiny chunks.
            let next = chunks.remove(at + 1);
            if let Some(chunk) = chunks.get_mut(at) {
                Arc::make_mut(chunk).extend(next.iter().cloned());
            }
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Arc, CHUNK, SharedMap};

    proptest! {
        #[test]
        fn it_behaves_as_an_ordered_map_does(
            steps in vec((0..600_u16, proptest::option::weighted(0.6, any::<u8>())), 0..2_000),
        ) {
            let mut map = SharedMap::default();
            let mut model = BTreeMap::new();
            let mut earlier = Vec::new();
            for (number, (key, value)) in steps.into_iter().enumerate() {
                if number % 400 == 0 {
                    earlier.push((map.clone(), model.clone()));
                }
                match value {
                    Some(value) => {
                        map.insert(key, value);
                        model.insert(key, value);
                    }
                    None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.after(&key), model.range(key + 1..).next());
            }
            earlier.push((map, model));
            for (map, model) in earlier {
                prop_assert_eq!(map.len(), model.len());
                prop_assert_eq!(map.is_empty(), model.is_empty());
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert!(map.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_not_wanted_goes_some_at_a_time(
            keys in vec(0..2_000_u16, 0..1_500),
            divisor in 1..9_u16,
            most in 1..500_usize,
        ) {
            let mut map = SharedMap::default();
            for key in &keys {
                map.insert(*key, ());
            }
            let before = map.clone();
            let mut expected: Vec<u16> = keys;
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(before.len(), expected.len());
            expected.retain(|key| key % divisor != 0);
            let mut from = None;
            loop {
                from = map.retain_some(from.as_ref(), most, |key, ()| key % divisor != 0);
                if from.is_none() {
                    break;
                }
            }
            prop_assert_eq!(map.len(), expected.len());
            prop_assert!(map.iter().map(|(key, ())| *key).eq(expected));
            prop_assert!(map.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())));
        }
    }

    #[test]
    fn a_change_copies_one_chunk() {
        let mut map = SharedMap::default();
        for key in 0..10_000 {
            map.insert(key, key);
        }
        let before = map.clone();
        map.insert(5_000, 0);
        let shared = before
            .chunks
            .iter()
            .zip(&*map.chunks)
            .filter(|(one, two)| Arc::ptr_eq(one, two));
        assert_eq!(shared.count(), map.chunks.len() - 1);
        assert_eq!(
            (before.get(&5_000), map.get(&5_000)),
            (Some(&5_000), Some(&0))
        );
    }
}
