//! SaslHandshake and SaslAuthenticate: on a listener without SASL nobody can authenticate, and a client that tries
//! gets an error at once. Its connection stays open, as in Kafka.

use kafka_protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::wire::Reply;

use super::route::{Call, Handler};

/// Kafka's message, though nobody has authenticated.
const TOO_LATE: &str = "SaslAuthenticate request received after successful authentication";

pub(super) struct SaslHandshake;
pub(super) struct SaslAuthenticate;

impl Handler for SaslHandshake {
    type Request = SaslHandshakeRequest;

    async fn handle(call: Call, request: SaslHandshakeRequest) -> Reply {
        crate::base::limited!(
            warn,
            "a client tries to authenticate with SASL on a listener without SASL: set the client's security.protocol to PLAINTEXT",
            peer = %call.peer.address,
            listener = &*call.peer.listener,
            mechanism = request.mechanism.as_str()
        );
        let response =
            SaslHandshakeResponse::default().with_error_code(ErrorCode::ILLEGAL_SASL_STATE.0);
        call.reply(&response)
    }
}

impl Handler for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;

    async fn handle(call: Call, _request: SaslAuthenticateRequest) -> Reply {
        let response = SaslAuthenticateResponse::default()
            .with_error_code(ErrorCode::ILLEGAL_SASL_STATE.0)
            .with_error_message(Some(StrBytes::from_static_str(TOO_LATE)));
        call.reply(&response)
    }
}
