//! ListPartitionReassignments: the partitions that are being moved to other replicas.

use std::sync::Arc;

use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::controller::Refusal;
use crate::metadata::{Image, PartitionImage, TopicImage};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::all_topics::AllTopics;
use super::cluster_view::wire_ids;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk, Pace};
use super::text::wire_text;
use super::topic_ids::wire_name;

pub(super) struct ListPartitionReassignments;

impl Handler for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;

    async fn handle(call: Call, request: ListPartitionReassignmentsRequest) -> Reply {
        if let Err(denial) = call.permit_or_say(Operation::Describe, Resource::CLUSTER) {
            return call.reply(&refused(denial, &request));
        }
        let image = call.broker.cluster.image();
        match request.topics {
            Some(topics) => call.reply(&response(named(&image, &topics))),
            None => tell_of_all(&call, image).await,
        }
    }
}

fn response(topics: Vec<OngoingTopicReassignment>) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_topics(topics)
}

/// The answer for a client without the right. As in Kafka it has rows for the named topics.
fn refused(
    denial: Refusal,
    request: &ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let row = |asked: &ListPartitionReassignmentsTopics| {
        let numbers = asked.partition_indexes.iter();
        let partition =
            |number: &i32| OngoingPartitionReassignment::default().with_partition_index(*number);
        OngoingTopicReassignment::default()
            .with_name(asked.name.clone())
            .with_partitions(numbers.map(partition).collect())
    };
    response(request.topics.iter().flatten().map(row).collect())
        .with_error_code(denial.code.0)
        .with_error_message(denial.message.as_deref().map(wire_text))
}

/// The rows of the topics that a request names.
fn named(
    image: &Image,
    topics: &[ListPartitionReassignmentsTopics],
) -> Vec<OngoingTopicReassignment> {
    let row = |asked: &ListPartitionReassignmentsTopics| {
        let topic = image.topic(&asked.name)?;
        let partitions = asked
            .partition_indexes
            .iter()
            .filter_map(|number| Some((*number, topic.partition(*number)?)));
        row(topic, partitions)
    };
    topics.iter().filter_map(row).collect()
}

async fn tell_of_all(call: &Call, image: Arc<Image>) -> Reply {
    let ongoing = AllTopics::of(image)
        .filter(|topic| topic.partitions.iter().any(PartitionImage::is_reassigned));
    let (mut count, mut pace) = (0, Pace::default());
    for _ in ongoing.clone() {
        count += 1;
        pace.step().await;
    }
    let rows = ongoing.filter_map(|topic| row(&topic, topic.numbered_partitions()).map(Chunk::row));
    streamed::rows(call, response, count, rows).await
}

/// The row of a topic; `None` if none of its partitions is reassigned.
fn row<'a>(
    topic: &TopicImage,
    partitions: impl Iterator<Item = (i32, &'a PartitionImage)>,
) -> Option<OngoingTopicReassignment> {
    let partitions: Vec<_> = partitions
        .filter(|(_, partition)| partition.is_reassigned())
        .map(|(number, partition)| {
            OngoingPartitionReassignment::default()
                .with_partition_index(number)
                .with_replicas(wire_ids(&partition.replicas))
                .with_adding_replicas(wire_ids(&partition.adding_replicas))
                .with_removing_replicas(wire_ids(&partition.removing_replicas))
        })
        .collect();
    (!partitions.is_empty()).then(|| {
        OngoingTopicReassignment::default()
            .with_name(wire_name(&topic.name))
            .with_partitions(partitions)
    })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::BrokerId;

    use super::super::fixture;
    use super::*;
    use crate::base::{KafkaUuid, LeaderEpoch, NodeId, Offset};
    use crate::metadata::MetadataRecord;
    use crate::metadata::record::PartitionChange;

    /// The first partition of `orders` moves from brokers 1 and 2 to 3 and 1.
    fn image() -> Image {
        let nodes = |nodes: [i32; 1]| Some(nodes.map(NodeId).to_vec());
        let change = PartitionChange {
            replicas: Some([3, 1, 2].map(NodeId).to_vec()),
            directories: Some(vec![KafkaUuid::ZERO; 3]),
            adding_replicas: nodes([3]),
            removing_replicas: nodes([2]),
            ..PartitionChange::none(KafkaUuid(fixture::ORDERS), 0)
        };
        let change = MetadataRecord::PartitionChange(change);
        let changed = fixture::image().apply(&[change], Offset(10), LeaderEpoch(1));
        changed.expect("a record that fits").0
    }

    #[test]
    fn what_is_reassigned_is_told_and_nothing_else() {
        let image = image();
        let asked = |name, numbers: &[i32]| {
            ListPartitionReassignmentsTopics::default()
                .with_name(wire_name(name))
                .with_partition_indexes(numbers.to_vec())
        };
        let asked = [
            asked("orders", &[2, 0, 9]),
            asked("orders", &[1]),
            asked("audit", &[0]),
            asked("none", &[0]),
        ];
        let named = response(named(&image, &asked));
        let all = AllTopics::of(Arc::new(image));
        let all = response(
            all.filter_map(|topic| row(&topic, topic.numbered_partitions()))
                .collect(),
        );
        assert_eq!(named, all);
        let told = fixture::over_the_wire(&named, 0);
        assert_eq!((told.topics.len(), told.topics[0].partitions.len()), (1, 1));
        let partition = &told.topics[0].partitions[0];
        assert_eq!(partition.partition_index, 0);
        assert_eq!(partition.replicas, [3, 1, 2].map(BrokerId));
        assert_eq!(partition.adding_replicas, [BrokerId(3)]);
        assert_eq!(partition.removing_replicas, [BrokerId(2)]);
    }
}
