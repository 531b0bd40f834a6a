//! A limit in bytes a second, shared by several threads. The rate may change at any time.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::base::lock;

/// Shorter waits are accumulated.
pub(in crate::partition) const LEAST_WAIT: Duration = Duration::from_millis(20);

/// The longest wait; also used for a rate of zero.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The bytes that were moved beyond the rate.
#[derive(Debug)]
pub(in crate::partition) struct Rate(Mutex<Owed>);

#[derive(Debug)]
struct Owed {
    bytes: f64,
    since: Instant,
}

impl Default for Rate {
    fn default() -> Self {
        Self(Mutex::new(Owed {
            bytes: 0.0,
            since: Instant::now(),
        }))
    }
}

impl Rate {
    /// How long a caller that has moved `bytes` at `now` has to wait; with 0 bytes, the rest of a wait.
    pub(in crate::partition) fn wait_for(
        &self,
        bytes: usize,
        bytes_per_second: f64,
        now: Instant,
    ) -> Duration {
        let mut owed = lock(&self.0);
        let passed = now.saturating_duration_since(owed.since).as_secs_f64();
        let paid = passed * bytes_per_second.max(0.0);
        *owed = Owed {
            bytes: (owed.bytes - paid).max(0.0) + bytes as f64,
            since: now.max(owed.since),
        };
        if owed.bytes == 0.0 {
            return Duration::ZERO;
        }
        let wait = Duration::try_from_secs_f64(owed.bytes / bytes_per_second);
        wait.unwrap_or(LONGEST).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_held_over_all_that_is_moved() {
        let rate = Rate::default();
        let now = Instant::now();
        assert_eq!(rate.wait_for(500, 1000.0, now), Duration::from_millis(500));
        assert_eq!(rate.wait_for(250, 1000.0, now), Duration::from_millis(750));
        // unused bytes are not saved up
        let later = now + Duration::from_secs(10);
        assert_eq!(
            rate.wait_for(100, 1000.0, later),
            Duration::from_millis(100)
        );
        let unlimited = Rate::default();
        assert_eq!(
            unlimited.wait_for(usize::MAX, f64::MAX, now),
            Duration::ZERO
        );
        for nothing in [0.0, -1.0] {
            let wait = Rate::default().wait_for(1, nothing, now);
            assert!(wait > Duration::from_secs(3600));
        }
    }

    #[test]
    fn another_rate_holds_for_what_was_moved_before() {
        let rate = Rate::default();
        let now = Instant::now();
        assert_eq!(rate.wait_for(1000, 1.0, now), Duration::from_secs(1000));
        assert_eq!(rate.wait_for(0, 1000.0, now), Duration::from_secs(1));
        let half = now + Duration::from_millis(500);
        assert_eq!(rate.wait_for(0, 1000.0, half), Duration::from_millis(500));
        assert_eq!(rate.wait_for(0, f64::MAX, half), Duration::ZERO);
    }
}
