//! What Kafka does with the usual groups. All the rest is compared with Kafka's own classes.

mod kafka;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Assignment, Assignor, AssignorMember, SubscriptionType, Topics};
use crate::base::{KafkaUuid, TopicId};

/// Topics with so many partitions; their names are their numbers.
struct Cluster(BTreeMap<TopicId, (String, i32)>);

impl Topics for Cluster {
    fn name(&self, topic: TopicId) -> Option<&str> {
        self.0.get(&topic).map(|(name, _)| name.as_str())
    }

    fn partition_count(&self, topic: TopicId) -> i32 {
        self.0.get(&topic).map_or(0, |(_, count)| *count)
    }
}

fn id(number: usize) -> TopicId {
    KafkaUuid(uuid::Uuid::from_u128(number as u128 + 1))
}

fn cluster(counts: &[i32]) -> Cluster {
    let topics = counts.iter().enumerate();
    Cluster(
        topics
            .map(|(number, count)| (id(number), (number.to_string(), *count)))
            .collect(),
    )
}

struct Member {
    id: Arc<str>,
    instance: Option<String>,
    topics: BTreeSet<TopicId>,
    assigned: Assignment,
}

fn member(name: &str, topics: &[usize]) -> Member {
    Member {
        id: name.into(),
        instance: None,
        topics: topics.iter().map(|topic| id(*topic)).collect(),
        assigned: Assignment::empty(),
    }
}

/// Assigns, and gives the members what they get.
fn assign(assignor: Assignor, members: &mut [Member], cluster: &Cluster) {
    let is_same = members
        .windows(2)
        .all(|pair| pair[0].topics == pair[1].topics);
    let subscription = if is_same {
        SubscriptionType::Homogeneous
    } else {
        SubscriptionType::Heterogeneous
    };
    let seen = members.iter().map(|member| AssignorMember {
        id: &member.id,
        instance: member.instance.as_deref(),
        joins: false,
        topics: &member.topics,
        assigned: &member.assigned,
    });
    let seen: Vec<AssignorMember<'_>> = seen.collect();
    let mut assigned = assignor.assign(&seen, subscription, cluster);
    for member in members {
        member.assigned = assigned
            .remove(&member.id)
            .expect("an entry for every member");
    }
    assert!(assigned.is_empty());
}

fn partitions(member: &Member) -> Vec<(TopicId, Vec<i32>)> {
    let topics = member.assigned.topics();
    topics
        .map(|(topic, partitions)| (topic, partitions.to_vec()))
        .collect()
}

#[test]
fn assignors_have_names() {
    for assignor in [Assignor::Uniform, Assignor::Range] {
        assert_eq!(Assignor::from_name(assignor.name()), Some(assignor));
    }
    assert_eq!(Assignor::from_name("Range"), None);
}

#[test]
fn range_cuts_each_topic_in_the_order_of_the_members() {
    let cluster = cluster(&[5, 5, 1]);
    let mut members = [
        member("b", &[0, 1, 2]),
        member("a", &[0, 1, 2]),
        member("c", &[0, 1, 2]),
    ];
    members[2].instance = Some("static".to_owned());
    assign(Assignor::Range, &mut members, &cluster);
    assert_eq!(
        partitions(&members[2]),
        [(id(0), vec![0, 1]), (id(1), vec![0, 1]), (id(2), vec![0])]
    );
    assert_eq!(
        partitions(&members[1]),
        [(id(0), vec![2, 3]), (id(1), vec![2, 3])]
    );
    assert_eq!(
        partitions(&members[0]),
        [(id(0), vec![4]), (id(1), vec![4])]
    );
}

