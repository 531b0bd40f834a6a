//! An observer among three controllers that elect each other, lose messages and cut their logs behind snapshots, while the
//! observer crashes and loses what it has not synced. After every step its applied records are held against what the
//! controllers have ever committed. For each invariant there is a host that breaks it, and is caught.

use bytes::{BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::base::KafkaUuid;

const NODES: usize = 3;
const TIMEOUT: i64 = 50;
const BACKOFF: i64 = 5;
/// More requests than it takes to find the leader, to cut the log and to fetch everything.
const PATIENCE: usize = 200;

/// A rule that the observer or its host may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// The leader's high watermark counts also where the own log does not reach.
    BeyondEnd,
    /// A log that departs from the leader's is not cut.
    NotCut,
    /// Answers to earlier requests count.
    StaleAnswer,
    /// An epoch that is older than the known one is believed.
    OldEpoch,
    /// The epoch is forgotten in a crash.
    NotDurable,
    /// Voters that were cut off stay.
    VotersStay,
}

const MUTANTS: [Mutant; 6] = [
    Mutant::BeyondEnd,
    Mutant::NotCut,
    Mutant::StaleAnswer,
    Mutant::OldEpoch,
    Mutant::NotDurable,
    Mutant::VotersStay,
];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The leader appends records; every eighth names voters.
    Append(usize),
    /// A controller copies the leader's log, up to some records.
    Replicate(usize, usize),
    /// A controller becomes leader, if a majority would have it.
    Elect(usize),
    /// The leader makes a snapshot of what is committed and cuts its log behind it.
    Snapshot,
    /// The observer sends what it has to send.
    Send,
    /// A request reaches whom it was sent to; the answer is under way.
    Serve,
    /// An answer arrives.
    Deliver,
    /// The same answer arrives once more, later.
    Repeat,
    /// The request or its answer is lost, and that is noticed.
    Lose,
    Wait(i64),
    /// The observer syncs its log.
    Sync,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(
        prop_oneof![
            4 => (1..4_usize).prop_map(Step::Append),
            4 => (0..NODES, 1..6_usize).prop_map(|(node, count)| Step::Replicate(node, count)),
            2 => (0..NODES).prop_map(Step::Elect),
            1 => Just(Step::Snapshot),
            8 => Just(Step::Send),
            8 => Just(Step::Serve),
            8 => Just(Step::Deliver),
            1 => Just(Step::Repeat),
            1 => Just(Step::Lose),
            2 => (1..40_i64).prop_map(Step::Wait),
            1 => Just(Step::Sync),
            1 => Just(Step::Crash),
        ],
        1..120,
    )
}

/// A record: the epoch in which it was written, and a number that no other has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    epoch: i32,
    number: u32,
}

impl Entry {
    const fn names_voters(self) -> bool {
        self.number.is_multiple_of(8)
    }
}

/// A log: what a snapshot covers, and the entries behind it. The covered ones are remembered to be compared.
#[derive(Clone, Debug, Default)]
struct Log {
    entries: Vec<Entry>,
    start: usize,
}

impl LogView for Log {
    fn start(&self) -> Offset {
        offset(self.start)
    }

    fn end(&self) -> Offset {
        offset(self.entries.len())
    }

    fn last_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.entries.last().map_or(0, |entry| entry.epoch))
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        // The epoch of the record before the start is the snapshot's.
        let from = self.start.saturating_sub(1);
        let last = self.entries[from..]
            .iter()
            .rposition(|entry| entry.epoch <= epoch.0)?;
        Some(EpochEnd {
            epoch: LeaderEpoch(self.entries[from + last].epoch),
            end: offset(from + last + 1),
        })
    }
}

impl Log {
    fn snapshot(&self) -> Option<SnapshotId> {
        let last = self.entries.get(self.start.checked_sub(1)?)?;
        Some(SnapshotId {
            end: offset(self.start),
            epoch: LeaderEpoch(last.epoch),
        })
    }
}

