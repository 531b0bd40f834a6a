//! OffsetDelete: removes some of a group's offsets.

use std::sync::Arc;

use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use uuid::Uuid;

use crate::base::{ErrorCode, TopicPartition};
use crate::coordinator::CoordinatorError;
use crate::group::{DeleteOffsets, DeleteOffsetsReply};
use crate::metadata::Image;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::domain_text;
use super::topic_ids;

pub(super) struct OffsetDelete;

impl Handler for OffsetDelete {
    type Request = OffsetDeleteRequest;

    async fn handle(call: Call, request: OffsetDeleteRequest) -> Reply {
        if let Err(code) = call.permit(Operation::Delete, Resource::group(&request.group_id)) {
            return call.reply(&OffsetDeleteResponse::default().with_error_code(code.0));
        }
        let permit = |topic: &str| call.permit(Operation::Read, Resource::topic(topic));
        let (partitions, refusals) = check(&call.broker.cluster.image(), &request, permit);
        // Called even when no partition is left: there may be an error for the group.
        let asked = call.broker.groups.ask(DeleteOffsets {
            group: domain_text(&request.group_id),
            partitions,
        });
        let reply = reply(asked.await);
        call.reply(&response(&request, &refusals, reply))
    }
}

/// Looks up the topics of the request. Returns the offsets to be deleted, and the error for each refused partition.
fn check(
    image: &Image,
    request: &OffsetDeleteRequest,
    permit: impl Fn(&str) -> Result<(), ErrorCode>,
) -> (Vec<TopicPartition>, Vec<Option<ErrorCode>>) {
    let mut partitions = Vec::new();
    let mut refusals = Vec::new();
    for topic in &request.topics {
        let found = topic_ids::find_permitted(image, &topic.name, Uuid::nil(), false, &permit);
        for partition in &topic.partitions {
            match found
                .and_then(|topic| topic_ids::with_partition(topic, partition.partition_index))
            {
                Ok(topic) => {
                    partitions.push(TopicPartition::new(
                        Arc::clone(&topic.name),
                        partition.partition_index,
                    ));
                    refusals.push(None);
                }
                Err(code) => refusals.push(Some(code)),
            }
        }
    }
    (partitions, refusals)
}

fn reply(decided: Result<DeleteOffsetsReply, CoordinatorError>) -> DeleteOffsetsReply {
    decided.unwrap_or_else(|error| DeleteOffsetsReply {
        error: errors::of_coordinator(error),
        partitions: Vec::new(),
    })
}

/// The answer in the order of the request: a partition's error, or else the next of the reply.
fn response(
    request: &OffsetDeleteRequest,
    refusals: &[Option<ErrorCode>],
    reply: DeleteOffsetsReply,
) -> OffsetDeleteResponse {
    if reply.error.is_error() {
        return OffsetDeleteResponse::default().with_error_code(reply.error.0);
    }
    let mut refusals = refusals.iter();
    let mut codes = reply.partitions.into_iter().map(|(_, code)| code);
    let mut next = || match refusals.next() {
        Some(Some(refusal)) => *refusal,
        _ => codes.next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR),
    };
    let mut topics = Vec::with_capacity(request.topics.len());
    // Kafka builds its answer from partitions: a topic without any is not in it.
    let with_partitions = |topic: &&OffsetDeleteRequestTopic| !topic.partitions.is_empty();
    for asked in request.topics.iter().filter(with_partitions) {
        let partition = |asked: &OffsetDeleteRequestPartition| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(next().0)
        };
        topics.push(
            OffsetDeleteResponseTopic::default()
                .with_name(asked.name.clone())
                .with_partitions(asked.partitions.iter().map(partition).collect()),
        );
    }
    OffsetDeleteResponse::default().with_topics(topics)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::TopicName;
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture::{self, over_the_wire};
    use super::*;

    fn request() -> OffsetDeleteRequest {
        let topic = |name: &'static str, numbers: &[i32]| {
            let partition = |number: &i32| {
                OffsetDeleteRequestPartition::default().with_partition_index(*number)
            };
            OffsetDeleteRequestTopic::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partitions(numbers.iter().map(partition).collect())
        };
        over_the_wire(
            &OffsetDeleteRequest::default()
                .with_topics(vec![topic("gone", &[0]), topic("orders", &[7, 1])]),
            0,
        )
    }

    #[test]
    fn each_partition_has_its_row() {
        let request = request();
        let (partitions, refusals) = check(&fixture::image(), &request, |_| Ok(()));
        assert_eq!(partitions, [TopicPartition::new("orders", 1)]);
        let code = ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC;
        let reply = DeleteOffsetsReply {
            error: ErrorCode::NONE,
            partitions: vec![(partitions[0].clone(), code)],
        };
        let told = over_the_wire(&response(&request, &refusals, reply), 0);
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
        assert_eq!(told.topics[0].partitions[0].error_code, unknown);
        assert_eq!(told.topics[1].partitions[0].error_code, unknown);
        assert_eq!(told.topics[1].partitions[1].error_code, code.0);
    }

    #[test]
    fn an_error_of_the_group_stands_alone() {
        let request = request();
        let (_, refusals) = check(&fixture::image(), &request, |_| Ok(()));
        let told = over_the_wire(
            &response(&request, &refusals, reply(Err(CoordinatorError::Loading))),
            0,
        );
        assert_eq!(
            (told.error_code, told.topics.len()),
            (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.0, 0)
        );
    }
}
