//! The target assignment: which topics count, which assignor decides, and what changes with a new one.
//!
//! A new one is made when the group epoch is above the target's, but not sooner than
//! `consumer.assignment.interval.ms` after the last. Until then members go on towards the old one. So when 1,000 members
//! join at once there is one assignment a second, not 1,000.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::Draft;
use super::member::{Member, Subscription};
use super::world::World;
use super::{Assignment, ConsumerGroup, Subscribers, records};
use crate::base::{Timestamp, TopicId};
use crate::group::assignor::{AssignorMember, SubscriptionType, Topics};
use crate::metadata::Image;

/// Topics with those who read them.
pub(super) type ByTopic = BTreeMap<Arc<str>, Subscribers>;

/// How many members use each expression, or ask for each assignor.
type Counts = BTreeMap<Arc<str>, usize>;

/// A member before and after its heartbeat.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) before: &'a Member,
    pub(super) after: &'a Arc<Member>,
}

impl Change<'_> {
    /// The topics that the group reads when this has happened.
    pub(super) fn topics(self, group: &ConsumerGroup) -> ByTopic {
        let mut topics = all_topics(group);
        without_names(&mut topics, self.before);
        for name in self.after.subscription.names.iter() {
            topics.entry(Arc::clone(name)).or_default().by_name += 1;
        }
        let (old, new) = (&self.before.subscription, &self.after.subscription);
        if let Some(expression) = &old.expression
            && old.expression != new.expression
            && group.expressions_in_use().get(expression) == Some(&1)
        {
            without_expression(&mut topics, group, expression);
        }
        topics
    }

    /// The regular expressions of the group when this has happened.
    pub(super) fn expressions(self, group: &ConsumerGroup) -> Counts {
        let mut counts = group.expressions_in_use().clone();
        if let Some(old) = &self.before.subscription.expression {
            uncount(&mut counts, old);
        }
        if let Some(new) = &self.after.subscription.expression {
            *counts.entry(Arc::clone(new)).or_default() += 1;
        }
        counts
    }

    /// The assignor that most members ask for when this has happened.
    pub(super) fn assignor(self, group: &ConsumerGroup) -> Option<Arc<str>> {
        let (old, new) = (self.before.assignor.as_ref(), self.after.assignor.as_ref());
        let mut counts: Vec<_> = in_order(group.assignors());
        for (name, count) in &mut counts {
            *count -= usize::from(old == Some(*name));
        }
        counts.retain(|(_, count)| *count > 0);
        if let Some(new) = new {
            match counts.iter_mut().find(|(name, _)| *name == new) {
                Some((_, count)) => *count += 1,
                None => counts.push((new, 1)),
            }
        }
        most_wanted(&counts)
    }
}

/// The assignors in the order in which Kafka's table has them, which decides when two are wanted by as many: uniform
/// before range, and one that nobody has asked for before last.
fn in_order(counts: &Counts) -> Vec<(&Arc<str>, usize)> {
    let counts = counts.iter().rev();
    counts.map(|(name, count)| (name, *count)).collect()
}

fn most_wanted(counts: &[(&Arc<str>, usize)]) -> Option<Arc<str>> {
    let most = counts.iter().map(|(_, count)| *count).max()?;
    let first = counts.iter().find(|(_, count)| *count == most)?;
    Some(Arc::clone(first.0))
}

/// The topics that the group reads without these members and without these expressions.
pub(super) fn topics_without(
    group: &ConsumerGroup,
    members: &[Arc<Member>],
    expressions: &[Arc<str>],
) -> ByTopic {
    let mut topics = all_topics(group);
    for member in members {
        without_names(&mut topics, member);
    }
    for expression in expressions {
        without_expression(&mut topics, group, expression);
    }
    topics
}

/// The topics that the group reads.
pub(super) fn all_topics(group: &ConsumerGroup) -> ByTopic {
    let topics = group.subscribed_topics();
    topics
        .map(|(name, subscribers)| (Arc::clone(name), *subscribers))
        .collect()
}

fn without_names(topics: &mut ByTopic, member: &Member) {
    for name in member.subscription.names.iter() {
        change(topics, name, |topic| {
            topic.by_name = topic.by_name.saturating_sub(1);
        });
    }
}

fn without_expression(topics: &mut ByTopic, group: &ConsumerGroup, expression: &str) {
    let resolved = group.expression(expression);
    for name in resolved.iter().flat_map(|resolved| resolved.topics.iter()) {
        change(topics, name, |topic| {
            topic.by_expression = topic.by_expression.saturating_sub(1);
        });
    }
}

/// Changes who reads a topic, and removes it when that is nobody.
pub(super) fn change(topics: &mut ByTopic, name: &str, change: impl FnOnce(&mut Subscribers)) {
    if let Some(subscribers) = topics.get_mut(name) {
        change(subscribers);
        if *subscribers == Subscribers::default() {
            topics.remove(name);
        }
    }
}