fn offset(index: usize) -> Offset {
    Offset(i64::try_from(index).expect("small"))
}

fn index(offset: Offset) -> usize {
    usize::try_from(offset.0).expect("not negative")
}

fn endpoint(node: usize) -> Endpoint {
    Endpoint {
        host: "controller".into(),
        port: u16::try_from(node).expect("small"),
    }
}

fn id(node: usize) -> NodeId {
    NodeId(i32::try_from(node).expect("small"))
}

fn bytes(entries: &[Entry]) -> Bytes {
    let mut bytes = BytesMut::new();
    for entry in entries {
        bytes.put_i32(entry.epoch);
        bytes.put_u32(entry.number);
    }
    bytes.freeze()
}

fn entries(bytes: &[u8]) -> Vec<Entry> {
    let entry = |bytes: &[u8]| Entry {
        epoch: i32::from_be_bytes(bytes[..4].try_into().expect("four")),
        number: u32::from_be_bytes(bytes[4..].try_into().expect("four")),
    };
    bytes.chunks(8).map(entry).collect()
}

struct World {
    mutant: Option<Mutant>,
    now: Timestamp,
    // The controllers.
    logs: Vec<Log>,
    epochs: Vec<i32>,
    leader: Option<usize>,
    leader_mark: usize,
    committed: Vec<Entry>,
    numbers: u32,
    // The network.
    sent: Option<(u64, Target, Request)>,
    answer: Option<(u64, Answered)>,
    last_answer: Option<Answered>,
    // The observer.
    observer: Observer,
    log: Log,
    synced: usize,
    durable: (LeaderEpoch, Option<NodeId>),
    best_epoch: LeaderEpoch,
    stored: Vec<u8>,
    applied: usize,
    wake: Option<Timestamp>,
}

fn settings() -> Settings {
    Settings {
        bootstrap: (0..NODES).map(endpoint).collect(),
        request_timeout_ms: TIMEOUT,
        retry_backoff_ms: BACKOFF,
    }
}

