//! TxnOffsetCommit: stores a group's offsets as part of a transaction. They count when it is committed.
//!
//! Old versions name topics, the newest one identifies them by id. Clients up to version 4 have added the group's
//! partition of `__consumer_offsets` to the transaction before (AddOffsetsToTxn); it is verified. For later ones it is
//! added here (transaction version 2).

use std::sync::Arc;

use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{self, TopicName};
use uuid::Uuid;

use crate::base::{
    ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition, Transaction,
};
use crate::coordinator::{Committing, NotCommitted};
use crate::group::{CommitInTransaction, CommitOffsets, CommitOffsetsReply, OffsetToCommit};
use crate::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use crate::metadata::{Image, TopicImage};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, optional_domain_text};
use super::topic_ids;

/// The first version whose clients know that a coordinator can be loading.
const WITH_LOADING: i16 = 2;
/// The first version whose clients leave it to the broker to add the group's partition.
const WITH_ADDING: i16 = 5;
/// The first version that identifies topics by id, and with an error for groups that do not exist (KIP-1319).
const WITH_TOPIC_IDS: i16 = 6;

pub(super) struct TxnOffsetCommit;

impl Handler for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;

    async fn handle(call: Call, request: TxnOffsetCommitRequest) -> Reply {
        let image = call.broker.cluster.image();
        let permit = |topic: &str| call.permit(Operation::Read, Resource::topic(topic));
        let (offsets, refusals) = match check_request(&call, &request.known) {
            Ok(()) => check_topics(&image, &request, call.version, permit),
            Err(code) => {
                let topics = request.known.topics.iter();
                let count = topics.map(|topic| topic.partitions.len()).sum();
                (Vec::new(), vec![Some(code); count])
            }
        };
        // The log may be slow, and requests that wait for it must not keep their frames.
        let asked = asked(&request);
        let commit = (!offsets.is_empty()).then(|| {
            let count = offsets.len();
            let config = call.broker.cluster.config().now();
            let committing = Committing {
                is_trusted: !config.transaction_partition_verification_enable,
                ..committing(&request.known, call.version, offsets)
            };
            let groups = &call.broker.groups;
            let commit = groups.commit_in_transaction(committing, &call.broker.enlists);
            (commit, count)
        });
        drop(request);
        let codes = match commit {
            Some((commit, count)) => codes(call.version, commit.await, count),
            None => Vec::new(),
        };
        call.reply(&response(call.version, asked, &refusals, codes))
    }
}

/// What is wrong with all of the request.
fn check_request(call: &Call, request: &messages::TxnOffsetCommitRequest) -> Result<(), ErrorCode> {
    let transactional_id = Resource::transactional_id(&request.transactional_id);
    call.permit(Operation::Write, transactional_id)?;
    call.permit(Operation::Read, Resource::group(&request.group_id))?;
    if request.transactional_id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if request.producer_id.0 < 0 {
        return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    }
    Ok(())
}

/// A topic of the request, and the numbers of its partitions.
struct Asked {
    name: TopicName,
    id: Uuid,
    partitions: Vec<i32>,
}

/// The topics of the request, with their ids in the newest version.
fn topics(
    request: &TxnOffsetCommitRequest,
) -> impl Iterator<Item = (&TopicName, Uuid, &[TxnOffsetCommitRequestPartition])> {
    let topics = request.known.topics.iter().enumerate();
    topics.map(|(place, topic)| {
        let id = request.topic_ids.get(place).copied().unwrap_or_default();
        (&topic.name, id, &*topic.partitions)
    })
}

/// The topics of the request. Kafka builds its answer from partitions: a topic without any is not in it.
fn asked(request: &TxnOffsetCommitRequest) -> Vec<Asked> {
    topics(request)
        .filter(|(_, _, partitions)| !partitions.is_empty())
        .map(|(name, id, partitions)| Asked {
            name: topic_ids::owned_name(name),
            id,
            partitions: partitions
                .iter()
                .map(|partition| partition.partition_index)
                .collect(),
        })
        .collect()
}

