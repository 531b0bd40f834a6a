//! ListPartitionReassignments: the partitions whose replicas are becoming others.

use std::sync::Arc;

use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use crate::metadata::{Image, PartitionImage, TopicImage};
use crate::wire::Reply;

use super::all_topics::AllTopics;
use super::cluster_view::wire_ids;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk, Pace};
use super::topic_ids::wire_name;

pub(super) struct ListPartitionReassignments;

impl Handler for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;

    async fn handle(call: Call, request: ListPartitionReassignmentsRequest) -> Reply {
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
    let ongoing = AllTopics::of(image).filter(|topic| {
        topic
            .partitions
            .iter()
            .any(PartitionImage::is_reassigned)
    });
    let (mut count, mut pace) = (0, Pace::default());
    for _ in ongoing.clone() {
        count += 1;
        pace.step().await;
    }
    let rows = ongoing.filter_map(|topic| row(&topic, topic.numbered_partitions()).map(Chunk::row));
    streamed::rows(call, response, count, rows).await
}

/// The row of a topic; none where nothing becomes of its partitions.
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
