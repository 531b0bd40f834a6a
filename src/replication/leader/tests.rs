//! A leader among followers, a controller and lost messages: after each step the invariants are held against what the
//! replicas and the controller really have. For each invariant there is a leader that breaks it, and is caught.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

const ME: NodeId = NodeId(1);
const LAG_MS: i64 = 100;

/// A rule that a leader may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// A shrink counts before it is recorded.
    WantedOnly,
    /// Who joins counts only when it is recorded.
    CommittedOnly,
    /// Too few in sync do not stop the watermark.
    TooFew,
    /// The watermark goes back.
    GoesBack,
    /// A second change is asked for while one is under way.
    TwoChanges,
    /// What is older than what is known is believed.
    OldEpoch,
    /// Who is behind the watermark may join.
    JoinsBehind,
    /// A fetch of a log that departs from the leader's counts.
    Diverging,
}

#[derive(Clone, Debug)]
enum Step {
    Append(i64),
    /// A follower fetches, and stores so many of the records that it lacks.
    Fetch {
        node: usize,
        stored: i64,
        is_eligible: bool,
    },
    DivergingFetch(usize),
    Wait(i64),
    Shrink,
    Require(usize),
    /// The controller looks at the change, if one has been sent; its answer may be lost.
    Decide {
        takes: bool,
        is_lost: bool,
    },
    /// The controller itself removes a follower from the ISR.
    Fence(usize),
    /// The leader gets the newest image.
    Image,
    /// The leader gets an old answer and an old image.
    Stale,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..5_i64).prop_map(Step::Append),
        8 => (0..4_usize, 0..6_i64, prop::bool::weighted(0.8)).prop_map(
            |(node, stored, is_eligible)| Step::Fetch { node, stored, is_eligible }
        ),
        1 => (0..4_usize).prop_map(Step::DivergingFetch),
        3 => (1..150_i64).prop_map(Step::Wait),
        3 => Just(Step::Shrink),
        1 => (1..4_usize).prop_map(Step::Require),
        4 => (prop::bool::weighted(0.7), prop::bool::weighted(0.3))
            .prop_map(|(takes, is_lost)| Step::Decide { takes, is_lost }),
        1 => (0..4_usize).prop_map(Step::Fence),
        2 => Just(Step::Image),
        1 => Just(Step::Stale),
    ]
}

fn steps() -> impl Strategy<Value = (usize, i64, Vec<Step>)> {
    (1..5_usize, 0..4_i64, vec(step(), 1..120))
}

/// Everybody.
struct World {
    leader: Leader,
    mutant: Option<Mutant>,
    now: Timestamp,
    log_end: i64,
    /// Where the followers' logs really end.
    ends: Vec<i64>,
    partition_epoch: i32,
    isr: Vec<NodeId>,
    /// What the controller had before.
    earlier: (i32, Vec<NodeId>),
    /// What the leader has asked for and the controller has not seen.
    sent: Option<IsrChange>,
    /// Whether the leader has heard of what it has asked for last.
    is_answered: bool,
}

impl World {
    fn start(followers: usize, log_end: i64, mutant: Option<Mutant>) -> Self {
        let isr: Vec<NodeId> = (0..=followers).map(node).collect();
        let now = Timestamp(1_000);
        let term = Term {
            node: ME,
            epoch: LeaderEpoch(3),
            log_end: Offset(log_end),
            high_watermark: Offset::ZERO,
            min_insync_replicas: 1,
            lag_ms: LAG_MS,
            now,
        };
        let assignment = ReplicaSet {
            partition_epoch: 7,
            replicas: isr.clone(),
            isr: isr.clone(),
        };
        Self {
            leader: Leader::new(&term, assignment),
            mutant,
            now,
            log_end,
            ends: vec![0; followers],
            partition_epoch: 7,
            earlier: (6, vec![ME]),
            isr,
            sent: None,
            is_answered: true,
        }
    }

