//! What clients see of transactions in a partition: open, committed and aborted.

use std::sync::Arc;

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DescribeProducersRequest, FetchRequest, ListOffsetsRequest,
};

use super::fixture::{self, Serving};
use super::isolation::READ_COMMITTED;
use super::topic_ids::wire_name;
use crate::base::{ProducerEpoch, ProducerId, TransactionVersion};
use crate::log::{AppendOrigin, TransactionCheck};
use crate::partition::{AppendOptions, Replica, RequiredAcks, Source};
use crate::record::control::{EndTransactionMarker, TransactionMarker};
use crate::record::{BatchBuilder, BatchOptions, Batches};

const READ_UNCOMMITTED: i8 = 0;

fn replica(serving: &Serving) -> Arc<Replica> {
    let image = serving.context.cluster.image();
    let topic = image.topic("t").expect("a topic").id;
    serving
        .context
        .partitions
        .find(topic, 0)
        .expect("a replica")
}

/// Two records of a producer.
fn write(serving: &Serving, producer: i64, sequence: i32, transactional: bool) {
    let mut batch = BatchBuilder::new(BatchOptions {
        producer_id: ProducerId(producer),
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        transactional,
        ..BatchOptions::default()
    });
    // Not so old that the marker would be in another segment.
    let now = serving.context.clock.now();
    for _ in 0..2 {
        batch.push(now, None, Some(b"value"), &[]);
    }
    let appended = replica(serving).append(AppendOptions {
        records: batch.finish(),
        origin: AppendOrigin::Client,
        acks: RequiredAcks::All,
        source: Source::Broker,
        may_check_here: false,
        transactions: TransactionCheck::Trusted,
        expected_epoch: None,
    });
    serving.block_on(appended).expect("an append");
}

fn marker(producer: i64, committed: bool) -> TransactionMarker {
    TransactionMarker {
        producer: ProducerId(producer),
        epoch: ProducerEpoch(0),
        end: EndTransactionMarker {
            committed,
            coordinator_epoch: 5,
        },
        version: TransactionVersion::V0,
    }
}

fn end(serving: &Serving, producer: i64, committed: bool) {
    let written = replica(serving).end_transaction(&marker(producer, committed));
    serving.block_on(written).expect("a marker");
}

fn fetch_request(isolation: i8, from: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(from)
        .with_partition_max_bytes(10_000);
    let topic = FetchTopic::default()
        .with_topic(wire_name("t"))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_isolation_level(isolation)
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(10_000)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

fn fetch(serving: &Serving, isolation: i8, from: i64) -> PartitionData {
    let mut answer = serving.ask(12, &fetch_request(isolation, from, 0));
    answer.responses.remove(0).partitions.remove(0)
}

/// The offset behind the records of an answer.
fn end_of(answer: &PartitionData) -> Option<i64> {
    let records = answer.records.clone().unwrap_or_default();
    let batches = Batches::new(records).map(|batch| batch.expect("a batch"));
    batches.last().map(|batch| batch.header.next_offset().0)
}

/// Producers and first offsets.
fn aborted(answer: &PartitionData) -> Option<Vec<(i64, i64)>> {
    let list = answer.aborted_transactions.as_ref()?.iter();
    let row = list.map(|one| (one.producer_id.0, one.first_offset));
    Some(row.collect())
}

fn latest(serving: &Serving, isolation: i8) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(wire_name("t"))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    serving.ask(6, &request).topics[0].partitions[0].offset
}

