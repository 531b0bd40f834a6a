//! Events to standard error.
//!
//! ```text
//!   any thread                                     one thread
//!   event -> line -> queue (at most 1 MiB) ------> standard error
//!              \        \__ full: the line is counted, and the count is logged when there is room
//!               \__ one line, whatever the values are: escaped and shortened
//! ```
//!
//! Logging never blocks: if nobody reads standard error, or the disk behind it is full, lines are dropped and counted,
//! and the broker goes on serving. At the end of the process, however it ends, queued lines have a short time to be
//! written.
//!
//! Values that clients choose cannot forge a line (`line.rs`), and lines that clients can cause are limited
//! where they are written ([`limited`](crate::base::log_limit)).
//!
//! - [`mod@line`]: an event as one line of text or JSON.
//! - [`queue`]: lines on their way to standard error.

mod line;
mod queue;

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use self::line::Lines;
use self::queue::{Queue, StandardError};
use super::arguments::LogFormat;
use crate::base::LogLimit;
use crate::base::log_limit::tell_suppressed;

/// How long the process waits at its end for queued lines, if standard error accepts nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The log of the process. When it is dropped, queued lines are written, or given up after a second.
#[derive(Debug)]
pub struct Log {
    queue: Arc<Queue>,
}

/// Starts to write panics and events to standard error: the events that `RUST_LOG` selects, or everything from
/// `info` upwards. Call it once, before anything worth logging happens.
pub fn start(format: LogFormat) -> Log {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let (filter, problem) = match EnvFilter::builder().parse(&wanted) {
        Ok(filter) if !wanted.is_empty() => (filter, None),
        Ok(_) => (EnvFilter::new("info"), None),
        Err(problem) => (EnvFilter::new("info"), Some(problem)),
    };
    let lines = Lines::new(format, io::stderr().is_terminal());
    let queue = Arc::new(Queue::default());
    let log = Log {
        queue: Arc::clone(&queue),
    };
    let writer = Arc::clone(&queue);
    let started = thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || writer.write_to(StandardError, |count| lines.dropped(count)));
    if let Err(error) = started {
        // Without the thread nothing would ever be written, so no log is better than a full queue.
        last_resort(&format!(
            "zurau: no log, since its thread cannot be started: {error}"
        ));
        return log;
    }
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // There is no place to report these, and a log that cannot be written is no reason to stop serving.
        .log_internal_errors(false)
        .event_format(lines)
        .with_writer(ToQueue(queue));
    // An existing subscriber stays: only the format is lost.
    let _ = subscriber.try_init();
    panic::set_hook(Box::new(report_panic));
    if let Some(problem) = problem {
        tracing::warn!("RUST_LOG cannot be {wanted:?} ({problem}): logging from info upwards");
    }
    log
}

impl Log {
    /// A function that waits a short time for queued lines, for a process that is about to exit at once.
    pub fn flush(&self) -> impl Fn() + Send + Sync + use<> {
        let queue = Arc::clone(&self.queue);
        move || {
            queue.drained(PATIENCE);
        }
    }

    /// Writes one line for the user who started the program, whatever the format of the log and however full the
    /// queue.
    pub fn last_words(&self, text: &str) {
        self.queue.push_in_any_case(&line::plain(text));
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        tell_suppressed(true);
        self.queue.drained(PATIENCE);
    }
}

/// Writes a line without the queue, which may block.
fn last_resort(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Logs a panic: one line for what has happened and, if `RUST_BACKTRACE` asks for it, one for each line of the
/// backtrace. The lines are limited, since a client may be able to cause panics.
fn report_panic(about: &PanicHookInfo<'_>) {
    static LIMIT: LogLimit = LogLimit::new(Level::ERROR, "panicked");
    let Some(suppressed) = LIMIT.admit() else {
        return;
    };
    let thread = thread::current();
    let place = about.location().map(ToString::to_string);
    tracing::error!(
        suppressed,
        thread = thread.name().unwrap_or_default(),
        place,
        reason = reason(about.payload()),
        "panicked"
    );
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        for line in backtrace.to_string().lines() {
            tracing::error!("{line}");
        }
    }
}

/// The message of the panic.
fn reason(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown")
}

/// A writer that puts formatted events into the queue.
struct ToQueue(Arc<Queue>);

impl<'a> MakeWriter<'a> for ToQueue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &ToQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread;

    use super::{LogFormat, start};

    const IN_CHILD: &str = "ZURAU_TEST_OF_THE_LOG";

    /// The log belongs to the whole process, so this test runs in a process of its own.
    #[test]
    fn panics_and_last_words_are_lines_of_the_log() {
        if std::env::var_os(IN_CHILD).is_some() {
            return say_much();
        }
        let name = "cli::logging::tests::panics_and_last_words_are_lines_of_the_log";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(IN_CHILD, "1")
            .env("RUST_BACKTRACE", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let lines: Vec<_> = said.lines().collect();
        let panicked = lines
            .iter()
            .find(|line| line.contains(" ERROR panicked thread=careless place="))
            .unwrap_or_else(|| panic!("{said}"));
        assert!(panicked.contains("logging.rs:"), "{said}");
        assert!(panicked.ends_with(r#" reason="two\nlines""#), "{said}");
        assert!(lines.iter().any(|line| line.contains("say_much")), "{said}");
        assert_eq!(lines.last(), Some(&"zurau: the end"), "{said}");
    }

    fn say_much() {
        let log = start(LogFormat::Text);
        let careless = thread::Builder::new()
            .name("careless".to_owned())
            .spawn(|| panic!("two\nlines"))
            .unwrap();
        assert!(careless.join().is_err());
        log.last_words("zurau: the end");
    }
}
