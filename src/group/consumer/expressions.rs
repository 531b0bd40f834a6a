//! Regular expressions: which of them a group uses, when their topics are looked up, and what comes of it.
//!
//! Looking them up costs a look at every topic of the cluster for each expression, so it is not done in a decision: it
//! is an effect, one at a time for a group, and the result comes back as [`ExpressionsResolved`]. It is done
//!
//! - when a member brings an expression that is new to the group,
//! - when topics were created since the last time,
//! - when that is longer ago than `group.consumer.regex.refresh.interval.ms`,
//!
//! each with the next heartbeat of any member, and not more often than every ten seconds.
//!
//! Deleted topics stay in the result until the next time. That does no harm: whatever is assigned is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::asks::{Expressions, ExpressionsResolved};
use super::draft::Draft;
use super::member::{Member, Names};
use super::refusal::Refusal;
use super::target::{self, Change};
use super::world::World;
use super::{ConsumerGroup, Resolved, records};
use crate::base::Timestamp;
use crate::base::pattern::Pattern;

/// The least time between two looks for the same group, in milliseconds.
const MIN_INTERVAL_MS: i64 = 10_000;

/// What a heartbeat does to the member's regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    No,
    /// It changes, but its topics are not known yet.
    Later,
    /// It changes, and its topics are known: the group has another subscription now.
    Now,
}

/// Accepts the member's regular expression, and has the group's looked up if that is due.
pub(super) fn update(
    world: &World,
    group: &ConsumerGroup,
    change: Change<'_>,
    now: Timestamp,
    draft: &mut Draft,
) -> Result<Changed, Refusal> {
    let (changed, is_new) = accept(group, change, draft)?;
    if is_due(world, group, change, is_new, now) {
        let used = change.expressions(group);
        if !used.is_empty() {
            draft.resolve = Some(Expressions {
                group: Arc::clone(group.id()),
                expressions: used.into_keys().collect(),
                image: Arc::clone(&world.image),
            });
        }
    }
    Ok(changed)
}

/// Also says whether the expression is new to the group.
fn accept(
    group: &ConsumerGroup,
    change: Change<'_>,
    draft: &mut Draft,
) -> Result<(Changed, bool), Refusal> {
    let old = change.before.subscription.expression.as_ref();
    let new = change.after.subscription.expression.as_ref();
    if old == new {
        return Ok((Changed::No, false));
    }
    let users = |expression: &Arc<str>| group.expressions_in_use().get(expression).copied();
    if let Some(old) = old
        && users(old) == Some(1)
    {
        draft.write(records::expression_tombstone(group.id(), old));
    }
    match new {
        None => Ok((Changed::Now, false)),
        Some(new) if users(new).is_none() => {
            let compiled = Pattern::new(new);
            compiled.map_err(|error| Refusal::invalid_expression(new, &error.to_string()))?;
            Ok((Changed::Later, true))
        }
        Some(new) if group.expression(new).is_some() => Ok((Changed::Now, false)),
        Some(_) => Ok((Changed::Later, false)),
    }
}

fn is_due(
    world: &World,
    group: &ConsumerGroup,
    change: Change<'_>,
    is_new: bool,
    now: Timestamp,
) -> bool {
    let is_without = !is_new && group.expressions_in_use().is_empty();
    if is_without || world.is_resolving(group.id()) {
        return false;
    }
    // All are looked up together, so any of them tells.
    let last = group.expressions().next().map(|(_, resolved)| resolved);
    let Some(last) = last else {
        // The last result may have been too large for the log.
        return is_new || now > world.asked(group.id()).plus_millis(MIN_INTERVAL_MS);
    };
    let is_past = |milliseconds: i64| now > last.timestamp.plus_millis(milliseconds);
    is_past(MIN_INTERVAL_MS)
        && (is_new
            || uses_other_than_known(group, change)
            || last.version < world.newest_topics.0
            || is_past(world.config.regex_refresh_interval_ms.into()))
}

/// Whether there are expressions without topics, or topics of an expression that nobody uses.
fn uses_other_than_known(group: &ConsumerGroup, change: Change<'_>) -> bool {
    let is_same = change.before.subscription.expression == change.after.subscription.expression;
    let used = if is_same {
        group.expressions_in_use().len()
    } else {
        change.expressions(group).len()
    };
    used != group.expressions().len()
}

/// The expressions that nobody uses without these members.
pub(super) fn unused_without(group: &ConsumerGroup, members: &[Arc<Member>]) -> Vec<Arc<str>> {
    let mut counts = BTreeMap::<&Arc<str>, usize>::new();
    for member in members {
        if let Some(expression) = &member.subscription.expression {
            *counts.entry(expression).or_default() += 1;
        }
    }
    let is_unused = |(expression, count): (&Arc<str>, usize)| {
        (group.expressions_in_use().get(expression) == Some(&count)).then(|| Arc::clone(expression))
    };
    counts.into_iter().filter_map(is_unused).collect()
}

/// The topics of expressions were looked up: they are written, and the group has a new epoch if they differ.
pub(super) fn resolved(
    world: &mut World,
    group: &ConsumerGroup,
    ask: ExpressionsResolved,
    draft: &mut Draft,
) {
    let mut topics = target::all_topics(group);
    let mut is_changed = false;
    let nothing = Names::default();
    for (expression, found) in ask.topics {
        if !group.expressions_in_use().contains_key(&expression) {
            continue;
        }
        let new = Resolved {
            topics: Names::new(found),
            version: ask.version.0,
            timestamp: ask.began,
        };
        let old = group.expression(&expression);
        let old = old.map_or(&nothing, |old| &old.topics);
        if *old != new.topics {
            is_changed = true;
            for name in old.iter() {
                target::change(&mut topics, name, |topic| {
                    topic.by_expression = topic.by_expression.saturating_sub(1);
                });
            }
            for name in new.topics.iter() {
                topics.entry(Arc::clone(name)).or_default().by_expression += 1;
            }
        }
        draft.write(records::expression(group.id(), &expression, &new));
    }
    let hash = world.hash(topics.keys());
    if is_changed || hash != group.metadata_hash() {
        let epoch = group.epoch() + 1;
        draft.write(records::group_metadata(group.id(), epoch, hash));
        draft.refreshed = Some(epoch);
    }
}
