//! Static members: an instance that comes back gets its place again, with its partitions, under a new member id.

use std::sync::Arc;

use super::asks::ConsumerHeartbeat;
use super::draft::Draft;
use super::join::existing_or_new;
use super::member::Member;
use super::refusal::Refusal;
use super::{Assignment, ConsumerGroup, fencing, records};

/// The static member of the heartbeat, as it was before it.
pub(super) fn member(
    group: &ConsumerGroup,
    ask: &ConsumerHeartbeat,
    id: &Arc<str>,
    instance: &Arc<str>,
    draft: &mut Draft,
) -> Result<Arc<Member>, Refusal> {
    let owner = group.static_member(instance);
    if ask.member_epoch == Member::JOIN_EPOCH {
        let Some(owner) = owner else {
            return existing_or_new(group, id, true);
        };
        fencing::check_released(owner, id, instance)?;
        return Ok(Arc::new(replace(group, owner, id, draft)));
    }
    let owner = owner.ok_or_else(|| Refusal::unknown_instance(instance))?;
    fencing::check_instance(owner, ask, instance)?;
    fencing::check_epoch(owner, ask.member_epoch, ask.owned.as_deref())?;
    Ok(Arc::clone(owner))
}

/// Puts a member with this id in the place of `owner`. Timers of the old id find nobody when they fire.
pub(super) fn replace(
    group: &ConsumerGroup,
    owner: &Member,
    id: &Arc<str>,
    draft: &mut Draft,
) -> Member {
    let member = Member {
        id: Arc::clone(id),
        epoch: Member::JOIN_EPOCH,
        previous_epoch: 0,
        ..owner.clone()
    };
    draft.write_removal(group.id(), &owner.id);
    draft.write(records::member_metadata(group.id(), &member));
    let nothing = Assignment::empty();
    let target = group.target(&owner.id).unwrap_or(&nothing);
    draft.write(records::target_member(group.id(), id, target));
    draft.write(records::current_assignment(group.id(), &member));
    member
}
