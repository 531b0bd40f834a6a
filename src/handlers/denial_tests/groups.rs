//! APIs about groups and their offsets.

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    self, ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, ProducerId, SyncGroupRequest,
};

use crate::messages::TxnOffsetCommitRequest;

use super::{Guarded, Probe, Seen, group, text, topic, transactional_id};

pub(super) const PROBES: &[(ApiKey, &[Option<Probe>])] = &[
    (
        ApiKey::OffsetCommit,
        &[Some(commit_once), Some(commit_once)],
    ),
    (
        ApiKey::OffsetFetch,
        &[
            Some(|on| Seen::code(offsets(on, Some(&["t"])).0)),
            Some(|on| Seen::code(offsets(on, Some(&["t"])).1[0].1)),
            Some(|on| Seen::Count(offsets(on, None).1.len())),
        ],
    ),
    (
        ApiKey::FindCoordinator,
        &[
            Some(|on| find_coordinator(on, 0, "g")),
            Some(|on| find_coordinator(on, 1, "id")),
            Some(|on| find_coordinator(on, 2, "g:AAAAAAAAAAAAAAAAAAAAZw:0")),
        ],
    ),
    (
        ApiKey::JoinGroup,
        &[Some(|on| {
            let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
            let request = JoinGroupRequest::default()
                .with_group_id(group("joined"))
                .with_session_timeout_ms(10_000)
                .with_rebalance_timeout_ms(10_000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol]);
            Seen::code(on.ask(9, &request).error_code)
        })],
    ),
    (
        ApiKey::Heartbeat,
        &[Some(|on| {
            let request = HeartbeatRequest::default()
                .with_group_id(group("g"))
                .with_member_id(text("nobody"));
            Seen::code(on.ask(4, &request).error_code)
        })],
    ),
    (
        ApiKey::LeaveGroup,
        &[Some(|on| {
            let request = LeaveGroupRequest::default()
                .with_group_id(group("g"))
                .with_member_id(text("nobody"));
            Seen::code(on.ask(2, &request).error_code)
        })],
    ),
    (
        ApiKey::SyncGroup,
        &[Some(|on| {
            let request = SyncGroupRequest::default()
                .with_group_id(group("g"))
                .with_member_id(text("nobody"))
                .with_protocol_type(Some(text("consumer")))
                .with_protocol_name(Some(text("range")));
            Seen::code(on.ask(5, &request).error_code)
        })],
    ),
    (
        ApiKey::DescribeGroups,
        &[Some(|on| {
            let request = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
            Seen::code(on.ask(5, &request).groups[0].error_code)
        })],
    ),
    (
        ApiKey::ConsumerGroupHeartbeat,
        &[Some(heartbeat), Some(heartbeat)],
    ),
    (
        ApiKey::ConsumerGroupDescribe,
        &[Some(describe_consumers), Some(describe_consumers)],
    ),
    (
        ApiKey::ListGroups,
        &[
            Some(|on| Seen::Count(listed(on).len())),
            Some(|on| Seen::Count(listed(on).len())),
        ],
    ),
    (
        ApiKey::DeleteGroups,
        &[Some(|on| {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![group("deleted")]);
            Seen::code(on.ask(2, &request).results[0].error_code)
        })],
    ),
    (
        ApiKey::OffsetDelete,
        &[
            Some(|on| Seen::code(delete_offset(on).0)),
            Some(|on| Seen::code(delete_offset(on).1)),
        ],
    ),
    (
        ApiKey::TxnOffsetCommit,
        &[
            Some(commit_in_transaction),
            Some(commit_in_transaction),
            Some(commit_in_transaction),
        ],
    ),
];

/// The codes for the topics.
pub(super) fn commit(on: &Guarded, id: &str, topics: &[&str]) -> Vec<i16> {
    let topics = topics.iter().map(|name| {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
        OffsetCommitRequestTopic::default()
            .with_name(topic(name))
            .with_partitions(vec![partition])
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(group(id))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.collect());
    let topics = on.ask(8, &request).topics.into_iter();
    topics.map(|row| row.partitions[0].error_code).collect()
}

fn commit_once(on: &Guarded) -> Seen {
    Seen::code(commit(on, "g", &["t"])[0])
}

/// The transaction's coordinator says no: what is there is not changed by the others.
fn commit_in_transaction(on: &Guarded) -> Seen {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(1);
    let wanted = TxnOffsetCommitRequestTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest {
        known: messages::TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional_id("id"))
            .with_group_id(group("g"))
            .with_producer_id(ProducerId(7))
            .with_topics(vec![wanted]),
        topic_ids: Vec::new(),
    };
    let answer = on.ask(5, &request).known;
    Seen::code(answer.topics[0].partitions[0].error_code)
}

/// The member of the group `consumers` joins, or joins again.
pub(super) fn heartbeat(on: &Guarded) -> Seen {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group("consumers"))
        .with_member_id(text("member"))
        .with_rebalance_timeout_ms(300_000)
        .with_subscribed_topic_names(Some(vec![topic("t")]))
        .with_topic_partitions(Some(Vec::new()));
    Seen::code(on.ask(1, &request).error_code)
}

fn describe_consumers(on: &Guarded) -> Seen {
    let request = ConsumerGroupDescribeRequest::default()
        .with_group_ids(vec![group("consumers")])
        .with_include_authorized_operations(true);
    Seen::code(on.ask(1, &request).groups[0].error_code)
}

/// The code for the group `g`, and topics with the codes for their first partitions.
pub(super) fn offsets(on: &Guarded, topics: Option<&[&str]>) -> (i16, Vec<(String, i16)>) {
    let wanted = |names: &[&str]| {
        let names = names.iter();
        let wanted = |name: &&str| {
            OffsetFetchRequestTopics::default()
                .with_name(topic(name))
                .with_partition_indexes(vec![0])
        };
        names.map(wanted).collect()
    };
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(group("g"))
        .with_topics(topics.map(wanted));
    let request = OffsetFetchRequest::default().with_groups(vec![asked]);
    let row = on.ask(8, &request).groups.remove(0);
    let topics = row.topics.iter();
    let topics = topics.map(|topic| (topic.name.to_string(), topic.partitions[0].error_code));
    (row.error_code, topics.collect())
}

fn find_coordinator(on: &Guarded, key_type: i8, key: &str) -> Seen {
    let request = FindCoordinatorRequest::default()
        .with_key_type(key_type)
        .with_coordinator_keys(vec![text(key)]);
    Seen::code(on.ask(6, &request).coordinators[0].error_code)
}

pub(super) fn listed(on: &Guarded) -> Vec<String> {
    let groups = on.ask(4, &ListGroupsRequest::default()).groups.into_iter();
    groups.map(|group| group.group_id.to_string()).collect()
}

/// The code for the group, and the one for the partition.
fn delete_offset(on: &Guarded) -> (i16, i16) {
    let partition = OffsetDeleteRequestPartition::default();
    let wanted = OffsetDeleteRequestTopic::default()
        .with_name(topic("u"))
        .with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![wanted]);
    let answer = on.ask(0, &request);
    let row = answer.topics.first();
    let code = row.map_or(0, |topic| topic.partitions[0].error_code);
    (answer.error_code, code)
}
