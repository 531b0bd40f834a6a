//! What connections may hold of the broker's memory, and who holds it.
//!
//! # Who may have how much
//!
//! Every byte that a connection causes to be held is booked to it in one ledger: first in
//! its *free* part, the rest in its *paid* part.
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
//! - **Reserve.** A small connection may also use the reserve, so large requests never stop small ones. It
//!   is small when it holds no more than 1 MiB, together with what its request still lacks. For a request
//!   that has arrived whole it may use all of the reserve; for one that is still arriving half of it, so
//!   half-sent requests do not stop whole ones; and three quarters where the connection is very small
//!   (256 KiB), so many that are just small enough do not stop smaller ones. Half of what it may use of the
//!   reserve may go beyond the share of its address.
//! - **The token.** The connection that has waited longest, address by address, may go beyond all of this,
//!   one connection at a time. So a request that is larger than a share gets in, and half-read frames
//!   cannot wait for each other. The token is given back when the request has been started and what
//!   went beyond the limits has been given back or fits, or when the connection holds no more than
//!   128 KiB: a request that waits for long keeps little, and must not keep the token. Only the oldest
//!   request of a connection may get it: another one may have to wait for the oldest, and would keep the
//!   token meanwhile.
//!
//! What must be held whether or not it fits is booked by [`Account::force`]: the books then show more
//! than the limits allow, and new claims wait until they do not.
//!
//! # Waiting
//!
//! Claims that do not fit wait in four lines, which are served in this order:
//!
//! 1. small connections, for requests that have arrived whole;
//! 2. very small connections, for requests that are still arriving;
//! 3. small connections, for requests that are still arriving;
//! 4. large connections.
//!
//! In each line the addresses take turns. Nobody passes the one whose turn it is, except where that one
//! waits for its own address only. A claim of a connection above its share waits for the token alone.
//!
//! The books are behind one plain mutex, held for a few instructions; wakers are woken after it.

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

/// What all connections of a server may hold together.
#[derive(Debug)]
pub(super) struct Memory {
    /// Held for a few instructions.
    ledger: Mutex<Ledger>,
}

impl Memory {
    /// `total` bytes; `None` counts and limits nothing.
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

    /// Bytes that are held now.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.ledger().held()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Changes the books, then wakes those whose claims could be granted.
    fn change<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut ledger = self.ledger();
        let result = change(&mut ledger);
        let woken = ledger.take_woken();
        drop(ledger);
        woken.into_iter().for_each(Waker::wake);
        result
    }
}

/// What a claim is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) bytes: usize,
    /// What the request that they are for lacks in all, as far as that is known. One that will be large is
    /// large from its first byte on.
    pub(super) lacks: usize,
    /// Whether the request that they are for has not arrived whole. Of one that has, the end is
    /// nearer, and it is let further into the reserve.
    pub(super) is_arriving: bool,
    /// Whether it is the oldest unanswered request of its connection. Only that one may get the
    /// token.
    pub(super) is_oldest: bool,
}

/// A line in the books.
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

/// A connection's account: what it claims is booked here, and it waits here. One claim at a time.
/// Charges may outlive it, and are then still counted with its address.
#[derive(Debug)]
pub(super) struct Account {
    owner: Arc<Owner>,
    /// Whether a claim has waited, or holds the token, since the last [`Self::end_claim`].
    in_line: bool,
}

impl Account {
    /// Takes what is needed, or waits for it in turn. To be called for the same number of bytes until
    /// it is ready; another number ends the wait for the first.
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

    /// Takes `bytes` whether or not they fit.
    pub(super) fn force(&self, bytes: usize) -> Charge {
        if bytes > 0 {
            let Owner { memory, holder } = &*self.owner;
            memory.ledger().force(holder, bytes);
        }
        self.owner.charge(bytes)
    }

    /// How much of `most` bytes of a request that arrives, and lacks so much, could be taken now, without waiting.
    pub(super) fn room(&self, most: usize, lacks: usize) -> usize {
        let Owner { memory, holder } = &*self.owner;
        memory.ledger().room(holder, most, lacks)
    }

    /// The request that was claimed for has been started, or will not be: ceases to wait, and to go
    /// beyond the limits.
    pub(super) fn end_claim(&mut self) {
        if std::mem::take(&mut self.in_line) {
            let Owner { memory, holder } = &*self.owner;
            memory.change(|ledger| ledger.end_claim(holder));
        }
    }

    /// Ready once the connection holds no more than `bytes`, apart from what was granted and not
    /// taken yet.
    pub(super) fn poll_below(&self, context: &Context<'_>, bytes: usize) -> Poll<()> {
        let Owner { memory, holder } = &*self.owner;
        if holder.held() <= bytes || memory.ledger().is_below(holder, bytes, context.waker()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Bytes that the connection holds.
    pub(super) fn held(&self) -> usize {
        self.owner.holder.held()
    }

    /// Whether a claim of this connection waits.
    pub(super) fn is_waiting(&self) -> bool {
        let Owner { memory, holder } = &*self.owner;
        self.in_line && memory.ledger().is_waiting(holder)
    }

    /// Whether others wait for what this connection holds.
    pub(super) fn is_wanted(&self) -> bool {
        let Owner { memory, holder } = &*self.owner;
        memory.ledger().is_wanted(holder)
    }

    /// Whether much is unused, so that nobody needs to be careful.
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

/// Bytes of the broker's memory that a request, an answer or a frame may use. They are given back when it is dropped,
/// so it travels with what it was taken for.
#[derive(Default)]
pub struct Charge {
    bytes: usize,
    /// `None` when there are no bytes.
    owner: Option<Arc<Owner>>,
}

impl Charge {
    /// How many bytes it is for.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what is above `bytes`.
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
                    // Another connection's: they change hands.
                    own.memory.ledger().force(&own.holder, other.bytes);
                }
            }
        }
    }

    /// Has `bytes` own it: it is given back when the last slice of them is let go, by whoever has it
    /// then.
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
