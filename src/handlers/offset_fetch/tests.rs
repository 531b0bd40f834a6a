use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::fixture::{self, over_the_wire};
use super::*;
use crate::base::{KafkaUuid, LeaderEpoch};

fn name(name: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(name))
}

fn group_id() -> GroupId {
    GroupId(StrBytes::from_static_str("group"))
}

/// What a client asks for, as the broker reads it: two topics (one of them gone), or all.
fn request(version: i16, all: bool) -> messages::OffsetFetchRequest {
    let request = messages::OffsetFetchRequest::default();
    let request = if version >= 7 {
        request.with_require_stable(true)
    } else {
        request
    };
    let request = if version < 8 {
        let topic = |topic, numbers| {
            OffsetFetchRequestTopic::default()
                .with_name(name(topic))
                .with_partition_indexes(numbers)
        };
        let topics = vec![topic("gone", vec![0]), topic("orders", vec![1, 0])];
        request
            .with_group_id(group_id())
            .with_topics((!all).then_some(topics))
    } else {
        let topic = |topic, numbers| {
            OffsetFetchRequestTopics::default()
                .with_name(name(topic))
                .with_partition_indexes(numbers)
        };
        let topics = vec![topic("gone", vec![0]), topic("orders", vec![1, 0])];
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id())
            .with_topics((!all).then_some(topics));
        let group = if version >= 9 {
            group
                .with_member_id(Some(StrBytes::from_static_str("one")))
                .with_member_epoch(3)
        } else {
            group
        };
        request.with_groups(vec![group])
    };
    over_the_wire(&request, version)
}

fn nobody(group: &str) -> Asker {
    Asker {
        group: group.into(),
        member: None,
        epoch: -1,
    }
}

fn topics(version: i16) -> Topics {
    Topics {
        image: Arc::new(fixture::image()),
        version,
        rights: Rights::all(),
    }
}

fn fetched(topic: &str, partition: i32, id: Uuid, offset: i64) -> FetchedOffset {
    FetchedOffset {
        at: TopicPartition::new(topic, partition),
        topic_id: KafkaUuid(id),
        offset: Offset(offset),
        leader_epoch: LeaderEpoch(4),
        metadata: "note".into(),
        is_unstable: false,
    }
}

/// The answer for a client of this version.
fn received(version: i16, answer: Answer) -> OffsetFetchResponse {
    let answer = Arc::new(answer);
    if version >= 8 {
        return streamed::received(version, of_groups, 1, rows::of_group(version, &answer));
    }
    let topics = answer.topics.len();
    let chunks = (0..topics).flat_map(|topic| rows::of_topic(version, &answer, topic));
    let response = |topics| of_one_group(version, answer.code, topics);
    streamed::received(version, response, topics, chunks)
}

/// Topic, partition, offset and code of each row, whatever the version.
fn rows_of(response: OffsetFetchResponse) -> Vec<(String, i32, i64, i16)> {
    let old = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|row| {
            (
                topic.name.to_string(),
                row.partition_index,
                row.committed_offset,
                row.error_code,
            )
        })
    });
    let new = response
        .groups
        .iter()
        .flat_map(|group| &group.topics)
        .flat_map(|topic| {
            topic.partitions.iter().map(|row| {
                (
                    topic.name.to_string(),
                    row.partition_index,
                    row.committed_offset,
                    row.error_code,
                )
            })
        });
    old.chain(new).collect()
}

fn row(topic: &str, partition: i32, offset: i64, code: ErrorCode) -> (String, i32, i64, i16) {
    (topic.to_owned(), partition, offset, code.0)
}

#[test]
fn every_version_asks_for_topics_and_is_told_in_its_order() {
    for version in 1..=9 {
        let wanted = wanted(request(version, false), version).remove(0);
        let asker = &wanted.asker;
        let is_member = (asker.member.as_deref(), asker.epoch) == (Some("one"), 3);
        assert_eq!(is_member, version >= 9, "version {version}");
        assert_eq!(asker == &nobody("group"), version < 9, "version {version}");
        let partitions = wanted.partitions(&topics(version)).expect("not all");
        let names: Vec<String> = partitions.iter().map(|(at, _)| at.to_string()).collect();
        assert_eq!(names, ["gone-0", "orders-1", "orders-0"]);
        assert!(partitions[0].1.is_zero() && partitions[1].1.0 == fixture::ORDERS);
        let offsets = vec![
            fetched("gone", 0, Uuid::nil(), 5),
            fetched("orders", 1, fixture::ORDERS, 42),
            fetched("orders", 0, fixture::ORDERS, -1),
        ];
        let answer = answer(&topics(version), wanted, Ok(offsets));
        let told = received(version, answer);
        if version >= 8 {
            assert_eq!(
                told.groups[0].topics[1].partitions[0].committed_leader_epoch,
                4
            );
            assert_eq!(
                told.groups[0].topics[1].partitions[0].metadata.as_deref(),
                Some("note")
            );
        } else {
            let epoch = if version >= 5 { 4 } else { -1 };
            assert_eq!(
                told.topics[1].partitions[0].committed_leader_epoch, epoch,
                "version {version}"
            );
        }
        let expected = [("gone", 0, 5), ("orders", 1, 42), ("orders", 0, -1)];
        assert_eq!(
            rows_of(told),
            expected.map(|(topic, number, offset)| row(topic, number, offset, ErrorCode::NONE))
        );
    }
}

