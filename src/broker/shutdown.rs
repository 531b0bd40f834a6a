//! Stop: first the waiting ends, then from the outside in, so that nothing is asked of a room that
//! has ended. All of it has a time (`zurau.stop.timeout.ms`), since whoever sent the signal will not wait for
//! ever, and a kill costs more than an end that says what is not done.

use std::time::{Duration, Instant};

use super::startup::Running;

/// How long requests in flight may take to be answered, and the most of a stop's time that they may have.
const GRACE: Duration = Duration::from_secs(5);
const SHARE_FOR_REQUESTS: u32 = 2;

/// Stops a broker: answers what is in flight, closes every log, leaves the clean-shutdown marker.
pub(super) async fn stop(running: Running) {
    let time = running.time_to_stop();
    let deadline = Instant::now() + time;
    let Running {
        server,
        groups,
        transactions,
        partitions,
        hosting,
        controller,
        lifecycle,
        ..
    } = running;
    // What waits for something to happen is answered now: nothing will.
    transactions.stop();
    groups.stop();
    partitions.end_waits();
    let cut = server.stop(GRACE.min(time / SHARE_FOR_REQUESTS)).await;
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "connections were closed with requests unanswered"
        );
    }
    // Closing logs writes and syncs: not on a thread of the runtime.
    let closed = tokio::task::spawn_blocking(move || {
        controller.stop();
        hosting.stop_by(lifecycle.broker_epoch(), deadline);
    });
    if let Err(error) = closed.await {
        tracing::error!(%error, "the stop failed: the next start checks the logs");
    }
    tracing::info!("stopped");
}
