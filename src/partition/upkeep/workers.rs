//! Background threads: one way to start them, to let them wait, and to end them. The cleaner, the scrubber, the
//! housekeepers, the syncers and the movers are all such workers.
//!
//! ```text
//!   start ---> works ---> waits for a time ---> works ...        end: noticed at once by whoever waits
//!                           |                                    stop: the end, and the threads have returned
//!                           +-- look_again() cuts it short
//! ```
//! A worker that has begun a job finishes it, or checks [`Signal::has_ended`] in between.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::lock;

/// A signal to end, given once, and signals to check again; a waiting thread notices both at once.
#[derive(Debug, Default)]
pub(in crate::partition) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    has_ended: bool,
    calls: u64,
}

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::partition) enum Woken {
    Timeout,
    LookAgain,
    End,
}

impl Signal {
    /// Signals the end.
    pub(in crate::partition) fn end(&self) {
        self.state().has_ended = true;
        self.changed.notify_all();
    }

    /// Ends all waits that may be cut short.
    pub(in crate::partition) fn look_again(&self) {
        let mut state = self.state();
        state.calls = state.calls.wrapping_add(1);
        drop(state);
        self.changed.notify_all();
    }

    pub(in crate::partition) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// The number of `look_again` calls so far. Read it before checking the condition to wait for, so that no call
    /// between the check and the wait is missed.
    pub(in crate::partition) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Waits for the end, or until the number of calls differs from this one, but no longer than `most`.
    pub(in crate::partition) fn wait(&self, most: Duration, calls: u64) -> Woken {
        let state = self.wait_while(most, |state| state.calls == calls);
        if state.has_ended {
            Woken::End
        } else if state.calls == calls {
            Woken::Timeout
        } else {
            Woken::LookAgain
        }
    }

    /// Waits for this time, ignoring calls. Breaks at the end.
    pub(in crate::partition) fn rest(&self, time: Duration) -> ControlFlow<()> {
        if self.wait_while(time, |_| true).has_ended {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn wait_while(
        &self,
        most: Duration,
        goes_on: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        let waits = |state: &mut State| !state.has_ended && goes_on(state);
        let waited = self.changed.wait_timeout_while(self.state(), most, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Threads that do the same work and have one signal. Dropping this stops them.
#[derive(Debug, Default)]
pub(in crate::partition) struct Workers {
    signal: Arc<Signal>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Workers {
    /// One thread with this name.
    pub(in crate::partition) fn start_one(
        name: String,
        work: impl FnOnce(&Signal) + Send + 'static,
    ) -> io::Result<Self> {
        let workers = Self::default();
        workers.start(name, work)?;
        Ok(workers)
    }

    /// Starts one more thread, unless the end was signalled.
    pub(in crate::partition) fn start(
        &self,
        name: String,
        work: impl FnOnce(&Signal) + Send + 'static,
    ) -> io::Result<()> {
        // Locked until the thread is in the list: a stop finds all that have not seen its signal.
        let mut threads = self.threads();
        if self.signal.has_ended() {
            return Err(io::Error::other("the broker stops"));
        }
        threads.retain(|thread| !thread.is_finished());
        let signal = Arc::clone(&self.signal);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || work(&signal))?;
        threads.push(thread);
        Ok(())
    }

    pub(in crate::partition) const fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Signals the end, and waits until all threads have returned.
    pub(in crate::partition) fn stop(&self) {
        self.signal.end();
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            // One that has panicked has ended as well; its panic is in the log.
            drop(thread.join());
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        lock(&self.threads)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_wait_ends_with_a_call_and_with_the_end() {
        let signal = Signal::default();
        let seen = signal.calls();
        assert_eq!(signal.wait(Duration::from_millis(1), seen), Woken::Timeout);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| signal.wait(LONG, seen));
            signal.look_again();
            assert_eq!(waits.join().unwrap(), Woken::LookAgain);
        });
        assert_eq!(signal.wait(LONG, seen), Woken::LookAgain, "it was missed");
        assert!(signal.rest(Duration::from_millis(1)).is_continue());
        signal.end();
        assert_eq!(signal.wait(LONG, signal.calls()), Woken::End);
        assert!(signal.rest(LONG).is_break() && signal.has_ended());
    }

    #[test]
    fn a_stop_ends_all_and_lets_none_begin() {
        let workers = Workers::default();
        let (done, results) = channel();
        for number in 0..3 {
            let done = done.clone();
            let work = move |signal: &Signal| {
                assert!(signal.rest(LONG).is_break());
                done.send(number).expect("the test listens");
            };
            workers
                .start(format!("worker-{number}"), work)
                .expect("a thread");
        }
        drop(done);
        workers.stop();
        assert_eq!(results.try_iter().count(), 3);
        assert!(workers.start("late".to_owned(), |_| {}).is_err());
    }
}
