//! Reassignments: the replicas of a partition are changed.
//!
//! ```text
//!                         alter: some replicas are not in sync yet
//!   replicas [1]  ─────────────────────────────────────────────────>  replicas [2, 1], adding [2], removing [1]
//!        ^  │                                                                │                    │
//!        │  └── alter: all of them are in sync ──> done in one step          │ cancel             │ 2 is in sync
//!        └───────────────────────────────────────────────────────────────────┘                    v
//!                                                                                           replicas [2]
//! ```
//!
//! Added and removed replicas are relative to the replicas before any reassignment, so that a second reassignment
//! that replaces the first can be cancelled, too. The directories on a broker are not chosen here: the broker chooses
//! them, and moves its replicas (`AlterReplicaLogDirs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{NodeId, TopicId};
use crate::metadata::record::{MetadataRecord, PartitionChange};
use crate::metadata::{PartitionImage, TopicImage};

use super::Situation;
use super::command::{Decision, Refusal};
use super::leaders::{self, Move};
use super::placement;

/// How many partitions one request may change.
const MAXIMUM_CHANGES: usize = 10_000;

/// Changes the replicas of partitions; each succeeds or fails by itself.
#[derive(Clone, Debug, Default)]
pub struct AlterReassignments {
    /// The partitions. If a partition is named several times, the last entry counts.
    pub partitions: Vec<Reassignment>,
    /// Whether the number of replicas may change.
    pub allow_replication_factor_change: bool,
}

/// The request for one partition.
#[derive(Clone, Debug)]
pub struct Reassignment {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// Its replicas; `None` to cancel its reassignment.
    pub replicas: Option<Vec<NodeId>>,
}

/// Why a partition keeps its replicas, with Kafka's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReassignmentFailure {
    /// The topic does not exist.
    #[error("Unable to find a topic of this name.")]
    NoSuchTopic,
    /// The topic has no such partition.
    #[error("Unable to find this partition.")]
    NoSuchPartition,
    /// There is nothing to cancel.
    #[error("No partition reassignment is in progress.")]
    NotInProgress,
    /// None of the former replicas is in sync.
    #[error(
        "Unable to revert partition assignment because it would require an unclean leader election."
    )]
    NobodyInSync,
    /// The number of replicas must stay the same.
    #[error("The replication factor is changed from {from} to {to}")]
    ReplicationFactor {
        /// The present number.
        from: usize,
        /// The requested number.
        to: usize,
    },
    /// These brokers cannot be replicas.
    #[error("{0}")]
    Assignment(Refusal),
    /// The request changes more than is allowed at once.
    #[error("Excessively large number of partitions per request.")]
    TooMany,
}

/// The new state of a partition.
struct Target {
    replicas: Vec<NodeId>,
    isr: Vec<NodeId>,
    adding: Vec<NodeId>,
    removing: Vec<NodeId>,
}

/// Decides on reassignments.
pub(super) fn alter(
    situation: &Situation<'_>,
    command: &AlterReassignments,
) -> Decision<Vec<Result<(), ReassignmentFailure>>> {
    let mut changes = BTreeMap::new();
    let mut alter_one = |wanted: &Reassignment| {
        let topic = situation
            .image
            .topic(&wanted.topic)
            .ok_or(ReassignmentFailure::NoSuchTopic)?;
        let partition = topic
            .partition(wanted.partition)
            .ok_or(ReassignmentFailure::NoSuchPartition)?;
        let (target, unclean) = match &wanted.replicas {
            Some(replicas) => {
                let any_number = command.allow_replication_factor_change;
                (
                    reassigned(situation, partition, replicas, any_number)?,
                    false,
                )
            }
            None if !partition.is_reassigned() => return Err(ReassignmentFailure::NotInProgress),
            None => {
                let unclean = allows_unclean_election(situation, topic);
                (reverted(partition, unclean)?, unclean)
            }
        };
        let change = change(
            situation,
            topic.id,
            wanted.partition,
            partition,
            target,
            unclean,
        );
        let key = (topic.id, wanted.partition);
        match change {
            Some(_) if changes.len() == MAXIMUM_CHANGES && !changes.contains_key(&key) => {
                return Err(ReassignmentFailure::TooMany);
            }
            Some(change) => drop(changes.insert(key, change)),
            None => drop(changes.remove(&key)),
        }
        Ok(())
    };
    let reply = command.partitions.iter().map(&mut alter_one).collect();
    Decision {
        records: changes
            .into_values()
            .map(MetadataRecord::PartitionChange)
            .collect(),
        reply,
    }
}

