//! Offsets of open transactions: they count when the transaction's commit marker is read, and never when it is
//! aborted.
//!
//! ```text
//!   log:     [a=1 of p] [a=2] [b=5 of p] [commit p] [c=3 of q]
//!   counts:              a=2              b=5                     a=1 is older than a=2; q is open
//! ```
//!
//! | what happens to the partition meanwhile | the pending offset |
//! | --- | --- |
//! | a commit outside of transactions, or of a transaction that ends first | is overtaken, if it is older: stays pending, and will not count |
//! | another commit of the same transaction | is replaced |
//! | a tombstone: the group, its offset or the topic is deleted | is gone |
//! | expiry of offsets | keeps the committed offset, and the group |
//!
//! All of that follows the order of the log, so loading gives the same state.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::{Bound, Range};
use std::sync::Arc;

use crate::base::{Offset, ProducerId, TopicPartition, TransactionEnd};
use crate::group::asks::OffsetToCommit;
use crate::group::records::CommittedOffset;

/// The cost of a pending offset besides its strings: itself, and its entries under its group and its producer.
const PENDING_OFFSET_BYTES: usize = 384;

/// The pending offsets of one partition: mostly one.
type OfPartition = Vec<PendingOffset>;
/// The pending offsets of one group.
type OfGroup = BTreeMap<TopicPartition, OfPartition>;

#[derive(Debug, PartialEq, Eq)]
struct PendingOffset {
    producer: ProducerId,
    place: Offset,
    /// Nothing if it has been overtaken.
    offset: Option<CommittedOffset>,
    bytes: usize,
}

/// The offsets of open transactions. Hard state: only replay changes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PendingOffsets {
    by_group: BTreeMap<Arc<str>, OfGroup>,
    by_producer: HashMap<ProducerId, BTreeSet<(Arc<str>, TopicPartition)>>,
    /// Where offsets were added that the log may yet refuse, in the order of their places.
    unsettled: VecDeque<(Offset, Arc<str>, TopicPartition)>,
    held: usize,
}

/// A pending offset that its transaction's marker has decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) group: Arc<str>,
    pub(crate) at: TopicPartition,
    /// The offset that is committed now, if any.
    pub(crate) committed: Option<CommittedOffset>,
}

impl PendingOffsets {
    /// The memory, in bytes.
    pub(crate) const fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn has_any(&self, group: &str) -> bool {
        self.by_group.contains_key(group)
    }

    pub(crate) fn has(&self, group: &str, at: &TopicPartition) -> bool {
        let group = self.by_group.get(group);
        group.is_some_and(|partitions| partitions.contains_key(at))
    }

    /// The groups from this id on, in the order of their ids.
    pub(crate) fn groups_from(&self, first: &Bound<Arc<str>>) -> impl Iterator<Item = &Arc<str>> {
        let from = self.by_group.range((first.clone(), Bound::Unbounded));
        from.map(|(group, _)| group)
    }

    /// The partitions with pending offsets of a group, each with the offsets that may yet count.
    pub(crate) fn of_group(
        &self,
        group: &str,
    ) -> impl Iterator<Item = (&TopicPartition, impl Iterator<Item = &CommittedOffset>)> {
        let partitions = self.by_group.get(group).into_iter().flatten();
        partitions.map(|(at, pending)| (at, pending.iter().filter_map(|one| one.offset.as_ref())))
    }

    /// Adds an offset of a producer's open transaction. Unless it `is_settled`, the log may yet refuse it.
    pub(crate) fn hold(
        &mut self,
        producer: ProducerId,
        place: Offset,
        group: &Arc<str>,
        at: TopicPartition,
        offset: CommittedOffset,
        is_settled: bool,
    ) {
        let bytes = cost(group, &at, &offset.metadata);
        let of_producer = self.by_producer.entry(producer).or_default();
        of_producer.insert((Arc::clone(group), at.clone()));
        let partitions = self.by_group.entry(Arc::clone(group)).or_default();
        partitions
            .entry(at.clone())
            .or_default()
            .push(PendingOffset {
                producer,
                place,
                offset: Some(offset),
                bytes,
            });
        self.held += bytes;
        if is_settled {
            self.replace(producer, place, group, &at);
        } else {
            self.unsettled.push_back((place, Arc::clone(group), at));
        }
    }

