//! Random clients in a random cluster, and what must always hold.
//!
//! - No partition is read by two members at once. It counts as read until the coordinator has heard that it is not.
//! - Epochs never go back.
//! - What is in the log gives the same state again.
//! - When everybody is left alone, every partition of a topic that somebody reads is read by one of those, and a
//!   heartbeat writes nothing.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Bench, Client};
use crate::base::{ErrorCode, TopicId};
use crate::group::tests::fixture::GROUP;

/// Clients by number: the last two share a name.
const CLIENTS: usize = 7;
const FIRST_STATIC: usize = 4;
const TOPICS: [&str; 4] = ["a1", "a2", "b1", "b2"];
const SUBSCRIPTIONS: [(&[&str], Option<&str>); 8] = [
    (&["a1", "a2"], None),
    (&["a1"], None),
    (&["a1", "a2", "b1", "b2"], None),
    (&["b1"], None),
    (&[], None),
    (&[], Some("a.*")),
    (&[], Some("b.*")),
    (&["b2"], Some("a.*")),
];
const ASSIGNORS: [Option<&str>; 3] = [None, Some("range"), Some("uniform")];

#[derive(Clone, Debug)]
enum Step {
    /// The client sends a heartbeat. If it is down it comes back first.
    Heartbeat(usize),
    /// The same, and the answer is lost.
    Lost(usize),
    /// The client gives up what it shall not have any more.
    Revoke(usize),
    Leave(usize),
    /// A static client goes down and says that it comes back.
    Away(usize),
    Crash(usize),
    Subscribe(usize, usize),
    Prefer(usize, usize),
    /// A topic is created, or grows.
    Create(usize),
    Delete(usize),
    LookUp,
    /// All clients that are not down send heartbeats for so many seconds.
    Live(usize),
    Wait(i64),
    Reload,
    /// From now on the log accepts records, or does not.
    Full(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    let topic = || 0..TOPICS.len();
    prop_oneof![
        24 => client().prop_map(Step::Heartbeat),
        6 => client().prop_map(Step::Lost),
        14 => client().prop_map(Step::Revoke),
        2 => client().prop_map(Step::Leave),
        2 => (FIRST_STATIC..CLIENTS).prop_map(Step::Away),
        2 => client().prop_map(Step::Crash),
        4 => (client(), 0..SUBSCRIPTIONS.len()).prop_map(|(c, s)| Step::Subscribe(c, s)),
        1 => (client(), 0..ASSIGNORS.len()).prop_map(|(c, a)| Step::Prefer(c, a)),
        3 => topic().prop_map(Step::Create),
        1 => topic().prop_map(Step::Delete),
        4 => Just(Step::LookUp),
        3 => (1_usize..30).prop_map(Step::Live),
        6 => (1_i64..5_000).prop_map(Step::Wait),
        1 => (30_000_i64..100_000).prop_map(Step::Wait),
        1 => Just(Step::Reload),
        1 => any::<bool>().prop_map(Step::Full),
    ]
}

struct Run {
    bench: Bench,
    clients: Vec<Client>,
    is_up: [bool; CLIENTS],
    /// How often clients have started.
    starts: usize,
    /// The group epoch and that of the target.
    epochs: (i32, i32),
}

impl Run {
    fn new(interval_ms: &str) -> Self {
        let settings = [("group.consumer.assignment.interval.ms", interval_ms)];
        let bench = Bench::new(&settings, &[("a1", 3), ("b1", 2)]);
        let clients = (0..CLIENTS).map(|number| {
            let id = format!("m{number}");
            if number < FIRST_STATIC {
                Client::new(&id, &["a1"])
            } else {
                Client::named(&id, &name_of(number), &["a1", "b1"])
            }
        });
        Self {
            bench,
            clients: clients.collect(),
            is_up: [true; CLIENTS],
            starts: 0,
            epochs: (0, 0),
        }
    }

    fn take(&mut self, step: &Step) {
        let Self { bench, clients, .. } = self;
        match *step {
            Step::Heartbeat(client) => {
                self.start(client);
                self.clients[client].heartbeat(&mut self.bench);
            }
            Step::Lost(client) => {
                self.start(client);
                self.clients[client].heartbeat_in_vain(&mut self.bench);
            }
            Step::Revoke(client) => clients[client].revoke(),
            Step::Leave(client) if self.is_up[client] => {
                bench.f.send(clients[client].leaving(-1));
                self.stop(client);
            }
            Step::Away(client) if self.is_up[client] => {
                bench.f.send(clients[client].leaving(-2));
                self.stop(client);
            }
            Step::Leave(_) | Step::Away(_) => {}
            Step::Crash(client) => self.stop(client),
            Step::Subscribe(client, subscription) => {
                let (topics, expression) = SUBSCRIPTIONS[subscription];
                clients[client].topics = topics.iter().map(|topic| (*topic).into()).collect();
                clients[client].expression = expression.map(Into::into);
            }
            Step::Prefer(client, assignor) => {
                clients[client].assignor = ASSIGNORS[assignor].map(Into::into);
            }
            Step::Create(topic) => bench.change(|cluster| {
                if !cluster.has(TOPICS[topic]) {
                    cluster.create(TOPICS[topic], 1 + topic);
                } else if cluster.partitions().count() < 16 {
                    cluster.grow(TOPICS[topic]);
                }
            }),
            Step::Delete(topic) => bench.change(|cluster| {
                if cluster.has(TOPICS[topic]) {
                    cluster.delete(TOPICS[topic]);
                }
            }),
            Step::LookUp => bench.look_up(),
            Step::Live(seconds) => (0..seconds).for_each(|_| self.live()),
            Step::Wait(milliseconds) => bench.f.advance(milliseconds),
            Step::Reload => self.reload(),
            Step::Full(is_full) => bench.f.is_log_full = is_full,
        }
        self.check();
    }

