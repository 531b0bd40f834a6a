//! Random clients of both generations against the machine, with lost answers, crashes, timeouts and late markers, and
//! the properties that must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fixture::{Fixture, ID, TIMEOUT_MS, V0, V2, add, init, replayed};
use crate::base::{
    ProducerEpoch, ProducerId, Timestamp, Token, TopicPartition, TransactionVersion,
};
use crate::txn::records::{Value, decode_key, decode_value, record};
use crate::txn::{
    AddPartitions, EndReply, EndTransaction, ExpireTransactionalIds, InitProducer, InitReply,
    ProducerIdAndEpoch, Registry, StateName, TimerKey, TransactionAsk, TxnError, WriteMarkers,
};

const IDS: [&str; 2] = ["t", "u"];
const CLIENTS: usize = 4;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    /// The answer is lost.
    Lost,
    /// The coordinator crashes before the answer, and this many of the records of the decision are left.
    Crash(usize),
}

/// The next step. Numbers choose one of few, so that they often meet.
#[derive(Clone, Debug)]
enum Step {
    Init {
        client: usize,
        says: bool,
        fate: Fate,
    },
    Add {
        client: usize,
        partition: i32,
        fate: Fate,
    },
    End {
        client: usize,
        commit: bool,
        fate: Fate,
    },
    /// The markers of one transaction are written.
    Markers {
        which: usize,
        fate: Fate,
    },
    /// Markers that were reported before are reported again.
    LateMarkers {
        which: usize,
    },
    Wait {
        milliseconds: i64,
    },
    Expire,
    Crash,
    /// From now on the log accepts records, or does not.
    Full(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    let fate = || {
        prop_oneof![
            8 => Just(Fate::Answered),
            2 => Just(Fate::Lost),
            1 => (0_usize..3).prop_map(Fate::Crash),
        ]
    };
    prop_oneof![
        5 => (client(), any::<bool>(), fate())
            .prop_map(|(client, says, fate)| Step::Init { client, says, fate }),
        10 => (client(), 0_i32..3, fate())
            .prop_map(|(client, partition, fate)| Step::Add { client, partition, fate }),
        10 => (client(), any::<bool>(), fate())
            .prop_map(|(client, commit, fate)| Step::End { client, commit, fate }),
        8 => (0_usize..4, fate()).prop_map(|(which, fate)| Step::Markers { which, fate }),
        3 => (0_usize..4).prop_map(|which| Step::LateMarkers { which }),
        4 => (0..i64::from(TIMEOUT_MS)).prop_map(|milliseconds| Step::Wait { milliseconds }),
        1 => Just(Step::Wait { milliseconds: 8 * DAY_MS }),
        1 => Just(Step::Expire),
        1 => Just(Step::Crash),
        1 => any::<bool>().prop_map(Step::Full),
    ]
}

#[derive(Clone, Debug)]
struct Client {
    transactional_id: Arc<str>,
    version: TransactionVersion,
    ids: Option<ProducerIdAndEpoch>,
    /// The partitions that it knows to be in its transaction.
    added: Vec<TopicPartition>,
    /// It has asked for this end, and knows no answer. Clients then do nothing else.
    ending: Option<bool>,
}

struct Run {
    f: Fixture,
    clients: Vec<Client>,
    owners: BTreeMap<ProducerIdAndEpoch, usize>,
    reported: Vec<WriteMarkers>,
    /// Transactional ids and Prepare records whose end was answered.
    answered: Vec<(Arc<str>, Timestamp, StateName)>,
}

impl Run {
    /// Two transactional ids, which begin near this epoch.
    fn new(version: TransactionVersion, clients: [bool; CLIENTS], epoch: i16) -> Self {
        let mut f = Fixture::with(Default::default(), version);
        for id in IDS {
            let mut value = Value::created(f.fresh(), TIMEOUT_MS, f.now);
            value.ids.epoch = ProducerEpoch(epoch);
            f.log.push(record(id, &value, version));
        }
        f.reload();
        let client = |(number, is_new): (usize, bool)| Client {
            transactional_id: IDS[number % 2].into(),
            version: if is_new && version == V2 { V2 } else { V0 },
            ids: None,
            added: Vec::new(),
            ending: None,
        };
        Self {
            f,
            clients: clients.into_iter().enumerate().map(client).collect(),
            owners: BTreeMap::new(),
            reported: Vec::new(),
            answered: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Init { client, says, fate } => self.init(client, says, fate),
            Step::Add {
                client,
                partition,
                fate,
            } => self.add(client, partition, fate),
            Step::End {
                client,
                commit,
                fate,
            } => self.end(client, commit, fate),
            Step::Markers { which, fate } => self.markers(which, fate),
            Step::LateMarkers { which } => {
                if let Some(late) = self.reported.iter().rev().nth(which) {
                    let before = self.f.log.len();
                    self.f.send(late.written());
                    assert_eq!(self.f.log.len(), before, "{late:?}");
                }
            }
            Step::Wait { milliseconds } => self.f.advance(milliseconds),
            Step::Expire => {
                self.f.send(ExpireTransactionalIds);
            }
            Step::Crash => self.f.reload(),
            Step::Full(is_full) => self.f.is_log_full = is_full,
        }
        self.check();
    }