#[test]
fn all_offsets_are_told_but_for_those_of_an_earlier_life() {
    for version in 2..=10 {
        let wanted = wanted(request(version.min(9), true), version).remove(0);
        assert_eq!(wanted.partitions(&topics(version)), None);
        let offsets = vec![
            fetched("audit", 0, Uuid::from_u128(77), 5),
            fetched("gone", 0, Uuid::nil(), 6),
            fetched("orders", 0, fixture::ORDERS, 7),
            fetched("orders", 1, Uuid::nil(), 8),
        ];
        let answer = answer(&topics(version), wanted, Ok(offsets));
        let told = received(version, answer);
        if version >= 10 {
            assert_eq!(told.groups[0].topics.len(), 1);
            assert_eq!(told.groups[0].topics[0].topic_id, fixture::ORDERS);
        } else {
            let expected = [("gone", 0, 6), ("orders", 0, 7), ("orders", 1, 8)];
            assert_eq!(
                rows_of(told),
                expected.map(|(topic, number, offset)| row(topic, number, offset, ErrorCode::NONE))
            );
        }
    }
}

#[test]
fn an_error_of_the_group_is_where_the_version_has_it() {
    let code = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    for version in 1..=10 {
        let wanted = wanted(request(version.min(9), false), version).remove(0);
        let answer = answer(&topics(version), wanted, Err(code));
        let told = received(version, answer);
        match version {
            1 => {
                let expected = [("gone", 0), ("orders", 1), ("orders", 0)];
                assert_eq!(
                    rows_of(told),
                    expected.map(|(topic, number)| row(topic, number, -1, code))
                );
            }
            2..8 => assert_eq!(
                (told.error_code, told.topics.len()),
                (code.0, 0),
                "version {version}"
            ),
            _ => assert_eq!(
                (told.groups[0].error_code, told.groups[0].topics.len()),
                (code.0, 0)
            ),
        }
    }
}

#[test]
fn topics_that_are_named_by_id_are_told_by_id() {
    let topic = |id| {
        OffsetFetchRequestTopics::default()
            .with_topic_id(id)
            .with_partition_indexes(vec![0])
    };
    let named = vec![topic(Uuid::from_u128(77)), topic(fixture::ORDERS)];
    let wanted = Wanted {
        asker: nobody("group"),
        topics: Some(named),
    };
    let partitions = wanted.partitions(&topics(10)).expect("not all");
    assert_eq!(
        partitions,
        [(TopicPartition::new("orders", 0), KafkaUuid(fixture::ORDERS))]
    );
    let answer = answer(
        &topics(10),
        wanted,
        Ok(vec![fetched("orders", 0, fixture::ORDERS, 42)]),
    );
    let told = received(10, answer);
    let [unknown, orders] = &told.groups[0].topics[..] else {
        panic!("two topics: {told:?}")
    };
    assert_eq!(
        unknown.partitions[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_ID.0
    );
    assert_eq!(
        (orders.topic_id, orders.partitions[0].committed_offset),
        (fixture::ORDERS, 42)
    );
}

#[test]
fn an_offset_that_an_open_transaction_may_change_has_an_error_of_its_own() {
    for version in 7..=9 {
        let wanted = wanted(request(version, true), version).remove(0);
        let unstable = FetchedOffset {
            offset: Offset::NONE,
            is_unstable: true,
            ..fetched("orders", 1, fixture::ORDERS, 0)
        };
        let offsets = vec![fetched("orders", 0, fixture::ORDERS, 5), unstable];
        let answer = answer(&topics(version), wanted, Ok(offsets));
        let expected = [
            row("orders", 0, 5, ErrorCode::NONE),
            row("orders", 1, -1, ErrorCode::UNSTABLE_OFFSET_COMMIT),
        ];
        assert_eq!(rows_of(received(version, answer)), expected);
    }
}

#[test]
fn offsets_with_much_metadata_are_told_as_any_others() {
    for version in 1..=9 {
        let wanted = wanted(request(version.max(2), true), version.max(2)).remove(0);
        let offsets = (0..200).map(|number| FetchedOffset {
            metadata: "m".repeat(200).into(),
            ..fetched("orders", number, fixture::ORDERS, i64::from(number))
        });
        let answer = answer(&topics(version), wanted, Ok(offsets.collect()));
        let expected =
            (0..200).map(|number| row("orders", number, i64::from(number), ErrorCode::NONE));
        assert_eq!(
            rows_of(received(version, answer)),
            expected.collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_group_that_is_named_again_is_looked_up_once_if_all_is_asked_for() {
    let one = |group: &str, topics| Wanted {
        asker: nobody(group),
        topics,
    };
    let some = || Some(Vec::new());
    let (once, order) = distinct(vec![
        one("a", None),
        one("b", some()),
        one("a", None),
        one("b", some()),
        one("a", some()),
        one("b", None),
    ]);
    assert_eq!(order, [0, 1, 0, 2, 3, 4]);
    let names: Vec<&str> = once.iter().map(|one| &*one.asker.group).collect();
    assert_eq!(names, ["a", "b", "b", "a", "b"]);
}
