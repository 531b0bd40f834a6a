//! Who is to be woken when a partition's positions move.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The waiting fetches of one partition. A waiter is woken at every publication and decides for
/// itself whether it has waited enough.
#[derive(Debug, Default)]
pub struct Waiters {
    registered: Mutex<Registered>,
    is_closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Registered {
    next: u64,
    wakers: HashMap<u64, Arc<Notify>>,
}

impl Waiters {
    /// Wakes `waker` at every publication until the registration is dropped.
    pub fn register(&self, waker: &Arc<Notify>) -> Registration<'_> {
        let mut registered = self.lock();
        let id = registered.next;
        registered.next += 1;
        registered.wakers.insert(id, Arc::clone(waker));
        Registration { waiters: self, id }
    }

    /// Ends all waiting, now and later: whoever waits looks a last time and goes.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether waiting has been ended.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// Wakes everyone. A waiter that is between looking and waiting is not missed: the permit that
    /// `Notify` keeps lets its next wait return at once.
    pub fn wake(&self) {
        for waker in self.lock().wakers.values() {
            waker.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registered> {
        // A holder does nothing that can leave the map half changed.
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a waiter registered; dropping it ends that, so that idle partitions gather no dead waiters.
#[derive(Debug)]
pub struct Registration<'a> {
    waiters: &'a Waiters,
    id: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.waiters.lock().wakers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_publication_between_looking_and_waiting_is_not_missed() {
        let waiters = Waiters::default();
        let waker = Arc::new(Notify::new());
        let registration = waiters.register(&waker);
        waiters.wake();
        waker.notified().await;
        drop(registration);
        assert!(waiters.lock().wakers.is_empty());
    }
}
