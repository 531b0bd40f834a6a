//! The partitions that a client wants, what was sent for each of them, and which of them are due.
//!
//! ```text
//!                 added, changed by a request, marked by its watch,
//!                 not caught up, not readable
//!      quiet  ------------------------------------------------------>  due
//!        ^                                                              |
//!        +---------------  read, and nothing was left to read  <--------+
//! ```
//! For a quiet partition the client has all records, and nothing has changed since its positions were sent. Such a
//! partition enters an answer only after news, which the watch receives. A partition is registered with the watch
//! before it is read, so a publication in between marks it again.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::partition::replica::Replica;
use crate::partition::waiters::{Registration, Watch};

use super::read::FetchPart;
use super::{Finder, PartitionKey, ReadFailure, Reported, TopicKey, WantedPartition};

/// The cost of a partition here and in its waiters, in bytes, besides its topic's name.
const PARTITION_BYTES: usize = 320;

/// The partitions of one fetch, or of a session of fetches.
#[derive(Debug, Default)]
pub(in crate::partition) struct Interest {
    entries: Vec<Option<Entry>>,
    /// Unused slots of `entries`.
    free: Vec<u32>,
    slots: HashMap<PartitionKey, u32>,
    /// All due partitions, each at least once; some may not be due any more.
    due: Vec<u32>,
    /// How many partitions were found at the last lookup.
    found: usize,
    next_place: u64,
    /// Counts the requests.
    request: u64,
    bytes: usize,
    read_committed: bool,
    watch: Arc<Watch>,
}

#[derive(Debug)]
struct Entry {
    key: PartitionKey,
    wanted: WantedPartition,
    /// Answers name partitions in the order of their places.
    place: u64,
    /// The high watermark and the log start that were sent last.
    told: Option<(i64, i64)>,
    /// Whether the topic was known when an answer named it.
    was_known: bool,
    is_due: bool,
    /// The request in which the partition was visited last, and its index in that request's list.
    looked: (u64, usize),
    found: Option<Found>,
}

/// The replica, which can end at any time when the topic is deleted, and the registration with its waiters.
#[derive(Debug)]
struct Found {
    replica: Weak<Replica>,
    _registration: Registration,
}

/// A partition that is visited for an answer.
pub(super) struct Looked {
    pub(super) slot: u32,
    pub(super) place: u64,
    pub(super) part: Result<FetchPart, ReadFailure>,
    /// The readable bytes at the last visit.
    pub(super) available: u64,
}

impl Interest {
    /// Empty, with room for this many partitions.
    pub(in crate::partition) fn with_capacity(count: usize) -> Self {
        Self {
            entries: Vec::with_capacity(count),
            due: Vec::with_capacity(count),
            slots: HashMap::with_capacity(count),
            ..Self::default()
        }
    }

    pub(super) const fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// The number of partitions.
    pub(in crate::partition) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The approximate memory use in bytes.
    pub(in crate::partition) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether any of the partitions is here.
    pub(super) const fn has_found_any(&self) -> bool {
        self.found > 0
    }

    /// No partition will be added or forgotten any more: frees the index by key, which takes memory.
    pub(in crate::partition) fn close(&mut self) {
        self.slots = HashMap::new();
    }

