//! OffsetFetch: how far a group has come, or from version 8 on several groups. By topic name in old
//! versions, by id in new ones.
//!
//! Whether a client asks for stable offsets makes no difference: the coordinator answers when
//! everything that was decided before is durable, and no transaction commits offsets. Member ids and
//! epochs (version 9) concern another kind of group than those that are served.

use std::sync::Arc;

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

use crate::base::{ErrorCode, Offset, TopicId, TopicPartition};
use crate::coordinator::CoordinatorError;
use crate::group::FetchedOffset;
use crate::metadata::{Image, TopicImage};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, wire_group, wire_text};
use super::topic_ids;

/// First version with an error for the whole group.
const WITH_GROUP_ERROR: i16 = 2;
/// First version that may ask for all topics; the decoder lets earlier ones do it, too.
const WITH_ALL_TOPICS: i16 = 2;
/// First version that asks for any number of groups (KIP-709).
const WITH_MANY_GROUPS: i16 = 8;
/// First version that names topics by id (KIP-848). The protocol crate cannot read such requests yet.
const WITH_TOPIC_IDS: i16 = 10;

pub(super) struct OffsetFetch;

impl Handler for OffsetFetch {
    type Request = OffsetFetchRequest;

    async fn handle(call: Call, request: OffsetFetchRequest) -> Reply {
        if call.version < WITH_ALL_TOPICS && request.topics.is_none() {
            return Reply::close("a null where the version has none");
        }
        let image = call.broker.cluster.image();
        let mut asked = Vec::new();
        for wanted in wanted(request, call.version) {
            let group = Arc::clone(&wanted.group);
            let partitions = wanted.partitions(&image, call.version);
            let offsets = call.broker.groups.read(&wanted.group, move |registry| {
                registry.fetch_offsets(&group, partitions.as_deref())
            });
            asked.push((wanted, offsets));
        }
        let mut answers = Vec::with_capacity(asked.len());
        for (wanted, offsets) in asked {
            answers.push(answer(&image, call.version, wanted, offsets.await));
        }
        call.reply(&response(call.version, answers))
    }
}

/// A group, and the topics that are asked for; none given means all.
struct Wanted {
    group: Arc<str>,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
}

fn wanted(request: OffsetFetchRequest, version: i16) -> Vec<Wanted> {
    if version >= WITH_MANY_GROUPS {
        let groups = request.groups.into_iter();
        return groups
            .map(|group| Wanted {
                group: domain_text(&group.group_id),
                topics: group.topics,
            })
            .collect();
    }
    let as_in_new_versions = |topic: OffsetFetchRequestTopic| {
        OffsetFetchRequestTopics::default()
            .with_name(topic.name)
            .with_partition_indexes(topic.partition_indexes)
    };
    let topics = request
        .topics
        .map(|topics| topics.into_iter().map(as_in_new_versions).collect());
    vec![Wanted {
        group: domain_text(&request.group_id),
        topics,
    }]
}

impl Wanted {
    /// What the coordinator is to be asked for. A name that no topic has may have offsets from the
    /// time when there was one; an id that no topic has cannot be asked for.
    fn partitions(&self, image: &Image, version: i16) -> Option<Vec<(TopicPartition, TopicId)>> {
        let mut partitions = Vec::new();
        for wanted in self.topics.as_ref()? {
            let (name, id) = match find(image, wanted, version) {
                Ok(topic) => (Arc::clone(&topic.name), topic.id),
                Err(_) if version >= WITH_TOPIC_IDS => continue,
                Err(_) => (domain_text(&wanted.name), TopicId::ZERO),
            };
            let numbers = wanted.partition_indexes.iter();
            partitions.extend(
                numbers.map(|number| (TopicPartition::new(Arc::clone(&name), *number), id)),
            );
        }
        Some(partitions)
    }
}

fn find<'a>(
    image: &'a Image,
    wanted: &OffsetFetchRequestTopics,
    version: i16,
) -> Result<&'a Arc<TopicImage>, ErrorCode> {
    topic_ids::find(
        image,
        &wanted.name,
        wanted.topic_id,
        version >= WITH_TOPIC_IDS,
    )
}

/// What is told about a group, in the form of the new versions.
struct Answer {
    group: Arc<str>,
    code: ErrorCode,
    topics: Vec<OffsetFetchResponseTopics>,
}

fn answer(
    image: &Image,
    version: i16,
    wanted: Wanted,
    offsets: Result<Vec<FetchedOffset>, CoordinatorError>,
) -> Answer {
    let (code, topics) = match (offsets, wanted.topics) {
        (Ok(offsets), Some(topics)) => (
            ErrorCode::NONE,
            in_order_of_request(image, version, topics, offsets),
        ),
        (Ok(offsets), None) => (ErrorCode::NONE, by_topic(image, version, &offsets)),
        (Err(error), topics) => {
            let code = errors::of_offset_fetch(error);
            (code, refused(version, topics.unwrap_or_default(), code))
        }
    };
    Answer {
        group: wanted.group,
        code,
        topics,
    }
}

