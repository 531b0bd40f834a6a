//! A host with the simplest machine: it adds up numbers.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::base::{
    Ask, FixedClock, KafkaUuid, KeyValue, Offset, Outcome, ProducerEpoch, ProducerId, Replayed,
    TimerChange, Timestamp, Token, TopicId, Transaction, TransactionEnd, TransactionVersion,
};
use crate::log::{AppendError, TransactionCheck};
use crate::partition::testing::{Broker, EPOCH};
use crate::record::Codec;
use crate::record::control::{EndTransactionMarker, TransactionMarker};

use super::super::held::Held;
use super::super::machine::{Decides, Decision, Machine, Subject};
use super::super::markers::MarkerError;
use super::{CoordinatorError, Handle, HostParts, LogOptions};

const OPTIONS: LogOptions = LogOptions {
    codec: Codec::None,
    load_bytes: 100,
};

/// The total of all committed numbers.
#[derive(Default)]
struct Sum {
    total: u64,
    /// Numbers in open transactions, with their offsets.
    undecided: Vec<(ProducerId, Offset, u64)>,
    waiting: Vec<Token<u64>>,
    /// Answered when the machine ends.
    staying: Vec<Token<u64>>,
}

/// The effects of the machine.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    Loaded(u64),
    Told(u64),
    Unloaded,
}

enum Change {
    Add(u8),
    /// The same in an open transaction.
    AddUnder(Transaction, u8),
    /// The same, with an effect.
    AddAndTell(u8),
    /// Answered when the timer fires, or never.
    Wait(Option<Duration>),
    /// Answered when the machine is dropped.
    Stay,
    /// Writes a record of this many bytes.
    Write(usize),
    Panic,
}

impl Ask for Change {
    type Reply = u64;
}

/// Writes a record of this many bytes.
struct WriteIfSmall(usize);

impl Ask for WriteIfSmall {
    type Reply = &'static str;
}

impl Sum {
    fn write(value: Vec<u8>) -> Vec<KeyValue> {
        vec![KeyValue {
            key: b"sum".to_vec(),
            value: Some(value),
        }]
    }
}

impl Decides<Change> for Sum {
    fn subject(_change: &Change) -> Subject {
        Subject::all("Change")
    }

    fn decide(&mut self, token: Token<u64>, change: Change, _now: Timestamp) -> Decision<Self> {
        let mut outcome = Outcome::default();
        match change {
            Change::Add(number) => {
                outcome.records = Self::write(vec![number]);
                outcome.reply(token, self.total + u64::from(number));
            }
            Change::AddUnder(transaction, number) => {
                outcome.transaction = Some(transaction);
                outcome.records = Self::write(vec![number]);
                outcome.reply(token, self.total);
            }
            Change::AddAndTell(number) => {
                let total = self.total + u64::from(number);
                outcome.records = Self::write(vec![number]);
                outcome.effects.push(Effect::Told(total));
                outcome.reply(token, total);
            }
            Change::Wait(until) => {
                self.waiting.push(token);
                outcome
                    .timers
                    .extend(until.map(|after| TimerChange::Set("wait", after)));
            }
            Change::Stay => self.staying.push(token),
            Change::Write(size) => {
                outcome.records = Self::write(vec![1; size]);
                outcome.reply(token, 0);
            }
            Change::Panic => panic!("as asked"),
        }
        outcome
    }
}

impl Decides<WriteIfSmall> for Sum {
    fn subject(_write: &WriteIfSmall) -> Subject {
        Subject::all("WriteIfSmall")
    }

    fn decide(
        &mut self,
        token: Token<&'static str>,
        write: WriteIfSmall,
        _now: Timestamp,
    ) -> Decision<Self> {
        let mut outcome = Outcome {
            records: Self::write(vec![1; write.0]),
            ..Outcome::default()
        };
        outcome.reply(token, "written");
        outcome
    }

    fn too_large() -> Option<&'static str> {
        Some("too large")
    }
}

impl Machine for Sum {
    type TimerKey = &'static str;
    type Effect = Effect;
    type News = u8;
    type ReplayError = std::convert::Infallible;

    const TOO_LARGE_CURE: &'static str = "add less";

    fn subject_of_timer(key: &&'static str) -> Subject {
        Subject::all(key)
    }

