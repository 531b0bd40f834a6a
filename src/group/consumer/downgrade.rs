//! From consumer group to classic group, without a pause: when the last member that speaks the consumer protocol goes, or
//! is replaced by a static member that does not, the group becomes a classic one with all others.
//!
//! Its generation is the group epoch, and each member has what it shall have by the target assignment. If that is not
//! what its members have, it begins with a rebalance. (Kafka begins without one behind a static member whose join raised
//! no epoch, even when others still have to give up partitions; these would be read twice.)
//!
//! `group.consumer.migration.policy` must allow it, and the group must not be larger than a classic one may be. Otherwise
//! it stays a consumer group, with classic members alone.

use std::sync::Arc;

use bytes::Bytes;

use super::draft::Draft;
use super::member::Member;
use super::world::World;
use super::{ConsumerGroup, embedded};
use crate::group::classic::{self, Group, Provisional};
use crate::group::registry::{Registry, Turn};

/// A consumer group becomes a classic one.
#[derive(Debug)]
pub(in crate::group) struct Downgrade {
    /// The ids of members that leave with it.
    leaving: Vec<Arc<str>>,
    /// The static member that has replaced the last one, as it is after its join.
    joining: Option<Arc<Member>>,
    /// Whether the members must join again.
    rebalances: bool,
}

/// Whether the group becomes classic when these members leave.
pub(super) fn is_due_without(
    world: &World,
    group: &ConsumerGroup,
    leaving: &[Arc<Member>],
) -> bool {
    let classic = leaving.iter().filter(|member| member.is_classic()).count();
    let staying = group.member_count().saturating_sub(leaving.len());
    staying > 0 && group.classic_count() == staying + classic && is_allowed(world, staying)
}

/// Whether the group becomes classic when a classic member joins under this name.
pub(super) fn is_due_for_joining(
    world: &World,
    group: &ConsumerGroup,
    instance: Option<&str>,
) -> bool {
    let owner = instance.and_then(|instance| group.static_member(instance));
    owner.is_some_and(|owner| !owner.is_classic())
        && group.classic_count() + 1 == group.member_count()
        && is_allowed(world, group.member_count())
}

fn is_allowed(world: &World, members: usize) -> bool {
    let max_size = usize::try_from(world.classic_max_size()).unwrap_or(0);
    world.config.migration_policy.allows_downgrade() && members <= max_size
}

/// Whether members have other partitions than they shall have, not counting the static member that is replaced.
pub(super) fn is_unsettled(group: &ConsumerGroup, instance: Option<&str>) -> bool {
    let mut others = group.members();
    others.any(|member| {
        member.instance.as_deref() != instance && !member.is_reconciled_to(group.target_epoch())
    })
}

impl Draft {
    /// The group becomes classic without these members.
    pub(super) fn downgrade_without(&mut self, leaving: &[Arc<Member>]) {
        let leaving = leaving.iter().map(|member| Arc::clone(&member.id));
        self.downgrade(Downgrade {
            leaving: leaving.collect(),
            joining: None,
            rebalances: true,
        });
    }

    /// The group becomes classic with this static member in its former self's place.
    pub(super) fn downgrade_for(&mut self, joining: Arc<Member>, rebalances: bool) {
        self.downgrade(Downgrade {
            leaving: Vec::new(),
            joining: Some(joining),
            rebalances,
        });
    }

    /// What would have been written of the consumer group is void: it ends.
    fn downgrade(&mut self, downgrade: Downgrade) {
        *self = Self {
            downgrade: Some(downgrade),
            ..Self::default()
        };
    }
}

impl Registry {
    pub(super) fn downgrade(&mut self, id: &Arc<str>, downgrade: &Downgrade, turn: &mut Turn<'_>) {
        let Some(group) = self.consumers.get(id) else {
            return;
        };
        let mut classic = downgrade.made_of(group, &self.world, turn);
        group
            .tombstones()
            .into_iter()
            .for_each(|tombstone| turn.write(tombstone));
        turn.write(classic.converted_record());
        let mut ended = Draft::default();
        for member in group.members() {
            ended.cancel_timers(group, &member.id);
        }
        ended
            .timers
            .into_iter()
            .for_each(|timer| turn.change(timer));
        classic.has_offsets = self.has_offsets(id);
        classic.begin(downgrade.rebalances, turn);
        self.groups.insert(classic);
        turn.provide(id, Provisional::Downgrade);
    }
}

impl Downgrade {
    /// The classic group.
    fn made_of(&self, group: &ConsumerGroup, world: &World, turn: &Turn<'_>) -> Group {
        let joining = self.joining.as_ref();
        let is_replaced =
            |member: &Member| joining.is_some_and(|joining| joining.instance == member.instance);
        let stays =
            |member: &&Arc<Member>| !self.leaving.contains(&member.id) && !is_replaced(member);
        let members = group.members().filter(stays).chain(joining);
        let assignment = |member: &classic::Member, metadata: &Bytes| {
            let replaced = member.instance.as_deref().filter(|_| joining.is_some());
            let owner = replaced.and_then(|instance| group.static_member(instance));
            let owner = owner.map_or(&member.id, |owner| &owner.id);
            let target = group.target(owner).cloned().unwrap_or_default();
            embedded::write(&target, &world.image, metadata)
        };
        Group::of_consumers(
            Arc::clone(group.id()),
            group.epoch(),
            members.filter_map(|member| classic_member(member)),
            assignment,
            turn.now,
        )
    }
}

fn classic_member(member: &Member) -> Option<classic::Member> {
    let classic = member.classic.as_ref()?;
    Some(classic::Member {
        id: Arc::clone(&member.id),
        instance: member.instance.clone(),
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        session_timeout_ms: classic.session_timeout_ms,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        protocols: classic.protocols.to_vec(),
        assignment: Bytes::new(),
        is_new: false,
        joining: None,
        syncing: None,
    })
}