    /// Adds or changes a partition. A new one goes to the last place.
    pub(in crate::partition) fn want(&mut self, key: PartitionKey, wanted: WantedPartition) {
        if let Some(slot) = self.slots.get(&key).copied() {
            if let Some(entry) = self.entry_mut(slot) {
                entry.wanted = wanted;
            }
            self.make_due(slot);
            return;
        }
        let place = self.new_place();
        let entry = Entry {
            key: key.clone(),
            wanted,
            place,
            told: None,
            was_known: false,
            is_due: true,
            looked: (0, 0),
            found: None,
        };
        self.bytes += cost(&key);
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(empty) = self.entries.get_mut(slot as usize) {
                    *empty = Some(entry);
                }
                slot
            }
            None => {
                self.entries.push(Some(entry));
                // As many partitions as fit in a frame.
                (self.entries.len() - 1) as u32
            }
        };
        self.due.push(slot);
        self.slots.insert(key, slot);
    }

    /// Removes a partition.
    pub(in crate::partition) fn forget(&mut self, key: &PartitionKey) {
        let Some(slot) = self.slots.remove(key) else {
            return;
        };
        self.lose(slot);
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            *entry = None;
        }
        self.free.push(slot);
        self.bytes = self.bytes.saturating_sub(cost(key));
    }

    /// The isolation level. It changes what is visible of each partition, so after a change all partitions are due.
    pub(in crate::partition) fn read_committed(&mut self, read_committed: bool) {
        if std::mem::replace(&mut self.read_committed, read_committed) != read_committed {
            for slot in 0..self.entries.len() {
                self.make_due(slot as u32);
            }
        }
    }

    /// Begins a request. Returns the due partitions, in the order of their places. They stay due until
    /// [`Self::settle`] is called for them.
    pub(super) fn due(&mut self) -> Vec<u32> {
        self.request += 1;
        for slot in self.watch.take_marked() {
            self.make_due(slot);
        }
        let entries = &self.entries;
        let entry = |slot: u32| entries.get(slot as usize).and_then(Option::as_ref);
        self.due
            .retain(|slot| entry(*slot).is_some_and(|entry| entry.is_due));
        self.due
            .sort_unstable_by_key(|slot| entry(*slot).map(|entry| entry.place));
        self.due.dedup();
        self.due.clone()
    }

    /// Looks up a partition and registers it with the watch.
    pub(super) fn look_for(&mut self, slot: u32, finder: &impl Finder, looked: &mut Vec<Looked>) {
        let Some(entry) = self.entry_mut(slot) else {
            return;
        };
        match finder.find(&entry.key, entry.was_known) {
            Ok(replica) => self.look_at(slot, replica, looked),
            Err(code) => {
                let place = entry.place;
                self.note_looked(slot, looked.len());
                self.lose(slot);
                looked.push(Looked {
                    slot,
                    place,
                    part: Err(ReadFailure::NotFound(code)),
                    available: 0,
                });
            }
        }
    }

    /// Collects the partitions with news since the last visit. Returns their indices in the list; those not in it yet
    /// are appended.
    pub(super) fn look_at_marked(
        &mut self,
        finder: &impl Finder,
        looked: &mut Vec<Looked>,
    ) -> Vec<usize> {
        let mut places = Vec::new();
        for slot in self.watch.take_marked() {
            self.make_due(slot);
            let request = self.request;
            let Some(entry) = self.entry_mut(slot) else {
                continue;
            };
            if entry.looked.0 == request {
                places.push(entry.looked.1);
                continue;
            }
            places.push(looked.len());
            // It was there when this request began. Its read will show what has happened to it.
            let found = entry.found.as_ref();
            match found.and_then(|found| found.replica.upgrade()) {
                Some(replica) => self.look_at(slot, replica, looked),
                None => self.look_for(slot, finder, looked),
            }
        }
        places
    }

    /// The partition was read, or the read failed. `is_settled`: it is not due before its next news.
    pub(super) fn settle(&mut self, slot: u32, is_settled: bool) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.is_due = !is_settled;
        }
    }

    /// The partition's topic and number.
    pub(super) fn key(&self, slot: u32) -> Option<PartitionKey> {
        let entry = self.entries.get(slot as usize)?.as_ref()?;
        Some(entry.key.clone())
    }

    /// Records what is sent for a partition, and returns whether it differs from what was sent before. A partition
    /// with news goes to the last place: if the next answer is too small for all, it begins with others.
    pub(in crate::partition) fn tell(&mut self, slot: u32, reported: &Reported) -> bool {
        let place = if reported.is_news {
            Some(self.new_place())
        } else {
            None
        };
        let Some(entry) = self.entry_mut(slot) else {
            return true;
        };
        if let Some(place) = place {
            entry.place = place;
        }
        entry.was_known |= reported.is_known;
        let told = Some((reported.high_watermark.0, reported.log_start.0));
        std::mem::replace(&mut entry.told, told) != told
    }

    fn look_at(&mut self, slot: u32, replica: Arc<Replica>, looked: &mut Vec<Looked>) {
        let (watch, read_committed) = (Arc::clone(&self.watch), self.read_committed);
        self.note_looked(slot, looked.len());
        let Some(entry) = self.entry_mut(slot) else {
            return;
        };
        let is_it = |found: &Found| found.replica.as_ptr() == Arc::as_ptr(&replica);
        let is_new = entry.found.is_none();
        if !entry.found.as_ref().is_some_and(is_it) {
            entry.found = Some(Found {
                replica: Arc::downgrade(&replica),
                _registration: replica.waiters().register(&watch, slot),
            });
        }
        looked.push(Looked {
            slot,
            place: entry.place,
            part: Ok(FetchPart {
                replica,
                wanted: entry.wanted,
                read_committed,
            }),
            available: 0,
        });
        self.found += usize::from(is_new);
    }

    fn note_looked(&mut self, slot: u32, at: usize) {
        let request = self.request;
        if let Some(entry) = self.entry_mut(slot) {
            entry.looked = (request, at);
        }
    }

    fn lose(&mut self, slot: u32) {
        let lost = self.entry_mut(slot).and_then(|entry| entry.found.take());
        self.found -= usize::from(lost.is_some());
    }

    fn make_due(&mut self, slot: u32) {
        if let Some(entry) = self.entry_mut(slot)
            && !std::mem::replace(&mut entry.is_due, true)
        {
            self.due.push(slot);
        }
    }

    fn new_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }

    fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(slot as usize)?.as_mut()
    }
}

/// The memory cost of a partition.
fn cost((topic, _): &PartitionKey) -> usize {
    let name = match topic {
        TopicKey::Id(_) => 0,
        // Partitions of a topic share the name, but a client may name any number of topics.
        TopicKey::Name(name) => name.len(),
    };
    PARTITION_BYTES + name
}
