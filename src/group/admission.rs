//! Refuses members whose metadata fits no record, or for whom there is no memory.
//!
//! Members that ask for no more than they have are never refused. For other requests the sum over all partitions
//! counts. Once half of it is used up, the client address counts too: its members in a partition may then hold an
//! even share of the other half. So a client that joins as often as it can is refused before others are, unless it
//! has many addresses.

use super::asks::{Join, Sync};
use super::classic::Group;
use super::memory::{GROUP_BYTES, IDLE_PART};
use super::records::group_tombstone;
use super::registry::{Registry, Turn};
use crate::base::{ErrorCode, limited};

/// The maximum number of tombstones (for groups without members and offsets), and the bytes of their names, that one
/// join may write: the join pays for them, and its batch contains them.
const REMOVED_AT_ONCE: (usize, usize) = (100, 64 << 10);

impl Registry {
    /// Refuses a member that fits no record, or for whom there is no memory.
    pub(super) fn make_room_for(&self, join: &Join, turn: &mut Turn<'_>) -> Result<(), ErrorCode> {
        let group = self.groups.get(&join.group);
        self.check_record(join, group)?;
        let has = group.map_or(0, |group| group.held_by_former(join));
        let new_group = if group.is_none() { GROUP_BYTES } else { 0 };
        let more = (join.held_bytes() + new_group).saturating_sub(has);
        if more == 0 {
            return Ok(());
        }
        self.check_alone(&join.group, &join.client_id, join.held_bytes())?;
        self.make_room(&join.group, &join.client_host, more, turn)
    }

    /// Refuses a member of this address for whom there is no memory, if the group needs so much more.
    pub(super) fn make_room(
        &self,
        group: &str,
        address: &str,
        more: usize,
        turn: &mut Turn<'_>,
    ) -> Result<(), ErrorCode> {
        let freed = if self.is_full(more) || self.has_many_idle() {
            self.remove_idle(group, turn)
        } else {
            0
        };
        if self.is_full(more.saturating_sub(freed)) {
            Err(self.refuse(group, more))
        } else if self.is_beyond_share(address, more, freed) {
            limited!(
                warn,
                "members of groups use much memory, and this address more than its share: refused until some have left",
                group,
                address
            );
            Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
        } else {
            Ok(())
        }
    }

    /// Refuses assignments for which there is no memory.
    pub(super) fn allow_assignments(&self, group: &Group, sync: &Sync) -> Result<(), ErrorCode> {
        let more = group.grows_by(sync);
        if more > self.settings.members_max_bytes {
            limited!(
                warn,
                "assignment refused: it alone exceeds the memory limit for members of groups (zurau.group.members.max.bytes)",
                group = %sync.group,
                bytes = more
            );
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        if more > 0 && self.is_full(more) {
            return Err(self.refuse(&sync.group, more));
        }
        Ok(())
    }

    /// Refuses permanently a member that would exceed the share of its address even if it were the only one.
    pub(super) fn check_alone(
        &self,
        group: &str,
        client: &str,
        held_bytes: usize,
    ) -> Result<(), ErrorCode> {
        let alone = held_bytes + GROUP_BYTES;
        if alone <= self.settings.members_max_bytes / 2 {
            return Ok(());
        }
        limited!(
            warn,
            "member refused: it alone would exceed half of the memory limit for members of groups (zurau.group.members.max.bytes)",
            group,
            client,
            bytes = alone
        );
        Err(ErrorCode::MESSAGE_TOO_LARGE)
    }

    fn check_record(&self, join: &Join, group: Option<&Group>) -> Result<(), ErrorCode> {
        let largest = self.bounds.largest_batch;
        if join.batch_bytes() > largest {
            limited!(
                info,
                "member refused: its metadata does not fit in a batch of the log",
                group = %join.group,
                client = %join.client_id,
                largest
            );
            return Err(ErrorCode::MESSAGE_TOO_LARGE);
        }
        if group.is_some_and(|group| group.batch_bytes_with(join) > largest) {
            limited!(
                info,
                "member refused: the metadata of all members does not fit in a batch of the log",
                group = %join.group,
                client = %join.client_id,
                largest
            );
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        Ok(())
    }

    /// Whether unused groups should be removed before offsets expire.
    pub(super) const fn has_many_idle(&self) -> bool {
        let partitions = if self.bounds.machines == 0 {
            1
        } else {
            self.bounds.machines
        };
        let may_hold = self.settings.members_max_bytes / partitions;
        let held = self.groups.idle_held() + self.consumers.idle_held();
        held > may_hold / IDLE_PART
    }

    /// Whether this many more bytes would exceed the limit of all groups.
    const fn is_full(&self, more: usize) -> bool {
        self.held_with(more) > self.settings.members_max_bytes
    }

    /// Refuses offsets of a transaction for which there is no memory at present. They may use half of it, so that
    /// transactions which do not end leave members their place.
    pub(super) fn allow_pending(&self, group: &str, more: usize) -> Result<(), ErrorCode> {
        if self.held_with(more) > self.settings.members_max_bytes / 2 {
            return Err(self.refuse(group, more));
        }
        Ok(())
    }

    const fn held_with(&self, more: usize) -> usize {
        let held = self.bounds.held_elsewhere.saturating_add(more);
        held.saturating_add(self.held())
    }

    /// Whether this many more bytes would exceed the share of one address, when that counts.
    fn is_beyond_share(&self, address: &str, more: usize, freed: usize) -> bool {
        let half = self.settings.members_max_bytes / 2;
        if self.held_with(more.saturating_sub(freed)) <= half {
            return false;
        }
        let groups = self.groups.iter().map(|(_, group)| group);
        let held: usize = groups.map(|group| group.held_by_address(address)).sum();
        let groups = self.consumers.iter();
        let of_consumers: usize = groups.map(|group| group.held_by_address(address)).sum();
        held + of_consumers + more > half / self.bounds.machines.max(1)
    }

    fn refuse(&self, group: &str, more: usize) -> ErrorCode {
        limited!(
            warn,
            "members of groups and offsets of open transactions have reached their memory limit (zurau.group.members.max.bytes): refused until some have left",
            group,
            more,
            limit = self.settings.members_max_bytes
        );
        ErrorCode::COORDINATOR_NOT_AVAILABLE
    }

    /// Ends groups that are empty and have no offsets, which otherwise happens later; but not the group that is
    /// joined. Returns how much memory that frees.
    pub(super) fn remove_idle(&self, joined: &str, turn: &mut Turn<'_>) -> usize {
        let (count, bytes) = REMOVED_AT_ONCE;
        let mut names = bytes.min(self.bounds.largest_batch / 4);
        let mut freed = 0;
        let idle = self.groups.idle().filter(|id| ***id != *joined);
        for id in idle.take(count) {
            let Some(rest) = names.checked_sub(id.len()) else {
                break;
            };
            names = rest;
            turn.write(group_tombstone(id));
            freed += self.groups.held_by(id);
        }
        let idle = self
            .consumers
            .idle()
            .filter(|group| **group.id() != *joined);
        for group in idle.take(count) {
            let tombstones = group.tombstones();
            let keys = tombstones.iter().map(|tombstone| tombstone.key.len());
            let Some(rest) = names.checked_sub(keys.sum()) else {
                break;
            };
            names = rest;
            tombstones
                .into_iter()
                .for_each(|tombstone| turn.write(tombstone));
            freed += self.consumers.held_by(group.id());
        }
        freed
    }
}
