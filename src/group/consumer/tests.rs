//! A group from its records: its state, its indexes, and the same from what compaction leaves.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::records::{self, ConsumerKey};
use super::*;
use crate::base::{KafkaUuid, KeyValue};
use crate::group::asks::Protocol;
use crate::schema::Reader;

const THEN: Timestamp = Timestamp(1_700_000_000_000);

fn topic(number: u8) -> TopicId {
    KafkaUuid(uuid::Uuid::from_u128(u128::from(number)))
}

fn assignment(partitions: &[(u8, i32)]) -> Assignment {
    let places = partitions.iter();
    places
        .map(|(number, partition)| (topic(*number), *partition))
        .collect()
}

fn member(id: &str, epoch: i32, partitions: &[(u8, i32)]) -> Member {
    Member {
        subscription: Subscription {
            names: Names::new(["a".into(), "b".into()]),
            expression: None,
        },
        epoch,
        previous_epoch: epoch - 1,
        assigned: assignment(partitions).held_since(epoch),
        ..Member::new(id.into())
    }
}

fn replay(group: &mut ConsumerGroup, records: &[KeyValue]) {
    for record in records {
        let mut reader = Reader::new(&record.key);
        let key_type = reader.int16().unwrap();
        let (id, key) = ConsumerKey::read(key_type, &mut reader).unwrap();
        assert_eq!(id, *group.id());
        group.replay(&key, record.value.as_deref()).unwrap();
    }
}

fn of_records(records: &[KeyValue]) -> ConsumerGroup {
    let mut group = ConsumerGroup::new("g".into());
    replay(&mut group, records);
    group
}

/// A group with one member that has all it shall have.
fn stable() -> ConsumerGroup {
    let member = member("m", 3, &[(1, 0), (1, 1)]);
    of_records(&[
        records::member_metadata("g", &member),
        records::group_metadata("g", 3, 7),
        records::target_member("g", "m", &member.assigned.partitions()),
        records::target_epoch("g", 3, THEN),
        records::current_assignment("g", &member),
    ])
}

#[test]
fn the_state_follows_the_epochs() {
    let mut group = ConsumerGroup::new("g".into());
    assert_eq!(
        (group.state(), group.epoch(), group.target_epoch()),
        (ConsumerState::Empty, 1, 1)
    );
    let one = member("m", 2, &[(1, 0)]);
    replay(
        &mut group,
        &[
            records::member_metadata("g", &one),
            records::group_metadata("g", 2, 7),
        ],
    );
    assert_eq!(group.state(), ConsumerState::Assigning);
    replay(&mut group, &[records::target_epoch("g", 2, THEN)]);
    assert_eq!(group.state(), ConsumerState::Reconciling);
    replay(&mut group, &[records::current_assignment("g", &one)]);
    assert_eq!(group.state(), ConsumerState::Stable);
    let waiting = Member {
        state: MemberState::UnreleasedPartitions,
        ..member("n", 2, &[])
    };
    replay(&mut group, &[records::current_assignment("g", &waiting)]);
    assert_eq!(group.state(), ConsumerState::Reconciling);
    replay(
        &mut group,
        &[records::current_assignment_tombstone("g", "n")],
    );
    assert_eq!(
        (group.state(), group.member_count()),
        (ConsumerState::Stable, 1)
    );
}

#[test]
fn tombstones_leave_nothing_behind() {
    let mut group = stable();
    let resolved = Resolved {
        topics: Names::new(["b".into(), "c".into()]),
        version: 5,
        timestamp: THEN,
    };
    replay(&mut group, &[records::expression("g", "[bc]", &resolved)]);
    assert!(group.is_subscribed_to("a") && group.is_subscribed_to("c"));
    let both = Subscribers {
        by_name: 1,
        by_expression: 1,
    };
    assert_eq!(group.subscribers("b"), both);
    replay(
        &mut group,
        &[
            records::current_assignment_tombstone("g", "m"),
            records::target_member_tombstone("g", "m"),
            records::member_metadata_tombstone("g", "m"),
            records::member_metadata_tombstone("g", "was never there"),
            records::target_epoch_tombstone("g"),
            records::expression_tombstone("g", "[bc]"),
            records::topics_read_tombstone("g"),
        ],
    );
    assert!(!group.is_gone());
    replay(&mut group, &[records::group_metadata_tombstone("g")]);
    assert!(group.is_gone());
    assert_eq!(group, ConsumerGroup::new("g".into()));
}