fn allows_unclean_election(situation: &Situation<'_>, topic: &TopicImage) -> bool {
    leaders::allows_unclean_election(situation.image, &situation.config_in_force(), topic)
}

/// The replicas without a reassignment.
fn original(partition: &PartitionImage) -> Vec<NodeId> {
    without(&partition.replicas, &partition.adding_replicas)
}

fn without(nodes: &[NodeId], others: &[NodeId]) -> Vec<NodeId> {
    let stays = |node: &NodeId| !others.contains(node);
    nodes.iter().copied().filter(stays).collect()
}

/// The partition with these replicas: at once if all of them are in sync, else as a reassignment in progress.
fn reassigned(
    situation: &Situation<'_>,
    partition: &PartitionImage,
    wanted: &[NodeId],
    any_number: bool,
) -> Result<Target, ReassignmentFailure> {
    placement::validate(situation.image, wanted, None).map_err(ReassignmentFailure::Assignment)?;
    check_number(partition, wanted, any_number)?;
    let original = original(partition);
    // Replicas that an earlier reassignment was adding are removed at once, if another replica is in sync.
    let mut removing = without(&original, wanted);
    let mut isr = partition.isr.clone();
    isr.retain(|member| wanted.contains(member) || removing.contains(member));
    if isr.is_empty() {
        removing = without(&partition.replicas, wanted);
        isr.clone_from(&partition.isr);
    }
    let staying = without(&isr, &removing);
    if wanted.iter().all(|replica| staying.contains(replica)) {
        return Ok(Target {
            replicas: wanted.to_vec(),
            isr: staying,
            adding: Vec::new(),
            removing: Vec::new(),
        });
    }
    let mut replicas = wanted.to_vec();
    replicas.extend(&removing);
    Ok(Target {
        replicas,
        isr,
        adding: sorted(without(wanted, &original)),
        removing: sorted(removing),
    })
}

fn check_number(
    partition: &PartitionImage,
    wanted: &[NodeId],
    any_number: bool,
) -> Result<(), ReassignmentFailure> {
    // During a reassignment, its final state counts.
    let replicas = without(&partition.replicas, &partition.removing_replicas);
    let (from, to) = (replicas.len(), wanted.len());
    if any_number || from == to {
        Ok(())
    } else {
        Err(ReassignmentFailure::ReplicationFactor { from, to })
    }
}

fn sorted(mut nodes: Vec<NodeId>) -> Vec<NodeId> {
    nodes.sort_unstable();
    nodes
}

/// The partition as it was before its reassignment.
fn reverted(partition: &PartitionImage, unclean: bool) -> Result<Target, ReassignmentFailure> {
    let replicas = original(partition);
    let mut isr = without(&partition.isr, &partition.adding_replicas);
    if isr.is_empty() {
        let first = replicas.first().filter(|_| unclean);
        isr.push(*first.ok_or(ReassignmentFailure::NobodyInSync)?);
    }
    Ok(Target {
        replicas,
        isr,
        adding: Vec::new(),
        removing: Vec::new(),
    })
}

/// The change from `partition` to `target`; `None` if they are the same.
fn change(
    situation: &Situation<'_>,
    topic_id: TopicId,
    number: i32,
    partition: &PartitionImage,
    target: Target,
    unclean: bool,
) -> Option<PartitionChange> {
    let image = situation.image;
    let directory = |replica: &NodeId| {
        let known = partition.directory_of(*replica);
        known.unwrap_or_else(|| placement::directory(image, *replica))
    };
    let moved = PartitionImage {
        directories: target.replicas.iter().map(directory).collect(),
        replicas: target.replicas,
        isr: target.isr,
        adding_replicas: target.adding,
        removing_replicas: target.removing,
        ..partition.clone()
    };
    let elected = leaders::change_of(image, Move::None, topic_id, number, &moved, unclean);
    let mut change = elected.unwrap_or_else(|| PartitionChange::none(topic_id, number));
    if change.leader.is_none() && !without(&partition.replicas, &moved.replicas).is_empty() {
        // A broker that has lost the partition must not take itself for its replica: the epoch is a new one.
        change.leader = Some(partition.leader);
    }
    let differing = |new: Vec<NodeId>, old: &[NodeId]| (new != old).then_some(new);
    if change.isr.is_none() {
        change.isr = differing(moved.isr, &partition.isr);
    }
    change.replicas = differing(moved.replicas, &partition.replicas);
    change.adding_replicas = differing(moved.adding_replicas, &partition.adding_replicas);
    change.removing_replicas = differing(moved.removing_replicas, &partition.removing_replicas);
    change.directories = (moved.directories != partition.directories).then_some(moved.directories);
    (change != PartitionChange::none(topic_id, number)).then_some(change)
}
