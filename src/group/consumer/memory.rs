//! All consumer groups of a partition, and their memory.
//!
//! Kept up with each record: a heartbeat costs nothing, a record what it is about. As with classic groups, a group
//! without members that has offsets is not counted: it is as good as its offsets.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Bound;
use std::sync::Arc;

use super::records::ConsumerKey;
use super::{Assignment, ConsumerGroup, Member, Owned, Resolved};
use crate::group::memory::{ENTRY_BYTES, GROUP_BYTES};
use crate::group::replay::ReplayError;

/// The cost of a group with members besides those: itself, its entry in the map, and a node of each of its own maps.
const BUSY_GROUP_BYTES: usize = 2_560;
/// The cost of a member besides its strings and partitions: itself, its entries in maps, its timers.
const MEMBER_BYTES: usize = 1_024;
/// The cost of a partition that a member has, in the index of owners.
const OWNER_BYTES: usize = 24;
/// The cost of a reference to a name.
const NAME_BYTES: usize = size_of::<Arc<str>>();

/// Consumer groups by id. Hard state: only replay changes it.
#[derive(Debug, Default)]
pub(in crate::group) struct ConsumerGroups {
    by_id: BTreeMap<Arc<str>, Box<Counted>>,
    held: usize,
    /// The groups that have neither members nor offsets, and their memory.
    idle: BTreeSet<Arc<str>>,
    idle_held: usize,
    changes: u64,
}

#[derive(Debug)]
struct Counted {
    group: ConsumerGroup,
    has_offsets: bool,
    bytes: usize,
}

impl Counted {
    fn bytes(&self) -> usize {
        if self.group.is_empty() && self.has_offsets {
            0
        } else {
            self.group.held_bytes()
        }
    }

    fn is_idle(&self) -> bool {
        self.group.is_empty() && !self.has_offsets
    }
}

impl ConsumerGroups {
    pub(in crate::group) fn get(&self, id: &str) -> Option<&ConsumerGroup> {
        self.by_id.get(id).map(|counted| &counted.group)
    }

    pub(in crate::group) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(in crate::group) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The groups, in the order of their ids.
    pub(in crate::group) fn iter(&self) -> impl Iterator<Item = &ConsumerGroup> {
        self.by_id.values().map(|counted| &counted.group)
    }

    /// The groups from this id on, in the order of their ids.
    pub(in crate::group) fn from(
        &self,
        first: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = (&Arc<str>, &ConsumerGroup)> {
        let from = self.by_id.range((first.clone(), Bound::Unbounded));
        from.map(|(id, counted)| (id, &counted.group))
    }

    /// The memory of all groups, in bytes.
    pub(in crate::group) const fn held(&self) -> usize {
        self.held
    }

    /// The memory of one of them.
    pub(in crate::group) fn held_by(&self, id: &str) -> usize {
        self.by_id.get(id).map_or(0, |counted| counted.bytes)
    }

    /// The memory of the groups that have neither members nor offsets.
    pub(in crate::group) const fn idle_held(&self) -> usize {
        self.idle_held
    }

    /// These groups.
    pub(in crate::group) fn idle(&self) -> impl Iterator<Item = &ConsumerGroup> {
        self.idle.iter().filter_map(|id| self.get(id))
    }

    /// An upper bound of how often a group was added, removed or changed.
    pub(in crate::group) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Applies a record of a group, or a tombstone. The group begins with its first record and ends with the last.
    pub(in crate::group) fn replay(
        &mut self,
        id: &Arc<str>,
        key: &ConsumerKey,
        value: Option<&[u8]>,
        has_offsets: bool,
    ) -> Result<(), ReplayError> {
        let place = match self.by_id.entry(Arc::clone(id)) {
            Entry::Occupied(place) => place.into_mut(),
            // Compaction may leave a tombstone without what it was for.
            Entry::Vacant(_) if value.is_none() => return Ok(()),
            Entry::Vacant(place) => place.insert(Box::new(Counted {
                group: ConsumerGroup::new(Arc::clone(id)),
                has_offsets,
                bytes: 0,
            })),
        };
        let replayed = place.group.replay(key, value);
        self.count(id);
        replayed
    }

    /// The group has its first offsets, or has none any more.
    pub(in crate::group) fn note_offsets(&mut self, id: &str, has_offsets: bool) {
        let counted = self.by_id.get_mut(id);
        if let Some(counted) = counted.filter(|counted| counted.has_offsets != has_offsets) {
            counted.has_offsets = has_offsets;
            self.count(id);
        }
    }

    fn count(&mut self, id: &str) {
        let Some(counted) = self.by_id.get_mut(id) else {
            return;
        };
        self.changes += 1;
        let is_gone = counted.group.is_gone();
        let bytes = if is_gone { 0 } else { counted.bytes() };
        let before = std::mem::replace(&mut counted.bytes, bytes);
        self.held = self.held - before + bytes;
        if self.idle.remove(id) {
            self.idle_held -= before;
        }
        if is_gone {
            self.by_id.remove(id);
        } else if counted.is_idle() {
            self.idle.insert(Arc::clone(counted.group.id()));
            self.idle_held += bytes;
        }
    }
}

impl ConsumerGroup {
    /// The memory of the group, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        let itself = if self.is_empty() {
            GROUP_BYTES
        } else {
            BUSY_GROUP_BYTES
        };
        itself + self.id().len() + self.held + self.index.held()
    }

    /// The memory of the members of one client address.
    pub(in crate::group) fn held_by_address(&self, address: &str) -> usize {
        let members = self
            .members()
            .filter(|member| *member.client_host == *address);
        // The rest belongs to the group, and is caused by its members.
        let held = members.map(|member| {
            let target = self.target(&member.id).map_or(0, Assignment::held_bytes);
            member.held_bytes() + target + BUSY_GROUP_BYTES
        });
        held.sum()
    }
}

impl Member {
    /// The memory of the member, in bytes. The names of topics belong to the group.
    pub(in crate::group) fn held_bytes(&self) -> usize {
        let optional = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let owned = |owned: &Owned| owned.held_bytes() + owned.len() * OWNER_BYTES;
        let protocols = self.classic.iter().flat_map(|classic| &*classic.protocols);
        let protocols = protocols.map(|one| one.name.len() + one.metadata.len() + ENTRY_BYTES);
        MEMBER_BYTES
            + self.id.len()
            + self.client_id.len()
            + self.client_host.len()
            + optional(&self.instance)
            + optional(&self.rack)
            + optional(&self.assignor)
            + optional(&self.subscription.expression)
            + self.subscription.names.as_slice().len() * NAME_BYTES
            + owned(&self.assigned)
            + owned(&self.pending_revocation)
            + protocols.sum::<usize>()
    }
}

/// The memory of a member's target.
pub(super) fn target_bytes(member: &str, target: &Assignment) -> usize {
    ENTRY_BYTES + member.len() + target.held_bytes()
}

/// The memory of an expression and its topics, whose names belong to the group.
pub(super) fn expression_bytes(expression: &str, resolved: &Resolved) -> usize {
    ENTRY_BYTES + expression.len() + resolved.topics.as_slice().len() * NAME_BYTES
}
