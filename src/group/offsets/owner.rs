//! A group whose offsets may expire, of either type.

use std::ops::Bound;
use std::sync::Arc;

use crate::base::{KeyValue, Timestamp};
use crate::group::classic::{Group, StateName};
use crate::group::consumer::ConsumerGroup;
use crate::group::records::{CommittedOffset, group_tombstone};
use crate::group::registry::Registry;

/// A group that owns offsets.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    Classic(&'a Group),
    Consumer(&'a ConsumerGroup),
}

impl Owner<'_> {
    fn id(self) -> Arc<str> {
        match self {
            Self::Classic(group) => Arc::clone(group.id()),
            Self::Consumer(group) => Arc::clone(group.id()),
        }
    }

    pub(super) fn is_subscribed_to(self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed_to(topic),
            Self::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    /// The tombstones with which it ends, if it has no members.
    pub(super) fn end(self) -> Vec<KeyValue> {
        match self {
            Self::Classic(group) if group.is_deserted() => vec![group_tombstone(group.id())],
            Self::Consumer(group) if group.is_empty() => group.tombstones(),
            _ => Vec::new(),
        }
    }

    /// The time since which an offset without a subscription counts as unused; `None` while it may be in use.
    ///
    /// Of a consumer group it is known at any time what it reads, so the commit time counts.
    ///
    /// A classic group that had members uses all of its offsets until the last member has left. While it has members,
    /// only a group of consumers that is not rebalancing shows what it does not read. For a group that only commits, the
    /// commit time counts.
    pub(super) fn unused_since(self, offset: &CommittedOffset) -> Option<Timestamp> {
        let committed = Some(offset.committed);
        let group = match self {
            Self::Classic(group) if group.protocol_type().is_some() => group,
            _ => return committed,
        };
        match group.state() {
            StateName::Empty => group.since().or(committed),
            StateName::Stable if group.knows_subscription() => committed,
            _ => None,
        }
    }
}

impl Registry {
    /// The groups from this id on, in the order of their ids. Those of types that are not served are not among them:
    /// their offsets do not expire here.
    pub(super) fn owners(
        &self,
        from: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = (Arc<str>, Owner<'_>)> {
        let classic = self
            .groups
            .from(from)
            .map(|(_, group)| Owner::Classic(group));
        let mut classic = classic.peekable();
        let consumer = self.consumers.from(from).map(|(_, group)| group);
        let consumer = consumer.filter(|group| !self.groups.contains(group.id()));
        let mut consumer = consumer.map(Owner::Consumer).peekable();
        std::iter::from_fn(move || {
            let next = match (classic.peek(), consumer.peek()) {
                (Some(one), Some(other)) if one.id() > other.id() => consumer.next(),
                (Some(_), _) => classic.next(),
                (None, _) => consumer.next(),
            };
            next.map(|owner| (owner.id(), owner))
        })
    }
}
