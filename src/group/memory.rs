//! The memory of groups, and its limit.
//!
//! Anyone who can connect to the broker may join groups, and the metadata of a member is kept as long as the member.
//! So the memory is counted: every member with its names, metadata and assignment, every member id that was given
//! out, and every group that has a member or is completely empty. Of consumer groups the targets and the regular
//! expressions are counted, too (`consumer/memory.rs`). Groups without members that have offsets are not counted;
//! their number is that of the committed groups. Offsets of open transactions are counted (`offsets/pending.rs`).
//!
//! A join or an assignment that would exceed `zurau.group.members.max.bytes`, in all partitions together, is refused
//! (`admission.rs`). Before a join is refused, groups that are empty and have no offsets are removed. Otherwise these
//! are removed when offsets expire or, if there are many of them (`has_many_idle`), with the next event of any group.
//!
//! [`Groups`] keeps the count of classic groups correct: one can only be changed through it. Before each decision the
//! machine gets the memory of the other partitions and the batch limit of the log as [`Bounds`](crate::base::Bounds):
//! with the same commands and bounds it decides the same.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Bound;
use std::sync::Arc;

use super::asks::{Join, Protocol};
use super::classic::Group;

/// The cost of a group besides its strings and members: itself, its timers, its entry in the map.
pub(super) const GROUP_BYTES: usize = 512;
/// The cost of a member besides its strings and metadata, even as the only one of its group.
const MEMBER_BYTES: usize = 832;
/// The cost of a given-out member id besides its string, which its timer shares.
pub(super) const PENDING_BYTES: usize = 256;
/// The cost of a member's protocol, or of a topic that a group reads, besides its bytes.
pub(super) const ENTRY_BYTES: usize = 64;
/// The share of the limit that groups without members and offsets may use.
pub(super) const IDLE_PART: usize = 16;
/// Larger than the header of a batch and of its one record.
const BATCH_OVERHEAD: usize = 128;
/// Larger than the lengths and numbers of a group or of a member in a record.
const RECORD_OVERHEAD: usize = 48;
/// A dash and 128 bits in a new member id, behind the client id.
const ID_SUFFIX: usize = 37;

/// Groups by id, and their memory.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Boxed: otherwise a half-full tree node would take as much memory again for each group.
    by_id: BTreeMap<Arc<str>, Box<Counted>>,
    held: usize,
    /// The groups that have neither members nor offsets, and their memory.
    idle: BTreeSet<Arc<str>>,
    idle_held: usize,
    changes: u64,
}

#[derive(Debug)]
struct Counted {
    group: Group,
    bytes: usize,
}

impl Groups {
    pub(super) fn get(&self, id: &str) -> Option<&Group> {
        self.by_id.get(id).map(|counted| &counted.group)
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.by_id.iter().map(|(id, counted)| (id, &counted.group))
    }

    /// The groups from this id on, in the order of their ids.
    pub(super) fn from(
        &self,
        first: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        let from = self.by_id.range((first.clone(), Bound::Unbounded));
        from.map(|(id, counted)| (id, &counted.group))
    }

    /// The memory of all groups, in bytes.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// An upper bound of how often a group was added, removed or changed.
    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// The groups that have neither members nor offsets.
    pub(super) fn idle(&self) -> impl Iterator<Item = &Arc<str>> {
        self.idle.iter()
    }

    /// The memory of those. Each join of a group that does not exist yet leaves one behind.
    pub(super) const fn idle_held(&self) -> usize {
        self.idle_held
    }

    /// The memory of one of them.
    pub(super) fn held_by(&self, id: &str) -> usize {
        self.by_id.get(id).map_or(0, |counted| counted.bytes)
    }

    /// Inserts a group, replacing one with the same id.
    pub(super) fn insert(&mut self, group: Group) {
        let id = Arc::clone(group.id());
        match self.by_id.entry(Arc::clone(&id)) {
            Entry::Occupied(mut place) => place.get_mut().group = group,
            Entry::Vacant(place) => {
                place.insert(Box::new(Counted { group, bytes: 0 }));
            }
        }
        self.count(&id);
    }

