//! What fits: how much more somebody may have while all others have what they have.

use std::sync::Arc;

use super::super::Need;
use super::super::holder::Holder;
use super::Ledger;
use super::lines::Class;

/// Whether a claim can be granted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fits,
    /// All connections together hold too much.
    Full,
    /// Its address holds too much.
    AddressFull,
    /// It is more than the connection's share, so only the token helps.
    AboveShare,
}

impl Ledger {
    /// How many bytes more `holder` may have in its free part.
    fn free_room(&self, holder: &Holder) -> usize {
        self.limits
            .allowance(self.free)
            .saturating_sub(holder.free.get())
    }

    /// How many of `bytes` would have to be paid.
    pub(super) fn to_pay(&self, holder: &Holder, bytes: usize) -> usize {
        bytes.saturating_sub(self.free_room(holder))
    }

    pub(super) fn class(&self, holder: &Holder, need: Need) -> Class {
        let in_all = holder.held().saturating_add(need.bytes.max(need.lacks));
        if in_all > self.limits.small {
            Class::Large
        } else if !need.is_arriving {
            Class::Whole
        } else if in_all > self.limits.slight {
            Class::Small
        } else {
            Class::Slight
        }
    }

    /// Whether what `holder` needs can be booked now.
    pub(super) fn verdict(&self, holder: &Holder, need: Need) -> Verdict {
        let paid = self.to_pay(holder, need.bytes);
        if paid == 0 {
            return Verdict::Fits;
        }
        self.judge(holder, paid, self.class(holder, need), self.token.beyond)
    }

    /// Whether `more` paid bytes of `holder` are within the limits. `beyond` of those that the token's
    /// holder has are not counted.
    pub(super) fn judge(
        &self,
        holder: &Holder,
        more: usize,
        class: Class,
        beyond: usize,
    ) -> Verdict {
        let limits = &self.limits;
        // How much of the reserve the class may use, of its address and of all.
        let (of_address, of_all) = match class {
            Class::Whole => (limits.reserve / 2, limits.reserve),
            Class::Slight => {
                let three_quarters = limits.reserve.saturating_sub(limits.reserve / 4);
                (three_quarters / 2, three_quarters)
            }
            Class::Small => (limits.reserve / 4, limits.reserve / 2),
            Class::Large => (0, 0),
        };
        let address = limits.address.saturating_add(of_address);
        let total = limits
            .paid
            .saturating_sub(limits.reserve)
            .saturating_add(of_all);
        let with_token = |token: &Arc<Holder>| token.address.number == holder.address.number;
        let beyond_here = if self.token.holder.as_ref().is_some_and(with_token) {
            beyond
        } else {
            0
        };
        let sum = |held: usize, beyond: usize| held.saturating_sub(beyond).saturating_add(more);
        if class == Class::Large && sum(holder.paid.get(), 0) > limits.connection {
            Verdict::AboveShare
        } else if sum(holder.address.paid.get(), beyond_here) > address {
            Verdict::AddressFull
        } else if sum(self.paid, beyond) > total {
            Verdict::Full
        } else {
            Verdict::Fits
        }
    }

    /// How much of `most` bytes of a request that arrives, and lacks so much, could be taken now, without
    /// waiting or passing others.
    pub(in crate::wire::memory) fn room(
        &self,
        holder: &Holder,
        most: usize,
        lacks: usize,
    ) -> usize {
        let free = self.free_room(holder);
        let need = Need {
            bytes: most,
            lacks,
            is_arriving: true,
            is_oldest: false,
        };
        if most <= free || self.may_take(holder, need) {
            most
        } else {
            free
        }
    }

    pub(super) fn may_take(&self, holder: &Holder, need: Need) -> bool {
        let line = self.lines.of(self.class(holder, need));
        line.waiting.is_empty() && self.verdict(holder, need) == Verdict::Fits
    }

    /// Whether less than half of everything that counts for `holder` is used and nobody waits.
    pub(in crate::wire::memory) fn is_plenty(&self, holder: &Holder) -> bool {
        self.waiting.is_empty()
            && self.paid <= self.limits.paid / 2
            && self.free <= self.limits.free / 2
            && holder.address.paid.get() <= self.limits.address / 2
    }
}
