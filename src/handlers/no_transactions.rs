//! Transactions are not served yet, and a client that asks for one is told so at once.
//!
//! Only one of the codes that could say so ends every client's attempts. On `COORDINATOR_NOT_AVAILABLE` all of them ask
//! again for as long as their user waits; on `UNSUPPORTED_VERSION` or `INVALID_REQUEST` some do (librdkafka looks for another
//! coordinator). `TRANSACTIONAL_ID_AUTHORIZATION_FAILED` is final for Java, librdkafka and franz-go. Its text is about
//! permission, so a log line says what is meant.

use crate::base::{ErrorCode, limited};

use super::route::Call;

/// The code for a transactional id.
pub(super) const REFUSAL: ErrorCode = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
/// The text beside it, where there is a place for one.
pub(super) const MESSAGE: &str = "This broker does not serve transactions.";

/// Says in the log that somebody asked.
pub(super) fn tell(call: &Call) {
    limited!(
        warn,
        "a client with a transactional id is refused: transactions are not supported yet, idempotent producers without such an id are",
        client_id = call.client_id.as_deref().unwrap_or_default(),
        client = %call.peer.address
    );
}
