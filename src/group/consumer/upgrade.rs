//! From classic group to consumer group, without a pause: when the first member joins that speaks the consumer protocol,
//! a classic group of consumers becomes a consumer group, and its members go on as classic members of that
//! (`classic_members.rs`).
//!
//! The group epoch, the target's and those of all members are the generation. Each member has what its last assignment
//! says, and that is also the target. The new member then raises the group epoch, so that the others are told to join
//! again with their next heartbeat. Those that wait for the classic group are told so at once.
//!
//! Two things are other than in Kafka. A group whose first generation is not formed yet can be upgraded, too (there the new
//! member gets `UNKNOWN_SERVER_ERROR`). And while a classic group rebalances, its members may still have what they were
//! given last, even if a generation has come to nothing since then: so that is what they have here.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::draft::Draft;
use super::embedded::{self, NotTaken};
use super::member::{ClassicMember, Member, Names, Subscription};
use super::records::{self, ConsumerKey};
use super::refusal::Refusal;
use super::world::World;
use super::{Assignment, ConsumerGroup};
use crate::base::{KeyValue, Timestamp, TopicId};
use crate::group::classic::{self, Group};
use crate::group::records::group_tombstone;
use crate::group::subscription;

/// The consumer group that takes the place of a classic group with members.
pub(super) fn upgraded(
    world: &mut World,
    classic: &Group,
    draft: &mut Draft,
) -> Result<ConsumerGroup, Refusal> {
    let id = classic.id();
    check(world, classic)?;
    let mut taken = BTreeSet::new();
    let members = classic.members().iter();
    let members = members.map(|member| upgraded_member(world, classic, member, &mut taken));
    let members = members.collect::<Result<Vec<_>, _>>()?;
    let mut made = Made {
        group: ConsumerGroup::new(Arc::clone(id)),
        draft,
    };
    made.draft.write(group_tombstone(id));
    for member in &members {
        let key = ConsumerKey::Member(Arc::clone(&member.id));
        made.write(&key, records::member_metadata(id, member))?;
    }
    let hash = world.hash(made.group.subscribed_topics().map(|(topic, _)| topic));
    let epoch = classic.generation();
    made.write(
        &ConsumerKey::Group,
        records::group_metadata(id, epoch, hash),
    )?;
    for member in &members {
        let key = ConsumerKey::TargetMember(Arc::clone(&member.id));
        let target = member.assigned.partitions();
        made.write(&key, records::target_member(id, &member.id, &target))?;
    }
    // Made long ago, so that the next one need not wait.
    let target = records::target_epoch(id, epoch, Timestamp(0));
    made.write(&ConsumerKey::TargetEpoch, target)?;
    for member in &members {
        let key = ConsumerKey::CurrentAssignment(Arc::clone(&member.id));
        made.write(&key, records::current_assignment(id, member))?;
        let session_ms = member
            .classic
            .as_ref()
            .map(|classic| classic.session_timeout_ms);
        made.draft
            .begin_session(id, &member.id, session_ms.unwrap_or(0));
    }
    made.draft.upgrades = true;
    Ok(made.group)
}

/// The group as its records make it.
struct Made<'a> {
    group: ConsumerGroup,
    draft: &'a mut Draft,
}

impl Made<'_> {
    fn write(&mut self, key: &ConsumerKey, record: KeyValue) -> Result<(), Refusal> {
        let replayed = self.group.replay(key, record.value.as_deref());
        self.draft.write(record);
        // It was encoded here, so that it can be read.
        replayed.map_err(|_| Refusal::malformed_members(self.group.id()))
    }
}

fn check(world: &World, classic: &Group) -> Result<(), Refusal> {
    let count = classic.members().len();
    let max_size = usize::try_from(world.config.max_size).unwrap_or(0);
    if !world.config.migration_policy.allows_upgrade() {
        Err(Refusal::not_upgraded(
            classic.id(),
            "online upgrade is disabled",
        ))
    } else if !classic.is_consumer_group() {
        let reason = "the group does not use the consumer embedded protocol";
        Err(Refusal::not_upgraded(classic.id(), reason))
    } else if count > max_size {
        let reason = "the group size exceeds the consumer group maximum size";
        Err(Refusal::not_upgraded(classic.id(), reason))
    } else {
        Ok(())
    }
}

/// A classic group may have given one partition to two members: here the first one has it.
fn upgraded_member(
    world: &World,
    group: &Group,
    member: &classic::Member,
    taken: &mut BTreeSet<(TopicId, i32)>,
) -> Result<Member, Refusal> {
    let malformed = || Refusal::malformed_members(group.id());
    // A member that has joined and not synced yet has none.
    let last = group.last_assignment(member);
    let assigned = if last.is_empty() {
        Assignment::empty()
    } else {
        embedded::read(last, &world.image).map_err(|reason| match reason {
            NotTaken::Malformed => malformed(),
            NotTaken::HasUserData => Refusal::custom_assignor(group.id()),
        })?
    };
    let assigned: Assignment = assigned
        .iter()
        .filter(|place| taken.insert(*place))
        .collect();
    // Before the first generation there is no chosen protocol.
    let chosen = member.protocols.first().map(|first| &first.name);
    let metadata = member.metadata(group.protocol().or(chosen));
    let said = subscription::read(&metadata).ok_or_else(malformed)?;
    let generation = group.generation();
    Ok(Member {
        instance: member.instance.clone(),
        rack: said.rack,
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        subscription: Subscription {
            names: Names::new(said.topics),
            expression: None,
        },
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        classic: Some(ClassicMember {
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone().into(),
        }),
        epoch: generation,
        previous_epoch: generation,
        assigned: assigned.held_since(generation),
        ..Member::new(Arc::clone(&member.id))
    })
}
