//! Groups that live through random changes, and what Kafka's own classes assign after each. The cases are made by
//! `protocol-tests/group-functions`; `Assignments.java` there says how they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Assignment, Assignor, AssignorMember, SubscriptionType, Topics};
use crate::base::TopicId;

/// Some hundred assignments of small groups.
const RECORDED: &str = include_str!("kafka.txt");

#[test]
fn assignments_are_those_of_kafka() {
    let compared = compare(RECORDED);
    assert!(compared.assignments >= 300, "{compared:?}");
    assert_eq!(compared.different, 0);
}

#[test]
#[ignore = "protocol-tests/group-functions/run makes the cases"]
fn many_assignments_are_those_of_kafka() {
    let path = std::env::var_os("KAFKA_ASSIGNMENTS").expect("the file with the cases");
    let cases = std::fs::read_to_string(path).unwrap();
    let compared = compare(&cases);
    println!(
        "{} of {} assignments differ",
        compared.different, compared.assignments
    );
    // Kafka's order within a bucket may come from what the group was before, which no record says.
    let allowed = if std::env::var_os("KAFKA_HISTORY").is_some() {
        compared.assignments / 50
    } else {
        0
    };
    assert!(compared.assignments >= 1000 && compared.different <= allowed);
}

#[derive(Debug, Default)]
struct Compared {
    assignments: usize,
    different: usize,
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
