//! Who sends a heartbeat: a member of the group, or one that joins with it.

use std::sync::Arc;

use super::asks::ConsumerHeartbeat;
use super::draft::Draft;
use super::member::{Member, Names};
use super::refusal::Refusal;
use super::{ConsumerGroup, fencing, static_member};
use crate::base::KafkaUuid;

/// The member of the heartbeat, as it was before it.
pub(super) fn member(
    group: &ConsumerGroup,
    ask: &ConsumerHeartbeat,
    id: &Arc<str>,
    draft: &mut Draft,
) -> Result<Arc<Member>, Refusal> {
    if let Some(instance) = &ask.instance {
        return static_member::member(group, ask, id, instance, draft);
    }
    let member = existing_or_new(group, id, ask.member_epoch == Member::JOIN_EPOCH)?;
    fencing::check_epoch(&member, ask.member_epoch, ask.owned.as_deref())?;
    Ok(member)
}

pub(super) fn existing_or_new(
    group: &ConsumerGroup,
    id: &Arc<str>,
    joins: bool,
) -> Result<Arc<Member>, Refusal> {
    match group.member(id) {
        Some(member) => Ok(Arc::clone(member)),
        None if joins => Ok(Arc::new(Member::new(Arc::clone(id)))),
        None => Err(Refusal::unknown_member(id, group.id())),
    }
}

/// A member id of 128 random bits. Its text never begins with a dash, which command lines would take for an option.
pub(super) fn new_member_id(seed: u128) -> Arc<str> {
    let mut bytes = *uuid::Builder::from_random_bytes(seed.to_be_bytes())
        .as_uuid()
        .as_bytes();
    // In base64 a dash is 62: six bits of which only the last is 0.
    if bytes[0] >> 2 == 0b11_1110 {
        bytes[0] &= 0b0111_1111;
    }
    let id = KafkaUuid(uuid::Uuid::from_bytes(bytes));
    id.to_string().into()
}

/// The member with what it says in the heartbeat; `None` if that is nothing new.
pub(super) fn updated(member: &Member, ask: &ConsumerHeartbeat) -> Option<Member> {
    let is_same = |new: &Option<Arc<str>>, known: &Option<Arc<str>>| new.is_none() || new == known;
    let expression = ask.expression.as_ref();
    let is_known = is_same(&ask.instance, &member.instance)
        && is_same(&ask.rack, &member.rack)
        && is_same(&ask.assignor, &member.assignor)
        && [-1, member.rebalance_timeout_ms].contains(&ask.rebalance_timeout_ms)
        && ask.client_id == member.client_id
        && ask.client_host == member.client_host
        && !member.is_classic()
        && expression.is_none_or(|expression| {
            **expression
                == *member
                    .subscription
                    .expression
                    .as_deref()
                    .unwrap_or_default()
        })
        && ask
            .topics
            .as_ref()
            .is_none_or(|topics| member.subscription.names.as_slice() == topics);
    if is_known {
        return None;
    }
    let mut updated = member.clone();
    let change = |new: &Option<Arc<str>>, known: &mut Option<Arc<str>>| {
        if new.is_some() {
            known.clone_from(new);
        }
    };
    change(&ask.instance, &mut updated.instance);
    change(&ask.rack, &mut updated.rack);
    change(&ask.assignor, &mut updated.assignor);
    if ask.rebalance_timeout_ms != -1 {
        updated.rebalance_timeout_ms = ask.rebalance_timeout_ms;
    }
    if let Some(expression) = expression {
        updated.subscription.expression =
            Some(Arc::clone(expression)).filter(|expression| !expression.is_empty());
    }
    if let Some(topics) = &ask.topics {
        updated.subscription.names = Names::new(topics.iter().cloned());
    }
    updated.client_id = Arc::clone(&ask.client_id);
    updated.client_host = Arc::clone(&ask.client_host);
    updated.classic = None;
    (updated != *member).then_some(updated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_id_has_kafkas_form() {
        for seed in [0, 1, u128::MAX, 0b11_1110 << 122, 0x0123_4567_89ab_cdef] {
            let id = new_member_id(seed);
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'));
            assert!(id.parse::<KafkaUuid>().is_ok());
        }
        assert_ne!(new_member_id(1), new_member_id(2));
    }
}
