//! Consumer groups: clients that behave as Kafka's do, one rule after the other and at random.

mod classic_client;
mod client;
mod cluster;
mod expressions;
mod fencing;
mod joining;
mod migration;
mod random;
mod random_migration;
mod revoking;
mod static_members;
mod topics;

pub(super) use client::Client;
pub(super) use cluster::Cluster;

use std::collections::BTreeSet;

use super::fixture::{Fixture, GROUP};
use crate::base::{ErrorCode, TopicId};
use crate::config::BrokerConfig;
use crate::group::consumer::ConsumerGroup;
use crate::group::{
    ConsumerHeartbeat, ConsumerHeartbeatReply, Expressions, ExpressionsResolved, GroupEffect,
    Settings,
};

/// A machine in a cluster.
pub(super) struct Bench {
    pub(super) f: Fixture,
    pub(super) cluster: Cluster,
}

impl Bench {
    /// With these settings of the broker, and these topics of so many partitions.
    pub(super) fn new(settings: &[(&str, &str)], topics: &[(&str, usize)]) -> Self {
        let config = BrokerConfig::with(settings).unwrap();
        let mut cluster = Cluster::default();
        for (name, partitions) in topics {
            cluster.create(name, *partitions);
        }
        let f = Fixture::in_cluster(Settings::default(), config, cluster.image());
        Self { f, cluster }
    }

    pub(super) fn group(&self) -> &ConsumerGroup {
        self.f.registry.consumers.get(GROUP).unwrap()
    }

    /// Whether a request was refused by the host or lost in a restart.
    pub(super) fn is_lost(&self, request: u64) -> bool {
        self.f.is_lost(request)
    }

    /// Sends a heartbeat, which must be accepted.
    pub(super) fn beat(&mut self, ask: ConsumerHeartbeat) -> ConsumerHeartbeatReply {
        let reply = self.f.ask(ask);
        assert_eq!((reply.error, &reply.message), (ErrorCode::NONE, &None));
        reply
    }

    /// Sends a heartbeat, which must be refused.
    pub(super) fn refused(&mut self, ask: ConsumerHeartbeat) -> (ErrorCode, String) {
        let records = self.f.log.len();
        let reply = self.f.ask(ask);
        assert_eq!(
            self.f.log.len(),
            records,
            "a refused heartbeat writes nothing"
        );
        assert_eq!(
            (
                reply.member,
                reply.member_epoch,
                reply.heartbeat_interval_ms
            ),
            (None, 0, 0)
        );
        assert_eq!(reply.assignment, None);
        (reply.error, reply.message.unwrap_or_default().to_string())
    }

    /// Does something and returns how many records that has written.
    pub(super) fn written(&mut self, act: impl FnOnce(&mut Self)) -> usize {
        let before = self.f.log.len();
        act(self);
        self.f.log.len() - before
    }

    /// The cluster changes.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.cluster);
        for news in self.cluster.take_news() {
            self.f.hear(&news);
        }
    }

    /// What is to be looked up.
    pub(super) fn asked(&mut self) -> Vec<Expressions> {
        let effects = std::mem::take(&mut self.f.effects);
        effects
            .into_iter()
            .map(|GroupEffect::Resolve(expressions)| expressions)
            .collect()
    }

    /// Looks up what is to be looked up.
    pub(super) fn look_up(&mut self) {
        for asked in self.asked() {
            self.tell(&asked);
        }
    }

    /// Looks this up: an expression is the beginning of a name and `.*`.
    pub(super) fn tell(&mut self, asked: &Expressions) {
        let matching = |expression: &str| {
            let start = expression.strip_suffix(".*").unwrap();
            let names = asked.image.topics().map(|topic| topic.name.clone());
            names.filter(|name| name.starts_with(start)).collect()
        };
        let topics = asked.expressions.iter();
        let found = ExpressionsResolved {
            group: asked.group.clone(),
            topics: topics
                .map(|expression| (expression.clone(), matching(expression)))
                .collect(),
            version: asked.image.offset(),
            began: self.f.now,
        };
        self.f.send(found);
    }

    /// Lets `clients` send heartbeats in turn, a second after the other round, until none of them changes anything.
    pub(super) fn settle(&mut self, clients: &mut [&mut Client]) {
        let mut quiet = 0;
        for _ in 0..200 {
            let written = self.written(|bench| {
                for client in clients.iter_mut() {
                    client.heartbeat(bench);
                    client.revoke();
                }
                bench.look_up();
                bench.f.advance(1_000);
            });
            quiet = if written == 0 { quiet + 1 } else { 0 };
            if quiet == 12 {
                return;
            }
        }
        panic!("the group does not settle: {:?}", self.group());
    }
}

/// The partitions of a topic.
pub(super) fn all(topic: TopicId, partitions: i32) -> BTreeSet<(TopicId, i32)> {
    (0..partitions)
        .map(|partition| (topic, partition))
        .collect()
}
