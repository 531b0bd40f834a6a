//! The amount of memory, and the shares.

use super::ALLOWANCE;

/// The memory that every connection may hold without waiting, however many connections there are.
const LEAST_ALLOWANCE: usize = 4 * 1024;
/// The allowance is this fraction of the rest of the free part.
const ALLOWANCE_PART: usize = 16;
/// The limit for all memory of a small connection.
const SMALL: usize = 1024 * 1024;

/// The amount of memory, and the shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For all free parts; each connection may have [`LEAST_ALLOWANCE`] in any case.
    pub(super) free: usize,
    /// For all paid parts.
    pub(super) paid: usize,
    /// The part of `paid` that is only for small connections.
    pub(super) reserve: usize,
    /// For one connection's paid part.
    pub(super) connection: usize,
    /// For the paid parts of all connections from one address.
    pub(super) address: usize,
    /// The limit for a small connection.
    pub(super) small: usize,
    /// The limit for a very small connection.
    pub(super) slight: usize,
}

impl Limits {
    pub(super) const fn of(total: usize) -> Self {
        let small = total / 64;
        let small = if small < SMALL { small } else { SMALL };
        Self {
            free: total / 8,
            paid: total.saturating_sub(total / 8),
            reserve: total / 4,
            connection: total / 4,
            address: total / 2,
            small,
            slight: small / 4,
        }
    }

    /// How much a connection may hold in its free part while all of them hold `used` there.
    pub(super) fn allowance(&self, used: usize) -> usize {
        let left = self.free.saturating_sub(used);
        (left / ALLOWANCE_PART).clamp(LEAST_ALLOWANCE, ALLOWANCE)
    }
}
