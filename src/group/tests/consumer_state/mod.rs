//! Consumer groups as they are found in the log: what administrators see of them, and how they end.

mod commits;
mod memory;

use proptest::collection::vec;
use proptest::prelude::*;

use super::fixture::{Fixture, GROUP, commit_of, join, replayed};
use crate::base::{ErrorCode, KafkaUuid, KeyValue, Offset, Timestamp, TopicId, TopicPartition};
use crate::group::consumer::{Assignment, Held, Member, Names, Owned, Subscription, records};
use crate::group::records::{Generation, group_record, group_tombstone, offset_tombstone};
use crate::group::{
    CommitOffsets, ConsumerDescription, DeleteGroup, DeleteOffsets, DescribedConsumerMember,
    ListFilter, NotDescribed, Registry, Settings, StateName,
};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn topic() -> TopicId {
    KafkaUuid(uuid::Uuid::from_u128(7))
}

/// A member that reads the topic "t" at epoch 5 and has two of its partitions: one since epoch 3, one since 5; and a
/// third that it must give up.
fn member(id: &str) -> Member {
    let held = |partition, since| Held { partition, since };
    Member {
        client_id: "client".into(),
        client_host: "/10.0.0.1".into(),
        subscription: Subscription {
            names: Names::new(["t".into()]),
            expression: None,
        },
        epoch: 5,
        previous_epoch: 4,
        assigned: Owned::new([(topic(), vec![held(0, 3), held(1, 5)])]),
        pending_revocation: Owned::new([(topic(), vec![held(2, 4)])]),
        ..Member::new(id.into())
    }
}

fn put(host: &mut Fixture, records: impl IntoIterator<Item = KeyValue>) {
    for record in records {
        let now = host.now;
        host.registry.replay(&replayed(&record), now).unwrap();
        host.log.push(record);
    }
}

/// The records of a group that has this member, or none.
fn put_group(host: &mut Fixture, member: Option<&Member>) {
    let target = Assignment::new([(topic(), vec![0, 1])]);
    put(
        host,
        [
            records::group_metadata(GROUP, 5, 11),
            records::target_epoch(GROUP, 5, Timestamp(9)),
        ],
    );
    if let Some(member) = member {
        put(
            host,
            [
                records::member_metadata(GROUP, member),
                records::target_member(GROUP, &member.id, &target),
                records::current_assignment(GROUP, member),
            ],
        );
    }
}

fn with_group(member: Option<&Member>) -> Fixture {
    let mut host = Fixture::new();
    put_group(&mut host, member);
    host
}

fn listed(host: &Fixture) -> Vec<(&'static str, &'static str)> {
    let all = host.registry.listing();
    all.groups
        .iter()
        .map(|group| (group.group_type, group.state))
        .collect()
}

fn described(host: &Fixture) -> ConsumerDescription {
    host.registry.describe_consumer_group(GROUP).unwrap()
}

fn delete(host: &mut Fixture) -> ErrorCode {
    host.ask(DeleteGroup {
        group: GROUP.into(),
    })
}

/// Commits an offset of a partition of "t".
fn commit(host: &mut Fixture, member: &str, epoch: i32, partition: i32) -> ErrorCode {
    host.commit(commit_to(member, epoch, &[partition]))[0].1
}

fn commit_to(member: &str, epoch: i32, partitions: &[i32]) -> CommitOffsets {
    let mut commit = commit_of(member, epoch, "t", 7);
    let one = commit.offsets.remove(0);
    commit.offsets.extend(partitions.iter().map(|partition| {
        let mut one = one.clone();
        one.at.partition = *partition;
        one.topic_id = topic();
        one
    }));
    commit
}

