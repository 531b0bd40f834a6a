//! The order in which steps are taken, without threads.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::base::DirectoryId;

use super::lines::{Kind, LineId, Lines, Need, Next, ROOM, Taken, Work};
use super::source::Source;

const JOB: Duration = Duration::from_millis(10);

/// A connection of the client at 10.0.0.`host`.
fn connection(host: u8, port: u16) -> Source {
    Source::Connection(SocketAddr::from((Ipv4Addr::new(10, 0, 0, host), port)))
}

const fn line(partition: u64, source: Source) -> LineId {
    LineId { partition, source }
}

fn recompress(directory: u128, bytes: usize) -> Work {
    Work::Recompress(Need {
        directory: directory_id(directory),
        bytes,
    })
}

fn directory_id(number: u128) -> DirectoryId {
    crate::base::KafkaUuid(uuid::Uuid::from_u128(number))
}

/// Takes the next step of this kind; returns its number.
fn serve<T>(lines: &mut Lines<T>, kind: Kind, spent: Duration) -> Option<(LineId, T)> {
    let Taken { line, step, need } = lines.take(kind)?;
    lines.end(line, need, spent);
    if let Some(need) = need {
        lines.give_back(need);
    }
    while let Next::Pass(_) = lines.go_on(line) {}
    Some((line, step))
}

#[test]
fn a_stranger_waits_for_one_job_and_not_for_a_queue() {
    let mut lines = Lines::default();
    let attacker = connection(1, 1);
    // 32 batches in one partition, and one in each of 1,000 others
    for number in 0..32 {
        lines.push(line(0, attacker), Work::Check, number);
    }
    for partition in 1..=1000 {
        lines.push(line(partition, attacker), Work::Check, 0);
    }
    for _ in 0..10 {
        assert!(serve(&mut lines, Kind::Check, JOB).is_some());
    }
    for honest in 2..=4 {
        lines.push(line(0, connection(honest, 1)), Work::Check, 0);
    }
    let mut served = HashSet::new();
    for _ in 0..4 {
        let (line, _) = serve(&mut lines, Kind::Check, JOB).expect("a step");
        served.insert(line.source);
    }
    assert!((1..=4).all(|host| served.contains(&connection(host, 1))));
}

#[test]
fn a_client_has_no_more_of_it_for_having_many_connections() {
    let mut lines = Lines::default();
    for port in 1..=1000 {
        lines.push(line(0, connection(1, port)), Work::Check, 0);
    }
    for partition in 0..50 {
        lines.push(line(partition, connection(2, 1)), Work::Check, 0);
    }
    let mut counts = BTreeMap::new();
    for _ in 0..100 {
        let (line, _) = serve(&mut lines, Kind::Check, JOB).expect("a step");
        *counts.entry(line.source.address()).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [50, 50]);
    let network = |tail: u64| {
        let address = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | u128::from(tail));
        Source::Connection(SocketAddr::from((address, 1))).address()
    };
    assert_eq!(network(1), network(u64::MAX));
}

#[test]
fn who_costs_more_is_served_less_often_and_idle_time_is_not_saved_up() {
    let mut lines = Lines::default();
    let (dear, cheap, late) = (connection(1, 1), connection(2, 1), connection(3, 1));
    for number in 0..1000 {
        lines.push(line(0, dear), Work::Check, number);
        lines.push(line(0, cheap), Work::Check, number);
    }
    let count = |lines: &mut Lines<_>, steps: usize| {
        let mut counts = BTreeMap::new();
        for _ in 0..steps {
            let Taken { line, need, .. } = lines.take(Kind::Check).expect("a step");
            let times = if line.source == dear { 9 } else { 1 };
            lines.end(line, need, JOB * times);
            lines.go_on(line);
            *counts.entry(line.source).or_insert(0) += 1;
        }
        counts
    };
    let counts = count(&mut lines, 100);
    assert!((8..=12).contains(&counts[&dear]), "{counts:?}");
    for number in 0..100 {
        lines.push(line(0, late), Work::Check, number);
    }
    let counts = count(&mut lines, 100);
    assert!((40..=60).contains(&counts[&late]), "{counts:?}");
    assert!((40..=60).contains(&counts[&cheap]), "{counts:?}");
}

#[test]
fn whoever_has_a_job_under_way_waits_for_those_who_have_none() {
    let mut lines = Lines::default();
    for partition in 0..10 {
        lines.push(line(partition, connection(1, 1)), Work::Check, 0);
    }
    let first = lines.take(Kind::Check).expect("a step");
    assert_eq!(first.line.source, connection(1, 1));
    lines.push(line(0, connection(2, 1)), Work::Check, 0);
    let second = lines.take(Kind::Check).expect("a step");
    assert_eq!(second.line.source, connection(2, 1));
}