    /// The answer, if it arrives.
    fn ask<A: TransactionAsk>(&mut self, ask: A, fate: Fate) -> Option<A::Reply> {
        let before = self.f.log.len();
        let reply = self.f.send(ask);
        match fate {
            Fate::Answered => reply,
            Fate::Lost => None,
            Fate::Crash(records) => {
                let left = (before + records).min(self.f.log.len());
                self.f.crash_at(left);
                None
            }
        }
    }

    fn init(&mut self, number: usize, says: bool, fate: Fate) {
        let client = &self.clients[number];
        let ask = InitProducer {
            transactional_id: Arc::clone(&client.transactional_id),
            expected: client.ids.filter(|_| says),
            ..init()
        };
        let mut reply = self.ask(ask.clone(), fate);
        if reply == Some(Ok(InitReply::NeedsProducerId)) {
            let fresh = Some(self.f.fresh());
            reply = self.ask(InitProducer { fresh, ..ask }, fate);
        }
        match reply {
            Some(Ok(InitReply::Assigned(ids))) => self.gets(number, ids),
            Some(Ok(InitReply::NeedsProducerId)) => panic!("it has got one"),
            Some(Err(error)) => self.fails(number, error),
            None => {}
        }
    }

    fn add(&mut self, number: usize, partition: i32, fate: Fate) {
        let client = &self.clients[number];
        let (Some(ids), None) = (client.ids, client.ending) else {
            return;
        };
        let at = TopicPartition::new("topic", partition);
        let ask = AddPartitions {
            transactional_id: Arc::clone(&client.transactional_id),
            ids,
            partitions: vec![at.clone()],
            client_version: client.version,
        };
        match self.ask(ask, fate) {
            Some(Ok(())) => self.clients[number].added.push(at),
            Some(Err(error)) => self.fails(number, error),
            None => {}
        }
    }

    fn end(&mut self, number: usize, commit: bool, fate: Fate) {
        let client = &mut self.clients[number];
        let Some(ids) = client.ids else {
            return;
        };
        let commit = *client.ending.get_or_insert(commit);
        let ask = EndTransaction {
            transactional_id: Arc::clone(&client.transactional_id),
            ids,
            commit,
            client_version: client.version,
            fresh: None,
        };
        let mut reply = self.ask(ask.clone(), fate);
        if reply == Some(Ok(EndReply::NeedsProducerId)) {
            let fresh = Some(self.f.fresh());
            reply = self.ask(EndTransaction { fresh, ..ask }, fate);
        }
        match reply {
            Some(Ok(EndReply::Ended(next))) => {
                self.check_end(number, commit);
                self.gets(number, next);
            }
            Some(Ok(EndReply::NeedsProducerId)) => panic!("it has got one"),
            Some(Err(TxnError::InvalidTxnState)) => self.clients[number].ending = None,
            Some(Err(error)) => self.fails(number, error),
            None => {}
        }
    }

