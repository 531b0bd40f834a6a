//! A consumer as Kafka's own client is: it says what has changed, gives up what it shall not have, and begins anew when
//! it is fenced.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Bench;
use crate::base::{ErrorCode, TopicId};
use crate::group::tests::fixture::GROUP;
use crate::group::{ConsumerHeartbeat, ConsumerHeartbeatReply};

pub(crate) type Partitions = BTreeSet<(TopicId, i32)>;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: Arc<str>,
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) topics: Vec<Arc<str>>,
    pub(crate) expression: Option<Arc<str>>,
    pub(crate) assignor: Option<Arc<str>>,
    pub(crate) epoch: i32,
    /// What it reads from.
    pub(crate) owned: Partitions,
    /// What it was told to read from.
    pub(crate) told: Partitions,
    /// What the coordinator has heard last; nothing after an answer was lost.
    sent: Option<Sent>,
    /// What it has reported that it owns, if that was after it acted on what it was told.
    reported: Option<Partitions>,
    /// Whether it has acted on what it was told.
    has_acted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    topics: Vec<Arc<str>>,
    expression: Option<Arc<str>>,
    assignor: Option<Arc<str>>,
}

pub(crate) const REBALANCE_MS: i32 = 60_000;

impl Client {
    pub(crate) fn new(id: &str, topics: &[&str]) -> Self {
        Self {
            id: id.into(),
            instance: None,
            topics: topics.iter().map(|topic| (*topic).into()).collect(),
            expression: None,
            assignor: None,
            epoch: 0,
            owned: Partitions::new(),
            told: Partitions::new(),
            sent: None,
            reported: None,
            has_acted: false,
        }
    }

    pub(crate) fn named(id: &str, instance: &str, topics: &[&str]) -> Self {
        Self {
            instance: Some(instance.into()),
            ..Self::new(id, topics)
        }
    }

    pub(crate) fn matching(id: &str, expression: &str) -> Self {
        Self {
            expression: Some(expression.into()),
            ..Self::new(id, &[])
        }
    }

    /// Its next heartbeat.
    pub(crate) fn ask(&self) -> ConsumerHeartbeat {
        let sent = self.sent.as_ref().filter(|_| self.epoch != 0);
        let is_new =
            |is_same: fn(&Sent, &Self) -> bool| sent.is_none_or(|sent| !is_same(sent, self));
        let topics = is_new(|sent, own| sent.topics == own.topics);
        let expression = is_new(|sent, own| sent.expression == own.expression);
        let assignor = is_new(|sent, own| sent.assignor == own.assignor);
        ConsumerHeartbeat {
            group: GROUP.into(),
            member: Arc::clone(&self.id),
            member_epoch: self.epoch,
            instance: self.instance.clone(),
            rack: None,
            rebalance_timeout_ms: if sent.is_none() { REBALANCE_MS } else { -1 },
            topics: topics.then(|| self.topics.clone()),
            expression: expression.then(|| self.expression.clone().unwrap_or_default()),
            assignor: self.assignor.clone().filter(|_| assignor),
            owned: self.reports().then(|| by_topic(&self.owned)),
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            member_id_seed: 1,
            needs_member_id: true,
        }
    }

    /// Whether its next heartbeat says what it owns.
    fn reports(&self) -> bool {
        let is_news = self.has_acted && self.reported.as_ref() != Some(&self.owned);
        self.epoch == 0 || self.sent.is_none() || is_news
    }

    /// It leaves, for good or until it comes back.
    pub(crate) fn leaving(&self, epoch: i32) -> ConsumerHeartbeat {
        ConsumerHeartbeat {
            member_epoch: epoch,
            rebalance_timeout_ms: -1,
            topics: None,
            expression: None,
            assignor: None,
            owned: None,
            ..self.ask()
        }
    }

    /// Sends a heartbeat and hears the answer, if there is one: none while the log is full.
    pub(crate) fn heartbeat(&mut self, bench: &mut Bench) -> ErrorCode {
        let token = bench.f.send(self.ask());
        match bench.f.answer(token) {
            Some(reply) => self.hear(&reply),
            None => {
                self.sent = None;
                ErrorCode::UNKNOWN_SERVER_ERROR
            }
        }
    }

    /// Sends a heartbeat whose answer is lost.
    pub(crate) fn heartbeat_in_vain(&mut self, bench: &mut Bench) {
        bench.f.send(self.ask());
        self.sent = None;
    }

    pub(crate) fn hear(&mut self, reply: &ConsumerHeartbeatReply) -> ErrorCode {
        match reply.error {
            ErrorCode::NONE => {
                assert_eq!(reply.member.as_ref(), Some(&self.id));
                assert!(
                    self.epoch == 0 || reply.member_epoch >= self.epoch,
                    "an epoch goes back: {self:?} {reply:?}"
                );
                if self.reports() {
                    self.reported = Some(self.owned.clone());
                }
                self.sent = Some(Sent {
                    topics: self.topics.clone(),
                    expression: self.expression.clone(),
                    assignor: self.assignor.clone(),
                });
                self.epoch = reply.member_epoch;
                if let Some(assignment) = &reply.assignment {
                    self.told = flat(assignment);
                    (self.reported, self.has_acted) = (None, false);
                }
            }
            ErrorCode::UNKNOWN_MEMBER_ID
            | ErrorCode::FENCED_MEMBER_EPOCH
            | ErrorCode::FENCED_INSTANCE_ID
            | ErrorCode::GROUP_ID_NOT_FOUND => self.begin_anew(),
            _ => {}
        }
        reply.error
    }

    /// It gives up what it shall not have, and only then takes what is new: not while an answer is missing, which may
    /// tell something else.
    pub(crate) fn revoke(&mut self) {
        if !self.owned.is_subset(&self.told) {
            self.owned.retain(|partition| self.told.contains(partition));
            self.has_acted = true;
        } else if self.sent.is_some() {
            self.owned.clone_from(&self.told);
            self.has_acted = true;
        }
    }

    /// It abandons everything and joins again.
    pub(crate) fn begin_anew(&mut self) {
        self.epoch = 0;
        self.owned.clear();
        self.told.clear();
        self.sent = None;
        (self.reported, self.has_acted) = (None, false);
    }
}

pub(crate) fn flat(assignment: &[(TopicId, Vec<i32>)]) -> Partitions {
    let topics = assignment.iter();
    let all = topics
        .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)));
    all.collect()
}

pub(crate) fn by_topic(partitions: &Partitions) -> Vec<(TopicId, Vec<i32>)> {
    let mut topics: Vec<(TopicId, Vec<i32>)> = Vec::new();
    for (topic, partition) in partitions {
        match topics.last_mut() {
            Some((last, numbers)) if last == topic => numbers.push(*partition),
            _ => topics.push((*topic, vec![*partition])),
        }
    }
    topics
}
