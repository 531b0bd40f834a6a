//! Stop: first the waiting ends, then from the outside in, so that nothing is asked of a room that
//! has ended.

use std::time::Duration;

use super::startup::Running;

/// Stops a broker: answers what is in flight, closes every log, leaves the clean-shutdown marker.
pub(super) async fn stop(running: Running, grace: Duration) {
    let Running {
        server,
        groups,
        partitions,
        controller,
        broker_epoch,
        ..
    } = running;
    // What waits for something to happen is answered now: nothing will.
    groups.stop();
    partitions.end_waits();
    let cut = server.stop(grace).await;
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "connections were cut with requests unanswered"
        );
    }
    // Closing logs writes and syncs: not on a thread of the runtime.
    let closed = tokio::task::spawn_blocking(move || {
        controller.stop();
        partitions.stop(broker_epoch);
    });
    if let Err(error) = closed.await {
        tracing::error!(%error, "stopping failed: the next start will check the logs");
    }
    tracing::info!("stopped");
}