#[test]
fn it_is_listed_and_described_as_its_type() {
    let mut host = with_group(Some(&member("m")));
    assert_eq!(listed(&host), [("consumer", "Stable")]);
    assert_eq!(host.registry.describe(GROUP), Err(NotDescribed::OtherType));
    let found = described(&host);
    assert_eq!(
        (found.state, found.epoch, found.assignment_epoch),
        ("Stable", 5, 5)
    );
    assert_eq!(&*found.assignor, "uniform");
    let found: &[DescribedConsumerMember] = &found.members;
    let [found] = found else {
        panic!("{found:?}");
    };
    assert_eq!((&*found.id, found.epoch, found.member_type), ("m", 5, 1));
    assert_eq!(found.subscribed_expression.as_deref(), Some(""));
    assert_eq!(found.assigned, [(topic(), vec![0, 1, 2])]);
    assert_eq!(found.target, [(topic(), vec![0, 1])]);

    put(&mut host, [records::group_metadata(GROUP, 6, 12)]);
    let lets = |states: &[&str], types: &[&str]| {
        let filter = ListFilter::new(states.iter().copied(), types.iter().copied());
        filter.lets(&host.registry.listing().groups[0])
    };
    assert!(lets(&[" assigning"], &["CONSUMER"]));
    assert!(!lets(&["Stable"], &[]));
    assert!(!lets(&[], &["classic", " consumer"]));
    host.check();

    let mut host = Fixture::new();
    let unknown = |host: &Fixture| host.registry.describe_consumer_group(GROUP);
    assert_eq!(unknown(&host), Err(NotDescribed::Unknown));
    assert_eq!(host.commit_as("", -1, "t", 5), ErrorCode::NONE);
    assert_eq!(unknown(&host), Err(NotDescribed::OtherType));
}

#[test]
fn only_offsets_of_topics_that_nobody_reads_are_deleted_or_expire() {
    let mut host = with_group(Some(&member("m")));
    assert_eq!(host.commit_as("m", 5, "t", 7), ErrorCode::NONE);
    assert_eq!(host.commit_as("m", 5, "u", 8), ErrorCode::NONE);
    assert_eq!(host.commit_as("m", 5, "v", 9), ErrorCode::NONE);
    let reply = host.ask(DeleteOffsets {
        group: GROUP.into(),
        partitions: ["t", "u"].map(|topic| TopicPartition::new(topic, 0)).into(),
    });
    let codes: Vec<_> = reply.partitions.iter().map(|(_, code)| *code).collect();
    assert_eq!(
        (reply.error, &codes[..]),
        (
            ErrorCode::NONE,
            &[ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE][..]
        )
    );
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset(7), Offset::NONE)
    );
    host.advance(8 * DAY_MS);
    host.expire();
    assert_eq!(
        (host.offset("t"), host.offset("v")),
        (Offset(7), Offset::NONE)
    );
    assert_eq!(listed(&host), [("consumer", "Stable")]);
    host.check();
}

#[test]
fn an_empty_group_ends_with_its_offsets() {
    let mut host = with_group(None);
    commit(&mut host, "", -1, 0);
    host.advance(6 * DAY_MS);
    host.expire();
    assert_eq!(listed(&host), [("consumer", "Empty")]);
    host.advance(2 * DAY_MS);
    host.expire();
    assert_eq!(listed(&host), []);
    assert_eq!(host.offset("t"), Offset::NONE);
    host.check();
    // One without offsets ends at once.
    let mut host = with_group(None);
    host.expire();
    assert_eq!(listed(&host), []);
    assert_eq!(host.registry.held(), 0);
}

#[test]
fn it_is_deleted_with_all_its_records_unless_it_has_members() {
    let mut host = with_group(Some(&member("m")));
    assert_eq!(delete(&mut host), ErrorCode::NON_EMPTY_GROUP);
    let gone = [
        records::current_assignment_tombstone(GROUP, "m"),
        records::member_metadata_tombstone(GROUP, "m"),
    ];
    put(&mut host, gone);
    commit(&mut host, "", -1, 0);
    assert_eq!(delete(&mut host), ErrorCode::NONE);
    assert_eq!((listed(&host), host.registry.held()), (vec![], 0));
    assert_eq!(delete(&mut host), ErrorCode::GROUP_ID_NOT_FOUND);
    host.check();
    host.reload();
    assert_eq!(listed(&host), []);
}

