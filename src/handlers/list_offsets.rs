//! ListOffsets: the log start and end of a partition, and its first offset at or after a time.

use std::collections::HashMap;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use crate::base::{ErrorCode, LeaderEpoch, Timestamp};
use crate::metadata::Image;
use crate::partition::lookup::{FoundOffset, OffsetQuery, look_up};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::isolation::{READ_COMMITTED, is_isolation_level};
use super::requested::Numbered;
use super::route::{Call, Handler};
use super::streamed::Pace;

/// The first version with an isolation level.
const WITH_ISOLATION: i16 = 2;
/// The first version with leader epochs.
const WITH_EPOCHS: i16 = 4;

pub(super) struct ListOffsets;

impl Handler for ListOffsets {
    type Request = ListOffsetsRequest;

    /// Version 11 added a special timestamp, and no field.
    const NEWEST: i16 = 11;

    async fn handle(call: Call, request: ListOffsetsRequest) -> Reply {
        let image = call.broker.cluster.image();
        let mut names = Numbered::default();
        let numbers = request.topics.iter().map(|topic| names.number(&topic.name));
        let numbers: Vec<_> = numbers.collect();
        let mut named = named(&request, &numbers);
        // A topic has one row, and none unless one of its partitions was named.
        let mut topics = Vec::<ListOffsetsTopicResponse>::new();
        let mut places = HashMap::new();
        let mut pace = Pace::default();
        for (topic, number) in request.topics.iter().zip(numbers) {
            let permit = call.permit(Operation::Describe, Resource::topic(&topic.name));
            for partition in &topic.partitions {
                pace.step().await;
                let named = named.insert((number, partition.partition_index), Named::Answered);
                let answer = match (named, permit) {
                    (None | Some(Named::Answered), _) => continue,
                    (Some(_), Err(code)) => refusal(code),
                    (Some(Named::Again), Ok(())) => refusal(ErrorCode::INVALID_REQUEST),
                    (Some(Named::Once), Ok(())) => {
                        answer(&call, &request, &image, topic, partition)
                            .await
                            .unwrap_or_else(refusal)
                    }
                };
                let place = *places.entry(number).or_insert_with(|| {
                    topics.push(ListOffsetsTopicResponse::default().with_name(topic.name.clone()));
                    topics.len() - 1
                });
                topics[place]
                    .partitions
                    .push(answer.with_partition_index(partition.partition_index));
            }
        }
        call.reply(&ListOffsetsResponse::default().with_topics(topics))
    }
}

/// How often the request names a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Once,
    /// It is refused.
    Again,
    /// It has its row.
    Answered,
}

/// How often the request names each partition, by the index of its topic.
fn named(request: &ListOffsetsRequest, numbers: &[usize]) -> HashMap<(usize, i32), Named> {
    let mut named = HashMap::new();
    for (topic, number) in request.topics.iter().zip(numbers) {
        for partition in &topic.partitions {
            named
                .entry((*number, partition.partition_index))
                .and_modify(|named| *named = Named::Again)
                .or_insert(Named::Once);
        }
    }
    named
}

fn refusal(code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default().with_error_code(code.0)
}

async fn answer(
    call: &Call,
    request: &ListOffsetsRequest,
    image: &Image,
    topic: &ListOffsetsTopic,
    partition: &ListOffsetsPartition,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    if call.version >= WITH_ISOLATION && !is_isolation_level(request.isolation_level) {
        return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    let query = query(partition.timestamp, call.version)?;
    let topic = image
        .topic(&topic.name)
        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let replica = call
        .broker
        .partitions
        .find(topic.id, partition.partition_index)
        .map_err(errors::of_not_hosted)?;
    let client_epoch = LeaderEpoch(partition.current_leader_epoch);
    let Some(query) = query else {
        replica
            .check_epoch(client_epoch)
            .map_err(errors::of_epoch)?;
        return Ok(ListOffsetsPartitionResponse::default());
    };
    let found = look_up(
        &replica,
        query,
        client_epoch,
        request.isolation_level == READ_COMMITTED,
    )
    .await
    .map_err(|failure| errors::of_read(&failure))?;
    Ok(
        found.map_or_else(ListOffsetsPartitionResponse::default, |found| {
            told(&found, call.version)
        }),
    )
}

fn told(found: &FoundOffset, version: i16) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default()
        .with_offset(found.offset.0)
        .with_timestamp(found.timestamp.0);
    if version >= WITH_EPOCHS {
        answer.with_leader_epoch(found.epoch.0)
    } else {
        answer
    }
}

/// The query for a timestamp on the wire; `None` if it cannot be answered without tiered storage.
fn query(timestamp: i64, version: i16) -> Result<Option<OffsetQuery>, ErrorCode> {
    let (query, since) = match timestamp {
        -1 => (Some(OffsetQuery::Latest), 0),
        -2 => (Some(OffsetQuery::Earliest), 0),
        -3 => (Some(OffsetQuery::MaxTimestamp), 7),
        // The earliest local offset: all of the log is local.
        -4 => (Some(OffsetQuery::Earliest), 8),
        // The latest tiered offset: nothing is tiered.
        -5 => (None, 9),
        // The earliest offset that waits for tiering: there is none.
        -6 => (None, 11),
        // Special timestamps of later versions must not be answered as if they were times.
        time if time < 0 => return Err(ErrorCode::UNSUPPORTED_VERSION),
        time => (Some(OffsetQuery::ByTime(Timestamp(time))), 0),
    };
    if version < since {
        Err(ErrorCode::UNSUPPORTED_VERSION)
    } else {
        Ok(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_have_the_versions_that_brought_them() {
        assert_eq!(query(-3, 6), Err(ErrorCode::UNSUPPORTED_VERSION));
        assert_eq!(query(-3, 7), Ok(Some(OffsetQuery::MaxTimestamp)));
        assert_eq!(query(-5, 9), Ok(None));
        assert_eq!(query(-6, 10), Err(ErrorCode::UNSUPPORTED_VERSION));
        assert_eq!(query(-6, 11), Ok(None));
        assert_eq!(query(-7, 11), Err(ErrorCode::UNSUPPORTED_VERSION));
        assert_eq!(query(-2, 1), Ok(Some(OffsetQuery::Earliest)));
        assert_eq!(query(0, 1), Ok(Some(OffsetQuery::ByTime(Timestamp(0)))));
    }
}
