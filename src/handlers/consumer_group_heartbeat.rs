//! ConsumerGroupHeartbeat: with it a member of a consumer group (KIP-848) joins, is told what to own, says what it owns,
//! and leaves.

use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    consumer_group_heartbeat_request as request,
};

use crate::base::{ErrorCode, KafkaUuid, TopicId};
use crate::controller::features;
use crate::group::{ConsumerHeartbeat, ConsumerHeartbeatReply};
use crate::metadata::Image;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::{client_host, domain_text, optional_domain_text, optional_wire_text};

/// The first version whose clients make their member ids themselves (KIP-1082).
const WITH_OWN_MEMBER_ID: i16 = 1;

pub(super) struct ConsumerGroupHeartbeat;

impl Handler for ConsumerGroupHeartbeat {
    type Request = ConsumerGroupHeartbeatRequest;

    async fn handle(call: Call, request: ConsumerGroupHeartbeatRequest) -> Reply {
        if let Err(code) = check(&call, &request) {
            return call.reply(&refused(code));
        }
        let decided = call.broker.groups.ask(heartbeat(&call, &request));
        // The log may be slow, and requests that wait for it must not keep their frames.
        drop(request);
        call.reply(&match decided.await {
            Ok(reply) => response(reply),
            Err(error) => refused(errors::of_coordinator(error)),
        })
    }
}

/// What is wrong with the request before the group's coordinator is asked.
fn check(call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Result<(), ErrorCode> {
    if !has_consumer_groups(call, &call.broker.cluster.image()) {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    call.permit(Operation::Read, Resource::group(&request.group_id))?;
    let mut names = request.subscribed_topic_names.iter().flatten();
    names.try_for_each(|name| call.permit(Operation::Describe, Resource::topic(name)))
}

/// Whether the cluster's features and the settings of this broker allow consumer groups.
pub(super) fn has_consumer_groups(call: &Call, image: &Image) -> bool {
    features::has_consumer_groups(image) && call.broker.config.has_consumer_protocol()
}

fn heartbeat(call: &Call, request: &ConsumerGroupHeartbeatRequest) -> ConsumerHeartbeat {
    let names = request.subscribed_topic_names.as_ref();
    let owned = request.topic_partitions.as_ref();
    ConsumerHeartbeat {
        group: domain_text(&request.group_id),
        member: domain_text(&request.member_id),
        member_epoch: request.member_epoch,
        instance: optional_domain_text(request.instance_id.as_ref()),
        rack: optional_domain_text(request.rack_id.as_ref()),
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        topics: names.map(|names| names.iter().map(|name| domain_text(name)).collect()),
        expression: optional_domain_text(request.subscribed_topic_regex.as_ref()),
        assignor: optional_domain_text(request.server_assignor.as_ref()),
        owned: owned.map(|topics| {
            let of_topic = |topic: &request::TopicPartitions| {
                (KafkaUuid(topic.topic_id), topic.partitions.clone())
            };
            topics.iter().map(of_topic).collect()
        }),
        client_id: domain_text(call.client_id.as_deref().unwrap_or_default()),
        client_host: client_host(call.peer.address.ip()),
        member_id_seed: rand::random(),
        needs_member_id: call.version >= WITH_OWN_MEMBER_ID,
    }
}

fn response(reply: ConsumerHeartbeatReply) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_error_code(reply.error.0)
        .with_error_message(optional_wire_text(reply.message.as_ref()))
        .with_member_id(optional_wire_text(reply.member.as_ref()))
        .with_member_epoch(reply.member_epoch)
        .with_heartbeat_interval_ms(reply.heartbeat_interval_ms)
        .with_assignment(reply.assignment.map(assignment))
}

fn assignment(owned: Vec<(TopicId, Vec<i32>)>) -> Assignment {
    let of_topic = |(id, partitions): (TopicId, _)| {
        TopicPartitions::default()
            .with_topic_id(id.0)
            .with_partitions(partitions)
    };
    Assignment::default().with_topic_partitions(owned.into_iter().map(of_topic).collect())
}

fn refused(code: ErrorCode) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default().with_error_code(code.0)
}

#[cfg(test)]
mod tests;
