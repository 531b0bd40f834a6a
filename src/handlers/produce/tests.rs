//! Transactional batches over the whole of Produce.

use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TransactionalId};
use uuid::Uuid;

use super::super::fixture::{self, Serving};
use super::super::topic_ids::wire_name;
use super::*;
use crate::base::{ProducerEpoch, ProducerId, Timestamp, TopicPartition, TransactionVersion};
use crate::coordinator::{CoordinatorError, Enlist, NotEnlisted};
use crate::record::control::{EndTransactionMarker, TransactionMarker};
use crate::record::{BatchBuilder, BatchOptions};

const PRODUCER: ProducerId = ProducerId(7);
const OK: i16 = ErrorCode::NONE.0;
const INVALID_STATE: i16 = ErrorCode::INVALID_TXN_STATE.0;

fn batch(epoch: i16, sequence: i32) -> bytes::Bytes {
    let mut batch = BatchBuilder::new(BatchOptions {
        producer_id: PRODUCER,
        producer_epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
        transactional: true,
        ..BatchOptions::default()
    });
    batch.push(Timestamp(1_000), None, Some(b"value"), &[]);
    batch.finish()
}

fn topic_id(serving: &Serving) -> Uuid {
    let image = serving.context.cluster.image();
    image.topic("t").expect("a topic").id.0
}

/// The batches go to partitions 0, 1 and so on of the topic `t`.
fn request(serving: &Serving, version: i16, batches: &[bytes::Bytes]) -> ProduceRequest {
    let partitions = batches.iter().zip(0..).map(|(batch, index)| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch.clone()))
    });
    let topic = TopicProduceData::default().with_partition_data(partitions.collect());
    let topic = if version >= WITH_IDS {
        topic.with_topic_id(topic_id(serving))
    } else {
        topic.with_name(wire_name("t"))
    };
    ProduceRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str("id"))))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic])
}

fn rows(response: ProduceResponse) -> Vec<PartitionProduceResponse> {
    let mut topics = response.responses;
    assert_eq!(topics.len(), 1);
    topics.remove(0).partition_responses
}

fn codes(serving: &Serving, version: i16, batches: &[bytes::Bytes]) -> Vec<i16> {
    let request = request(serving, version, batches);
    let rows = rows(serving.ask(version, &request));
    rows.iter().map(|row| row.error_code).collect()
}

fn code(serving: &Serving, version: i16, batch: bytes::Bytes) -> i16 {
    codes(serving, version, &[batch])[0]
}

fn replica(serving: &Serving) -> Arc<Replica> {
    let image = serving.context.cluster.image();
    let topic = image.topic("t").expect("a topic").id;
    serving
        .context
        .partitions
        .find(topic, 0)
        .expect("a replica")
}

fn log_end(serving: &Serving) -> i64 {
    replica(serving).published().positions.log_end.0
}

fn end(serving: &Serving, epoch: i16, version: TransactionVersion) {
    let marker = TransactionMarker {
        producer: PRODUCER,
        epoch: ProducerEpoch(epoch),
        end: EndTransactionMarker {
            committed: true,
            coordinator_epoch: 0,
        },
        version,
    };
    let written = replica(serving).end_transaction(&marker);
    serving.block_on(written).expect("a marker");
}

fn enlist(epoch: i16, adds: bool, partitions: &[i32]) -> Enlist {
    let partition = |number: &i32| TopicPartition::new("t", *number);
    Enlist {
        transactional_id: "id".into(),
        transaction: crate::base::Transaction {
            producer: PRODUCER,
            epoch: ProducerEpoch(epoch),
        },
        partitions: partitions.iter().map(partition).collect(),
        adds,
    }
}

