//! UnregisterBroker: removes the registration of a broker that was removed permanently.

use kafka_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::base::NodeId;
use crate::controller::{self, Refusal};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::ask;
use super::route::{Call, Handler};
use super::text::wire_text;

pub(super) struct UnregisterBroker;

impl Handler for UnregisterBroker {
    type Request = UnregisterBrokerRequest;

    async fn handle(call: Call, request: UnregisterBrokerRequest) -> Reply {
        if let Err(denial) = call.permit_or_say(Operation::Alter, Resource::CLUSTER) {
            let refused = UnregisterBrokerResponse::default()
                .with_error_code(denial.code.0)
                .with_error_message(denial.message.as_deref().map(wire_text));
            return call.reply(&refused);
        }
        let command = controller::UnregisterBroker {
            broker_id: NodeId(request.broker_id.0),
        };
        let time = call.broker.config.request_timeout_ms;
        let decided = ask::controller(&call, command, time).await;
        let refusal = decided.map_or_else(|code| Some(Refusal::bare(code)), Result::err);
        let response = UnregisterBrokerResponse::default();
        call.reply(&match refusal {
            None => response,
            Some(refusal) => response
                .with_error_code(refusal.code.0)
                .with_error_message(refusal.message.as_deref().map(wire_text)),
        })
    }
}
