//! APIs about transactions.

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, DescribeTransactionsRequest,
    EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest,
};

use super::{Guarded, Probe, Seen, group, topic, transactional_id};

pub(super) const PROBES: &[(ApiKey, &[Option<Probe>])] = &[
    (
        ApiKey::InitProducerId,
        &[
            Some(|on| init_producer_id(on, Some("id"))),
            Some(|on| init_producer_id(on, None)),
            Some(|on| init_producer_id(on, None)),
        ],
    ),
    (
        ApiKey::AddPartitionsToTxn,
        &[
            Some(|on| Seen::code(add_as_client(on, "nobody"))),
            Some(|on| Seen::code(add_as_client(on, "nobody"))),
            Some(|on| {
                let transaction = AddPartitionsToTxnTransaction::default()
                    .with_transactional_id(transactional_id("nobody"))
                    .with_verify_only(true)
                    .with_topics(vec![first_of_t()]);
                let request =
                    AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
                Seen::code(on.ask(5, &request).error_code)
            }),
        ],
    ),
    (
        ApiKey::AddOffsetsToTxn,
        &[Some(add_offsets), Some(add_offsets)],
    ),
    (
        ApiKey::EndTxn,
        &[Some(|on| {
            let request =
                EndTxnRequest::default().with_transactional_id(transactional_id("nobody"));
            Seen::code(on.ask(5, &request).error_code)
        })],
    ),
    (
        ApiKey::DescribeTransactions,
        &[
            Some(|on| Seen::code(describe(on).0)),
            Some(|on| Seen::Count(describe(on).1)),
        ],
    ),
    (
        ApiKey::ListTransactions,
        &[Some(|on| {
            let request = ListTransactionsRequest::default();
            Seen::Count(on.ask(2, &request).transaction_states.len())
        })],
    ),
];

/// Begins a transaction of the transactional id `open` in the first partition of `t`.
pub(super) fn begin(on: &Guarded) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional_id("open")))
        .with_transaction_timeout_ms(600_000);
    let given = on.ask(4, &request);
    assert_eq!(given.error_code, 0);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id("open"))
        .with_v3_and_below_producer_id(given.producer_id)
        .with_v3_and_below_producer_epoch(given.producer_epoch)
        .with_v3_and_below_topics(vec![first_of_t()]);
    assert_eq!(add(on, &request), 0);
}

fn first_of_t() -> AddPartitionsToTxnTopic {
    AddPartitionsToTxnTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![0])
}

/// The code for the partition.
fn add(on: &Guarded, request: &AddPartitionsToTxnRequest) -> i16 {
    let answer = on.ask(3, request);
    answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
}

fn add_as_client(on: &Guarded, id: &'static str) -> i16 {
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id(id))
        .with_v3_and_below_topics(vec![first_of_t()]);
    add(on, &request)
}

fn add_offsets(on: &Guarded) -> Seen {
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional_id("nobody"))
        .with_group_id(group("g"));
    Seen::code(on.ask(4, &request).error_code)
}

/// The code, and how many topics are told.
fn describe(on: &Guarded) -> (i16, usize) {
    let ids = vec![transactional_id("open")];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let state = on.ask(0, &request).transaction_states.remove(0);
    (state.error_code, state.topics.len())
}

fn init_producer_id(on: &Guarded, id: Option<&str>) -> Seen {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(id.map(transactional_id))
        .with_transaction_timeout_ms(10_000);
    Seen::code(on.ask(4, &request).error_code)
}