#[test]
fn a_classic_member_takes_over_an_empty_group() {
    let mut host = with_group(None);
    commit(&mut host, "", -1, 0);
    host.stable_group(1);
    assert_eq!(listed(&host), [("classic", "Stable")]);
    host.reload();
    assert_eq!(listed(&host), [("classic", "Stable")]);
    assert_eq!(host.offset("t"), Offset(7));

    // One with members takes it as one of them.
    let mut host = with_group(Some(&member("m")));
    let records = host.log.len();
    assert_eq!(host.join_error(join()), ErrorCode::MEMBER_ID_REQUIRED);
    assert_eq!(host.log.len(), records);
}

#[test]
fn groups_of_both_types_follow_each_other_under_one_id() {
    let classic = group_record(
        GROUP,
        &Generation {
            protocol_type: "consumer".into(),
            generation: 3,
            protocol: None,
            leader: None,
            since: Timestamp(5),
            members: Vec::new(),
        },
    );
    let mut host = Fixture::new();
    host.commit_as("", -1, "t", 7);
    put(&mut host, [classic.clone(), group_tombstone(GROUP)]);
    assert_eq!(
        listed(&host),
        [("classic", "Empty")],
        "its offsets are left"
    );
    put_group(&mut host, Some(&member("m")));
    assert_eq!(listed(&host), [("consumer", "Stable")]);
    let ends = host.registry.consumer(GROUP).unwrap().tombstones();
    put(&mut host, ends);
    assert_eq!(listed(&host), [("classic", "Empty")]);
    assert_eq!(host.state(), StateName::Empty);
    put(&mut host, [classic]);
    host.reload();
    assert_eq!(listed(&host), [("classic", "Empty")]);
    assert_eq!(host.offset("t"), Offset(7));
}

#[test]
fn broken_values_change_nothing() {
    let mut host = with_group(Some(&member("m")));
    let before = described(&host);
    for record in [
        records::member_metadata(GROUP, &member("m")),
        records::current_assignment(GROUP, &member("m")),
        records::group_metadata("new", 3, 4),
    ] {
        let broken = KeyValue {
            value: record.value.map(|value| value[..value.len() - 1].to_vec()),
            ..record
        };
        let now = host.now;
        host.registry.replay(&replayed(&broken), now).unwrap_err();
    }
    assert_eq!((described(&host), listed(&host).len()), (before, 1));
}

fn any_record() -> impl Strategy<Value = KeyValue> {
    let classic = |generation| {
        let generation = Generation {
            protocol_type: "consumer".into(),
            generation,
            protocol: None,
            leader: None,
            since: Timestamp(5),
            members: Vec::new(),
        };
        group_record(GROUP, &generation)
    };
    let offset = offset_tombstone(GROUP, &TopicPartition::new("t", 0));
    let record = prop_oneof![
        (1..4).prop_map(classic),
        (1..4).prop_map(|epoch| records::group_metadata(GROUP, epoch, 0)),
        Just(records::member_metadata(GROUP, &member("m"))),
        Just(records::current_assignment(GROUP, &member("m"))),
        Just(KeyValue {
            // An offset in version 0, without metadata.
            value: Some(
                [
                    &[0; 9][..],
                    &[5, 0, 0],
                    &1_700_000_000_000_i64.to_be_bytes()
                ]
                .concat()
            ),
            ..offset
        }),
    ];
    (record, any::<bool>()).prop_map(|(record, is_there)| KeyValue {
        value: record.value.filter(|_| is_there),
        ..record
    })
}

proptest! {
    #[test]
    fn a_group_of_either_type_is_the_same_after_compaction(records in vec(any_record(), 0..30)) {
        let of = |records: &[&KeyValue]| {
            let mut registry = Registry::new(Settings::default());
            for record in records {
                registry.replay(&replayed(record), Timestamp(1_700_000_000_000)).unwrap();
            }
            let held = registry.held();
            let all = registry.listing();
            let groups = all.groups.iter().map(|group| (group.group_type, group.state));
            (groups.collect::<Vec<_>>(), held, registry.describe_consumer_group(GROUP))
        };
        let all: Vec<_> = records.iter().collect();
        let is_last = |place: usize| records[place + 1..].iter().all(|later| later.key != records[place].key);
        let last = (0..records.len()).filter(|place| is_last(*place));
        let last: Vec<_> = last.map(|place| &records[place]).filter(|record| record.value.is_some()).collect();
        prop_assert_eq!(of(&all), of(&last));
    }
}
