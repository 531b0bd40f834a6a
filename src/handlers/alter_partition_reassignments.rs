//! AlterPartitionReassignments: moves partitions to other replicas, or cancels such a move.

use std::sync::Arc;

use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId, TopicName,
};

use crate::base::{ErrorCode, NodeId};
use crate::controller::{
    AlterReassignments, Reassignment, ReassignmentFailure as Failure, Refusal,
};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::route::{Call, Handler};
use super::text::{domain_text, wire_text};
use super::topic_ids::owned_name;
use super::{ask, errors};

pub(super) struct AlterPartitionReassignments;

impl Handler for AlterPartitionReassignments {
    type Request = AlterPartitionReassignmentsRequest;

    async fn handle(call: Call, request: AlterPartitionReassignmentsRequest) -> Reply {
        let (may_change, timeout_ms) =
            (request.allow_replication_factor_change, request.timeout_ms);
        if let Err(denial) = call.permit_or_say(Operation::Alter, Resource::CLUSTER) {
            let (rows, _) = taken_apart(request);
            let refused = response(rows, Err(denial));
            return call.reply(&refused.with_allow_replication_factor_change(may_change));
        }
        if request.topics.is_empty() {
            return call.reply(&AlterPartitionReassignmentsResponse::default());
        }
        let (rows, partitions) = taken_apart(request);
        let command = AlterReassignments {
            partitions,
            allow_replication_factor_change: may_change,
        };
        let decided = ask::controller(&call, command, timeout_ms).await;
        let decided = decided.map_err(Refusal::bare);
        call.reply(&response(rows, decided).with_allow_replication_factor_change(may_change))
    }
}

/// The names and numbers of the answer's rows.
type Rows = Vec<(TopicName, Vec<i32>)>;

fn taken_apart(request: AlterPartitionReassignmentsRequest) -> (Rows, Vec<Reassignment>) {
    let (mut rows, mut reassignments) = (Vec::new(), Vec::new());
    for topic in request.topics {
        let name: Arc<str> = domain_text(&topic.name);
        let numbers = topic.partitions.iter();
        rows.push((
            owned_name(&topic.name),
            numbers.map(|partition| partition.partition_index).collect(),
        ));
        let ids = |ids: Vec<BrokerId>| ids.into_iter().map(|id| NodeId(id.0)).collect();
        reassignments.extend(topic.partitions.into_iter().map(|partition| Reassignment {
            topic: Arc::clone(&name),
            partition: partition.partition_index,
            replicas: partition.replicas.map(ids),
        }));
    }
    (rows, reassignments)
}

fn response(
    rows: Rows,
    decided: Result<Vec<Result<(), Failure>>, Refusal>,
) -> AlterPartitionReassignmentsResponse {
    let (decided, Refusal { code, message }) = match decided {
        Ok(decided) => (decided, Refusal::bare(ErrorCode::NONE)),
        Err(refusal) => (Vec::new(), refusal),
    };
    let mut decided = decided.into_iter();
    let text = message.as_deref().map(wire_text);
    let mut row = |number| {
        let row = ReassignablePartitionResponse::default()
            .with_partition_index(number)
            .with_error_code(code.0)
            .with_error_message(text.clone());
        match decided.next() {
            Some(Err(failure)) => row
                .with_error_code(errors::of_reassignment(&failure).0)
                .with_error_message(words(&failure).as_deref().map(wire_text)),
            Some(Ok(())) | None => row,
        }
    };
    let topics = rows.into_iter().map(|(name, numbers)| {
        ReassignableTopicResponse::default()
            .with_name(name)
            .with_partitions(numbers.into_iter().map(&mut row).collect())
    });
    AlterPartitionReassignmentsResponse::default()
        .with_responses(topics.collect())
        .with_error_code(code.0)
        .with_error_message(text)
}

/// The error message; none where the code says everything, as in Kafka.
fn words(failure: &Failure) -> Option<String> {
    match failure {
        Failure::NotInProgress => None,
        Failure::Assignment(refusal) => refusal.message.clone(),
        other => Some(other.to_string()),
    }
}
