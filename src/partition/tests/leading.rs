//! Leading a partition: the effect of a change of leadership on appends, the wait for acknowledgements, and the
//! watermark.

use std::future::{Future as _, poll_fn};
use std::path::Path;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;

use crate::base::{FixedClock, KafkaUuid, NodeId, ProducerEpoch, ProducerId};
use crate::log::{RecordSet, TransactionCheck};
use crate::metadata::Image;
use crate::metadata::record::PartitionChange;
use crate::partition::append::AppendReply;
use crate::partition::lane::AppendTask;
use crate::partition::testing::NODE;
use crate::partition::{AfterAppend, Appended, PendingAppend};

use super::*;

const OTHER: NodeId = NodeId(2);

/// A partition with two replicas, of which only this one can fetch and write.
pub(super) struct Led {
    pub(super) broker: Broker,
    image: Image,
    pub(super) replica: Arc<Replica>,
}

impl Led {
    pub(super) fn start(path: &Path, id: KafkaUuid, in_sync: usize) -> Self {
        let clock = Arc::new(FixedClock::new(Timestamp(1_000)));
        let broker = Broker::start_in_sync_with(path, id, &[], clock, in_sync);
        Self {
            image: broker.image.clone(),
            replica: broker.replica(),
            broker,
        }
    }

    fn change(&mut self, change: PartitionChange) {
        let (image, delta) = super::change(&self.image, &[MetadataRecord::PartitionChange(change)]);
        self.broker.partitions.apply(&image, &delta);
        self.image = image;
    }

    fn elect(&mut self, leader: NodeId) {
        self.change(PartitionChange {
            leader: Some(leader),
            ..PartitionChange::none(self.broker.id, 0)
        });
    }

    pub(super) fn set_isr(&mut self, isr: &[NodeId]) {
        self.change(PartitionChange {
            isr: Some(isr.to_vec()),
            ..PartitionChange::none(self.broker.id, 0)
        });
    }

    /// Blocks the lane before its next tasks until the sender is dropped.
    pub(super) fn hold_lane(&self) -> mpsc::Sender<()> {
        let (held, holding) = mpsc::channel::<()>();
        self.replica.operate(move |_| {
            let _released = holding.recv();
        });
        held
    }

    fn append(&self, acks: RequiredAcks, text: &[u8]) -> PendingAppend {
        self.replica.append(AppendOptions {
            acks,
            ..options(text)
        })
    }

    async fn log_end(&self) -> Offset {
        self.replica.settled().await;
        self.replica.published().positions.log_end
    }

    fn watermark(&self) -> Offset {
        self.replica.published().positions.high_watermark
    }
}

pub(super) async fn is_pending(append: &mut PendingAppend) -> bool {
    let mut append = pin!(append);
    poll_fn(|context| Poll::Ready(append.as_mut().poll(context).is_pending())).await
}

