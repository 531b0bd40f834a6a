//! A minimal host: applies the outcomes, and keeps the log and the effects.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::base::test_host::TestHost;
pub(super) use crate::base::test_host::replayed;
use crate::base::{
    KeyValue, ProducerEpoch, ProducerId, Timestamp, Token, TopicPartition, TransactionVersion,
};
use crate::txn::records::{Value, decode_key, decode_value};
use crate::txn::{
    AddPartitions, EndReply, EndTransaction, InitProducer, InitReply, MarkersReply, Outcome,
    ProducerIdAndEpoch, Registry, Settings, StateName, TimerKey, TransactionAsk, TxnError,
    WriteMarkers,
};

pub(super) const ID: &str = "t";
pub(super) const TIMEOUT_MS: i32 = 60_000;
pub(super) const V0: TransactionVersion = TransactionVersion::V0;
pub(super) const V2: TransactionVersion = TransactionVersion::V2;

pub(super) struct Fixture {
    pub(super) registry: Registry,
    pub(super) settings: Settings,
    pub(super) version: TransactionVersion,
    host: TestHost<TimerKey>,
    pub(super) log: Vec<KeyValue>,
    /// Markers that are to be written.
    pub(super) effects: Vec<WriteMarkers>,
    /// Whether records are too large for the log.
    pub(super) is_log_full: bool,
    /// The largest decision so far, in records.
    pub(super) most_records: usize,
    next_producer: i64,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with(Settings::default(), V2)
    }

    pub(super) fn with(settings: Settings, version: TransactionVersion) -> Self {
        let mut fixture = Self {
            registry: Registry::new(settings, version),
            settings,
            version,
            host: TestHost::at(Timestamp(1_700_000_000_000)),
            log: Vec::new(),
            effects: Vec::new(),
            is_log_full: false,
            most_records: 0,
            next_producer: 1_000,
        };
        fixture.reload();
        fixture
    }

    /// A producer id that nobody has.
    pub(super) fn fresh(&mut self) -> ProducerId {
        self.next_producer += 1;
        ProducerId(self.next_producer)
    }

    /// Sends a request. There is no answer if the log did not accept the decision.
    pub(super) fn send<A: TransactionAsk>(&mut self, ask: A) -> Option<A::Reply> {
        let token = Token::new(self.count());
        let outcome = self.registry.decide(token, ask, self.now);
        self.apply(outcome);
        self.answer(token)
    }

    pub(super) fn ask<A: TransactionAsk>(&mut self, ask: A) -> A::Reply {
        self.send(ask).expect("an answer")
    }

    fn apply(&mut self, outcome: Outcome) {
        self.change_timers(outcome.timers);
        if self.is_log_full && !outcome.records.is_empty() {
            let next = self.registry.not_written(self.now);
            assert!(next.records.is_empty());
            return self.apply(next);
        }
        self.most_records = self.most_records.max(outcome.records.len());
        for record in outcome.records {
            self.registry.replay(&replayed(&record)).unwrap();
            self.log.push(record);
        }
        self.effects.extend(outcome.effects);
        for reply in outcome.replies {
            self.keep(reply);
        }
        self.check();
    }

    /// Lets time pass, and timers fire in their order.
    pub(super) fn advance(&mut self, milliseconds: i64) {
        let end = self.now.plus_millis(milliseconds);
        while let Some(key) = self.next_timer(end) {
            let outcome = self.registry.timer_fired(key, self.now);
            self.apply(outcome);
        }
    }

    /// A new process on the same log.
    pub(super) fn reload(&mut self) {
        self.registry = self.replayed(self.log.len());
        self.timers.clear();
        self.effects.clear();
        let outcome = self.registry.loaded(self.now);
        self.apply(outcome);
    }

    /// A new process on the first records of the log.
    pub(super) fn crash_at(&mut self, records: usize) {
        self.log.truncate(records);
        self.reload();
    }

    /// Another process on the first records of the log.
    pub(super) fn on_prefix(&self, records: usize) -> Self {
        let mut other = Self::with(self.settings, self.version);
        other.next_producer = self.next_producer;
        other.now = self.now;
        other.log = self.log[..records].to_vec();
        other.reload();
        other
    }

    fn replayed(&self, records: usize) -> Registry {
        let mut registry = Registry::new(self.settings, self.version);
        for record in &self.log[..records] {
            registry.replay(&replayed(record)).unwrap();
        }
        registry
    }

    /// The state is that of the log, every open transaction has its timer, and the memory is counted right.
    fn check(&self) {
        let replayed = self.replayed(self.log.len());
        let values = |registry: &Registry| {
            let values = registry.transactions.iter();
            let values = values.map(|(id, t)| (Arc::clone(id), t.value.clone()));
            values.collect::<BTreeMap<_, _>>()
        };
        let state = values(&self.registry);
        assert_eq!(state, values(&replayed));
        assert_eq!(self.registry.held(), replayed.held());
        for (id, value) in state {
            let key = TimerKey::Transaction {
                transactional_id: id,
            };
            let is_open = value.state == StateName::Ongoing;
            assert_eq!(self.timers.contains_key(&key), is_open, "{key:?} {value:?}");
        }
    }

    /// All markers get written.
    pub(super) fn write_markers(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            self.markers_written(&effect);
        }
    }

    pub(super) fn markers_written(&mut self, effect: &WriteMarkers) {
        let mut ask = effect.written();
        if self.send(ask.clone()) == Some(MarkersReply::NeedsProducerId) {
            ask.fresh = Some(self.fresh());
            assert!(self.send(ask) != Some(MarkersReply::NeedsProducerId));
        }
    }

    pub(super) fn value(&self, id: &str) -> &Value {
        &self.registry.transactions.get(id).unwrap().value
    }

    pub(super) fn state(&self) -> StateName {
        self.value(ID).state
    }

    pub(super) fn ids(&self) -> ProducerIdAndEpoch {
        self.value(ID).ids
    }

    /// The states that the log has of the transactional id.
    pub(super) fn states(&self) -> Vec<StateName> {
        let log = self.log.iter();
        let log = log.filter(|record| &*decode_key(&record.key).unwrap() == ID);
        let log = log.filter_map(|record| record.value.as_ref());
        log.map(|value| decode_value(value).unwrap().state)
            .collect()
    }

    pub(super) fn init_with(&mut self, ask: InitProducer) -> Result<ProducerIdAndEpoch, TxnError> {
        match self.ask(ask.clone())? {
            InitReply::Assigned(ids) => Ok(ids),
            InitReply::NeedsProducerId => {
                let fresh = Some(self.fresh());
                match self.ask(InitProducer { fresh, ..ask })? {
                    InitReply::Assigned(ids) => Ok(ids),
                    InitReply::NeedsProducerId => panic!("it has got one"),
                }
            }
        }
    }

    pub(super) fn init(
        &mut self,
        expected: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TxnError> {
        self.init_with(InitProducer { expected, ..init() })
    }

    pub(super) fn add(
        &mut self,
        ids: ProducerIdAndEpoch,
        client_version: TransactionVersion,
    ) -> Result<(), TxnError> {
        self.ask(AddPartitions {
            client_version,
            ..add(ids, &[("a", 0)])
        })
    }

    pub(super) fn end(
        &mut self,
        ids: ProducerIdAndEpoch,
        commit: bool,
        client_version: TransactionVersion,
    ) -> Result<ProducerIdAndEpoch, TxnError> {
        let ask = EndTransaction {
            transactional_id: ID.into(),
            ids,
            commit,
            client_version,
            fresh: None,
        };
        match self.ask(ask.clone())? {
            EndReply::Ended(ids) => Ok(ids),
            EndReply::NeedsProducerId => {
                let fresh = Some(self.fresh());
                match self.ask(EndTransaction { fresh, ..ask })? {
                    EndReply::Ended(ids) => Ok(ids),
                    EndReply::NeedsProducerId => panic!("it has got one"),
                }
            }
        }
    }

    /// Brings a new transactional id into a state, from which its client has this.
    pub(super) fn bring(
        &mut self,
        state: StateName,
        client_version: TransactionVersion,
    ) -> ProducerIdAndEpoch {
        let ids = self.init(None).unwrap();
        let commit = matches!(state, StateName::PrepareCommit | StateName::CompleteCommit);
        if state == StateName::Empty {
            return ids;
        }
        self.add(ids, client_version).unwrap();
        if state == StateName::Ongoing {
            return ids;
        }
        let ids = self.end(ids, commit, client_version).unwrap();
        if !state.is_prepared() {
            self.write_markers();
        }
        assert_eq!(self.state(), state);
        ids
    }

    /// Sets the epoch of the transactional id in the log.
    pub(super) fn set_epoch(&mut self, epoch: i16) -> ProducerIdAndEpoch {
        let mut value = self.value(ID).clone();
        value.ids.epoch = ProducerEpoch(epoch);
        self.log
            .push(crate::txn::records::record(ID, &value, self.version));
        self.reload();
        value.ids
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

pub(super) fn init() -> InitProducer {
    InitProducer {
        transactional_id: ID.into(),
        timeout_ms: TIMEOUT_MS,
        expected: None,
        fresh: None,
    }
}

pub(super) fn add(ids: ProducerIdAndEpoch, partitions: &[(&str, i32)]) -> AddPartitions {
    let at = |(topic, partition): &(&str, i32)| TopicPartition::new(*topic, *partition);
    AddPartitions {
        transactional_id: ID.into(),
        ids,
        partitions: partitions.iter().map(at).collect(),
        client_version: V2,
    }
}

/// The same producer, this many epochs later.
pub(super) fn later(ids: ProducerIdAndEpoch, epochs: i16) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch::new(ids.producer, ProducerEpoch(ids.epoch.0 + epochs))
}

pub(super) fn other_producer(ids: ProducerIdAndEpoch) -> ProducerIdAndEpoch {
    ProducerIdAndEpoch::new(ProducerId(ids.producer.0 + 100_000), ids.epoch)
}
