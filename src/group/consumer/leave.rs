//! Members that go: by themselves, or because they do not keep their time.

use std::sync::Arc;

use super::asks::{ConsumerHeartbeat, ConsumerHeartbeatReply};
use super::draft::Draft;
use super::member::Member;
use super::refusal::Refusal;
use super::world::World;
use super::{ConsumerGroup, Held, Owned, downgrade, expressions, fencing, records, target};
use crate::base::{ErrorCode, Timestamp};

/// A heartbeat of a member that leaves.
pub(super) fn leave(
    world: &mut World,
    group: &ConsumerGroup,
    ask: &ConsumerHeartbeat,
    draft: &mut Draft,
) -> Result<ConsumerHeartbeatReply, Refusal> {
    let member = match &ask.instance {
        None => group
            .member(&ask.member)
            .ok_or_else(|| Refusal::unknown_member(&ask.member, group.id()))?,
        Some(instance) => {
            let owner = group.static_member(instance);
            let owner = owner.ok_or_else(|| Refusal::unknown_instance(instance))?;
            fencing::check_instance(owner, ask, instance)?;
            owner
        }
    };
    if ask.instance.is_some() && ask.member_epoch == Member::LEAVE_STATIC_EPOCH {
        let away = away(member);
        draft.write(records::current_assignment(group.id(), &away));
    } else {
        remove(world, group, &[Arc::clone(member)], draft);
    }
    Ok(ConsumerHeartbeatReply {
        error: ErrorCode::NONE,
        message: None,
        member: Some(Arc::clone(&member.id)),
        member_epoch: ask.member_epoch,
        heartbeat_interval_ms: 0,
        assignment: None,
    })
}

/// The static member while it is away: it keeps its partitions until its session ends. Whoever comes back in its place
/// may commit offsets of any epoch.
fn away(member: &Member) -> Member {
    let assigned = member.assigned.iter().map(|(topic, held)| {
        let held = Held { since: 0, ..held };
        (topic, held)
    });
    Member {
        epoch: Member::LEAVE_STATIC_EPOCH,
        assigned: assigned.collect(),
        pending_revocation: Owned::empty(),
        ..member.clone()
    }
}

/// Removes members, and with them what only they needed. The group gets a new epoch, or becomes a classic one.
pub(super) fn remove(
    world: &mut World,
    group: &ConsumerGroup,
    members: &[Arc<Member>],
    draft: &mut Draft,
) {
    if downgrade::is_due_without(world, group, members) {
        return draft.downgrade_without(members);
    }
    let id = group.id();
    for member in members {
        draft.write_removal(id, &member.id);
    }
    let unused = expressions::unused_without(group, members);
    for expression in &unused {
        draft.write(records::expression_tombstone(id, expression));
    }
    let topics = target::topics_without(group, members, &unused);
    let hash = world.hash(topics.keys());
    let epoch = group.epoch() + 1;
    draft.write(records::group_metadata(id, epoch, hash));
    if members.len() == group.member_count() {
        // Nobody is left for whom there could be a target.
        draft.write(records::target_epoch(id, epoch, Timestamp(0)));
    }
    for member in members {
        draft.cancel_timers(group, &member.id);
    }
}
