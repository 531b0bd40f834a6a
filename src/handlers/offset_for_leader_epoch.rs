//! OffsetForLeaderEpoch: the end offset of a leader epoch. A client learns from it whether the records that it has
//! read are still in the log.

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::base::{ErrorCode, LeaderEpoch};
use crate::metadata::Image;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};

pub(super) struct OffsetForLeaderEpoch;

impl Handler for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;

    async fn handle(call: Call, request: OffsetForLeaderEpochRequest) -> Reply {
        let image = call.broker.cluster.image();
        let is_broker = call.may(Operation::ClusterAction, Resource::CLUSTER);
        let topics = request
            .topics
            .into_iter()
            .map(|topic| {
                let permit = if is_broker {
                    Ok(())
                } else {
                    call.permit(Operation::Describe, Resource::topic(&topic.topic))
                };
                let partitions = topic
                    .partitions
                    .iter()
                    .map(|partition| {
                        permit
                            .and_then(|()| answer(&call, &image, &topic.topic, partition))
                            .unwrap_or_else(|code| {
                                EpochEndOffset::default().with_error_code(code.0)
                            })
                            .with_partition(partition.partition)
                    })
                    .collect();
                OffsetForLeaderTopicResult::default()
                    .with_topic(topic.topic)
                    .with_partitions(partitions)
            })
            .collect();
        call.reply(&OffsetForLeaderEpochResponse::default().with_topics(topics))
    }
}

fn answer(
    call: &Call,
    image: &Image,
    topic: &str,
    partition: &OffsetForLeaderPartition,
) -> Result<EpochEndOffset, ErrorCode> {
    let topic = image
        .topic(topic)
        .ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let replica = call
        .broker
        .partitions
        .find(topic.id, partition.partition)
        .map_err(errors::of_not_hosted)?;
    replica
        .check_epoch(LeaderEpoch(partition.current_leader_epoch))
        .map_err(errors::of_epoch)?;
    let end = replica
        .published()
        .view
        .end_of_epoch(LeaderEpoch(partition.leader_epoch));
    Ok(end.map_or_else(EpochEndOffset::default, |(epoch, end)| {
        EpochEndOffset::default()
            .with_leader_epoch(epoch.0)
            .with_end_offset(end.0)
    }))
}
