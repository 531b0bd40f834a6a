//! The power is lost at any change that a workload makes to the disk.
//!
//! ```text
//!  workload --Recorder--> trace --prefix--> Image --Survival--> Tree --start--> log  ==  Expected
//! ```
//! A [`trace::Recorder`] notes every change with its bytes. After each prefix of them an [`image::Image`] knows
//! what is on the disk for certain and what may be; [`survivals`] picks states, of which each is written out,
//! started with, and compared with what the workload was promised ([`check`]). A sample of the starts is
//! itself recorded and loses its power.
//!
//! `cargo test` tries what takes some seconds. `ZURAU_POWER_SEEDS=<n>` tries more at each point, and as many
//! workloads at random, from `ZURAU_POWER_FIRST_SEED` on; `ZURAU_POWER_KEEP=<directory>` keeps some of the directories as they are after a
//! start and a clean stop, for Kafka's own tools.

mod check;
mod expected;
mod image;
mod survivals;
mod trace;
mod workload;
mod workloads;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::TopicConfig;
use crate::log::Disk;
use crate::log::testing::{directory, quick_disk};

use expected::Expected;
use image::{Image, Tree, write_tree};
use survivals::{Dice, Effort, survivals};
use trace::{Event, Recorder};
use workload::{Run, Step, compacted, config_of, small_segments};
use workloads::{COMPACTING, WORKLOADS, compacting, random_steps};

/// What was done, to be reported.
#[derive(Debug, Default)]
struct Tally {
    workloads: usize,
    crash_points: usize,
    states: usize,
    /// Crash points and states of the starts after a crash.
    second_points: usize,
    second_states: usize,
    kept: usize,
    failures: Vec<String>,
}

/// How thorough a run is.
#[derive(Clone, Debug)]
struct Plan {
    effort: Effort,
    /// Of so many states, one goes on after the start.
    go_on_every: usize,
    /// Of so many states, one loses its power during the start.
    second_every: usize,
    second: Effort,
    keep: Option<PathBuf>,
    keep_every: usize,
    config: TopicConfig,
}

/// What `steps` do to the disk, each with the change that it begins with.
fn steps_of(
    steps: &[Step],
    config: TopicConfig,
) -> (Image, Vec<Event>, Expected, Vec<(usize, Step)>) {
    let root = directory();
    let image = Image::of(root.path());
    let recorder = Arc::new(Recorder::new(root.path()));
    let mut run = Run::start(root.path(), recorder.clone(), config);
    let mut begun = Vec::new();
    for step in steps {
        begun.push((recorder.position(), *step));
        run.take(*step);
    }
    (image, recorder.events(), run.expected, begun)
}

/// Tries `steps` with a loss of power at each change.
fn lose_power(name: &str, steps: &[Step], plan: &Plan, dice: &mut Dice, tally: &mut Tally) {
    tally.workloads += 1;
    let (mut image, events, expected, begun) = steps_of(steps, plan.config.clone());
    let failures = tally.failures.len();
    let mut seen = HashSet::new();
    for at in 0..=events.len() {
        if let Some(before) = at.checked_sub(1) {
            image.apply(&events[before]);
        }
        tally.crash_points += 1;
        let last = at.checked_sub(1).map(|last| &events[last]);
        for survival in survivals(&image, last, plan.effort, dice) {
            let tree = image.tree(&survival);
            let bounds = expected.bounds(at);
            if !seen.insert(fingerprint(&tree, &(bounds.durable, bounds.least_start))) {
                continue;
            }
            tally.states += 1;
            let go_on = tally.states.is_multiple_of(plan.go_on_every);
            let keep = plan
                .keep
                .as_ref()
                .filter(|_| tally.states.is_multiple_of(plan.keep_every));
            let keep = keep.map(|keep| keep.join(tally.states.to_string()));
            tally.kept += usize::from(keep.is_some());
            let result = start(
                &tree,
                &expected,
                at,
                go_on || keep.is_some(),
                keep.as_deref(),
            );
            if let Err(error) = result {
                let last = last.map(|event| format!("{event:.80?}"));
                tally.failures.push(format!(
                    "{name}, power lost after {at} of {} changes ({last:?}): {error}\n  {survival:?}\n  {:?}",
                    events.len(),
                    tree.iter().map(|(path, content)| (path, content.as_ref().map(Vec::len))).collect::<Vec<_>>()
                ));
            } else if tally.states.is_multiple_of(plan.second_every) {
                lose_power_again(name, &tree, &expected, at, plan.second, dice, tally);
            }
        }
    }
    if tally.failures.len() > failures {
        let text = format!("{name}: {begun:?}");
        tally.failures[failures].push_str(&format!("\n  {text}"));
    }
}