    fn markers(&mut self, which: usize, fate: Fate) {
        if which >= self.f.effects.len() {
            return;
        }
        if let Fate::Crash(_) = fate {
            return self.f.reload();
        }
        let effect = self.f.effects.remove(which);
        let is_repeated = self.reported.contains(&effect);
        let before = self.f.log.len();
        self.f.markers_written(&effect);
        let is_done = self.f.log.len() > before;
        assert!(!(is_repeated && is_done), "{effect:?}");
        if is_done {
            self.reported.push(effect.clone());
        }
        // If the log has not accepted it, or the answer is lost, it is reported again.
        if !is_repeated && (!is_done || matches!(fate, Fate::Lost)) {
            self.f.effects.push(effect);
        }
    }

    /// The client has this from now on, and nobody else ever had.
    fn gets(&mut self, number: usize, ids: ProducerIdAndEpoch) {
        let owner = *self.owners.entry(ids).or_insert(number);
        assert_eq!(owner, number, "{ids}");
        let client = &mut self.clients[number];
        client.ids = Some(ids);
        client.added.clear();
        client.ending = None;
    }

    /// After these errors a client is another one.
    fn fails(&mut self, number: usize, error: TxnError) {
        if matches!(
            error,
            TxnError::ProducerFenced | TxnError::InvalidPidMapping
        ) {
            let client = &mut self.clients[number];
            client.ids = None;
            client.added.clear();
            client.ending = None;
        }
    }

    fn history(&self, id: &str) -> Vec<Option<Value>> {
        let log = self.f.log.iter();
        let log = log.filter(|record| &*decode_key(&record.key).unwrap() == id);
        let value = |value: &Vec<u8>| decode_value(value).unwrap();
        log.map(|record| record.value.as_ref().map(value)).collect()
    }

    /// The end is answered: it is written, in this way, with all partitions of this producer.
    fn check_end(&mut self, number: usize, commit: bool) {
        let client = &self.clients[number];
        if client.added.is_empty() {
            return;
        }
        let history = self.history(&client.transactional_id);
        let mut prepared = history.iter().rev().flatten();
        let prepared = prepared.find(|value| value.state.is_prepared()).unwrap();
        let expected = if commit {
            StateName::PrepareCommit
        } else {
            StateName::PrepareAbort
        };
        assert_eq!(prepared.state, expected, "{client:?}");
        assert_eq!(
            Some(prepared.ids.producer),
            client.ids.map(|ids| ids.producer)
        );
        let mut added = client.added.iter();
        assert!(
            added.all(|at| prepared.partitions.contains(at)),
            "{client:?} {prepared:?}"
        );
        let id = Arc::clone(&client.transactional_id);
        self.answered.push((id, prepared.updated, expected));
    }

    fn check(&self) {
        let mut producers = BTreeSet::new();
        for id in IDS {
            let history = self.history(id);
            check_history(&history, &mut producers);
            for (_, updated, state) in self.answered.iter().filter(|(of, ..)| &**of == id) {
                let mut records = history.iter().flatten();
                let answered = records.find(|value| value.updated == *updated);
                assert_eq!(answered.map(|value| value.state), Some(*state));
            }
        }
    }

    /// Without further requests, every transaction ends.
    fn drain(f: &mut Fixture) {
        f.is_log_full = false;
        for _ in 0..2 {
            f.advance(2 * i64::from(TIMEOUT_MS));
            f.write_markers();
        }
        for one in &f.registry.listing().transactions {
            assert!(one.state.is_at_rest(), "{one:?}");
        }
    }

