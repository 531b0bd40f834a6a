//! Transactions from outside: each API, in both generations of the protocol, and over a restart.

use std::future::ready;
use std::sync::Arc;

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::describe_transactions_response::TransactionState;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, ListTransactionsRequest, ProducerId,
    TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use super::fixture::Serving;
use super::topic_ids::wire_name;
use crate::base::{ErrorCode, TopicPartition};
use crate::controller::names::TRANSACTION_STATE;
use crate::coordinator::{Markers, NotMarked, Writing};
use crate::record::control::TransactionMarker;

/// A producer as its client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ids(i64, i16);

const NEW: Ids = Ids(-1, -1);

fn id(text: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(text.to_owned()))
}

fn init(on: &Serving, version: i16, name: &str, timeout: i32, known: Ids) -> Result<Ids, i16> {
    let mut request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id(name)))
        .with_transaction_timeout_ms(timeout);
    if version >= 3 {
        request = request
            .with_producer_id(ProducerId(known.0))
            .with_producer_epoch(known.1);
    }
    // What is retriable is repeated, as clients do.
    loop {
        let told = on.ask(version, &request);
        match ErrorCode(told.error_code) {
            ErrorCode::NONE => return Ok(Ids(told.producer_id.0, told.producer_epoch)),
            code if code.is_retriable() => {}
            code => return Err(code.0),
        }
    }
}

fn in_t(partitions: &[i32]) -> Vec<AddPartitionsToTxnTopic> {
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(wire_name("t"))
        .with_partitions(partitions.to_vec());
    vec![topic]
}

fn add(on: &Serving, version: i16, name: &str, ids: Ids, partitions: &[i32]) -> Vec<i16> {
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id(name))
        .with_v3_and_below_producer_id(ProducerId(ids.0))
        .with_v3_and_below_producer_epoch(ids.1)
        .with_v3_and_below_topics(in_t(partitions));
    let topics = on.ask(version, &request).results_by_topic_v3_and_below;
    let rows = topics.iter().flat_map(|topic| &topic.results_by_partition);
    rows.map(|row| row.partition_error_code).collect()
}

/// The same as a broker asks it.
fn verify(on: &Serving, name: &str, ids: Ids, partitions: &[i32]) -> Vec<i16> {
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(id(name))
        .with_producer_id(ProducerId(ids.0))
        .with_producer_epoch(ids.1)
        .with_verify_only(true)
        .with_topics(in_t(partitions));
    let request = AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
    let mut results = on.ask(5, &request).results_by_transaction;
    let topics = results.remove(0).topic_results;
    let rows = topics.iter().flat_map(|topic| &topic.results_by_partition);
    rows.map(|row| row.partition_error_code).collect()
}

fn end(on: &Serving, version: i16, name: &str, ids: Ids, commit: bool) -> Result<Ids, i16> {
    let request = EndTxnRequest::default()
        .with_transactional_id(id(name))
        .with_producer_id(ProducerId(ids.0))
        .with_producer_epoch(ids.1)
        .with_committed(commit);
    let told = on.ask(version, &request);
    match told.error_code {
        0 => Ok(Ids(told.producer_id.0, told.producer_epoch)),
        code => Err(code),
    }
}

fn describe(on: &Serving, name: &str) -> TransactionState {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id(name)]);
    loop {
        let state = on.ask(0, &request).transaction_states.remove(0);
        if !ErrorCode(state.error_code).is_retriable() {
            return state;
        }
    }
}

/// Asks until the transactional id has this state.
fn reaches(on: &Serving, name: &str, state: &str) -> TransactionState {
    loop {
        let told = describe(on, name);
        if &*told.transaction_state == state {
            return told;
        }
    }
}

fn listed(on: &Serving, request: &ListTransactionsRequest) -> Vec<String> {
    let told = on.ask(2, request);
    assert_eq!(told.error_code, 0);
    let ids = told.transaction_states.iter();
    ids.map(|row| row.transactional_id.to_string()).collect()
}

