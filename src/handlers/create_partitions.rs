//! CreatePartitions: adds partitions to topics.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, NodeId};
use crate::controller::{self, NewPartitions, Refusal};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::ask;
use super::requested::sort_out;
use super::route::{Call, Handler};
use super::topic_ids::owned_name;

pub(super) struct CreatePartitions;

impl Handler for CreatePartitions {
    type Request = CreatePartitionsRequest;

    async fn handle(call: Call, request: CreatePartitionsRequest) -> Reply {
        let topics = request
            .topics
            .into_iter()
            .map(|topic| (owned_name(&topic.name), Ok(new_partitions(topic))));
        let permit = |name: &TopicName| {
            let permit = call.permit(Operation::Alter, Resource::topic(name));
            permit.map_err(Refusal::bare)
        };
        let (rows, topics) = sort_out(topics.collect(), |_| "Duplicate topic name.", permit);
        let validate_only = request.validate_only;
        let command = controller::CreatePartitions {
            topics,
            validate_only,
        };
        let decided = ask::controller(&call, command, request.timeout_ms).await;
        let decided = decided.map(|rows| rows.into_iter().map(|(_, result)| result).collect());
        let results = rows.answer(decided).map(|(name, result)| row(name, result));
        call.reply(&CreatePartitionsResponse::default().with_results(results.collect()))
    }
}

fn new_partitions(topic: CreatePartitionsTopic) -> NewPartitions {
    let replicas = |ids: Vec<BrokerId>| ids.into_iter().map(|id| NodeId(id.0)).collect();
    NewPartitions {
        name: topic.name.to_string(),
        count: topic.count,
        assignments: topic.assignments.map(|rows| {
            rows.into_iter()
                .map(|row| replicas(row.broker_ids))
                .collect()
        }),
    }
}

fn row(name: TopicName, result: Result<(), Refusal>) -> CreatePartitionsTopicResult {
    let refusal = result.err().unwrap_or(Refusal::bare(ErrorCode::NONE));
    CreatePartitionsTopicResult::default()
        .with_name(name)
        .with_error_code(refusal.code.0)
        .with_error_message(refusal.message.map(StrBytes::from_string))
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::create_partitions_request::{
        CreatePartitionsAssignment, CreatePartitionsTopic,
    };
    use kafka_protocol::messages::{BrokerId, CreatePartitionsRequest, CreatePartitionsResponse};

    use super::super::fixture;
    use super::super::topic_ids::wire_name;
    use super::{new_partitions, row};
    use crate::base::{ErrorCode, NodeId};
    use crate::controller::Refusal;

    #[test]
    fn every_version_is_read_and_answered() {
        for version in 0..=3 {
            let topic = CreatePartitionsTopic::default()
                .with_name(wire_name("a"))
                .with_count(3);
            let assignment =
                CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(2)]);
            let assigned = topic.clone().with_assignments(Some(vec![assignment]));
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![topic.with_assignments(None), assigned]);
            let request = fixture::over_the_wire(&request, version);
            let topics: Vec<_> = request.topics.into_iter().map(new_partitions).collect();
            assert_eq!((topics[0].name.as_str(), topics[0].count), ("a", 3));
            assert_eq!(topics[0].assignments, None);
            assert_eq!(topics[1].assignments, Some(vec![vec![NodeId(2)]]));

            let refusal = Refusal::new(ErrorCode::INVALID_PARTITIONS, "No.");
            let results = vec![
                row(wire_name("a"), Ok(())),
                row(wire_name("b"), Err(refusal)),
            ];
            let response = CreatePartitionsResponse::default().with_results(results);
            let response = fixture::over_the_wire(&response, version);
            assert_eq!(
                (
                    response.results[0].error_code,
                    &response.results[0].error_message
                ),
                (0, &None)
            );
            assert_eq!(response.results[1].error_code, 37);
            assert_eq!(response.results[1].error_message.as_deref(), Some("No."));
        }
    }
}
