//! The carrier with partitions that do as a test says, on paused time.

use std::sync::Mutex;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::base::{ProducerEpoch, ProducerId, Timestamp, TransactionVersion, lock};
use crate::coordinator::transactions::markers::Writing;
use crate::txn::ProducerIdAndEpoch;

/// What a partition does with its next marker; after the last entry it takes them.
#[derive(Debug)]
enum Does {
    Fails(NotMarked),
    Hangs,
    Panics,
}

struct Partitions {
    script: Mutex<HashMap<i32, VecDeque<Does>>>,
    written: UnboundedSender<(i32, TransactionMarker)>,
}

impl Markers for Partitions {
    fn write(&self, partition: &TopicPartition, marker: &TransactionMarker) -> Writing {
        let number = partition.partition;
        let _gone = self.written.send((number, *marker));
        let next = lock(&self.script)
            .get_mut(&number)
            .and_then(VecDeque::pop_front);
        Box::pin(async move {
            match next {
                None => Ok(()),
                Some(Does::Fails(reason)) => Err(reason),
                Some(Does::Hangs) => std::future::pending().await,
                Some(Does::Panics) => panic!("as asked"),
            }
        })
    }
}

struct World {
    messages: UnboundedSender<Message>,
    written: UnboundedReceiver<(i32, TransactionMarker)>,
    told: UnboundedReceiver<MarkersWritten>,
}

impl World {
    fn start(script: impl IntoIterator<Item = (i32, Does)>) -> Self {
        let (sender, written) = unbounded_channel();
        let mut does: HashMap<i32, VecDeque<Does>> = HashMap::new();
        for (partition, next) in script {
            does.entry(partition).or_default().push_back(next);
        }
        let partitions = Partitions {
            script: Mutex::new(does),
            written: sender,
        };
        let (tell, told) = unbounded_channel();
        let tell: Tell = Arc::new(move |written| {
            drop(tell.send(written));
            Box::pin(async { true })
        });
        let (messages, receiver) = unbounded_channel();
        let carrier = Carrier::new(Arc::new(partitions), tell);
        tokio::spawn(carrier.run(receiver));
        Self {
            messages,
            written,
            told,
        }
    }

    fn effect(&self, epoch: i32, effect: Effect) {
        let origin = Origin {
            partition: 3,
            epoch: LeaderEpoch(epoch),
        };
        let sent = self.messages.send(Message::Effect(origin, effect));
        assert!(sent.is_ok(), "a carrier");
    }

    /// The next partitions that are written to.
    async fn next(&mut self, count: usize) -> Vec<i32> {
        let mut partitions = Vec::new();
        for _ in 0..count {
            partitions.push(self.written.recv().await.expect("a marker").0);
        }
        partitions
    }

    /// Nothing is left to be done, and nothing was done that has not been looked at.
    async fn is_at_rest(&mut self) {
        // Time passes only when nobody has anything to do.
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(self.written.try_recv().ok(), None);
        assert_eq!(self.told.try_recv().ok(), None);
    }
}

fn ending(id: &str, partitions: &[i32]) -> WriteMarkers {
    let partitions = partitions
        .iter()
        .map(|number| TopicPartition::new("t", *number));
    WriteMarkers {
        transactional_id: id.into(),
        ids: ProducerIdAndEpoch::new(ProducerId(7), ProducerEpoch(2)),
        commit: true,
        partitions: partitions.collect(),
        client_version: TransactionVersion::V2,
        prepared: Timestamp(5),
    }
}

