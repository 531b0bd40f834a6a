//! How much of the broker's memory connections may hold, and who holds it.
//!
//! # Shares
//!
//! Every byte that is held because of a connection is charged to it in one ledger: first in its *free* part, the rest
//! in its *paid* part.
//!
//! ```text
//!   total (queued.max.request.bytes)                                       beyond it
//!   ├─ free ──┬───────────── paid ─────────────────────────┬─ reserve ───┤ ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┐
//!   │  1/8    │  5/8                                       │    1/4      │  one request (the token) ┆
//!   └─────────┴────────────────────────────────────────────┴─────────────┘ ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┘
//!    every connection's     any connection: 1/4 of total     only small
//!    first 128 KiB          any address:    1/2 of total     connections
//! ```
//!
//! - **Free.** A connection gets its first 128 KiB without waiting. So requests that wait for other
//!   requests can never use up what those others need. When many connections use this part, each new
//!   claim gets less of it, down to 4 KiB.
//! - **Paid.** What is above that must fit into the total, the share of the connection and the share of
//!   its address.
//! - **Reserve.** A small connection may also use the reserve, so large requests never stop small ones. A connection
//!   is small when it holds no more than 1 MiB, together with the missing bytes of its request. For a request that
//!   has arrived completely it may use all of the reserve, for one that is still arriving half of it, so half-sent
//!   requests do not stop complete ones. A very small connection (256 KiB) may use three quarters, so connections
//!   that are just small enough do not stop smaller ones. Half of the usable reserve may exceed the share of its
//!   address.
//! - **The token.** The connection that has waited longest, address by address, may exceed all of these limits, one
//!   connection at a time. So a request that is larger than a share gets in, and half-read frames cannot wait for
//!   each other. The token is given back when the request has been started and the excess has been given back or
//!   fits, or when the connection holds no more than 128 KiB: a request that waits for long keeps little, and must
//!   not keep the token. Only the oldest request of a connection may get it: another request may have to wait for the
//!   oldest, and would keep the token meanwhile.
//!
//! Memory that must be held whether or not it fits is charged by [`Account::force`]: the ledger then exceeds the
//! limits, and new claims wait until it does not.
//!
//! # Waiting
//!
//! Claims that do not fit wait in four queues, which are served in this order:
//!
//! 1. small connections, for requests that have arrived completely;
//! 2. very small connections, for requests that are still arriving;
//! 3. small connections, for requests that are still arriving;
//! 4. large connections.
//!
//! In each queue the addresses take turns. Nobody passes the claim whose turn it is, unless that claim only waits for
//! its own address. A claim of a connection above its share waits for the token alone.
//!
//! The ledger is behind one plain mutex, held for a few instructions; wakers are woken after it.

mod holder;
mod ledger;
mod limits;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::base::lock;

use holder::Holder;
use ledger::{Claimed, Ledger};
use limits::Limits;

/// The most that a connection may hold without waiting for others.
pub(super) const ALLOWANCE: usize = 128 * 1024;

/// The memory of all connections of a server.
#[derive(Debug)]
pub(super) struct Memory {
    /// Held for a few instructions.
    ledger: Mutex<Ledger>,
}

impl Memory {
    /// A budget of `total` bytes; `None` counts and limits nothing.
    pub(super) fn new(total: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            ledger: Mutex::new(Ledger::new(Limits::of(total.unwrap_or(usize::MAX)))),
        })
    }

    /// An account for a new connection from `address`.
    pub(super) fn open(self: &Arc<Self>, address: IpAddr) -> Account {
        let owner = Owner {
            memory: Arc::clone(self),
            holder: self.ledger().open(address),
        };
        Account {
            owner: Arc::new(owner),
            in_line: false,
        }
    }

    /// The number of bytes that are held now.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.ledger().held()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Changes the ledger, then wakes the claims that were granted.
    fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger();
        let result = change(&mut ledger);
        let woken = ledger.take_woken();
        drop(ledger);
        woken.into_iter().for_each(Waker::wake);
        result
    }
}

/// The purpose of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) bytes: usize,
    /// The missing bytes of its request, as far as known. A request that will be large counts as large from its first
    /// byte on.
    pub(super) lacks: usize,
    /// Whether its request is still arriving. A complete request ends sooner, and may use more of the reserve.
    pub(super) is_arriving: bool,
    /// Whether it is the oldest unanswered request of its connection. Only that one may get the
    /// token.
    pub(super) is_oldest: bool,
}

/// An entry in the ledger.
#[derive(Debug)]
struct Owner {
    memory: Arc<Memory>,
    holder: Arc<Holder>,
}

impl Owner {
    fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        Charge {
            bytes,
            owner: (bytes > 0).then(|| Arc::clone(self)),
        }
    }
}

