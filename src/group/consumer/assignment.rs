//! Partitions by topic: what the coordinator wants a member to have, and what a member has.
//!
//! A group of 1,000 members has thousands of them, they are copied with each member and compared with each heartbeat.
//! So they are sorted and shared: a copy is a counter, equality of a copy is a comparison of pointers, and a topic
//! that did not change is shared between the old and the new one.

use std::sync::Arc;

use crate::base::TopicId;

/// A partition of an [`Assignment`] or an [`Owned`].
pub(crate) trait Place: Copy + Ord {
    fn partition(self) -> i32;
}

impl Place for i32 {
    fn partition(self) -> i32 {
        self
    }
}

/// A partition that a member has, or must give up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    pub(crate) partition: i32,
    /// The member's epoch when it got the partition: offsets of older epochs are not its own.
    pub(crate) since: i32,
}

impl Place for Held {
    fn partition(self) -> i32 {
        self.partition
    }
}

/// A topic with its partitions.
type Topic<P> = (TopicId, Arc<[P]>);

/// Partitions by topic, both sorted, each partition once, no topic without partitions.
#[derive(Clone, Debug)]
pub(crate) struct ByTopic<P>(Arc<[Topic<P>]>);

/// Partitions that a member shall have.
pub(crate) type Assignment = ByTopic<i32>;

/// Partitions that a member has.
pub(crate) type Owned = ByTopic<Held>;

impl<P: Place> ByTopic<P> {
    pub(crate) fn empty() -> Self {
        Self(Arc::new([]))
    }

    /// From partitions in any order. Of a partition that is named twice, the last counts.
    pub(crate) fn new(topics: impl IntoIterator<Item = (TopicId, Vec<P>)>) -> Self {
        let mut all: Vec<(TopicId, Vec<P>)> = topics.into_iter().collect();
        all.sort_by_key(|(topic, _)| *topic);
        all.dedup_by(|(topic, later), (kept, places)| {
            let is_same = topic == kept;
            if is_same {
                places.append(later);
            }
            is_same
        });
        let topics = all.into_iter().filter_map(|(topic, mut places)| {
            // A stable sort: the last one of equals stays the last.
            places.sort_by_key(|place| place.partition());
            places.dedup_by(|later, kept| {
                let is_same = later.partition() == kept.partition();
                if is_same {
                    *kept = *later;
                }
                is_same
            });
            (!places.is_empty()).then(|| (topic, places.into()))
        });
        Self(topics.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many partitions there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, places)| places.len()).sum()
    }

    /// The topics and their partitions, sorted.
    pub(crate) fn topics(&self) -> impl ExactSizeIterator<Item = (TopicId, &Arc<[P]>)> {
        self.0.iter().map(|(topic, places)| (*topic, places))
    }

    /// The partitions of a topic, sorted.
    pub(crate) fn of(&self, topic: TopicId) -> &[P] {
        match self.0.binary_search_by_key(&topic, |(topic, _)| *topic) {
            Ok(place) => &self.0[place].1,
            Err(_) => &[],
        }
    }

    pub(crate) fn get(&self, topic: TopicId, partition: i32) -> Option<P> {
        let places = self.of(topic);
        let found = places.binary_search_by_key(&partition, |place| place.partition());
        found.ok().map(|found| places[found])
    }

    pub(crate) fn contains(&self, topic: TopicId, partition: i32) -> bool {
        self.get(topic, partition).is_some()
    }

    /// All partitions, sorted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TopicId, P)> {
        let topics = self.0.iter();
        topics.flat_map(|(topic, places)| places.iter().map(|place| (*topic, *place)))
    }

    /// The memory of the partitions, wherever else they are shared.
    pub(crate) fn held_bytes(&self) -> usize {
        self.0.len() * TOPIC_BYTES + self.len() * size_of::<P>()
    }
}

/// A topic's id, the reference to its partitions, their counters and what the allocator adds.
const TOPIC_BYTES: usize = 64;

impl<P: Place> Default for ByTopic<P> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<P: PartialEq> PartialEq for ByTopic<P> {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(one, other): (&Topic<P>, &Topic<P>)| {
            one.0 == other.0 && (Arc::ptr_eq(&one.1, &other.1) || one.1 == other.1)
        };
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.len() == other.0.len() && self.0.iter().zip(&*other.0).all(is_same))
    }
}

impl<P: Eq> Eq for ByTopic<P> {}

impl<P: Place> FromIterator<(TopicId, P)> for ByTopic<P> {
    fn from_iter<T: IntoIterator<Item = (TopicId, P)>>(places: T) -> Self {
        let mut topics: Vec<(TopicId, Vec<P>)> = Vec::new();
        for (topic, place) in places {
            match topics.last_mut() {
                Some((last, places)) if *last == topic => places.push(place),
                _ => topics.push((topic, vec![place])),
            }
        }
        Self::new(topics)
    }
}

impl Owned {
    /// The same partitions, without epochs.
    pub(crate) fn partitions(&self) -> Assignment {
        let topics = self.0.iter().map(|(topic, places)| {
            let partitions = places.iter().map(|held| held.partition);
            (*topic, partitions.collect())
        });
        ByTopic(topics.collect())
    }
}

impl Assignment {
    /// The same partitions, got at this epoch.
    pub(crate) fn held_since(&self, since: i32) -> Owned {
        let topics = self.0.iter().map(|(topic, partitions)| {
            let held = partitions.iter().map(|partition| Held {
                partition: *partition,
                since,
            });
            (*topic, held.collect())
        });
        ByTopic(topics.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::KafkaUuid;

    fn topic(number: u128) -> TopicId {
        KafkaUuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn partitions_are_sorted_and_named_once() {
        let (one, two) = (topic(1), topic(2));
        let assignment = Assignment::new([(two, vec![3, 1]), (one, vec![]), (two, vec![2, 3])]);
        assert_eq!(
            assignment,
            [(two, 1), (two, 2), (two, 3)].into_iter().collect()
        );
        assert_eq!(assignment.topics().len(), 1);
        assert_eq!((assignment.len(), assignment.of(two)), (3, &[1, 2, 3][..]));
        assert!(assignment.contains(two, 3) && !assignment.contains(two, 4));
        assert!(assignment.of(one).is_empty() && !assignment.is_empty());
        assert!(Assignment::new([(one, vec![])]).is_empty());
        assert_ne!(assignment, Assignment::empty());
    }

    #[test]
    fn what_a_member_has_knows_since_when() {
        let held = |partition, since| Held { partition, since };
        let owned = Owned::new([(topic(1), vec![held(2, 5), held(1, 4), held(2, 7)])]);
        assert_eq!(owned.get(topic(1), 2), Some(held(2, 7)));
        assert_eq!(owned.get(topic(1), 3), None);
        let partitions = Assignment::new([(topic(1), vec![1, 2])]);
        assert_eq!(owned.partitions(), partitions);
        assert_ne!(partitions.held_since(4), owned);
        assert_eq!(partitions.held_since(4).partitions(), partitions);
    }
}
