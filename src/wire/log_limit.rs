//! Warnings that a peer can cause as often as it likes, kept to a few per second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets some log lines of a second through and counts the others.
///
/// ```
/// let limit = zurau::wire::LogLimit::new(1);
/// assert_eq!(limit.admit(), Some(0), "the first line of a second is written");
/// assert_eq!(limit.admit(), None, "the next one is counted");
/// ```
#[derive(Debug)]
pub struct LogLimit {
    per_second: u32,
    /// Held for a few instructions, never across a log call.
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    admitted: u32,
    suppressed: u64,
}

impl LogLimit {
    const WINDOW: Duration = Duration::from_secs(1);

    /// Admits `per_second` lines in each second.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            window: Mutex::default(),
        }
    }

    /// `Some` when a line may be written now, with the number of lines that were kept back since
    /// the last one.
    pub fn admit(&self) -> Option<u64> {
        let now = Instant::now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= Self::WINDOW)
        {
            window.began = Some(now);
            window.admitted = 0;
        }
        if window.admitted >= self.per_second {
            window.suppressed = window.suppressed.saturating_add(1);
            return None;
        }
        window.admitted = window.admitted.saturating_add(1);
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::LogLimit;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn lines_above_the_limit_are_counted_and_told_later() {
        let limit = LogLimit::new(2);
        let admitted: Vec<_> = (0..5).map(|_| limit.admit()).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None, None]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limit.admit(), Some(3));
        assert_eq!(limit.admit(), Some(0));
        assert_eq!(limit.admit(), None);
    }
}
