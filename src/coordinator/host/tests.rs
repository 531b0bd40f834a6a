//! A host with the simplest machine there is: it adds numbers up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{
    Ask, KafkaUuid, KeyValue, ManualClock, Outcome, TimerChange, Timestamp, Token, TopicId,
};
use crate::partition::testing::{Broker, EPOCH};

use crate::record::Codec;

use super::super::held::Held;
use super::super::machine::{Decides, Machine, Subject};
use super::{CoordinatorError, Handle, LogOptions};

const OPTIONS: LogOptions = LogOptions {
    codec: Codec::None,
    load_bytes: 100,
};

#[derive(Default)]
struct Sum {
    total: u64,
    waiting: Vec<Token<u64>>,
}

enum Change {
    Add(u8),
    /// Answered when the timer fires, or never.
    Wait(Option<Duration>),
    /// Writes a record of this many bytes.
    Write(usize),
    Panic,
}

impl Ask for Change {
    type Reply = u64;
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
        Subject {
            operation: "Change",
            key: "".into(),
        }
    }

    fn decide(
        &mut self,
        token: Token<u64>,
        change: Change,
        _now: Timestamp,
    ) -> Outcome<&'static str> {
        let mut outcome = Outcome::default();
        match change {
            Change::Add(number) => {
                outcome.records = Self::write(vec![number]);
                outcome.reply(token, self.total + u64::from(number));
            }
            Change::Wait(until) => {
                self.waiting.push(token);
                outcome
                    .timers
                    .extend(until.map(|after| TimerChange::Set("wait", after)));
            }
            Change::Write(size) => {
                outcome.records = Self::write(vec![1; size]);
                outcome.reply(token, 0);
            }
            Change::Panic => panic!("as asked"),
        }
        outcome
    }
}

impl Machine for Sum {
    type TimerKey = &'static str;
    type ReplayError = std::convert::Infallible;

    const TOO_LARGE_CURE: &'static str = "add less";

    fn subject_of_timer(_key: &&'static str) -> Subject {
        Self::subject(&Change::Wait(None))
    }

    fn timer_fired(&mut self, _key: &'static str, _now: Timestamp) -> Outcome<&'static str> {
        let mut outcome = Outcome::default();
        for token in self.waiting.drain(..) {
            outcome.reply(token, 99);
        }
        outcome
    }

    fn replay(
        &mut self,
        _key: &[u8],
        value: Option<&[u8]>,
        _now: Timestamp,
    ) -> Result<(), Self::ReplayError> {
        self.total += value
            .unwrap_or_default()
            .iter()
            .map(|number| u64::from(*number))
            .sum::<u64>();
        Ok(())
    }

    fn loaded(&mut self, _now: Timestamp) -> Vec<TimerChange<&'static str>> {
        Vec::new()
    }
}

fn host(path: &Path, id: TopicId) -> (Broker, Handle<Sum>) {
    let broker = Broker::start(path, id, &[("message.max.bytes", "2000")]);
    let clock = Arc::new(ManualClock::new(Timestamp(5)));
    let handle = Handle::start(
        broker.replica(),
        EPOCH,
        clock,
        OPTIONS,
        Held::default(),
        Sum::default,
    );
    (broker, handle)
}

/// Asks until the machine is loaded.
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
    // Its append is on its way when the host panics.
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