impl World {
    fn new(mutant: Option<Mutant>) -> Self {
        Self {
            mutant,
            now: Timestamp(0),
            logs: vec![Log::default(); NODES],
            epochs: vec![0; NODES],
            leader: None,
            leader_mark: 0,
            committed: Vec::new(),
            numbers: 0,
            sent: None,
            answer: None,
            last_answer: None,
            observer: Observer::new(
                settings(),
                (LeaderEpoch(0), None),
                Vec::new(),
                Offset::ZERO,
                0,
            ),
            log: Log::default(),
            synced: 0,
            durable: (LeaderEpoch(0), None),
            best_epoch: LeaderEpoch(0),
            stored: Vec::new(),
            applied: 0,
            wake: None,
        }
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Append(count) => self.append(count),
            Step::Replicate(node, count) => self.replicate(node, count),
            Step::Elect(node) => self.elect(node),
            Step::Snapshot => {
                if let Some(leader) = self.leader {
                    self.logs[leader].start = self.leader_mark;
                }
            }
            Step::Send => self.send()?,
            Step::Serve => {
                if let Some((number, target, request)) = self.sent.take() {
                    self.answer = Some((number, self.serve(&target, &request)));
                }
            }
            Step::Deliver => {
                if let Some((number, answer)) = self.answer.take() {
                    self.last_answer = Some(answer.clone());
                    self.deliver(number, answer)?;
                }
            }
            Step::Repeat => {
                if let (Some(answer), Some(asked)) =
                    (self.last_answer.clone(), &self.observer.asked)
                {
                    let number = asked.number;
                    let is_believed = self.mutant == Some(Mutant::StaleAnswer);
                    self.deliver(if is_believed { number } else { number - 1 }, answer)?;
                }
            }
            Step::Lose => {
                let number = self.sent.take().map(|(number, ..)| number);
                let number = number.or_else(|| self.answer.take().map(|(number, _)| number));
                if let Some(number) = number {
                    self.deliver(number, Answered::Lost)?;
                }
            }
            Step::Wait(time) => self.now = self.now.plus_millis(time),
            Step::Sync => self.synced = self.log.entries.len(),
            Step::Crash => self.crash(),
        }
        self.check()
    }

    fn append(&mut self, count: usize) {
        if let Some(leader) = self.leader {
            for _ in 0..count {
                self.numbers += 1;
                let epoch = self.epochs[leader];
                let number = self.numbers;
                self.logs[leader].entries.push(Entry { epoch, number });
            }
            self.count();
        }
    }

    fn replicate(&mut self, node: usize, count: usize) {
        let Some(leader) = self.leader.filter(|leader| *leader != node) else {
            return;
        };
        let from = self.logs[leader].clone();
        let log = &mut self.logs[node];
        let same = log.entries.iter().zip(&from.entries);
        let same = same.take_while(|(one, other)| one == other).count();
        log.entries.truncate(same);
        let end = from.entries.len().min(same + count);
        log.entries.extend_from_slice(&from.entries[same..end]);
        // What the leader has cut off arrives as a snapshot.
        if log.entries.len() < from.start {
            log.entries = from.entries[..from.start].to_vec();
            log.start = from.start;
        }
        self.epochs[node] = self.epochs[leader];
        self.count();
    }

    /// What a majority has, of the leader's own epoch, is committed.
    fn count(&mut self) {
        let Some(leader) = self.leader else {
            return;
        };
        let log = &self.logs[leader].entries;
        let has = |other: &Log| {
            let same = log.iter().zip(&other.entries);
            same.take_while(|(one, other)| one == other).count()
        };
        let mut ends: Vec<_> = self.logs.iter().map(has).collect();
        ends.sort_unstable();
        let mark = ends[NODES / 2];
        let is_own = |last: usize| log[last].epoch == self.epochs[leader];
        if mark > self.leader_mark && is_own(mark - 1) {
            self.leader_mark = mark;
            assert!(log.starts_with(&self.committed) || self.committed.len() > mark);
            if mark > self.committed.len() {
                self.committed = log[..mark].to_vec();
            }
        }
    }

    fn elect(&mut self, node: usize) {
        let key = |log: &Log| (log.last_epoch(), log.entries.len());
        let votes = self
            .logs
            .iter()
            .filter(|log| key(log) <= key(&self.logs[node]));
        if votes.count() <= NODES / 2 {
            return;
        }
        let epoch = self.epochs.iter().max().expect("three") + 1;
        // One of the others may not hear of it yet.
        let deaf = (node + 1) % NODES;
        for (other, known) in self.epochs.iter_mut().enumerate() {
            if other != deaf {
                *known = epoch;
            }
        }
        self.leader = Some(node);
        self.leader_mark = self.logs[node].start;
        self.append(1);
    }

    fn named(&self, node: usize) -> Named {
        let knows = self
            .leader
            .filter(|leader| self.epochs[*leader] == self.epochs[node]);
        Named {
            epoch: LeaderEpoch(self.epochs[node]),
            leader: knows.map(id),
            endpoint: knows.map(endpoint),
        }
    }

    fn serve(&self, target: &Target, request: &Request) -> Answered {
        let node = usize::from(target.endpoint.port);
        let log = &self.logs[node];
        let (Request::Fetch(FetchRequest { epoch, .. })
        | Request::Snapshot(SnapshotRequest { epoch, .. })) = *request;
        let error = if epoch.0 < self.epochs[node] {
            ErrorCode::FENCED_LEADER_EPOCH
        } else if epoch.0 > self.epochs[node] {
            ErrorCode::UNKNOWN_LEADER_EPOCH
        } else if self.leader != Some(node) {
            ErrorCode::NOT_LEADER_OR_FOLLOWER
        } else {
            ErrorCode::NONE
        };
        let named = Some(self.named(node));
        match request {
            Request::Fetch(request) => {
                let mut answer = FetchAnswer {
                    error,
                    named,
                    high_watermark: offset(self.leader_mark),
                    diverging: None,
                    snapshot: None,
                    records: Bytes::new(),
                };
                if error == ErrorCode::NONE {
                    fill(&mut answer, request, log);
                }
                Answered::Fetch(answer)
            }
            Request::Snapshot(request) => {
                let whole = bytes(&log.entries[..log.start]);
                let is_there = log.snapshot() == Some(request.snapshot);
                let error = if error == ErrorCode::NONE && !is_there {
                    ErrorCode::SNAPSHOT_NOT_FOUND
                } else {
                    error
                };
                let from = usize::try_from(request.position)
                    .expect("small")
                    .min(whole.len());
                let end = whole.len().min(from + 12);
                Answered::Snapshot(SnapshotAnswer {
                    error,
                    named,
                    size: whole.len() as u64,
                    position: request.position,
                    bytes: whole.slice(from..end),
                })
            }
        }
    }

    fn send(&mut self) -> Result<(), String> {
        let next = self.observer.next(&self.log, self.now);
        if let Some(elected) = next.elected {
            if elected.0 < self.best_epoch {
                return Err(format!("the epoch went back to {}", elected.0));
            }
            self.best_epoch = elected.0;
            self.durable = elected;
        }
        self.wake = next.wake;
        if let Some(send) = next.send {
            if self.best_epoch > self.observer.epoch {
                return Err("a request has an epoch older than one before".to_owned());
            }
            (self.sent, self.answer) = (Some(send), None);
        }
        Ok(())
    }

    fn deliver(&mut self, number: u64, mut answer: Answered) -> Result<(), String> {
        if let (Answered::Fetch(answer), Some(Mutant::OldEpoch)) = (&mut answer, self.mutant)
            && let Some(named) = &mut answer.named
            && named.epoch < self.observer.epoch
        {
            self.observer.epoch = named.epoch;
            self.observer.leader = named.leader;
        }
        let mark = match &answer {
            Answered::Fetch(answer) if answer.error == ErrorCode::NONE => answer.high_watermark,
            _ => Offset::NONE,
        };
        let change = self
            .observer
            .answered(number, answer, &self.log, self.now)
            .map_err(|fatal| fatal.to_string())?;
        match change {
            Some(Change::Append(records)) => {
                for entry in entries(&records) {
                    if entry.names_voters() {
                        self.observer.voters_written(self.log.end(), voters(entry));
                    }
                    self.log.entries.push(entry);
                }
            }
            Some(Change::Truncate(_)) if self.mutant == Some(Mutant::NotCut) => {
                let end = self.log.entries.len();
                let epoch = self.observer.epoch.0;
                self.log
                    .entries
                    .iter_mut()
                    .take(end)
                    .for_each(|entry| entry.epoch = epoch);
            }
            Some(Change::Truncate(to)) => {
                self.log.entries.truncate(index(to));
                self.synced = self.synced.min(index(to));
                if self.mutant != Some(Mutant::VotersStay) {
                    self.observer.truncated(to);
                }
            }
            Some(Change::Store {
                snapshot,
                position,
                bytes,
                is_last,
            }) => {
                self.stored
                    .truncate(usize::try_from(position).expect("small"));
                self.stored.extend_from_slice(&bytes);
                if is_last {
                    self.log.entries = entries(&self.stored);
                    self.log.start = index(snapshot.end);
                    self.synced = self.log.start;
                    let last = self
                        .log
                        .entries
                        .iter()
                        .rev()
                        .find(|entry| entry.names_voters());
                    self.observer.installed(snapshot, last.copied().map(voters));
                }
            }
            None => {}
        }
        self.apply(mark)
    }

    fn apply(&mut self, mark: Offset) -> Result<(), String> {
        if self.mutant == Some(Mutant::BeyondEnd) {
            self.applied = self.applied.max(index(mark.max(Offset::ZERO)));
        }
        if let Some(committed) = self.observer.committed(&self.log) {
            if index(committed) < self.applied && self.mutant.is_none() {
                return Err("the high watermark went back".to_owned());
            }
            self.applied = index(committed);
        }
        Ok(())
    }

    fn crash(&mut self) {
        self.log.entries.truncate(self.synced.max(self.log.start));
        let (epoch, leader) = if self.mutant == Some(Mutant::NotDurable) {
            (LeaderEpoch(0), None)
        } else {
            self.durable
        };
        self.observer = Observer::new(settings(), (epoch, leader), Vec::new(), self.log.start(), 1);
        for (at, entry) in self.log.entries.iter().enumerate() {
            if entry.names_voters() {
                self.observer.voters_written(offset(at), voters(*entry));
            }
        }
        (self.sent, self.answer, self.wake) = (None, None, None);
        let committed = self.observer.committed(&self.log);
        self.applied = committed.map_or(0, index);
    }

    fn check(&self) -> Result<(), String> {
        let ours = self.log.entries.get(..self.applied);
        if ours != self.committed.get(..self.applied) || ours.is_none() {
            return Err(format!("applied {ours:?}, committed {:?}", self.committed));
        }
        let newest = self
            .log
            .entries
            .iter()
            .rev()
            .find(|entry| entry.names_voters());
        if self.observer.voters() != newest.copied().map(voters).unwrap_or_default() {
            return Err("the voters are not those of the log".to_owned());
        }
        Ok(())
    }

    /// With a stable leader and no more losses the observer gets everything.
    fn settle(&mut self) -> Result<(), String> {
        let best = (0..NODES).max_by_key(|node| {
            (
                self.logs[*node].last_epoch(),
                self.logs[*node].entries.len(),
            )
        });
        let best = best.expect("three");
        self.elect(best);
        for node in 0..NODES {
            self.replicate(node, usize::MAX / 2);
        }
        for _ in 0..PATIENCE {
            for step in [Step::Send, Step::Serve, Step::Deliver] {
                self.step(step)?;
            }
            if self.applied == self.committed.len() && !self.committed.is_empty() {
                return Ok(());
            }
            if let Some(wake) = self.wake.filter(|_| self.sent.is_none()) {
                self.now = self.now.max(wake);
            }
        }
        Err(format!(
            "stuck at {} of {} with {:?}",
            self.applied,
            self.committed.len(),
            self.observer
        ))
    }

    fn run(mutant: Option<Mutant>, steps: &[Step]) -> Result<(), String> {
        let mut world = Self::new(mutant);
        for step in steps {
            world.step(*step)?;
        }
        world.settle()
    }
}

