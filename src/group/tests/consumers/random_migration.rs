//! Clients of both protocols in one group, at random, and what must always hold.
//!
//! - No partition is read by two members at once, whichever protocol they speak and whatever the group is.
//! - What is in the log gives the same state again.
//! - When everybody is left alone, every partition is read by one member.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::classic_client::ClassicClient;
use super::{Bench, Client};
use crate::base::TopicId;
use crate::group::tests::fixture::GROUP;

/// Of each protocol. The last of one has the same name as the last of the other.
const CLIENTS: usize = 3;
const TOPICS: [(&str, usize); 2] = [("t", 4), ("u", 2)];

#[derive(Clone, Debug)]
enum Step {
    /// The classic client sends its next request, or reads an answer.
    Act(usize),
    LeaveClassic(usize),
    CrashClassic(usize),
    Heartbeat(usize),
    Revoke(usize),
    Leave(usize),
    Crash(usize),
    /// All clients that are up do what they must for so many seconds.
    Live(usize),
    Wait(i64),
    Reload,
    /// From now on the log accepts records, or does not.
    Full(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    prop_oneof![
        24 => client().prop_map(Step::Act),
        2 => client().prop_map(Step::LeaveClassic),
        1 => client().prop_map(Step::CrashClassic),
        10 => client().prop_map(Step::Heartbeat),
        8 => client().prop_map(Step::Revoke),
        3 => client().prop_map(Step::Leave),
        1 => client().prop_map(Step::Crash),
        4 => (1_usize..10).prop_map(Step::Live),
        6 => (1_i64..5_000).prop_map(Step::Wait),
        1 => (10_000_i64..100_000).prop_map(Step::Wait),
        1 => Just(Step::Reload),
        1 => any::<bool>().prop_map(Step::Full),
    ]
}

struct Run {
    bench: Bench,
    classic: Vec<ClassicClient>,
    clients: Vec<Client>,
    is_up: [bool; CLIENTS],
    starts: usize,
}

impl Run {
    fn new(policy: &str) -> Self {
        let settings = [
            ("group.consumer.migration.policy", policy),
            ("group.consumer.assignment.interval.ms", "0"),
        ];
        let topics = TOPICS.map(|(topic, _)| topic);
        let mut classic = vec![ClassicClient::new(&topics); CLIENTS];
        let mut clients: Vec<_> = (0..CLIENTS)
            .map(|number| Client::new(&format!("m{number}"), &topics))
            .collect();
        classic[CLIENTS - 1].instance = Some("name".into());
        clients[CLIENTS - 1].instance = Some("name".into());
        Self {
            bench: Bench::new(&settings, &TOPICS),
            classic,
            clients,
            is_up: [false; CLIENTS],
            starts: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Act(client) => {
                self.classic[client].act(&mut self.bench);
            }
            Step::LeaveClassic(client) => {
                self.bench.f.send(self.classic[client].leaving());
                self.classic[client].begin_anew();
            }
            Step::CrashClassic(client) => self.classic[client].begin_anew(),
            Step::Heartbeat(client) => {
                self.start(client);
                self.clients[client].heartbeat(&mut self.bench);
            }
            Step::Revoke(client) => self.clients[client].revoke(),
            Step::Leave(client) if self.is_up[client] => {
                self.bench.f.send(self.clients[client].leaving(-1));
                self.stop(client);
            }
            Step::Leave(_) => {}
            Step::Crash(client) => self.stop(client),
            Step::Live(seconds) => (0..seconds).for_each(|_| self.live()),
            Step::Wait(milliseconds) => self.bench.f.advance(milliseconds),
            Step::Reload => {
                self.bench.f.check();
                self.bench.f.reload();
                self.bench.f.check();
            }
            Step::Full(is_full) => self.bench.f.is_log_full = is_full,
        }
        self.check();
    }

    /// A process begins under a new id, with nothing.
    fn start(&mut self, client: usize) {
        if !std::mem::replace(&mut self.is_up[client], true) {
            self.starts += 1;
            self.clients[client].id = format!("m{client}-{}", self.starts).into();
        }
    }

    fn stop(&mut self, client: usize) {
        self.is_up[client] = false;
        self.clients[client].begin_anew();
    }

    /// A second passes.
    fn live(&mut self) {
        for client in 0..CLIENTS {
            self.classic[client].act(&mut self.bench);
            self.check();
            if self.is_up[client] {
                self.clients[client].heartbeat(&mut self.bench);
                self.check();
                self.clients[client].revoke();
            }
        }
        self.bench.f.advance(1_000);
        self.check();
    }

    fn is_member(&self, id: &str) -> bool {
        let registry = &self.bench.f.registry;
        match registry.groups.get(GROUP) {
            Some(classic) => classic.members().contains(id),
            None => {
                let group = registry.consumers.get(GROUP);
                group.is_some_and(|group| group.member(id).is_some())
            }
        }
    }

    fn check(&mut self) {
        for client in 0..CLIENTS {
            let is_gone = !self.is_member(&self.classic[client].id);
            self.classic[client].is_stale |= is_gone;
        }
        // Whoever was removed and has not heard of it yet reads on: nothing can be done about that.
        let classic = self.classic.iter().filter(|client| !client.is_stale);
        let classic = classic.map(|client| (&client.id, &client.owned));
        let clients = self
            .clients
            .iter()
            .map(|client| (&client.id, &client.owned));
        let clients = clients.filter(|(id, _)| self.is_member(id));
        let mut owners = BTreeMap::<(TopicId, i32), &Arc<str>>::new();
        for (id, owned) in classic.chain(clients) {
            for partition in owned {
                if let Some(other) = owners.insert(*partition, id) {
                    panic!("{partition:?} is read by {id} and {other}");
                }
            }
        }
    }

    fn settle(&mut self) {
        self.bench.f.is_log_full = false;
        // Only one of those with the same name can be there.
        self.stop(CLIENTS - 1);
        (0..300).for_each(|_| self.live());
        self.bench.f.check();
        let classic = self.classic.iter().map(|client| &client.owned);
        let owned = classic.chain(self.clients.iter().map(|client| &client.owned));
        let owned = owned.map(|owned| owned.len()).sum::<usize>();
        let partitions = TOPICS
            .iter()
            .map(|(_, partitions)| partitions)
            .sum::<usize>();
        assert_eq!(owned, partitions, "{:?} {:?}", self.classic, self.clients);
        assert!(self.classic.iter().all(ClassicClient::is_settled));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn members_of_both_protocols_share_the_partitions_whatever_happens(
        steps in vec(step(), 1..120),
        policy in prop_oneof![3 => Just("bidirectional"), 1 => Just("upgrade")],
    ) {
        let mut run = Run::new(policy);
        for step in &steps {
            run.take(step);
        }
        run.settle();
    }
}
