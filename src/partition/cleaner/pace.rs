//! When a cleaner waits, and when it ends.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::log::compact::{Pace, Stopped};

use super::super::replica::Replica;

/// An end that is called once, and noticed at once by whoever waits.
#[derive(Debug, Default)]
pub(super) struct Stop {
    called: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn call(&self) {
        *self.called.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(super) fn is_called(&self) -> bool {
        *self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end, but no longer than `most`. Whether it was called.
    pub(super) fn wait(&self, most: Duration) -> bool {
        let called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(called, most, |called| !*called);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// `log.cleaner.io.max.bytes.per.second`, for all threads together.
#[derive(Debug)]
pub(super) struct Rate {
    bytes_per_second: f64,
    /// When the bytes that were moved so far would all have been moved at that rate.
    free_from: Mutex<Instant>,
}

/// Shorter waits are saved up.
const LEAST_WAIT: Duration = Duration::from_millis(20);

impl Rate {
    pub(super) fn new(bytes_per_second: f64) -> Self {
        Self {
            bytes_per_second,
            free_from: Mutex::new(Instant::now()),
        }
    }

    /// How long whoever moves `bytes` at `now` has to wait.
    fn wait_for(&self, bytes: usize, now: Instant) -> Duration {
        /// Longer than anything is waited for; also what no rate at all comes to.
        const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
        let takes = Duration::try_from_secs_f64(bytes as f64 / self.bytes_per_second);
        let mut free_from = self
            .free_from
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *free_from = (*free_from).max(now) + takes.unwrap_or(LONGEST).min(LONGEST);
        free_from.duration_since(now)
    }
}

/// Holds the cleaning of one partition to the rate of all, and ends it.
pub(super) struct CleanerPace<'a> {
    pub(super) stop: &'a Stop,
    pub(super) rate: &'a Rate,
    pub(super) replica: &'a Replica,
}

impl Pace for CleanerPace<'_> {
    fn moved(&self, bytes: usize) -> Result<(), Stopped> {
        let wait = self.rate.wait_for(bytes, Instant::now());
        let is_over = if wait >= LEAST_WAIT {
            self.stop.wait(wait)
        } else {
            self.stop.is_called()
        };
        if is_over || !may_be_cleaned(self.replica) {
            return Err(Stopped);
        }
        Ok(())
    }
}

/// Whether the partition is to be compacted at present. Not while it moves to another directory: the copy may
/// have the record already that a tombstone is about, and would keep it when the tombstone is gone.
pub(super) fn may_be_cleaned(replica: &Replica) -> bool {
    replica.config().cleanup_policy.compact
        && !replica.directory().is_offline()
        && !replica.is_moving()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_held_over_all_that_is_moved() {
        let now = Instant::now();
        let rate = Rate::new(1000.0);
        *rate.free_from.lock().unwrap() = now;
        assert_eq!(rate.wait_for(500, now), Duration::from_millis(500));
        assert_eq!(rate.wait_for(250, now), Duration::from_millis(750));
        // what was not used is not saved up
        let later = now + Duration::from_secs(10);
        assert_eq!(rate.wait_for(100, later), Duration::from_millis(100));
        let unlimited = Rate::new(f64::MAX);
        let now = Instant::now();
        assert_eq!(unlimited.wait_for(usize::MAX, now), Duration::ZERO);
        for nothing in [0.0, -1.0] {
            assert!(Rate::new(nothing).wait_for(1, now) > Duration::from_secs(3600));
        }
    }

    #[test]
    fn a_wait_ends_with_the_end() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::from_millis(1)));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| stop.wait(Duration::from_secs(600)));
            stop.call();
            assert!(waits.join().unwrap());
        });
        assert!(stop.is_called());
    }
}
