//! A minimal host: applies the outcomes, and keeps the log with its markers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use bytes::Bytes;

use crate::base::test_host::TestHost;
pub(super) use crate::base::test_host::replayed;
use crate::base::{
    ErrorCode, KeyValue, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Replayed, Timestamp,
    Token, TopicId, TopicPartition, Transaction, TransactionEnd,
};
use crate::config::BrokerConfig;
use crate::group::consumer::ConsumerGroup;
use crate::group::offsets::{Offsets, PendingOffsets};
use crate::group::records::Generation;
use crate::group::{
    CommitInTransaction, CommitOffsets, ExpireOffsets, GroupAsk, GroupEffect, GroupNews, Heartbeat,
    Join, JoinReply, Leave, LeaveReply, Leaver, OffsetToCommit, Outcome, Protocol, Registry,
    Settings, StateName, Sync, SyncReply, TimerKey,
};
use crate::metadata::{Image, TopicImage};

pub(super) const GROUP: &str = "g";
pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 60_000;

/// The state that must survive a restart.
#[derive(Debug, PartialEq)]
pub(super) struct HardState<'a> {
    groups: BTreeMap<&'a str, &'a Generation>,
    consumers: Vec<&'a ConsumerGroup>,
    offsets: &'a Offsets,
    pending: &'a PendingOffsets,
}

