//! The effect on partitions when a broker comes or goes.
//!
//! A broker that goes leaves every in-sync set, unless it is the last member: it then stays in the set, without a
//! leader, because only this broker has all acknowledged records. A partition that has lost its leader gets the first
//! replica that is in sync and active; a partition without a leader gets one as soon as a qualified broker comes.
//! Each change of leader, including a change to no leader, raises the leader epoch. So a broker that stops and starts
//! again always leads in a new epoch.
//!
//! A failed log directory has the same effect on its partitions, and a replica whose directory is not online does not
//! lead.
//!
//! With eligible leader replicas, Kafka empties the in-sync set of a partition whose last replica stops, and
//! remembers that replica: as eligible when it has all acknowledged records, as last known when that is uncertain.
//! Only a directory from Kafka can have such a partition here. It gets its leader from those replicas, and then is an
//! ordinary partition again.
//!
//! A leader from outside the in-sync set may lose acknowledged records; it is chosen only if
//! `unclean.leader.election.enable` allows that for the topic, and is then marked as recovering.

use crate::base::{DirectoryId, NodeId, TopicId};
use crate::config::{BrokerConfig, TopicConfig};
use crate::metadata::record::{MetadataRecord, PartitionChange};
use crate::metadata::{Image, PartitionImage, TopicImage};

use super::Situation;

/// A broker that comes or goes, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move<'a> {
    /// The broker may lead from now on, whatever the image says.
    Comes(NodeId),
    /// The broker does not lead any more and is no longer in sync.
    Goes(NodeId),
    /// The same for the broker's replicas in these directories.
    Loses(NodeId, &'a [DirectoryId]),
    /// All brokers are as in the image: a leader is needed for another reason.
    None,
}

impl Move<'_> {
    fn concerns(self, partition: &PartitionImage) -> bool {
        let has = |broker| partition.isr.contains(&broker) || partition.leader == broker;
        match self {
            Self::Comes(_) | Self::None => partition.leader == NodeId::NONE,
            Self::Goes(broker) => has(broker),
            Self::Loses(broker, directories) => {
                let directory = partition.directory_of(broker);
                has(broker) && directory.is_some_and(|directory| directories.contains(&directory))
            }
        }
    }

    /// The broker whose replica is lost, if there is one.
    const fn lost(self) -> Option<NodeId> {
        match self {
            Self::Comes(_) | Self::None => None,
            Self::Goes(broker) | Self::Loses(broker, _) => Some(broker),
        }
    }

    pub(super) fn may_lead(
        self,
        image: &Image,
        partition: &PartitionImage,
        broker: NodeId,
    ) -> bool {
        if self.lost() == Some(broker) {
            return false;
        }
        let comes = self == Self::Comes(broker);
        let has_directory = image.broker(broker).is_none_or(|registered| {
            let directory = partition.directory_of(broker);
            directory.is_none_or(|directory| registered.has_online(directory))
        });
        has_directory && (comes || image.is_active(broker))
    }
}

/// The changes that `change` makes to all partitions.
pub(super) fn changes(situation: &Situation<'_>, change: Move<'_>) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    let config = situation.config_in_force();
    for topic in situation.image.topics() {
        let concerned = topic
            .numbered_partitions()
            .filter(|(_, partition)| change.concerns(partition))
            .collect::<Vec<_>>();
        if concerned.is_empty() {
            continue;
        }
        let unclean = allows_unclean_election(situation.image, &config, topic);
        for (number, partition) in concerned {
            records.extend(
                change_of(
                    situation.image,
                    change,
                    topic.id,
                    number,
                    partition,
                    unclean,
                )
                .map(MetadataRecord::PartitionChange),
            );
        }
    }
    records
}

pub(super) fn allows_unclean_election(
    image: &Image,
    config: &BrokerConfig,
    topic: &TopicImage,
) -> bool {
    // Invalid overrides were written by another controller; then a loss is not risked.
    TopicConfig::resolve(image.topic_configs(&topic.name), config)
        .is_ok_and(|config| config.unclean_leader_election_enable)
}

/// A leader for a partition without in-sync replicas.
struct Returned {
    leader: NodeId,
    may_lack_records: bool,
}

fn returned(partition: &PartitionImage, may_lead: impl Fn(NodeId) -> bool) -> Option<Returned> {
    if !partition.isr.is_empty() {
        return None;
    }
    let first = |nodes: &[NodeId]| nodes.iter().copied().find(|node| may_lead(*node));
    let returned = |may_lack_records| {
        move |leader| Returned {
            leader,
            may_lack_records,
        }
    };
    let eligible = &partition.eligible_leader_replicas;
    first(eligible).map(returned(false)).or_else(|| {
        let last_known = first(&partition.last_known_elr).filter(|_| eligible.is_empty());
        last_known.map(returned(true))
    })
}

/// The effect of `change` on one partition, if there is one.
pub(super) fn change_of(
    image: &Image,
    change: Move<'_>,
    topic_id: TopicId,
    number: i32,
    partition: &PartitionImage,
    unclean: bool,
) -> Option<PartitionChange> {
    let mut isr = partition.isr.clone();
    if let Some(lost) = change.lost() {
        isr.retain(|member| *member != lost);
    }
    let may_lead = |broker: NodeId| change.may_lead(image, partition, broker);
    let in_sync = |broker: &NodeId| isr.contains(broker) && may_lead(*broker);
    let mut record = PartitionChange::none(topic_id, number);
    let clean = if in_sync(&partition.leader) {
        Some(partition.leader)
    } else {
        partition.replicas.iter().copied().find(in_sync)
    };
    let clean = clean.or_else(|| {
        let returned = returned(partition, may_lead)?;
        isr = vec![returned.leader];
        record.eligible_leader_replicas = Some(Vec::new());
        record.last_known_elr = Some(Vec::new());
        record.leader_recovery_state = returned.may_lack_records.then_some(1);
        Some(returned.leader)
    });
    let leader = match clean {
        Some(leader) => leader,
        None if unclean => {
            match partition
                .replicas
                .iter()
                .copied()
                .find(|replica| may_lead(*replica))
            {
                Some(leader) => {
                    isr = vec![leader];
                    record.leader_recovery_state =
                        (partition.leader_recovery_state == 0).then_some(1);
                    leader
                }
                None => NodeId::NONE,
            }
        }
        None => NodeId::NONE,
    };
    record.leader = (leader != partition.leader).then_some(leader);
    record.isr = (!isr.is_empty() && isr != partition.isr).then_some(isr);
    let differs =
        record.leader.is_some() || record.isr.is_some() || record.leader_recovery_state.is_some();
    differs.then_some(record)
}