fn in_order_of_request(
    image: &Image,
    version: i16,
    wanted: Vec<OffsetFetchRequestTopics>,
    offsets: Vec<FetchedOffset>,
) -> Vec<OffsetFetchResponseTopics> {
    let mut offsets = offsets.iter();
    let mut topics = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let is_unknown_id = version >= WITH_TOPIC_IDS && find(image, &wanted, version).is_err();
        let row = |number: &i32| {
            if is_unknown_id {
                return no_offset(*number, ErrorCode::UNKNOWN_TOPIC_ID);
            }
            offsets
                .next()
                .map_or_else(|| no_offset(*number, ErrorCode::UNKNOWN_SERVER_ERROR), told)
        };
        let partitions = wanted.partition_indexes.iter().map(row).collect();
        topics.push(topic(version, wanted, partitions));
    }
    topics
}

/// All offsets of a group, which come ordered by topic. What was committed in an earlier life of a
/// topic says nothing about this one, and what no id can be told of is not told by id.
fn by_topic(
    image: &Image,
    version: i16,
    offsets: &[FetchedOffset],
) -> Vec<OffsetFetchResponseTopics> {
    let mut topics = Vec::new();
    for offsets in offsets.chunk_by(|one, next| one.at.topic == next.at.topic) {
        let Some(first) = offsets.first() else {
            continue;
        };
        let known = image.topic(&first.at.topic);
        let is_of_this_life = |offset: &&FetchedOffset| {
            known.is_none_or(|topic| offset.topic_id.is_zero() || offset.topic_id == topic.id)
        };
        let partitions: Vec<_> = offsets.iter().filter(is_of_this_life).map(told).collect();
        let id = known.map_or(TopicId::ZERO, |topic| topic.id);
        if partitions.is_empty() || (version >= WITH_TOPIC_IDS && id.is_zero()) {
            continue;
        }
        let name = topic_ids::wire_name(&first.at.topic);
        let named = OffsetFetchRequestTopics::default()
            .with_name(name)
            .with_topic_id(id.0);
        topics.push(topic(version, named, partitions));
    }
    topics
}

/// Where there is no error for the whole group, each partition has it.
fn refused(
    version: i16,
    wanted: Vec<OffsetFetchRequestTopics>,
    code: ErrorCode,
) -> Vec<OffsetFetchResponseTopics> {
    if version >= WITH_GROUP_ERROR {
        return Vec::new();
    }
    let refuse = |wanted: OffsetFetchRequestTopics| {
        let partitions = wanted
            .partition_indexes
            .iter()
            .map(|number| no_offset(*number, code))
            .collect();
        topic(version, wanted, partitions)
    };
    wanted.into_iter().map(refuse).collect()
}

fn topic(
    version: i16,
    wanted: OffsetFetchRequestTopics,
    partitions: Vec<OffsetFetchResponsePartitions>,
) -> OffsetFetchResponseTopics {
    let topic = OffsetFetchResponseTopics::default().with_partitions(partitions);
    if version >= WITH_TOPIC_IDS {
        topic.with_topic_id(wanted.topic_id)
    } else {
        topic.with_name(wanted.name)
    }
}

fn told(offset: &FetchedOffset) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(offset.at.partition)
        .with_committed_offset(offset.offset.0)
        .with_committed_leader_epoch(offset.leader_epoch.0)
        .with_metadata(Some(wire_text(&offset.metadata)))
}

fn no_offset(number: i32, code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(number)
        .with_committed_offset(Offset::NONE.0)
        .with_error_code(code.0)
}

fn response(version: i16, answers: Vec<Answer>) -> OffsetFetchResponse {
    let response = OffsetFetchResponse::default();
    if version >= WITH_MANY_GROUPS {
        let group = |answer: Answer| {
            OffsetFetchResponseGroup::default()
                .with_group_id(wire_group(&answer.group))
                .with_topics(answer.topics)
                .with_error_code(answer.code.0)
        };
        return response.with_groups(answers.into_iter().map(group).collect());
    }
    // Old versions ask for one group.
    let Some(answer) = answers.into_iter().next() else {
        return response;
    };
    let response =
        response.with_topics(answer.topics.into_iter().map(as_in_old_versions).collect());
    if version >= WITH_GROUP_ERROR {
        response.with_error_code(answer.code.0)
    } else {
        response
    }
}

fn as_in_old_versions(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partition = |partition: OffsetFetchResponsePartitions| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(partition.error_code)
    };
    OffsetFetchResponseTopic::default()
        .with_name(topic.name)
        .with_partitions(topic.partitions.into_iter().map(partition).collect())
}

#[cfg(test)]
mod tests;
