//! The ledger of [`super`]: who holds how much, and who waits.

mod fit;
mod lines;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::task::Waker;

use super::holder::{Address, Count, Holder, Line};
use super::limits::Limits;
use super::{ALLOWANCE, Need};
use fit::Verdict;
use lines::{Class, Lines};

/// The result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// Granted without waiting.
    AtOnce,
    /// Granted after a wait, or to the holder of the token.
    InLine,
    Waits,
}

#[derive(Debug)]
struct Waiting {
    need: Need,
    ticket: u64,
    waker: Waker,
    granted: bool,
}

/// The right to exceed the limits.
#[derive(Debug, Default)]
struct Token {
    holder: Option<Arc<Holder>>,
    /// Whether the holder still claims for the request for which it got the token.
    claiming: bool,
    /// The holder's bytes above the limits.
    beyond: usize,
}

impl Token {
    fn is_of(&self, holder: &Holder) -> bool {
        self.holder
            .as_ref()
            .is_some_and(|own| own.number == holder.number)
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    limits: Limits,
    free: usize,
    paid: usize,
    token: Token,
    lines: Lines,
    /// The claims that wait for the token.
    for_token: Line,
    /// Claims that wait, or were granted and not taken yet, by the holder's number.
    waiting: HashMap<u64, Waiting>,
    /// Wakers for holders that wait until they hold no more than a number of bytes, by the holder's number.
    watching: HashMap<u64, (usize, Waker)>,
    addresses: HashMap<IpAddr, Weak<Address>>,
    /// When `addresses` has grown to this size, unused ones are removed.
    sweep_at: usize,
    /// The last number of a holder, an address or a ticket.
    numbers: u64,
    woken: Vec<Waker>,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            free: 0,
            paid: 0,
            token: Token::default(),
            lines: Lines::default(),
            for_token: Line::default(),
            waiting: HashMap::new(),
            watching: HashMap::new(),
            addresses: HashMap::new(),
            sweep_at: 64,
            numbers: 0,
            woken: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, ip: IpAddr) -> Arc<Holder> {
        if self.addresses.len() >= self.sweep_at {
            self.addresses
                .retain(|_, address| address.strong_count() > 0);
            self.sweep_at = self.addresses.len().saturating_mul(2).max(64);
        }
        let known = self.addresses.get(&ip).and_then(Weak::upgrade);
        let address = known.unwrap_or_else(|| {
            let address = Arc::new(Address {
                number: self.number(),
                paid: Count::default(),
            });
            self.addresses.insert(ip, Arc::downgrade(&address));
            address
        });
        Arc::new(Holder {
            number: self.number(),
            address,
            free: Count::default(),
            paid: Count::default(),
        })
    }

    const fn number(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_add(1);
        self.numbers
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.free.saturating_add(self.paid)
    }

    /// The bytes of the token's holder.
    #[cfg(test)]
    pub(super) fn token_holds(&self) -> usize {
        self.token.holder.as_ref().map_or(0, |holder| holder.held())
    }

    /// Whether nothing is held and nobody waits.
    #[cfg(test)]
    pub(super) fn is_unused(&self) -> bool {
        self.free == 0
            && self.paid == 0
            && self.token.holder.is_none()
            && self.token.beyond == 0
            && self.waiting.is_empty()
            && self.for_token.waiting.is_empty()
            && self.lines.all().all(|line| line.waiting.is_empty())
    }

    /// The wakers to wake after the lock is released.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    // Bookings.

    /// Charges `bytes` to `holder` whether or not they fit.
    pub(super) fn book(&mut self, holder: &Holder, bytes: usize) {
        let paid = self.to_pay(holder, bytes);
        let free = bytes.saturating_sub(paid);
        holder.free.add(free);
        holder.paid.add(paid);
        holder.address.paid.add(paid);
        self.free = self.free.saturating_add(free);
        self.paid = self.paid.saturating_add(paid);
    }

    /// As [`Self::book`], for a holder that may be waiting for more, and may now belong in another queue.
    pub(super) fn force(&mut self, holder: &Arc<Holder>, bytes: usize) {
        self.book(holder, bytes);
        if !self.waiting.is_empty() {
            self.line_up(holder);
        }
    }