#[test]
fn a_transaction_of_an_old_client_keeps_its_epoch() {
    let on = Serving::start(&[]);
    let ids = init(&on, 1, "id", 60_000, NEW).expect("a producer");
    assert_eq!(ids.1, 0);
    assert_eq!(add(&on, 1, "id", ids, &[0]), [0]);
    assert_eq!(verify(&on, "id", ids, &[0]), [0]);
    let state = describe(&on, "id");
    assert_eq!(&*state.transaction_state, "Ongoing");
    assert_eq!((state.producer_id.0, state.producer_epoch), (ids.0, 0));
    assert_eq!(state.transaction_timeout_ms, 60_000);
    assert_eq!(state.topics[0].partitions, [0]);
    assert_eq!(end(&on, 4, "id", ids, true), Ok(NEW));
    let state = reaches(&on, "id", "CompleteCommit");
    assert!(state.topics.is_empty());
    // The next one has the same epoch.
    assert_eq!(add(&on, 3, "id", ids, &[0]), [0]);
    assert_eq!(end(&on, 4, "id", ids, false), Ok(NEW));
    reaches(&on, "id", "CompleteAbort");
}

#[test]
fn a_transaction_of_a_new_client_ends_with_a_new_epoch() {
    let on = Serving::start(&[]);
    let ids = init(&on, 5, "id", 60_000, NEW).expect("a producer");
    assert_eq!(add(&on, 3, "id", ids, &[0]), [0]);
    let next = end(&on, 5, "id", ids, true).expect("an end");
    assert_eq!(next, Ids(ids.0, ids.1 + 1));
    reaches(&on, "id", "CompleteCommit");
    // The old epoch is fenced; old versions have another code for that.
    let (fenced, invalid) = (
        ErrorCode::PRODUCER_FENCED.0,
        ErrorCode::INVALID_PRODUCER_EPOCH.0,
    );
    assert_eq!(add(&on, 1, "id", ids, &[0]), [invalid]);
    assert_eq!(add(&on, 2, "id", ids, &[0]), [fenced]);
    assert_eq!(end(&on, 1, "id", ids, true), Err(invalid));
    assert_eq!(end(&on, 2, "id", ids, true), Err(fenced));
    assert_eq!(add(&on, 3, "id", next, &[0]), [0]);
    // Another instance takes over.
    let other = init(&on, 3, "id", 60_000, NEW).expect("a producer");
    assert!(other.1 > next.1, "{other:?}");
    assert_eq!(init(&on, 3, "id", 60_000, Ids(ids.0, 0)), Err(invalid));
    assert_eq!(init(&on, 4, "id", 60_000, Ids(ids.0, 0)), Err(fenced));
}

#[test]
fn what_cannot_be_is_refused_with_a_code_of_its_own() {
    let on = Serving::start(&[("transaction.max.timeout.ms", "1000")]);
    let timeout = Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT.0);
    assert_eq!(init(&on, 5, "id", 1001, NEW), timeout);
    assert_eq!(init(&on, 5, "id", 0, NEW), timeout);
    let invalid = Err(ErrorCode::INVALID_REQUEST.0);
    assert_eq!(init(&on, 5, "", 1000, NEW), invalid);
    assert_eq!(init(&on, 5, "id", 1000, Ids(5, -1)), invalid);
    let mapping = ErrorCode::INVALID_PRODUCER_ID_MAPPING.0;
    assert_eq!(add(&on, 3, "id", Ids(5, 0), &[0]), [mapping]);
    assert_eq!(verify(&on, "id", Ids(5, 0), &[0]), [mapping]);
    assert_eq!(end(&on, 5, "id", Ids(5, 0), true), Err(mapping));
    let ids = init(&on, 5, "id", 1000, NEW).expect("a producer");
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
    let not_attempted = ErrorCode::OPERATION_NOT_ATTEMPTED.0;
    assert_eq!(add(&on, 3, "id", ids, &[0, 9]), [not_attempted, unknown]);
    assert_eq!(
        verify(&on, "id", ids, &[0]),
        [ErrorCode::TRANSACTION_ABORTABLE.0]
    );
    assert_eq!(
        end(&on, 4, "id", ids, true),
        Err(ErrorCode::INVALID_TXN_STATE.0)
    );
    let not_found = ErrorCode::TRANSACTIONAL_ID_NOT_FOUND.0;
    assert_eq!(describe(&on, "nobody").error_code, not_found);
    assert_eq!(describe(&on, "").error_code, ErrorCode::INVALID_REQUEST.0);
}

