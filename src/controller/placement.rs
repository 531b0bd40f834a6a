//! Chooses the brokers of a new partition.
//!
//! Leaders rotate over the brokers that are not fenced, from a random start. The replicas of each partition follow
//! the leader at a distance that grows with every round, so the followers of one leader are not always the same:
//!
//! ```text
//!   partition   0  1  2  | 3  4  5  | 6 ...        (three brokers, two replicas)
//!   leader      a  b  c  | a  b  c  | a
//!   follower    b  c  a  | c  a  b  | b
//! ```
//!
//! Fenced brokers are used only when the others do not suffice, and never lead. Racks are not considered.

use crate::base::{DirectoryId, ErrorCode, LeaderEpoch, NodeId};
use crate::metadata::{Image, PartitionImage};

use super::Chance;
use super::command::Refusal;

/// Places new partitions.
#[derive(Debug)]
pub(super) struct Placement {
    unfenced: Vec<NodeId>,
    fenced: Vec<NodeId>,
    start: usize,
}

impl Placement {
    /// Placement over the brokers of `image`, from a random start.
    pub(super) fn new(image: &Image, chance: &mut dyn Chance) -> Self {
        let ids = |fenced| {
            let brokers = image
                .brokers()
                .filter(move |broker| broker.fenced == fenced);
            brokers.map(|broker| broker.id).collect::<Vec<_>>()
        };
        let unfenced = ids(false);
        let start = if unfenced.len() > 1 {
            chance.below(unfenced.len())
        } else {
            0
        };
        Self {
            unfenced,
            fenced: ids(true),
            start,
        }
    }

    /// Whether there are enough brokers for this many replicas.
    pub(super) fn check(&self, replication_factor: i16) -> Result<usize, String> {
        let registered = self.unfenced.len().saturating_add(self.fenced.len());
        match usize::try_from(replication_factor) {
            Err(_) | Ok(0) => Err(format!(
                "Invalid replication factor {replication_factor}: the replication factor must be positive."
            )),
            Ok(_) if self.unfenced.is_empty() => {
                Err("All brokers are currently fenced.".to_owned())
            }
            Ok(count) if count > registered => Err(format!(
                "The target replication factor of {replication_factor} cannot be reached because only \
                 {registered} broker(s) are registered or some brokers have all their log directories cordoned."
            )),
            Ok(count) => Ok(count),
        }
    }

    /// The replicas of the partition with this number, the leader first. [`Self::check`] has accepted `count`.
    pub(super) fn replicas(&self, partition: usize, count: usize) -> Vec<NodeId> {
        let brokers = self.unfenced.len();
        let Some(others) = brokers.checked_sub(1) else {
            return Vec::new();
        };
        let leader = self.start.wrapping_add(partition) % brokers;
        let round = partition / brokers;
        let followers = (0..others).map(|nth| {
            let distance = 1 + round.wrapping_add(nth) % others;
            (leader + distance) % brokers
        });
        let unfenced = std::iter::once(leader)
            .chain(followers)
            .filter_map(|index| self.unfenced.get(index));
        let fenced = self
            .fenced
            .iter()
            .cycle()
            .skip(partition % self.fenced.len().max(1));
        unfenced
            .chain(fenced.take(self.fenced.len()))
            .copied()
            .take(count)
            .collect()
    }
}

/// Whether a client may request these replicas. `expected` is the number for the partitions before.
pub(super) fn validate(
    image: &Image,
    replicas: &[NodeId],
    expected: Option<usize>,
) -> Result<(), Refusal> {
    let invalid = |message| Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
    if replicas.is_empty() {
        return invalid(
            "The manual partition assignment includes an empty replica list.".to_owned(),
        );
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut previous = None;
    for replica in &sorted {
        if image.broker(*replica).is_none() {
            return invalid(format!(
                "The manual partition assignment includes broker {replica}, but no such broker is registered."
            ));
        }
        if previous == Some(replica) {
            return invalid(format!(
                "The manual partition assignment includes the broker {replica} more than once."
            ));
        }
        previous = Some(replica);
    }
    match expected {
        Some(expected) if expected != replicas.len() => invalid(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not \
             consistent with previous partitions, which have {expected} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

/// A new partition with these replicas: the active ones are in sync, and the first of them leads. `None` when none is
/// active.
pub(super) fn new_partition(image: &Image, replicas: Vec<NodeId>) -> Option<PartitionImage> {
    let isr: Vec<NodeId> = replicas
        .iter()
        .copied()
        .filter(|replica| image.is_active(*replica))
        .collect();
    let leader = *isr.first()?;
    Some(PartitionImage {
        directories: replicas
            .iter()
            .map(|replica| directory(image, *replica))
            .collect(),
        replicas,
        isr,
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        leader_recovery_state: 0,
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
    })
}

/// The directory of a new replica on `broker`: its only one, or else unassigned, for the broker to choose.
pub(super) fn directory(image: &Image, broker: NodeId) -> DirectoryId {
    match image
        .broker(broker)
        .map(|broker| broker.directories.as_slice())
    {
        Some([only]) => *only,
        // The zero id, which says that the broker is too old to know about directories.
        Some([]) => DirectoryId::ZERO,
        _ => DirectoryId::UNASSIGNED_DIRECTORY,
    }
}
