//! DescribeTransactions: transactional ids in detail, with the partitions of their transactions.
//!
//! Each id in the request has a row in the answer. An id that is named several times is looked up once, and its rows
//! are produced from one description when the socket takes them. A description shares the partitions with the
//! coordinator; the answer is charged for them, since the transaction may go on without them.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::base::{ErrorCode, SharedCost};
use crate::coordinator::TransactionError;
use crate::security::{Operation, Resource};
use crate::txn::{Description, Partitions, Registry};
use crate::wire::Reply;

use super::authorize::Rights;
use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::{domain_text, wire_text};
use super::topic_ids::wire_name;

pub(super) struct DescribeTransactions;

impl Handler for DescribeTransactions {
    type Request = DescribeTransactionsRequest;

    async fn handle(call: Call, request: DescribeTransactionsRequest) -> Reply {
        let (ids, order) = distinct(&request.transactional_ids);
        drop(request);
        let rights = call.rights();
        let permit =
            |id: &Arc<str>| rights.permit(Operation::Describe, Resource::transactional_id(id));
        let permits: Vec<_> = ids.iter().map(permit).collect();
        let permitted = ids.iter().zip(&permits);
        let permitted = permitted.filter(|(_, permit)| permit.is_ok());
        let asked: Arc<[_]> = permitted.map(|(id, _)| Arc::clone(id)).collect();
        let names = Arc::clone(&asked);
        let look = move |registry: &Registry, place: usize| registry.describe(&names[place]);
        let found = call
            .broker
            .transactions
            .hosts()
            .read_all(&asked, look)
            .await;
        let mut found = found.into_iter().map(|found| {
            let found = found.map_err(TransactionError::from);
            let found = found.and_then(|found| Ok(found?));
            found.map_err(|error| errors::of_transaction(error, true))
        });
        let rows = ids.into_iter().zip(permits).map(|(id, permit)| {
            let absent = Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
            (id, permit.and_then(|()| found.next().unwrap_or(absent)))
        });
        let answer = Arc::new(Answer {
            rows: rows.collect(),
            rights,
        });
        let cost = Arc::new(SharedCost::new(answer.weight()));
        let count = order.len();
        let rows = (0..count).map(move |row| Chunk::row(answer.row(order[row])));
        let mut reply = streamed::rows(&call, response, count, rows).await;
        streamed::pay(&mut reply, [cost]);
        reply
    }
}

fn response(states: Vec<TransactionState>) -> DescribeTransactionsResponse {
    DescribeTransactionsResponse::default().with_transaction_states(states)
}

/// Each id once, and for each row of the answer the index of its id.
fn distinct(ids: &[TransactionalId]) -> (Vec<Arc<str>>, Arc<[u32]>) {
    let mut places = HashMap::new();
    let mut names: Vec<Arc<str>> = Vec::new();
    let order = ids.iter().map(|id| {
        *places.entry(&**id).or_insert_with(|| {
            names.push(domain_text(id));
            // The number is limited by the route's number of fields.
            u32::try_from(names.len() - 1).unwrap_or(u32::MAX)
        })
    });
    let order = order.collect();
    (names, order)
}

/// The data for the rows of the answer.
struct Answer {
    rows: Vec<(Arc<str>, Result<Description, ErrorCode>)>,
    rights: Rights,
}

impl Answer {
    /// The approximate memory of the partitions.
    fn weight(&self) -> usize {
        let found = self
            .rows
            .iter()
            .filter_map(|(_, found)| found.as_ref().ok());
        found.map(|found| found.partitions.held_bytes()).sum()
    }

    fn row(&self, place: u32) -> TransactionState {
        let (id, found) = &self.rows[place as usize];
        let state =
            TransactionState::default().with_transactional_id(TransactionalId(wire_text(id)));
        match found {
            Err(code) => state.with_error_code(code.0),
            Ok(found) => state
                .with_transaction_state(StrBytes::from_static_str(found.state.as_str()))
                .with_transaction_timeout_ms(found.timeout_ms)
                .with_transaction_start_time_ms(found.started.0)
                .with_producer_id(ProducerId(found.ids.producer.0))
                .with_producer_epoch(found.ids.epoch.0)
                .with_topics(self.topics(&found.partitions)),
        }
    }

    /// The topics that the client may see.
    fn topics(&self, partitions: &Partitions) -> Vec<TopicData> {
        let may_see = |topic: &str| {
            let topic = Resource::topic(topic);
            self.rights.may(Operation::Describe, topic)
        };
        let topics = partitions.topics();
        let topics = topics.filter(|(topic, _)| may_see(topic));
        let row = |(topic, numbers): (&Arc<str>, &[i32])| {
            TopicData::default()
                .with_topic(wire_name(topic))
                .with_partitions(numbers.to_vec())
        };
        topics.map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{self, ProducerEpoch, Timestamp};
    use crate::handlers::streamed::received;
    use crate::txn::{ProducerIdAndEpoch, StateName};

    #[test]
    fn an_id_that_is_named_twice_has_two_rows_of_one_description() {
        let ids = ["a", "b", "a"].map(|id| TransactionalId(wire_text(id)));
        let (names, order) = distinct(&ids);
        assert_eq!((names.len(), &*order), (2, &[0, 1, 0][..]));
        let found = Description {
            state: StateName::Ongoing,
            ids: ProducerIdAndEpoch::new(base::ProducerId(7), ProducerEpoch(2)),
            timeout_ms: 60_000,
            started: Timestamp(5),
            partitions: [("t", vec![0, 3]), ("u", vec![1])]
                .map(|(topic, numbers)| (topic.into(), numbers))
                .into_iter()
                .collect(),
        };
        let not_found = ErrorCode::TRANSACTIONAL_ID_NOT_FOUND;
        let rows = names.into_iter().zip([Ok(found), Err(not_found)]);
        let answer = Answer {
            rows: rows.collect(),
            rights: Rights::all(),
        };
        let rows = order.iter().map(|place| Chunk::row(answer.row(*place)));
        let told = received(0, response, 3, rows).transaction_states;
        let topics = told[2].topics.iter();
        let topics: Vec<_> = topics.map(|row| (&**row.topic, &*row.partitions)).collect();
        assert_eq!(topics, [("t", &[0, 3][..]), ("u", &[1][..])]);
        assert_eq!(
            (&told[0], &*told[2].transaction_state),
            (&told[2], "Ongoing")
        );
        assert_eq!(told[0].transaction_start_time_ms, 5);
        assert_eq!((told[1].error_code, told[1].topics.len()), (not_found.0, 0));
    }
}