    fn assignment(&self) -> ReplicaSet {
        ReplicaSet {
            partition_epoch: self.partition_epoch,
            replicas: (0..=self.ends.len()).map(node).collect(),
            isr: self.isr.clone(),
        }
    }

    fn record(&mut self, isr: Vec<NodeId>) {
        self.earlier = (self.partition_epoch, std::mem::replace(&mut self.isr, isr));
        self.partition_epoch += 1;
    }

    fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            let before = self.leader.clone();
            if self.mutant == Some(Mutant::JoinsBehind) {
                // As if neither the watermark nor the start of the epoch were looked at.
                let lowest = (Offset::ZERO, Offset::ZERO);
                (self.leader.epoch_start, self.leader.high_watermark) = lowest;
            }
            let change = self.take(step);
            if let Some(mutant) = self.mutant {
                self.tamper(mutant, step, &before);
            }
            self.check(step, &before, change.as_ref())
                .map_err(|what| format!("{what} after {step:?}: {:?}", self.leader))?;
            if let Some(change) = change {
                self.sent = Some(change);
                self.is_answered = false;
            }
        }
        Ok(())
    }

    /// Returns the change that the leader asks for anew.
    fn take(&mut self, step: &Step) -> Option<IsrChange> {
        match *step {
            Step::Append(count) => {
                self.log_end += count;
                self.leader.appended(Offset(self.log_end), self.now);
            }
            Step::Fetch {
                node,
                stored,
                is_eligible,
            } => return self.fetch(node, stored, is_eligible),
            Step::DivergingFetch(at) => {
                let fetch = FollowerFetch {
                    node: self.follower(at)?,
                    broker_epoch: -1,
                    from: Offset(self.log_end),
                    is_diverging: self.mutant != Some(Mutant::Diverging),
                    is_eligible: true,
                    now: self.now,
                };
                return self.leader.fetched(&fetch);
            }
            Step::Wait(ms) => self.now = self.now.plus_millis(ms),
            Step::Shrink => return self.leader.shrink(self.now),
            Step::Require(fewest) => self.leader.require(fewest, self.now),
            Step::Decide { takes, is_lost } => self.decide(takes, is_lost),
            Step::Fence(at) => {
                let fenced = self.follower(at)?;
                let isr: Vec<_> = self
                    .isr
                    .iter()
                    .copied()
                    .filter(|it| *it != fenced)
                    .collect();
                if isr.len() < self.isr.len() {
                    self.record(isr);
                }
            }
            Step::Image => {
                let assignment = self.assignment();
                self.is_answered |= assignment.partition_epoch > self.leader.partition_epoch;
                self.leader.followed(assignment, self.now);
            }
            Step::Stale => {
                let (partition_epoch, isr) = self.earlier.clone();
                if partition_epoch >= self.leader.partition_epoch {
                    return None;
                }
                let answer = IsrAnswer::Taken {
                    epoch: self.leader.epoch,
                    partition_epoch,
                    isr: isr.clone(),
                };
                self.leader.answered(answer, self.now);
                let replicas = self.assignment().replicas;
                let assignment = ReplicaSet {
                    partition_epoch,
                    replicas,
                    isr,
                };
                self.leader.followed(assignment, self.now);
            }
        }
        None
    }

    fn follower(&self, at: usize) -> Option<NodeId> {
        (at < self.ends.len()).then(|| node(at + 1))
    }

    fn fetch(&mut self, at: usize, stored: i64, is_eligible: bool) -> Option<IsrChange> {
        let end = *self.ends.get(at)?;
        let change = self.leader.fetched(&FollowerFetch {
            node: node(at + 1),
            broker_epoch: 40,
            from: Offset(end),
            is_diverging: false,
            is_eligible,
            now: self.now,
        });
        self.ends[at] = self.log_end.min(end + stored);
        change
    }

    fn decide(&mut self, takes: bool, is_lost: bool) {
        let Some(change) = self.sent.take() else {
            return;
        };
        let answer = if change.partition_epoch < self.partition_epoch {
            IsrAnswer::Wait
        } else if takes {
            self.record(change.isr.iter().map(|(node, _)| *node).collect());
            IsrAnswer::Taken {
                epoch: change.epoch,
                partition_epoch: self.partition_epoch,
                isr: self.isr.clone(),
            }
        } else {
            IsrAnswer::Ineligible
        };
        let answer = if is_lost { IsrAnswer::Again } else { answer };
        self.is_answered |= matches!(answer, IsrAnswer::Taken { .. } | IsrAnswer::Ineligible);
        // Sent once more it is the same change.
        self.sent = self.leader.answered(answer, self.now);
    }

    fn check(
        &self,
        step: &Step,
        before: &Leader,
        change: Option<&IsrChange>,
    ) -> Result<(), String> {
        let leader = &self.leader;
        let watermark = leader.high_watermark();
        let must = |holds: bool, what: &str| holds.then_some(()).ok_or_else(|| what.to_owned());
        must(
            watermark >= before.high_watermark,
            "the watermark goes back",
        )?;
        must(
            watermark <= Offset(self.log_end),
            "the watermark is above the log end",
        )?;
        must(
            watermark == before.high_watermark || leader.in_sync() >= leader.needed(),
            "too few are in sync, and the watermark moves",
        )?;
        // What the controller would refuse as too old elects nobody.
        let asked = self
            .sent
            .iter()
            .filter(|it| it.partition_epoch == self.partition_epoch);
        let asked = asked.flat_map(|it| &it.isr).map(|(node, _)| node);
        for member in self.isr.iter().chain(asked).filter(|it| **it != ME) {
            let end = self.ends[member.0 as usize - 2];
            must(
                Offset(end) >= watermark,
                "who may be elected lacks committed records",
            )?;
        }
        if let Some(change) = change {
            must(self.is_answered, "two changes of the ISR are under way")?;
            let joins = |node: &NodeId| !before.isr.committed().contains(node);
            for (node, _) in change.isr.iter().filter(|(node, _)| joins(node)) {
                let known = leader.followers.iter().find(|it| it.node == *node);
                let end = known.map_or(Offset::NONE, |follower| follower.log_end);
                let has_all = end >= before.high_watermark && end >= leader.epoch_start;
                must(has_all, "who is behind joins")?;
            }
        }
        let is_same = || format!("{before:?}") == format!("{leader:?}");
        match step {
            Step::DivergingFetch(_) => must(is_same(), "a log that departs from this one counts"),
            Step::Stale => must(is_same(), "what is older is believed"),
            _ => Ok(()),
        }
    }

    /// What a leader without one of the rules would do.
    fn tamper(&mut self, mutant: Mutant, step: &Step, before: &Leader) {
        let leader = &mut self.leader;
        let least = |nodes: &[NodeId]| {
            let members = leader
                .followers
                .iter()
                .filter(|it| nodes.contains(&it.node));
            let least = members.map(|follower| follower.log_end).min();
            least.unwrap_or(leader.log_end)
        };
        let committed = leader.isr.committed().to_vec();
        let wanted = leader.isr.wanted().map(<[_]>::to_vec);
        let is_enough = leader.in_sync() >= leader.needed();
        match mutant {
            Mutant::WantedOnly if is_enough => {
                let next = wanted.map_or(Offset::NONE, |wanted| least(&wanted));
                leader.high_watermark = leader.high_watermark.max(next);
            }
            Mutant::CommittedOnly if is_enough && wanted.is_some() => {
                leader.high_watermark = leader.high_watermark.max(least(&committed));
            }
            Mutant::TooFew => {
                leader.high_watermark = leader.high_watermark.max(least(&committed));
            }
            Mutant::GoesBack => leader.high_watermark = least(&committed).max(Offset::ZERO),
            Mutant::TwoChanges => leader.isr = Isr::Committed(committed),
            Mutant::OldEpoch if matches!(step, Step::Stale) => {
                (leader.partition_epoch, leader.isr) =
                    (self.earlier.0, Isr::Committed(self.earlier.1.clone()));
            }
            Mutant::JoinsBehind => {
                leader.epoch_start = before.epoch_start;
                leader.high_watermark = leader.high_watermark.max(before.high_watermark);
            }
            _ => {}
        }
    }
}

