//! The partitions that a client is interested in, what it was told of each, and which of them need a look.
//!
//! ```text
//!                 added, changed by a request, marked by its watch,
//!                 not caught up, not readable
//!      quiet  ------------------------------------------------------>  due
//!        ^                                                              |
//!        +---------------  read, and nothing was left to read  <--------+
//! ```
//! A quiet partition has nothing that the client does not have, and nothing has become of it since it was told its
//! positions. So it has no part in an answer but by news, which the watch hears of. A partition is registered with
//! the watch before it is read: what is published in between marks it again.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::partition::replica::Replica;
use crate::partition::waiters::{Registration, Watch};

use super::read::FetchPart;
use super::{Finder, PartitionKey, ReadFailure, Reported, TopicKey, WantedPartition};

/// What a partition costs here and with its waiters, in bytes, beside its topic's name.
const PARTITION_BYTES: usize = 320;

/// Partitions of one fetch, or of a session of fetches.
#[derive(Debug, Default)]
pub(in crate::partition) struct Interest {
    entries: Vec<Option<Entry>>,
    /// Empty places of `entries`.
    free: Vec<u32>,
    slots: HashMap<PartitionKey, u32>,
    /// All that are due, each at least once; some may not be any more.
    due: Vec<u32>,
    /// How many were found when they were looked for last.
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
    /// High watermark and log start, as they were told last.
    told: Option<(i64, i64)>,
    /// Whether an answer could speak of the topic.
    was_known: bool,
    is_due: bool,
    /// In which request the partition was looked at last, and where in its list it is.
    looked: (u64, usize),
    found: Option<Found>,
}

/// The replica, which the topic's deletion may end at any time, and the registration with its waiters.
#[derive(Debug)]
struct Found {
    replica: Weak<Replica>,
    _registration: Registration,
}

/// A partition that is looked at for an answer.
pub(super) struct Looked {
    pub(super) slot: u32,
    pub(super) place: u64,
    pub(super) part: Result<FetchPart, ReadFailure>,
    /// Bytes that there were to read at the last look.
    pub(super) available: u64,
}

impl Interest {
    /// None yet; room for so many.
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

    /// How many partitions.
    pub(in crate::partition) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of memory that this takes, about.
    pub(in crate::partition) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether any of the partitions is here.
    pub(super) const fn has_found_any(&self) -> bool {
        self.found > 0
    }

    /// No partition will be added or forgotten: to find them by name takes room.
    pub(in crate::partition) fn close(&mut self) {
        self.slots = HashMap::new();
    }

    /// Wants a partition, in the last place if it is a new one.
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
                // As many partitions as fit a frame.
                (self.entries.len() - 1) as u32
            }
        };
        self.due.push(slot);
        self.slots.insert(key, slot);
    }

    /// Wants a partition no more.
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

    /// What may be seen of each partition depends on this; when it changes, all are due.
    pub(in crate::partition) fn read_committed(&mut self, read_committed: bool) {
        if std::mem::replace(&mut self.read_committed, read_committed) != read_committed {
            for slot in 0..self.entries.len() {
                self.make_due(slot as u32);
            }
        }
    }

    /// Begins a request: the partitions that are due, in the order of their places. They stay so until they are
    /// [`Self::settle`]d.
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

    /// Looks for a partition and registers it, so that its next news are heard.
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

    /// Takes the partitions that have had news since the last look: where they are in the list, now if not before.
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
            // It was there when this request began: what has become of it is found when it is read.
            let found = entry.found.as_ref();
            match found.and_then(|found| found.replica.upgrade()) {
                Some(replica) => self.look_at(slot, replica, looked),
                None => self.look_for(slot, finder, looked),
            }
        }
        places
    }

    /// The partition has been read, or could not be; whether it need not be looked at again before it has news.
    pub(super) fn settle(&mut self, slot: u32, is_settled: bool) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.is_due = !is_settled;
        }
    }

    /// What a partition is called.
    pub(super) fn key(&self, slot: u32) -> Option<PartitionKey> {
        let entry = self.entries.get(slot as usize)?.as_ref()?;
        Some(entry.key.clone())
    }

    /// Takes note of what is told of a partition; whether that is different from what was told before. One with
    /// news goes to the last place, so that the next answer, if it has not room for all, begins with others.
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

/// What a partition costs.
fn cost((topic, _): &PartitionKey) -> usize {
    let name = match topic {
        TopicKey::Id(_) => 0,
        // Partitions of a topic share it, but who knows of how many topics a stranger speaks.
        TopicKey::Name(name) => name.len(),
    };
    PARTITION_BYTES + name
}
