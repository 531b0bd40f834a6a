//! Floor 8: the composition root. It knows every room, builds them in order, connects what a lower
//! floor declared as a trait to what a higher one provides, and takes it all down again.
//!
//! ```text
//!   start                                      stop
//!   log directories: lock, identity            listeners: no new connections, answer what is in flight
//!   controller: metadata log -> image          coordinators
//!   listeners: bound, not yet serving          partitions: close, checkpoints, clean-shutdown marker
//!   registration with the real addresses       controller: metadata log closed
//!   partitions: opened, recovered
//!   coordinators: loading
//!   unfenced -> leaders; serve; the ready line
//! ```

mod available_memory;
mod directories;
mod freed_memory;
mod listeners;
mod open_files;
mod panics;
mod service_manager;
mod shutdown;
mod startup;

use std::io::Write as _;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::config::BrokerConfig;

pub use startup::{Running, StartError};

/// How long requests in flight may take to be answered after a signal to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT, then stops in order.
///
/// # Errors
/// When the broker cannot start; the text is one line that names the cure.
pub fn run(config: BrokerConfig) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.serving_threads())
        .thread_name("runtime")
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    panics::end_the_process_with_vital_threads();
    let ended = runtime.block_on(async {
        // Taken before anything is started, so that an early signal is not lost.
        let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Runtime)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Runtime)?;
        let running = tokio::select! {
            running = startup::start(config) => running?,
            // Nothing was acknowledged yet: what is left half done is what a crash leaves.
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        // Whoever started the broker may not care to read on.
        let _ = writeln!(std::io::stdout(), "{}", running.ready_line());
        service_manager::ready();
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        service_manager::stopping();
        shutdown::stop(running, GRACE).await;
        Ok(())
    });
    // What still reads or recovers a log is not waited for: a stop takes seconds, not as long as that.
    runtime.shutdown_background();
    ended
}
