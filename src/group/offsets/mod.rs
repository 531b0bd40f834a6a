//! Committed offsets: their storage, and reading them.

mod commit;
mod delete;
mod owner;
mod pending;
mod sweep;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

pub(crate) use pending::{Decided, PendingOffsets};
pub(crate) use sweep::Sweep;

use super::records::CommittedOffset;
use super::registry::Registry;
use crate::base::{ErrorCode, LeaderEpoch, Offset, TopicId, TopicPartition};

/// The offsets of one group.
pub(crate) type GroupOffsets = BTreeMap<TopicPartition, CommittedOffset>;

/// The offsets of all groups. Hard state: only replay changes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Offsets {
    by_group: BTreeMap<Arc<str>, GroupOffsets>,
}

impl Offsets {
    pub(crate) fn insert(&mut self, group: Arc<str>, at: TopicPartition, offset: CommittedOffset) {
        self.by_group.entry(group).or_default().insert(at, offset);
    }

    pub(crate) fn remove(&mut self, group: &str, at: &TopicPartition) {
        if let Some(offsets) = self.by_group.get_mut(group) {
            offsets.remove(at);
            if offsets.is_empty() {
                self.by_group.remove(group);
            }
        }
    }

    pub(crate) fn has_any(&self, group: &str) -> bool {
        self.by_group.contains_key(group)
    }

    pub(crate) fn of_group(&self, group: &str) -> Option<&GroupOffsets> {
        self.by_group.get(group)
    }

    /// The groups from this id on, in the order of their ids.
    pub(crate) fn from(
        &self,
        first: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = (&Arc<str>, &GroupOffsets)> {
        self.by_group.range((first.clone(), Bound::Unbounded))
    }
}

/// An offset, as in the OffsetFetch response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// The partition.
    pub at: TopicPartition,
    /// The topic id of the request, or the committed one; zero if unknown.
    pub topic_id: TopicId,
    /// The offset, or [`Offset::NONE`] if nothing is committed, which is no error.
    pub offset: Offset,
    /// The committed leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The committed metadata.
    pub metadata: Arc<str>,
    /// Whether an open transaction may change it. Then nothing else is told.
    pub is_unstable: bool,
}

impl Registry {
    /// Whether the offsets of `group` may be fetched by somebody who names a member and an epoch, or neither. Only in a
    /// consumer group do these count.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH or, for a classic member in a consumer group, ILLEGAL_GENERATION.
    pub fn allow_fetch(
        &self,
        group: &str,
        member: Option<&str>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        match self.consumer(group) {
            Some(group) => group.allow_fetch(member, epoch),
            None => Ok(()),
        }
    }

    /// The offsets of `group` for `partitions`, each with its topic's id or zero, in their order. Without
    /// `partitions`, all offsets of the group. An offset that was committed for another topic id counts as none.
    ///
    /// Every offset here is committed: those of open transactions (`pending.rs`) are not shown before their marker. A
    /// reader that `requires_stable` offsets is told of which partitions there are such, and none for these.
    pub fn fetch_offsets(
        &self,
        group: &str,
        partitions: Option<&[(TopicPartition, TopicId)]>,
        requires_stable: bool,
    ) -> Vec<FetchedOffset> {
        let requires_stable = requires_stable && self.pending.has_any(group);
        let nothing: Arc<str> = "".into();
        let committed = self.offsets.of_group(group);
        let Some(partitions) = partitions else {
            let all = committed.into_iter().flatten();
            let fetch = |(at, offset): (&TopicPartition, &CommittedOffset)| {
                if requires_stable && self.pending.has(group, at) {
                    none(at, offset.topic_id, &nothing, true)
                } else {
                    found(at, offset.topic_id, offset)
                }
            };
            return all.map(fetch).collect();
        };
        let fetch = |(at, topic_id): &(TopicPartition, TopicId)| {
            if requires_stable && self.pending.has(group, at) {
                return none(at, *topic_id, &nothing, true);
            }
            let offset = committed.and_then(|offsets| offsets.get(at));
            match offset.filter(|offset| is_same_life(offset.topic_id, *topic_id)) {
                Some(offset) => found(at, *topic_id, offset),
                None => none(at, *topic_id, &nothing, false),
            }
        };
        partitions.iter().map(fetch).collect()
    }
}

fn found(at: &TopicPartition, topic_id: TopicId, committed: &CommittedOffset) -> FetchedOffset {
    FetchedOffset {
        at: at.clone(),
        topic_id,
        offset: committed.offset,
        leader_epoch: committed.leader_epoch,
        metadata: Arc::clone(&committed.metadata),
        is_unstable: false,
    }
}

fn none(
    at: &TopicPartition,
    topic_id: TopicId,
    nothing: &Arc<str>,
    is_unstable: bool,
) -> FetchedOffset {
    FetchedOffset {
        at: at.clone(),
        topic_id,
        offset: Offset::NONE,
        leader_epoch: LeaderEpoch::NONE,
        metadata: Arc::clone(nothing),
        is_unstable,
    }
}

/// Whether two topic ids can be equal, where zero means unknown.
fn is_same_life(one: TopicId, other: TopicId) -> bool {
    one.is_zero() || other.is_zero() || one == other
}
