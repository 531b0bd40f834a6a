//! The memory of a group, and the size of its record.

use super::{Group, Member};
use crate::group::asks::{Join, Sync};
use crate::group::memory::{ENTRY_BYTES, GROUP_BYTES, PENDING_BYTES, Said, release_if_empty};
use crate::group::records::Generation;

impl Group {
    /// Whether the group has no members, no expected members and no offsets.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_deserted() && !self.has_offsets
    }

    /// Frees the memory of empty maps of ids.
    pub(crate) fn let_go_of_empty_maps(&mut self) {
        release_if_empty(&mut self.instances);
        release_if_empty(&mut self.pending);
    }

    /// The bytes of memory that are counted for the group. Zero while it has offsets and no member.
    pub(crate) fn held_bytes(&self) -> usize {
        if self.is_deserted() && self.has_offsets {
            return 0;
        }
        let members: usize = self.members.iter().map(Member::held_bytes).sum();
        let pending: usize = self.pending.keys().map(|id| pending_bytes(id)).sum();
        let written = self.written.as_ref().map_or(0, written_bytes);
        let topics = self.subscribed.iter().flatten();
        let topics: usize = topics.map(|topic| topic.len() + ENTRY_BYTES).sum();
        GROUP_BYTES + self.id.len() + members + pending + written + topics
    }

    /// The present memory of the member that joins, or of the member that it replaces.
    pub(crate) fn held_by_former(&self, join: &Join) -> usize {
        if self.pending.contains_key(&join.member) {
            return pending_bytes(&join.member);
        }
        self.former(join).map_or(0, |member| {
            // Its metadata is also in the generation that is written, or will be.
            member.held_bytes() - member.assignment.len() + member.largest_metadata()
        })
    }

    /// The memory of the members of one client address, and of the member ids given out to it.
    pub(crate) fn held_by_address(&self, address: &str) -> usize {
        let members = self.members.iter();
        let members = members.filter(|member| *member.client_host == *address);
        // The rest belongs to the group, and is caused by its members.
        let held = |member: &Member| member.held_bytes() + member.largest_metadata() + GROUP_BYTES;
        let pending = self.pending.iter();
        let pending = pending.filter(|(_, pending)| ***pending == *address);
        let ids = pending.map(|(id, _)| pending_bytes(id) + GROUP_BYTES);
        members.map(held).sum::<usize>() + ids.sum::<usize>()
    }

    /// The maximum size of a batch with a generation that includes the joining member.
    pub(crate) fn batch_bytes_with(&self, join: &Join) -> usize {
        let former = self.former(join).map(|member| &member.id);
        let others = self.members.iter().filter(|one| Some(&one.id) != former);
        let others = others.map(Member::record_bytes).sum::<usize>();
        others + join.batch_bytes()
    }

    /// By how many bytes the leader's new assignments are larger than the present ones.
    pub(crate) fn grows_by(&self, sync: &Sync) -> usize {
        let known = sync.assignments.iter();
        let known = known.filter(|(member, _)| self.members.contains(member));
        let brought: usize = known.map(|(_, assignment)| assignment.len()).sum();
        let there = self.members.iter().map(|member| member.assignment.len());
        brought.saturating_sub(there.sum())
    }

    /// The member itself if it exists, or the static member that it replaces.
    fn former(&self, join: &Join) -> Option<&Member> {
        let by_name = || self.instances.get(join.instance.as_ref()?);
        let id = if join.member.is_empty() {
            by_name()?
        } else {
            &join.member
        };
        self.members.get(id)
    }
}

impl Member {
    fn said(&self) -> Said<'_> {
        Said {
            id: self.id.len(),
            instance: self.instance.as_ref(),
            client_id: &self.client_id,
            client_host: &self.client_host,
            protocols: &self.protocols,
        }
    }

    /// The bytes of memory of the member. Parts that are also in the written generation are counted there.
    fn held_bytes(&self) -> usize {
        self.said().held_bytes() + self.assignment.len()
    }

    fn record_bytes(&self) -> usize {
        self.said().record_bytes()
    }

    fn largest_metadata(&self) -> usize {
        self.said().largest_metadata()
    }
}

fn pending_bytes(id: &str) -> usize {
    id.len() + PENDING_BYTES
}

/// The memory of the written generation, without what its members share with it.
fn written_bytes(written: &Generation) -> usize {
    let members = written.members.iter();
    members.map(|member| member.subscription.len()).sum()
}
