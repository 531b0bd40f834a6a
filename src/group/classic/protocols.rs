//! The protocols that a group can use, the one that it chooses, and the topics that it reads.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Group, Member};
use crate::group::asks::Protocol;
use crate::group::subscription;

/// The protocol type of consumers, the only one whose metadata we understand.
const CONSUMER: &str = "consumer";
/// For a group with more topics, the topics are not kept: many short names take much more memory as separate strings
/// than in the metadata.
const MAX_TOPICS: usize = 16_384;

impl Group {
    /// Whether a client with these protocols could be a member: it has the group's protocol type, and at least one
    /// protocol that all members support.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.members.is_empty() {
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
    /// several have equal votes, the first in the leader's list.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let leader = self
            .leader
            .as_ref()
            .and_then(|leader| self.members.get(leader));
        let voter = leader.or_else(|| self.members.iter().next())?;
        let candidates: Vec<_> = voter
            .protocols
            .iter()
            .map(|protocol| &protocol.name)
            .filter(|name| self.all_know(name))
            .collect();
        let vote = |member: &Member| {
            let preferred = member
                .protocols
                .iter()
                .find(|known| candidates.contains(&&known.name));
            preferred.map(|known| Arc::clone(&known.name))
        };
        let votes: Vec<_> = self.members.iter().filter_map(vote).collect();
        let count = |name: &Arc<str>| votes.iter().filter(|vote| *vote == name).count();
        let best = candidates
            .iter()
            .enumerate()
            .max_by_key(|(place, name)| (count(name), Reverse(*place)));
        best.map(|(_, name)| Arc::clone(name))
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
