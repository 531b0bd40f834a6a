//! `uniform` where members subscribe to different topics: as even as the subscriptions allow, within reason.
//!
//! 1. Everyone keeps what it has and still subscribes to.
//! 2. Topic by topic, those with most partitions for each subscriber first, what nobody has goes to the subscribers that
//!    have least.
//! 3. Topic by topic, partitions move from the subscribers that have most to those that have least, until they differ by
//!    one at most. This may unbalance another topic, so it is repeated until nothing moves, but not without end.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::java::{compare_ids, members_in_order};
use super::{Assignment, AssignorMember, Topics};
use crate::base::TopicId;

/// How many times all topics are balanced. Most subscriptions need two.
const MOST_ROUNDS: usize = 16;

pub(super) fn assign(
    members: &[AssignorMember<'_>],
    topics: &impl Topics,
) -> BTreeMap<Arc<str>, Assignment> {
    let members = members_in_order(members);
    let mut new = New::keeping(&members, subscribed_topics(&members, topics));
    let mut balancer = Balancer::default();
    new.deal_out(&mut balancer);
    new.balance(&mut balancer);
    new.into_assignments(&members)
}

/// A subscribed topic.
struct Topic {
    id: TopicId,
    /// The subscribers' places in the order of the members, ascending.
    subscribers: Vec<usize>,
    /// Who has each partition.
    owners: Vec<Option<usize>>,
}

/// The topics, in the order in which they are dealt out and balanced.
fn subscribed_topics(members: &[&AssignorMember<'_>], topics: &impl Topics) -> Vec<Topic> {
    let mut subscribers: HashMap<TopicId, Vec<usize>> = HashMap::new();
    for (index, member) in members.iter().enumerate() {
        for id in member.topics {
            subscribers.entry(*id).or_default().push(index);
        }
    }
    let topics = subscribers.into_iter().map(|(id, subscribers)| Topic {
        id,
        subscribers,
        owners: vec![None; usize::try_from(topics.partition_count(id)).unwrap_or(0)],
    });
    let mut topics: Vec<Topic> = topics.collect();
    topics.sort_unstable_by(compare);
    topics
}

/// Those first that are hardest to balance.
fn compare(one: &Topic, other: &Topic) -> Ordering {
    let load = |topic: &Topic| topic.owners.len() as f64 / topic.subscribers.len() as f64;
    load(other)
        .total_cmp(&load(one))
        .then_with(|| one.subscribers.len().cmp(&other.subscribers.len()))
        .then_with(|| compare_ids(one.id, other.id))
}

/// The assignment that is being made.
struct New {
    topics: Vec<Topic>,
    /// How many partitions each member has.
    sizes: Vec<usize>,
    is_changed: Vec<bool>,
}

impl New {
    /// What members have and still subscribe to.
    fn keeping(members: &[&AssignorMember<'_>], mut topics: Vec<Topic>) -> Self {
        let places = topics.iter().enumerate();
        let places: HashMap<TopicId, usize> =
            places.map(|(place, topic)| (topic.id, place)).collect();
        let mut sizes = vec![0; members.len()];
        let mut is_changed = vec![false; members.len()];
        for (index, member) in members.iter().enumerate() {
            for (id, partitions) in member.assigned.topics() {
                let place = places.get(&id).filter(|_| member.topics.contains(&id));
                let Some(topic) = place.and_then(|place| topics.get_mut(*place)) else {
                    is_changed[index] = true;
                    continue;
                };
                for partition in partitions.iter() {
                    let partition = usize::try_from(*partition).ok();
                    match partition.and_then(|partition| topic.owners.get_mut(partition)) {
                        Some(owner @ None) => {
                            *owner = Some(index);
                            sizes[index] += 1;
                        }
                        // There is no such partition, or two members have it. Nothing of ours writes that.
                        _ => is_changed[index] = true,
                    }
                }
            }
        }
        Self {
            topics,
            sizes,
            is_changed,
        }
    }

    /// Gives what nobody has to those that have least.
    fn deal_out(&mut self, balancer: &mut Balancer) {
        for topic in &mut self.topics {
            if !topic.owners.contains(&None) {
                continue;
            }
            balancer.begin(&topic.subscribers, &self.sizes);
            for owner in topic.owners.iter_mut().filter(|owner| owner.is_none()) {
                let least = balancer.next_least(&self.sizes);
                *owner = Some(least);
                self.sizes[least] += 1;
                self.is_changed[least] = true;
            }
        }
    }

    /// Balances the topics one by one, until nothing has moved in a whole round.
    fn balance(&mut self, balancer: &mut Balancer) {
        let shared =
            (0..self.topics.len()).filter(|place| self.topics[*place].subscribers.len() > 1);
        let shared: Vec<usize> = shared.collect();
        let mut owned = vec![Vec::new(); self.sizes.len()];
        let mut last_moved = None;
        for _ in 0..MOST_ROUNDS {
            for place in &shared {
                if last_moved == Some(*place) {
                    return;
                }
                let has_moved = self.balance_topic(*place, balancer, &mut owned);
                if has_moved || last_moved.is_none() {
                    last_moved = Some(*place);
                }
            }
        }
    }

    /// Moves partitions of a topic from those that have most to those that have least, and says whether any moved.
    /// `owned` is room for the partitions of each member.
    fn balance_topic(
        &mut self,
        place: usize,
        balancer: &mut Balancer,
        owned: &mut [Vec<usize>],
    ) -> bool {
        let topic = &mut self.topics[place];
        if is_balanced(&topic.subscribers, &self.sizes) {
            return false;
        }
        balancer.begin(&topic.subscribers, &self.sizes);
        for subscriber in &topic.subscribers {
            owned[*subscriber].clear();
        }
        for (partition, owner) in topic.owners.iter().enumerate() {
            if let Some(owner) = owner {
                owned[*owner].push(partition);
            }
        }
        let mut has_moved = false;
        while let Some(most) = balancer.next_most(&self.sizes) {
            let Some(partition) = owned[most].pop() else {
                balancer.exclude_most();
                continue;
            };
            let least = balancer.next_least(&self.sizes);
            if balancer.is_balanced() {
                break;
            }
            topic.owners[partition] = Some(least);
            self.sizes[most] -= 1;
            self.sizes[least] += 1;
            self.is_changed[most] = true;
            self.is_changed[least] = true;
            has_moved = true;
        }
        has_moved
    }

    fn into_assignments(self, members: &[&AssignorMember<'_>]) -> BTreeMap<Arc<str>, Assignment> {
        let mut partitions: Vec<Vec<(TopicId, Vec<i32>)>> = vec![Vec::new(); members.len()];
        for topic in &self.topics {
            for (partition, owner) in (0_i32..).zip(&topic.owners) {
                let Some(owner) = owner.filter(|owner| self.is_changed[*owner]) else {
                    continue;
                };
                match partitions[owner].last_mut() {
                    Some((last, partitions)) if *last == topic.id => partitions.push(partition),
                    _ => partitions[owner].push((topic.id, vec![partition])),
                }
            }
        }
        let changed = partitions.into_iter().zip(self.is_changed);
        let assignments = members
            .iter()
            .zip(changed)
            .map(|(member, (partitions, is_changed))| {
                let assignment = if is_changed {
                    Assignment::new(partitions)
                } else {
                    member.assigned.clone()
                };
                (Arc::clone(member.id), assignment)
            });
        assignments.collect()
    }
}

fn is_balanced(members: &[usize], sizes: &[usize]) -> bool {
    let sizes = || members.iter().map(|member| sizes[*member]);
    let (least, most) = (sizes().min(), sizes().max());
    most.unwrap_or(0) <= least.unwrap_or(0) + 1
}

/// Says who gets the next partition, and who gives one: of those that have least and most, each in turn.
///
/// The subscribers of a topic, sorted by size. Everyone in the range at the left has had the same size; when each has got
/// a partition, the range grows to the right by those that have as many. The range at the right gives, and grows to the
/// left. Who has nothing to give is moved to its end and left out.
///
/// ```text
///   size            most   left out
///    ^                   ##
///    |           [#######]##
///    |    least #[#######]##
///    |  [######]#[#######]##
///    +--------------------------> subscribers
/// ```
#[derive(Default)]
struct Balancer {
    sorted: Vec<usize>,
    least: Least,
    most: Most,
}

#[derive(Default)]
struct Least {
    end: usize,
    /// What each in the range had when this turn began.
    size: isize,
    next: usize,
}

#[derive(Default)]
struct Most {
    start: usize,
    end: usize,
    /// What each in the range had when this turn began.
    size: isize,
    /// Behind the next one.
    next: usize,
}

impl Balancer {
    fn begin(&mut self, members: &[usize], sizes: &[usize]) {
        self.sorted.clear();
        self.sorted.extend(members);
        self.sorted
            .sort_unstable_by_key(|member| (sizes[*member], *member));
        let size = |member: Option<&usize>| member.map_or(0, |member| sizes[*member] as isize);
        let all = self.sorted.len();
        self.least = Least {
            end: 0,
            size: size(self.sorted.first()) - 1,
            next: 0,
        };
        self.most = Most {
            start: all,
            end: all,
            size: size(self.sorted.last()) + 1,
            next: all,
        };
    }

    /// Who gets the next partition. There must be someone.
    fn next_least(&mut self, sizes: &[usize]) -> usize {
        let Least { end, size, next } = &mut self.least;
        if *next >= *end {
            *size += 1;
            while self
                .sorted
                .get(*end)
                .is_some_and(|member| sizes[*member] as isize == *size)
            {
                *end += 1;
            }
            *next = 0;
        }
        *next += 1;
        self.sorted[*next - 1]
    }

    /// Who gives the next partition, if anyone can.
    fn next_most(&mut self, sizes: &[usize]) -> Option<usize> {
        let Most {
            start,
            end,
            size,
            next,
        } = &mut self.most;
        if *next <= *start {
            let before = start
                .checked_sub(1)
                .map(|place| sizes[self.sorted[place]] as isize);
            match before {
                // Nobody in the range could give.
                Some(before) if *end <= *start => *size = before,
                _ => *size -= 1,
            }
            while *start > 0 && sizes[self.sorted[*start - 1]] as isize == *size {
                *start -= 1;
            }
            *next = *end;
        }
        *next = next.checked_sub(1)?;
        Some(self.sorted[*next])
    }

    /// The one that [`Self::next_most`] has named has nothing to give.
    fn exclude_most(&mut self) {
        self.most.end -= 1;
        self.sorted.swap(self.most.next, self.most.end);
    }

    /// Whether those that have most and least differ by one at most.
    const fn is_balanced(&self) -> bool {
        self.most.size - self.least.size <= 1
    }
}