    /// A process begins under a new id, with nothing.
    fn start(&mut self, client: usize) {
        if !std::mem::replace(&mut self.is_up[client], true) {
            self.starts += 1;
            let client = &mut self.clients[client];
            client.begin_anew();
            client.id = format!("{}-{}", client.id.split('-').next().unwrap(), self.starts).into();
        }
    }

    fn stop(&mut self, client: usize) {
        self.is_up[client] = false;
        self.clients[client].begin_anew();
    }

    /// A second passes.
    fn live(&mut self) {
        for client in 0..CLIENTS {
            if self.is_up[client] {
                self.clients[client].heartbeat(&mut self.bench);
                self.check();
                self.clients[client].revoke();
            }
        }
        self.bench.look_up();
        self.bench.f.advance(1_000);
        self.check();
    }

    fn reload(&mut self) {
        self.bench.f.check();
        self.bench.f.reload();
        self.bench.f.effects.clear();
        self.bench.f.check();
    }

    fn check(&mut self) {
        let Some(group) = self.bench.f.registry.consumers.get(GROUP) else {
            return;
        };
        let epochs = (group.epoch(), group.target_epoch());
        assert!(epochs.0 >= self.epochs.0 && epochs.1 >= self.epochs.1);
        assert!(epochs.0 >= epochs.1);
        self.epochs = epochs;
        let mut owners = BTreeMap::<(TopicId, i32), &Client>::new();
        for client in &self.clients {
            // Whoever was fenced and has not heard of it yet reads on: nothing can be done about that.
            if group.member(&client.id).is_none() {
                continue;
            }
            for partition in &client.owned {
                if let Some(other) = owners.insert(*partition, client) {
                    panic!("{partition:?} has two owners: {client:?} {other:?} {group:?}");
                }
            }
        }
    }

    fn settle(&mut self) {
        self.bench.f.is_log_full = false;
        // Sessions of those who are down end, and everyone else is through with what was begun.
        (0..130).for_each(|_| self.live());
        let mut up: Vec<&mut Client> = self
            .clients
            .iter_mut()
            .zip(self.is_up)
            .filter_map(|(client, is_up)| is_up.then_some(client))
            .collect();
        self.bench.settle(&mut up);
        self.check();
        self.bench.f.check();
        for client in &self.clients {
            self.check_settled(client);
        }
        for (name, topic, partition) in self.bench.cluster.partitions() {
            let reads = |client: &&Client| {
                let expression = client
                    .expression
                    .as_deref()
                    .and_then(|e| e.strip_suffix(".*"));
                client.epoch > 0
                    && (client.topics.iter().any(|read| **read == *name)
                        || expression.is_some_and(|start| name.starts_with(start)))
            };
            let owns = |client: &&Client| client.owned.contains(&(topic, partition));
            let readers = self.clients.iter().filter(reads).count();
            let owners = self.clients.iter().filter(owns).count();
            assert_eq!(
                owners,
                readers.min(1),
                "{name} {partition} {:?}",
                self.clients
            );
            let strangers = self
                .clients
                .iter()
                .filter(owns)
                .filter(|client| !reads(client));
            assert_eq!(strangers.count(), 0);
        }
    }

    /// A client that is up is in the group, unless another one has its name.
    fn check_settled(&self, client: &Client) {
        let number = self.clients.iter().position(|other| other.id == client.id);
        let number = number.unwrap();
        let has_name = |other: &Client| other.epoch > 0 && other.instance == client.instance;
        if self.is_up[number] && client.epoch == 0 {
            let rival = self.clients.iter().any(has_name);
            assert!(client.instance.is_some() && rival, "{client:?} is outside");
        }
    }
}

fn name_of(client: usize) -> String {
    format!("i{}", client.min(CLIENTS - 2))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn members_share_the_partitions_whatever_happens(
        steps in vec(step(), 1..120),
        interval_ms in prop_oneof![Just("0"), Just("1000"), Just("10000")],
    ) {
        let mut run = Run::new(interval_ms);
        for step in &steps {
            run.take(step);
        }
        run.settle();
    }
}

#[test]
fn a_client_that_nobody_expects_is_told_so() {
    let mut bench = Bench::new(&[], &[("a1", 1)]);
    let mut client = Client::new("m", &["a1"]);
    client.epoch = 3;
    assert_eq!(client.heartbeat(&mut bench), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(client.heartbeat(&mut bench), ErrorCode::NONE);
    assert_eq!(client.epoch, 2);
}
