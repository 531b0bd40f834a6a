//! Adds partitions to topics.

use std::collections::HashSet;

use crate::base::ErrorCode;
use crate::metadata::PartitionImage;
use crate::metadata::record::MetadataRecord;

use super::Situation;
use super::command::{CreatePartitions, Decision, NewPartitions, Refusal};
use super::topics::{MAXIMUM_PARTITIONS_PER_REQUEST, assign, place};

/// Decides on new partitions.
pub(super) fn create(
    situation: &mut Situation<'_>,
    command: &CreatePartitions,
) -> Decision<Vec<(String, Result<(), Refusal>)>> {
    let mut records = Vec::new();
    let mut allowed = MAXIMUM_PARTITIONS_PER_REQUEST;
    let mut seen = HashSet::new();
    let reply = command
        .topics
        .iter()
        .map(|topic| {
            let result = if seen.insert(topic.name.as_str()) {
                extend(situation, topic, &mut allowed, &mut records)
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

fn extend(
    situation: &mut Situation<'_>,
    request: &NewPartitions,
    allowed: &mut i64,
    records: &mut Vec<MetadataRecord>,
) -> Result<(), Refusal> {
    let image = situation.image;
    let topic = image
        .topic(&request.name)
        .ok_or_else(|| Refusal::bare(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    let present = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    let additional = request.count.saturating_sub(present);
    if additional == 0 {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARTITIONS,
            format!("Topic already has {present} partition(s)."),
        ));
    }
    if additional < 0 {
        return Err(Refusal::new(
            ErrorCode::INVALID_PARTITIONS,
            format!(
                "The topic {} currently has {present} partition(s); {} would not be an increase.",
                request.name, request.count
            ),
        ));
    }
    if let Some(assignments) = &request.assignments
        && usize::try_from(additional) != Ok(assignments.len())
    {
        return Err(Refusal::new(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were \
                 specified.",
                assignments.len()
            ),
        ));
    }
    *allowed = allowed.saturating_sub(i64::from(additional));
    if *allowed < 0 {
        return Err(Refusal::new(
            ErrorCode::POLICY_VIOLATION,
            "Excessively large number of additional partitions per request.",
        ));
    }
    // Every partition of a topic has as many replicas as its first.
    let replication_factor = topic
        .partitions
        .first()
        .map_or(1, |first| first.replicas.len());
    let partitions: Vec<PartitionImage> = match &request.assignments {
        Some(assignments) => (present..)
            .zip(assignments)
            .map(|(number, replicas)| assign(situation, number, replicas, Some(replication_factor)))
            .collect::<Result<_, _>>()?,
        None => {
            let replication_factor = i16::try_from(replication_factor).unwrap_or(i16::MAX);
            place(
                situation,
                topic.partitions.len(),
                additional,
                replication_factor,
            )?
        }
    };
    let numbered = (present..).zip(&partitions);
    records.extend(numbered.map(|(number, partition)| {
        MetadataRecord::Partition(partition.to_record(topic.id, number))
    }));
    Ok(())
}