/// Looks up the topics of the request. Returns the offsets to be committed, and the error for each refused partition.
fn check_topics(
    image: &Image,
    request: &TxnOffsetCommitRequest,
    version: i16,
    permit: impl Fn(&str) -> Result<(), ErrorCode>,
) -> (Vec<OffsetToCommit>, Vec<Option<ErrorCode>>) {
    let by_id = version >= WITH_TOPIC_IDS;
    let mut offsets = Vec::new();
    let mut refusals = Vec::new();
    for (name, id, partitions) in topics(request) {
        let found = topic_ids::find_permitted(image, name, id, by_id, &permit);
        for partition in partitions {
            let found =
                found.and_then(|topic| topic_ids::with_partition(topic, partition.partition_index));
            match found {
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

fn offset(topic: &TopicImage, partition: &TxnOffsetCommitRequestPartition) -> OffsetToCommit {
    OffsetToCommit {
        at: TopicPartition::new(Arc::clone(&topic.name), partition.partition_index),
        topic_id: topic.id,
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: optional_domain_text(partition.committed_metadata.as_ref()),
    }
}

fn committing(
    request: &messages::TxnOffsetCommitRequest,
    version: i16,
    offsets: Vec<OffsetToCommit>,
) -> Committing {
    let transaction = Transaction {
        producer: ProducerId(request.producer_id.0),
        epoch: ProducerEpoch(request.producer_epoch),
    };
    let commit = CommitOffsets {
        group: domain_text(&request.group_id),
        member: domain_text(&request.member_id),
        instance: optional_domain_text(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        retention_ms: None,
        offsets,
    };
    Committing {
        transactional_id: domain_text(&request.transactional_id),
        ask: CommitInTransaction {
            transaction,
            commit,
        },
        adds: version >= WITH_ADDING,
        is_trusted: false,
    }
}

/// The result of each of the `count` offsets that were sent to the coordinator.
fn codes(
    version: i16,
    decided: Result<CommitOffsetsReply, NotCommitted>,
    count: usize,
) -> Vec<ErrorCode> {
    let known = |code| match code {
        ErrorCode::GROUP_ID_NOT_FOUND if version < WITH_TOPIC_IDS => ErrorCode::ILLEGAL_GENERATION,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS if version < WITH_LOADING => {
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        }
        code => code,
    };
    match decided {
        Ok(reply) => reply
            .partitions
            .into_iter()
            .map(|(_, code)| known(code))
            .collect(),
        Err(error) => vec![known(errors::of_not_committed(error, version)); count],
    }
}

/// The answer in the order of the request: a partition's error, or else the next of `codes`.
fn response(
    version: i16,
    asked: Vec<Asked>,
    refusals: &[Option<ErrorCode>],
    codes: Vec<ErrorCode>,
) -> TxnOffsetCommitResponse {
    let mut refusals = refusals.iter();
    let mut codes = codes.into_iter();
    let mut next = || match refusals.next() {
        Some(Some(refusal)) => *refusal,
        _ => codes.next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR),
    };
    let mut topics = Vec::with_capacity(asked.len());
    let mut topic_ids = Vec::new();
    for asked in asked {
        let partition = |number: &i32| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(*number)
                .with_error_code(next().0)
        };
        let partitions = asked.partitions.iter().map(partition).collect();
        let topic = TxnOffsetCommitResponseTopic::default().with_partitions(partitions);
        if version >= WITH_TOPIC_IDS {
            topic_ids.push(asked.id);
            topics.push(topic);
        } else {
            topics.push(topic.with_name(asked.name));
        }
    }
    TxnOffsetCommitResponse {
        known: messages::TxnOffsetCommitResponse::default().with_topics(topics),
        topic_ids,
    }
}

#[cfg(test)]
mod tests;
