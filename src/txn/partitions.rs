//! The partitions of a transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::TopicPartition;

/// The cost of a topic besides its name: its entry in the map, the name's counts and the list's allocation.
const TOPIC_BYTES: usize = 128;
/// The cost of a partition: its number, in a list that may be half empty.
const PARTITION_BYTES: usize = 2 * size_of::<i32>();
/// Larger than the lengths around a topic in a record.
const TOPIC_OVERHEAD: usize = 12;

/// Partitions by topic. A copy shares them until one of the two changes, so an answer costs nothing for those that
/// it tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partitions {
    /// The numbers are in order, each once. `None` if there are none, as most transactional ids have none.
    by_topic: Option<Arc<ByTopic>>,
}

type ByTopic = BTreeMap<Arc<str>, Vec<i32>>;

impl Partitions {
    pub(super) fn is_empty(&self) -> bool {
        self.by_topic.is_none()
    }

    pub(super) fn contains(&self, at: &TopicPartition) -> bool {
        let by_topic = self.by_topic.as_ref();
        let numbers = by_topic.and_then(|by_topic| by_topic.get(&at.topic));
        numbers.is_some_and(|numbers| numbers.binary_search(&at.partition).is_ok())
    }

    /// Adds partitions of one topic.
    pub(super) fn add(&mut self, topic: Arc<str>, partitions: impl IntoIterator<Item = i32>) {
        let by_topic = Arc::make_mut(self.by_topic.get_or_insert_default());
        let numbers = by_topic.entry(topic).or_default();
        numbers.extend(partitions);
        numbers.sort_unstable();
        numbers.dedup();
    }

    /// These and `more`.
    pub(super) fn with(&self, more: &[TopicPartition]) -> Self {
        let mut added: BTreeMap<&Arc<str>, Vec<i32>> = BTreeMap::new();
        for at in more {
            added.entry(&at.topic).or_default().push(at.partition);
        }
        let mut all = self.clone();
        for (topic, partitions) in added {
            all.add(Arc::clone(topic), partitions);
        }
        all
    }

    /// The topics with their partitions, in order.
    pub fn topics(&self) -> impl Iterator<Item = (&Arc<str>, &[i32])> {
        let by_topic = self.by_topic.iter().flat_map(|by_topic| by_topic.iter());
        by_topic.map(|(topic, numbers)| (topic, numbers.as_slice()))
    }

    pub(super) fn to_vec(&self) -> Vec<TopicPartition> {
        let one = |topic: &Arc<str>, partition: i32| TopicPartition {
            topic: Arc::clone(topic),
            partition,
        };
        let of_topic = |(topic, numbers): (_, &[i32])| {
            let numbers = numbers.iter().map(|number| one(topic, *number));
            numbers.collect::<Vec<_>>()
        };
        self.topics().flat_map(of_topic).collect()
    }

    /// Their memory.
    pub fn held_bytes(&self) -> usize {
        let of_topic = |(topic, numbers): (&Arc<str>, &[i32])| {
            TOPIC_BYTES + topic.len() + numbers.len() * PARTITION_BYTES
        };
        self.topics().map(of_topic).sum()
    }

    /// No less than what they take in a record.
    pub(super) fn record_bytes(&self) -> usize {
        let of_topic = |(topic, numbers): (&Arc<str>, &[i32])| {
            TOPIC_OVERHEAD + topic.len() + size_of_val(numbers)
        };
        self.topics().map(of_topic).sum()
    }
}

impl FromIterator<(Arc<str>, Vec<i32>)> for Partitions {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Vec<i32>)>>(topics: I) -> Self {
        let mut all = Self::default();
        for (topic, partitions) in topics {
            all.add(topic, partitions);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_is_there_once_and_in_order() {
        let at = TopicPartition::new;
        let some = Partitions::default().with(&[at("b", 1), at("a", 2), at("b", 0)]);
        let shared = some.clone();
        let at_same_place = |(one, other)| Arc::ptr_eq(one, other);
        let both = some.by_topic.as_ref().zip(shared.by_topic.as_ref());
        assert!(both.is_some_and(at_same_place));
        let all = some.with(&[at("b", 1), at("a", 2), at("c", 0), at("c", 0)]);
        let expected = [at("a", 2), at("b", 0), at("b", 1), at("c", 0)];
        assert_eq!(all.to_vec(), expected);
        assert!(expected.iter().all(|at| all.contains(at)));
        assert!(!all.contains(&at("a", 1)) && !all.contains(&at("d", 0)));
        assert!(!some.contains(&at("c", 0)));
        assert_eq!(some, shared);
        assert!(Partitions::default().with(&[]).is_empty());
    }
}