    /// `holder` gives `bytes` back: paid ones first.
    pub(super) fn release(&mut self, holder: &Arc<Holder>, bytes: usize) {
        let paid = bytes.min(holder.paid.get());
        let free = bytes.saturating_sub(paid);
        holder.free.subtract(free);
        holder.paid.subtract(paid);
        holder.address.paid.subtract(paid);
        self.free = self.free.saturating_sub(free);
        self.paid = self.paid.saturating_sub(paid);
        self.settle_token();
        if let Some((most, _)) = self.watching.get(&holder.number)
            && self.outstanding(holder) <= *most
            && let Some((_, waker)) = self.watching.remove(&holder.number)
        {
            self.woken.push(waker);
        }
        if !self.waiting.is_empty() {
            self.line_up(holder);
            self.serve();
        }
    }

    // Claims.

    /// Charges the claim of `holder`, or lets it wait and wakes `waker` when it is granted.
    pub(super) fn claim(&mut self, holder: &Arc<Holder>, need: Need, waker: &Waker) -> Claimed {
        match self.waiting.get_mut(&holder.number) {
            Some(waiting) if waiting.need.bytes == need.bytes => {
                waiting.waker.clone_from(waker);
                if std::mem::replace(&mut waiting.need, need) != need {
                    self.line_up(holder);
                    self.serve();
                }
                return self.take_granted(holder);
            }
            Some(_) => self.cancel(holder),
            None => {}
        }
        if self.token.claiming && self.token.is_of(holder) {
            self.go_beyond(holder, need);
            return Claimed::InLine;
        }
        if self.to_pay(holder, need.bytes) == 0 || self.may_take(holder, need) {
            self.book(holder, need.bytes);
            return Claimed::AtOnce;
        }
        let waiting = Waiting {
            need,
            ticket: self.number(),
            waker: waker.clone(),
            granted: false,
        };
        self.waiting.insert(holder.number, waiting);
        self.line_up(holder);
        self.serve();
        self.take_granted(holder)
    }

    fn take_granted(&mut self, holder: &Holder) -> Claimed {
        let granted = |waiting: &Waiting| waiting.granted;
        if self.waiting.get(&holder.number).is_some_and(granted) {
            self.waiting.remove(&holder.number);
            return Claimed::InLine;
        }
        Claimed::Waits
    }

    /// Charges the claim of the token's holder, and records the bytes that the limits would have refused.
    fn go_beyond(&mut self, holder: &Holder, need: Need) {
        if self.verdict(holder, need) != Verdict::Fits {
            let paid = self.to_pay(holder, need.bytes);
            self.token.beyond = self.token.beyond.saturating_add(paid);
        }
        self.book(holder, need.bytes);
    }

    /// Puts a waiting claim into its present queue.
    fn line_up(&mut self, holder: &Arc<Holder>) {
        let Some(waiting) = self.waiting.get(&holder.number) else {
            return;
        };
        let (need, granted) = (waiting.need, waiting.granted);
        let place = (holder.address.number, waiting.ticket);
        self.leave_lines(place);
        if granted {
            return;
        }
        if need.is_oldest {
            self.for_token.waiting.insert(place, Arc::clone(holder));
        }
        if self.verdict(holder, need) != Verdict::AboveShare {
            let class = self.class(holder, need);
            let line = self.lines.of_mut(class);
            line.waiting.insert(place, Arc::clone(holder));
        }
    }

    fn leave_lines(&mut self, place: (u64, u64)) {
        self.lines.leave(place);
        self.for_token.waiting.remove(&place);
    }

    /// Grants the claims that fit, in turn.
    fn serve(&mut self) {
        for class in lines::IN_TURN {
            while let Some(holder) = self.next_that_fits(class) {
                self.lines.of_mut(class).served = holder.address.number;
                self.grant(&holder, |ledger, need| ledger.book(&holder, need.bytes));
            }
        }
        if self.token.holder.is_none()
            && let Some(holder) = self.for_token.next(self.for_token.served).cloned()
        {
            self.for_token.served = holder.address.number;
            self.token.holder = Some(Arc::clone(&holder));
            self.token.claiming = true;
            self.grant(&holder, |ledger, need| ledger.go_beyond(&holder, need));
        }
    }