fn voters(entry: Entry) -> Vec<Voter> {
    vec![Voter {
        id: NodeId(i32::try_from(entry.number).expect("small")),
        directory: KafkaUuid::ZERO,
        endpoint: Some(endpoint(0)),
    }]
}

/// What a leader answers to a request in its epoch.
fn fill(answer: &mut FetchAnswer, request: &FetchRequest, log: &Log) {
    let from = index(request.offset);
    let is_before = from < log.start;
    let oldest = log.snapshot();
    let is_other_epoch = oldest.is_some_and(|snapshot| {
        (from == log.start && request.last_fetched_epoch != snapshot.epoch)
            || request.last_fetched_epoch < snapshot.epoch
    });
    if is_before || is_other_epoch {
        answer.snapshot = oldest;
        return;
    }
    let end = log.end_of_epoch(request.last_fetched_epoch);
    let end = end.unwrap_or(EpochEnd {
        epoch: LeaderEpoch(0),
        end: Offset::ZERO,
    });
    if from > 0 && (end.epoch < request.last_fetched_epoch || end.end < request.offset) {
        answer.diverging = Some(end);
    } else {
        let until = log.entries.len().min(from + 3);
        answer.records = bytes(log.entries.get(from..until).unwrap_or_default());
    }
}

/// `SCHEDULES=1000000 cargo test --release raft::` runs a million.
fn schedules() -> u32 {
    let asked = std::env::var("SCHEDULES").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(512)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: schedules(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_observer_applies_what_is_committed_and_nothing_else(steps in steps()) {
        World::run(None, &steps).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    let mut runner = TestRunner::deterministic();
    let strategy = steps();
    let mut uncaught = MUTANTS.to_vec();
    for _ in 0..4_000 {
        let steps = strategy.new_tree(&mut runner).expect("steps").current();
        uncaught.retain(|mutant| World::run(Some(*mutant), &steps).is_ok());
        if uncaught.is_empty() {
            return;
        }
    }
    panic!("not noticed: {uncaught:?}");
}

fn named(epoch: i32, leader: Option<i32>) -> Option<Named> {
    Some(Named {
        epoch: LeaderEpoch(epoch),
        leader: leader.map(NodeId),
        endpoint: leader.map(|_| endpoint(0)),
    })
}

fn refusal(error: ErrorCode, named: Option<Named>) -> Answered {
    Answered::Fetch(FetchAnswer {
        error,
        named,
        high_watermark: Offset::NONE,
        diverging: None,
        snapshot: None,
        records: Bytes::new(),
    })
}

#[test]
fn controllers_of_another_cluster_end_the_start_but_not_a_running_node() {
    let mut observer = Observer::new(
        settings(),
        (LeaderEpoch(0), None),
        Vec::new(),
        Offset::ZERO,
        0,
    );
    let log = Log::default();
    observer.next(&log, Timestamp(0));
    let answer = refusal(ErrorCode::INCONSISTENT_CLUSTER_ID, None);
    let ended = observer.answered(1, answer.clone(), &log, Timestamp(0));
    assert_eq!(ended, Err(Fatal::OtherCluster));

    let mut observer = Observer::new(
        settings(),
        (LeaderEpoch(0), None),
        Vec::new(),
        Offset::ZERO,
        0,
    );
    observer.next(&log, Timestamp(0));
    let found = refusal(ErrorCode::NOT_LEADER_OR_FOLLOWER, named(1, Some(0)));
    assert_eq!(observer.answered(1, found, &log, Timestamp(0)), Ok(None));
    observer.next(&log, Timestamp(0));
    assert_eq!(observer.answered(2, answer, &log, Timestamp(0)), Ok(None));
    assert_eq!(observer.leadership(), (LeaderEpoch(1), Some(NodeId(0))));
}

#[test]
fn an_epoch_with_two_leaders_is_fatal() {
    let mut observer = Observer::new(
        settings(),
        (LeaderEpoch(3), Some(NodeId(0))),
        Vec::new(),
        Offset::ZERO,
        0,
    );
    let log = Log::default();
    observer.next(&log, Timestamp(0));
    let other = refusal(ErrorCode::NOT_LEADER_OR_FOLLOWER, named(3, Some(1)));
    let fatal = Fatal::TwoLeaders {
        epoch: LeaderEpoch(3),
        one: NodeId(0),
        other: NodeId(1),
    };
    assert_eq!(observer.answered(1, other, &log, Timestamp(0)), Err(fatal));
}

#[test]
fn a_silent_leader_makes_it_ask_the_others_in_turn() {
    let mut observer = Observer::new(
        settings(),
        (LeaderEpoch(0), None),
        Vec::new(),
        Offset::ZERO,
        1,
    );
    let log = Log::default();
    let mut asked = Vec::new();
    let mut now = Timestamp(0);
    for _ in 0..4 {
        let (number, target, _) = observer.next(&log, now).send.expect("a request");
        asked.push(target.endpoint.port);
        assert_eq!(observer.next(&log, now).send, None, "one at a time");
        observer
            .answered(number, Answered::Lost, &log, now)
            .expect("not fatal");
        assert_eq!(
            observer.next(&log, now).wake,
            Some(now.plus_millis(BACKOFF))
        );
        now = now.plus_millis(BACKOFF);
    }
    assert_eq!(asked, [1, 2, 0, 1]);
}