    fn timer_fired(&mut self, _key: &'static str, _now: Timestamp) -> Decision<Self> {
        let mut outcome = Outcome::default();
        for token in self.waiting.drain(..) {
            outcome.reply(token, 99);
        }
        outcome
    }

    fn hear(&mut self, news: u8, _now: Timestamp) -> Decision<Self> {
        Outcome {
            records: Self::write(vec![news]),
            ..Outcome::default()
        }
    }

    fn replay(&mut self, record: &Replayed<'_>, _now: Timestamp) -> Result<(), Self::ReplayError> {
        let numbers = record.value.unwrap_or_default().iter();
        let sum = numbers.map(|number| u64::from(*number)).sum::<u64>();
        match record.producer {
            None => self.total += sum,
            Some(producer) => self.undecided.push((producer, record.place, sum)),
        }
        Ok(())
    }

    fn settled(&mut self, under: Transaction, places: &Range<Offset>, is_written: bool) {
        self.undecided.retain(|(producer, place, _)| {
            is_written || *producer != under.producer || !places.contains(place)
        });
    }

    fn transaction_ended(&mut self, end: &TransactionEnd, _now: Timestamp) {
        self.undecided.retain(|(producer, place, sum)| {
            let has_ended = *producer == end.producer && *place < end.place;
            if has_ended && end.is_committed {
                self.total += sum;
            }
            !has_ended
        });
    }

    fn loaded(&mut self, _now: Timestamp) -> Decision<Self> {
        Outcome {
            effects: vec![Effect::Loaded(self.total)],
            ..Outcome::default()
        }
    }

    fn unloaded(&mut self) -> Decision<Self> {
        let mut outcome = Outcome {
            effects: vec![Effect::Unloaded],
            ..Outcome::default()
        };
        for token in self.staying.drain(..) {
            outcome.reply(token, self.total);
        }
        outcome
    }
}

struct Hosted {
    broker: Broker,
    handle: Handle<Sum>,
    effects: Receiver<Effect>,
}

impl Hosted {
    fn start(path: &Path, id: TopicId) -> Self {
        let broker = Broker::start(path, id, &[("message.max.bytes", "2000")]);
        let (have, effects) = channel();
        let handle = Handle::start(HostParts {
            replica: broker.replica(),
            epoch: EPOCH,
            clock: Arc::new(FixedClock::new(Timestamp(5))),
            options: OPTIONS,
            held: Held::default(),
            make: Box::new(Sum::default),
            have: Arc::new(move |effect| drop(have.send(effect))),
        });
        Self {
            broker,
            handle,
            effects,
        }
    }
}

fn host(path: &Path, id: TopicId) -> (Broker, Handle<Sum>) {
    let hosted = Hosted::start(path, id);
    (hosted.broker, hosted.handle)
}