pub(super) struct Fixture {
    pub(super) registry: Registry,
    pub(super) settings: Settings,
    host: TestHost<TimerKey>,
    /// The broker's configuration, and the metadata that a new process finds.
    config: Arc<BrokerConfig>,
    image: Arc<Image>,
    /// What others are to carry out.
    pub(super) effects: Vec<GroupEffect>,
    pub(super) log: Vec<KeyValue>,
    /// The producers of records in transactions, by their index in the log.
    producers: BTreeMap<usize, ProducerId>,
    /// Markers: the producer, and whether the transaction is committed, by the index of the next record.
    markers: Vec<(usize, ProducerId, bool)>,
    /// The tokens of waiting requests.
    pub(super) open: BTreeSet<u64>,
    /// Whether records are too large for the log.
    pub(super) is_log_full: bool,
    /// The requests that the host has refused for that reason.
    pub(super) refused: BTreeSet<u64>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self::in_cluster(settings, BrokerConfig::default(), Arc::default())
    }

    pub(super) fn in_cluster(settings: Settings, config: BrokerConfig, image: Arc<Image>) -> Self {
        let config = Arc::new(config);
        let mut registry =
            Registry::new(settings).in_cluster(Arc::clone(&config), Arc::clone(&image));
        let host = TestHost::at(Timestamp(1_700_000_000_000));
        assert_eq!(registry.loaded(host.now), []);
        Self {
            registry,
            settings,
            host,
            config,
            image,
            effects: Vec::new(),
            log: Vec::new(),
            producers: BTreeMap::new(),
            markers: Vec::new(),
            open: BTreeSet::new(),
            is_log_full: false,
            refused: BTreeSet::new(),
        }
    }

    /// Sends a request, and keeps the answer for later.
    pub(super) fn send<A: GroupAsk>(&mut self, ask: A) -> Token<A::Reply> {
        let token = Token::new(self.count());
        self.open.insert(token.number());
        let outcome = self.registry.decide(token, ask, self.now);
        self.apply(outcome);
        token
    }

    fn apply(&mut self, outcome: Outcome) {
        if self.is_log_full && !outcome.records.is_empty() {
            return self.refuse(outcome);
        }
        let first = record_place(self.log.len());
        for record in outcome.records {
            let index = self.log.len();
            let under = outcome.transaction.map(|under| (index, under.producer));
            self.producers.extend(under);
            self.log.push(record);
            let replayed = Replayed {
                producer: outcome.transaction.map(|under| under.producer),
                place: record_place(index),
                ..replayed(&self.log[index])
            };
            self.registry.replay(&replayed, self.now).unwrap();
        }
        if let Some(under) = outcome.transaction {
            let places = first..record_place(self.log.len());
            self.registry.settled(under.producer, &places, true);
        }
        self.change_timers(outcome.timers);
        self.effects.extend(outcome.effects);
        self.check_held();
        for reply in outcome.replies {
            assert!(
                self.open.remove(&reply.number()),
                "{reply:?} is not awaited"
            );
            self.keep(reply);
        }
    }

    fn refuse(&mut self, outcome: Outcome) {
        self.change_timers(outcome.timers);
        let next = self.registry.not_written(self.now);
        for reply in outcome.replies {
            let number = reply.number();
            if next.replies.iter().all(|next| next.number() != number) {
                assert!(self.open.remove(&number), "{reply:?} is not awaited");
                self.refused.insert(number);
            }
        }
        self.apply(next);
    }

    /// Lets time pass, and timers fire in their order.
    pub(super) fn advance(&mut self, milliseconds: i64) {
        let end = self.now.plus_millis(milliseconds);
        while let Some(key) = self.next_timer(end) {
            let outcome = self.registry.timer_fired(key, self.now);
            self.apply(outcome);
        }
    }

    /// Lets time pass while `members` send heartbeats.
    pub(super) fn advance_alive(&mut self, milliseconds: i64, members: &[(&str, i32)]) {
        for _ in 0..milliseconds / 1_000 {
            self.advance(1_000);
            for (member, generation) in members {
                self.heartbeat(member, *generation);
            }
        }
    }

    pub(super) fn delete_topic(&mut self, name: &str, id: TopicId) {
        let topic = TopicImage {
            name: name.into(),
            id,
            partitions: Vec::new(),
        };
        self.hear(&GroupNews {
            image: Arc::clone(&self.image),
            changed: Vec::new(),
            deleted: vec![topic.into()],
            has_settings: false,
        });
    }

    pub(super) fn hear(&mut self, news: &GroupNews) {
        let outcome = self.registry.hear(news, self.now);
        self.apply(outcome);
        self.image = Arc::clone(&news.image);
    }

    /// A new process will find this metadata.
    pub(super) fn move_to(&mut self, image: Arc<Image>) {
        self.image = image;
    }

    /// Whether the request will never be answered.
    pub(super) fn is_lost(&self, request: u64) -> bool {
        !self.open.contains(&request) && !self.host.has_reply(request)
    }

    /// The answer, which must exist.
    pub(super) fn answered<R: 'static>(&mut self, token: Token<R>) -> R {
        let answer = self.answer(token);
        answer.unwrap_or_else(|| panic!("{token:?} is not answered"))
    }

    /// Sends a request that is answered at once.
    pub(super) fn ask<A: GroupAsk>(&mut self, ask: A) -> A::Reply {
        let token = self.send(ask);
        self.answered(token)
    }

    /// A new process on the same log. Open requests will not be answered.
    pub(super) fn reload(&mut self) {
        self.registry = self.replayed();
        self.open.clear();
        self.timers.clear();
        let timers = self.registry.loaded(self.now);
        self.change_timers(timers);
    }

    fn replayed(&self) -> Registry {
        self.replayed_where(|_| true)
    }

    /// A registry from what compaction leaves in the end: of each key the last record, and no tombstones.
    fn replayed_after_compaction(&self) -> Registry {
        let keys = self.log.iter().map(|record| &record.key);
        let last: BTreeMap<_, _> = keys.zip(0..).collect();
        self.replayed_where(|index| {
            let record = &self.log[index];
            record.value.is_some() && last[&record.key] == index
        })
    }

    fn replayed_where(&self, is_left: impl Fn(usize) -> bool) -> Registry {
        let registry = Registry::new(self.settings);
        let mut registry = registry.in_cluster(Arc::clone(&self.config), Arc::clone(&self.image));
        let mut markers = self.markers.iter().enumerate().peekable();
        for index in 0..=self.log.len() {
            while let Some((place, marker)) = markers.next_if(|(_, marker)| marker.0 == index) {
                registry.transaction_ended(&marker_at(place, *marker));
            }
            if index < self.log.len() && is_left(index) {
                registry.replay(&self.replayed_at(index), self.now).unwrap();
            }
        }
        registry
    }

    /// A record of the log. Between two records there is room for markers.
    fn replayed_at(&self, index: usize) -> Replayed<'_> {
        Replayed {
            producer: self.producers.get(&index).copied(),
            place: record_place(index),
            ..replayed(&self.log[index])
        }
    }

    /// Ends the transaction of a producer.
    pub(super) fn end(&mut self, producer: i64, is_committed: bool) {
        let marker = (self.log.len(), ProducerId(producer), is_committed);
        let end = marker_at(self.markers.len(), marker);
        self.registry.transaction_ended(&end);
        self.markers.push(marker);
        self.check_held();
    }

    /// Commits in the transaction of a producer.
    pub(super) fn commit_under(
        &mut self,
        producer: i64,
        commit: CommitOffsets,
    ) -> Vec<(TopicPartition, ErrorCode)> {
        let transaction = Transaction {
            producer: ProducerId(producer),
            epoch: ProducerEpoch(0),
        };
        let ask = CommitInTransaction {
            transaction,
            commit,
        };
        let token = Token::new(self.count());
        self.open.insert(token.number());
        let outcome = self.registry.decide_in_transaction(token, ask, self.now);
        self.apply(outcome);
        self.answered(token).partitions
    }

    /// The offset of a partition for a reader that wants a stable one; `None` if it is not.
    pub(super) fn stable_offset(&self, topic: &str) -> Option<Offset> {
        let at = [(TopicPartition::new(topic, 0), TopicId::ZERO)];
        let fetched = self
            .registry
            .fetch_offsets(GROUP, Some(&at), true)
            .remove(0);
        assert!(!fetched.is_unstable || fetched.offset == Offset::NONE);
        (!fetched.is_unstable).then_some(fetched.offset)
    }

    /// The counted memory equals the actual memory.
    fn check_held(&self) {
        let groups = self.registry.groups.iter();
        let held: usize = groups.map(|(_, group)| group.held_bytes()).sum();
        let pending = self.registry.pending.held();
        let consumers = self.registry.consumers.held();
        assert_eq!(self.registry.held(), held + consumers + pending);
        let groups = self.registry.groups.iter();
        let idle = groups.filter(|(id, group)| {
            let has_offsets =
                self.registry.offsets.has_any(id) || self.registry.pending.has_any(id);
            assert_eq!(group.has_offsets, has_offsets);
            group.is_idle()
        });
        let idle: Vec<_> = idle.collect();
        let held: usize = idle.iter().map(|(_, group)| group.held_bytes()).sum();
        assert_eq!(self.registry.groups.idle_held(), held);
        let idle = idle.into_iter().map(|(id, _)| id);
        assert!(self.registry.groups.idle().eq(idle));
    }

    pub(super) fn check(&self) {
        let replayed = self.replayed();
        assert_eq!(hard_state(&self.registry), hard_state(&replayed));
        // Records of transactions stay until their markers are old.
        if self.producers.is_empty() {
            let left = self.replayed_after_compaction();
            assert_eq!(hard_state(&self.registry), hard_state(&left));
        }
    }

    pub(super) fn state(&self) -> StateName {
        self.registry
            .describe(GROUP)
            .map_or(StateName::Dead, |described| described.state)
    }

    pub(super) fn written(&self) -> &Generation {
        self.registry.groups.get(GROUP).unwrap().written().unwrap()
    }

    pub(super) fn join_error(&mut self, join: Join) -> ErrorCode {
        self.ask(join).error
    }

    /// Gets a member id as new clients do, and joins with it.
    pub(super) fn join_with_new_id(&mut self, join: Join) -> (Arc<str>, Token<JoinReply>) {
        let reply = self.ask(join.clone());
        assert_eq!(reply.error, ErrorCode::MEMBER_ID_REQUIRED);
        let token = self.send(Join {
            member: Arc::clone(&reply.member),
            ..join
        });
        (reply.member, token)
    }

    pub(super) fn sync(
        &mut self,
        member: &str,
        generation: i32,
        parts: &[(&str, &str)],
    ) -> Token<SyncReply> {
        self.send(sync_of(member, generation, parts))
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        self.heartbeat_as(member, None, generation)
    }

    pub(super) fn heartbeat_as(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> ErrorCode {
        self.ask(Heartbeat {
            group: GROUP.into(),
            member: member.into(),
            instance: instance.map(Into::into),
            generation,
        })
    }

    pub(super) fn leave(&mut self, leavers: &[(&str, Option<&str>)]) -> LeaveReply {
        let leaver = |(member, instance): &(&str, Option<&str>)| Leaver {
            member: (*member).into(),
            instance: instance.map(Into::into),
            reason: None,
        };
        let members = leavers.iter().map(leaver).collect();
        self.ask(Leave {
            group: GROUP.into(),
            members,
        })
    }

    pub(super) fn commit_as(
        &mut self,
        member: &str,
        generation: i32,
        topic: &str,
        offset: i64,
    ) -> ErrorCode {
        let commit = commit_of(member, generation, topic, offset);
        self.commit(commit)
            .first()
            .map(|(_, error)| *error)
            .unwrap()
    }

    pub(super) fn commit(&mut self, commit: CommitOffsets) -> Vec<(TopicPartition, ErrorCode)> {
        self.ask(commit).partitions
    }

    pub(super) fn expire(&mut self) {
        let token = self.send(ExpireOffsets);
        assert!(self.answer(token).is_some() || self.refused.contains(&token.number()));
    }

    pub(super) fn offset(&self, topic: &str) -> Offset {
        let at = [(TopicPartition::new(topic, 0), TopicId::ZERO)];
        self.registry.fetch_offsets(GROUP, Some(&at), false)[0].offset
    }

    /// A stable group with this many members in its first generation; the leader comes first.
    pub(super) fn stable_group(&mut self, members: usize) -> Vec<Arc<str>> {
        let joins: Vec<_> = (0..members)
            .map(|_| self.join_with_new_id(join()))
            .collect();
        self.advance(i64::from(self.settings.initial_rebalance_delay_ms) * 2);
        let mut ids = Vec::new();
        let mut leader = None;
        for (id, token) in joins {
            let reply = self.answered(token);
            assert_eq!((reply.error, reply.generation), (ErrorCode::NONE, 1));
            leader = Some(reply.leader);
            ids.push(id);
        }
        let leader = leader.unwrap();
        ids.sort_by_key(|id| *id != leader);
        self.sync_all(&ids, 1);
        ids
    }

    /// The leader, who comes first, gives each member its own id for an assignment.
    pub(super) fn sync_all(&mut self, ids: &[Arc<str>], generation: i32) {
        let parts: Vec<_> = ids.iter().map(|id| (&**id, &**id)).collect();
        for id in ids {
            let token = self.sync(id, generation, &parts);
            let reply = self.answered(token);
            assert_eq!(reply.error, ErrorCode::NONE);
            assert_eq!(reply.assignment, id.as_bytes());
        }
        assert_eq!(self.state(), StateName::Stable);
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// A test that has the host has its clock and its timers.
impl Deref for Fixture {
    type Target = TestHost<TimerKey>;

    fn deref(&self) -> &Self::Target {
        &self.host
    }
}

impl DerefMut for Fixture {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.host
    }
}

/// The place in the log of the record with this index: behind up to 999 markers.
fn record_place(index: usize) -> Offset {
    Offset(i64::try_from(index).unwrap() * 1_000 + 999)
}

fn marker_at(
    number: usize,
    (index, producer, is_committed): (usize, ProducerId, bool),
) -> TransactionEnd {
    let after = i64::try_from(number).unwrap() % 999;
    TransactionEnd {
        producer,
        is_committed,
        place: Offset(i64::try_from(index).unwrap() * 1_000 + after),
    }
}

fn hard_state(registry: &Registry) -> HardState<'_> {
    let written = registry
        .groups
        .iter()
        .filter_map(|(id, group)| Some((&**id, group.written()?)));
    HardState {
        groups: written.collect(),
        consumers: registry.consumers.iter().collect(),
        offsets: &registry.offsets,
        pending: &registry.pending,
    }
}