/// The power is lost once more while a start mends what the first loss has left.
fn lose_power_again(
    name: &str,
    tree: &Tree,
    expected: &Expected,
    at: usize,
    effort: Effort,
    dice: &mut Dice,
    tally: &mut Tally,
) {
    let root = directory();
    write_tree(tree, root.path());
    let mut image = Image::of(root.path());
    let recorder = Arc::new(Recorder::new(root.path()));
    drop(workload::open(
        root.path(),
        Disk::with_probe(recorder.clone()),
        &expected.config,
    ));
    let mut seen = HashSet::new();
    for (number, event) in recorder.events().iter().enumerate() {
        image.apply(event);
        tally.second_points += 1;
        for survival in survivals(&image, Some(event), effort, dice) {
            let again = image.tree(&survival);
            if !seen.insert(fingerprint(&again, &())) {
                continue;
            }
            tally.second_states += 1;
            let go_on = tally.second_states.is_multiple_of(7);
            if let Err(error) = start(&again, expected, at, go_on, None) {
                tally.failures.push(format!(
                    "{name}, power lost after {at} changes, and again after {} of the start ({event:.80?}): {error}\n  {survival:?}",
                    number + 1
                ));
            }
        }
    }
}

/// Starts with these files.
fn start(
    tree: &Tree,
    expected: &Expected,
    at: usize,
    go_on: bool,
    keep: Option<&Path>,
) -> Result<(), String> {
    let root = directory();
    write_tree(tree, root.path());
    let check = || check::check(root.path(), quick_disk(), expected, at, go_on);
    let result = catch_unwind(AssertUnwindSafe(check));
    if let Some(keep) = keep {
        std::fs::create_dir_all(keep).unwrap();
        write_tree(&read_tree(root.path()), keep);
    }
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn read_tree(root: &Path) -> Tree {
    Image::of(root).tree(&image::Survival::default())
}

fn fingerprint(tree: &Tree, promise: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    promise.hash(&mut hasher);
    hasher.finish()
}

impl Tally {
    fn report(&self) {
        println!(
            "{} workloads, {} crash points, {} states; in starts {} crash points, {} states; {} kept; {} failures",
            self.workloads,
            self.crash_points,
            self.states,
            self.second_points,
            self.second_states,
            self.kept,
            self.failures.len()
        );
        // one of each kind: they come in heaps
        let mut kinds = BTreeMap::new();
        for failure in &self.failures {
            let (_, error) = failure.split_once("): ").unwrap_or(("", failure));
            let kind: String = error
                .chars()
                .filter(char::is_ascii_alphabetic)
                .take(30)
                .collect();
            kinds.entry(kind).or_insert((0, failure)).0 += 1;
        }
        for (kind, (count, first)) in &kinds {
            println!("{count} like {kind}: {first}");
        }
        assert!(self.failures.is_empty(), "{} failures", self.failures.len());
    }
}

fn plan(seeds: usize) -> Plan {
    let is_long = seeds > 0;
    Plan {
        effort: Effort {
            exhaustive: if is_long { 256 } else { 6 },
            random: if is_long { 40 } else { 1 },
            each: is_long,
        },
        go_on_every: if is_long { 4 } else { 9 },
        second_every: if is_long { 150 } else { 400 },
        second: Effort {
            exhaustive: 8,
            random: if is_long { 4 } else { 1 },
            each: false,
        },
        keep: std::env::var_os("ZURAU_POWER_KEEP").map(PathBuf::from),
        keep_every: 1999,
        config: small_segments(),
    }
}

#[test]
fn losing_power_loses_nothing_that_was_promised() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<usize>().unwrap())
    };
    let seeds = number("ZURAU_POWER_SEEDS").unwrap_or(0);
    let first_seed = number("ZURAU_POWER_FIRST_SEED").unwrap_or(1);
    let plan = plan(seeds);
    let mut tally = Tally::default();
    let mut dice = Dice(1);
    for (name, steps) in WORKLOADS {
        let mut plan = plan.clone();
        plan.effort.each |= steps.len() < 20;
        lose_power(name, steps, &plan, &mut dice, &mut tally);
    }
    let for_compaction = Plan {
        config: compacted(),
        ..plan.clone()
    };
    assert!(steps_of(COMPACTING, compacted()).2.dropped > 5);
    lose_power(
        "compacting",
        COMPACTING,
        &for_compaction,
        &mut dice,
        &mut tally,
    );
    for seed in first_seed..first_seed + seeds {
        let mut dice = Dice(seed as u64);
        let steps = random_steps(&mut dice, 40);
        let brief = Plan {
            effort: Effort {
                exhaustive: 32,
                random: 6,
                each: seed % 8 == 0,
            },
            config: config_of(seed),
            ..plan.clone()
        };
        let (steps, brief) = match seed % 8 {
            6 => (
                compacting(&steps),
                Plan {
                    config: compacted(),
                    ..brief
                },
            ),
            _ => (steps, brief),
        };
        lose_power(
            &format!("seed {seed}"),
            &steps,
            &brief,
            &mut dice,
            &mut tally,
        );
    }
    tally.report();
}
