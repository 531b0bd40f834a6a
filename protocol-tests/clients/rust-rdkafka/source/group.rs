//! A group of three, of whom one leaves, and one joins, while records flow. Each record is seen exactly once.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{scope, spawn, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use rdkafka::ClientContext;

use crate::session::{config, topic, unique, until, Sending};

const PARTITIONS: i32 = 6;

/// Commits what was read before a partition is given away.
struct CommitsBeforeRevocation;

impl ClientContext for CommitsBeforeRevocation {}

impl ConsumerContext for CommitsBeforeRevocation {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(_) = rebalance {
            // There may be nothing to commit.
            let _ = consumer.commit_consumer_state(CommitMode::Sync);
        }
    }
}

struct Member {
    stop: Arc<AtomicBool>,
    shares: Arc<Mutex<Vec<i32>>>,
    thread: JoinHandle<()>,
}

impl Member {
    fn join(topic: &str, assignor: &str, seen: &Arc<Mutex<Vec<i32>>>) -> Self {
        let mut settings = config(&[("auto.offset.reset", "earliest"), ("enable.auto.commit", "false"), ("heartbeat.interval.ms", "300")]);
        // A consumer that is dropped polls and throws away what comes; only what was looked at may count as read.
        settings.set("enable.auto.offset.store", "false").set("group.id", unique("members")).set("partition.assignment.strategy", assignor);
        let consumer: BaseConsumer<_> = settings.create_with_context(CommitsBeforeRevocation).expect("a consumer");
        consumer.subscribe(&[topic]).expect("subscribe");
        let (stop, shares) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, share, seen) = (stop.clone(), shares.clone(), seen.clone());
        let thread = spawn(move || {
            while !stopped.load(SeqCst) {
                if let Some(message) = consumer.poll(Duration::from_millis(50)) {
                    let message = message.expect("a message");
                    let value = message.payload().expect("a value").to_vec();
                    seen.lock().expect("the lock").push(String::from_utf8(value).expect("text").parse().expect("a number"));
                    consumer.store_offset_from_message(&message).expect("still ours");
                }
                let assigned = consumer.assignment().expect("an assignment");
                *share.lock().expect("the lock") = assigned.elements().iter().map(|entry| entry.partition()).collect();
            }
        });
        Self { stop, shares, thread }
    }

    /// Returns when the member has left its group.
    fn leave(self) {
        self.stop.store(true, SeqCst);
        self.thread.join().expect("the member");
    }
}

/// Waits until the members have equal shares of all partitions.
fn balanced(members: &[&Member]) {
    until("equal shares", || {
        let shares: Vec<Vec<i32>> = members.iter().map(|member| member.shares.lock().expect("the lock").clone()).collect();
        let mut all = shares.concat();
        all.sort_unstable();
        all == (0..PARTITIONS).collect::<Vec<i32>>() && shares.iter().all(|share| share.len() * members.len() == PARTITIONS as usize)
    });
}

pub fn members_come_and_go(assignor: &str) {
    let name = topic("group", PARTITIONS, &[]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sent, sending) = (AtomicI32::new(0), AtomicBool::new(true));
    let count = || seen.lock().expect("the lock").len() as i32;
    let flow = || {
        let mark = sent.load(SeqCst) + 300;
        until("records flow", || count() >= mark);
    };
    let join = || Member::join(&name, assignor, &seen);
    scope(|threads| {
        threads.spawn(|| keep_sending(&name, &sent, &sending));
        let first = join();
        balanced(&[&first]);
        flow();
        let (second, third) = (join(), join());
        balanced(&[&first, &second, &third]);
        flow();
        second.leave();
        balanced(&[&first, &third]);
        flow();
        let fourth = join();
        balanced(&[&first, &third, &fourth]);
        flow();
        sending.store(false, SeqCst);
        until("all that was sent is seen", || count() >= sent.load(SeqCst));
        for member in [first, third, fourth] {
            member.leave();
        }
    });
    let mut numbers = seen.lock().expect("the lock").clone();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..sent.load(SeqCst)).collect::<Vec<i32>>(), "every record exactly once");
    println!("figures: {} records", numbers.len());
}

/// Sends to each partition in turn, without a pause for rebalances.
fn keep_sending(topic: &str, sent: &AtomicI32, sending: &AtomicBool) {
    let producing = Sending::new(&[]);
    while sending.load(SeqCst) {
        for _ in 0..30 {
            let number = sent.fetch_add(1, SeqCst);
            producing.send(BaseRecord::to(topic).partition(number % PARTITIONS).payload(number.to_string().as_bytes())).expect("room for a record");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    producing.acknowledged(sent.load(SeqCst) as usize, &mut Default::default());
}
