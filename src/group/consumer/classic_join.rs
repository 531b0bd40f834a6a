//! A member joins a consumer group with the classic protocol.

use std::sync::Arc;

use super::classic_members::CONSUMER;
use super::draft::Draft;
use super::member::{ClassicMember, Member, Names, Subscription};
use super::refusal::Refusal;
use super::target::Change;
use super::world::World;
use super::{ConsumerGroup, downgrade, join, progress, records, static_member};
use crate::base::{ErrorCode, Timestamp};
use crate::config::MigrationPolicy;
use crate::group::asks::{Join, JoinReply, Protocol};
use crate::group::subscription::{self, Said};

/// A member joins, or joins again. Nothing has happened if that is refused.
pub(super) fn join(
    world: &mut World,
    group: &ConsumerGroup,
    ask: &Join,
    now: Timestamp,
    draft: &mut Draft,
) -> Result<JoinReply, ErrorCode> {
    let first = admit(world, group, ask)?;
    let id = if ask.member.is_empty() {
        join::new_member_id(ask.member_id_seed)
    } else {
        Arc::clone(&ask.member)
    };
    if ask.member.is_empty() && ask.instance.is_none() && ask.needs_known_member_id {
        // The id is not remembered: whoever comes with it is a new member.
        return Ok(JoinReply::refused(id, ErrorCode::MEMBER_ID_REQUIRED));
    }
    let before = member(group, ask, &id, draft)?;
    let said = subscription::read(&first.metadata);
    let said = said.ok_or(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)?;
    let owned: Vec<_> = said
        .owned
        .iter()
        .filter_map(|(topic, partitions)| Some((world.topic_id(topic)?, partitions.clone())))
        .collect();
    let after = updated(&before, ask, said);
    if after != *before {
        draft.write(records::member_metadata(group.id(), &after));
    }
    let after = Arc::new(after);
    let change = Change {
        before: &before,
        after: &after,
    };
    let refused = |refusal: Refusal| refusal.error;
    let news = progress::announce(world, group, change, now, draft).map_err(refused)?;
    let next = if downgrade::is_due_for_joining(world, group, ask.instance.as_deref()) {
        let is_behind = group.target_epoch() < news.epoch;
        let next = if is_behind {
            Arc::clone(&after)
        } else {
            let target = (group.target_epoch(), None);
            progress::step(
                world,
                group,
                &after,
                target,
                news,
                Some(owned.as_slice()),
                draft,
            )
            .map_err(refused)?
        };
        let instance = ask.instance.as_deref();
        let rebalances = is_behind || downgrade::is_unsettled(group, instance);
        draft.downgrade_for(Arc::clone(&next), rebalances);
        next
    } else {
        let next = progress::advance(
            world,
            group,
            change,
            news,
            Some(owned.as_slice()),
            now,
            draft,
        );
        let next = next.map_err(refused)?;
        draft.end_rejoin(group.id(), &id);
        draft.begin_session(group.id(), &id, ask.session_timeout_ms);
        draft.await_sync(group.id(), &id, ask.rebalance_timeout_ms);
        next
    };
    Ok(JoinReply {
        error: ErrorCode::NONE,
        generation: next.epoch,
        protocol_type: Some(CONSUMER.into()),
        protocol: Some(Arc::clone(&first.name)),
        leader: Arc::default(),
        skip_assignment: false,
        member: id,
        members: Vec::new(),
    })
}

/// Whether such a member may be in the group at all. Returns its first protocol, which counts.
fn admit<'a>(
    world: &World,
    group: &ConsumerGroup,
    ask: &'a Join,
) -> Result<&'a Protocol, ErrorCode> {
    if world.config.migration_policy == MigrationPolicy::Disabled {
        return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let instance = ask.instance.as_deref();
    let has_place = group.member(&ask.member).is_some()
        || instance.is_some_and(|instance| group.static_member(instance).is_some());
    let max_size = usize::try_from(world.config.max_size).unwrap_or(0);
    if group.member_count() >= max_size && !has_place {
        return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
    }
    let supporters = |protocol: &Protocol| group.classic_protocols().get(&protocol.name).copied();
    let is_common =
        |protocol: &Protocol| supporters(protocol).unwrap_or(0) == group.classic_count();
    let first = ask.protocols.first();
    let first = first.filter(|_| *ask.protocol_type == *CONSUMER);
    first
        .filter(|_| ask.protocols.iter().any(is_common))
        .ok_or(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
}

/// The member that joins, as it was before. A static member without its id takes the place of its former self, whichever
/// protocol that spoke.
fn member(
    group: &ConsumerGroup,
    ask: &Join,
    id: &Arc<str>,
    draft: &mut Draft,
) -> Result<Arc<Member>, ErrorCode> {
    let existing_or_new =
        || join::existing_or_new(group, id, true).map_err(|refusal| refusal.error);
    let Some(instance) = &ask.instance else {
        return existing_or_new();
    };
    match group.static_member(instance) {
        Some(owner) if ask.member.is_empty() => {
            Ok(Arc::new(static_member::replace(group, owner, id, draft)))
        }
        Some(owner) if owner.id == ask.member => Ok(Arc::clone(owner)),
        Some(_) => Err(ErrorCode::FENCED_INSTANCE_ID),
        None if ask.member.is_empty() => existing_or_new(),
        None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
    }
}

/// The member with what it says in its join.
fn updated(member: &Member, ask: &Join, said: Said) -> Member {
    Member {
        instance: ask.instance.clone().or_else(|| member.instance.clone()),
        rack: said.rack.or_else(|| member.rack.clone()),
        client_id: Arc::clone(&ask.client_id),
        client_host: Arc::clone(&ask.client_host),
        subscription: Subscription {
            names: Names::new(said.topics),
            expression: None,
        },
        rebalance_timeout_ms: match ask.rebalance_timeout_ms {
            -1 => member.rebalance_timeout_ms,
            timeout_ms => timeout_ms,
        },
        classic: Some(ClassicMember {
            session_timeout_ms: ask.session_timeout_ms,
            protocols: ask.protocols.clone().into(),
        }),
        ..member.clone()
    }
}
