//! Blocks of producer ids.

use crate::base::{ErrorCode, ProducerId};
use crate::metadata::record::{MetadataRecord, ProducerIds};

use super::Situation;
use super::brokers::registered;
use super::command::{AllocateProducerIds, Decision, ProducerIdBlock, Refusal};

/// How many ids a block has. Unused ids are lost when a broker stops. That does not matter: there are nine million
/// million million.
const BLOCK_SIZE: i32 = 1_000;

/// Decides on a block of producer ids.
pub(super) fn allocate(
    situation: &Situation<'_>,
    command: &AllocateProducerIds,
) -> Decision<Result<ProducerIdBlock, Refusal>> {
    let AllocateProducerIds {
        broker_id,
        broker_epoch,
    } = *command;
    if let Err(refusal) = registered(situation.image, broker_id, broker_epoch) {
        return Decision::answer(Err(refusal));
    }
    let first = situation.image.next_producer_id();
    let Some(next) = first.0.checked_add(i64::from(BLOCK_SIZE)) else {
        return Decision::answer(Err(Refusal::new(
            ErrorCode::UNKNOWN_SERVER_ERROR,
            "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit",
        )));
    };
    let record = ProducerIds {
        broker_id,
        broker_epoch,
        next_producer_id: ProducerId(next),
    };
    Decision {
        records: vec![MetadataRecord::ProducerIds(record)],
        reply: Ok(ProducerIdBlock {
            first,
            count: BLOCK_SIZE,
        }),
    }
}
