//! `range`: each topic is cut into runs of nearly the same length, which go to its subscribers in their order. The same
//! members get the same numbers of all topics that have the same subscribers and as many partitions, so such topics can
//! be joined.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::java::compare_texts;
use super::{Assignment, AssignorMember, Topics};
use crate::base::TopicId;

/// A topic that is being dealt out.
struct Topic {
    partitions: i32,
    subscribers: i32,
    /// The first partition that nobody has.
    next: i32,
    /// How many members have their run.
    served: i32,
}

impl Topic {
    /// The next member's run. The first members get one more, as long as there are some left over.
    fn run(&mut self) -> std::ops::Range<i32> {
        let extra = i32::from(self.served < self.partitions % self.subscribers);
        let end = self.next + self.partitions / self.subscribers + extra;
        self.served += 1;
        std::mem::replace(&mut self.next, end)..end
    }
}

pub(super) fn assign(
    members: &[AssignorMember<'_>],
    topics: &impl Topics,
) -> BTreeMap<Arc<str>, Assignment> {
    let mut cut: HashMap<TopicId, Topic> = HashMap::new();
    for topic in members.iter().flat_map(|member| member.topics) {
        let new = || Topic {
            partitions: topics.partition_count(*topic),
            subscribers: 0,
            next: 0,
            served: 0,
        };
        cut.entry(*topic).or_insert_with(new).subscribers += 1;
    }
    let mut ordered: Vec<&AssignorMember<'_>> = members.iter().collect();
    ordered.sort_by(|one, other| compare(one, other));
    let runs = |member: &AssignorMember<'_>| {
        let runs = member.topics.iter().filter_map(|id| {
            let run = cut.get_mut(id)?.run();
            Some((*id, run.collect()))
        });
        Assignment::new(runs.collect::<Vec<(TopicId, Vec<i32>)>>())
    };
    let mut runs = runs;
    ordered
        .into_iter()
        .map(|member| (Arc::clone(member.id), runs(member)))
        .collect()
}

/// Static members first: they come back under the same name, and keep their place in the order.
fn compare(one: &AssignorMember<'_>, other: &AssignorMember<'_>) -> Ordering {
    match (one.instance, other.instance) {
        (Some(one), Some(other)) => compare_texts(one, other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => compare_texts(one.id, other.id),
    }
}
