//! Random clients against the machine, and the properties that must always hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fixture::{Fixture, GROUP, commit_of, join, protocols, sync_of};
use crate::base::{ErrorCode, Token};
use crate::group::{DeleteGroup, Heartbeat, Join, JoinReply, Leave, Leaver, Settings, StateName};

/// The next step. Numbers choose one of few clients, so that they often interact.
#[derive(Clone, Debug)]
enum Step {
    Join {
        client: usize,
        taste: usize,
    },
    JoinOld {
        client: usize,
    },
    Sync {
        client: usize,
    },
    Heartbeat {
        client: usize,
    },
    /// In one request, each by its id or its name.
    Leave {
        clients: Vec<(usize, bool)>,
    },
    /// As a member of a group of another type.
    JoinAsWorker {
        client: usize,
    },
    Commit {
        client: usize,
    },
    Forget {
        client: usize,
    },
    Wait {
        milliseconds: i64,
    },
    Expire,
    Delete,
    Reload,
    /// From now on the log accepts records, or does not.
    Full(bool),
}

const CLIENTS: usize = 5;

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    prop_oneof![
        12 => (client(), 0_usize..8).prop_map(|(client, taste)| Step::Join { client, taste }),
        2 => client().prop_map(|client| Step::JoinOld { client }),
        10 => client().prop_map(|client| Step::Sync { client }),
        4 => client().prop_map(|client| Step::Heartbeat { client }),
        2 => vec((client(), any::<bool>()), 1..4).prop_map(|clients| Step::Leave { clients }),
        1 => client().prop_map(|client| Step::JoinAsWorker { client }),
        4 => client().prop_map(|client| Step::Commit { client }),
        2 => client().prop_map(|client| Step::Forget { client }),
        8 => (1_i64..15_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
        1 => (60_000_i64..400_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
        1 => Just(Step::Expire),
        1 => Just(Step::Delete),
        1 => Just(Step::Reload),
        2 => any::<bool>().prop_map(Step::Full),
    ]
}

#[derive(Clone, Debug)]
struct Client {
    member: Arc<str>,
    instance: Option<Arc<str>>,
    generation: i32,
    joining: Option<Token<JoinReply>>,
    others: Vec<Arc<str>>,
}

struct Run {
    host: Fixture,
    clients: Vec<Client>,
    /// The leader of each generation since the last reload or deletion; after these, unwritten generation numbers are
    /// used again.
    leaders: BTreeMap<i32, Arc<str>>,
    generation: i32,
}

impl Run {
    fn new(max_size: i32) -> Self {
        let host = Fixture::with(Settings {
            max_size,
            ..Settings::default()
        });
        let instance = |client: usize| (client >= 3).then(|| format!("instance-{client}").into());
        let client = |client| Client {
            member: "".into(),
            instance: instance(client),
            generation: -1,
            joining: None,
            others: Vec::new(),
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self {
            host,
            clients,
            leaders: BTreeMap::new(),
            generation: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join { client, taste } => self.join(client, taste, true),
            Step::JoinOld { client } => self.join(client, 0, false),
            Step::Sync { client } => {
                let client = self.clients[client].clone();
                let parts: Vec<_> = client.others.iter().map(|id| (&**id, "part")).collect();
                let mut sync = sync_of(&client.member, client.generation, &parts);
                sync.instance = client.instance;
                sync.protocol = None;
                self.host.send(sync);
            }
            Step::Heartbeat { client } => {
                let Client {
                    member,
                    instance,
                    generation,
                    ..
                } = self.clients[client].clone();
                let group = GROUP.into();
                let heartbeat = Heartbeat {
                    group,
                    member,
                    instance,
                    generation,
                };
                self.host.send(heartbeat);
            }
            Step::Leave { ref clients } => {
                let leaver = |(client, by_name): &(usize, bool)| {
                    let Client {
                        member, instance, ..
                    } = self.clients[*client].clone();
                    Leaver {
                        member: if *by_name { "".into() } else { member },
                        instance,
                        reason: None,
                    }
                };
                let members = clients.iter().map(leaver).collect();
                self.host.send(Leave {
                    group: GROUP.into(),
                    members,
                });
            }
            Step::JoinAsWorker { client } => {
                let join = Join {
                    protocol_type: "connect".into(),
                    ..self.join_of(client, 0, true)
                };
                let token = self.host.send(join);
                self.clients[client].joining = Some(token);
            }
            Step::Commit { client } => {
                let Client {
                    member,
                    instance,
                    generation,
                    ..
                } = self.clients[client].clone();
                let mut commit = commit_of(&member, generation, "t", i64::from(generation));
                commit.instance = instance;
                self.host.send(commit);
            }
            Step::Forget { client } => {
                self.clients[client].member = "".into();
                self.clients[client].generation = -1;
            }
            Step::Wait { milliseconds } => self.host.advance(milliseconds),
            Step::Expire => self.host.expire(),
            Step::Delete => {
                self.host.send(DeleteGroup {
                    group: GROUP.into(),
                });
            }
            Step::Reload => {
                self.host.reload();
                self.leaders.clear();
                self.generation = 0;
            }
            Step::Full(is_full) => self.host.is_log_full = is_full,
        }
        self.hear();
        self.check();
    }

    fn join(&mut self, number: usize, taste: usize, modern: bool) {
        let join = self.join_of(number, taste, modern);
        let token = self.host.send(join);
        self.clients[number].joining = Some(token);
    }

    fn join_of(&self, number: usize, taste: usize, modern: bool) -> Join {
        let client = &self.clients[number];
        // Mostly the same, so that groups form; sometimes another.
        let tastes = [
            &["range"][..],
            &["range", "sticky"],
            &["sticky", "range"],
            &["sticky"],
        ];
        let names = tastes[taste.saturating_sub(4)];
        Join {
            member: Arc::clone(&client.member),
            instance: client.instance.clone(),
            needs_known_member_id: modern,
            can_skip_assignment: modern,
            protocols: protocols(names, &["t"]),
            ..join()
        }
    }

    /// Clients read the answers to their joins.
    fn hear(&mut self) {
        for client in &mut self.clients {
            let Some(reply) = client.joining.and_then(|t| self.host.answer(t)) else {
                continue;
            };
            client.joining = None;
            match reply.error {
                ErrorCode::NONE => {
                    assert!(reply.generation > 0);
                    let leads = reply.leader == reply.member;
                    assert_eq!(leads, !reply.members.is_empty());
                    // A member that has replaced its old self is the leader too, but makes no assignment.
                    if leads && !reply.skip_assignment {
                        let leader = self.leaders.entry(reply.generation);
                        assert_eq!(
                            *leader.or_insert_with(|| reply.leader.clone()),
                            reply.leader
                        );
                        assert!(reply.members.iter().any(|one| one.member == reply.member));
                    }
                    client.member = reply.member;
                    client.generation = reply.generation;
                    client.others = reply.members.into_iter().map(|one| one.member).collect();
                }
                ErrorCode::MEMBER_ID_REQUIRED => client.member = reply.member,
                ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_INSTANCE_ID => {
                    client.member = "".into();
                }
                _ => {}
            }
        }
    }

    fn check(&mut self) {
        let Some(group) = self.host.registry.groups.get(GROUP) else {
            self.generation = 0;
            self.leaders.clear();
            return;
        };
        assert!(
            group.generation() >= self.generation,
            "the generation went down"
        );
        self.generation = group.generation();
        match group.state() {
            StateName::Empty => assert!(group.members().is_empty()),
            StateName::Stable => {
                let written = group.written().unwrap();
                let ids: Vec<_> = group.members().ids().collect();
                let written_ids: Vec<_> = written.members.iter().map(|one| &one.member).collect();
                assert_eq!(ids, written_ids);
                assert_eq!(written.generation, group.generation());
                assert!(
                    written
                        .leader
                        .as_ref()
                        .is_some_and(|leader| ids.contains(&leader))
                );
                for member in &written.members {
                    assert_eq!(
                        group.members().get(&member.member).unwrap().assignment,
                        member.assignment
                    );
                }
            }
            _ => {}
        }
        let mut instances: Vec<_> = group
            .members()
            .iter()
            .filter_map(|member| member.instance.as_ref())
            .collect();
        let count = instances.len();
        instances.dedup();
        assert_eq!(instances.len(), count, "two members of one name");
    }

    /// All clients fall silent.
    fn finish(mut self) {
        for _ in 0..20 {
            self.host.advance(400_000);
            self.hear();
            self.check();
        }
        assert!(
            self.host.open.is_empty(),
            "{:?} wait for ever",
            self.host.open
        );
        assert!(self.host.timers.is_empty(), "{:?}", self.host.timers);
        assert!(matches!(
            self.host.state(),
            StateName::Empty | StateName::Dead
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_clients_do_breaks_a_group(steps in vec(step(), 1..80), max_size in 1_i32..6) {
        let mut run = Run::new(max_size);
        for step in &steps {
            run.step(step);
        }
        run.finish();
    }
}