#[test]
fn readers_of_committed_records_wait_for_the_end_of_transactions() {
    let serving = Serving::start(&[]);
    write(&serving, 1, 0, false);
    write(&serving, 2, 0, true);
    write(&serving, 3, 0, true);
    write(&serving, 1, 2, false);
    let committed = fetch(&serving, READ_COMMITTED, 0);
    assert_eq!(
        (committed.last_stable_offset, committed.high_watermark),
        (2, 8)
    );
    assert_eq!(end_of(&committed), Some(2));
    assert_eq!(aborted(&committed), Some(Vec::new()));
    let all = fetch(&serving, READ_UNCOMMITTED, 0);
    assert_eq!((end_of(&all), aborted(&all)), (Some(8), None));
    let latest = |isolation| latest(&serving, isolation);
    assert_eq!([READ_COMMITTED, READ_UNCOMMITTED].map(latest), [2, 8]);

    end(&serving, 3, false);
    let committed = fetch(&serving, READ_COMMITTED, 0);
    assert_eq!(end_of(&committed), Some(2), "an older one is open");
    assert_eq!(aborted(&committed), Some(Vec::new()));
    end(&serving, 2, false);
    let committed = fetch(&serving, READ_COMMITTED, 0);
    assert_eq!(end_of(&committed), Some(10));
    assert_eq!(aborted(&committed), Some(vec![(3, 4), (2, 2)]));
    assert_eq!(
        aborted(&fetch(&serving, READ_COMMITTED, 9)),
        Some(vec![(2, 2)])
    );
    assert_eq!(aborted(&fetch(&serving, READ_UNCOMMITTED, 0)), None);
    assert_eq!([READ_COMMITTED, READ_UNCOMMITTED].map(latest), [10, 10]);
}

#[test]
fn a_marker_wakes_those_who_wait_for_committed_records() {
    let serving = Serving::start(&[]);
    write(&serving, 2, 0, true);
    for (committed, from, next_sequence) in [(true, 0, 2), (false, 3, 4)] {
        let frame = fixture::frame(12, &fetch_request(READ_COMMITTED, from, 3_600_000));
        let waiting = serving.start_request(frame);
        let marker = replica(&serving).end_transaction(&marker(2, committed));
        let (reply, marked) = serving.block_on(async { tokio::join!(waiting, marker) });
        marked.expect("a marker");
        let mut answer = fixture::answer::<FetchRequest>(12, reply);
        let answer = answer.responses.remove(0).partitions.remove(0);
        assert_eq!(end_of(&answer), Some(from + 3));
        let expected = if committed { vec![] } else { vec![(2, 3)] };
        assert_eq!(aborted(&answer), Some(expected));
        write(&serving, 2, next_sequence, true);
    }
}

#[test]
fn producers_are_described_with_their_transactions() {
    let serving = Serving::start(&[]);
    write(&serving, 1, 0, false);
    write(&serving, 2, 0, true);
    let described = || {
        let topic = TopicRequest::default()
            .with_name(wire_name("t"))
            .with_partition_indexes(vec![0]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let mut answer = serving.ask(0, &request);
        let partition = answer.topics.remove(0).partitions.remove(0);
        let rows = partition.active_producers.into_iter().map(|one| {
            let id = one.producer_id.0;
            (
                id,
                one.last_sequence,
                one.coordinator_epoch,
                one.current_txn_start_offset,
            )
        });
        rows.collect::<Vec<_>>()
    };
    assert_eq!(described(), [(1, 1, -1, -1), (2, 1, -1, 2)]);
    write(&serving, 2, 2, true);
    assert_eq!(described(), [(1, 1, -1, -1), (2, 3, -1, 2)]);
    end(&serving, 2, true);
    assert_eq!(described(), [(1, 1, -1, -1), (2, 3, 5, -1)]);
    write(&serving, 2, 4, true);
    assert_eq!(described()[1], (2, 5, 5, 7));
}

#[test]
fn records_of_an_open_transaction_can_be_deleted() {
    let serving = Serving::start(&[]);
    write(&serving, 2, 0, true);
    write(&serving, 2, 2, true);
    let partition = DeleteRecordsPartition::default().with_offset(3);
    let topic = DeleteRecordsTopic::default()
        .with_name(wire_name("t"))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let row = serving
        .ask(2, &request)
        .topics
        .remove(0)
        .partitions
        .remove(0);
    assert_eq!((row.error_code, row.low_watermark), (0, 3));
    let committed = fetch(&serving, READ_COMMITTED, 3);
    assert_eq!(
        (committed.log_start_offset, committed.last_stable_offset),
        (3, 3)
    );
    assert_eq!(end_of(&committed), None);
    end(&serving, 2, false);
    let committed = fetch(&serving, READ_COMMITTED, 3);
    assert_eq!(
        (committed.last_stable_offset, end_of(&committed)),
        (5, Some(5))
    );
    assert_eq!(aborted(&committed), Some(vec![(2, 0)]));
}