#[test]
fn uniform_moves_no_more_than_a_new_member_needs() {
    let cluster = cluster(&[12]);
    let mut members = vec![member("a", &[0]), member("b", &[0]), member("c", &[0])];
    assign(Assignor::Uniform, &mut members, &cluster);
    let before: Vec<Assignment> = members
        .iter()
        .map(|member| member.assigned.clone())
        .collect();
    members.push(member("d", &[0]));
    assign(Assignor::Uniform, &mut members, &cluster);
    for (member, before) in members.iter().zip(&before) {
        let now = partitions(member);
        assert_eq!(now[0].1.len(), 3);
        let before: Vec<i32> = before
            .topics()
            .flat_map(|(_, partitions)| partitions.to_vec())
            .collect();
        assert!(now[0].1.iter().all(|partition| before.contains(partition)));
    }
    assert_eq!(partitions(&members[3])[0].1, [3, 7, 11]);
}

#[test]
fn nobody_gets_what_is_not_there() {
    for assignor in [Assignor::Uniform, Assignor::Range] {
        let mut members = [member("a", &[7]), member("b", &[])];
        assign(assignor, &mut members, &cluster(&[2]));
        assert!(members.iter().all(|member| partitions(member).is_empty()));
        assign(assignor, &mut [], &cluster(&[2]));
    }
}

#[test]
fn a_damaged_assignment_is_repaired() {
    let cluster = cluster(&[4, 4]);
    for topics in [[&[0][..], &[0]], [&[0, 1], &[0]]] {
        let mut members = [member("a", topics[0]), member("b", topics[1])];
        for member in &mut members {
            member.assigned = Assignment::new([(id(0), vec![-1, 0, 1, 9]), (id(5), vec![1])]);
        }
        assign(Assignor::Uniform, &mut members, &cluster);
        let all: Vec<_> = members.iter().flat_map(partitions).collect();
        let count = all.iter().flat_map(|(_, partitions)| partitions).count();
        let distinct: BTreeSet<(TopicId, i32)> = all
            .iter()
            .flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
            .collect();
        assert_eq!(count, distinct.len());
        assert_eq!(count, if topics[0].len() == 2 { 8 } else { 4 });
    }
}

#[test]
fn subscriptions_are_the_same_or_not_by_what_is_asked_for() {
    let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
    let (one, both) = ([Arc::clone(&a)], [a, b]);
    let homogeneous = |members: &[(&[Arc<str>], Option<&str>)]| {
        SubscriptionType::of(members.iter().copied()) == SubscriptionType::Homogeneous
    };
    assert!(homogeneous(&[]));
    assert!(homogeneous(&[(&one, None), (&one, None)]));
    assert!(!homogeneous(&[(&one, None), (&both, None)]));
    assert!(homogeneous(&[(&[], Some("x")), (&[], Some("x"))]));
    assert!(!homogeneous(&[(&[], Some("x")), (&[], Some("y"))]));
    assert!(!homogeneous(&[(&[], Some("x")), (&[], None)]));
    assert!(!homogeneous(&[(&one, Some("x"))]));
}

/// A group of 1,000 members and 10,000 partitions in which one more joins: what it takes is counted, not timed.
#[test]
fn a_large_group_costs_what_changes() {
    const MEMBERS: usize = 1000;
    let cluster = cluster(&[100; 100]);
    let all: Vec<usize> = (0..100).collect();
    for is_same in [true, false] {
        let topics = |number: usize| {
            let least = if is_same { 0 } else { number % 2 };
            &all[least..]
        };
        let new = |number: usize| member(&format!("member-{number}"), topics(number));
        let mut members: Vec<Member> = (0..MEMBERS).map(new).collect();
        assign(Assignor::Uniform, &mut members, &cluster);
        let before: Vec<Assignment> = members
            .iter()
            .map(|member| member.assigned.clone())
            .collect();
        members.push(new(MEMBERS));
        let counted = allocation_counter::measure(|| {
            assign(Assignor::Uniform, &mut members, &cluster);
        });
        let stay = members.iter().zip(&before);
        let stay = stay
            .filter(|(member, before)| member.assigned == **before)
            .count();
        assert!(stay >= MEMBERS - 10, "{stay} share what they had");
        assert!(counted.count_total < 6000, "{counted:?}");
        assert!(counted.bytes_total < 4 << 20, "{counted:?}");
    }
}
