//! Asking the controller, for no longer than the client waits.

use std::future::Future;
use std::time::Duration;

use crate::base::ErrorCode;
use crate::cluster::Cluster;
use crate::controller::Command;

use super::errors;

/// Submits `command`.
///
/// After `timeout_ms` the client hears that its time is up; the command is carried out all the same.
/// Where there is no time at all, nothing is begun. Both are as with Kafka.
///
/// # Errors
/// The code for everything that was to be decided.
pub(super) fn controller<C: Command>(
    cluster: &Cluster,
    command: C,
    timeout_ms: i32,
) -> impl Future<Output = Result<C::Reply, ErrorCode>> + Send + use<C> {
    let time = u64::try_from(timeout_ms).map_or(Duration::ZERO, Duration::from_millis);
    let decision = (!time.is_zero()).then(|| cluster.submit(command));
    async move {
        let decision = decision.ok_or(ErrorCode::REQUEST_TIMED_OUT)?;
        let reply = tokio::time::timeout(time, decision)
            .await
            .map_err(|_| ErrorCode::REQUEST_TIMED_OUT)?;
        reply.map_err(errors::of_cluster)
    }
}
