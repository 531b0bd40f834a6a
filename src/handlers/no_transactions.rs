//! Transactions are not served yet, and clients that ask for one get an error at once.
//!
//! Only one of the possible codes ends the attempts of every client. On `COORDINATOR_NOT_AVAILABLE` all of them try
//! again until their user's timeout; on `UNSUPPORTED_VERSION` or `INVALID_REQUEST` some do (librdkafka looks for
//! another coordinator). `TRANSACTIONAL_ID_AUTHORIZATION_FAILED` is final for Java, librdkafka and franz-go. Its text
//! is about permission, so a log line has the real reason.

use crate::base::{ErrorCode, limited};

use super::route::Call;

/// The code for a transactional id.
pub(super) const REFUSAL: ErrorCode = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
/// The error message, where there is a field for it.
pub(super) const MESSAGE: &str = "This broker does not serve transactions.";

/// Logs that a client asked for a transaction.
pub(super) fn tell(call: &Call) {
    limited!(
        warn,
        "a client with a transactional id is refused: transactions are not supported yet, idempotent producers without such an id are",
        client_id = call.client_id.as_deref().unwrap_or_default(),
        client = %call.peer.address
    );
}
