//! The books of [`super`]: who holds how much, and who waits.

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

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// Granted without waiting.
    AtOnce,
    /// Granted to one who waited, or who holds the token.
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

/// The right to go beyond the limits.
#[derive(Debug, Default)]
struct Token {
    holder: Option<Arc<Holder>>,
    /// Whether the holder still claims for the request that it took the token for.
    claiming: bool,
    /// What the holder has that the limits would not have let it have.
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
    /// Those who wait for the token.
    for_token: Line,
    /// Claims that wait or have been granted and not been taken, by the holder's number.
    waiting: HashMap<u64, Waiting>,
    /// Who wants to know when it holds no more than so much, by the holder's number.
    watching: HashMap<u64, (usize, Waker)>,
    addresses: HashMap<IpAddr, Weak<Address>>,
    /// When `addresses` has grown to this, those that are gone are removed.
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

    /// What the token's holder holds.
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

    /// Those to wake once the lock has been given back.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    // Bookings.

    /// Books `bytes` to `holder` whether or not they fit.
    pub(super) fn book(&mut self, holder: &Holder, bytes: usize) {
        let paid = self.to_pay(holder, bytes);
        let free = bytes.saturating_sub(paid);
        holder.free.add(free);
        holder.paid.add(paid);
        holder.address.paid.add(paid);
        self.free = self.free.saturating_add(free);
        self.paid = self.paid.saturating_add(paid);
    }

    /// As [`Self::book`], for one who may be waiting for more, and may now have to wait elsewhere.
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

    /// Books what `holder` needs, or has it wait and wakes `waker` when that is there.
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

    /// Books what the token's holder claims, and notes what the limits would have refused.
    fn go_beyond(&mut self, holder: &Holder, need: Need) {
        if self.verdict(holder, need) != Verdict::Fits {
            let paid = self.to_pay(holder, need.bytes);
            self.token.beyond = self.token.beyond.saturating_add(paid);
        }
        self.book(holder, need.bytes);
    }

    /// Puts a claim that waits into the lines where it belongs now.
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

    /// Grants what can be granted, in turn.
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

    /// Whose turn it is in a line, leaving out addresses that are full.
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

    /// Ends a claim of `holder` that waits, or was granted and not taken.
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

    /// `holder` ceases to claim for the request that it claimed for.
    pub(super) fn end_claim(&mut self, holder: &Arc<Holder>) {
        self.cancel(holder);
        if self.token.claiming && self.token.is_of(holder) {
            self.token.claiming = false;
            self.settle_token();
            self.serve();
        }
    }

    /// `holder` will neither claim nor watch any more.
    pub(super) fn close(&mut self, holder: &Arc<Holder>) {
        self.watching.remove(&holder.number);
        self.end_claim(holder);
    }

    /// Takes the token back when nothing goes beyond the limits any more, or so little that its request may wait for
    /// as long as it likes.
    fn settle_token(&mut self) {
        let Some(holder) = &self.token.holder else {
            return;
        };
        let class = self.class(holder, Need::default());
        self.token.beyond = match self.judge(holder, 0, class, 0) {
            Verdict::Fits => 0,
            // What each connection could have for free in better times is not worth waiting for.
            _ if !self.token.claiming && holder.held() <= ALLOWANCE => 0,
            _ => self.token.beyond.min(holder.paid.get()),
        };
        if self.token.beyond == 0 && !self.token.claiming {
            self.token.holder = None;
        }
    }

    // What others want to know.

    /// Whether `holder` holds no more than `bytes`; if not, `waker` is woken when it does.
    pub(super) fn is_below(&mut self, holder: &Holder, bytes: usize, waker: &Waker) -> bool {
        if self.outstanding(holder) <= bytes {
            self.watching.remove(&holder.number);
            return true;
        }
        self.watching.insert(holder.number, (bytes, waker.clone()));
        false
    }

    /// What `holder` holds apart from what it was granted and has not taken.
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

    /// Whether anybody waits whom it would help if `holder` gave back what it holds.
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
