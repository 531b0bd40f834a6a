//! Floor 8: the composition root. It knows every room, builds them in order, connects what a lower
//! floor declared as a trait to what a higher one provides, and takes it all down again.
//!
//! ```text
//!   start                                      stop
//!   log directories: lock, identity            coordinators and waiting fetches: answered now
//!   controller: metadata log -> image          listeners: no new connections, answer what is in flight
//!   listeners: bound, not yet serving          controller: metadata log closed, listeners of images done
//!   registration with the real addresses       partitions: close, checkpoints, clean-shutdown marker
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
mod settings;
mod shutdown;
mod signals;
mod startup;

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use crate::base::log_limit;

// What `main.rs` loads, prints and passes to `run`.
pub use crate::config::{BrokerConfig, Settings, Warning};
pub use startup::{Running, StartError};

/// How often the broker logs how many lines were suppressed.
const SUPPRESSED_TOLD: Duration = Duration::from_secs(10);

/// Serves until SIGTERM, SIGINT or SIGHUP, then stops in order. `warnings` are logged at the start; `flush` writes
/// out what was logged, for the case that the process has to end at once.
///
/// # Errors
/// When the broker cannot start; the text is one line that names the cure.
pub fn run(
    config: BrokerConfig,
    warnings: &[Warning],
    flush: impl Fn() + Send + Sync + 'static,
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("runtime")
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    panics::end_the_process_with_vital_threads(flush);
    let ended = runtime.block_on(async {
        tokio::spawn(tell_suppressed_lines());
        // Taken before anything is started, so that an early signal is not lost.
        let mut signals = signals::Ends::taken().map_err(StartError::Runtime)?;
        let running = tokio::select! {
            running = startup::start(config, warnings) => running?,
            // Nothing was acknowledged yet: what is left half done is what a crash leaves.
            _ = signals.next() => return Ok(()),
        };
        say_ready(running.ready_line());
        service_manager::ready();
        tracing::info!("{}: stopping", signals.next().await);
        service_manager::stopping();
        shutdown::stop(running).await;
        Ok(())
    });
    // What still reads or recovers a log is not waited for: a stop takes seconds, not as long as that.
    runtime.shutdown_background();
    ended
}

/// Logs the warnings about a configuration.
pub fn tell(warnings: &[Warning]) {
    for warning in warnings {
        if warning.matters() {
            tracing::warn!("{warning}");
        } else {
            tracing::debug!("{warning}");
        }
    }
}

/// Writes the ready line, on a thread of its own: whoever started the broker may not care to read on, or
/// not read at all, and then standard output takes nothing more.
fn say_ready(line: String) {
    let said = thread::Builder::new()
        .name("ready-line".to_owned())
        .spawn(move || drop(writeln!(std::io::stdout(), "{line}")));
    if let Err(error) = said {
        tracing::warn!(%error, "the ready line cannot be written");
    }
}

/// A flood that has ended is told of, too.
async fn tell_suppressed_lines() {
    let mut ticks = tokio::time::interval(SUPPRESSED_TOLD);
    loop {
        ticks.tick().await;
        log_limit::tell_suppressed(false);
    }
}
