//! Asking the controller, for no longer than the client waits.

use std::future::Future;
use std::time::Duration;

use crate::base::ErrorCode;
use crate::cluster::Cluster;
use crate::controller::{Command, Reply};

use super::errors;

/// Submits `command` and picks the answer out of the reply of the same name.
///
/// After `timeout_ms` the client hears that its time is up; the command is carried out all the same,
/// as with Kafka. Some clients send 0 for "as long as it takes".
///
/// # Errors
/// The code for everything that was to be decided.
pub(super) fn controller<T>(
    cluster: &Cluster,
    command: Command,
    timeout_ms: i32,
    pick: fn(Reply) -> Option<T>,
) -> impl Future<Output = Result<T, ErrorCode>> + Send + use<T> {
    let decision = cluster.submit(command);
    async move {
        let reply = match u64::try_from(timeout_ms) {
            Ok(timeout @ 1..) => tokio::time::timeout(Duration::from_millis(timeout), decision)
                .await
                .map_err(|_| ErrorCode::REQUEST_TIMED_OUT)?,
            Ok(0) | Err(_) => decision.await,
        };
        // A reply to another command than the one that was given would be a fault of the controller.
        pick(reply.map_err(errors::of_cluster)?).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)
    }
}