fn not_confirmed(result: Result<Appended, AppendFailure>) -> (Offset, AfterAppend) {
    match result {
        Err(AppendFailure::AfterAppend(appended, reason)) => (appended.info.first_offset, reason),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_append_that_was_queued_before_a_change_of_leadership_is_not_written_after_it() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 1);
    led.append(RequiredAcks::Leader, b"first")
        .await
        .expect("an append");

    let held = led.hold_lane();
    led.elect(NODE);
    // Queued in an epoch that the lane has not reached yet.
    let next = led.append(RequiredAcks::Leader, b"next");
    drop(held);
    let next = next.await.expect("an append");
    assert_eq!(next.leader_epoch, LeaderEpoch(EPOCH.0 + 1));

    let held = led.hold_lane();
    let early = led.append(RequiredAcks::Leader, b"early");
    led.elect(OTHER);
    let late = led.append(RequiredAcks::Leader, b"late");
    drop(held);
    // The change was sent to the lane after the append: that one is still written.
    early.await.expect("an append");
    assert!(matches!(late.await, Err(AppendFailure::NotLeader)));
    assert_eq!(led.log_end().await, Offset(3));
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn an_append_that_comes_to_the_lane_after_the_leadership_is_refused() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 1);
    for leader in [OTHER, NODE] {
        let held = led.hold_lane();
        // Admitted by a thread that does not know the change yet, and sent behind it.
        let admitted = led.replica.leadership().epoch;
        led.elect(leader);
        let (reply, pending) = AppendReply::channel(RequiredAcks::Leader);
        let set = RecordSet {
            records: batch(b"between"),
            origin: AppendOrigin::Client,
            epoch: admitted,
            transactions: TransactionCheck::MustBeOpen,
        };
        led.replica.send(AppendTask::unprepared(set, reply));
        drop(held);
        assert!(
            matches!(pending.await, Err(AppendFailure::NotLeader)),
            "{leader:?}"
        );
    }
    assert_eq!(led.log_end().await, Offset(0));
    led.append(RequiredAcks::Leader, b"again")
        .await
        .expect("an append");
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn an_epoch_is_served_when_its_start_is_noted() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 1);
    led.append(RequiredAcks::Leader, b"first")
        .await
        .expect("an append");
    let next = LeaderEpoch(EPOCH.0 + 1);
    let held = led.hold_lane();
    led.elect(NODE);
    let check = |epoch| led.replica.check_epoch(epoch);
    assert_eq!(check(EPOCH), Err(EpochMismatch::Fenced));
    assert_eq!(check(next), Err(EpochMismatch::Unknown));
    assert_eq!(check(LeaderEpoch::NONE), Ok(()));
    drop(held);
    led.replica.settled().await;
    assert_eq!(led.replica.check_epoch(next), Ok(()));
    assert_eq!(
        led.replica.published().view.end_of_epoch(EPOCH),
        Some((EPOCH, Offset(1)))
    );
    led.elect(OTHER);
    let later = LeaderEpoch(next.0 + 1);
    assert_eq!(
        led.replica.check_epoch(later),
        Err(EpochMismatch::NotLeader)
    );
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn a_partition_without_a_leader_is_not_read_before_its_lane_leads() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 1);
    led.elect(OTHER);
    led.replica.settled().await;
    let held = led.hold_lane();
    led.elect(NODE);
    let check = |led: &Led| led.replica.check_epoch(LeaderEpoch::NONE);
    assert!(led.replica.leads(), "appends are queued behind the change");
    assert_eq!(check(&led), Err(EpochMismatch::NotLeader));
    drop(held);
    led.replica.settled().await;
    assert_eq!(check(&led), Ok(()));
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn acks_of_all_wait_for_the_watermark_and_no_others_do() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 2);
    let mut all = led.append(RequiredAcks::All, b"all");
    led.append(RequiredAcks::Leader, b"leader")
        .await
        .expect("an append");
    assert!(is_pending(&mut all).await);
    assert_eq!(
        (led.log_end().await, led.watermark()),
        (Offset(2), Offset(0))
    );
    // Records above the watermark are not read.
    let read = fetch(&[part(&led.replica, 0)], limits(Duration::ZERO)).await;
    assert!(
        read[0]
            .as_ref()
            .is_ok_and(|fetched| fetched.records.is_empty())
    );

    led.set_isr(&[NODE]);
    assert_eq!(all.await.expect("an append").info.first_offset, Offset(0));
    led.replica.settled().await;
    assert_eq!(led.watermark(), Offset(2));
    let read = fetch(&[part(&led.replica, 0)], limits(Duration::ZERO)).await;
    assert!(
        read[0]
            .as_ref()
            .is_ok_and(|fetched| !fetched.records.is_empty())
    );
    // The watermark does not go back when the ISR grows again.
    led.set_isr(&[NODE, OTHER]);
    assert_eq!(led.log_end().await, Offset(2));
    assert_eq!(led.watermark(), Offset(2));
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn waiting_ends_with_the_time_of_the_client_and_with_the_leadership() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 2);
    let late = led.append(RequiredAcks::All, b"late");
    let late = late.within(Duration::from_millis(1)).await;
    assert_eq!(not_confirmed(late), (Offset(0), AfterAppend::TimedOut));
    let patient = led.append(RequiredAcks::All, b"patient");
    let patient = patient.within(Duration::from_secs(600));
    led.elect(OTHER);
    assert_eq!(
        not_confirmed(patient.await),
        (Offset(1), AfterAppend::NotLeader)
    );
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn what_the_leader_needs_is_not_counted() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let led = Led::start(path.path(), KafkaUuid::random(), 1);
    let held = led.hold_lane();
    let mut append = led
        .append(RequiredAcks::All, b"at once")
        .within(Duration::ZERO);
    assert!(is_pending(&mut append).await);
    drop(held);
    append.await.expect("an append");
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn a_duplicate_waits_for_its_original() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 2);
    let records = {
        let mut batch = BatchBuilder::new(BatchOptions {
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(0),
            base_sequence: 0,
            ..BatchOptions::default()
        });
        batch.push(Timestamp(1_000), None, Some(b"once"), &[]);
        batch.finish()
    };
    let send = |acks| {
        led.replica.append(AppendOptions {
            records: records.clone(),
            acks,
            ..options(b"")
        })
    };
    let original = send(RequiredAcks::Leader).await.expect("an append");
    let mut again = send(RequiredAcks::All);
    let at_once = send(RequiredAcks::Leader).await.expect("a duplicate");
    assert!(at_once.info.duplicate);
    assert!(is_pending(&mut again).await);
    led.set_isr(&[NODE]);
    let again = again.await.expect("a duplicate");
    assert!(again.info.duplicate);
    assert_eq!(again.info.first_offset, original.info.first_offset);
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn the_watermark_of_the_last_stop_is_known_at_the_start() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let id = KafkaUuid::random();
    let led = Led::start(path.path(), id, 1);
    for _ in 0..5 {
        led.append(RequiredAcks::Leader, b"known")
            .await
            .expect("an append");
    }
    led.replica.settled().await;
    led.broker.partitions.stop(1);
    drop(led);

    let mut led = Led::start(path.path(), id, 2);
    assert_eq!(led.watermark(), Offset(5));
    led.append(RequiredAcks::Leader, b"more")
        .await
        .expect("an append");
    assert_eq!(
        (led.log_end().await, led.watermark()),
        (Offset(6), Offset(5))
    );
    led.broker.partitions.stop(1);
    drop(led);

    led = Led::start(path.path(), id, 2);
    assert_eq!(led.watermark(), Offset(5), "more may still be lost");
    led.broker.partitions.stop(1);
    drop(led);

    led = Led::start(path.path(), id, 1);
    assert_eq!(led.watermark(), Offset(6), "nobody else has to have it");
    led.broker.partitions.stop(1);
}

#[tokio::test]
async fn too_few_in_sync_stop_the_watermark_until_fewer_are_asked_for() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let mut led = Led::start(path.path(), KafkaUuid::random(), 1);
    let fewest = |value: &str| {
        let topic = ConfigResourceType::TOPIC;
        config(topic, "orders", "min.insync.replicas", value)
    };
    let set = |led: &mut Led, value| {
        let (image, delta) = change(&led.image, &[fewest(value)]);
        led.broker.partitions.apply(&image, &delta);
        led.image = image;
    };
    set(&mut led, "2");
    led.append(RequiredAcks::Leader, b"one")
        .await
        .expect("an append");
    assert_eq!(
        (led.log_end().await, led.watermark()),
        (Offset(1), Offset(0))
    );
    set(&mut led, "1");
    assert_eq!(
        (led.log_end().await, led.watermark()),
        (Offset(1), Offset(1))
    );
    led.broker.partitions.stop(1);
}
