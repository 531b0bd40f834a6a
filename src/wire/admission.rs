//! Limits the number of connections, in total and per address, and the rate of new connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::base::lock;

use super::settings::ConnectionLimits;

const SECOND: Duration = Duration::from_secs(1);

/// Counts the connections of all listeners.
#[derive(Debug)]
pub(super) struct Admission {
    began: Instant,
    /// Held for a few instructions. A change of the limits holds it longer, since it visits all connections.
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    limits: ConnectionLimits,
    by_ip: HashMap<IpAddr, usize>,
    connections: HashMap<u64, Arc<Slot>>,
    /// The number of accepted connections so far.
    let_in: u64,
    /// The time at which all connections so far would have come at the allowed rate.
    paced_to: Instant,
}

/// The state of an accepted connection.
#[derive(Debug)]
pub(super) struct Slot {
    began: Instant,
    /// When its last request was started, in nanoseconds.
    used: AtomicU64,
    must_leave: AtomicBool,
    leave: Notify,
}

impl Slot {
    /// Records that a request is started.
    pub(super) fn note_use(&self) {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.used.store(now, Ordering::Relaxed);
    }

    /// Returns when the limit was lowered and this connection must be closed.
    pub(super) async fn must_leave(&self) {
        self.leave.notified().await;
    }
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// `max.connections`
    #[error("max.connections is {0}, and this limit is reached")]
    All(usize),
    /// `max.connections.per.ip` or one of its overrides
    #[error("max.connections.per.ip is {0}, and the address has reached it")]
    PerIp(usize),
}

/// An accepted connection; it is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    ip: IpAddr,
    number: u64,
    slot: Arc<Slot>,
}

impl Admitted {
    pub(super) const fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Admission {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        let began = Instant::now();
        Self {
            began,
            books: Mutex::new(Books {
                limits: limits.canonical(),
                by_ip: HashMap::new(),
                connections: HashMap::new(),
                let_in: 0,
                paced_to: began,
            }),
        }
    }