/// A connection's account: its claims are charged here, and wait here. One claim at a time. Charges may outlive it,
/// and then still count for its address.
#[derive(Debug)]
pub(super) struct Account {
    owner: Arc<Owner>,
    /// Whether a claim has waited, or holds the token, since the last [`Self::end_claim`].
    in_line: bool,
}

impl Account {
    /// Charges the bytes, or waits for them in turn. Call it with the same number of bytes until it is ready; another
    /// number cancels the wait for the first.
    pub(super) fn poll_claim(&mut self, context: &Context<'_>, need: Need) -> Poll<Charge> {
        if need.bytes == 0 {
            return Poll::Ready(Charge::default());
        }
        let Owner { memory, holder } = &*self.owner;
        let claimed = memory.change(|ledger| ledger.claim(holder, need, context.waker()));
        self.in_line |= claimed != Claimed::AtOnce;
        match claimed {
            Claimed::Waits => Poll::Pending,
            Claimed::AtOnce | Claimed::InLine => Poll::Ready(self.owner.charge(need.bytes)),
        }
    }

    /// Charges `bytes` whether or not they fit.
    pub(super) fn force(&self, bytes: usize) -> Charge {
        if bytes > 0 {
            let Owner { memory, holder } = &*self.owner;
            memory.ledger().force(holder, bytes);
        }
        self.owner.charge(bytes)
    }

    /// How many of `most` bytes could be charged now, without waiting, for a request that is arriving and lacks this
    /// many.
    pub(super) fn room(&self, most: usize, lacks: usize) -> usize {
        let Owner { memory, holder } = &*self.owner;
        memory.ledger().room(holder, most, lacks)
    }

    /// The claim's request was started, or will not be: ends the wait, and the right to exceed the limits.
    pub(super) fn end_claim(&mut self) {
        if std::mem::take(&mut self.in_line) {
            let Owner { memory, holder } = &*self.owner;
            memory.change(|ledger| ledger.end_claim(holder));
        }
    }

    /// Ready once the connection holds no more than `bytes`, not counting granted claims that were not taken yet.
    pub(super) fn poll_below(&self, context: &Context<'_>, bytes: usize) -> Poll<()> {
        let Owner { memory, holder } = &*self.owner;
        if holder.held() <= bytes || memory.ledger().is_below(holder, bytes, context.waker()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// The bytes that the connection holds.
    pub(super) fn held(&self) -> usize {
        self.owner.holder.held()
    }

    /// Whether a claim of this connection waits.
    pub(super) fn is_waiting(&self) -> bool {
        let Owner { memory, holder } = &*self.owner;
        self.in_line && memory.ledger().is_waiting(holder)
    }

    /// Whether others wait for memory that this connection holds.
    pub(super) fn is_wanted(&self) -> bool {
        let Owner { memory, holder } = &*self.owner;
        memory.ledger().is_wanted(holder)
    }

    /// Whether so much is free that nobody needs to save memory.
    pub(super) fn is_plenty(&self) -> bool {
        let Owner { memory, holder } = &*self.owner;
        memory.ledger().is_plenty(holder)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let Owner { memory, holder } = &*self.owner;
        memory.change(|ledger| ledger.close(holder));
    }
}

/// Charged bytes of the broker's memory for a request, an answer or a frame. They are given back when this is
/// dropped, so it is kept with the memory that it pays for.
#[derive(Default)]
pub struct Charge {
    bytes: usize,
    /// `None` when there are no bytes.
    owner: Option<Arc<Owner>>,
}

impl Charge {
    /// The number of bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back the bytes above `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        drop(self.split(self.bytes.saturating_sub(bytes)));
    }

    /// Adds what `other` holds.
    pub fn merge(&mut self, mut other: Self) {
        match (&self.owner, &other.owner) {
            (_, None) => {}
            (None, Some(_)) => *self = other,
            (Some(own), Some(its)) => {
                self.bytes = self.bytes.saturating_add(other.bytes);
                if Arc::ptr_eq(own, its) {
                    other.bytes = 0;
                } else {
                    // The bytes of another connection: their owner changes.
                    own.memory.ledger().force(&own.holder, other.bytes);
                }
            }
        }
    }

    /// Attaches this to `bytes`: it is given back when the last slice of them is dropped, wherever that is.
    pub(super) fn pay_for(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(PaidBytes {
            bytes,
            _charge: self,
        })
    }

    /// Takes up to `bytes` out of it.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        let owner = if bytes > 0 { self.owner.clone() } else { None };
        Self { bytes, owner }
    }
}

struct PaidBytes {
    bytes: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for PaidBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charge")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0
            && let Some(owner) = &self.owner
        {
            let Owner { memory, holder } = &**owner;
            memory.change(|ledger| ledger.release(holder, self.bytes));
        }
    }
}
