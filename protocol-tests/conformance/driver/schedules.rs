//! Random schedules of group members: several clients of one group send JoinGroup, SyncGroup, Heartbeat, LeaveGroup and
//! OffsetCommit in an order that a seed decides, step by step to both brokers. What a client sends next depends on the
//! seed and on what it has been told (its id, its generation, who leads), so both brokers get the same schedule as long
//! as they answer the same. After each step the group is described.
//!
//! Compared is everything that is answered, and which request waits, with member ids under names ([`names`]). A step is
//! over when each request that still waits may wait in the group's state, on both brokers.
//!
//! What no broker promises: which member leads when the leader is gone. When the brokers choose differently, the
//! schedule ends there, and is tried again with the same seed. A difference counts if it is there every time, so that a
//! machine that is too busy for the short timeouts of a schedule is no failure.

mod names;
mod ops;
mod side;
mod steps;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use crate::client::Client;
use crate::execution::Versions;
use ops::{Choice, Kind};
use side::Side;
use steps::{End, Run};

/// A difference must be there as often.
const TRIES: usize = 3;
/// How often a schedule is tried whose end was undetermined.
const AGAIN: usize = 4;
/// Schedules that wait for timeouts cost nothing.
const AT_ONCE: usize = 6;
const STEPS: usize = 40;
/// The topic of all commits.
const TOPIC: &str = "schedules";

/// The schedules of a run: as many as wanted from the first seed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) count: u64,
    pub(crate) first: u64,
    /// Prints every step.
    pub(crate) show: bool,
}

/// Compares them, and prints each that differs with its seed.
pub(crate) fn compare(
    clients: [Client<'_>; 2],
    versions: &Versions,
    wanted: Wanted,
) -> Result<bool, String> {
    for client in &clients {
        create_topic(client)?;
    }
    let next = AtomicU64::new(wanted.first);
    let found = Mutex::new(Found::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= wanted.first + wanted.count {
                        break;
                    }
                    let outcome = schedule(clients, versions, seed, wanted.show);
                    if let Ok(mut found) = found.lock() {
                        found.add(seed, outcome);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_default();
    println!(
        "{} schedules from seed {}: {found}",
        wanted.count, wanted.first
    );
    Ok(found.different == 0)
}

#[derive(Debug, Default)]
struct Found {
    steps: usize,
    undetermined: usize,
    different: usize,
}

impl Found {
    fn add(&mut self, seed: u64, (steps, end): (usize, End)) {
        self.steps += steps;
        match end {
            End::Same => {}
            End::Undetermined => self.undetermined += 1,
            End::Different(what) => {
                self.different += 1;
                println!("FAIL  schedule {seed}, step {steps}\n{what}");
            }
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} steps the same, {} ended where brokers may choose, {} differ",
            self.steps, self.undetermined, self.different
        )
    }
}

/// How many steps were the same, and how it ended. The longest of several tries counts.
fn schedule(clients: [Client<'_>; 2], versions: &Versions, seed: u64, show: bool) -> (usize, End) {
    let mut longest = (0, End::Undetermined);
    let mut different = 0;
    for attempt in 0..AGAIN.max(TRIES) {
        let group = format!("schedule-{seed}-{attempt}");
        let kind = Kind::of(seed);
        let sides = clients.map(|client| Side::new(client, versions, &group, kind.clients()));
        let (steps, end) = match sides {
            [Ok(kafka), Ok(zurau)] => Run {
                sides: [kafka, zurau],
                choice: Choice::new(StdRng::seed_from_u64(seed), kind),
                show,
            }
            .carry_out(STEPS),
            [Err(problem), _] | [_, Err(problem)] => (0, End::Different(problem)),
        };
        match end {
            End::Same => return (steps, End::Same),
            End::Undetermined if steps >= longest.0 => longest = (steps, End::Undetermined),
            End::Undetermined => {}
            End::Different(_) => {
                different += 1;
                if different == TRIES {
                    return (steps, end);
                }
            }
        }
    }
    longest
}

fn create_topic(client: &Client<'_>) -> Result<(), String> {
    let topic = json!({"Name": TOPIC, "NumPartitions": 1, "ReplicationFactor": 1});
    client.ask(
        "CreateTopics",
        5,
        &json!({"Topics": [topic], "timeoutMs": 30_000}),
    )?;
    let partitions = json!([{"PartitionIndex": 0, "Timestamp": -1}]);
    let body = json!({"ReplicaId": -1, "Topics": [{"Name": TOPIC, "Partitions": partitions}]});
    crate::setup::answered("the topic of the schedules was waited for", || {
        let answer = client.ask("ListOffsets", 4, &body)?;
        let code = answer.at("Topics[0].Partitions[0].ErrorCode");
        Ok((code == Some(&crate::values::Value::Number(0))).then_some(()))
    })
}
