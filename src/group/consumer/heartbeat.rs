//! A heartbeat, from its member to the answer.
//!
//! 1. Who sends it, and may they (`join.rs`, `static_member.rs`, `fencing.rs`)?
//! 2. Is anything new about the member (`join.rs`, `expressions.rs`), or about the topics that the group reads? Then
//!    the group gets a new epoch.
//! 3. Is a new target assignment due (`target.rs`)?
//! 4. The member takes its next step (`reconcile.rs`).
//!
//! All of it reads the group as it was before the heartbeat. A heartbeat that changes nothing copies two references
//! and writes nothing.

use std::sync::Arc;

use super::asks::{ConsumerHeartbeat, ConsumerHeartbeatReply};
use super::draft::Draft;
use super::expressions::{self, Changed};
use super::member::Member;
use super::reconcile::Step;
use super::refusal::Refusal;
use super::target::{self, Change};
use super::world::World;
use super::{Assignment, ConsumerGroup, Owned, join, records};
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
    let has_new_names = before.subscription.names != after.subscription.names;
    let expression = expressions::update(world, group, change, now, draft)?;
    let has_new_subscription = has_new_names || expression != Changed::No;

    let is_raised =
        has_new_names || expression == Changed::Now || wants_other_assignor(world, group, change);
    let epoch = if is_raised || world.is_refresh_due(group, now) {
        look_at_topics(world, group, change, is_raised, draft)
    } else {
        group.epoch()
    };
    let config = world.config_of(group.id());
    let is_assigned = epoch > group.target_epoch()
        && target::is_due(group.target_made(), config.assignment_interval_ms, now);
    let (target_epoch, target) = if is_assigned {
        let target = target::assign(world, group, change, epoch, now, draft);
        (epoch, Some(target))
    } else {
        (group.target_epoch(), None)
    };

    let mut next = Arc::clone(&after);
    if has_new_subscription || !after.is_reconciled_to(target_epoch) {
        let target = target.unwrap_or_else(|| target::in_force(group, &after));
        let step = take_step(
            world,
            group,
            &after,
            (target_epoch, &target),
            has_new_subscription,
            ask,
        )?;
        if step != *after {
            draft.write_current(group.id(), &step);
            next = Arc::new(step);
        }
    }
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

/// Whether most members want another assignor because of this one.
fn wants_other_assignor(world: &World, group: &ConsumerGroup, change: Change<'_>) -> bool {
    if change.before.assignor == change.after.assignor {
        return false;
    }
    let (old, new) = (group.preferred_assignor(), change.assignor(group));
    let default = world.config.assignors.first().map_or("", String::as_str);
    old.map_or(default, |old| &**old) != new.as_deref().unwrap_or(default)
}

/// Gives the group a new epoch if it reads other topics, or if these are not as they were. Returns the epoch.
fn look_at_topics(
    world: &mut World,
    group: &ConsumerGroup,
    change: Change<'_>,
    is_raised: bool,
    draft: &mut Draft,
) -> i32 {
    let hash = world.hash(change.topics(group).keys());
    let mut epoch = group.epoch();
    if is_raised || hash != group.metadata_hash() {
        epoch += 1;
        draft.write(records::group_metadata(group.id(), epoch, hash));
    }
    draft.refreshed = Some(epoch);
    if group.has_topics_read() {
        draft.write(records::topics_read_tombstone(group.id()));
    }
    epoch
}

fn take_step(
    world: &World,
    group: &ConsumerGroup,
    member: &Member,
    (target_epoch, target): (i32, &Assignment),
    has_new_subscription: bool,
    ask: &ConsumerHeartbeat,
) -> Result<Member, Refusal> {
    let names = &member.subscription.names;
    let expression = member.subscription.expression.as_deref();
    let matched = expression.and_then(|expression| group.expression(expression));
    let matched = matched.map(|matched| &matched.topics);
    let reads = |topic: TopicId| {
        let topic = world.image.topic_by_id(topic);
        topic.is_some_and(|topic| {
            names.contains(&topic.name)
                || matched.is_some_and(|matched| matched.contains(&topic.name))
        })
    };
    let step = Step {
        member,
        target_epoch,
        target,
        has_new_subscription,
        is_subscribed: !names.is_empty() || matched.is_some_and(|matched| !matched.is_empty()),
        reads: &reads,
        is_owned: &|topic, partition| group.owner_epoch(topic, partition).is_some(),
        reported: ask.owned.as_deref(),
    };
    step.take().map_err(|_| Refusal::unknown_state())
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
