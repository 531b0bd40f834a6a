//! Which member of a consumer group gets which partitions: Kafka's two assignors, as pure functions.
//!
//! An assignor gets all members with their subscriptions and their part of the target assignment in force, and the
//! number of partitions of each topic. It answers the new target assignment: every partition of every subscribed topic
//! to one member that subscribes to it. The results are exactly Kafka 4.4's, since clients and operators compare them,
//! and since a group may move between brokers of both kinds without moving its partitions.
//!
//! | assignor | homogeneous subscriptions | heterogeneous subscriptions |
//! | --- | --- | --- |
//! | `uniform` | `homogeneous.rs`: everyone keeps what fits into a share, the rest is dealt out in runs | `heterogeneous.rs`: everyone keeps all, the rest goes to those with least, then topics are balanced one by one |
//! | `range` | `range.rs`: each topic cut into runs, in the order of the members; it remembers nothing | the same |
//!
//! Neither looks at racks: Kafka's did before 4.0 only. (Racks do count in the hash of a group's topics,
//! `group/topics_hash.rs`: a replica that moves to another rack begins a new assignment, with the same result.)
//!
//! # Order
//!
//! Where Kafka's result depends on the order of Java's hash tables it is no accident to be ignored: it says which of two
//! members gets more, and which partition moves. `java.rs` has these orders.
//!
//! | in Kafka | order here |
//! | --- | --- |
//! | members, in `HashMap` | the same |
//! | members in the same bucket: as in `TimelineHashMap`, a joining member last | the same, as long as the group was never so much larger that Kafka's table has grown for it; members in the same bucket there, too: the last id first, in Kafka the one that joined last |
//! | topics, in `HashSet` | the same |
//! | topics in the same bucket: as their names are in `HashSet` | the same for topics that exist; Kafka's table may be larger by those that do not, and names beside a pattern come in another order |
//! | partitions and topics of a member's assignment, in `HashSet` and `HashMap` | the same |
//! | those in the same bucket: as in the record | by number and by id: our records are sorted; in Kafka's they come as in an earlier table |
//! | more than eight in one bucket of a table of 64 or more (Java makes a tree) | as in a list |
//!
//! Of random groups that live on and on, one assignment in sixty is another than Kafka's for these reasons, and as good.
//!
//! The tables are those of Java 17. Since Java 19 sets of 12, 24, 48... get a smaller table.
//!
//! # Cost
//!
//! For m members, p partitions and s subscriptions (of members to topics): `uniform` with homogeneous subscriptions and
//! `range` O(p + s + m log m); `uniform` with heterogeneous subscriptions O(p log p + s log m), at most 17 times.
//! Members whose assignment stays share it with the old one.

mod heterogeneous;
mod homogeneous;
mod java;
mod range;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::consumer::Assignment;
use crate::base::TopicId;

/// One of Kafka's assignors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assignor {
    /// Equal shares, and as little movement as possible.
    Uniform,
    /// The same run of partitions of each topic.
    Range,
}

/// Whether all members of a group subscribe to the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriptionType {
    /// They do.
    Homogeneous,
    /// They do not, or some mix names and patterns.
    Heterogeneous,
}

impl SubscriptionType {
    /// What Kafka takes the subscriptions of these members for: the names, sorted, and the pattern of each. It does not
    /// look at what a pattern matches.
    pub(crate) fn of<'a>(
        members: impl IntoIterator<Item = (&'a [Arc<str>], Option<&'a str>)>,
    ) -> Self {
        let mut members = members.into_iter();
        let Some((names, pattern)) = members.next() else {
            return Self::Homogeneous;
        };
        let is_mixed = pattern.is_some() && !names.is_empty();
        if !is_mixed && members.all(|other| other == (names, pattern)) {
            Self::Homogeneous
        } else {
            Self::Heterogeneous
        }
    }
}

/// A member, as assignors see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssignorMember<'a> {
    /// Its id.
    pub id: &'a Arc<str>,
    /// The instance of a static member.
    pub instance: Option<&'a str>,
    /// Whether it is about to join: its record is not written yet.
    pub joins: bool,
    /// The topics it subscribes to, by name or by pattern.
    pub topics: &'a BTreeSet<TopicId>,
    /// What it has in the target assignment in force.
    pub assigned: &'a Assignment,
}

/// The topics of the cluster.
pub(crate) trait Topics {
    /// The name of a topic, if there is such a topic.
    fn name(&self, topic: TopicId) -> Option<&str>;
    /// Its number of partitions; 0 without such a topic.
    fn partition_count(&self, topic: TopicId) -> i32;
}

impl Assignor {
    /// The assignor with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "uniform" => Some(Self::Uniform),
            "range" => Some(Self::Range),
            _ => None,
        }
    }

    /// Its name in configurations and requests.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The new target assignment, with an entry for every member.
    pub(crate) fn assign(
        self,
        members: &[AssignorMember<'_>],
        subscription: SubscriptionType,
        topics: &impl Topics,
    ) -> BTreeMap<Arc<str>, Assignment> {
        match (self, subscription) {
            (Self::Uniform, SubscriptionType::Homogeneous) => homogeneous::assign(members, topics),
            (Self::Uniform, SubscriptionType::Heterogeneous) => {
                heterogeneous::assign(members, topics)
            }
            (Self::Range, _) => range::assign(members, topics),
        }
    }
}