fn not_now() -> Does {
    Does::Fails(NotMarked::NotNow("a test".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn every_partition_gets_its_marker_and_then_the_coordinator_is_told() {
    let mut world = World::start([]);
    let all: Vec<i32> = (0..200).collect();
    world.effect(4, Effect::Write(ending("id", &all)));
    let (first, marker) = world.written.recv().await.expect("a marker");
    assert_eq!(first, 0);
    assert_eq!(
        marker,
        TransactionMarker {
            producer: ProducerId(7),
            epoch: ProducerEpoch(2),
            end: EndTransactionMarker {
                committed: true,
                coordinator_epoch: 4,
            },
            version: TransactionVersion::V2,
        }
    );
    assert_eq!(world.next(199).await, all[1..]);
    assert_eq!(world.told.recv().await, Some(ending("id", &all).written()));
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_cannot_be_written_is_tried_again_until_it_is() {
    let script = (0..20).map(|_| (1, not_now()));
    let mut world = World::start(script);
    world.effect(4, Effect::Write(ending("id", &[0, 1, 2])));
    assert_eq!(world.next(3).await, [0, 1, 2]);
    assert_eq!(world.next(20).await, [1; 20]);
    assert!(world.told.recv().await.is_some());
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_or_has_a_newer_epoch_needs_no_marker() {
    let refused = NotMarked::Refused("a test".to_owned());
    let mut world = World::start([(0, Does::Fails(NotMarked::Gone)), (1, Does::Fails(refused))]);
    world.effect(4, Effect::Write(ending("id", &[0, 1])));
    assert_eq!(world.next(2).await, [0, 1]);
    assert!(world.told.recv().await.is_some());
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_unloaded_has_nothing_carried_out() {
    let mut world = World::start([(0, Does::Hangs), (1, not_now())]);
    world.effect(4, Effect::Write(ending("runs", &[0])));
    world.effect(4, Effect::Write(ending("waits", &[1])));
    assert_eq!(world.next(2).await, [0, 1]);
    world.effect(4, Effect::Void);
    world.is_at_rest().await;
    // It is loaded again, and asks again.
    world.effect(4, Effect::Write(ending("runs", &[0])));
    assert_eq!(world.next(1).await, [0]);
    assert!(world.told.recv().await.is_some());
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_word_of_an_old_coordinator_is_not_heard() {
    let mut world = World::start([(0, not_now())]);
    world.effect(5, Effect::Void);
    world.effect(5, Effect::Write(ending("id", &[0])));
    world.effect(4, Effect::Write(ending("id", &[1])));
    world.effect(4, Effect::Void);
    assert_eq!(world.next(2).await, [0, 0]);
    assert!(world.told.recv().await.is_some());
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_end_of_the_same_transactional_id_follows_the_old_one() {
    let mut world = World::start([(0, Does::Hangs)]);
    world.effect(4, Effect::Write(ending("id", &[0, 1])));
    assert_eq!(world.next(2).await, [0, 1]);
    world.effect(5, Effect::Void);
    world.effect(5, Effect::Write(ending("id", &[2])));
    assert_eq!(world.next(1).await, [2]);
    assert!(world.told.recv().await.is_some());
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn new_metadata_end_a_pause() {
    let script = (0..8).map(|_| (0, not_now()));
    let mut world = World::start(script);
    let start = Instant::now();
    world.effect(4, Effect::Write(ending("id", &[0])));
    for _ in 0..9 {
        assert_eq!(world.next(1).await, [0]);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(world.messages.send(Message::Changed).is_ok());
    }
    assert!(world.told.recv().await.is_some());
    assert!(start.elapsed() < Duration::from_millis(100), "{start:?}");
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_no_transaction() {
    let mut world = World::start([(0, Does::Panics)]);
    world.effect(4, Effect::Write(ending("id", &[0])));
    assert_eq!(world.next(2).await, [0, 0]);
    assert!(world.told.recv().await.is_some());
    world.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_beyond_the_limit_wait_for_their_turn() {
    let count = i32::try_from(MOST_RUNNING).expect("a number");
    let script = (0..count).map(|number| (number, not_now()));
    let mut world = World::start(script);
    for number in 0..2 * count {
        let id = number.to_string();
        world.effect(4, Effect::Write(ending(&id, &[number])));
    }
    for _ in 0..2 * count {
        assert!(world.told.recv().await.is_some());
    }
    assert_eq!(world.next(3 * MOST_RUNNING).await.len(), 3 * MOST_RUNNING);
    world.is_at_rest().await;
}
