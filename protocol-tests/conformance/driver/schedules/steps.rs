//! One schedule, step by step at both brokers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::names::owner;
use super::ops::{Choice, Kind, Op, Step};
use super::side::Side;
use crate::setup::pause;

/// A request that is not answered for so long, although the group is described, waits for other members.
const QUIET: Duration = Duration::from_millis(40);
/// What is not there by then will not come. Longer than every timeout of a schedule that is waited for.
const PATIENCE: Duration = Duration::from_secs(6);

#[derive(Debug)]
pub(super) enum End {
    Same,
    /// The brokers have chosen different leaders, as they may.
    Undetermined,
    Different(String),
}

#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) sides: [Side<'a>; 2],
    pub(super) choice: Choice,
    pub(super) show: bool,
}

/// What one broker has done in a step.
#[derive(Debug, PartialEq)]
struct Seen {
    answers: BTreeMap<usize, Json>,
    waiting: Vec<(usize, &'static str)>,
    group: Json,
}

impl Run<'_> {
    /// How many steps were the same, and how it ended.
    pub(super) fn carry_out(mut self, steps: usize) -> (usize, End) {
        let mut told = Vec::new();
        let mut leader = String::new();
        for number in 0..steps {
            let step = self.choice.next(&self.sides[0]);
            let line = format!(
                "{number}: client {} {:?} (version {})",
                step.client, step.op, step.version
            );
            let seen = match self.step(&step) {
                Ok(seen) => seen,
                Err(problem) => return (number, End::Different(format!("{line}: {problem}"))),
            };
            if self.show {
                println!("{line}\n    {}", shown(&seen[0]));
            }
            let [kafka, zurau] = &seen;
            if kafka != zurau {
                if chose_leaders(&leader, kafka, zurau) {
                    return (number, End::Undetermined);
                }
                told.push(line);
                let last = told.len().saturating_sub(6);
                let before = told[last..].join("\n      ");
                let what = format!("      {before}\n      {}", different(kafka, zurau));
                return (number, End::Different(what));
            }
            leader = led_by(kafka).unwrap_or(leader);
            leader = still_led_by(&leader, &self.sides[0].members());
            told.push(format!("{line}\n        {}", shown(kafka)));
        }
        (steps, End::Same)
    }

    fn step(&mut self, step: &Step) -> Result<[Seen; 2], String> {
        let kind = self.choice.kind;
        let was_empty = matches!(self.sides[0].state(), "Dead" | "Empty");
        let before = self.sides[0].described.clone();
        for side in &mut self.sides {
            side.heard.clear();
            if kind == Kind::Timed && !matches!(step.op, Op::Wait) {
                side.keep_alive()?;
            }
            side.send(step, kind)?;
        }
        let began = Instant::now();
        let mut quiet = Instant::now();
        loop {
            let mut is_over = true;
            for side in &mut self.sides {
                if side.collect()? {
                    quiet = Instant::now();
                }
                side.describe()?;
                is_over &= may_wait(side, was_empty);
                if matches!(step.op, Op::Wait) {
                    is_over &= side.described != before || !side.heard.is_empty();
                }
            }
            let [kafka, zurau] = &self.sides;
            is_over &= kafka.described == zurau.described && kafka.waiting() == zurau.waiting();
            is_over &= kafka.waiting().is_empty() || quiet.elapsed() > QUIET;
            if is_over || began.elapsed() > PATIENCE {
                break;
            }
            pause();
        }
        Ok(self.sides.each_mut().map(|side| Seen {
            answers: std::mem::take(&mut side.heard),
            waiting: side.waiting(),
            group: side.described.clone(),
        }))
    }
}

/// Whether each request that waits may do so in the group's state. A group that was empty forms its generation at once.
fn may_wait(side: &Side<'_>, was_empty: bool) -> bool {
    side.waiting().iter().all(|(_, api)| match side.state() {
        "PreparingRebalance" => *api == "JoinGroup" && !was_empty,
        "CompletingRebalance" => *api == "SyncGroup",
        _ => false,
    })
}

/// Who leads, if members were told.
fn led_by(seen: &Seen) -> Option<String> {
    let mut leaders = seen.answers.values().filter_map(|answer| {
        let leader = answer["Leader"].as_str()?;
        (answer["ErrorCode"] == 0 && !leader.is_empty()).then(|| leader.to_owned())
    });
    leaders.next()
}

/// The leader while it is a member, or the static member that has replaced it in this step; empty if it is gone.
fn still_led_by(leader: &str, members: &[String]) -> String {
    let is_same = |member: &&String| {
        **member == leader || (owner(member) == owner(leader) && !leader.is_empty())
    };
    members.iter().find(is_same).cloned().unwrap_or_default()
}

/// Whether the brokers differ in who leads, and the leader before is not a member any more or has not joined.
fn chose_leaders(before: &str, kafka: &Seen, zurau: &Seen) -> bool {
    let (Some(theirs), Some(ours)) = (led_by(kafka), led_by(zurau)) else {
        return false;
    };
    let joined = |seen: &Seen| {
        let mut answers = seen.answers.values();
        answers.any(|answer| answer["ErrorCode"] == 0 && answer["MemberId"] == before)
    };
    theirs != ours && !(joined(kafka) && joined(zurau))
}

fn shown(seen: &Seen) -> String {
    let members = seen.group["Members"].as_array().into_iter().flatten();
    let members: Vec<_> = members
        .filter_map(|member| member["MemberId"].as_str())
        .collect();
    let waiting: Vec<_> = seen.waiting.iter().map(|(client, _)| client).collect();
    let state = &seen.group["GroupState"];
    format!("{}; {waiting:?} wait; {state} {members:?}", heard(seen))
}

fn heard(seen: &Seen) -> String {
    let answers = seen.answers.iter();
    let answers: Vec<_> = answers
        .map(|(client, answer)| format!("{client} hears {answer}"))
        .collect();
    answers.join(", ")
}

/// What differs.
fn different(kafka: &Seen, zurau: &Seen) -> String {
    let mut lines = vec![
        format!("Kafka: {}", shown(kafka)),
        format!("Zurau: {}", shown(zurau)),
    ];
    if kafka.group != zurau.group {
        lines.push(format!("described by Kafka: {}", kafka.group));
        lines.push(format!("described by Zurau: {}", zurau.group));
    }
    lines.join("\n      ")
}
