//! The fetches that wait for a partition, and how they are notified.
//!
//! A [`Watch`] is one fetch, or one session of fetches: it is registered with each of its partitions under a number
//! of its own, the slot. A publication marks the slot and adds up how much there may be to read. It wakes a fetch
//! only when that may be enough. The fetch then reads the marked partitions, and no others.
//!
//! ```text
//!   publish ----> Waiters of the partition ----> Watch: marked slots, bytes, "look at once"
//!                 one entry for each watch         |
//!                                                  +--> wakes the fetch when it is enough
//! ```
//!
//! A publication costs one short lock for each watch on that partition, however many partitions they watch. No
//! publication is missed: a mark stays until it is taken, whether anybody waits or not. Lock order: waiters, then
//! watch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::base::lock;

use tokio::sync::Notify;

/// A change of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// There may be this many more bytes to read.
    Grown(u64),
    /// Something else: every waiting fetch must check.
    Changed,
}

/// The news that one fetch, or one session of fetches, has of its partitions.
#[derive(Debug, Default)]
pub struct Watch {
    heard: Mutex<Heard>,
    enough: Notify,
}

#[derive(Debug, Default)]
struct Heard {
    /// The slots of partitions with news, each once.
    marked: Vec<u32>,
    is_marked: Vec<bool>,
    /// The bytes by which all of them may have grown.
    grown: u64,
    must_look: bool,
    has_ended: bool,
    /// The number of bytes at which a fetch is woken; `None` when no fetch waits.
    missing: Option<u64>,
}

impl Heard {
    fn is_enough(&self) -> bool {
        let is_missing = |missing| self.grown < missing;
        self.must_look || self.has_ended || self.missing.is_some_and(|it| !is_missing(it))
    }
}

impl Watch {
    /// Completes when there may be `missing` more bytes than when the marks were taken last, or something must be
    /// checked.
    pub async fn news(&self, missing: u64) {
        loop {
            {
                let mut heard = self.lock();
                heard.missing = Some(missing);
                if heard.is_enough() {
                    return;
                }
            }
            // News after the check leaves a permit that lets this return at once.
            self.enough.notified().await;
        }
    }

    /// The slots that were marked since the last call. A caller that reads their partitions afterwards sees
    /// everything that they were marked for.
    pub fn take_marked(&self) -> Vec<u32> {
        let mut heard = self.lock();
        let marked = std::mem::take(&mut heard.marked);
        for slot in &marked {
            if let Some(is_marked) = heard.is_marked.get_mut(*slot as usize) {
                *is_marked = false;
            }
        }
        heard.grown = 0;
        heard.must_look = false;
        heard.missing = None;
        marked
    }

    /// Whether all waits were ended.
    pub fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    fn hear(&self, slot: u32, news: News) {
        let mut heard = self.lock();
        let index = slot as usize;
        if heard.is_marked.len() <= index {
            heard.is_marked.resize(index + 1, false);
        }
        if let Some(is_marked) = heard.is_marked.get_mut(index)
            && !std::mem::replace(is_marked, true)
        {
            heard.marked.push(slot);
        }
        match news {
            News::Grown(bytes) => heard.grown = heard.grown.saturating_add(bytes),
            News::Changed => heard.must_look = true,
        }
        let wakes = heard.missing.is_some() && heard.is_enough();
        drop(heard);
        if wakes {
            self.enough.notify_one();
        }
    }

    fn end(&self) {
        self.lock().has_ended = true;
        self.enough.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }
}

/// The watches of one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    registered: Mutex<Registered>,
}

#[derive(Debug, Default)]
struct Registered {
    next: u64,
    watches: HashMap<u64, (Arc<Watch>, u32)>,
    is_closed: bool,
}

impl Waiters {
    /// Notifies `watch` of this partition as `slot` until the registration is dropped.
    pub fn register(self: &Arc<Self>, watch: &Arc<Watch>, slot: u32) -> Registration {
        let mut registered = self.lock();
        let id = registered.next;
        registered.next += 1;
        registered.watches.insert(id, (Arc::clone(watch), slot));
        if registered.is_closed {
            watch.end();
        }
        Registration {
            waiters: Arc::clone(self),
            id,
        }
    }

    /// Ends all waits, now and later: every waiting fetch checks one last time and returns.
    pub fn close(&self) {
        let mut registered = self.lock();
        registered.is_closed = true;
        for (watch, _) in registered.watches.values() {
            watch.end();
        }
    }

    /// Notifies all watches.
    pub fn tell(&self, news: News) {
        for (watch, slot) in self.lock().watches.values() {
            watch.hear(*slot, news);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        lock(&self.registered)
    }
}

/// Keeps a watch registered; dropping it removes the watch, so idle partitions collect no dead watches.
#[derive(Debug)]
pub struct Registration {
    waiters: Arc<Waiters>,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let gone = self.waiters.lock().watches.remove(&self.id);
        // not while the lock is held
        drop(gone);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn is_ready(future: impl Future<Output = ()>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(future).poll(&mut context) == Poll::Ready(())
    }

    #[test]
    fn what_comes_between_looking_and_waiting_is_not_missed() {
        let (waiters, watch) = (Arc::new(Waiters::default()), Arc::new(Watch::default()));
        let registration = waiters.register(&watch, 3);
        assert!(watch.take_marked().is_empty());
        waiters.tell(News::Grown(10));
        assert!(is_ready(watch.news(10)));
        assert_eq!(watch.take_marked(), [3]);
        assert!(!is_ready(watch.news(10)));
        drop(registration);
        assert!(waiters.lock().watches.is_empty());
    }

    #[test]
    fn a_fetch_is_woken_when_it_may_be_enough() {
        let watch = Arc::new(Watch::default());
        let partitions = [(); 2].map(|()| Arc::new(Waiters::default()));
        let _registrations = [0, 1].map(|at| partitions[at].register(&watch, at as u32));
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = pin!(watch.news(100));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        for _ in 0..9 {
            partitions[1].tell(News::Grown(10));
        }
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        partitions[0].tell(News::Grown(10));
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        assert_eq!(watch.take_marked(), [1, 0], "each once");
        assert!(!is_ready(watch.news(100)), "counted anew");
        partitions[0].tell(News::Changed);
        assert!(is_ready(watch.news(100)));
    }

    #[test]
    fn waiting_that_has_ended_does_not_begin_again() {
        let (waiters, watch) = (Arc::new(Waiters::default()), Arc::new(Watch::default()));
        let _early = waiters.register(&watch, 0);
        waiters.close();
        assert!(watch.has_ended() && is_ready(watch.news(1)));
        let late = Arc::new(Watch::default());
        let _late = waiters.register(&late, 0);
        assert!(late.has_ended());
    }
}
