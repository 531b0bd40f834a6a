//! Transactions are not served yet, and who asks for one hears it at once.
//!
//! Of the codes that would say so, clients end on one only. On `COORDINATOR_NOT_AVAILABLE` all of them ask again for as
//! long as their user waits; on `UNSUPPORTED_VERSION` or `INVALID_REQUEST` some do (librdkafka looks for another
//! coordinator). `TRANSACTIONAL_ID_AUTHORIZATION_FAILED` is final for Java, librdkafka and franz-go. Its text speaks of
//! permission, so that a line of our log says what is meant.

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
        "transactions are not served: a client with a transactional id is refused; without one it can be idempotent",
        client_id = call.client_id.as_deref().unwrap_or_default(),
        client = %call.peer.address
    );
}
