//! Appends that are prepared before their lane sees them, among appends that are not.

use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex};
use std::task::Poll;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base::{Clock, ProducerEpoch, ProducerId};
use crate::metadata::record::PartitionChange;
use crate::partition::PendingAppend;
use crate::partition::testing::NODE;
use crate::record::Codec;

/// A clock that blocks the threads that prepare appends until it is opened.
#[derive(Debug, Default)]
struct Gate {
    /// Whether it is open, and whether a thread waits for it.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
    time: AtomicI64,
}

impl Gate {
    fn open(&self) {
        self.state.lock().expect("no panic").0 = true;
        self.changed.notify_all();
    }

    /// Returns when a thread waits for it.
    fn somebody_waits(&self) {
        let state = self.state.lock().expect("no panic");
        let come = self.changed.wait_while(state, |(_, has_come)| !*has_come);
        drop(come.expect("no panic"));
    }
}

impl Clock for Gate {
    fn now(&self) -> Timestamp {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        if name.starts_with("checker") || name.starts_with("recompressor") {
            let mut state = self.state.lock().expect("no panic");
            state.1 = true;
            self.changed.notify_all();
            let passed = self.changed.wait_while(state, |(is_open, _)| !*is_open);
            drop(passed.expect("no panic"));
        }
        Timestamp(1_000 + self.time.load(Ordering::SeqCst))
    }
}

struct Gated {
    _path: tempfile::TempDir,
    gate: Arc<Gate>,
    broker: Broker,
    replica: Arc<Replica>,
}

impl Gated {
    fn start() -> Self {
        let path = tempfile::tempdir().expect("a temporary directory");
        let gate = Arc::new(Gate::default());
        let clock: Arc<dyn Clock> = Arc::<Gate>::clone(&gate);
        let broker = Broker::start_with(path.path(), KafkaUuid::random(), &[], clock);
        Self {
            _path: path,
            gate,
            replica: broker.replica(),
            broker,
        }
    }

    fn append(&self, source: u16, codec: Codec) -> PendingAppend {
        self.replica.append(of(source, sent(codec, -1, 0)))
    }
}

/// A batch with this codec, from producer 7 if there is a sequence number.
fn sent(codec: Codec, sequence: i32, padding: usize) -> Bytes {
    let mut options = BatchOptions {
        codec,
        ..BatchOptions::default()
    };
    if sequence >= 0 {
        options.producer_id = ProducerId(7);
        options.producer_epoch = ProducerEpoch(0);
        options.base_sequence = sequence;
    }
    let mut batch = BatchBuilder::new(options);
    batch.push(Timestamp(1_000), None, Some(&vec![5; padding]), &[]);
    batch.finish()
}

fn of(source: u16, records: Bytes) -> AppendOptions {
    AppendOptions {
        records,
        may_check_here: false,
        source: Source::Connection(SocketAddr::from((Ipv4Addr::LOCALHOST, source))),
        ..options(b"")
    }
}

async fn offset(append: PendingAppend) -> Offset {
    append.await.expect("an append").info.first_offset
}

#[tokio::test]
async fn what_is_cheap_waits_for_its_own_source_and_for_no_other() {
    let gated = Gated::start();
    let first = gated.append(1, Codec::Zstd);
    let second = gated.append(1, Codec::None);
    assert_eq!(offset(gated.append(2, Codec::None)).await, Offset(0));
    gated.gate.open();
    assert_eq!(offset(first).await, Offset(1));
    assert_eq!(offset(second).await, Offset(2));
    gated.broker.partitions.stop(1);
}

#[tokio::test]
async fn a_small_batch_is_checked_in_passing_unless_something_is_before_it() {
    let gated = Gated::start();
    let small = |source| AppendOptions {
        may_check_here: true,
        ..of(source, sent(Codec::Zstd, -1, 1000))
    };
    let appended = gated.replica.append(small(1));
    assert_eq!(offset(appended).await, Offset(0));
    let unpacks_to_much = AppendOptions {
        may_check_here: true,
        ..of(1, sent(Codec::Zstd, -1, 1 << 20))
    };
    let pending = [unpacks_to_much, small(1)].map(|options| gated.replica.append(options));
    assert_eq!(offset(gated.append(2, Codec::None)).await, Offset(1));
    gated.gate.open();
    for (append, expected) in pending.into_iter().zip([2, 3]) {
        assert_eq!(offset(append).await, Offset(expected));
    }
    gated.broker.partitions.stop(1);
}

