//! OffsetCommit: stores a group's offsets. Old versions name topics, new ones identify them by id.

use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{self, OffsetCommitResponse};

use crate::base::ErrorCode;
use crate::group::{CommitOffsets, CommitOffsetsReply, OffsetToCommit};
use crate::messages::OffsetCommitRequest;
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::committed::{self, Asked, Partition, Topic};
use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, optional_domain_text};
use super::topic_ids;

/// The last version with a retention time.
const LAST_WITH_RETENTION: i16 = 4;
/// The first version with an error for groups that do not exist (KIP-848).
const WITH_GROUP_ID_NOT_FOUND: i16 = 9;
/// The first version that identifies topics by id (KIP-848).
const WITH_TOPIC_IDS: i16 = 10;

pub(super) struct OffsetCommit;

impl Handler for OffsetCommit {
    type Request = OffsetCommitRequest;

    async fn handle(call: Call, OffsetCommitRequest(request): OffsetCommitRequest) -> Reply {
        let image = call.broker.cluster.image();
        let group = Resource::group(&request.group_id);
        let permitted = call.permit(Operation::Read, group);
        let permit = |topic: &str| call.permit(Operation::Read, Resource::topic(topic));
        let by_id = call.version >= WITH_TOPIC_IDS;
        let (offsets, asked) = committed::read(topics(&request), |name, id| {
            permitted?;
            topic_ids::find_permitted(&image, name, id, by_id, permit)
        });
        let commit = (!offsets.is_empty()).then(|| {
            let commit = commit(&request, call.version, offsets);
            call.broker.groups.ask(commit)
        });
        // The log may be slow, and requests that wait for it must not keep their frames.
        drop(request);
        let decided = match commit {
            Some(commit) => commit.await.map_err(errors::of_coordinator),
            None => Ok(CommitOffsetsReply::default()),
        };
        call.reply(&response(call.version, asked, decided))
    }
}

fn topics(
    request: &messages::OffsetCommitRequest,
) -> impl Iterator<Item = Topic<'_, impl Iterator<Item = Partition<'_>>>> {
    request.topics.iter().map(|topic| Topic {
        name: &topic.name,
        id: topic.topic_id,
        partitions: topic.partitions.iter().map(|partition| Partition {
            number: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.as_ref(),
        }),
    })
}

fn commit(
    request: &messages::OffsetCommitRequest,
    version: i16,
    offsets: Vec<OffsetToCommit>,
) -> CommitOffsets {
    let asks_for_retention = version <= LAST_WITH_RETENTION && request.retention_time_ms != -1;
    CommitOffsets {
        group: domain_text(&request.group_id),
        member: domain_text(&request.member_id),
        instance: optional_domain_text(request.group_instance_id.as_ref()),
        generation: request.generation_id_or_member_epoch,
        knows_member_epochs: version >= WITH_GROUP_ID_NOT_FOUND,
        retention_ms: asks_for_retention.then_some(request.retention_time_ms),
        offsets,
    }
}

fn response(
    version: i16,
    asked: Asked,
    decided: Result<CommitOffsetsReply, ErrorCode>,
) -> OffsetCommitResponse {
    let known = |code| match code {
        ErrorCode::GROUP_ID_NOT_FOUND if version < WITH_GROUP_ID_NOT_FOUND => {
            ErrorCode::ILLEGAL_GENERATION
        }
        code => code,
    };
    let partition = |(number, code): (i32, ErrorCode)| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(number)
            .with_error_code(code.0)
    };
    let topics = asked.told(decided, known).map(|told| {
        let partitions = told.partitions.into_iter().map(partition);
        let topic = OffsetCommitResponseTopic::default().with_partitions(partitions.collect());
        if version >= WITH_TOPIC_IDS {
            topic.with_topic_id(told.id)
        } else {
            topic.with_name(told.name)
        }
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::offset_commit_request::{
        OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    };
    use kafka_protocol::messages::{GroupId, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::super::fixture::{self, over_the_wire};
    use super::*;
    use crate::base::{LeaderEpoch, Offset, TopicPartition};
    use crate::coordinator::CoordinatorError;

    fn read(request: &messages::OffsetCommitRequest, version: i16) -> (Vec<OffsetToCommit>, Asked) {
        let image = fixture::image();
        committed::read(topics(request), |name, id| {
            topic_ids::find(&image, name, id, version >= WITH_TOPIC_IDS)
        })
    }

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
    fn request(version: i16) -> messages::OffsetCommitRequest {
        let topic = |name: &'static str, indexes: &[i32]| {
            let partitions = indexes
                .iter()
                .map(|index| partition(*index, version))
                .collect();
            OffsetCommitRequestTopic::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partitions(partitions)
        };
        let mut request = messages::OffsetCommitRequest::default()
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
        over_the_wire(&OffsetCommitRequest(request), version).0
    }

    #[test]
    fn every_version_commits_what_exists() {
        for version in 2..=9 {
            let request = request(version);
            let (offsets, asked) = read(&request, version);
            let unknown = Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            assert_eq!(asked.refusals(), [unknown, None, unknown, None]);
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
            let (_, asked) = read(&request, version.min(9));
            let partitions = [(1, ErrorCode::NONE), (0, ErrorCode::GROUP_ID_NOT_FOUND)];
            let partitions = partitions
                .map(|(number, code)| (TopicPartition::new("orders", number), code))
                .to_vec();
            let decided = Ok(CommitOffsetsReply { partitions });
            let told = over_the_wire(&response(version, asked, decided), version);
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
        let request = messages::OffsetCommitRequest::default().with_topics(vec![
            topic(fixture::ORDERS),
            topic(uuid::Uuid::from_u128(77)),
        ]);
        let (offsets, asked) = read(&request, 10);
        assert_eq!(&*offsets[0].at.topic, "orders");
        assert_eq!(asked.refusals(), [None, Some(ErrorCode::UNKNOWN_TOPIC_ID)]);
        let partitions = vec![(offsets[0].at.clone(), ErrorCode::NONE)];
        let decided = Ok(CommitOffsetsReply { partitions });
        let told = over_the_wire(&response(10, asked, decided), 10);
        assert_eq!(told.topics[0].topic_id, fixture::ORDERS);
        assert_eq!(
            told.topics[1].partitions[0].error_code,
            ErrorCode::UNKNOWN_TOPIC_ID.0
        );
    }

    #[test]
    fn a_coordinator_that_cannot_answer_fails_what_it_was_asked() {
        let (_, asked) = read(&request(9), 9);
        let loading = errors::of_coordinator(CoordinatorError::Loading);
        let told = response(9, asked, Err(loading));
        let rows = told.topics.iter().flat_map(|topic| &topic.partitions);
        let codes: Vec<_> = rows.map(|row| ErrorCode(row.error_code)).collect();
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        assert_eq!(codes, [unknown, loading, unknown, loading]);
    }
}
