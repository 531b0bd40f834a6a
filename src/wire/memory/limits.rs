//! How much memory there is, and for whom.

use super::ALLOWANCE;

/// What every connection may hold without waiting, however many there are.
const LEAST_ALLOWANCE: usize = 4 * 1024;
/// The allowance is this part of what is left of the free part.
const ALLOWANCE_PART: usize = 16;
/// What the whole holding of a small connection may be.
const SMALL: usize = 1024 * 1024;

/// How much there is, and for whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of all free parts; each connection may have [`LEAST_ALLOWANCE`] in any case.
    pub(super) free: usize,
    /// Of all paid parts.
    pub(super) paid: usize,
    /// The part of `paid` that is only for small connections.
    pub(super) reserve: usize,
    /// Of one connection's paid part.
    pub(super) connection: usize,
    /// Of the paid parts of all connections from one address.
    pub(super) address: usize,
    /// Up to here, a connection is small.
    pub(super) small: usize,
    /// Up to here, it is very small.
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

    /// What a connection may hold in its free part while all of them hold `used` there.
    pub(super) fn allowance(&self, used: usize) -> usize {
        let left = self.free.saturating_sub(used);
        (left / ALLOWANCE_PART).clamp(LEAST_ALLOWANCE, ALLOWANCE)
    }
}