/// Sends requests until the machine is loaded.
async fn total(handle: &Handle<Sum>) -> u64 {
    loop {
        match handle.read(|sum| sum.total).await {
            Err(CoordinatorError::Loading) => tokio::task::yield_now().await,
            total => return total.expect("a machine that can be read"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_loses_nothing_but_its_own_answer() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (_broker, handle) = host(path.path(), KafkaUuid::random());
    assert_eq!(handle.ask(Change::Add(5)).await, Ok(5));
    // Its append is in progress when the host panics.
    let asked = handle.ask(Change::Add(3));
    let refused = handle.ask(Change::Panic);
    assert_eq!(refused.await, Err(CoordinatorError::NotCoordinator));
    drop(asked);
    assert_eq!(total(&handle).await, 8);
    assert_eq!(handle.ask(Change::Add(2)).await, Ok(10));
    handle.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_follow_one_another_and_are_loaded_again() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let id = KafkaUuid::random();
    let (broker, handle) = host(path.path(), id);
    assert_eq!(total(&handle).await, 0);
    let asked: Vec<_> = [1, 2, 3]
        .map(|number| handle.ask(Change::Add(number)))
        .into();
    let read = handle.read(|sum| sum.total);
    let mut replies = Vec::new();
    for reply in asked {
        replies.push(reply.await);
    }
    assert_eq!(
        replies,
        [Ok(1), Ok(3), Ok(6)],
        "each sees the records of those before it"
    );
    assert_eq!(read.await, Ok(6));
    assert_eq!(broker.replica().published().positions.high_watermark.0, 3);
    handle.stop();
    broker.partitions.stop(1);
    drop(broker);

    let (broker, handle) = host(path.path(), id);
    assert_eq!(total(&handle).await, 6);
    broker.partitions.stop(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_answered_by_a_timer_or_by_the_end() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle) = host(path.path(), KafkaUuid::random());
    let timed = handle.ask(Change::Wait(Some(Duration::from_millis(1))));
    assert_eq!(timed.await, Ok(99));
    let parked = handle.ask(Change::Wait(None));
    let written = handle.ask(Change::Add(7));
    handle.stop();
    let late = handle.ask(Change::Add(1));
    assert_eq!(
        written.await,
        Ok(7),
        "what was asked before the end is done"
    );
    assert_eq!(parked.await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(late.await, Err(CoordinatorError::NotCoordinator));
    broker.partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_is_too_large_leaves_no_trace() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle) = host(path.path(), KafkaUuid::random());
    assert_eq!(
        handle.ask(Change::Write(5000)).await,
        Err(CoordinatorError::Refused)
    );
    assert_eq!(handle.ask(Change::Add(2)).await, Ok(2));
    assert_eq!(total(&handle).await, 2);
    broker.partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_offline_refuses_for_good() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle) = host(path.path(), KafkaUuid::random());
    assert_eq!(handle.ask(Change::Add(2)).await, Ok(2));
    broker.replica().directory().fail(&"a test");
    for _ in 0..3 {
        assert_eq!(
            handle.ask(Change::Add(1)).await,
            Err(CoordinatorError::NotCoordinator)
        );
    }
    broker.partitions.stop(1);
}

fn marker(epoch: i16, committed: bool, coordinator_epoch: i32) -> TransactionMarker {
    TransactionMarker {
        producer: ProducerId(7),
        epoch: ProducerEpoch(epoch),
        end: EndTransactionMarker {
            committed,
            coordinator_epoch,
        },
        version: TransactionVersion::V0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_writes_holds_when_its_marker_says_so() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let id = KafkaUuid::random();
    let (broker, handle) = host(path.path(), id);
    let under = |epoch| Transaction {
        producer: ProducerId(7),
        epoch: ProducerEpoch(epoch),
    };
    assert_eq!(handle.ask(Change::AddUnder(under(0), 5)).await, Ok(0));
    assert_eq!(handle.ask(Change::Add(1)).await, Ok(1));
    assert_eq!(total(&handle).await, 1);
    // The next transaction begins before the machine is told that the first has ended.
    let ended = handle.end_transaction(marker(0, true, 3));
    let next = handle.ask(Change::AddUnder(under(0), 20));
    assert!(ended.await.is_ok());
    assert!(next.await.is_ok());
    assert_eq!(total(&handle).await, 6);
    // A marker of an old coordinator is refused, and nothing is loaded again for it.
    let waiting = handle.ask(Change::Wait(None));
    let refused = handle.end_transaction(marker(0, true, 2)).await;
    assert!(
        matches!(
            refused,
            Err(MarkerError::Refused(AppendError::CoordinatorFenced { .. }))
        ),
        "{refused:?}"
    );
    assert!(handle.end_transaction(marker(0, false, 3)).await.is_ok());
    assert_eq!(handle.ask(Change::AddUnder(under(1), 40)).await, Ok(6));
    assert_eq!(total(&handle).await, 6);
    handle.stop();
    assert_eq!(waiting.await, Err(CoordinatorError::NotCoordinator));
    broker.partitions.stop(1);
    drop(broker);

    let (broker, handle) = host(path.path(), id);
    assert_eq!(total(&handle).await, 6);
    assert!(handle.end_transaction(marker(1, true, 3)).await.is_ok());
    assert_eq!(total(&handle).await, 46);
    broker.partitions.stop(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_refuses_of_a_transaction_is_taken_back_and_everything_goes_on() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle) = host(path.path(), KafkaUuid::random());
    let add = |epoch, number| {
        let under = Transaction {
            producer: ProducerId(7),
            epoch: ProducerEpoch(epoch),
        };
        Change::AddUnder(under, number)
    };
    let waiting = handle.ask(Change::Wait(None));
    assert_eq!(handle.ask(add(1, 5)).await, Ok(0));
    let (ended, late, old, other) = (
        handle.end_transaction(marker(1, true, 3)),
        handle.ask_checked(add(1, 10), TransactionCheck::MustBeOpen),
        handle.ask(add(0, 20)),
        handle.ask(Change::Add(1)),
    );
    assert!(ended.await.is_ok());
    assert_eq!(late.await, Err(CoordinatorError::TransactionEnded));
    assert_eq!(old.await, Err(CoordinatorError::ProducerFenced));
    assert!(other.await.is_ok());
    assert_eq!(total(&handle).await, 6);
    assert!(handle.end_transaction(marker(1, true, 3)).await.is_ok());
    assert_eq!(total(&handle).await, 6, "nothing was left");
    // Who waits has not been failed by it.
    handle.stop();
    assert_eq!(waiting.await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(broker.replica().published().positions.log_end.0, 4);
    broker.partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_in_a_directory_that_fails_gets_the_same_answer_as_all_others() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle) = host(path.path(), KafkaUuid::random());
    assert_eq!(total(&handle).await, 0);
    broker.replica().directory().fail(&"a test");
    let under = Transaction {
        producer: ProducerId(7),
        epoch: ProducerEpoch(0),
    };
    let asked = handle.ask(Change::AddUnder(under, 1));
    let next = handle.ask(Change::AddUnder(under, 1));
    assert_eq!(asked.await, Err(CoordinatorError::NotCoordinator));
    assert_eq!(next.await, Err(CoordinatorError::NotCoordinator));
    broker.partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_hear_of_a_decision_when_it_is_committed() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let Hosted {
        broker,
        handle,
        effects,
    } = Hosted::start(path.path(), KafkaUuid::random());
    assert_eq!(handle.ask(Change::AddAndTell(2)).await, Ok(2));
    assert_eq!(handle.ask(Change::AddAndTell(3)).await, Ok(5));
    let staying = handle.ask(Change::Stay);
    assert_eq!(total(&handle).await, 5);
    let heard: Vec<_> = effects.try_iter().collect();
    assert_eq!(heard, [Effect::Loaded(0), Effect::Told(2), Effect::Told(5)]);
    handle.stop();
    assert_eq!(staying.await, Ok(5), "the machine's own last word");
    assert_eq!(effects.recv(), Ok(Effect::Unloaded));
    broker.partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_written_has_no_effect() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let Hosted {
        broker,
        handle,
        effects,
    } = Hosted::start(path.path(), KafkaUuid::random());
    assert_eq!(total(&handle).await, 0);
    broker.replica().directory().fail(&"a test");
    let told = handle.ask(Change::AddAndTell(2)).await;
    assert_eq!(told, Err(CoordinatorError::NotCoordinator));
    let next = handle.ask(Change::Add(2)).await;
    assert_eq!(next, Err(CoordinatorError::NotCoordinator));
    let heard: Vec<_> = effects.try_iter().collect();
    assert_eq!(heard, [Effect::Loaded(0), Effect::Unloaded]);
    broker.partitions.stop(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_news_is_lost_while_a_machine_is_loaded() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let id = KafkaUuid::random();
    let (broker, handle) = host(path.path(), id);
    assert_eq!(handle.ask(Change::Add(1)).await, Ok(1));
    handle.stop();
    broker.partitions.stop(1);
    drop(broker);

    let (broker, handle) = host(path.path(), id);
    handle.tell(2);
    assert_eq!(total(&handle).await, 3);
    let panics = handle.ask(Change::Panic);
    assert_eq!(panics.await, Err(CoordinatorError::NotCoordinator));
    handle.tell(4);
    assert_eq!(total(&handle).await, 7);
    handle.tell(8);
    assert_eq!(total(&handle).await, 15);
    broker.partitions.stop(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_has_its_own_word_for_a_decision_that_is_too_large() {
    let path = tempfile::tempdir().expect("a temporary directory");
    let (broker, handle) = host(path.path(), KafkaUuid::random());
    assert_eq!(handle.ask(WriteIfSmall(5000)).await, Ok("too large"));
    assert_eq!(handle.ask(WriteIfSmall(5)).await, Ok("written"));
    assert_eq!(total(&handle).await, 5);
    broker.partitions.stop(1);
}