#[test]
fn a_partition_belongs_to_its_last_owner_whatever_comes_first() {
    let mut group = stable();
    assert_eq!(group.owner_epoch(topic(1), 1), Some(3));
    assert_eq!(group.owner_epoch(topic(1), 2), None);
    let newer = member("n", 5, &[(1, 1)]);
    replay(&mut group, &[records::current_assignment("g", &newer)]);
    assert_eq!(group.owner_epoch(topic(1), 1), Some(5));
    replay(
        &mut group,
        &[records::current_assignment("g", &member("m", 4, &[(1, 0)]))],
    );
    assert_eq!(group.owner_epoch(topic(1), 0), Some(4));
    assert_eq!(group.owner_epoch(topic(1), 1), Some(5));
    replay(
        &mut group,
        &[records::current_assignment(
            "g",
            &member("m", 4, &[(1, 0), (1, 1)]),
        )],
    );
    replay(
        &mut group,
        &[records::current_assignment_tombstone("g", "n")],
    );
    assert_eq!(group.owner_epoch(topic(1), 1), Some(4));
}

#[test]
fn a_static_member_is_found_by_name_after_it_was_replaced() {
    let named = |id: &str| Member {
        instance: Some("i".into()),
        ..member(id, 2, &[])
    };
    let mut group = of_records(&[records::member_metadata("g", &named("old"))]);
    let id = |group: &ConsumerGroup| group.static_member("i").map(|member| member.id.to_string());
    assert_eq!(id(&group).as_deref(), Some("old"));
    replay(&mut group, &[records::member_metadata("g", &named("new"))]);
    assert_eq!(id(&group).as_deref(), Some("new"));
    replay(
        &mut group,
        &[records::member_metadata_tombstone("g", "old")],
    );
    assert_eq!(id(&group).as_deref(), Some("new"));
    replay(
        &mut group,
        &[records::member_metadata_tombstone("g", "new")],
    );
    assert_eq!(id(&group), None);
}

#[test]
fn names_of_topics_are_shared_by_the_members() {
    let group = of_records(&[
        records::member_metadata("g", &member("m", 2, &[])),
        records::member_metadata("g", &member("n", 2, &[])),
    ]);
    let first = |id| {
        group
            .member(id)
            .unwrap()
            .subscription
            .names
            .iter()
            .next()
            .unwrap()
    };
    assert!(Arc::ptr_eq(first("m"), first("n")));
}

fn any_member() -> impl Strategy<Value = Member> {
    let owned = || {
        vec((0..3_u8, 0..4, 0..4), 0..4).prop_map(|places| {
            let held = |(number, partition, since)| (topic(number), Held { partition, since });
            places.into_iter().map(held).collect::<Owned>()
        })
    };
    let text =
        |texts: &'static [&'static str]| proptest::option::of(proptest::sample::select(texts));
    let about = (
        proptest::sample::select(&["m", "n", "o"][..]),
        text(&["i", "j"]),
        vec(proptest::sample::select(&["a", "b", "c"][..]), 0..3),
        text(&["a.*", "b.*"]),
        text(&["range", "uniform"]),
        any::<bool>(),
    );
    (about, -2..5, 0..3_i8, owned(), owned()).prop_map(
        |(about, epoch, state, assigned, pending_revocation)| {
            let (id, instance, names, expression, assignor, is_classic) = about;
            let classic = || ClassicMember {
                session_timeout_ms: 10,
                protocols: Arc::new([Protocol {
                    name: "range".into(),
                    metadata: Bytes::new(),
                }]),
            };
            Member {
                instance: instance.map(Into::into),
                subscription: Subscription {
                    names: Names::new(names.into_iter().map(Into::into)),
                    expression: expression.map(Into::into),
                },
                assignor: assignor.map(Into::into),
                classic: is_classic.then(classic),
                epoch,
                state: MemberState::of_number(state),
                assigned,
                pending_revocation,
                ..Member::new(id.into())
            }
        },
    )
}

