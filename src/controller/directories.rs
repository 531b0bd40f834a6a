//! The directories of replicas: a broker reports them afterwards, since it chooses the directory of a new replica,
//! and moves replicas on request. Also the effect of a failed directory on its partitions.

use std::collections::HashMap;

use crate::base::{DirectoryId, ErrorCode, NodeId, TopicId};
use crate::metadata::record::{BrokerRegistrationChange, Fencing, MetadataRecord, PartitionChange};
use crate::metadata::{Image, PartitionImage};

use super::Situation;
use super::brokers::registered;
use super::command::{AssignReplicas, Decision, FailDirectories, Refusal, ReplicaAssignment};
use super::leaders::{self, Move};

/// Decides on failed directories: their replicas do not lead any more, and they are removed from the registration.
pub(super) fn fail(
    situation: &Situation<'_>,
    command: &FailDirectories,
) -> Decision<Result<(), Refusal>> {
    let FailDirectories {
        broker_id,
        broker_epoch,
        directories,
    } = command;
    let broker = match registered(situation.image, *broker_id, *broker_epoch) {
        Ok(broker) => broker,
        Err(refusal) => return Decision::answer(Err(refusal)),
    };
    let (failed, online): (Vec<_>, Vec<_>) = broker
        .directories
        .iter()
        .partition(|directory| directories.contains(directory));
    if failed.is_empty() {
        return Decision::answer(Ok(()));
    }
    let mut records = leaders::changes(situation, Move::Loses(*broker_id, &failed));
    let mut change = BrokerRegistrationChange::fence(*broker_id, *broker_epoch, Fencing::Unchanged);
    change.log_directories = online;
    records.push(MetadataRecord::BrokerRegistrationChange(change));
    Decision {
        records,
        reply: Ok(()),
    }
}

/// Decides on replicas whose directories differ from the image.
pub(super) fn assign(
    situation: &Situation<'_>,
    command: &AssignReplicas,
) -> Decision<Result<Vec<Result<(), ErrorCode>>, Refusal>> {
    let AssignReplicas {
        broker_id,
        broker_epoch,
        assignments,
    } = command;
    if let Err(refusal) = registered(situation.image, *broker_id, *broker_epoch) {
        return Decision::answer(Err(refusal));
    }
    // If one replica is assigned several times, the last one counts: none of them is in the image yet.
    let mut changes: HashMap<(TopicId, i32), PartitionChange> = HashMap::new();
    let mut reply = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let key = (assignment.topic_id, assignment.partition);
        reply.push(
            find(situation.image, *broker_id, assignment).map(|(partition, place)| {
                changes.remove(&key);
                let unclean = || unclean(situation, assignment.topic_id);
                let change = change(
                    situation.image,
                    *broker_id,
                    assignment,
                    partition,
                    place,
                    unclean,
                );
                changes.extend(change.map(|change| (key, change)));
            }),
        );
    }
    let mut records: Vec<_> = changes.into_iter().collect();
    records.sort_by_key(|(key, _)| *key);
    Decision {
        records: records
            .into_iter()
            .map(|(_, change)| MetadataRecord::PartitionChange(change))
            .collect(),
        reply: Ok(reply),
    }
}

/// The partition, and the index of the broker's replica.
fn find<'a>(
    image: &'a Image,
    broker: NodeId,
    assignment: &ReplicaAssignment,
) -> Result<(&'a PartitionImage, usize), ErrorCode> {
    let topic = image
        .topic_by_id(assignment.topic_id)
        .ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
    let partition = topic
        .partition(assignment.partition)
        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let place = partition
        .replicas
        .iter()
        .position(|replica| *replica == broker)
        .ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
    Ok((partition, place))
}

fn unclean(situation: &Situation<'_>, topic: TopicId) -> bool {
    let image = situation.image;
    image.topic_by_id(topic).is_some_and(|topic| {
        leaders::allows_unclean_election(image, &situation.config_in_force(), topic)
    })
}

/// The change that records the directory of the replica at `place`. If a partition without a leader can have one with
/// the new directory, it gets one. If the directory of its leader is not online, the partition loses its leader.
fn change(
    image: &Image,
    broker: NodeId,
    assignment: &ReplicaAssignment,
    partition: &PartitionImage,
    place: usize,
    unclean: impl FnOnce() -> bool,
) -> Option<PartitionChange> {
    let ReplicaAssignment {
        topic_id,
        partition: number,
        directory,
    } = *assignment;
    let mut moved = partition.clone();
    let slot: &mut DirectoryId = moved.directories.get_mut(place)?;
    if *slot == directory {
        return None;
    }
    *slot = directory;
    let registered = image.broker(broker)?;
    let failed = [directory];
    let elected = if !registered.has_online(directory) {
        let loses = Move::Loses(broker, &failed);
        leaders::change_of(image, loses, topic_id, number, &moved, unclean())
    } else if moved.leader == NodeId::NONE && registered.is_active() {
        let comes = Move::Comes(broker);
        leaders::change_of(image, comes, topic_id, number, &moved, unclean())
    } else {
        None
    };
    Some(PartitionChange {
        directories: Some(moved.directories),
        ..elected.unwrap_or_else(|| PartitionChange::none(topic_id, number))
    })
}
