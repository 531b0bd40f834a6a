//! TxnOffsetCommit: stores a group's offsets as part of a transaction. They count when it is committed.
//!
//! Old versions name topics, the newest one identifies them by id. Clients up to version 4 have added the group's
//! partition of `__consumer_offsets` to the transaction before (AddOffsetsToTxn); it is verified. For later ones it is
//! added here (transaction version 2).

use kafka_protocol::messages;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

use crate::base::{ErrorCode, ProducerEpoch, ProducerId, Transaction};
use crate::coordinator::Committing;
use crate::group::{CommitInTransaction, CommitOffsets, CommitOffsetsReply, OffsetToCommit};
use crate::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::committed::{self, Asked, Partition, Topic};
use super::errors;
use super::route::{Call, Handler};
use super::text::{domain_text, optional_domain_text};
use super::topic_ids;

/// The first version whose clients know that a coordinator can be loading.
const WITH_LOADING: i16 = 2;
/// The first version whose clients leave it to the broker to add the group's partition.
const WITH_ADDING: i16 = 5;
/// The first version that identifies topics by id, and with errors for groups that do not exist and for old epochs of
/// members (KIP-1319).
const WITH_TOPIC_IDS: i16 = 6;

pub(super) struct TxnOffsetCommit;

impl Handler for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;

    async fn handle(call: Call, request: TxnOffsetCommitRequest) -> Reply {
        let image = call.broker.cluster.image();
        let checked = check_request(&call, &request.known);
        let permit = |topic: &str| call.permit(Operation::Read, Resource::topic(topic));
        let by_id = call.version >= WITH_TOPIC_IDS;
        let (offsets, asked) = committed::read(topics(&request), |name, id| {
            checked?;
            topic_ids::find_permitted(&image, name, id, by_id, permit)
        });
        let commit = (!offsets.is_empty()).then(|| {
            let config = call.broker.cluster.config().now();
            let committing = Committing {
                is_trusted: !config.transaction_partition_verification_enable,
                ..committing(&request.known, call.version, offsets)
            };
            let groups = &call.broker.groups;
            groups.commit_in_transaction(committing, &call.broker.enlists)
        });
        // The log may be slow, and requests that wait for it must not keep their frames.
        drop(request);
        let decided = match commit {
            Some(commit) => {
                let decided = commit.await;
                decided.map_err(|error| errors::of_not_committed(error, call.version))
            }
            None => Ok(CommitOffsetsReply::default()),
        };
        call.reply(&response(call.version, asked, decided))
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

/// The topics of the request, with their ids in the newest version.
fn topics(
    request: &TxnOffsetCommitRequest,
) -> impl Iterator<Item = Topic<'_, impl Iterator<Item = Partition<'_>>>> {
    let topics = request.known.topics.iter().enumerate();
    topics.map(|(place, topic)| Topic {
        name: &topic.name,
        id: request.topic_ids.get(place).copied().unwrap_or_default(),
        partitions: topic.partitions.iter().map(|partition| Partition {
            number: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.as_ref(),
        }),
    })
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
        knows_member_epochs: true,
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

fn response(
    version: i16,
    asked: Asked,
    decided: Result<CommitOffsetsReply, ErrorCode>,
) -> TxnOffsetCommitResponse {
    let known = |code| match code {
        ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::STALE_MEMBER_EPOCH
            if version < WITH_TOPIC_IDS =>
        {
            ErrorCode::ILLEGAL_GENERATION
        }
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS if version < WITH_LOADING => {
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        }
        code => code,
    };
    let partition = |(number, code): (i32, ErrorCode)| {
        TxnOffsetCommitResponsePartition::default()
            .with_partition_index(number)
            .with_error_code(code.0)
    };
    let mut topics = Vec::new();
    let mut topic_ids = Vec::new();
    for told in asked.told(decided, known) {
        let partitions = told.partitions.into_iter().map(partition);
        let topic = TxnOffsetCommitResponseTopic::default().with_partitions(partitions.collect());
        if version >= WITH_TOPIC_IDS {
            topic_ids.push(told.id);
            topics.push(topic);
        } else {
            topics.push(topic.with_name(told.name));
        }
    }
    TxnOffsetCommitResponse {
        known: messages::TxnOffsetCommitResponse::default().with_topics(topics),
        topic_ids,
    }
}

#[cfg(test)]
mod tests;