#[test]
fn the_coordinator_is_asked_before_the_first_batch_of_each_transaction() {
    for version in [3, 9, 11, 12, 13] {
        let serving = Serving::start(&[]);
        serving.enlisting.answer(Ok(()));
        let adds = version >= 12;
        let bump = i16::from(adds);
        let kind = TransactionVersion(2 * bump);
        assert_eq!(code(&serving, version, batch(4, 0)), OK);
        assert_eq!(serving.enlisting.asked(), [enlist(4, adds, &[0])]);
        for sequence in 1..4 {
            assert_eq!(code(&serving, version, batch(4, sequence)), OK);
        }
        assert_eq!(serving.enlisting.asked(), []);
        end(&serving, 4 + bump, kind);
        let next = if adds { batch(5, 0) } else { batch(4, 4) };
        assert_eq!(code(&serving, version, next), OK);
        assert_eq!(serving.enlisting.asked(), [enlist(4 + bump, adds, &[0])]);
        assert_eq!(log_end(&serving), 6);
    }
}

#[test]
fn what_is_not_verified_is_refused_with_the_code_of_the_version() {
    use NotEnlisted::{
        ConcurrentTransactions, Coordinator, InvalidProducerIdMapping, InvalidTransactionState,
        NotInTransaction, ProducerFenced,
    };
    let not_enough = ErrorCode::NOT_ENOUGH_REPLICAS;
    let state = ErrorCode::INVALID_TXN_STATE;
    let abortable = ErrorCode::TRANSACTION_ABORTABLE;
    let concurrent = ErrorCode::CONCURRENT_TRANSACTIONS;
    let loading = Coordinator(CoordinatorError::Loading);
    let elsewhere = Coordinator(CoordinatorError::NotCoordinator);
    let table = [
        (loading, [not_enough; 3]),
        (elsewhere, [not_enough; 3]),
        (ConcurrentTransactions, [not_enough, not_enough, concurrent]),
        (NotInTransaction, [state, abortable, abortable]),
        (InvalidTransactionState, [state; 3]),
        (
            InvalidProducerIdMapping,
            [ErrorCode::INVALID_PRODUCER_ID_MAPPING; 3],
        ),
        (ProducerFenced, [ErrorCode::INVALID_PRODUCER_EPOCH; 3]),
    ];
    let serving = Serving::start(&[]);
    for (answer, expected) in table {
        serving.enlisting.answer(Err(answer));
        for (version, expected) in [10, 11, 12].into_iter().zip(expected) {
            let request = request(&serving, version, &[batch(4, 0)]);
            let row = rows(serving.ask(version, &request)).remove(0);
            assert_eq!(
                row.error_code, expected.0,
                "{answer:?} in version {version}"
            );
            assert_eq!((row.base_offset, row.log_start_offset), (-1, -1));
            assert_eq!(row.error_message.as_deref(), Some(&*answer.to_string()));
        }
    }
    assert_eq!(log_end(&serving), 0);
    serving.enlisting.answer(Ok(()));
    assert_eq!(code(&serving, 11, batch(4, 0)), OK);
}

#[test]
fn each_partition_has_its_own_answer() {
    let serving = Serving::start(&[]);
    serving.create_topic("more", 3);
    let partitions = (0..3).map(|index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch(4, 0)))
    });
    let topic = TopicProduceData::default()
        .with_name(wire_name("more"))
        .with_partition_data(partitions.collect());
    let unknown = TopicProduceData::default()
        .with_name(wire_name("unknown"))
        .with_partition_data(topic.partition_data.clone());
    let request = request(&serving, 11, &[]).with_topic_data(vec![topic, unknown]);
    let answers = [Ok(()), Err(NotEnlisted::NotInTransaction), Ok(())];
    serving.enlisting.answer_each(answers.to_vec());
    let response = serving.ask(11, &request);
    let codes = |topic: usize| {
        let rows = response.responses[topic].partition_responses.iter();
        rows.map(|row| row.error_code).collect::<Vec<_>>()
    };
    let abortable = ErrorCode::TRANSACTION_ABORTABLE.0;
    assert_eq!(codes(0), [OK, abortable, OK]);
    assert_eq!(codes(1), [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0; 3]);
    let asked = serving.enlisting.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].partitions.len(), 3);
    // The others are open now.
    serving.enlisting.answer(Ok(()));
    serving.ask(11, &request);
    let asked = serving.enlisting.asked();
    assert_eq!(asked[0].partitions, [TopicPartition::new("more", 1)]);
}

