//! Whether a member speaks for itself and is up to date.

use super::asks::ConsumerHeartbeat;
use super::member::Member;
use super::reconcile::Reported;
use super::refusal::Refusal;

/// Refuses a member of another epoch. The answer to its last heartbeat may have been lost: a member that is one epoch
/// behind may go on if it owns nothing but what it shall have, since then it has not acted on anything else.
pub(super) fn check_epoch(
    member: &Member,
    epoch: i32,
    reported: Option<&Reported>,
) -> Result<(), Refusal> {
    if epoch == Member::JOIN_EPOCH || epoch == member.epoch {
        return Ok(());
    }
    if epoch > member.epoch {
        return Err(Refusal::fenced_epoch("greater", epoch, member.epoch));
    }
    let owns_only_its_own = |reported: &Reported| {
        reported.iter().all(|(topic, partitions)| {
            !member.assigned.of(*topic).is_empty()
                && partitions
                    .iter()
                    .all(|partition| member.assigned.contains(*topic, *partition))
        })
    };
    if epoch == member.previous_epoch && reported.is_some_and(owns_only_its_own) {
        Ok(())
    } else {
        Err(Refusal::fenced_epoch("smaller", epoch, member.epoch))
    }
}

/// Refuses whoever uses a static member's name under another member id.
pub(super) fn check_instance(
    owner: &Member,
    ask: &ConsumerHeartbeat,
    instance: &str,
) -> Result<(), Refusal> {
    if owner.id == ask.member {
        Ok(())
    } else {
        Err(Refusal::fenced_instance(&ask.member, instance, &owner.id))
    }
}

/// Refuses a static member whose name is in use: the former owner must have left.
pub(super) fn check_released(owner: &Member, member: &str, instance: &str) -> Result<(), Refusal> {
    if owner.is_classic() || owner.epoch == Member::LEAVE_STATIC_EPOCH {
        Ok(())
    } else {
        Err(Refusal::unreleased_instance(member, instance, &owner.id))
    }
}