pub(super) fn uncount(counts: &mut Counts, key: &Arc<str>) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// Whether it is time for the next assignment. A group without one need not wait, nor one whose was made nobody knows
/// when; and an interval of 0 helps when the clock was set back.
pub(super) fn is_due(made: Timestamp, interval_ms: i32, now: Timestamp) -> bool {
    made.0 == 0 || interval_ms == 0 || now >= made.plus_millis(interval_ms.into())
}

/// Makes a new target assignment for this group epoch, writes what differs, and returns what the member shall have.
pub(super) fn assign(
    world: &World,
    group: &ConsumerGroup,
    change: Change<'_>,
    epoch: i32,
    now: Timestamp,
    draft: &mut Draft,
) -> Assignment {
    let wanted = change.assignor(group);
    let assignor = world.assignor(wanted.as_deref());
    let own = &change.after.id;
    let replaced = replaced(group, change.after);
    let stays = |member: &&Arc<Member>| {
        member.id != *own && replaced.is_none_or(|replaced| member.id != *replaced)
    };
    let mut members: Vec<&Member> = group
        .members()
        .filter(stays)
        .map(|member| &**member)
        .collect();
    members.push(change.after);
    members.sort_unstable_by(|one, other| one.id.cmp(&other.id));

    let topics = TopicSets::new(
        world,
        group,
        members.iter().map(|member| &member.subscription),
    );
    let nothing = Assignment::empty();
    let target_of = |member: &Member| {
        let id = replaced.filter(|_| member.id == *own).unwrap_or(&member.id);
        group.target(id)
    };
    let described: Vec<AssignorMember<'_>> = members
        .iter()
        .map(|member| AssignorMember {
            id: &member.id,
            instance: member.instance.as_deref(),
            joins: group.member(&member.id).is_none(),
            topics: topics.of(&member.subscription),
            assigned: target_of(member).unwrap_or(&nothing),
        })
        .collect();
    let subscriptions = members.iter().map(|member| key(&member.subscription));
    let kind = SubscriptionType::of(subscriptions);
    let assigned = assignor.assign(&described, kind, &Known(&world.image));
    for member in &members {
        let new = assigned.get(&member.id).unwrap_or(&nothing);
        if target_of(member) != Some(new) {
            draft.write(records::target_member(group.id(), &member.id, new));
        }
    }
    draft.write(records::target_epoch(group.id(), epoch, now));
    assigned.get(own).cloned().unwrap_or_default()
}

/// The member whose place this static member takes.
fn replaced<'a>(group: &'a ConsumerGroup, member: &Member) -> Option<&'a Arc<str>> {
    let owner = group.static_member(member.instance.as_deref()?)?;
    (owner.id != member.id).then_some(&owner.id)
}

/// What the member shall have by the target assignment in force.
pub(super) fn in_force(group: &ConsumerGroup, member: &Member) -> Assignment {
    let target = match &member.instance {
        None => group.target(&member.id),
        Some(instance) => group
            .static_member(instance)
            .and_then(|owner| group.target(&owner.id)),
    };
    target.cloned().unwrap_or_default()
}

/// The topics of each subscription. Most members share theirs with others.
struct TopicSets<'a>(BTreeMap<SubscriptionKey<'a>, BTreeSet<TopicId>>);

type SubscriptionKey<'a> = (&'a [Arc<str>], Option<&'a str>);

fn key(subscription: &Subscription) -> SubscriptionKey<'_> {
    (
        subscription.names.as_slice(),
        subscription.expression.as_deref(),
    )
}

impl<'a> TopicSets<'a> {
    fn new(
        world: &World,
        group: &ConsumerGroup,
        subscriptions: impl Iterator<Item = &'a Subscription>,
    ) -> Self {
        let mut sets = BTreeMap::new();
        for subscription in subscriptions {
            sets.entry(key(subscription))
                .or_insert_with(|| topic_ids(world, group, subscription));
        }
        Self(sets)
    }

    fn of(&self, subscription: &'a Subscription) -> &BTreeSet<TopicId> {
        static NONE: BTreeSet<TopicId> = BTreeSet::new();
        self.0.get(&key(subscription)).unwrap_or(&NONE)
    }
}

/// The topics of a subscription that are there.
fn topic_ids(
    world: &World,
    group: &ConsumerGroup,
    subscription: &Subscription,
) -> BTreeSet<TopicId> {
    let expression = subscription.expression.as_deref();
    let resolved = expression.and_then(|expression| group.expression(expression));
    let matched = resolved.iter().flat_map(|resolved| resolved.topics.iter());
    let names = subscription.names.iter().chain(matched);
    names.filter_map(|name| world.topic_id(name)).collect()
}

/// The topics of the cluster, for assignors.
struct Known<'a>(&'a Image);

impl Topics for Known<'_> {
    fn name(&self, topic: TopicId) -> Option<&str> {
        self.0.topic_by_id(topic).map(|topic| &*topic.name)
    }

    fn partition_count(&self, topic: TopicId) -> i32 {
        let topic = self.0.topic_by_id(topic);
        topic.map_or(0, |topic| {
            i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)
        })
    }
}
