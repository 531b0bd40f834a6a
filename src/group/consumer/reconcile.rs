//! The next step of a member towards its target: first it gives up what it shall not have any more, then it moves to the
//! target's epoch and gets what others have given up.
//!
//! ```text
//!                 newer target, nothing to give up
//!        +------------------------------------------------+
//!        |                                                v
//!     Stable --- newer target, or other topics ---> Unrevoked Partitions
//!      ^   ^                                              |
//!      |   |            has reported that it owns no such partition any more
//!      |   +----------------------------------------------+
//!      |   |                                              |
//!      |   +-- nothing is missing        something is still with others
//!      |                                                  v
//!      +---- all others have given it up ---- Unreleased Partitions
//! ```
//!
//! While a member has something to give up it stays in its epoch, so its commits are accepted. The partitions count as
//! its own until it reports without them.

use std::cmp::Ordering;

use super::assignment::{Assignment, Held, Owned};
use super::member::{Member, MemberState};
use crate::base::TopicId;

/// Partitions as a client names them.
pub(super) type Reported = [(TopicId, Vec<i32>)];

/// What is known as a member takes its next step.
pub(super) struct Step<'a> {
    pub(super) member: &'a Member,
    pub(super) target_epoch: i32,
    /// What the member shall have.
    pub(super) target: &'a Assignment,
    /// Whether the member has just changed what it is subscribed to.
    pub(super) has_new_subscription: bool,
    /// Whether the member is subscribed to any name at all.
    pub(super) is_subscribed: bool,
    /// Whether the member is subscribed to this topic.
    pub(super) reads: &'a dyn Fn(TopicId) -> bool,
    /// Whether any member has this partition or has not given it up yet.
    pub(super) is_owned: &'a dyn Fn(TopicId, i32) -> bool,
    /// What the member says that it owns.
    pub(super) reported: Option<&'a Reported>,
}

/// The member is in a state that a newer release has written: it must join again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InUnknownState;

impl Step<'_> {
    /// The member after the step; it may be as before.
    pub(super) fn take(&self) -> Result<Member, InUnknownState> {
        let member = self.member;
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => {
                Ok(self.towards_target(member.epoch))
            }
            MemberState::Stable if self.has_new_subscription => Ok(self.without_foreign_topics()),
            MemberState::Stable => Ok(member.clone()),
            MemberState::UnrevokedPartitions if self.may_own(&member.pending_revocation) => {
                if self.has_new_subscription {
                    Ok(self.without_foreign_topics())
                } else {
                    Ok(member.clone())
                }
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                Ok(self.towards_target(member.epoch))
            }
            MemberState::Unknown if self.reported.is_some_and(<[_]>::is_empty) => {
                Ok(self.towards_target(self.target_epoch))
            }
            MemberState::Unknown => Err(InUnknownState),
        }
    }

    /// Whether the member may still own one of these: it does if it does not say what it owns.
    fn may_own(&self, partitions: &Owned) -> bool {
        self.reported.is_none_or(|reported| {
            let mut topics = reported.iter();
            topics.any(|(topic, numbers)| {
                let held = partitions.of(*topic);
                !held.is_empty()
                    && numbers
                        .iter()
                        .any(|partition| partitions.contains(*topic, *partition))
            })
        })
    }

    /// Takes from the member what it is not subscribed to any more. There is no newer target yet.
    fn without_foreign_topics(&self) -> Member {
        let member = self.member;
        let is_nothing_left = !self.is_subscribed && member.pending_revocation.is_empty();
        let stays = |topic| !is_nothing_left && (self.reads)(topic);
        let is_changed = member.assigned.topics().any(|(topic, _)| !stays(topic));
        if !is_nothing_left && !is_changed {
            return member.clone();
        }
        let assigned = member.assigned.iter().filter(|(topic, _)| stays(*topic));
        let assigned: Owned = assigned.collect();
        let foreign = member.assigned.iter().filter(|(topic, _)| !stays(*topic));
        let pending: Owned = member.pending_revocation.iter().chain(foreign).collect();
        let mut next = Member {
            previous_epoch: member.epoch,
            assigned,
            ..member.clone()
        };
        // What the member does not own any more it need not give up.
        if !pending.is_empty() && self.may_own(&pending) {
            next.state = MemberState::UnrevokedPartitions;
            next.pending_revocation = pending;
        }
        next
    }

    /// The step towards the target of a member that has given up all that it had to give up before.
    fn towards_target(&self, epoch: i32) -> Member {
        let member = self.member;
        let mut next = Next::default();
        for (topic, held, target) in both(&member.assigned, self.target) {
            let target = if (self.reads)(topic) { target } else { &[] };
            self.divide(topic, held, target, &mut next);
        }
        let revoked = Owned::new(next.revoked);
        if !revoked.is_empty() && self.may_own(&revoked) {
            return Member {
                state: MemberState::UnrevokedPartitions,
                epoch,
                previous_epoch: member.epoch,
                assigned: Owned::new(next.kept),
                pending_revocation: revoked,
                ..member.clone()
            };
        }
        let state = if next.is_waiting {
            MemberState::UnreleasedPartitions
        } else {
            MemberState::Stable
        };
        Member {
            state,
            epoch: self.target_epoch,
            previous_epoch: member.epoch,
            assigned: Owned::new(next.kept.into_iter().chain(next.added)),
            pending_revocation: Owned::empty(),
            ..member.clone()
        }
    }

    /// What the member keeps, gives up, gets and waits for in one topic.
    fn divide(&self, topic: TopicId, held: &[Held], target: &[i32], next: &mut Next) {
        let has = |partition: i32| {
            held.binary_search_by_key(&partition, |held| held.partition)
                .is_ok()
        };
        let (kept, revoked) = held
            .iter()
            .partition(|held| target.binary_search(&held.partition).is_ok());
        let mut added = Vec::new();
        for partition in target.iter().copied().filter(|partition| !has(*partition)) {
            // Nobody else can own what this member has not given up itself.
            let is_own = self.member.pending_revocation.contains(topic, partition);
            if is_own || !(self.is_owned)(topic, partition) {
                added.push(Held {
                    partition,
                    since: self.target_epoch,
                });
            } else {
                next.is_waiting = true;
            }
        }
        next.kept.push((topic, kept));
        next.revoked.push((topic, revoked));
        next.added.push((topic, added));
    }
}

/// What a step comes to.
#[derive(Default)]
struct Next {
    kept: Vec<(TopicId, Vec<Held>)>,
    revoked: Vec<(TopicId, Vec<Held>)>,
    added: Vec<(TopicId, Vec<Held>)>,
    /// Whether others have something that the member shall have.
    is_waiting: bool,
}

/// The topics of both, in order, with the partitions of each.
fn both<'a>(
    held: &'a Owned,
    target: &'a Assignment,
) -> impl Iterator<Item = (TopicId, &'a [Held], &'a [i32])> {
    let mut held = held.topics().peekable();
    let mut target = target.topics().peekable();
    std::iter::from_fn(move || {
        let order = match (held.peek(), target.peek()) {
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let one = if order.is_le() { held.next() } else { None };
        let other = if order.is_ge() { target.next() } else { None };
        let topic = one.map(|(topic, _)| topic);
        let topic = topic.or_else(|| other.map(|(topic, _)| topic))?;
        Some((
            topic,
            one.map_or(&[][..], |(_, held)| held),
            other.map_or(&[][..], |(_, target)| target),
        ))
    })
}

#[cfg(test)]
mod tests;