    /// The next claim of a queue, without addresses that have used up their share.
    fn next_that_fits(&self, class: Class) -> Option<Arc<Holder>> {
        let line = self.lines.of(class);
        let first = line.next(line.served)?;
        let mut holder = first;
        loop {
            let need = self.waiting.get(&holder.number)?.need;
            match self.verdict(holder, need) {
                Verdict::Fits => return Some(Arc::clone(holder)),
                Verdict::Full => return None,
                Verdict::AddressFull | Verdict::AboveShare => {}
            }
            holder = line.next(holder.address.number)?;
            if holder.number == first.number {
                return None;
            }
        }
    }

    fn grant(&mut self, holder: &Arc<Holder>, book: impl FnOnce(&mut Self, Need)) {
        let Some(waiting) = self.waiting.get_mut(&holder.number) else {
            return;
        };
        waiting.granted = true;
        self.woken.push(waiting.waker.clone());
        let (need, place) = (waiting.need, (holder.address.number, waiting.ticket));
        self.leave_lines(place);
        book(self, need);
    }

    /// Ends a claim of `holder` that waits, or that was granted and not taken.
    fn cancel(&mut self, holder: &Arc<Holder>) {
        let Some(waiting) = self.waiting.remove(&holder.number) else {
            return;
        };
        self.leave_lines((holder.address.number, waiting.ticket));
        if waiting.granted {
            self.release(holder, waiting.need.bytes);
        } else {
            self.serve();
        }
    }

    /// `holder` stops claiming for its request.
    pub(super) fn end_claim(&mut self, holder: &Arc<Holder>) {
        self.cancel(holder);
        if self.token.claiming && self.token.is_of(holder) {
            self.token.claiming = false;
            self.settle_token();
            self.serve();
        }
    }

    /// `holder` will make no more claims and no more waits.
    pub(super) fn close(&mut self, holder: &Arc<Holder>) {
        self.watching.remove(&holder.number);
        self.end_claim(holder);
    }

    /// Takes the token back when nothing exceeds the limits any more, or when the holder has so little that its
    /// request may wait as long as it likes.
    fn settle_token(&mut self) {
        let Some(holder) = &self.token.holder else {
            return;
        };
        let class = self.class(holder, Need::default());
        self.token.beyond = match self.judge(holder, 0, class, 0) {
            Verdict::Fits => 0,
            // The free part of each connection may be larger in better times; that is not waited for.
            _ if !self.token.claiming && holder.held() <= ALLOWANCE => 0,
            _ => self.token.beyond.min(holder.paid.get()),
        };
        if self.token.beyond == 0 && !self.token.claiming {
            self.token.holder = None;
        }
    }

    // Questions about the ledger.

    /// Whether `holder` holds no more than `bytes`; if not, `waker` is woken when it does.
    pub(super) fn is_below(&mut self, holder: &Holder, bytes: usize, waker: &Waker) -> bool {
        if self.outstanding(holder) <= bytes {
            self.watching.remove(&holder.number);
            return true;
        }
        self.watching.insert(holder.number, (bytes, waker.clone()));
        false
    }

    /// The bytes of `holder`, without granted claims that it has not taken.
    fn outstanding(&self, holder: &Holder) -> usize {
        let granted = match self.waiting.get(&holder.number) {
            Some(waiting) if waiting.granted => waiting.need.bytes,
            _ => 0,
        };
        holder.held().saturating_sub(granted)
    }

    pub(super) fn is_waiting(&self, holder: &Holder) -> bool {
        let waits = |waiting: &Waiting| !waiting.granted;
        self.waiting.get(&holder.number).is_some_and(waits)
    }

    /// Whether somebody waits who could go on if `holder` gave back its memory.
    pub(super) fn is_wanted(&self, holder: &Holder) -> bool {
        if self.token.is_of(holder) {
            return !self.for_token.waiting.is_empty();
        }
        let helped = |waiting: &Arc<Holder>| {
            waiting.address.number == holder.address.number || {
                let claim = self.waiting.get(&waiting.number);
                claim.is_some_and(|claim| self.verdict(waiting, claim.need) == Verdict::Full)
            }
        };
        self.lines
            .all()
            .any(|line| line.waiting.values().any(helped))
    }
}