    /// A coordinator that has crashed after any record goes on and finishes.
    fn check_every_prefix(&self) {
        for records in 0..=self.f.log.len() {
            let mut f = self.f.on_prefix(records);
            let before = f.registry.listing();
            Self::drain(&mut f);
            for one in &before.transactions {
                let after = f.value(&one.transactional_id).state;
                match one.state {
                    StateName::PrepareCommit => assert_eq!(after, StateName::CompleteCommit),
                    StateName::PrepareAbort | StateName::Ongoing => {
                        assert_eq!(after, StateName::CompleteAbort);
                    }
                    state => assert_eq!(after, state),
                }
            }
        }
    }
}

/// Moves are allowed, ids grow and are of this transactional id alone, times grow, and partitions stay.
fn check_history(history: &[Option<Value>], producers: &mut BTreeSet<ProducerId>) {
    let mut last: Option<&Value> = None;
    for value in history {
        match (last, value) {
            (Some(last), Some(value)) => {
                let case = format!("{last:?} -> {value:?}");
                assert!(value.state.may_follow(last.state), "{case}");
                assert!(value.updated > last.updated, "{case}");
                if value.ids.producer == last.ids.producer {
                    assert!(value.ids.epoch >= last.ids.epoch, "{case}");
                } else {
                    assert!(producers.insert(value.ids.producer), "{case}");
                    assert_eq!(value.ids.epoch, ProducerEpoch(0), "{case}");
                }
                if value.state.is_prepared() {
                    assert_eq!(value.partitions, last.partitions, "{case}");
                }
            }
            (None, Some(value)) => assert!(producers.insert(value.ids.producer)),
            (Some(last), None) => assert!(last.state.is_at_rest(), "{last:?}"),
            (None, None) => panic!("removed twice"),
        }
        last = value.as_ref();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever the log says, the machine decides.
    #[test]
    fn strange_logs_do_not_make_it_panic(
        numbers in (any::<i64>(), any::<i64>(), any::<i64>()),
        epochs in (any::<i16>(), any::<i16>(), -1_i16..3),
        times in (any::<i64>(), any::<i64>(), any::<i32>()),
        state in 0_usize..6,
        says in any::<bool>(),
        commit in any::<bool>(),
        is_new in any::<bool>(),
    ) {
        let mut f = Fixture::new();
        let ids = ProducerIdAndEpoch::new(ProducerId(numbers.0), ProducerEpoch(epochs.0));
        let value = Value {
            ids,
            previous: ProducerId(numbers.1),
            next: ProducerId(numbers.2),
            next_epoch: ProducerEpoch(epochs.1),
            timeout_ms: times.2,
            state: StateName::ALL[state],
            updated: Timestamp(times.0),
            started: Timestamp(times.1),
            client_version: TransactionVersion(epochs.2),
            ..Value::created(ProducerId(numbers.0), TIMEOUT_MS, f.now)
        };
        let mut registry = Registry::new(f.settings, V2);
        let record = record(ID, &value, V2);
        registry.replay(&replayed(&record)).unwrap();
        registry.loaded(f.now);
        let client_version = if is_new { V2 } else { V0 };
        let fresh = Some(f.fresh());
        let expected = says.then_some(ids);
        registry.decide(Token::new(1), InitProducer { expected, fresh, ..init() }, f.now);
        registry.decide(Token::new(2), AddPartitions { client_version, ..add(ids, &[("a", 0)]) }, f.now);
        let transactional_id: Arc<str> = ID.into();
        let end = EndTransaction { transactional_id, ids, commit, client_version, fresh };
        let outcome = registry.decide(Token::new(3), end, f.now);
        for effect in outcome.effects {
            registry.decide(Token::new(4), effect.written(), f.now);
        }
        registry.timer_fired(TimerKey::Transaction { transactional_id: ID.into() }, f.now);
        registry.decide(Token::new(5), ExpireTransactionalIds, f.now);
    }

    #[test]
    fn random_runs(
        is_new in prop::bool::weighted(0.8),
        clients in any::<[bool; CLIENTS]>(),
        epoch in prop_oneof![Just(0_i16), i16::MAX - 6..=i16::MAX - 1],
        steps in vec(step(), 1..70),
    ) {
        let mut run = Run::new(if is_new { V2 } else { V0 }, clients, epoch);
        for step in steps {
            run.step(step);
        }
        run.check_every_prefix();
        Run::drain(&mut run.f);
        run.check();
    }
}
