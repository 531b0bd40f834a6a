//! Transactions in the order of the lane.

use std::sync::Arc;

use super::leading::{Led, is_pending};
use super::*;
use crate::base::{ProducerEpoch, ProducerId, TransactionVersion};
use crate::log::{Guard, Standing, TransactionalBatch};
use crate::partition::testing::NODE;
use crate::partition::{Appended, PendingAppend};
use crate::record::control::{EndTransactionMarker, TransactionMarker};

const PRODUCER: ProducerId = ProducerId(7);

fn data(replica: &Arc<Replica>, sequence: i32, transactions: TransactionCheck) -> PendingAppend {
    let mut batch = BatchBuilder::new(BatchOptions {
        producer_id: PRODUCER,
        producer_epoch: ProducerEpoch(0),
        base_sequence: sequence,
        transactional: true,
        ..BatchOptions::default()
    });
    batch.push(Timestamp(1_000), None, Some(b"value"), &[]);
    replica.append(AppendOptions {
        records: batch.finish(),
        transactions,
        acks: RequiredAcks::Leader,
        ..options(b"")
    })
}

fn end(replica: &Arc<Replica>) -> PendingAppend {
    replica.end_transaction(&TransactionMarker {
        producer: PRODUCER,
        epoch: ProducerEpoch(0),
        end: EndTransactionMarker {
            committed: true,
            coordinator_epoch: 0,
        },
        version: TransactionVersion::V0,
    })
}

fn begin(replica: &Replica, sequence: i32) -> Standing {
    let batch = TransactionalBatch {
        producer: PRODUCER,
        epoch: ProducerEpoch(0),
        sequence,
        new_epochs: false,
    };
    replica.transactions().begin(&batch, Timestamp(1_000))
}

fn guard(standing: Standing) -> Guard {
    match standing {
        Standing::Unverified(guard) => guard,
        other => panic!("{other:?}"),
    }
}

fn is_not_in_transaction(result: Result<Appended, AppendFailure>) -> bool {
    use crate::log::AppendError::NotInTransaction;
    matches!(result, Err(AppendFailure::Refused(NotInTransaction { .. })))
}

#[tokio::test]
async fn what_is_behind_a_marker_in_the_lane_does_not_begin_a_transaction() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let led = Led::start(path.path(), KafkaUuid::random(), 1);
    let replica = &led.replica;
    let first = guard(begin(replica, 0));
    let held = led.hold_lane();
    let queued = data(replica, 0, TransactionCheck::MayBegin(first));
    // The lane has not seen the first one yet, so this one is verified in vain.
    assert_eq!(begin(replica, 1), Standing::Unverified(first));
    let next = data(replica, 1, TransactionCheck::MayBegin(first));
    let marker = end(replica);
    let late = data(replica, 2, TransactionCheck::MayBegin(first));
    drop(held);
    queued.await.expect("an append");
    next.await.expect("an append");
    marker.await.expect("a marker");
    assert!(is_not_in_transaction(late.await));
    let positions = replica.published().positions;
    assert_eq!(positions.last_stable, Offset(3));

    let second = guard(begin(replica, 2));
    let beginning = data(replica, 2, TransactionCheck::MayBegin(second));
    beginning.await.expect("an append");
    assert_eq!(begin(replica, 3), Standing::Open);
    let open = data(replica, 3, TransactionCheck::MustBeOpen);
    open.await.expect("an append");
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn a_marker_is_confirmed_by_all_replicas_and_readers_wait_for_that() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 2);
    let written = data(&led.replica, 0, TransactionCheck::Trusted);
    written.await.expect("an append");
    let mut marker = end(&led.replica);
    led.replica.settled().await;
    assert!(is_pending(&mut marker).await);
    assert_eq!(led.replica.published().positions.last_stable, Offset(0));
    led.set_isr(&[NODE]);
    marker.await.expect("a marker");
    assert_eq!(led.replica.published().positions.last_stable, Offset(2));
    led.broker.partitions.stop(1);
}
