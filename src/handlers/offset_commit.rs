//! OffsetCommit: stores a group's offsets. Old versions name topics, new ones identify them by id.

use std::sync::Arc;

use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse, TopicName};
use uuid::Uuid;

use crate::base::{ErrorCode, LeaderEpoch, Offset, TopicPartition};
use crate::coordinator::CoordinatorError;
use crate::group::{CommitOffsets, CommitOffsetsReply, OffsetToCommit};
use crate::metadata::{Image, TopicImage};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, optional_domain_text};
use super::topic_ids;

/// The last version with a retention time.
const LAST_WITH_RETENTION: i16 = 4;
/// The first version with an error for groups that do not exist (KIP-848).
const WITH_GROUP_ID_NOT_FOUND: i16 = 9;
/// The first version that identifies topics by id (KIP-848). The protocol crate cannot read such requests yet.
const WITH_TOPIC_IDS: i16 = 10;

pub(super) struct OffsetCommit;

impl Handler for OffsetCommit {
    type Request = OffsetCommitRequest;

    async fn handle(call: Call, request: OffsetCommitRequest) -> Reply {
        let image = call.broker.cluster.image();
        let group = Resource::group(&request.group_id);
        let permit = |topic: &str| call.permit(Operation::Read, Resource::topic(topic));
        let (offsets, refusals) = match call.permit(Operation::Read, group) {
            Ok(()) => check(&image, &request, call.version, permit),
            Err(code) => {
                let partitions = request.topics.iter().map(|topic| topic.partitions.len());
                (Vec::new(), vec![Some(code); partitions.sum()])
            }
        };
        // The log may be slow, and requests that wait for it must not keep their frames.
        let asked = asked(&request);
        let commit = (!offsets.is_empty()).then(|| {
            let count = offsets.len();
            let commit = commit(&request, call.version, offsets);
            (call.broker.groups.ask(commit), count)
        });
        drop(request);
        let codes = match commit {
            Some((commit, count)) => codes(call.version, commit.await, count),
            None => Vec::new(),
        };
        call.reply(&response(call.version, asked, &refusals, codes))
    }
}

/// A topic of the request, and the numbers of its partitions.
struct Asked {
    name: TopicName,
    id: Uuid,
    partitions: Vec<i32>,
}

/// The topics of the request. Kafka builds its answer from partitions: a topic without any is not in it.
fn asked(request: &OffsetCommitRequest) -> Vec<Asked> {
    let topics = request.topics.iter();
    topics
        .filter(|topic| !topic.partitions.is_empty())
        .map(|topic| Asked {
            name: topic_ids::owned_name(&topic.name),
            id: topic.topic_id,
            partitions: topic
                .partitions
                .iter()
                .map(|partition| partition.partition_index)
                .collect(),
        })
        .collect()
}

/// Looks up the topics of the request. Returns the offsets to be committed, and the error for each refused partition.
fn check(
    image: &Image,
    request: &OffsetCommitRequest,
    version: i16,
    permit: impl Fn(&str) -> Result<(), ErrorCode>,
) -> (Vec<OffsetToCommit>, Vec<Option<ErrorCode>>) {
    let mut offsets = Vec::new();
    let mut refusals = Vec::new();
    for topic in &request.topics {
        let found = topic_ids::find_permitted(
            image,
            &topic.name,
            topic.topic_id,
            version >= WITH_TOPIC_IDS,
            &permit,
        );
        for partition in &topic.partitions {
            match found
                .and_then(|topic| topic_ids::with_partition(topic, partition.partition_index))
            {
                Ok(topic) => {
                    offsets.push(offset(topic, partition));
                    refusals.push(None);
                }
                Err(code) => refusals.push(Some(code)),
            }
        }
    }
    (offsets, refusals)
}

fn offset(topic: &TopicImage, partition: &OffsetCommitRequestPartition) -> OffsetToCommit {
    OffsetToCommit {
        at: TopicPartition::new(Arc::clone(&topic.name), partition.partition_index),
        topic_id: topic.id,
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: optional_domain_text(partition.committed_metadata.as_ref()),
    }
}

fn commit(
    request: &OffsetCommitRequest,
    version: i16,
    offsets: Vec<OffsetToCommit>,
) -> CommitOffsets {
    let asks_for_retention = version <= LAST_WITH_RETENTION && request.retention_time_ms != -1;
    CommitOffsets {
        group: domain_text(&request.group_id),
        member: domain_text(&request.member_id),
        instance: optional_domain_text(request.group_instance_id.as_ref()),
        generation: request.generation_id_or_member_epoch,
        retention_ms: asks_for_retention.then_some(request.retention_time_ms),
        offsets,
    }
}

/// The result of each of the `count` offsets that were sent to the coordinator.
fn codes(
    version: i16,
    decided: Result<CommitOffsetsReply, CoordinatorError>,
    count: usize,
) -> Vec<ErrorCode> {
    let known = |code| match code {
        ErrorCode::GROUP_ID_NOT_FOUND if version < WITH_GROUP_ID_NOT_FOUND => {
            ErrorCode::ILLEGAL_GENERATION
        }
        code => code,
    };
    match decided {
        Ok(reply) => reply
            .partitions
            .into_iter()
            .map(|(_, code)| known(code))
            .collect(),
        Err(error) => vec![errors::of_coordinator(error); count],
    }
}

