//! `uniform` where all members subscribe to the same: shares that differ by one at most.
//!
//! Members are looked at in their order. Each keeps what it has, up to its share, and the shares of those that have too
//! little are filled with what nobody has: first what nobody had, by topic and number, then what others had too much.
//! So few partitions move, and a new member gets runs of them.
//!
//! If the partitions cannot be shared out evenly, some members get one more. Those that have one more already keep it,
//! as long as there are some to give; if too few have, the last members in the order get it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::java::{
    members_in_order, sort_as_map_of_topics, sort_as_set_of_partitions, subscribed_topics,
};
use super::{Assignment, AssignorMember, Topics};
use crate::base::TopicId;

pub(super) fn assign(
    members: &[AssignorMember<'_>],
    topics: &impl Topics,
) -> BTreeMap<Arc<str>, Assignment> {
    let members = members_in_order(members);
    let Some(first) = members.first() else {
        return BTreeMap::new();
    };
    let subscribed = subscribed_topics(first.topics, topics);
    let owners = Owners::new(&subscribed, topics, &members);
    let mut free = owners.free(&subscribed);
    let mut shares = Shares::new(owners.total(), members.len());
    let kept = members.iter().enumerate().map(|(index, member)| {
        let kept = keep(index, member.assigned, shares.largest(), &owners, &mut free);
        let room = shares.next(kept.count);
        (kept, room)
    });
    let kept: Vec<(Kept<'_>, usize)> = kept.collect();

    let mut free = free.into_iter();
    let assignments = members.iter().zip(kept).map(|(member, (kept, room))| {
        let more = free.by_ref().take(room).collect();
        (Arc::clone(member.id), kept.with(more))
    });
    assignments.collect()
}

/// Which member has each partition of the subscribed topics. If two have one, as nothing of ours writes it, the first.
struct Owners(HashMap<TopicId, Vec<Option<usize>>>);

impl Owners {
    fn new(subscribed: &[TopicId], topics: &impl Topics, members: &[&AssignorMember<'_>]) -> Self {
        let nobody = |id: &TopicId| {
            let count = usize::try_from(topics.partition_count(*id)).unwrap_or(0);
            (*id, vec![None; count])
        };
        let mut owners: HashMap<TopicId, Vec<Option<usize>>> =
            subscribed.iter().map(nobody).collect();
        for (index, member) in members.iter().enumerate() {
            for (id, partitions) in member.assigned.topics() {
                let Some(owners) = owners.get_mut(&id) else {
                    continue;
                };
                for partition in partitions.iter() {
                    let place = usize::try_from(*partition).ok();
                    if let Some(owner) = place.and_then(|place| owners.get_mut(place)) {
                        owner.get_or_insert(index);
                    }
                }
            }
        }
        Self(owners)
    }

    fn total(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// The partitions that nobody has.
    fn free(&self, subscribed: &[TopicId]) -> Vec<(TopicId, i32)> {
        let mut free = Vec::new();
        for id in subscribed {
            let numbered = (0_i32..).zip(self.0.get(id).into_iter().flatten());
            let of_nobody = numbered.filter(|(_, owner)| owner.is_none());
            free.extend(of_nobody.map(|(partition, _)| (*id, partition)));
        }
        free
    }

    /// Those of these partitions that the member has; `None` if the topic is not subscribed.
    fn of<'p>(&self, index: usize, id: TopicId, partitions: &'p [i32]) -> Option<Cow<'p, [i32]>> {
        let owners = self.0.get(&id)?;
        let is_own = |partition: &i32| {
            let place = usize::try_from(*partition).ok();
            place.and_then(|place| *owners.get(place)?) == Some(index)
        };
        Some(if partitions.iter().all(is_own) {
            Cow::Borrowed(partitions)
        } else {
            partitions.iter().copied().filter(is_own).collect()
        })
    }
}

/// How many partitions each member gets.
struct Shares {
    smallest: usize,
    /// How many members get one more.
    extra: usize,
    /// How many members have not been looked at.
    left: usize,
}

impl Shares {
    const fn new(partitions: usize, members: usize) -> Self {
        Self {
            smallest: partitions / members,
            extra: partitions % members,
            left: members,
        }
    }

    /// What the next member may keep.
    const fn largest(&self) -> usize {
        self.smallest + if self.extra > 0 { 1 } else { 0 }
    }

    /// How many more partitions the next member gets, having kept so many.
    fn next(&mut self, kept: usize) -> usize {
        let gets_extra = self.extra > 0 && (kept > self.smallest || self.left <= self.extra);
        self.left -= 1;
        self.extra -= usize::from(gets_extra);
        (self.smallest + usize::from(gets_extra)).saturating_sub(kept)
    }
}

/// What a member keeps.
struct Kept<'a> {
    before: &'a Assignment,
    partitions: Vec<(TopicId, Cow<'a, [i32]>)>,
    count: usize,
    /// Whether that is not all.
    is_less: bool,
}

impl Kept<'_> {
    fn with(self, more: Vec<(TopicId, i32)>) -> Assignment {
        if more.is_empty() && !self.is_less {
            return self.before.clone();
        }
        let kept = self.partitions.into_iter();
        let mut all: Vec<(TopicId, Vec<i32>)> = kept
            .map(|(id, numbers)| (id, numbers.into_owned()))
            .collect();
        for (id, partition) in more {
            match all.last_mut() {
                Some((last, partitions)) if *last == id => partitions.push(partition),
                _ => all.push((id, vec![partition])),
            }
        }
        Assignment::new(all)
    }
}

/// What a member keeps of what it had. What it must give up is free.
fn keep<'a>(
    index: usize,
    before: &'a Assignment,
    share: usize,
    owners: &Owners,
    free: &mut Vec<(TopicId, i32)>,
) -> Kept<'a> {
    let mut by_topic: Vec<(TopicId, &[i32])> = before
        .topics()
        .map(|(id, numbers)| (id, &numbers[..]))
        .collect();
    sort_as_map_of_topics(&mut by_topic, |(id, _)| *id);
    let mut kept = Kept {
        before,
        partitions: Vec::with_capacity(by_topic.len()),
        count: 0,
        is_less: false,
    };
    for (id, numbers) in by_topic {
        let Some(mut own) = owners.of(index, id, numbers) else {
            kept.is_less = true;
            continue;
        };
        let room = share - kept.count;
        if own.len() > room {
            let own = own.to_mut();
            sort_as_set_of_partitions(own);
            let released = own.drain(room..);
            free.extend(released.map(|partition| (id, partition)));
        }
        kept.is_less |= own.len() < numbers.len();
        kept.count += own.len();
        kept.partitions.push((id, own));
    }
    kept
}
