//! DescribeQuorum: the voters of the metadata quorum, and their positions.
//!
//! This node is the quorum. It has no controller listener, so the answer has no endpoints.

use kafka_protocol::messages::describe_quorum_request::TopicData as AskedTopic;
use kafka_protocol::messages::describe_quorum_response::{
    Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, Offset, Timestamp};
use crate::cluster::{METADATA_TOPIC, QuorumLeadership};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::cluster_view::wire_id;
use super::route::{Call, Handler};
use super::topic_ids::{owned_name, wire_name};

/// The first version with directories and endpoints.
const WITH_DIRECTORIES: i16 = 2;

pub(super) struct DescribeQuorum;

impl Handler for DescribeQuorum {
    type Request = DescribeQuorumRequest;

    async fn handle(call: Call, request: DescribeQuorumRequest) -> Reply {
        if let Err(code) = call.permit(Operation::Describe, Resource::CLUSTER) {
            return call.reply(&DescribeQuorumResponse::default().with_error_code(code.0));
        }
        let cluster = &call.broker.cluster;
        let response = if is_about_the_quorum(&request.topics) {
            let now = call.broker.clock.now();
            quorum(
                &cluster.leadership(),
                cluster.metadata_log_end(),
                now,
                call.version,
            )
        } else {
            unknown(&request.topics)
        };
        call.reply(&response)
    }
}

/// There is one quorum, and it must be requested alone.
fn is_about_the_quorum(topics: &[AskedTopic]) -> bool {
    match topics {
        [topic] if &*topic.topic_name.0 == METADATA_TOPIC => {
            matches!(&topic.partitions[..], [partition] if partition.partition_index == 0)
        }
        _ => false,
    }
}

fn quorum(
    leadership: &QuorumLeadership,
    end: Offset,
    now: Timestamp,
    version: i16,
) -> DescribeQuorumResponse {
    let leader = wire_id(leadership.leader);
    let mut voter = ReplicaState::default()
        .with_replica_id(leader)
        .with_log_end_offset(end.0)
        .with_last_fetch_timestamp(now.0)
        .with_last_caught_up_timestamp(now.0);
    let mut nodes = Vec::new();
    if version >= WITH_DIRECTORIES {
        voter = voter.with_replica_directory_id(leadership.directory.0);
        nodes.push(Node::default().with_node_id(leader));
    }
    let partition = PartitionData::default()
        .with_leader_id(leader)
        .with_leader_epoch(leadership.epoch.0)
        // Appended records are synced before they count, and there are no other voters to wait for.
        .with_high_watermark(end.0)
        .with_current_voters(vec![voter]);
    let topic = TopicData::default()
        .with_topic_name(wire_name(METADATA_TOPIC))
        .with_partitions(vec![partition]);
    DescribeQuorumResponse::default()
        .with_topics(vec![topic])
        .with_nodes(nodes)
}

fn unknown(topics: &[AskedTopic]) -> DescribeQuorumResponse {
    let row = |topic: &AskedTopic| {
        let partitions = topic.partitions.iter().map(|partition| {
            PartitionData::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0)
                .with_error_message(Some(StrBytes::from_static_str(
                    "This server does not host this topic-partition.",
                )))
        });
        TopicData::default()
            .with_topic_name(owned_name(&topic.topic_name))
            .with_partitions(partitions.collect())
    };
    DescribeQuorumResponse::default().with_topics(topics.iter().map(row).collect())
}
