//! Creating and deleting topics.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::base::{ErrorCode, NodeId, TopicId};
use crate::metadata::record::{MetadataRecord, RemoveTopic, Topic};
use crate::metadata::{Image, PartitionImage, TopicImage};

use super::command::{
    CreateTopics, CreatedTopic, Decision, DeleteTopics, DeletedTopic, NewTopic, Refusal,
    TopicReference,
};
use super::names::Collisions;
use super::placement::Placement;
use super::{Situation, configs, names, placement};

/// The maximum number of partitions that one request may create. The records of a request are one batch.
pub(super) const MAXIMUM_PARTITIONS_PER_REQUEST: i64 = 10_000;
/// The maximum number of records of all kinds: one for each topic, partition and setting.
const MAXIMUM_RECORDS_PER_REQUEST: i64 = 10_000;

fn too_many_partitions() -> Refusal {
    Refusal::new(
        ErrorCode::POLICY_VIOLATION,
        "Excessively large number of partitions per request.",
    )
}

/// Decides on new topics.
pub(super) fn create(
    situation: &mut Situation<'_>,
    command: &CreateTopics,
) -> Decision<Vec<(String, Result<CreatedTopic, Refusal>)>> {
    let requested: i64 = command
        .topics
        .iter()
        .map(|topic| requested_partitions(situation, topic))
        .sum();
    let other_records: i64 = command
        .topics
        .iter()
        .map(|topic| {
            i64::try_from(topic.configs.len())
                .unwrap_or(i64::MAX)
                .saturating_add(1)
        })
        .sum();
    let mut records = Vec::new();
    let mut collisions = Collisions::new(situation.image);
    let mut seen = HashSet::new();
    let reply = command
        .topics
        .iter()
        .map(|topic| {
            let result = if requested > MAXIMUM_PARTITIONS_PER_REQUEST {
                Err(too_many_partitions())
            } else if requested + other_records > MAXIMUM_RECORDS_PER_REQUEST {
                Err(Refusal::new(
                    ErrorCode::POLICY_VIOLATION,
                    "Unable to perform excessively large batch operation.",
                ))
            } else if seen.insert(topic.name.as_str()) {
                create_topic(situation, &mut collisions, topic, &mut records)
            } else {
                Err(Refusal::new(
                    ErrorCode::INVALID_REQUEST,
                    "Duplicate topic name.",
                ))
            };
            (topic.name.clone(), result)
        })
        .collect();
    if command.validate_only {
        records.clear();
    }
    Decision { records, reply }
}

/// How many partitions a topic needs; 0 for an invalid number, which will be refused.
fn requested_partitions(situation: &Situation<'_>, topic: &NewTopic) -> i64 {
    let assigned = i64::try_from(topic.assignments.len()).unwrap_or(i64::MAX);
    match topic.partitions {
        _ if assigned > 0 => assigned,
        -1 => i64::from(situation.config.num_partitions),
        partitions => i64::from(partitions.max(0)),
    }
}

fn create_topic(
    situation: &mut Situation<'_>,
    collisions: &mut Collisions<'_>,
    topic: &NewTopic,
    records: &mut Vec<MetadataRecord>,
) -> Result<CreatedTopic, Refusal> {
    let name = topic.name.as_str();
    names::validate(name)?;
    if situation.image.topic(name).is_some() {
        return Err(Refusal::new(
            ErrorCode::TOPIC_ALREADY_EXISTS,
            format!("Topic '{name}' already exists."),
        ));
    }
    collisions.check(name)?;
    let config = situation.config_in_force();
    let overrides = configs::validate(&topic.configs, &config)?;
    let partitions = if topic.assignments.is_empty() {
        placed(situation, topic)?
    } else {
        assigned(situation, topic)?
    };

    let topic_id = situation.chance.topic_id();
    let partition_count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
    let replication_factor = partitions.first().map_or(0, |first| {
        i16::try_from(first.replicas.len()).unwrap_or(i16::MAX)
    });
    records.push(MetadataRecord::Topic(Topic {
        name: name.to_owned(),
        topic_id,
    }));
    records.extend(configs::records(name, &overrides));
    let numbered = (0_i32..).zip(&partitions);
    records.extend(numbered.map(|(number, partition)| {
        MetadataRecord::Partition(partition.to_record(topic_id, number))
    }));
    Ok(CreatedTopic {
        topic_id,
        partitions: partition_count,
        replication_factor,
        overrides,
    })
}

