//! Limits log lines that a client can cause as often as it likes to a few per second and kind.
//!
//! All such lines are written with [`limited!`](crate::base::limited); each place in the code that uses it is a kind
//! of its own. The first [`LINES`] lines in ten seconds are written, and the others are counted. The count is logged
//! as `suppressed`: by the next line of the kind or, if there is none, by [`tell_suppressed`], which the broker
//! calls now and then and at its end.
//!
//! Rooms without a clock may use the macro, too: it only decides whether a line is written, and nothing else
//! depends on that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;

/// How many lines of one kind are written in a [`WINDOW`].
pub const LINES: u32 = 50;
/// The time for which lines are counted together.
pub const WINDOW: Duration = Duration::from_secs(10);

/// Every limit that has suppressed a line since the process started. There are at most as many as places that
/// use one.
static USED: Mutex<Vec<&'static LogLimit>> = Mutex::new(Vec::new());

/// Logs a line of a kind that a client can cause: level, message, then fields as `tracing` takes them.
///
/// ```text
/// limited!(warn, "closing connection", %peer, listener, %reason);
/// ```
macro_rules! limited {
    ($level:ident, $message:literal $(, $($field:tt)+)?) => {{
        static LIMIT: $crate::base::LogLimit =
            $crate::base::LogLimit::new($crate::base::log_limit::level::$level, $message);
        if let Some(suppressed) = LIMIT.admit() {
            tracing::$level!(suppressed, $($($field)+,)? $message);
        }
    }};
}
pub(crate) use limited;

/// The levels by the names of the macros that write them.
#[expect(non_upper_case_globals, reason = "named after tracing's macros")]
pub(crate) mod level {
    use tracing::Level;

    pub(crate) const error: Level = Level::ERROR;
    pub(crate) const warn: Level = Level::WARN;
    pub(crate) const info: Level = Level::INFO;
}

/// Lets some lines of one kind through and counts the others.
#[derive(Debug)]
pub struct LogLimit {
    level: Level,
    message: &'static str,
    /// Held for a few instructions, never across a log call.
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    began: Option<Instant>,
    admitted: u32,
    suppressed: u64,
    is_known: bool,
}

impl LogLimit {
    /// A limit for lines of this level with this message.
    pub const fn new(level: Level, message: &'static str) -> Self {
        Self {
            level,
            message,
            window: Mutex::new(Window {
                began: None,
                admitted: 0,
                suppressed: 0,
                is_known: false,
            }),
        }
    }

    /// `Some` if a line may be written now, with the number of lines that were suppressed since the last one, if
    /// any.
    pub fn admit(&'static self) -> Option<Option<u64>> {
        let (answer, is_new) = self.window().admit(Instant::now());
        if is_new {
            USED.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(self);
        }
        answer
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// Whether a line may be written, and whether this is the first that may not.
    fn admit(&mut self, now: Instant) -> (Option<Option<u64>>, bool) {
        if self.is_over(now) {
            self.began = Some(now);
            self.admitted = 0;
        }
        if self.admitted < LINES {
            self.admitted += 1;
            return (Some(self.take_suppressed()), false);
        }
        self.suppressed = self.suppressed.saturating_add(1);
        (None, !std::mem::replace(&mut self.is_known, true))
    }

    fn is_over(&self, now: Instant) -> bool {
        self.began
            .is_none_or(|began| now.saturating_duration_since(began) >= WINDOW)
    }

    fn take_suppressed(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.suppressed)).filter(|suppressed| *suppressed > 0)
    }
}

/// Logs how many lines were suppressed, for kinds without a later line to say so. `at_the_end` is for the
/// last time: it includes kinds whose ten seconds are not over.
pub fn tell_suppressed(at_the_end: bool) {
    let now = Instant::now();
    let used: Vec<_> = USED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for limit in used {
        let mut window = limit.window();
        let suppressed = if at_the_end || window.is_over(now) {
            window.take_suppressed()
        } else {
            None
        };
        drop(window);
        if let Some(suppressed) = suppressed {
            tell(limit.level, limit.message, suppressed);
        }
    }
}

fn tell(level: Level, line: &'static str, suppressed: u64) {
    const MESSAGE: &str = "log lines of one kind were suppressed";
    match level {
        Level::ERROR => tracing::error!(line, suppressed, "{MESSAGE}"),
        Level::WARN => tracing::warn!(line, suppressed, "{MESSAGE}"),
        _ => tracing::info!(line, suppressed, "{MESSAGE}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tracing::Level;

    use super::{LINES, LogLimit, WINDOW};

    #[test]
    fn lines_above_the_limit_are_counted_and_told_by_the_next() {
        let limit = LogLimit::new(Level::WARN, "a line");
        let mut window = limit.window();
        let now = Instant::now();
        for _ in 0..LINES {
            assert_eq!(window.admit(now), (Some(None), false));
        }
        assert_eq!(window.admit(now), (None, true), "the first to be kept back");
        assert_eq!(window.admit(now), (None, false));
        assert_eq!(window.admit(now + WINDOW), (Some(Some(2)), false));
        assert_eq!(window.admit(now + WINDOW), (Some(None), false));
    }

    #[test]
    fn what_nobody_told_is_told_once_the_time_is_over() {
        let limit = LogLimit::new(Level::WARN, "a line");
        let mut window = limit.window();
        let now = Instant::now();
        for _ in 0..LINES + 3 {
            window.admit(now);
        }
        assert!(!window.is_over(now));
        assert!(window.is_over(now + WINDOW));
        assert_eq!(window.take_suppressed(), Some(3));
        assert_eq!(window.take_suppressed(), None);
    }
}
