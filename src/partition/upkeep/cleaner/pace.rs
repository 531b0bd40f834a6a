//! When a cleaner waits, and when it ends.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::CurrentConfig;
use crate::log::compact::{Pace, Stopped};
use crate::partition::replica::Replica;
use crate::partition::upkeep::rate::{LEAST_WAIT, Rate};

/// An end that is called once, and changes of the settings; both are noticed at once by whoever waits.
#[derive(Debug, Default)]
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    changes: u64,
}

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    Timeout,
    Change,
    End,
}

impl Signal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn call_end(&self) {
        self.state().is_over = true;
        self.changed.notify_all();
    }

    pub(super) fn call_change(&self) {
        let mut state = self.state();
        state.changes = state.changes.wrapping_add(1);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// How many changes there were. To be asked for before the settings are looked at.
    pub(super) fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Waits for the end, or another change than so many, but no longer than `most`.
    pub(super) fn wait(&self, most: Duration, changes: u64) -> Woken {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), most, |state| {
                !state.is_over && state.changes == changes
            });
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        if state.is_over {
            Woken::End
        } else if state.changes == changes {
            Woken::Timeout
        } else {
            Woken::Change
        }
    }
}

/// Holds the cleaning of one partition to the rate of all, and ends it.
pub(super) struct CleanerPace<'a> {
    pub(super) signal: &'a Signal,
    pub(super) rate: &'a Rate,
    pub(super) config: &'a CurrentConfig,
    pub(super) replica: &'a Replica,
}

impl Pace for CleanerPace<'_> {
    fn moved(&self, bytes: usize) -> Result<(), Stopped> {
        let mut bytes = bytes;
        loop {
            let changes = self.signal.changes();
            let most = self.config.now().log_cleaner_io_max_bytes_per_second;
            let wait = self.rate.wait_for(bytes, most, Instant::now());
            if wait < LEAST_WAIT || self.signal.wait(wait, changes) != Woken::Change {
                break;
            }
            bytes = 0;
        }
        if self.signal.is_over() || !may_be_cleaned(self.replica) {
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

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_wait_ends_with_a_change_and_with_the_end() {
        let signal = Signal::default();
        let seen = signal.changes();
        assert_eq!(signal.wait(Duration::from_millis(1), seen), Woken::Timeout);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| signal.wait(LONG, seen));
            signal.call_change();
            assert_eq!(waits.join().unwrap(), Woken::Change);
        });
        assert_eq!(signal.wait(LONG, seen), Woken::Change, "it was missed");
        signal.call_end();
        assert_eq!(signal.wait(LONG, signal.changes()), Woken::End);
        assert!(signal.is_over());
    }
}
