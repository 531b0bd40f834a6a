//! AddOffsetsToTxn: adds the partition of `__consumer_offsets` that holds a group to a transaction, so that offsets can
//! be committed in it.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::base::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition, TransactionVersion};
use crate::controller::names::CONSUMER_OFFSETS;
use crate::security::{Operation, Resource};
use crate::txn::{AddPartitions, ProducerIdAndEpoch};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::domain_text;

/// The first version with `PRODUCER_FENCED` (KIP-588).
const WITH_FENCED: i16 = 2;

pub(super) struct AddOffsetsToTxn;

impl Handler for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;

    async fn handle(call: Call, request: AddOffsetsToTxnRequest) -> Reply {
        let code = match permit(&call, &request) {
            Err(code) => code,
            Ok(()) => add(&call, request).await.err().unwrap_or(ErrorCode::NONE),
        };
        call.reply(&AddOffsetsToTxnResponse::default().with_error_code(code.0))
    }
}

fn permit(call: &Call, request: &AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    let id = Resource::transactional_id(&request.transactional_id);
    call.permit(Operation::Write, id)?;
    call.permit(Operation::Read, Resource::group(&request.group_id))
}

async fn add(call: &Call, request: AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    let transactional_id = domain_text(&request.transactional_id);
    let group = domain_text(&request.group_id);
    let ids = ProducerIdAndEpoch::new(
        ProducerId(request.producer_id.0),
        ProducerEpoch(request.producer_epoch),
    );
    drop(request);
    // The client has not looked for the group's coordinator yet: its topic may not exist.
    let groups = &call.broker.groups;
    let there = groups.hosts().ensure_topic().await;
    let partition = there.and_then(|()| groups.hosts().coordinator_partition(&group));
    let partition = partition.map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
    let added = call.broker.transactions.add_partitions(AddPartitions {
        transactional_id,
        ids,
        partitions: vec![TopicPartition::new(CONSUMER_OFFSETS, partition)],
        client_version: TransactionVersion::V0,
    });
    let added = added.await;
    added.map_err(|error| errors::of_transaction(error, call.version >= WITH_FENCED))
}
