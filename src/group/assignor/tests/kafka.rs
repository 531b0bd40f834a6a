//! Groups that live through random changes, and what Kafka's own classes assign after each. The cases are made by
//! `protocol-tests/group-functions`; `Assignments.java` there says how they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Assignment, Assignor, AssignorMember, SubscriptionType, Topics};
use crate::base::TopicId;

/// Some hundred assignments of small groups.
const RECORDED: &str = include_str!("kafka.txt");

/// `KAFKA_ASSIGNMENTS` may name a file with many more cases.
#[test]
fn assignments_are_those_of_kafka() {
    let (cases, least) = cases("KAFKA_ASSIGNMENTS");
    let compared = compare(&cases);
    assert!(
        compared.assignments >= least && compared.different == 0,
        "{compared:?}"
    );
    assert!(
        compared.with_missing_topics * 1000 <= compared.assignments,
        "{compared:?}"
    );
    assert_eq!(compared.unlike, 0);
}

/// Kafka's order within a bucket may come from what the group was before, which no record says. `KAFKA_HISTORY` may name a
/// file with groups that have such a past.
#[test]
fn assignments_after_any_history_are_nearly_those_of_kafka() {
    let (cases, least) = cases("KAFKA_HISTORY");
    let compared = compare(&cases);
    println!("{compared:?}");
    assert!(compared.assignments >= least && compared.different * 50 <= compared.assignments);
    assert!(compared.unlike * 500 <= compared.assignments);
}

/// The cases of the file that the variable names, or else the recorded ones, and how many there are at least.
fn cases(variable: &str) -> (String, usize) {
    match std::env::var_os(variable) {
        None => (RECORDED.to_owned(), 300),
        Some(path) => (std::fs::read_to_string(path).unwrap(), 10_000),
    }
}

#[derive(Debug, Default)]
struct Compared {
    assignments: usize,
    /// Those that may differ: Kafka's table of topics is larger by those that do not exist.
    with_missing_topics: usize,
    different: usize,
    /// Those whose shares have other sizes than Kafka's, or that move another number of partitions.
    unlike: usize,
}

fn compare(cases: &str) -> Compared {
    let mut compared = Compared::default();
    let mut group = Group::default();
    let mut lines = cases.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let Some(assignor) = group.follow(&words) else {
            continue;
        };
        let found = group.assign(assignor);
        let mut expected = group.assigned();
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "end") {
            let mut words = line.split(' ').skip(1);
            let id = words.next().unwrap();
            let assignment = Assignment::new(words.map(|topic| group.partitions(topic)));
            expected.insert(id.into(), assignment);
        }
        compared.assignments += 1;
        compared.unlike += usize::from(group.is_unlike(&found, &expected));
        if group.has_missing_topics() && found != expected {
            compared.with_missing_topics += 1;
            group.set(expected);
            continue;
        }
        compared.different += usize::from(found != expected);
        if found != expected && compared.different <= 3 {
            group.print(number + 1, &found, &expected);
        }
        group.set(expected);
    }
    compared
}

#[derive(Default)]
struct Group {
    topics: BTreeMap<TopicId, (Arc<str>, i32)>,
    patterns: BTreeMap<String, Vec<Arc<str>>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Whose heartbeat asks for an assignment.
    last: Arc<str>,
}

#[derive(Default)]
struct Member {
    instance: Option<String>,
    names: Vec<Arc<str>>,
    pattern: Option<String>,
    topics: BTreeSet<TopicId>,
    assigned: Assignment,
    joins: bool,
}

impl Topics for Group {
    fn name(&self, topic: TopicId) -> Option<&str> {
        self.topics.get(&topic).map(|(name, _)| &**name)
    }

    fn partition_count(&self, topic: TopicId) -> i32 {
        self.topics.get(&topic).map_or(0, |(_, count)| *count)
    }
}

fn some(word: &str) -> Option<String> {
    (word != "-").then(|| word.to_owned())
}

fn names(word: &str) -> Vec<Arc<str>> {
    some(word).map_or_else(Vec::new, |names| names.split(',').map(Arc::from).collect())
}