#[test]
fn recompressions_wait_for_room_in_their_own_directory_only() {
    let mut lines = Lines::default();
    let client = connection(1, 1);
    for partition in 0..4 {
        lines.push(line(partition, client), recompress(1, ROOM / 2), 0);
    }
    lines.push(line(9, connection(2, 1)), recompress(2, 10 * ROOM), 0);
    lines.push(line(8, client), Work::Check, 0);
    let mut taken: Vec<_> = std::iter::from_fn(|| lines.take(Kind::Recompress)).collect();
    let partitions: Vec<_> = taken.iter().map(|taken| taken.line.partition).collect();
    assert_eq!(partitions, [0, 9, 1], "one larger than all is let in alone");
    assert!(lines.take(Kind::Check).is_some());

    let first = taken.remove(0);
    lines.end(first.line, first.need, JOB);
    assert!(lines.take(Kind::Recompress).is_none(), "its lane has it");
    assert!(lines.give_back(first.need.expect("a need")));
    let next = lines.take(Kind::Recompress).expect("room");
    assert_eq!(next.line.partition, 2);
    assert_eq!(lines.take_all(), [0]);
}

#[derive(Clone, Debug)]
enum Act {
    Push {
        partition: u64,
        host: u8,
        work: u8,
    },
    Take(bool),
    HandOn(usize),
    /// Drops the step in hand: nobody waits for it any more.
    Abandon(usize),
}

fn acts() -> impl Strategy<Value = Act> {
    let push = (0..3_u64, 0..3_u8, 0..3_u8).prop_map(|(partition, host, work)| Act::Push {
        partition,
        host,
        work,
    });
    let place = any::<prop::sample::Index>().prop_map(|index| index.index(8));
    prop_oneof![
        3 => push,
        2 => any::<bool>().prop_map(Act::Take),
        3 => place.clone().prop_map(Act::HandOn),
        1 => place.prop_map(Act::Abandon),
    ]
}

/// The steps that a run has sent on, and those that it still has in hand.
#[derive(Debug, Default)]
struct Run {
    lines: Lines<usize>,
    sent: BTreeMap<LineId, Vec<usize>>,
    pushed: BTreeMap<LineId, Vec<usize>>,
    in_hand: Vec<Taken<usize>>,
    abandoned: HashSet<usize>,
}

impl Run {
    fn push(&mut self, line: LineId, work: Work, number: usize) {
        self.pushed.entry(line).or_default().push(number);
        if work == Work::Pass && !self.lines.has(line) {
            self.sent.entry(line).or_default().push(number);
        } else {
            self.lines.push(line, work, number);
        }
    }

    fn abandon(&mut self, taken: &Taken<usize>) {
        self.abandoned.insert(taken.step);
        self.abandoned.extend(self.lines.abandon(taken.line));
        self.end(taken);
    }

    fn hand_on(&mut self, taken: &Taken<usize>) {
        self.sent.entry(taken.line).or_default().push(taken.step);
        self.end(taken);
    }

    fn end(&mut self, taken: &Taken<usize>) {
        self.lines.end(taken.line, taken.need, JOB);
        taken.need.map(|need| self.lines.give_back(need));
        let sent = self.sent.entry(taken.line).or_default();
        while let Next::Pass(steps) = self.lines.go_on(taken.line) {
            sent.extend(steps);
        }
    }
}

proptest! {
    #[test]
    fn each_line_keeps_its_order_and_nothing_is_lost(acts in vec(acts(), 0..200)) {
        let mut run = Run::default();
        for (number, act) in acts.into_iter().enumerate() {
            match act {
                Act::Push { partition, host, work } => {
                    let work = match work {
                        0 => Work::Pass,
                        1 => Work::Check,
                        _ => recompress(u128::from(partition % 2), ROOM / 2),
                    };
                    run.push(line(partition, connection(host, 1)), work, number);
                }
                Act::Take(is_check) => {
                    let kind = if is_check { Kind::Check } else { Kind::Recompress };
                    run.in_hand.extend(run.lines.take(kind));
                    let mut in_hand = HashSet::new();
                    prop_assert!(run.in_hand.iter().all(|taken| in_hand.insert(taken.line)));
                }
                Act::HandOn(place) => {
                    if place < run.in_hand.len() {
                        let taken = run.in_hand.remove(place);
                        run.hand_on(&taken);
                    }
                }
                Act::Abandon(place) => {
                    if place < run.in_hand.len() {
                        let taken = run.in_hand.remove(place);
                        run.abandon(&taken);
                    }
                }
            }
        }
        loop {
            let in_hand = std::mem::take(&mut run.in_hand);
            in_hand.iter().for_each(|taken| run.hand_on(taken));
            for kind in [Kind::Check, Kind::Recompress] {
                run.in_hand.extend(std::iter::from_fn(|| run.lines.take(kind)));
            }
            if run.in_hand.is_empty() {
                break;
            }
        }
        let abandoned = run.abandoned;
        for pushed in run.pushed.values_mut() {
            pushed.retain(|step| !abandoned.contains(step));
        }
        run.sent.retain(|_, sent| !sent.is_empty());
        run.pushed.retain(|_, pushed| !pushed.is_empty());
        prop_assert_eq!(run.sent, run.pushed);
    }
}
