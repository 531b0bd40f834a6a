//! A consumer group of KIP-848: the coordinator assigns the partitions, and each member gets its own by heartbeats.
//!
//! [`ConsumerGroup`] owns what the log says of a group, and indexes over it. It is hard state: only the replay of a
//! record changes it (`replay.rs`), so a decision reads it, makes changed copies of members, and writes their records.
//! What is soft (deadlines, regular expressions that are being looked up) is in `world.rs`, with the cluster's metadata
//! and the broker's settings.
//!
//! Members may speak the classic protocol too (`classic_members.rs`), and a group changes its type while it is in use, both
//! ways (`upgrade.rs`, `downgrade.rs`).
//!
//! `heartbeat.rs` shows the way of a heartbeat, and names the files for its parts. A decision collects what it comes to
//! in a `Draft`, which is dropped when anything is refused. `deciding.rs` is where the registry comes in.
//!
//! # Three epochs
//!
//! | epoch | of | raised when |
//! | --- | --- | --- |
//! | group epoch | the group | members, subscriptions or topics change: a new target assignment is due |
//! | target epoch | the target assignment | one was made, for the group epoch of that time |
//! | member epoch | each member | it has given up what it must for the target of that epoch |
//!
//! A group is stable when all three are equal for every member, and each has what it shall have.
//!
//! ```text
//!                     group epoch > target epoch
//!   Empty ----------> Assigning ----------> Reconciling ----------> Stable
//!     ^   a member        ^   target made       |    every member has   |
//!     |                   |                     |    what it shall have |
//!     |                   +---------------------+-----------------------+
//!     |                        group epoch raised
//!     +---- the last member is gone
//! ```
//!
//! # Records
//!
//! A group is there while one of its records is: each has a part of its own (`records.rs`), and its tombstone brings
//! the part back to what a new group or member has. So the state is the same before and after compaction, whatever
//! order that leaves. A member is there while its metadata or its current assignment is. Kafka never writes one
//! without the other, except inside one batch.
//!
//! # Always true
//!
//! The indexes are functions of the records that are there. A change of a member costs what that member has, not
//! what the group has; the state costs a look-up.

mod asks;
mod assignment;
mod check;
mod classic_join;
mod classic_members;
mod commit;
mod deciding;
mod describe;
mod downgrade;
mod draft;
mod embedded;
mod ending;
mod expressions;
mod fencing;
mod heartbeat;
mod index;
mod join;
mod leave;
mod member;
mod memory;
mod progress;
mod reconcile;
pub(crate) mod records;
mod refusal;
mod replay;
mod static_member;
mod target;
mod upgrade;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use asks::{
    ConsumerHeartbeat, ConsumerHeartbeatReply, Expressions, ExpressionsResolved, GroupEffect,
};
pub(crate) use assignment::{Assignment, Held, Owned};
pub use describe::{ConsumerDescription, DescribedConsumerMember};
use index::Index;
pub(crate) use index::Subscribers;
pub(crate) use member::{ClassicMember, Member, MemberState, Names, Subscription};

pub(in crate::group) use memory::ConsumerGroups;
pub(in crate::group) use world::World;

use crate::base::{Timestamp, TopicId};

/// A consumer group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConsumerGroup {
    id: Arc<str>,
    /// The group epoch and the hash of the topics that the group reads.
    metadata: Option<(i32, i64)>,
    /// Whether there is a record with these topics themselves, of Kafka before 4.1.
    has_topics_read: bool,
    members: BTreeMap<Arc<str>, Known>,
    target: Target,
    expressions: BTreeMap<Arc<str>, Resolved>,
    index: Index,
    /// The memory of members, targets and expressions.
    held: usize,
}

/// A member, and which of its records are there.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    member: Arc<Member>,
    has_metadata: bool,
    has_assignment: bool,
}

/// What the members shall have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Target {
    /// Its epoch, and when it was made.
    metadata: Option<(i32, Timestamp)>,
    by_member: BTreeMap<Arc<str>, Assignment>,
}

/// The topics of a regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) topics: Names,
    /// The offset of the metadata image in which they were found.
    pub(crate) version: i64,
    /// When they were found.
    pub(crate) timestamp: Timestamp,
}

/// The state of a group, with Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsumerState {
    Empty,
    Assigning,
    Reconciling,
    Stable,
}

