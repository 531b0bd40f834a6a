//! Events to standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;

/// Writes events to standard error from now on: those that `RUST_LOG` names, or else everything
/// from `info` upwards. To be called once, before anything worth logging happens.
pub fn start(format: LogFormat) {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let (filter, problem) = match EnvFilter::builder().parse(&wanted) {
        Ok(filter) if !wanted.is_empty() => (filter, None),
        Ok(_) => (EnvFilter::new("info"), None),
        Err(problem) => (EnvFilter::new("info"), Some(problem)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        // Said where? A log that cannot be written is no reason to stop serving.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // A subscriber that is there already keeps its place: nothing is lost but the format.
    let _ = match format {
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    if let Some(problem) = problem {
        tracing::warn!("RUST_LOG cannot be {wanted:?} ({problem}): logging from info upwards");
    }
}
