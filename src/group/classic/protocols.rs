//! The protocols that a group can use, the one that it chooses, and the topics that it reads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::conversion::CONSUMER;
use super::{Group, StateName};
use crate::base::java_hash;
use crate::group::asks::Protocol;
use crate::group::subscription;

/// For a group with more topics, the topics are not kept: many short names take much more memory as separate strings
/// than in the metadata.
const MAX_TOPICS: usize = 16_384;

impl Group {
    /// Whether a client with these protocols could be a member: it has the group's protocol type, and at least one
    /// protocol that all members support.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state() == StateName::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols
                .iter()
                .any(|protocol| self.all_know(&protocol.name))
    }

    fn all_know(&self, protocol: &str) -> bool {
        self.members.iter().all(|member| member.knows(protocol))
    }

    /// The protocol with most votes, where each member votes for the first in its list that all members support. If
    /// several have equal votes, the one that comes first where Kafka counts them.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let one = self.members.iter().next()?;
        let candidates: BTreeSet<_> = one
            .protocols
            .iter()
            .map(|protocol| &protocol.name)
            .filter(|name| self.all_know(name))
            .collect();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.iter() {
            let mut known = member.protocols.iter().map(|known| &known.name);
            if let Some(preferred) = known.find(|name| candidates.contains(name)) {
                *votes.entry(preferred).or_default() += 1;
            }
        }
        let order = votes.len();
        let best = votes
            .iter()
            .max_by_key(|(name, count)| (**count, Reverse(place_in_map(name, order))));
        best.map(|(name, _)| Arc::clone(name))
    }

    pub(crate) fn is_consumer_group(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether the topics of the group are known.
    pub(crate) const fn knows_subscription(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Whether the group reads `topic`. If the subscription of a consumer group cannot be parsed, it is assumed to
    /// read everything.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_consumer_group(),
        }
    }

    /// The topics that the members read with the chosen protocol, if they can be known.
    pub(super) fn read_subscription(&self) -> Option<BTreeSet<Arc<str>>> {
        if !self.is_consumer_group() {
            return None;
        }
        let mut topics = BTreeSet::new();
        if self.members.is_empty() {
            return Some(topics);
        }
        let protocol = Some(self.protocol.as_ref()?);
        for member in self.members.iter() {
            subscription::add_topics(&member.metadata(protocol), &mut topics)?;
            if topics.len() > MAX_TOPICS {
                return None;
            }
        }
        Some(topics)
    }
}

/// Where a key is in the order of a `java.util.HashMap` of so many entries, in which Kafka counts votes. There may be
/// several in one place.
fn place_in_map(key: &str, entries: usize) -> u32 {
    // The map doubles from 16 places on, so that three quarters are enough.
    let places = (entries * 4).div_ceil(3).next_power_of_two().max(16);
    let hash = java_hash(key).cast_unsigned();
    let mask = u32::try_from(places - 1).unwrap_or(u32::MAX);
    (hash ^ (hash >> 16)) & mask
}