    pub(super) fn remove(&mut self, id: &str) {
        if let Some(removed) = self.by_id.remove(id) {
            self.held -= removed.bytes;
            if self.idle.remove(id) {
                self.idle_held -= removed.bytes;
            }
            self.changes += 1;
        }
    }

    /// Changes a group, if there is one.
    pub(super) fn change<T>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Group) -> T,
    ) -> Option<T> {
        let changed = change(&mut self.by_id.get_mut(id)?.group);
        self.count(id);
        Some(changed)
    }

    /// Changes every group.
    pub(super) fn change_each(&mut self, mut change: impl FnMut(&mut Group)) {
        let ids: Vec<_> = self.by_id.keys().cloned().collect();
        for id in ids {
            self.change(&id, &mut change);
        }
    }

    fn count(&mut self, id: &str) {
        let Some(counted) = self.by_id.get_mut(id) else {
            return;
        };
        self.changes += 1;
        counted.group.let_go_of_empty_maps();
        let bytes = counted.group.held_bytes();
        let before = std::mem::replace(&mut counted.bytes, bytes);
        self.held = self.held - before + bytes;
        if self.idle.remove(id) {
            self.idle_held -= before;
        }
        if counted.group.is_idle() {
            self.idle.insert(Arc::clone(counted.group.id()));
            self.idle_held += bytes;
        }
    }
}

/// Frees the memory of an empty map: a tree that was not empty once keeps a node with room for eleven.
pub(super) fn release_if_empty<K, V>(map: &mut BTreeMap<K, V>) {
    if map.is_empty() {
        *map = BTreeMap::new();
    }
}

/// The sizes of a member, or of a joining member.
pub(super) struct Said<'a> {
    /// The length of its id.
    pub(super) id: usize,
    pub(super) instance: Option<&'a Arc<str>>,
    pub(super) client_id: &'a str,
    pub(super) client_host: &'a str,
    pub(super) protocols: &'a [Protocol],
}

impl Said<'_> {
    /// Its memory as a member, without an assignment.
    pub(super) fn held_bytes(&self) -> usize {
        let protocols = self.protocols.iter();
        let protocols: usize = protocols
            .map(|protocol| protocol.name.len() + protocol.metadata.len() + ENTRY_BYTES)
            .sum();
        MEMBER_BYTES + self.names_bytes() + protocols
    }

    /// Its maximum size in the record of a generation, for any chosen protocol.
    pub(super) fn record_bytes(&self) -> usize {
        RECORD_OVERHEAD + self.names_bytes() + self.largest_metadata()
    }

    pub(super) fn largest_metadata(&self) -> usize {
        let lengths = self
            .protocols
            .iter()
            .map(|protocol| protocol.metadata.len());
        lengths.max().unwrap_or(0)
    }

    fn names_bytes(&self) -> usize {
        let instance = self.instance.map_or(0, |instance| instance.len());
        self.id + instance + self.client_id.len() + self.client_host.len()
    }
}

impl Join {
    fn said(&self) -> Said<'_> {
        Said {
            id: self.id_bytes(),
            instance: self.instance.as_ref(),
            client_id: &self.client_id,
            client_host: &self.client_host,
            protocols: &self.protocols,
        }
    }

    /// The memory of a member that joins this way: itself, and its metadata once more in the generation that is
    /// written.
    pub(super) fn held_bytes(&self) -> usize {
        let said = self.said();
        said.held_bytes() + said.largest_metadata()
    }

    /// The size of a batch with a generation of this member alone.
    pub(super) fn batch_bytes(&self) -> usize {
        let protocol = self.protocols.iter().map(|protocol| protocol.name.len());
        BATCH_OVERHEAD
            + RECORD_OVERHEAD
            + self.group.len()
            + self.protocol_type.len()
            + protocol.max().unwrap_or(0)
            + self.id_bytes()
            + self.said().record_bytes()
    }

    /// The length of the member id that it has or will get.
    fn id_bytes(&self) -> usize {
        if self.member.is_empty() {
            let name = self.instance.as_ref().unwrap_or(&self.client_id);
            name.len() + ID_SUFFIX
        } else {
            self.member.len()
        }
    }
}