    /// The log has the offsets that were added at these places by a producer; or it has refused them, and they never
    /// were there.
    pub(crate) fn settle(
        &mut self,
        producer: ProducerId,
        places: &Range<Offset>,
        is_written: bool,
    ) -> BTreeSet<Arc<str>> {
        let mut groups = BTreeSet::new();
        let is_among = |(place, ..): &(Offset, Arc<str>, TopicPartition)| *place < places.end;
        while self.unsettled.front().is_some_and(is_among)
            && let Some((place, group, at)) = self.unsettled.pop_front()
        {
            if is_written {
                self.replace(producer, place, &group, &at);
            } else {
                self.remove_if(&group, &at, |one| one.place == place);
                groups.insert(group);
            }
        }
        groups
    }

    /// A commit of a transaction replaces its earlier ones. Their marker is not on its way: that would have been
    /// settled before.
    fn replace(
        &mut self,
        producer: ProducerId,
        place: Offset,
        group: &Arc<str>,
        at: &TopicPartition,
    ) {
        self.remove_if(group, at, |one| {
            one.producer == producer && one.place < place
        });
    }

    /// An offset is committed that was written at `place`: those before it will not count any more.
    pub(crate) fn overtake(&mut self, group: &str, at: &TopicPartition, place: Offset) {
        let group = self.by_group.get_mut(group);
        let pending = group.and_then(|partitions| partitions.get_mut(at));
        for one in pending.into_iter().flatten() {
            if one.place < place {
                one.offset = None;
            }
        }
    }

    /// The partition's offsets are deleted.
    pub(crate) fn remove(&mut self, group: &Arc<str>, at: &TopicPartition) {
        self.remove_if(group, at, |_| true);
    }

    fn remove_if(
        &mut self,
        group: &Arc<str>,
        at: &TopicPartition,
        is_gone: impl Fn(&PendingOffset) -> bool,
    ) {
        let Some(partitions) = self.by_group.get_mut(group) else {
            return;
        };
        let Some(pending) = partitions.get_mut(at) else {
            return;
        };
        let gone: Vec<_> = pending.extract_if(.., |one| is_gone(one)).collect();
        let producers: Vec<_> = pending.iter().map(|one| one.producer).collect();
        if pending.is_empty() {
            partitions.remove(at);
        }
        if partitions.is_empty() {
            self.by_group.remove(group);
        }
        for one in gone {
            self.held -= one.bytes;
            if producers.contains(&one.producer) {
                continue;
            }
            if let Some(of_producer) = self.by_producer.get_mut(&one.producer) {
                of_producer.remove(&(Arc::clone(group), at.clone()));
                if of_producer.is_empty() {
                    self.by_producer.remove(&one.producer);
                }
            }
        }
    }

    /// Ends a producer's transaction. Offsets of the producer behind the marker belong to its next transaction, and
    /// stay pending.
    pub(crate) fn end(&mut self, end: &TransactionEnd) -> Vec<Decided> {
        let mut decided = Vec::new();
        let mut next = BTreeSet::new();
        for (group, at) in self.by_producer.remove(&end.producer).unwrap_or_default() {
            let Some(partitions) = self.by_group.get_mut(&group) else {
                continue;
            };
            let mut committed = None;
            if let Some(pending) = partitions.get_mut(&at) {
                let is_ended =
                    |one: &mut PendingOffset| one.producer == end.producer && one.place < end.place;
                for one in pending.extract_if(.., is_ended) {
                    self.held -= one.bytes;
                    committed = one.offset.map(|offset| (one.place, offset));
                }
                if pending.iter().any(|one| one.producer == end.producer) {
                    next.insert((Arc::clone(&group), at.clone()));
                }
                if pending.is_empty() {
                    partitions.remove(&at);
                }
            }
            if partitions.is_empty() {
                self.by_group.remove(&group);
            }
            let committed = committed.filter(|_| end.is_committed);
            if let Some((place, _)) = committed {
                self.overtake(&group, &at, place);
            }
            decided.push(Decided {
                group,
                at,
                committed: committed.map(|(_, offset)| offset),
            });
        }
        if !next.is_empty() {
            self.by_producer.insert(end.producer, next);
        }
        decided
    }
}

/// The memory of a pending offset.
fn cost(group: &str, at: &TopicPartition, metadata: &str) -> usize {
    PENDING_OFFSET_BYTES + group.len() + at.topic.len() + metadata.len()
}

/// The memory that these offsets will take while they are pending.
pub(super) fn cost_of(group: &str, offsets: &[OffsetToCommit]) -> usize {
    let cost = |offset: &OffsetToCommit| {
        let metadata = offset.metadata.as_deref().unwrap_or_default();
        cost(group, &offset.at, metadata)
    };
    offsets.iter().map(cost).sum()
}

#[cfg(test)]
mod tests;