fn node(at: usize) -> NodeId {
    NodeId(i32::try_from(at + 1).expect("few nodes"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn no_committed_record_is_lost_in_a_clean_election((followers, log_end, steps) in steps()) {
        let mut world = World::start(followers, log_end, None);
        let run = world.run(&steps);
        prop_assert!(run.is_ok(), "{run:?}");
        // When all are well again, all are in sync and everything is committed.
        world.leader.require(1, world.now);
        for _ in 0..2 * followers + 2 {
            let all = (0..followers).map(|node| Step::Fetch { node, stored: i64::MAX / 2, is_eligible: true });
            let answers = [Step::Decide { takes: true, is_lost: false }, Step::Image];
            let run = world.run(&all.chain(answers).collect::<Vec<_>>());
            prop_assert!(run.is_ok(), "{run:?}");
        }
        prop_assert_eq!(world.leader.in_sync(), followers + 1);
        prop_assert_eq!(world.leader.high_watermark(), Offset(world.log_end));
    }
}

#[test]
fn a_leader_that_breaks_a_rule_is_caught() {
    use Mutant::*;
    for mutant in [
        WantedOnly,
        CommittedOnly,
        TooFew,
        GoesBack,
        TwoChanges,
        OldEpoch,
        JoinsBehind,
        Diverging,
    ] {
        let mut runner = TestRunner::deterministic();
        let is_caught = (0..4_000).any(|_| {
            let tree = steps().new_tree(&mut runner).expect("steps");
            let (followers, log_end, steps) = tree.current();
            World::start(followers, log_end, Some(mutant))
                .run(&steps)
                .is_err()
        });
        assert!(is_caught, "{mutant:?}");
    }
}

#[test]
fn a_follower_has_its_time_before_it_is_out_of_sync() {
    let mut world = World::start(2, 10, None);
    world.now = world.now.plus_millis(LAG_MS);
    assert_eq!(world.leader.shrink(world.now), None);
    world.fetch(0, 10, true);
    world.now = world.now.plus_millis(1);
    // The first has everything, and is in sync however long nothing is written.
    world.fetch(0, 0, true);
    let change = world.leader.shrink(world.now).expect("a change");
    let nodes: Vec<NodeId> = change.isr.iter().map(|(node, _)| *node).collect();
    assert_eq!(nodes, [ME, NodeId(2)]);
    // Until that is recorded the one that is behind holds the watermark.
    assert_eq!(world.leader.high_watermark(), Offset(0));
    assert_eq!((world.leader.in_sync(), world.leader.maximal()), (3, 3));
    let answer = IsrAnswer::Taken {
        epoch: LeaderEpoch(3),
        partition_epoch: 8,
        isr: nodes,
    };
    assert_eq!(world.leader.answered(answer, world.now), None);
    assert_eq!(world.leader.high_watermark(), Offset(10));
    // A new leader knows nothing of where its followers are, and keeps the watermark.
    let term = Term {
        node: ME,
        epoch: LeaderEpoch(4),
        log_end: Offset(10),
        high_watermark: world.leader.high_watermark(),
        min_insync_replicas: 2,
        lag_ms: LAG_MS,
        now: world.now,
    };
    let mut next = Leader::new(&term, world.assignment());
    assert_eq!(next.high_watermark(), Offset(10));
    next.appended(Offset(12), world.now);
    assert_eq!(next.high_watermark(), Offset(10));
}
