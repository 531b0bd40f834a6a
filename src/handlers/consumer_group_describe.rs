//! ConsumerGroupDescribe: consumer groups (KIP-848) in detail, with the present and the target assignment of each member.
//!
//! As in Kafka, each name in the request has a row in the answer. A group is looked up once, and its rows are produced
//! from one description when the socket takes them. Assignments are told by topic id and name: a topic that is no more
//! is not in them.

use std::iter::once;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, TopicId};
use crate::coordinator::CoordinatorError;
use crate::group::{ConsumerDescription, DescribedConsumerMember, NotDescribed, Registry};
use crate::metadata::Image;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::authorize::{NOT_ASKED, Rights};
use super::consumer_group_heartbeat::has_consumer_groups;
use super::describe_groups::distinct;
use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Around, Chunk};
use super::text::{domain_text, optional_wire_text, wire_group, wire_text};
use super::topic_ids::wire_name;

/// A group whose members are larger than this is sent member by member.
const AT_ONCE: usize = 16 * 1024;

pub(super) struct ConsumerGroupDescribe;

impl Handler for ConsumerGroupDescribe {
    type Request = ConsumerGroupDescribeRequest;

    async fn handle(call: Call, request: ConsumerGroupDescribeRequest) -> Reply {
        let image = call.broker.cluster.image();
        let (ids, order) = distinct(request.group_ids);
        let names: Vec<Arc<str>> = ids.iter().map(|id| domain_text(id)).collect();
        let rights = call.rights();
        let permit = |group: &Arc<str>| {
            if !has_consumer_groups(&call, &image) {
                return Err(ErrorCode::UNSUPPORTED_VERSION);
            }
            rights.permit(Operation::Describe, Resource::group(group))?;
            if group.is_empty() {
                return Err(ErrorCode::INVALID_GROUP_ID);
            }
            Ok(())
        };
        let permits: Vec<_> = names.iter().map(permit).collect();
        let permitted = names.iter().zip(&permits);
        let permitted = permitted.filter(|(_, permit)| permit.is_ok());
        let asked: Arc<[_]> = permitted.map(|(name, _)| Arc::clone(name)).collect();
        let mut found = {
            let asked_again = Arc::clone(&asked);
            let look = move |registry: &Registry, place: usize| {
                registry.describe_consumer_group(&asked_again[place])
            };
            let read = call.broker.groups.hosts().read_all(&asked, look);
            read.await.into_iter()
        };
        let groups = names.into_iter().zip(permits).map(|(group, permit)| {
            let found = permit.and_then(|()| {
                let found = found.next().unwrap_or(Err(CoordinatorError::Refused));
                found.map_err(errors::of_coordinator)
            });
            let found = match found {
                Ok(Ok(found)) if !may_see(&rights, &image, &found) => Found::WithHiddenTopics,
                Ok(Ok(found)) => Found::Described(found),
                Ok(Err(reason)) => Found::Absent(reason),
                Err(code) => Found::Refused(code),
            };
            (group, found)
        });
        let groups = groups.collect();
        let answer = Arc::new(Answer {
            image,
            version: call.version,
            groups,
            rights: request.include_authorized_operations.then_some(rights),
        });
        let response = |groups| ConsumerGroupDescribeResponse::default().with_groups(groups);
        let count = order.len();
        let rows = (0..count).flat_map(move |row| answer.chunks(order[row]));
        streamed::rows(&call, response, count, rows).await
    }
}

/// Whether the client may describe all topics of which members have partitions.
fn may_see(rights: &Rights, image: &Image, found: &ConsumerDescription) -> bool {
    let members = found.members.iter();
    let topics = members.flat_map(|member| member.assigned.iter().chain(&member.target));
    let names = topics.filter_map(|(id, _)| image.topic_by_id(*id));
    let mut last = None;
    // Most topics come again and again.
    names
        .filter(|topic| last.replace(topic.id) != Some(topic.id))
        .all(|topic| rights.may(Operation::Describe, Resource::topic(&topic.name)))
}

/// The result of looking up a group.
enum Found {
    Described(ConsumerDescription),
    /// Members have partitions of topics that the client may not describe.
    WithHiddenTopics,
    Absent(NotDescribed),
    Refused(ErrorCode),
}

/// The data for the rows of the answer.
struct Answer {
    image: Arc<Image>,
    version: i16,
    /// Set if authorized operations are requested.
    rights: Option<Rights>,
    groups: Vec<(Arc<str>, Found)>,
}

