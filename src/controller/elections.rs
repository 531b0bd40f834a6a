//! Requested elections: of the preferred leader, which is the first replica, or of any leader.
//!
//! An unclean election may lose acknowledged records. A client that requests one prefers that to a partition without
//! a leader; `unclean.leader.election.enable` is for automatic elections.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{NodeId, TopicId, TopicPartition};
use crate::metadata::record::{MetadataRecord, PartitionChange};
use crate::metadata::{Image, PartitionImage};

use super::Situation;
use super::command::Decision;
use super::leaders::{self, Move};

/// Elect leaders; each partition succeeds or fails by itself.
#[derive(Clone, Debug)]
pub struct ElectLeaders {
    /// The type of election.
    pub election: Election,
    /// The partitions; `None` for all.
    pub partitions: Option<Vec<TopicPartition>>,
}

/// The type of election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The first of the replicas, if it is in sync.
    Preferred,
    /// Any replica, if there is no leader; if necessary one that is not in sync.
    Unclean,
}

/// Why no leader was elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub enum ElectionFailure {
    /// The topic does not exist.
    NoSuchTopic,
    /// The topic has no such partition.
    NoSuchPartition,
    /// The wanted leader leads already.
    NotNeeded,
    /// The preferred leader is not in sync, or not available.
    PreferredNotAvailable,
    /// No replica of the partition is available.
    NobodyEligible,
}

impl ElectionFailure {
    /// Kafka's message, without names: the client knows them, and a short request could name a long topic a million
    /// times.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoSuchTopic => "No such topic",
            Self::NoSuchPartition => "No such partition",
            Self::NotNeeded => "Leader election not needed for topic partition.",
            Self::PreferredNotAvailable => "The preferred leader was not available.",
            Self::NobodyEligible => "Eligible topic partition leaders are not available.",
        }
    }
}

/// Decides on elections.
pub(super) fn elect(
    situation: &Situation<'_>,
    command: &ElectLeaders,
) -> Decision<Vec<(TopicPartition, Result<(), ElectionFailure>)>> {
    let image = situation.image;
    // A partition that is named twice has one election.
    let mut changes = BTreeMap::new();
    let mut elect = |topic_id, number, partition| {
        let change = elected(image, command.election, topic_id, number, partition)?;
        changes.insert((topic_id, number), change);
        Ok(())
    };
    let mut reply = Vec::new();
    match &command.partitions {
        Some(named) => {
            reply.reserve_exact(named.len());
            for name in named {
                let result = find(image, name)
                    .and_then(|(topic, partition)| elect(topic, name.partition, partition));
                reply.push((name.clone(), result));
            }
        }
        None => {
            for topic in image.topics() {
                for (number, partition) in topic.numbered_partitions() {
                    let result = elect(topic.id, number, partition);
                    if result != Err(ElectionFailure::NotNeeded) {
                        let name = TopicPartition::new(Arc::clone(&topic.name), number);
                        reply.push((name, result));
                    }
                }
            }
        }
    }
    Decision {
        records: changes
            .into_values()
            .map(MetadataRecord::PartitionChange)
            .collect(),
        reply,
    }
}

fn find<'a>(
    image: &'a Image,
    name: &TopicPartition,
) -> Result<(TopicId, &'a PartitionImage), ElectionFailure> {
    let topic = image
        .topic(&name.topic)
        .ok_or(ElectionFailure::NoSuchTopic)?;
    let partition = topic
        .partition(name.partition)
        .ok_or(ElectionFailure::NoSuchPartition)?;
    Ok((topic.id, partition))
}

/// The change made by an election.
fn elected(
    image: &Image,
    election: Election,
    topic_id: TopicId,
    number: i32,
    partition: &PartitionImage,
) -> Result<PartitionChange, ElectionFailure> {
    let any = |unclean| leaders::change_of(image, Move::None, topic_id, number, partition, unclean);
    match election {
        Election::Preferred => {
            let preferred = partition
                .replicas
                .first()
                .copied()
                .ok_or(ElectionFailure::PreferredNotAvailable)?;
            if partition.leader == preferred {
                return Err(ElectionFailure::NotNeeded);
            }
            let may_lead = Move::None.may_lead(image, partition, preferred);
            if may_lead && partition.isr.contains(&preferred) {
                return Ok(PartitionChange {
                    leader: Some(preferred),
                    ..PartitionChange::none(topic_id, number)
                });
            }
            // There may be no leader now, and another replica could lead.
            any(false).ok_or(ElectionFailure::PreferredNotAvailable)
        }
        Election::Unclean if partition.leader != NodeId::NONE => Err(ElectionFailure::NotNeeded),
        Election::Unclean => any(true).ok_or(ElectionFailure::NobodyEligible),
    }
}