impl Group {
    /// Follows a change; answers an assignor if the line asks for an assignment.
    fn follow(&mut self, words: &[&str]) -> Option<Assignor> {
        match words {
            ["group"] => *self = Self::default(),
            ["topic", name, id, count] => {
                let topic = (Arc::from(*name), count.parse().unwrap());
                self.topics.insert(id.parse().unwrap(), topic);
            }
            ["gone", name] => self.topics.retain(|_, topic| &*topic.0 != *name),
            ["pattern", pattern, topics] => {
                self.patterns.insert((*pattern).to_owned(), names(topics));
            }
            ["member" | "replace", id, instance, topics, pattern] => {
                let instance = some(instance);
                let replaced = self.members.iter().find(|(other, member)| {
                    instance.is_some() && member.instance == instance && &***other != *id
                });
                let replaced = replaced.map(|(replaced, _)| Arc::clone(replaced));
                let before = replaced.and_then(|replaced| self.members.remove(&replaced));
                let joins = !self.members.contains_key(*id);
                let member = self.members.entry(Arc::from(*id)).or_default();
                member.joins = joins;
                member.instance = instance;
                member.names = names(topics);
                member.pattern = some(pattern);
                if let Some(before) = before {
                    member.assigned = before.assigned;
                }
                self.last = Arc::from(*id);
            }
            ["left", id] => {
                self.members.remove(*id);
            }
            ["assign", assignor] => return Assignor::from_name(assignor),
            _ => panic!("{words:?}"),
        }
        None
    }

    fn id(&self, name: &str) -> Option<TopicId> {
        let named = self.topics.iter().find(|(_, topic)| &*topic.0 == name);
        named.map(|(id, _)| *id)
    }

    /// `NAME:0-3,5`
    fn partitions(&self, topic: &str) -> (TopicId, Vec<i32>) {
        let (name, runs) = topic.split_once(':').unwrap();
        let runs = runs.split(',').flat_map(|run| {
            let (from, to) = run.split_once('-').unwrap_or((run, run));
            from.parse::<i32>().unwrap()..=to.parse().unwrap()
        });
        (self.id(name).unwrap(), runs.collect())
    }

    fn assign(&mut self, assignor: Assignor) -> BTreeMap<Arc<str>, Assignment> {
        let subscribed = self.members.values().map(|member| {
            let pattern = member
                .pattern
                .as_ref()
                .map_or(&[][..], |pattern| &self.patterns[pattern]);
            let names = member.names.iter().chain(pattern);
            names.filter_map(|name| self.id(name)).collect()
        });
        let subscribed: Vec<BTreeSet<TopicId>> = subscribed.collect();
        for ((id, member), topics) in self.members.iter_mut().zip(subscribed) {
            member.topics = topics;
            member.joins &= *id == self.last;
        }
        let asked = self.members.values();
        let subscription = SubscriptionType::of(
            asked.map(|member| (member.names.as_slice(), member.pattern.as_deref())),
        );
        let members = self.members.iter().map(|(id, member)| AssignorMember {
            id,
            instance: member.instance.as_deref(),
            joins: member.joins,
            topics: &member.topics,
            assigned: &member.assigned,
        });
        let members: Vec<AssignorMember<'_>> = members.collect();
        assignor.assign(&members, subscription, self)
    }

    /// Whether many topics are subscribed to, and some of them do not exist.
    fn has_missing_topics(&self) -> bool {
        let mut members = self.members.values();
        members.any(|member| member.names.len() >= 12 && member.topics.len() < member.names.len())
    }

    fn assigned(&self) -> BTreeMap<Arc<str>, Assignment> {
        let members = self.members.iter();
        members
            .map(|(id, member)| (Arc::clone(id), member.assigned.clone()))
            .collect()
    }

    fn set(&mut self, assigned: BTreeMap<Arc<str>, Assignment>) {
        for (id, assignment) in assigned {
            let member = self.members.get_mut(&id).unwrap();
            member.assigned = assignment;
            member.joins = false;
        }
    }

    fn is_unlike(
        &self,
        found: &BTreeMap<Arc<str>, Assignment>,
        expected: &BTreeMap<Arc<str>, Assignment>,
    ) -> bool {
        let cost = |assigned: &BTreeMap<Arc<str>, Assignment>| {
            let mut sizes: Vec<usize> = assigned.values().map(Assignment::len).collect();
            sizes.sort_unstable();
            let kept = assigned.iter().map(|(id, assigned)| {
                let before = &self.members[id].assigned;
                let kept = assigned
                    .iter()
                    .filter(|(topic, number)| before.contains(*topic, *number));
                kept.count()
            });
            (sizes, kept.sum::<usize>())
        };
        cost(found) != cost(expected)
    }

    fn print(
        &self,
        line: usize,
        found: &BTreeMap<Arc<str>, Assignment>,
        expected: &BTreeMap<Arc<str>, Assignment>,
    ) {
        println!("line {line}:");
        for (id, expected) in expected {
            let found = &found[id];
            if found != expected {
                let before = &self.members[id].assigned;
                println!("  {id}\n    had {before:?}\n    Kafka {expected:?}\n    ours {found:?}");
            }
        }
    }
}
