//! InitProducerId: a new id for an idempotent producer.
//!
//! A transactional id is refused (`no_transactions.rs`).

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::base::ErrorCode;
use crate::security::{Operation, Resource, ResourceType};
use crate::wire::Reply;

use super::route::{Call, Handler};
use super::{errors, no_transactions};

pub(super) struct InitProducerId;

impl Handler for InitProducerId {
    type Request = InitProducerIdRequest;

    async fn handle(call: Call, request: InitProducerIdRequest) -> Reply {
        if let Err(code) = permit(&call, &request) {
            return call.reply(&refusal(code));
        }
        let response = match check(&request) {
            Err(code) => {
                if code == no_transactions::REFUSAL {
                    no_transactions::tell(&call);
                }
                refusal(code)
            }
            Ok(()) => match call.broker.cluster.next_producer_id().await {
                Ok(id) => InitProducerIdResponse::default()
                    .with_producer_id(ProducerId(id.0))
                    .with_producer_epoch(0),
                Err(error) => refusal(errors::of_cluster(error)),
            },
        };
        call.reply(&response)
    }
}

fn refusal(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.0)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
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

fn check(request: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    let has_id = request.producer_id.0 != -1;
    let has_epoch = request.producer_epoch != -1;
    match &request.transactional_id {
        Some(id) if id.is_empty() => Err(ErrorCode::INVALID_REQUEST),
        Some(_) => Err(no_transactions::REFUSAL),
        None if has_id != has_epoch => Err(ErrorCode::INVALID_REQUEST),
        None => Ok(()),
    }
}