fn any_record() -> impl Strategy<Value = KeyValue> {
    let member = any_member().prop_flat_map(|member| {
        proptest::sample::select(vec![
            records::member_metadata("g", &member),
            records::current_assignment("g", &member),
            records::target_member("g", &member.id, &member.assigned.partitions()),
        ])
    });
    let expression = vec(proptest::sample::select(&["a", "b", "d"][..]), 0..3).prop_map(|topics| {
        let resolved = Resolved {
            topics: Names::new(topics.into_iter().map(Into::into)),
            version: 5,
            timestamp: THEN,
        };
        records::expression("g", "a.*", &resolved)
    });
    let record = prop_oneof![
        8 => member,
        1 => expression,
        1 => (1..5, 0..3_i64).prop_map(|(epoch, hash)| records::group_metadata("g", epoch, hash)),
        1 => (1..5).prop_map(|epoch| records::target_epoch("g", epoch, THEN)),
        1 => Just(KeyValue {
            value: Some(vec![0, 0]),
            ..records::topics_read_tombstone("g")
        }),
    ];
    (record, proptest::bool::weighted(0.7)).prop_map(|(record, is_there)| KeyValue {
        value: record.value.filter(|_| is_there),
        ..record
    })
}

/// What compaction leaves: of each key the last record, and of these tombstones only some.
fn compacted(records: &[KeyValue], keeps_tombstones: bool) -> Vec<KeyValue> {
    let is_last = |(place, record): &(usize, &KeyValue)| {
        records[place + 1..]
            .iter()
            .all(|later| later.key != record.key)
    };
    let last = records.iter().enumerate().filter(is_last);
    let left = last.filter(|(_, record)| keeps_tombstones || record.value.is_some());
    left.map(|(_, record)| record.clone()).collect()
}

proptest! {
    #[test]
    fn compaction_changes_nothing(
        clean in vec(any_record(), 0..40),
        dirty in vec(any_record(), 0..10),
        keeps_tombstones in any::<bool>(),
    ) {
        let all = of_records(&[&clean[..], &dirty].concat());
        let left = of_records(&[&compacted(&clean, keeps_tombstones)[..], &dirty].concat());
        prop_assert_eq!(all, left);
    }

    #[test]
    fn the_indexes_say_what_a_look_at_all_members_says(records in vec(any_record(), 0..40)) {
        let group = of_records(&records);
        let stable = group.members().filter(|member| member.is_reconciled_to(group.target_epoch()));
        prop_assert_eq!(group.index.stable_at(group.target_epoch()), stable.count());
        prop_assert_eq!(group.classic_count(), group.members().filter(|member| member.is_classic()).count());
        for number in 0..3 {
            for partition in 0..4 {
                let at = (topic(number), partition);
                let has = |member: &&Arc<Member>| member.owned().any(|(of, held)| (of, held.partition) == at);
                let epoch = group.members().filter(has).map(|member| member.epoch).max();
                prop_assert_eq!(group.owner_epoch(at.0, at.1), epoch);
            }
        }
        for name in ["a", "b", "c", "d"] {
            let by_name = group.members().filter(|member| member.subscription.names.contains(name)).count();
            let by_expression = group.expressions().filter(|(_, resolved)| resolved.topics.contains(name)).count();
            prop_assert_eq!(group.subscribers(name), Subscribers { by_name, by_expression });
        }
    }
}