    /// Accepts a connection from `ip`, or returns the limit that it would exceed.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Admitted, Refused> {
        let slot = Arc::new(Slot {
            began: self.began,
            used: AtomicU64::default(),
            must_leave: AtomicBool::default(),
            leave: Notify::new(),
        });
        slot.note_use();
        let mut books = self.books();
        let max = books.limits.max;
        if books.connections.len() >= max {
            return Err(Refused::All(max));
        }
        let max_per_ip = books.limits.of(ip);
        let from_ip = books.by_ip.get(&ip).copied().unwrap_or_default();
        if from_ip >= max_per_ip {
            return Err(Refused::PerIp(max_per_ip));
        }
        books.by_ip.insert(ip, from_ip.saturating_add(1));
        let number = books.let_in;
        books.let_in = number.wrapping_add(1);
        books.connections.insert(number, Arc::clone(&slot));
        drop(books);
        Ok(Admitted {
            admission: Arc::clone(self),
            ip,
            number,
            slot,
        })
    }

    /// How long a connection that has come at `now` must wait before it is accepted. A second's worth of connections
    /// may come at once.
    pub(super) fn pace(&self, now: Instant) -> Duration {
        let mut books = self.books();
        let rate = u32::try_from(books.limits.creation_rate).unwrap_or(u32::MAX);
        let Some(every) = SECOND.checked_div(rate.max(1)) else {
            return Duration::ZERO;
        };
        let ahead = books.paced_to.saturating_duration_since(now);
        books.paced_to = now.checked_add(ahead.saturating_add(every)).unwrap_or(now);
        drop(books);
        ahead.saturating_sub(SECOND.saturating_sub(every))
    }

    /// Sets the limits. If there are more connections than allowed, the least recently used ones are closed.
    pub(super) fn limit(&self, limits: ConnectionLimits) {
        let mut books = self.books();
        books.limits = limits.canonical();
        // A lower rate from before delays nobody any longer.
        books.paced_to = Instant::now();
        let excess = books.connections.len().saturating_sub(books.limits.max);
        let mut leaving: Vec<_> = if excess == 0 {
            Vec::new()
        } else {
            books.connections.values().cloned().collect()
        };
        drop(books);
        leaving.sort_by_cached_key(|slot| {
            let stays = !slot.must_leave.load(Ordering::Relaxed);
            (stays, slot.used.load(Ordering::Relaxed))
        });
        for slot in leaving.into_iter().take(excess) {
            slot.must_leave.store(true, Ordering::Relaxed);
            slot.leave.notify_one();
        }
    }

    /// The number of connections now.
    pub(super) fn connections(&self) -> usize {
        self.books().connections.len()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.books)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut books = self.admission.books();
        books.connections.remove(&self.number);
        if let Some(count) = books.by_ip.get_mut(&self.ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                books.by_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn at_most(max: usize) -> ConnectionLimits {
        ConnectionLimits {
            max,
            ..ConnectionLimits::default()
        }
    }

    #[test]
    fn connections_are_counted_in_all_and_by_address() {
        let [first, second, banned] = [address(1), address(2), address(3)];
        let admission = Arc::new(Admission::new(ConnectionLimits {
            max: 4,
            max_per_ip: 2,
            max_per_ip_overrides: [(second, 3), (banned, 0)].into(),
            ..ConnectionLimits::default()
        }));
        let one = admission.admit(first).unwrap();
        let _two = admission.admit(first).unwrap();
        assert_eq!(admission.admit(first).unwrap_err(), Refused::PerIp(2));
        assert_eq!(admission.admit(banned).unwrap_err(), Refused::PerIp(0));
        let _others = [
            admission.admit(second).unwrap(),
            admission.admit(second).unwrap(),
        ];
        assert_eq!(admission.admit(second).unwrap_err(), Refused::All(4));
        drop(one);
        assert_eq!(admission.connections(), 3);
        let _third = admission.admit(second).unwrap();
    }

    #[test]
    fn where_fewer_are_allowed_the_ones_longest_unused_go() {
        let admission = Arc::new(Admission::new(at_most(9)));
        let admitted: Vec<_> = (0..4)
            .map(|_| admission.admit(address(1)).unwrap())
            .collect();
        for (admitted, used) in admitted.iter().zip([30, 10, 20, 40]) {
            admitted.slot.used.store(used, Ordering::Relaxed);
        }
        let leaving = || {
            let leaves = |it: &Admitted| it.slot.must_leave.load(Ordering::Relaxed);
            admitted.iter().map(leaves).collect::<Vec<_>>()
        };
        admission.limit(at_most(4));
        assert_eq!(leaving(), [false; 4]);
        admission.limit(at_most(3));
        assert_eq!(leaving(), [false, true, false, false]);
        // a connection that is about to close is counted, though it may still be used
        admitted[1].slot.used.store(90, Ordering::Relaxed);
        admission.limit(at_most(2));
        assert_eq!(leaving(), [false, true, true, false]);
        assert_eq!(admission.admit(address(2)).unwrap_err(), Refused::All(2));
        drop(admitted);
        admission.admit(address(2)).unwrap();
    }

    #[test]
    fn a_second_s_worth_may_come_at_once_and_the_next_wait() {
        let rate = |creation_rate| ConnectionLimits {
            creation_rate,
            ..ConnectionLimits::default()
        };
        let admission = Admission::new(rate(4));
        let now = admission.began;
        let waits: Vec<_> = (0..6).map(|_| admission.pace(now)).collect();
        assert_eq!(waits[..4], [Duration::ZERO; 4]);
        assert_eq!(waits[4..], [SECOND / 4, SECOND / 2]);
        assert_eq!(admission.pace(now + 2 * SECOND), Duration::ZERO);
        admission.limit(rate(0));
        admission.pace(now + 3 * SECOND);
        assert_eq!(admission.pace(now + 3 * SECOND), SECOND);
        admission.limit(ConnectionLimits::default());
        admission.pace(now + 3 * SECOND);
        assert!(admission.pace(now + 3 * SECOND) < Duration::from_millis(1));
    }
}
