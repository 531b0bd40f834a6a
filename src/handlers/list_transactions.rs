//! ListTransactions: the transactional ids that this broker coordinates.
//!
//! Answers share the coordinators' lists ([`Listing`]) until a transaction changes. An answer has one reference to
//! each list and the numbers of its rows: a pattern is matched once for each transactional id.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::pattern::Pattern;
use crate::base::{self, ErrorCode, SharedCost};
use crate::coordinator::CoordinatorError;
use crate::security::{Operation, Resource};
use crate::txn::{ListFilter, ListedTransaction, Listing, Registry, StateName};
use crate::wire::Reply;

use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk, Pace};
use super::text::{owned, wire_text};

pub(super) struct ListTransactions;

impl Handler for ListTransactions {
    type Request = ListTransactionsRequest;

    async fn handle(call: Call, request: ListTransactionsRequest) -> Reply {
        let refuse = |code: ErrorCode| {
            call.reply(&ListTransactionsResponse::default().with_error_code(code.0))
        };
        let pattern = request.transactional_id_pattern.as_deref();
        let pattern = pattern.filter(|text| !text.is_empty());
        let Ok(pattern) = pattern.map(Pattern::new).transpose() else {
            return refuse(ErrorCode::INVALID_REGULAR_EXPRESSION);
        };
        let filter = filter(&request);
        let unknown = unknown(&request.state_filters);
        drop(request);
        let lists = call
            .broker
            .transactions
            .hosts()
            .read_each(Registry::listing)
            .await;
        let lists = match complete(lists) {
            Ok(lists) => lists,
            Err(code) => return refuse(code),
        };
        let (rights, now) = (call.rights(), call.broker.clock.now());
        let lets = |listed: &ListedTransaction| {
            let id = &listed.transactional_id;
            filter.lets(listed, now)
                && pattern.as_ref().is_none_or(|pattern| pattern.matches(id))
                && rights.may(Operation::Describe, Resource::transactional_id(id))
        };
        let rows = select(&lists, lets).await;
        let mut costs: Vec<_> = lists.iter().map(|list| Arc::clone(&list.cost)).collect();
        costs.push(Arc::new(SharedCost::new(size_of_val(&*rows))));
        let response = move |states| response(&unknown, states);
        let count = rows.len();
        let rows = (0..count).map(move |row| {
            let (list, place) = rows[row];
            Chunk::row(state(&lists[list as usize].transactions[place as usize]))
        });
        let mut reply = streamed::rows(&call, response, count, rows).await;
        streamed::pay(&mut reply, costs);
        reply
    }
}

fn response(unknown: &[StrBytes], states: Vec<TransactionState>) -> ListTransactionsResponse {
    ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown.to_vec())
        .with_transaction_states(states)
}

fn filter(request: &ListTransactionsRequest) -> ListFilter {
    let states = request.state_filters.iter().map(|name| &**name);
    let producers = request.producer_id_filters.iter();
    let producers = producers.map(|id| base::ProducerId(id.0));
    ListFilter::new(states, producers, request.duration_filter)
}

/// The names that are no state, each once.
fn unknown(states: &[StrBytes]) -> Vec<StrBytes> {
    let mut seen = HashSet::new();
    let unknown = states
        .iter()
        .filter(|state| StateName::from_name(state).is_none() && seen.insert(state.as_str()));
    unknown.map(owned).collect()
}

/// A partition that has moved elsewhere has no transactional ids here. Any other failure makes the list incomplete, and
/// the client must not take it for complete.
fn complete(
    lists: Vec<Result<Arc<Listing>, CoordinatorError>>,
) -> Result<Vec<Arc<Listing>>, ErrorCode> {
    let is_here = |list: &Result<_, _>| !matches!(list, Err(CoordinatorError::NotCoordinator));
    let lists = lists.into_iter().filter(is_here);
    lists
        .collect::<Result<_, _>>()
        .map_err(errors::of_coordinator)
}

/// The rows of the answer: the number of a list, and a place in it.
async fn select(
    lists: &[Arc<Listing>],
    lets: impl Fn(&ListedTransaction) -> bool,
) -> Arc<[(u32, u32)]> {
    let mut rows = Vec::new();
    let mut pace = Pace::default();
    for (list, listing) in (0..).zip(lists) {
        for (place, listed) in (0..).zip(&listing.transactions) {
            if lets(listed) {
                rows.push((list, place));
            }
            pace.step().await;
        }
    }
    rows.into()
}

fn state(listed: &ListedTransaction) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(TransactionalId(wire_text(&listed.transactional_id)))
        .with_producer_id(ProducerId(listed.producer.0))
        .with_transaction_state(StrBytes::from_static_str(listed.state.as_str()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::over_the_wire;
    use super::super::streamed::received;
    use super::*;
    use crate::base::Timestamp;

    fn listed(id: &str, producer: i64, state: StateName) -> ListedTransaction {
        ListedTransaction {
            transactional_id: id.into(),
            producer: base::ProducerId(producer),
            state,
            started: Timestamp(1000),
        }
    }

    #[test]
    fn states_that_there_are_not_are_told_once() {
        let states = ["Ongoing", "ongoing", "", "Dead", "ongoing"].map(StrBytes::from_static_str);
        let unknown = unknown(&states);
        let unknown: Vec<_> = unknown.iter().map(|state| state.as_str()).collect();
        assert_eq!(unknown, ["ongoing", ""]);
    }

    #[test]
    fn every_version_is_told_the_same_rows() {
        let one = listed("one", 7, StateName::Ongoing);
        for version in 0..=2 {
            let unknown = [StrBytes::from_static_str("what")];
            let rows = [Chunk::row(state(&one))];
            let told = received(
                version,
                |rows| response(&unknown, rows),
                1,
                rows.into_iter(),
            );
            assert_eq!((told.error_code, told.unknown_state_filters.len()), (0, 1));
            let row = &told.transaction_states[0];
            assert_eq!(&**row.transactional_id, "one");
            assert_eq!((row.producer_id.0, &*row.transaction_state), (7, "Ongoing"));
        }
    }

    #[test]
    fn every_version_filters_by_what_it_knows() {
        for version in 0..=2 {
            let mut request = ListTransactionsRequest::default()
                .with_state_filters(vec![StrBytes::from_static_str("Ongoing")])
                .with_producer_id_filters(vec![ProducerId(7), ProducerId(8)]);
            if version >= 1 {
                request = request.with_duration_filter(500);
            }
            let filter = filter(&over_the_wire(&request, version));
            let lets = |listed: &ListedTransaction, now| filter.lets(listed, Timestamp(now));
            assert!(lets(&listed("", 7, StateName::Ongoing), 2000));
            assert!(!lets(&listed("", 9, StateName::Ongoing), 2000));
            assert!(!lets(&listed("", 7, StateName::Empty), 2000));
            assert_eq!(lets(&listed("", 7, StateName::Ongoing), 1500), version == 0);
        }
    }

    #[test]
    fn an_incomplete_list_is_none() {
        let list = || Ok(Arc::new(Listing::new(Box::new([]))));
        let moved = vec![list(), Err(CoordinatorError::NotCoordinator), list()];
        assert_eq!(complete(moved).map(|lists| lists.len()), Ok(2));
        let told = complete(vec![list(), Err(CoordinatorError::Loading)]);
        assert_eq!(told.err(), Some(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    }
}
