//! What becomes of partitions when a broker comes or goes.
//!
//! A broker that goes leaves every in-sync set, except where it is the last member: that set keeps
//! it, without a leader, because only this broker holds what was acknowledged. A partition that has
//! lost its leader gets the first replica that is in sync and active; a partition without a leader
//! gets one as soon as a broker comes that qualifies. Each change of leader, to nobody as well,
//! raises the leader epoch, so that a broker that stops and starts again always leads in a new epoch.
//!
//! A log directory that fails is the same for the partitions in it, and a replica whose directory is not
//! online does not lead.
//!
//! Kafka with eligible leader replicas empties the in-sync set of a partition whose last replica stops,
//! and remembers it: as eligible when it holds all that was acknowledged, as last known when that is not
//! sure. Such a partition, which only a directory of Kafka's can have here, gets its leader from there, and
//! is an ordinary one again.
//!
//! A leader from outside the in-sync set may lose acknowledged records; it is chosen only where
//! `unclean.leader.election.enable` says so for the topic, and then is marked as recovering.

use crate::base::{DirectoryId, NodeId, TopicId};
use crate::config::{BrokerConfig, TopicConfig};
use crate::metadata::record::{MetadataRecord, PartitionChange};
use crate::metadata::{Image, PartitionImage, TopicImage};

use super::Situation;

/// A broker's coming or going, or nothing of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move<'a> {
    /// The broker may lead from now on, whatever the image says.
    Comes(NodeId),
    /// The broker leads no more and is no longer in sync.
    Goes(NodeId),
    /// The same for what the broker has in these directories.
    Loses(NodeId, &'a [DirectoryId]),
    /// All brokers are as the image says: a leader is wanted for another reason.
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

    /// Whose replica is lost, if one is.
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
    // Overrides that do not resolve came from another controller; then loss is not risked.
    TopicConfig::resolve(image.topic_configs(&topic.name), config)
        .is_ok_and(|config| config.unclean_leader_election_enable)
}

/// A leader for a partition of which nobody is in sync.
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

/// What `change` makes of one partition, if anything.
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
