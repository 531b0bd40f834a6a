//! DeleteRecords: removes all records before an offset.

use std::collections::HashMap;

use kafka_protocol::messages::delete_records_request::DeleteRecordsTopic;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};

use crate::base::{ErrorCode, Offset};
use crate::controller::is_internal;
use crate::partition::DeleteFailure;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::topic_ids::owned_name;

/// The log start offset of an answer with an error.
const NO_LOW_WATERMARK: i64 = -1;

pub(super) struct DeleteRecords;

impl Handler for DeleteRecords {
    type Request = DeleteRecordsRequest;

    async fn handle(call: Call, request: DeleteRecordsRequest) -> Reply {
        // With one replica there are no followers to wait for, so the request's timeout is not needed.
        let mut topics = topics(request.topics);
        let (mut places, mut wanted) = (Vec::new(), Vec::new());
        let image = call.broker.cluster.image();
        for (row, topic) in topics.iter_mut().enumerate() {
            let permit = call.permit(Operation::Delete, Resource::topic(&topic.name));
            let known = image.topic(&topic.name);
            for (column, (answer, before)) in topic.partitions.iter_mut().enumerate() {
                let known = known.filter(|known| known.partition(answer.partition_index).is_some());
                let known = known.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                let replica = permit.and(known).and_then(|known| {
                    // The records there belong to coordinators.
                    if is_internal(&topic.name) {
                        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
                    }
                    let partitions = &call.broker.partitions;
                    let found = partitions.find(known.id, answer.partition_index);
                    found.map_err(errors::of_not_hosted)
                });
                match replica {
                    Ok(replica) => {
                        places.push((row, column));
                        wanted.push((replica, *before));
                    }
                    Err(code) => answer.error_code = code.0,
                }
            }
        }
        let deleted = call.broker.partitions.delete_records(wanted).await;
        for ((row, column), deleted) in places.into_iter().zip(deleted) {
            tell(&mut topics[row].partitions[column].0, deleted);
        }
        let topics = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|(answer, _)| answer);
            DeleteRecordsTopicResult::default()
                .with_name(topic.name)
                .with_partitions(partitions.collect())
        });
        call.reply(&DeleteRecordsResponse::default().with_topics(topics.collect()))
    }
}

fn tell(answer: &mut DeleteRecordsPartitionResult, deleted: Result<Offset, DeleteFailure>) {
    match deleted {
        Ok(start) => answer.low_watermark = start.0,
        Err(failure) => answer.error_code = errors::of_delete(&failure).0,
    }
}

/// The answer for a topic, and its requested offset for each partition.
struct TopicRow {
    name: TopicName,
    partitions: Vec<(DeleteRecordsPartitionResult, Offset)>,
}

/// One row for each topic, and one for each of its partitions; the last entry for a partition counts.
fn topics(requested: Vec<DeleteRecordsTopic>) -> Vec<TopicRow> {
    let mut rows = Vec::<TopicRow>::with_capacity(requested.len());
    let mut places = HashMap::new();
    let mut columns = HashMap::new();
    for topic in requested {
        // A topic without partitions is not in the answer.
        if topic.partitions.is_empty() {
            continue;
        }
        let name = owned_name(&topic.name);
        let row = *places.entry(name).or_insert_with_key(|name| {
            rows.push(TopicRow {
                name: name.clone(),
                partitions: Vec::new(),
            });
            rows.len() - 1
        });
        let row_of_topic = &mut rows[row].partitions;
        for partition in topic.partitions {
            let index = partition.partition_index;
            let column = *columns.entry((row, index)).or_insert_with(|| {
                let answer = DeleteRecordsPartitionResult::default()
                    .with_partition_index(index)
                    .with_low_watermark(NO_LOW_WATERMARK);
                row_of_topic.push((answer, Offset::ZERO));
                row_of_topic.len() - 1
            });
            row_of_topic[column].1 = Offset(partition.offset);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::delete_records_request::{
        DeleteRecordsPartition, DeleteRecordsTopic,
    };
    use kafka_protocol::messages::delete_records_response::{
        DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
    };
    use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

    use super::super::fixture;
    use super::super::topic_ids::wire_name;
    use super::{tell, topics};
    use crate::base::Offset;
    use crate::partition::DeleteFailure;

    fn asked(name: &str, partitions: &[(i32, i64)]) -> DeleteRecordsTopic {
        let partitions = partitions.iter().map(|(index, offset)| {
            DeleteRecordsPartition::default()
                .with_partition_index(*index)
                .with_offset(*offset)
        });
        DeleteRecordsTopic::default()
            .with_name(wire_name(name))
            .with_partitions(partitions.collect())
    }

    #[test]
    fn what_is_said_last_counts() {
        let rows = topics(vec![
            asked("a", &[(0, 1), (1, 2)]),
            asked("b", &[]),
            asked("a", &[(0, 3)]),
        ]);
        assert_eq!(rows.len(), 1);
        let wanted: Vec<_> = rows[0]
            .partitions
            .iter()
            .map(|(answer, before)| (answer.partition_index, before.0))
            .collect();
        assert_eq!(wanted, [(0, 3), (1, 2)]);
    }

    #[test]
    fn every_version_is_read_and_answered() {
        for version in 0..=2 {
            let request = DeleteRecordsRequest::default()
                .with_topics(vec![asked("a", &[(0, -1)])])
                .with_timeout_ms(1_000);
            let request = fixture::over_the_wire(&request, version);
            assert_eq!(topics(request.topics)[0].partitions[0].1, Offset(-1));

            let mut done = DeleteRecordsPartitionResult::default();
            tell(&mut done, Ok(Offset(7)));
            let mut refused = DeleteRecordsPartitionResult::default().with_low_watermark(-1);
            tell(&mut refused, Err(DeleteFailure::Policy));
            let topic = DeleteRecordsTopicResult::default().with_partitions(vec![done, refused]);
            let response = DeleteRecordsResponse::default().with_topics(vec![topic]);
            let response = fixture::over_the_wire(&response, version);
            let partitions = &response.topics[0].partitions;
            assert_eq!(
                (partitions[0].low_watermark, partitions[0].error_code),
                (7, 0)
            );
            assert_eq!(
                (partitions[1].low_watermark, partitions[1].error_code),
                (-1, 44)
            );
        }
    }
}