#[tokio::test]
async fn settled_means_what_was_in_preparation_too() {
    let gated = Gated::start();
    let pending = [1, 2].map(|source| gated.append(source, Codec::Zstd));
    let mut settled = pin!(gated.replica.settled());
    // Everything that was sent to the lane before is done when this is answered.
    offset(gated.append(3, Codec::None)).await;
    let early = poll_fn(|context| Poll::Ready(settled.as_mut().poll(context).is_ready())).await;
    assert!(!early, "two appends are in preparation");
    gated.gate.open();
    settled.await;
    assert_eq!(gated.replica.published().positions.log_end, Offset(3));
    for append in pending {
        append.await.expect("an append");
    }
    gated.replica.settled().await;
    gated.broker.partitions.stop(1);
}

#[tokio::test]
async fn nothing_is_begun_for_a_connection_that_has_gone_nor_stored_without_what_came_before() {
    let gated = Gated::start();
    let begun = gated.append(1, Codec::Zstd);
    gated.gate.somebody_waits();
    let behind = [Codec::Zstd, Codec::None, Codec::Zstd].map(|codec| gated.append(1, codec));
    let others = gated.append(2, Codec::Zstd);
    drop(gated.replica.append(AppendOptions {
        source: Source::Broker,
        ..of(0, sent(Codec::Zstd, -1, 0))
    }));
    // The connection is on its way out: what it has sent last has not been let go of when the first one's turn comes.
    let [gone, second, third] = behind;
    drop(gone);
    gated.gate.open();
    for append in [begun, others] {
        append.await.expect("an append");
    }
    gated.replica.settled().await;
    for append in [second, third] {
        assert!(matches!(append.await, Err(AppendFailure::Gone)));
    }
    assert_eq!(gated.replica.published().positions.log_end, Offset(3));
    assert_eq!(offset(gated.append(1, Codec::Zstd)).await, Offset(3));
    gated.broker.partitions.stop(1);
}

#[tokio::test]
async fn nothing_is_begun_that_its_client_has_given_up() {
    let gated = Gated::start();
    let late = [Codec::Zstd, Codec::Zstd].map(|codec| gated.append(1, codec));
    gated.gate.time.store(31_000, Ordering::SeqCst);
    let in_time = gated.append(1, Codec::Zstd);
    gated.gate.open();
    for append in late {
        assert!(matches!(append.await, Err(AppendFailure::TimedOut(30))));
    }
    assert_eq!(offset(in_time).await, Offset(0));
    gated.broker.partitions.stop(1);
}

#[tokio::test]
async fn a_stop_waits_for_no_preparation_and_answers_all() {
    let gated = Gated::start();
    let pending =
        [Codec::Zstd, Codec::None, Codec::Gzip, Codec::Zstd].map(|codec| gated.append(1, codec));
    gated.broker.partitions.stop(1);
    gated.gate.open();
    for append in pending {
        assert!(matches!(append.await, Err(AppendFailure::Gone)));
    }
    for codec in [Codec::Zstd, Codec::None] {
        let late = gated.append(1, codec).await;
        assert!(matches!(late, Err(AppendFailure::Gone)), "{codec}");
    }
}

#[tokio::test]
async fn a_deletion_waits_for_no_preparation() {
    let gated = Gated::start();
    let pending = gated.append(1, Codec::Zstd);
    let removed = [MetadataRecord::RemoveTopic(RemoveTopic {
        topic_id: gated.broker.id,
    })];
    let (image, delta) = change(&gated.broker.image, &removed);
    gated.broker.partitions.apply(&image, &delta);
    gated.gate.open();
    assert!(matches!(pending.await, Err(AppendFailure::Gone)));
    gated.replica.settled().await;
    gated.broker.partitions.stop(1);
}