/// The answer in the order of the request: a partition's error, or else the next of `codes`.
fn response(
    version: i16,
    asked: Vec<Asked>,
    refusals: &[Option<ErrorCode>],
    codes: Vec<ErrorCode>,
) -> OffsetCommitResponse {
    let mut refusals = refusals.iter();
    let mut codes = codes.into_iter();
    let mut next = || match refusals.next() {
        Some(Some(refusal)) => *refusal,
        _ => codes.next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR),
    };
    let mut topics = Vec::with_capacity(asked.len());
    for asked in asked {
        let partition = |number: &i32| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(*number)
                .with_error_code(next().0)
        };
        let topic = OffsetCommitResponseTopic::default()
            .with_partitions(asked.partitions.iter().map(partition).collect());
        topics.push(if version >= WITH_TOPIC_IDS {
            topic.with_topic_id(asked.id)
        } else {
            topic.with_name(asked.name)
        });
    }
    OffsetCommitResponse::default().with_topics(topics)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::GroupId;
    use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture::{self, over_the_wire};
    use super::*;

    fn partition(index: i32, version: i16) -> OffsetCommitRequestPartition {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(42)
            .with_committed_metadata(Some(StrBytes::from_static_str("note")));
        if version >= 6 {
            partition.with_committed_leader_epoch(4)
        } else {
            partition
        }
    }

    /// Two partitions of `orders`, one that it does not have, and one of an unknown topic.
    fn request(version: i16) -> OffsetCommitRequest {
        let topic = |name: &'static str, indexes: &[i32]| {
            let partitions = indexes
                .iter()
                .map(|index| partition(*index, version))
                .collect();
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partitions(partitions)
        };
        let mut request = OffsetCommitRequest::default()
            .with_group_id(GroupId(StrBytes::from_static_str("group")))
            .with_generation_id_or_member_epoch(3)
            .with_member_id(StrBytes::from_static_str("one"))
            .with_topics(vec![topic("gone", &[0]), topic("orders", &[1, 7, 0])]);
        if version <= 4 {
            request = request.with_retention_time_ms(1000);
        }
        if version >= 7 {
            request = request.with_group_instance_id(Some(StrBytes::from_static_str("instance")));
        }
        over_the_wire(&request, version)
    }

    #[test]
    fn every_version_commits_what_exists() {
        for version in 2..=9 {
            let request = request(version);
            let (offsets, refusals) = check(&fixture::image(), &request, version, |_| Ok(()));
            let unknown = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            assert_eq!(refusals, [unknown, None, unknown, None]);
            let commit = commit(&request, version, offsets);
            assert_eq!((commit.generation, &*commit.member), (3, "one"));
            assert_eq!(
                commit.retention_ms,
                (version <= 4).then_some(1000),
                "version {version}"
            );
            assert_eq!(commit.instance.is_some(), version >= 7, "version {version}");
            let first = &commit.offsets[0];
            assert_eq!(
                (first.at.to_string().as_str(), first.offset),
                ("orders-1", Offset(42))
            );
            assert_eq!(first.topic_id.0, fixture::ORDERS);
            assert_eq!(
                first.leader_epoch,
                LeaderEpoch(if version >= 6 { 4 } else { -1 }),
                "version {version}"
            );
            assert_eq!(first.metadata.as_deref(), Some("note"));
        }
    }

    #[test]
    fn every_version_is_told_of_each_partition() {
        for version in 2..=10 {
            let request = request(version.min(9));
            let (_, refusals) = check(&fixture::image(), &request, version.min(9), |_| Ok(()));
            let partitions = [(1, ErrorCode::NONE), (0, ErrorCode::GROUP_ID_NOT_FOUND)];
            let partitions = partitions
                .map(|(number, code)| (TopicPartition::new("orders", number), code))
                .to_vec();
            let decided = Ok(CommitOffsetsReply { partitions });
            let told = over_the_wire(
                &response(
                    version,
                    asked(&request),
                    &refusals,
                    codes(version, decided, 2),
                ),
                version,
            );
            let codes: Vec<(i32, i16)> = told.topics[1]
                .partitions
                .iter()
                .map(|row| (row.partition_index, row.error_code))
                .collect();
            let no_group = if version >= 9 {
                ErrorCode::GROUP_ID_NOT_FOUND
            } else {
                ErrorCode::ILLEGAL_GENERATION
            };
            assert_eq!(
                codes,
                [
                    (1, 0),
                    (7, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0),
                    (0, no_group.0)
                ]
            );
            assert_eq!(
                told.topics[0].partitions[0].error_code,
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0
            );
        }
    }

    #[test]
    fn topics_that_are_named_by_id_are_looked_up_by_id() {
        let topic = |id| {
            OffsetCommitRequestTopic::default()
                .with_topic_id(id)
                .with_partitions(vec![partition(0, 10)])
        };
        let request = OffsetCommitRequest::default().with_topics(vec![
            topic(fixture::ORDERS),
            topic(uuid::Uuid::from_u128(77)),
        ]);
        let (offsets, refusals) = check(&fixture::image(), &request, 10, |_| Ok(()));
        assert_eq!(&*offsets[0].at.topic, "orders");
        assert_eq!(refusals, [None, Some(ErrorCode::UNKNOWN_TOPIC_ID)]);
        let told = over_the_wire(
            &response(10, asked(&request), &refusals, vec![ErrorCode::NONE]),
            10,
        );
        assert_eq!(told.topics[0].topic_id, fixture::ORDERS);
        assert_eq!(
            told.topics[1].partitions[0].error_code,
            ErrorCode::UNKNOWN_TOPIC_ID.0
        );
    }

    #[test]
    fn a_coordinator_that_cannot_answer_fails_what_it_was_asked() {
        let codes = codes(9, Err(CoordinatorError::Loading), 2);
        assert_eq!(codes, [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS; 2]);
    }
}
