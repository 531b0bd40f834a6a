//! Topics and partitions in the image.

use std::sync::Arc;

use crate::base::{DirectoryId, LeaderEpoch, NodeId, TopicId};

use super::record::{Partition, PartitionChange};
use crate::base::SharedMap;

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name.
    pub name: Arc<str>,
    /// The topic id.
    pub id: TopicId,
    /// Its partitions; the index is the partition's number.
    pub partitions: Vec<PartitionImage>,
}

impl TopicImage {
    /// The partition with this number.
    pub fn partition(&self, partition: i32) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }

    /// The partitions with their numbers.
    pub fn numbered_partitions(&self) -> impl Iterator<Item = (i32, &PartitionImage)> {
        (0_i32..).zip(&self.partitions)
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// The replicas, the preferred leader first.
    pub replicas: Vec<NodeId>,
    /// The in-sync replicas.
    pub isr: Vec<NodeId>,
    /// The replicas that a reassignment removes.
    pub removing_replicas: Vec<NodeId>,
    /// The replicas that a reassignment adds.
    pub adding_replicas: Vec<NodeId>,
    /// The leader; [`NodeId::NONE`] for none.
    pub leader: NodeId,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch; it grows with every change.
    pub partition_epoch: i32,
    /// 0 recovered, 1 recovering from an unclean election.
    pub leader_recovery_state: i8,
    /// The directory of each replica; the zero id if it is unknown.
    pub directories: Vec<DirectoryId>,
    /// Replicas outside the ISR that have all committed records.
    pub eligible_leader_replicas: Vec<NodeId>,
    /// Replicas that once were eligible.
    pub last_known_elr: Vec<NodeId>,
}

/// One directory per replica: records older than 3.7 have none, and then the directories are unknown.
fn one_for_each(replicas: &[NodeId], directories: &[DirectoryId]) -> Option<Vec<DirectoryId>> {
    if directories.is_empty() {
        Some(vec![DirectoryId::ZERO; replicas.len()])
    } else {
        (directories.len() == replicas.len()).then(|| directories.to_vec())
    }
}

impl PartitionImage {
    /// The partition from `record`; `None` when its directories do not match its replicas.
    pub(super) fn new(record: &Partition) -> Option<Self> {
        Some(Self {
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            leader_recovery_state: record.leader_recovery_state,
            directories: one_for_each(&record.replicas, &record.directories)?,
            eligible_leader_replicas: record.eligible_leader_replicas.clone(),
            last_known_elr: record.last_known_elr.clone(),
        })
    }

    /// The partition after `change`; `None` when its directories would not match its replicas.
    pub(super) fn changed(&self, change: &PartitionChange) -> Option<Self> {
        let replicas = change.replicas.as_ref().unwrap_or(&self.replicas);
        let directories = match &change.directories {
            Some(directories) => one_for_each(replicas, directories)?,
            None => one_for_each(replicas, &self.directories)?,
        };
        Some(Self {
            replicas: replicas.clone(),
            isr: change.isr.as_ref().unwrap_or(&self.isr).clone(),
            removing_replicas: change
                .removing_replicas
                .as_ref()
                .unwrap_or(&self.removing_replicas)
                .clone(),
            adding_replicas: change
                .adding_replicas
                .as_ref()
                .unwrap_or(&self.adding_replicas)
                .clone(),
            leader: change.leader.unwrap_or(self.leader),
            leader_epoch: match change.leader {
                Some(_) => LeaderEpoch(self.leader_epoch.0.saturating_add(1)),
                None => self.leader_epoch,
            },
            partition_epoch: self.partition_epoch.saturating_add(1),
            leader_recovery_state: change
                .leader_recovery_state
                .unwrap_or(self.leader_recovery_state),
            directories,
            eligible_leader_replicas: change
                .eligible_leader_replicas
                .as_ref()
                .unwrap_or(&self.eligible_leader_replicas)
                .clone(),
            last_known_elr: change
                .last_known_elr
                .as_ref()
                .unwrap_or(&self.last_known_elr)
                .clone(),
        })
    }

    /// Whether a reassignment is in progress.
    pub const fn is_reassigned(&self) -> bool {
        !(self.adding_replicas.is_empty() && self.removing_replicas.is_empty())
    }

    /// The directory in which `broker` stores the partition; `None` if it does not store it.
    pub fn directory_of(&self, broker: NodeId) -> Option<DirectoryId> {
        let place = self
            .replicas
            .iter()
            .position(|replica| *replica == broker)?;
        self.directories.get(place).copied()
    }

    /// This partition as a record that creates it.
    pub fn to_record(&self, topic_id: TopicId, partition: i32) -> Partition {
        Partition {
            partition,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: self.eligible_leader_replicas.clone(),
            last_known_elr: self.last_known_elr.clone(),
        }
    }
}

/// All topics, found by name and by id. Both maps hold the same topics.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Topics {
    by_name: SharedMap<Arc<str>, Arc<TopicImage>>,
    by_id: SharedMap<TopicId, Arc<TopicImage>>,
}

impl Topics {
    pub(super) fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_name.get(name)
    }

    pub(super) fn by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    pub(super) const fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.iter().map(|(_, topic)| topic)
    }

    pub(super) fn after(&self, name: Option<&str>) -> Option<&Arc<TopicImage>> {
        match name {
            Some(name) => self.by_name.after(name).map(|(_, topic)| topic),
            None => self.iter().next(),
        }
    }

    pub(super) fn insert(&mut self, topic: Arc<TopicImage>) {
        self.by_name
            .insert(Arc::clone(&topic.name), Arc::clone(&topic));
        self.by_id.insert(topic.id, topic);
    }

    pub(super) fn remove(&mut self, id: TopicId) -> Option<Arc<TopicImage>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&*topic.name);
        Some(topic)
    }
}