#[tokio::test]
async fn what_was_handed_over_under_an_earlier_leadership_is_not_stored_under_a_later_one() {
    let gated = Gated::start();
    let early = gated.append(1, Codec::Zstd);
    let elected = [MetadataRecord::PartitionChange(PartitionChange {
        leader: Some(NODE),
        ..PartitionChange::none(gated.broker.id, 0)
    })];
    let (image, delta) = change(&gated.broker.image, &elected);
    gated.broker.partitions.apply(&image, &delta);
    assert_ne!(gated.replica.leadership().epoch, EPOCH);
    gated.gate.open();
    assert!(matches!(early.await, Err(AppendFailure::NotLeader)));
    assert_eq!(offset(gated.append(1, Codec::Zstd)).await, Offset(0));
    gated.broker.partitions.stop(1);
}

#[tokio::test]
async fn a_batch_that_is_refused_is_refused_in_its_turn() {
    let gated = Gated::start();
    let mut broken = sent(Codec::Zstd, 1, 100).to_vec();
    *broken.last_mut().expect("a byte") ^= 1;
    let batches = [
        sent(Codec::Zstd, 0, 100),
        broken.into(),
        sent(Codec::None, 2, 100),
        sent(Codec::Gzip, 3, 100),
        sent(Codec::Zstd, 1, 100),
        sent(Codec::None, 2, 100),
    ];
    let pending = batches.map(|records| gated.replica.append(of(1, records)));
    gated.gate.open();
    let mut answers = Vec::new();
    for append in pending {
        answers.push(match append.await {
            Ok(appended) => appended.info.first_offset.to_string(),
            Err(AppendFailure::Refused(AppendError::CorruptMessage(_))) => "corrupt".to_owned(),
            Err(AppendFailure::Refused(AppendError::OutOfOrderSequence { found, .. })) => {
                format!("not {found}")
            }
            Err(other) => other.to_string(),
        });
    }
    assert_eq!(answers, ["0", "corrupt", "not 2", "not 3", "1", "2"]);
    gated.broker.partitions.stop(1);
}

/// The appends of three sources: cheap, checked by the caller or not, with any codec.
fn batches() -> impl Strategy<Value = Vec<(u16, AppendOptions)>> {
    let codec = prop::sample::select(vec![
        Codec::None,
        Codec::Gzip,
        Codec::Snappy,
        Codec::Lz4,
        Codec::Zstd,
    ]);
    let padding = prop_oneof![Just(1_usize), Just(3_000), Just(400_000)];
    let batch = (1..4_u16, codec, padding, any::<bool>());
    vec(
        batch.prop_map(|(source, codec, padding, may_check_here)| {
            let records = sent(codec, -1, padding);
            (
                source,
                AppendOptions {
                    may_check_here,
                    ..of(source, records)
                },
            )
        }),
        1..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_appends_of_a_source_keep_their_order_whatever_they_cost(
        batches in batches(),
        compression in prop::sample::select(vec!["producer", "zstd", "gzip", "uncompressed"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let path = tempfile::tempdir().expect("a temporary directory");
        let settings = [("compression.type", compression)];
        let broker = Broker::start(path.path(), KafkaUuid::random(), &settings);
        let replica = broker.replica();
        let count = batches.len();
        let pending: Vec<_> = batches
            .into_iter()
            .map(|(source, options)| (source, replica.append(options)))
            .collect();
        let mut last = [Offset(-1); 4];
        let mut all = Vec::new();
        for (source, append) in pending {
            let found = runtime.block_on(offset(append));
            let last = &mut last[usize::from(source)];
            prop_assert!(found > *last);
            *last = found;
            all.push(found.0);
        }
        all.sort_unstable();
        prop_assert!(all.into_iter().eq(0..i64::try_from(count).expect("few")));
        broker.partitions.stop(1);
    }
}
