//! InitProducerId: a new id for an idempotent producer, or the id and epoch of a transactional id.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::base::{self, ErrorCode, ProducerEpoch};
use crate::security::{Operation, Resource, ResourceType};
use crate::txn::{InitProducer, ProducerIdAndEpoch};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::domain_text;

/// The first version with `PRODUCER_FENCED` (KIP-588).
const WITH_FENCED: i16 = 4;

pub(super) struct InitProducerId;

impl Handler for InitProducerId {
    type Request = InitProducerIdRequest;

    async fn handle(call: Call, request: InitProducerIdRequest) -> Reply {
        let ids = match permit(&call, &request).and_then(|()| expected(&request)) {
            Err(code) => Err(code),
            Ok(expected) => init(&call, request, expected).await,
        };
        call.reply(&response(ids))
    }
}

/// A client that may write to any topic may use idempotence.
fn permit(call: &Call, request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    if let Some(id) = &request.transactional_id {
        return call.permit(Operation::Write, Resource::transactional_id(id));
    }
    let permit = call.permit(Operation::IdempotentWrite, Resource::CLUSTER);
    match permit {
        Err(_) if call.may_to_any(Operation::Write, ResourceType::Topic) => Ok(()),
        permit => permit,
    }
}

/// What the client says that it has: an id and an epoch, or neither.
fn expected(request: &InitProducerIdRequest) -> Result<Option<ProducerIdAndEpoch>, ErrorCode> {
    let id = base::ProducerId(request.producer_id.0);
    let epoch = ProducerEpoch(request.producer_epoch);
    match (id.0 == -1, epoch.0 == -1) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(ProducerIdAndEpoch::new(id, epoch))),
        _ => Err(ErrorCode::INVALID_REQUEST),
    }
}

async fn init(
    call: &Call,
    request: InitProducerIdRequest,
    expected: Option<ProducerIdAndEpoch>,
) -> Result<ProducerIdAndEpoch, ErrorCode> {
    let Some(id) = &request.transactional_id else {
        let id = call.broker.cluster.next_producer_id().await;
        let first = |id| ProducerIdAndEpoch::new(id, ProducerEpoch(0));
        return id.map(first).map_err(errors::of_cluster);
    };
    let ask = InitProducer {
        transactional_id: domain_text(id),
        timeout_ms: request.transaction_timeout_ms,
        expected,
        fresh: None,
    };
    drop(request);
    let ids = call.broker.transactions.init_producer(ask).await;
    ids.map_err(|error| errors::of_transaction(error, call.version >= WITH_FENCED))
}

fn response(ids: Result<ProducerIdAndEpoch, ErrorCode>) -> InitProducerIdResponse {
    match ids {
        Ok(ids) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(ids.producer.0))
            .with_producer_epoch(ids.epoch.0),
        Err(code) => InitProducerIdResponse::default()
            .with_error_code(code.0)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    }
}
