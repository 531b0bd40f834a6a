//! The only way from a client's request to the controller, limited by the client's timeout.
//!
//! The controller decides in this process. A broker whose controller is elsewhere will send the request on from here:
//! that is what a [`Call`] keeps the client's frame and principal for. What a broker asks for itself goes through
//! [`crate::cluster`] (producer ids, the topics of coordinators, its own registration).

use std::future::Future;
use std::time::Duration;

use crate::base::ErrorCode;
use crate::controller::Command;

use super::errors;
use super::route::Call;

/// Lets the controller decide on `command`, for the client of `call`.
///
/// After `timeout_ms` the client gets a timeout error; the command is carried out all the same. With a timeout of
/// zero, nothing is begun. Both are as in Kafka.
///
/// # Errors
/// The code for every item of the request.
pub(super) fn controller<C: Command>(
    call: &Call,
    command: C,
    timeout_ms: i32,
) -> impl Future<Output = Result<C::Reply, ErrorCode>> + Send + use<C> {
    let time = u64::try_from(timeout_ms).map_or(Duration::ZERO, Duration::from_millis);
    let cluster = &call.broker.cluster;
    let decision = (!time.is_zero()).then(|| cluster.submit_within(command, time));
    async move {
        let decision = decision.ok_or(ErrorCode::REQUEST_TIMED_OUT)?;
        decision.await.map_err(errors::of_cluster)
    }
}
