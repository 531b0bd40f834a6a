//! Computes what fits: how much more a holder may have while all others keep their memory.

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
    /// It exceeds the connection's share, so only the token helps.
    AboveShare,
}

impl Ledger {
    /// How many more bytes `holder` may have in its free part.
    fn free_room(&self, holder: &Holder) -> usize {
        self.limits
            .allowance(self.free)
            .saturating_sub(holder.free.get())
    }

    /// How many of `bytes` go to the paid part.
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

    /// Whether the claim of `holder` can be charged now.
    pub(super) fn verdict(&self, holder: &Holder, need: Need) -> Verdict {
        let paid = self.to_pay(holder, need.bytes);
        if paid == 0 {
            return Verdict::Fits;
        }
        self.judge(holder, paid, self.class(holder, need), self.token.beyond)
    }

    /// Whether `more` paid bytes of `holder` are within the limits. `beyond`: bytes of the token's holder that are
    /// not counted.
    pub(super) fn judge(
        &self,
        holder: &Holder,
        more: usize,
        class: Class,
        beyond: usize,
    ) -> Verdict {
        let limits = &self.limits;
        // How much of the reserve the class may use, for its address and in total.
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

    /// How many of `most` bytes could be charged now, without waiting or passing others, for a request that is
    /// arriving and lacks this many.
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

    /// Whether less than half of every limit that applies to `holder` is used and nobody waits.
    pub(in crate::wire::memory) fn is_plenty(&self, holder: &Holder) -> bool {
        self.waiting.is_empty()
            && self.paid <= self.limits.paid / 2
            && self.free <= self.limits.free / 2
            && holder.address.paid.get() <= self.limits.address / 2
    }
}
