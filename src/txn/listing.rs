//! The list of transactional ids, for administrators.
//!
//! A request for a list has a few bytes, and the answer stays in memory until the client has read it. So answers
//! share one [`Listing`]: it is created on request, does not change, and is used again until a transaction changes.
//! Only answers keep it alive: the registry has a weak reference. The first answer is charged for its memory.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::{Arc, Weak};

use super::registry::Registry;
use super::state::StateName;
use crate::base::{ProducerId, SharedCost, Timestamp};

/// The cost of a transactional id besides its bytes. The listing may be its last owner.
const TEXT: usize = 32;

/// Which transactional ids to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFilter {
    states: Option<Vec<StateName>>,
    producers: Option<HashSet<ProducerId>>,
    min_duration_ms: Option<i64>,
}

impl ListFilter {
    /// A filter for states by their names, for producer ids, and for transactions that began longer ago than this.
    /// No states, no producers and a negative duration select everything. Unknown states select nothing.
    pub fn new<'a>(
        states: impl IntoIterator<Item = &'a str>,
        producers: impl IntoIterator<Item = ProducerId>,
        min_duration_ms: i64,
    ) -> Self {
        let mut names = states.into_iter().peekable();
        let has_names = names.peek().is_some();
        let mut is_named = [false; StateName::ALL.len()];
        for state in names.filter_map(StateName::from_name) {
            is_named[usize::from(state.number().unsigned_abs())] = true;
        }
        let states = StateName::ALL.into_iter().zip(is_named);
        let states = states
            .filter(|(_, is_named)| *is_named)
            .map(|(state, _)| state);
        let producers: HashSet<_> = producers.into_iter().collect();
        Self {
            states: has_names.then(|| states.collect()),
            producers: Some(producers).filter(|producers| !producers.is_empty()),
            min_duration_ms: (min_duration_ms >= 0).then_some(min_duration_ms),
        }
    }

    /// Whether the transactional id is to be listed.
    pub fn lets(&self, listed: &ListedTransaction, now: Timestamp) -> bool {
        let duration = now.millis_since(listed.started);
        let states = self.states.as_ref();
        let producers = self.producers.as_ref();
        states.is_none_or(|states| states.contains(&listed.state))
            && producers.is_none_or(|producers| producers.contains(&listed.producer))
            && self.min_duration_ms.is_none_or(|min| duration > min)
    }
}

/// A transactional id in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTransaction {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The producer.
    pub producer: ProducerId,
    /// Its state.
    pub state: StateName,
    /// The start of the last transaction; [`Timestamp::NONE`] if there was none.
    pub started: Timestamp,
}

/// The transactional ids of a partition at one moment.
#[derive(Debug)]
pub struct Listing {
    /// In the order of their ids.
    pub transactions: Box<[ListedTransaction]>,
    /// The memory of the listing.
    pub cost: Arc<SharedCost>,
}

impl Listing {
    /// These transactional ids; the memory is not charged to an answer yet.
    pub fn new(transactions: Box<[ListedTransaction]>) -> Self {
        let texts = transactions
            .iter()
            .map(|listed| listed.transactional_id.len() + TEXT);
        let bytes = texts.sum::<usize>() + size_of_val(&*transactions);
        Self {
            transactions,
            cost: Arc::new(SharedCost::new(bytes)),
        }
    }
}

/// A weak reference to the last listing, and the number of changes at that time.
#[derive(Debug, Default)]
pub(super) struct LastListing(RefCell<(u64, Weak<Listing>)>);

impl Registry {
    /// All transactional ids. Returns the same listing as before if it is still in use and nothing has changed.
    pub fn listing(&self) -> Arc<Listing> {
        let changes = self.transactions.changes();
        let mut last = self.last_listing.0.borrow_mut();
        let (made_at, listing) = &*last;
        if *made_at == changes
            && let Some(listing) = listing.upgrade()
        {
            return listing;
        }
        let listed = self.transactions.iter().map(|(id, transaction)| {
            let value = &transaction.value;
            ListedTransaction {
                transactional_id: Arc::clone(id),
                producer: value.ids.producer,
                state: value.state,
                started: value.started,
            }
        });
        let made = Arc::new(Listing::new(listed.collect()));
        *last = (changes, Arc::downgrade(&made));
        made
    }
}