impl Answer {
    /// The row about the group at `place`.
    fn chunks(self: &Arc<Self>, place: u32) -> impl Iterator<Item = Chunk> + Clone + use<> {
        let place = place as usize;
        let (first, members, last) = self.around(place).unwrap_or_else(|| {
            let members = match &self.groups[place].1 {
                Found::Described(found) => found.members.iter(),
                _ => [].iter(),
            };
            let members = members.map(|one| member(&self.image, one)).collect();
            let whole = self.described(place).with_members(members);
            (Chunk::row(whole), 0, Chunk::Bytes(Bytes::new()))
        });
        let answer = Arc::clone(self);
        let rows = (0..members).filter_map(move |number| match &answer.groups[place].1 {
            Found::Described(found) => {
                let one = found.members.get(number)?;
                Some(Chunk::row(member(&answer.image, one)))
            }
            _ => None,
        });
        once(first).chain(rows).chain(once(last))
    }

    /// What is around the members of a group, and their number, if they are sent one by one.
    fn around(&self, place: usize) -> Option<(Chunk, usize, Chunk)> {
        let Found::Described(found) = &self.groups[place].1 else {
            return None;
        };
        let members = found.members.len();
        let is_large = found.members.iter().map(weight).sum::<usize>() > AT_ONCE;
        let bare = is_large.then(|| self.described(place))?;
        let with_members = |members| bare.clone().with_members(members);
        // If it cannot be encoded at all, that shows when the whole is tried.
        let around = Around::new(self.version, true, with_members).ok()?;
        Some((around.head(members), members, around.tail()))
    }

    /// The group without its members.
    fn described(&self, place: usize) -> DescribedGroup {
        let (name, found) = &self.groups[place];
        let row = DescribedGroup::default().with_group_id(wire_group(name));
        let refused = |code: ErrorCode, message| {
            row.clone()
                .with_error_code(code.0)
                .with_error_message(Some(message))
        };
        match found {
            Found::Described(found) => row
                .clone()
                .with_group_state(StrBytes::from_static_str(found.state))
                .with_group_epoch(found.epoch)
                .with_assignment_epoch(found.assignment_epoch)
                .with_assignor_name(wire_text(&found.assignor))
                .with_authorized_operations(
                    self.rights
                        .as_ref()
                        .map_or(NOT_ASKED, |rights| rights.operations(Resource::group(name))),
                ),
            Found::WithHiddenTopics => refused(
                ErrorCode::TOPIC_AUTHORIZATION_FAILED,
                StrBytes::from_static_str(
                    "The group has described topic(s) that the client is not authorized to describe.",
                ),
            ),
            Found::Absent(reason) => refused(
                ErrorCode::GROUP_ID_NOT_FOUND,
                StrBytes::from_string(match reason {
                    NotDescribed::Unknown => format!("Group {name} not found."),
                    NotDescribed::OtherType => format!("Group {name} is not a consumer group."),
                }),
            ),
            Found::Refused(code) => row.clone().with_error_code(code.0),
        }
    }
}

/// The approximate size of a member.
fn weight(member: &DescribedConsumerMember) -> usize {
    let topics = member.assigned.iter().chain(&member.target);
    let topics = topics.map(|(_, partitions)| 64 + 4 * partitions.len());
    let names = member.subscribed_topics.iter().map(|name| name.len());
    128 + topics.sum::<usize>() + names.sum::<usize>()
}

fn member(image: &Image, member: &DescribedConsumerMember) -> Member {
    let names = member.subscribed_topics.iter();
    Member::default()
        .with_member_id(wire_text(&member.id))
        .with_instance_id(optional_wire_text(member.instance.as_ref()))
        .with_rack_id(optional_wire_text(member.rack.as_ref()))
        .with_member_epoch(member.epoch)
        .with_client_id(wire_text(&member.client_id))
        .with_client_host(wire_text(&member.client_host))
        .with_subscribed_topic_names(names.map(|name| wire_name(name)).collect())
        .with_subscribed_topic_regex(optional_wire_text(member.subscribed_expression.as_ref()))
        .with_assignment(assignment(image, &member.assigned))
        .with_target_assignment(assignment(image, &member.target))
        .with_member_type(member.member_type)
}

fn assignment(image: &Image, owned: &[(TopicId, Vec<i32>)]) -> Assignment {
    let of_topic = |(id, partitions): &(TopicId, Vec<i32>)| {
        let topic = image.topic_by_id(*id)?;
        let row = TopicPartitions::default()
            .with_topic_id(id.0)
            .with_topic_name(wire_name(&topic.name))
            .with_partitions(partitions.clone());
        Some(row)
    };
    Assignment::default().with_topic_partitions(owned.iter().filter_map(of_topic).collect())
}

#[cfg(test)]
mod tests;