/// The partitions of a topic whose replicas the controller chooses.
fn placed(situation: &mut Situation<'_>, topic: &NewTopic) -> Result<Vec<PartitionImage>, Refusal> {
    let replication_factor = match topic.replication_factor {
        -1 => i16::try_from(situation.config.default_replication_factor).unwrap_or(i16::MAX),
        factor @ 1.. => factor,
        _ => {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
    };
    let partitions = match topic.partitions {
        -1 => situation.config.num_partitions,
        partitions @ 1.. => partitions,
        _ => {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
    };
    place(situation, 0, partitions, replication_factor)
}

/// `count` new partitions, of which the first has the number `first`.
pub(super) fn place(
    situation: &mut Situation<'_>,
    first: usize,
    count: i32,
    replication_factor: i16,
) -> Result<Vec<PartitionImage>, Refusal> {
    let unable = |reason: &str| {
        Refusal::new(
            ErrorCode::INVALID_REPLICATION_FACTOR,
            format!("Unable to replicate the partition {replication_factor} time(s): {reason}"),
        )
    };
    let image = situation.image;
    let placement = Placement::new(image, situation.chance);
    let replicas = placement
        .check(replication_factor)
        .map_err(|reason| unable(&reason))?;
    let count = usize::try_from(count).unwrap_or(0);
    (first..first.saturating_add(count))
        .map(|partition| {
            placement::new_partition(image, placement.replicas(partition, replicas)).ok_or_else(
                || unable("All brokers are currently fenced or in controlled shutdown."),
            )
        })
        .collect()
}

/// The partitions of a topic whose replicas the client chooses.
fn assigned(situation: &Situation<'_>, topic: &NewTopic) -> Result<Vec<PartitionImage>, Refusal> {
    let refuse = |code, message: String| Err(Refusal::new(code, message));
    if topic.replication_factor != -1 {
        return refuse(
            ErrorCode::INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1."
                .to_owned(),
        );
    }
    if topic.partitions != -1 {
        return refuse(
            ErrorCode::INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1."
                .to_owned(),
        );
    }
    let mut partitions = BTreeMap::new();
    let mut replication_factor = None;
    for (number, replicas) in &topic.assignments {
        if partitions.contains_key(number) {
            return refuse(
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                format!("Found multiple manual partition assignments for partition {number}"),
            );
        }
        partitions.insert(
            *number,
            assign(situation, *number, replicas, replication_factor)?,
        );
        replication_factor = Some(replicas.len());
    }
    let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX);
    if !partitions.keys().copied().eq(0..count) {
        return refuse(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence".to_owned(),
        );
    }
    Ok(partitions.into_values().collect())
}

/// The new partition `number` with the client's replicas.
pub(super) fn assign(
    situation: &Situation<'_>,
    number: i32,
    replicas: &[NodeId],
    replication_factor: Option<usize>,
) -> Result<PartitionImage, Refusal> {
    placement::validate(situation.image, replicas, replication_factor)?;
    placement::new_partition(situation.image, replicas.to_vec()).ok_or_else(|| {
        Refusal::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            format!(
                "All brokers specified in the manual partition assignment for partition {number} are \
                 fenced or in controlled shutdown."
            ),
        )
    })
}

/// Decides on topics that are to be deleted.
pub(super) fn delete(
    situation: &Situation<'_>,
    command: &DeleteTopics,
) -> Decision<Vec<DeletedTopic>> {
    let mut records = Vec::new();
    // A topic that is named both by name and by id is not deleted at all: the request is probably a mistake.
    let mut times = HashMap::new();
    for topic in command
        .topics
        .iter()
        .filter_map(|reference| resolve(situation.image, reference))
    {
        *times.entry(topic.id).or_insert(0) += 1;
    }
    let reply = command
        .topics
        .iter()
        .map(|reference| {
            let (name, topic_id, result) = find(situation, reference, &times);
            if result.is_ok() {
                records.push(MetadataRecord::RemoveTopic(RemoveTopic { topic_id }));
            }
            DeletedTopic {
                name,
                topic_id,
                result,
            }
        })
        .collect();
    Decision { records, reply }
}

fn resolve<'a>(image: &'a Image, reference: &TopicReference) -> Option<&'a Arc<TopicImage>> {
    match reference {
        TopicReference::Name(name) => image.topic(name),
        TopicReference::Id(id) => image.topic_by_id(*id),
    }
}

fn find(
    situation: &Situation<'_>,
    reference: &TopicReference,
    times: &HashMap<TopicId, usize>,
) -> (Option<String>, TopicId, Result<(), Refusal>) {
    let (mut name, mut id, unknown) = match reference {
        TopicReference::Name(name) => (
            Some(name.clone()),
            TopicId::ZERO,
            Refusal::new(
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                "This server does not host this topic-partition.",
            ),
        ),
        TopicReference::Id(id) => (
            None,
            *id,
            Refusal::new(
                ErrorCode::UNKNOWN_TOPIC_ID,
                "This server does not host this topic ID.",
            ),
        ),
    };
    if !situation.config.delete_topic_enable {
        let refusal = Refusal::new(
            ErrorCode::TOPIC_DELETION_DISABLED,
            "Topic deletion is disabled.",
        );
        return (name, id, Err(refusal));
    }
    let Some(topic) = resolve(situation.image, reference) else {
        return (name, id, Err(unknown));
    };
    name.get_or_insert_with(|| topic.name.as_ref().to_owned());
    id = topic.id;
    let result = if times.get(&id) == Some(&1) {
        Ok(())
    } else {
        Err(Refusal::new(
            ErrorCode::INVALID_REQUEST,
            "The provided topic name maps to an ID that was already supplied.",
        ))
    };
    (name, id, result)
}