#[test]
fn all_batches_are_of_one_transaction_that_the_client_names() {
    let serving = Serving::start(&[]);
    serving.enlisting.answer(Ok(()));
    let mapping = ErrorCode::INVALID_PRODUCER_ID_MAPPING.0;
    let two = [batch(4, 0), batch(5, 0)];
    assert_eq!(codes(&serving, 11, &two), [mapping; 2]);
    let unnamed = request(&serving, 11, &[batch(4, 0)]).with_transactional_id(None);
    let row = rows(serving.ask(11, &unnamed)).remove(0);
    let denied = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED.0;
    assert_eq!(row.error_code, denied);
    assert_eq!(serving.enlisting.asked(), []);
    assert_eq!(log_end(&serving), 0);
}

#[test]
fn verification_can_be_switched_off_for_clients_that_add_partitions_themselves() {
    let off = [("transaction.partition.verification.enable", "false")];
    let serving = Serving::start(&off);
    assert_eq!(code(&serving, 11, batch(4, 0)), OK);
    assert_eq!(serving.enlisting.asked(), []);
    end(&serving, 4, TransactionVersion::V0);
    let refused = code(&serving, 12, batch(5, 0));
    assert_eq!(refused, ErrorCode::INVALID_PRODUCER_ID_MAPPING.0);
    assert_eq!(serving.enlisting.asked(), [enlist(5, true, &[0])]);
}

/// The answer of the coordinator is on its way when the transaction ends.
#[test]
fn a_batch_that_was_verified_before_the_marker_does_not_begin_a_transaction() {
    let serving = Serving::start(&[]);
    serving.enlisting.answer(Ok(()));
    let held = serving.enlisting.hold();
    let frame = fixture::frame(11, &request(&serving, 11, &[batch(4, 0)]));
    let late = serving.start_request(frame);
    assert_eq!(serving.enlisting.asked(), [enlist(4, false, &[0])]);
    end(&serving, 4, TransactionVersion::V0);
    held.notify_one();
    let response = fixture::answer::<ProduceRequest>(11, serving.block_on(late));
    assert_eq!(rows(response)[0].error_code, INVALID_STATE);
    assert_eq!(log_end(&serving), 1);
    let positions = replica(&serving).published().positions;
    assert_eq!(positions.last_stable, positions.log_end);

    held.notify_one();
    assert_eq!(code(&serving, 11, batch(4, 0)), OK);
    assert_eq!(code(&serving, 11, batch(4, 1)), OK);
}

#[test]
fn a_late_batch_without_verification_is_refused_and_a_repeated_one_is_not() {
    let serving = Serving::start(&[]);
    serving.enlisting.answer(Ok(()));
    assert_eq!(code(&serving, 12, batch(4, 0)), OK);
    end(&serving, 5, TransactionVersion::V2);
    let late = ErrorCode::INVALID_PRODUCER_EPOCH.0;
    for sequence in [0, 1] {
        assert_eq!(code(&serving, 12, batch(4, sequence)), late);
    }
    assert_eq!(code(&serving, 12, batch(5, 0)), OK);
    assert_eq!(code(&serving, 12, batch(5, 0)), OK, "it is the same again");
    assert_eq!(log_end(&serving), 3);
}

/// After a temporary error the producer sends its batches again, in order.
#[test]
fn a_batch_behind_one_that_was_not_verified_waits_for_it() {
    let serving = Serving::start(&[]);
    let loading = NotEnlisted::Coordinator(CoordinatorError::Loading);
    serving.enlisting.answer(Err(loading));
    let temporary = ErrorCode::NOT_ENOUGH_REPLICAS.0;
    assert_eq!(code(&serving, 11, batch(4, 0)), temporary);
    serving.enlisting.answer(Ok(()));
    let early = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.0;
    assert_eq!(code(&serving, 11, batch(4, 1)), early);
    assert_eq!(code(&serving, 11, batch(4, 0)), OK);
    assert_eq!(code(&serving, 11, batch(4, 1)), OK);
}