/// The metadata of a consumer that reads `topics`.
pub(super) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend_from_slice(&i32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend_from_slice(&i16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
    }
    bytes.extend_from_slice(&[0xff; 4]);
    bytes.into()
}

pub(super) fn protocols(names: &[&str], topics: &[&str]) -> Vec<Protocol> {
    let protocol = |name: &&str| Protocol {
        name: (*name).into(),
        metadata: subscription(topics),
    };
    names.iter().map(protocol).collect()
}

/// A new consumer of topic "t", like current clients.
pub(super) fn join() -> Join {
    // Ids need only differ from each other.
    static SEED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let seed = SEED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Join {
        group: GROUP.into(),
        member: "".into(),
        instance: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"], &["t"]),
        member_id_seed: u128::from(seed) << 64,
        needs_known_member_id: true,
        can_skip_assignment: true,
        reason: None,
    }
}

pub(super) fn join_as(member: &str) -> Join {
    Join {
        member: member.into(),
        ..join()
    }
}

pub(super) fn static_join(instance: &str) -> Join {
    Join {
        instance: Some(instance.into()),
        ..join()
    }
}

pub(super) fn sync_of(member: &str, generation: i32, parts: &[(&str, &str)]) -> Sync {
    let part = |(id, part): &(&str, &str)| ((*id).into(), Bytes::copy_from_slice(part.as_bytes()));
    Sync {
        group: GROUP.into(),
        member: member.into(),
        instance: None,
        generation,
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        assignments: parts.iter().map(part).collect(),
    }
}

pub(super) fn commit_of(member: &str, generation: i32, topic: &str, offset: i64) -> CommitOffsets {
    CommitOffsets {
        group: GROUP.into(),
        member: member.into(),
        instance: None,
        generation,
        knows_member_epochs: true,
        retention_ms: None,
        offsets: vec![OffsetToCommit {
            at: TopicPartition::new(topic, 0),
            topic_id: TopicId::ZERO,
            offset: Offset(offset),
            leader_epoch: LeaderEpoch(3),
            metadata: Some("note".into()),
        }],
    }
}
