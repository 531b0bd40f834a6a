//! A heartbeat, from its member to the answer.
//!
//! 1. Who sends it, and may they (`join.rs`, `static_member.rs`, `fencing.rs`)?
//! 2. Is anything new about the member (`join.rs`, `expressions.rs`), or about the topics that the group reads? Then
//!    the group gets a new epoch (`progress.rs`).
//! 3. Is a new target assignment due (`target.rs`)?
//! 4. The member takes its next step (`reconcile.rs`).
//!
//! All of it reads the group as it was before the heartbeat. A heartbeat that changes nothing copies two references
//! and writes nothing.

use std::sync::Arc;

use super::asks::{ConsumerHeartbeat, ConsumerHeartbeatReply};
use super::draft::Draft;
use super::member::Member;
use super::refusal::Refusal;
use super::target::Change;
use super::world::World;
use super::{ConsumerGroup, Owned, join, progress, records};
use crate::base::{ErrorCode, Timestamp, TopicId};

/// Decides on the heartbeat of a member that does not leave.
pub(super) fn heartbeat(
    world: &mut World,
    group: &ConsumerGroup,
    ask: &ConsumerHeartbeat,
    now: Timestamp,
    draft: &mut Draft,
) -> Result<ConsumerHeartbeatReply, Refusal> {
    check_size(world, group, ask)?;
    let id = if ask.member.is_empty() {
        join::new_member_id(ask.member_id_seed)
    } else {
        Arc::clone(&ask.member)
    };
    let before = join::member(group, ask, &id, draft)?;
    let after = join::updated(&before, ask);
    if let Some(after) = &after {
        draft.write(records::member_metadata(group.id(), after));
    }
    let after = after.map_or_else(|| Arc::clone(&before), Arc::new);
    let change = Change {
        before: &before,
        after: &after,
    };
    let news = progress::announce(world, group, change, now, draft)?;
    let reported = ask.owned.as_deref();
    let next = progress::advance(world, group, change, news, reported, now, draft)?;
    let config = world.config_of(group.id());
    draft.begin_session(group.id(), &next.id, config.session_timeout_ms);
    Ok(ConsumerHeartbeatReply {
        error: ErrorCode::NONE,
        message: None,
        member: Some(Arc::clone(&next.id)),
        member_epoch: next.epoch,
        heartbeat_interval_ms: config.heartbeat_interval_ms,
        assignment: (says_everything(ask) || before.assigned != next.assigned)
            .then(|| answered(&next.assigned)),
    })
}

/// A member that is new must fit. A static member that comes back takes a place that is there.
fn check_size(
    world: &World,
    group: &ConsumerGroup,
    ask: &ConsumerHeartbeat,
) -> Result<(), Refusal> {
    let max_size = world.config.max_size;
    let is_full = i32::try_from(group.member_count()).is_ok_and(|count| count >= max_size);
    let has_place = || {
        let instance = ask.instance.as_deref();
        instance.is_some_and(|instance| group.static_member(instance).is_some())
            || group.member(&ask.member).is_some()
    };
    if is_full && !has_place() {
        return Err(Refusal::full(max_size));
    }
    Ok(())
}

/// Whether the member does not know what it was told before: it joins, or says all about itself.
fn says_everything(ask: &ConsumerHeartbeat) -> bool {
    let is_full = ask.rebalance_timeout_ms != -1
        && (ask.topics.is_some() || ask.expression.is_some())
        && ask.owned.is_some();
    ask.member_epoch == Member::JOIN_EPOCH || is_full
}

fn answered(assigned: &Owned) -> Vec<(TopicId, Vec<i32>)> {
    let topics = assigned.topics().map(|(topic, held)| {
        let partitions = held.iter().map(|held| held.partition);
        (topic, partitions.collect())
    });
    topics.collect()
}
