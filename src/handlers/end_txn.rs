//! EndTxn: commits or aborts a transaction.
//!
//! It is answered when the decision is written. The markers follow, and the next transaction of the producer waits for
//! them.

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use crate::base::{self, ErrorCode, ProducerEpoch, TransactionVersion};
use crate::security::{Operation, Resource};
use crate::txn::{EndTransaction, ProducerIdAndEpoch};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::text::domain_text;

/// The first version with `PRODUCER_FENCED` (KIP-588).
const WITH_FENCED: i16 = 2;
/// The first version whose clients get a new epoch when a transaction ends (KIP-890).
const WITH_NEW_EPOCH: i16 = 5;

pub(super) struct EndTxn;

impl Handler for EndTxn {
    type Request = EndTxnRequest;

    async fn handle(call: Call, request: EndTxnRequest) -> Reply {
        let id = &request.transactional_id;
        if let Err(code) = call.permit(Operation::Write, Resource::transactional_id(id)) {
            return call.reply(&response(call.version, Err(code)));
        }
        let ask = EndTransaction {
            transactional_id: domain_text(id),
            ids: ProducerIdAndEpoch::new(
                base::ProducerId(request.producer_id.0),
                ProducerEpoch(request.producer_epoch),
            ),
            commit: request.committed,
            client_version: client_version(call.version),
            fresh: None,
        };
        drop(request);
        let ended = call.broker.transactions.end(ask).await;
        let ended =
            ended.map_err(|error| errors::of_transaction(error, call.version >= WITH_FENCED));
        call.reply(&response(call.version, ended))
    }
}

const fn client_version(version: i16) -> TransactionVersion {
    if version >= WITH_NEW_EPOCH {
        TransactionVersion::V2
    } else {
        TransactionVersion::V0
    }
}

fn response(version: i16, ended: Result<ProducerIdAndEpoch, ErrorCode>) -> EndTxnResponse {
    let response = EndTxnResponse::default();
    match ended {
        Err(code) => response.with_error_code(code.0),
        Ok(ids) if version >= WITH_NEW_EPOCH => response
            .with_producer_id(ProducerId(ids.producer.0))
            .with_producer_epoch(ids.epoch.0),
        Ok(_) => response,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::*;

    #[test]
    fn only_clients_of_the_new_protocol_get_a_new_epoch() {
        for version in 0..=5 {
            let ids = ProducerIdAndEpoch::new(base::ProducerId(7), ProducerEpoch(3));
            let told = over_the_wire(&response(version, Ok(ids)), version);
            let expected = if version >= 5 { (7, 3) } else { (-1, -1) };
            assert_eq!((told.producer_id.0, told.producer_epoch), expected);
            assert_eq!(client_version(version).bumps_epoch(), version >= 5);
            let fenced = ErrorCode::PRODUCER_FENCED;
            let told = over_the_wire(&response(version, Err(fenced)), version);
            assert_eq!(
                (told.error_code, told.producer_id.0, told.producer_epoch),
                (fenced.0, -1, -1)
            );
        }
    }
}
