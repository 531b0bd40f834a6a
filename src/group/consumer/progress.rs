//! What a member's request moves, whichever protocol the member speaks: the group's epoch, the target assignment, and the
//! member itself.

use std::sync::Arc;

use super::draft::Draft;
use super::expressions::{self, Changed};
use super::member::Member;
use super::reconcile::{Reported, Step};
use super::refusal::Refusal;
use super::target::{self, Change};
use super::world::World;
use super::{Assignment, ConsumerGroup, records};
use crate::base::{Timestamp, TopicId};

/// What a member's news mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// The group's epoch now.
    pub(super) epoch: i32,
    /// Whether the member reads other topics than before.
    has_new_subscription: bool,
}

/// Raises the group's epoch if what the member says, or the topics that the group reads, are not as before.
pub(super) fn announce(
    world: &mut World,
    group: &ConsumerGroup,
    change: Change<'_>,
    now: Timestamp,
    draft: &mut Draft,
) -> Result<News, Refusal> {
    let has_new_names = change.before.subscription.names != change.after.subscription.names;
    let expression = expressions::update(world, group, change, now, draft)?;
    let is_raised =
        has_new_names || expression == Changed::Now || wants_other_assignor(world, group, change);
    let epoch = if is_raised || world.is_refresh_due(group, now) {
        look_at_topics(world, group, change, is_raised, draft)
    } else {
        group.epoch()
    };
    Ok(News {
        epoch,
        has_new_subscription: has_new_names || expression != Changed::No,
    })
}

/// Makes a new target assignment if one is due, and takes the member's next step. Returns the member after it.
pub(super) fn advance(
    world: &World,
    group: &ConsumerGroup,
    change: Change<'_>,
    news: News,
    reported: Option<&Reported>,
    now: Timestamp,
    draft: &mut Draft,
) -> Result<Arc<Member>, Refusal> {
    let interval_ms = world.config_of(group.id()).assignment_interval_ms;
    let is_assigned =
        news.epoch > group.target_epoch() && target::is_due(group.target_made(), interval_ms, now);
    if is_assigned {
        let target = target::assign(world, group, change, news.epoch, now, draft);
        let target = (news.epoch, Some(target));
        return step(world, group, change.after, target, news, reported, draft);
    }
    let target = (group.target_epoch(), None);
    step(world, group, change.after, target, news, reported, draft)
}

/// Takes the member's next step to a target; `None` is the one in force. Returns the member after it.
pub(super) fn step(
    world: &World,
    group: &ConsumerGroup,
    member: &Arc<Member>,
    (target_epoch, target): (i32, Option<Assignment>),
    news: News,
    reported: Option<&Reported>,
    draft: &mut Draft,
) -> Result<Arc<Member>, Refusal> {
    if !news.has_new_subscription && member.is_reconciled_to(target_epoch) {
        return Ok(Arc::clone(member));
    }
    let target = target.unwrap_or_else(|| target::in_force(group, member));
    let target = (target_epoch, &target);
    let next = take_step(
        world,
        group,
        member,
        target,
        news.has_new_subscription,
        reported,
    )?;
    if next == **member {
        return Ok(Arc::clone(member));
    }
    draft.write_current(group.id(), &next);
    Ok(Arc::new(next))
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
    reported: Option<&Reported>,
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
        reported,
    };
    step.take().map_err(|_| Refusal::unknown_state())
}