#[test]
fn offsets_are_added_by_their_partition() {
    let on = Serving::start(&[]);
    let ids = init(&on, 4, "id", 60_000, NEW).expect("a producer");
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(id("id"))
        .with_producer_id(ProducerId(ids.0))
        .with_producer_epoch(ids.1)
        .with_group_id(GroupId(StrBytes::from_static_str("g")));
    for version in 0..=4 {
        assert_eq!(on.ask(version, &request).error_code, 0, "version {version}");
    }
    let topics = describe(&on, "id").topics;
    assert_eq!(&**topics[0].topic, "__consumer_offsets");
    assert_eq!(topics[0].partitions.len(), 1);
    assert_eq!(end(&on, 4, "id", ids, true), Ok(NEW));
    reaches(&on, "id", "CompleteCommit");
}

#[test]
fn lists_are_filtered() {
    let on = Serving::start(&[]);
    let ids = ["a-1", "a-2", "b-1"].map(|name| init(&on, 4, name, 60_000, NEW).expect("an id"));
    assert_eq!(add(&on, 3, "a-1", ids[0], &[0]), [0]);
    let all = ListTransactionsRequest::default();
    let mut names = listed(&on, &all);
    names.sort_unstable();
    assert_eq!(names, ["a-1", "a-2", "b-1"]);
    let states = vec![StrBytes::from_static_str("Ongoing")];
    assert_eq!(
        listed(&on, &all.clone().with_state_filters(states)),
        ["a-1"]
    );
    let producers = vec![ProducerId(ids[2].0)];
    let of_b = all.clone().with_producer_id_filters(producers);
    assert_eq!(listed(&on, &of_b), ["b-1"]);
    let pattern = |text| {
        let text = Some(StrBytes::from_static_str(text));
        all.clone().with_transactional_id_pattern(text)
    };
    assert_eq!(listed(&on, &pattern("a-2|x")), ["a-2"]);
    assert!(listed(&on, &pattern("a")).is_empty());
    let told = on.ask(2, &pattern("("));
    assert_eq!(told.error_code, ErrorCode::INVALID_REGULAR_EXPRESSION.0);
    let long = all.clone().with_duration_filter(3_600_000);
    assert!(!listed(&on, &long).contains(&"a-1".to_owned()));
}

#[test]
fn every_version_finds_the_coordinator() {
    let on = Serving::start(&[]);
    for version in 1..=6 {
        let request = FindCoordinatorRequest::default().with_key_type(1);
        let key = StrBytes::from_static_str("id");
        let told = if version >= 4 {
            let told = on.ask(version, &request.with_coordinator_keys(vec![key]));
            let row = &told.coordinators[0];
            (row.error_code, row.node_id.0)
        } else {
            let told = on.ask(version, &request.with_key(key));
            (told.error_code, told.node_id.0)
        };
        assert_eq!(told, (0, on.context.config.node_id), "version {version}");
    }
    let image = on.context.cluster.image();
    let topic = image.topic(TRANSACTION_STATE).expect("a topic");
    assert_eq!(topic.partitions.len(), 2);
}

/// A door behind which no partition can be written.
struct Closed;

impl Markers for Closed {
    fn write(&self, _partition: &TopicPartition, _marker: &TransactionMarker) -> Writing {
        let reason = "a test".to_owned();
        Box::pin(ready(Err(NotMarked::NotNow(reason))))
    }
}

#[test]
fn a_transaction_whose_end_is_decided_is_finished_after_a_restart() {
    let on = Serving::with_markers(Arc::new(Closed));
    let ids = init(&on, 5, "id", 60_000, NEW).expect("a producer");
    assert_eq!(add(&on, 3, "id", ids, &[0]), [0]);
    let next = end(&on, 5, "id", ids, true).expect("an end");
    assert_eq!(&*describe(&on, "id").transaction_state, "PrepareCommit");
    let concurrent = ErrorCode::CONCURRENT_TRANSACTIONS.0;
    assert_eq!(add(&on, 3, "id", next, &[0]), [concurrent]);

    let on = on.restarted();
    let state = reaches(&on, "id", "CompleteCommit");
    assert_eq!(Ids(state.producer_id.0, state.producer_epoch), next);
    let replica = {
        let image = on.context.cluster.image();
        let topic = image.topic("t").expect("a topic");
        on.context.partitions.find(topic.id, 0).expect("a replica")
    };
    // The marker.
    assert_eq!(replica.published().positions.log_end.0, 1);
    assert_eq!(add(&on, 3, "id", next, &[0]), [0]);
}