impl ConsumerState {
    pub(crate) const ALL: [Self; 4] = [
        Self::Empty,
        Self::Assigning,
        Self::Reconciling,
        Self::Stable,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// The epoch of a group, and of a target assignment, before there is a record.
const FIRST_EPOCH: i32 = 1;

impl ConsumerGroup {
    /// A group of which nothing is in the log yet.
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            metadata: None,
            has_topics_read: false,
            members: BTreeMap::new(),
            target: Target::default(),
            expressions: BTreeMap::new(),
            index: Index::default(),
            held: 0,
        }
    }

    pub(crate) const fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The group epoch.
    pub(crate) fn epoch(&self) -> i32 {
        self.metadata.map_or(FIRST_EPOCH, |(epoch, _)| epoch)
    }

    /// The hash of the topics that the group reads, as they were at its epoch.
    pub(crate) fn metadata_hash(&self) -> i64 {
        self.metadata.map_or(0, |(_, hash)| hash)
    }

    /// Whether a record of Kafka before 4.1 is there that must go with the next heartbeat.
    pub(crate) const fn has_topics_read(&self) -> bool {
        self.has_topics_read
    }

    pub(crate) fn state(&self) -> ConsumerState {
        if self.members.is_empty() {
            ConsumerState::Empty
        } else if self.epoch() > self.target_epoch() {
            ConsumerState::Assigning
        } else if self.index.stable_at(self.target_epoch()) < self.members.len() {
            ConsumerState::Reconciling
        } else {
            ConsumerState::Stable
        }
    }

    /// Whether it has no members.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Arc<Member>> {
        self.members.get(id).map(|known| &known.member)
    }

    /// The members, in the order of their ids.
    pub(crate) fn members(&self) -> impl ExactSizeIterator<Item = &Arc<Member>> {
        self.members.values().map(|known| &known.member)
    }

    /// The static member with this name.
    pub(crate) fn static_member(&self, instance: &str) -> Option<&Arc<Member>> {
        self.member(self.index.owner_of_name(instance)?)
    }

    pub(crate) fn target_epoch(&self) -> i32 {
        self.target.metadata.map_or(FIRST_EPOCH, |(epoch, _)| epoch)
    }

    /// When the target assignment was made; 0 if the record does not say.
    pub(crate) fn target_made(&self) -> Timestamp {
        self.target.metadata.map_or(Timestamp(0), |(_, made)| made)
    }

    /// What a member shall have; `None` if it has no target assignment.
    pub(crate) fn target(&self, member: &str) -> Option<&Assignment> {
        self.target.by_member.get(member)
    }

    /// What the members shall have, in the order of their ids.
    pub(crate) fn targets(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Assignment)> {
        self.target.by_member.iter()
    }

    /// The epoch of the member that has this partition or has not given it up yet.
    pub(crate) fn owner_epoch(&self, topic: TopicId, partition: i32) -> Option<i32> {
        self.index.owner_epoch(topic, partition)
    }

    /// The topics that the members read, with how many do so by name, and by how many regular expressions.
    pub(crate) fn subscribed_topics(
        &self,
    ) -> impl ExactSizeIterator<Item = (&Arc<str>, &Subscribers)> {
        self.index.subscribed_topics()
    }

    pub(crate) fn subscribers(&self, topic: &str) -> Subscribers {
        self.index.subscribers(topic)
    }

    /// Whether a member reads this topic.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribers(topic) != Subscribers::default()
    }

    /// The regular expressions whose topics are known.
    pub(crate) fn expressions(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Resolved)> {
        self.expressions.iter()
    }

    pub(crate) fn expression(&self, expression: &str) -> Option<&Resolved> {
        self.expressions.get(expression)
    }

    /// The regular expressions that members use, and how many use each.
    pub(crate) const fn expressions_in_use(&self) -> &BTreeMap<Arc<str>, usize> {
        self.index.expressions()
    }

    /// The assignors that members ask for, and how many ask for each.
    pub(crate) const fn assignors(&self) -> &BTreeMap<Arc<str>, usize> {
        self.index.assignors()
    }

    /// The assignor that most members ask for. Between two of them Kafka prefers `uniform`.
    pub(crate) fn preferred_assignor(&self) -> Option<&Arc<str>> {
        let asked_for = self.assignors().iter();
        asked_for
            .max_by_key(|(_, count)| **count)
            .map(|(name, _)| name)
    }

    /// How many members speak the classic protocol.
    pub(crate) const fn classic_count(&self) -> usize {
        self.index.classic_count()
    }

    /// The protocols of those, and how many support each.
    pub(crate) const fn classic_protocols(&self) -> &BTreeMap<Arc<str>, usize> {
        self.index.classic_protocols()
    }
}

#[cfg(test)]
mod tests;
