//! Groups of types that Kafka serves and Zurau does not.

use super::fixture::{Fixture, GROUP, commit_of, join, join_as, replayed};
use crate::base::{ErrorCode, KeyValue, Offset, TopicPartition};
use crate::group::{DeleteGroup, DeleteOffsets, ListFilter, NotDescribed};

/// Key types: a share group; a streams group, one of its members.
const SHARE: u8 = 11;
const STREAMS: u8 = 17;
const STREAMS_MEMBER: u8 = 19;

fn key(key_type: u8) -> Vec<u8> {
    let mut key = vec![0, key_type, 0, 1];
    key.extend_from_slice(GROUP.as_bytes());
    key.extend_from_slice(b"\0\x01m");
    key
}

/// Records that Kafka has written before.
fn found(host: &mut Fixture, key_type: u8, is_there: bool) {
    let record = KeyValue {
        key: key(key_type),
        value: is_there.then(|| vec![1, 2, 3]),
    };
    let replayed = host.registry.replay(&replayed(&record), host.now);
    replayed.expect("a record that is only noted");
    host.log.push(record);
}

fn delete(host: &mut Fixture) -> ErrorCode {
    host.ask(DeleteGroup {
        group: GROUP.into(),
    })
}

fn delete_offset(host: &mut Fixture) -> ErrorCode {
    host.ask(DeleteOffsets {
        group: GROUP.into(),
        partitions: vec![TopicPartition::new("t", 0)],
    })
    .error
}

fn listed(host: &Fixture) -> Vec<(&'static str, &'static str)> {
    let all = host.registry.listing();
    all.groups
        .iter()
        .map(|group| (group.group_type, group.state))
        .collect()
}

#[test]
fn it_is_listed_under_its_kind_and_not_described() {
    let mut host = Fixture::new();
    assert_eq!(host.commit_as("", -1, "t", 5), ErrorCode::NONE);
    assert_eq!(listed(&host), [("classic", "Empty")]);
    found(&mut host, STREAMS, true);
    assert_eq!(listed(&host), [("streams", "Empty")]);
    found(&mut host, STREAMS_MEMBER, true);
    assert_eq!(listed(&host), [("streams", "Stable")]);
    assert_eq!(
        host.registry.describe(GROUP).err(),
        Some(NotDescribed::OtherType)
    );
    let only_classic = ListFilter::new([], ["classic"]);
    let listing = host.registry.listing();
    assert!(!listing.groups.iter().any(|group| only_classic.lets(group)));
    host.reload();
    assert_eq!(listed(&host), [("streams", "Stable")]);
    assert_eq!(host.offset("t"), Offset(5));

    found(&mut host, STREAMS_MEMBER, false);
    found(&mut host, STREAMS, false);
    assert_eq!(listed(&host), [("classic", "Empty")]);
}

#[test]
fn offsets_are_committed_as_kafka_allows() {
    for (key_type, outside, member) in [
        (STREAMS, ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID),
        (
            STREAMS_MEMBER,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            SHARE,
            ErrorCode::GROUP_ID_NOT_FOUND,
            ErrorCode::GROUP_ID_NOT_FOUND,
        ),
    ] {
        let mut host = Fixture::new();
        found(&mut host, key_type, true);
        let before = listed(&host);
        let commits = host.commit(commit_of("", -1, "t", 7));
        assert_eq!(commits[0].1, outside, "key {key_type}");
        assert_eq!(host.commit_as("m", 1, "t", 7), member);
        assert_eq!(listed(&host), before);
        assert_eq!(host.heartbeat("m", 1), ErrorCode::UNKNOWN_MEMBER_ID);
        // None of it expires.
        host.advance(8 * 24 * 60 * 60 * 1_000);
        host.expire();
        assert_eq!(listed(&host), before);
    }
}

#[test]
fn a_classic_member_takes_over_a_group_without_members() {
    let mut host = Fixture::new();
    found(&mut host, STREAMS, true);
    host.commit(commit_of("", -1, "t", 7));
    let ids = host.stable_group(1);
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::NONE);
    assert_eq!(listed(&host), [("classic", "Stable")]);
    let mut ends = host.log.iter().filter(|record| record.key == key(STREAMS));
    assert!(
        ends.next_back()
            .is_some_and(|record| record.value.is_none())
    );
    host.reload();
    assert_eq!(listed(&host), [("classic", "Stable")]);
    assert_eq!(host.offset("t"), Offset(7));
}

#[test]
fn a_group_with_members_and_a_share_group_are_not_written_over() {
    for key_type in [STREAMS_MEMBER, SHARE] {
        let mut host = Fixture::new();
        found(&mut host, key_type, true);
        let written = host.log.len();
        let error = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
        assert_eq!(host.join_error(join()), error);
        assert_eq!(host.join_error(join_as("m")), error);
        assert_ne!(delete(&mut host), ErrorCode::NONE);
        assert_ne!(delete_offset(&mut host), ErrorCode::NONE);
        assert_eq!(host.log.len(), written);
    }
}

#[test]
fn a_group_without_members_is_deleted_with_all_its_records() {
    let mut host = Fixture::new();
    found(&mut host, STREAMS, true);
    found(&mut host, 20, true);
    host.commit(commit_of("", -1, "t", 7));
    assert_eq!(delete_offset(&mut host), ErrorCode::NONE);
    assert_eq!(host.offset("t"), Offset::NONE);
    host.commit(commit_of("", -1, "t", 7));
    assert_eq!(delete(&mut host), ErrorCode::NONE);
    assert_eq!(listed(&host), []);
    assert_eq!(delete(&mut host), ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn a_transaction_needs_no_member_and_no_member_is_known() {
    let code = |host: &mut Fixture, member: &str, epoch| {
        let partitions = host.commit_under(7, commit_of(member, epoch, "t", 5));
        partitions[0].1
    };
    let mut host = Fixture::new();
    found(&mut host, STREAMS, true);
    assert_eq!(code(&mut host, "m", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(code(&mut host, "m", -1), ErrorCode::NONE);
    assert_eq!(host.stable_offset("t"), None);
    host.end(7, true);
    assert_eq!(host.offset("t"), Offset(5));
    let mut host = Fixture::new();
    found(&mut host, STREAMS, true);
    found(&mut host, STREAMS_MEMBER, true);
    assert_eq!(code(&mut host, "m", -1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(code(&mut host, "", -1), ErrorCode::NONE);
    // It is not a classic group for that, even when the transaction is aborted.
    host.end(7, false);
    assert_eq!(listed(&host), [("streams", "Stable")]);
    let mut host = Fixture::new();
    found(&mut host, SHARE, true);
    assert_eq!(code(&mut host, "", -1), ErrorCode::GROUP_ID_NOT_FOUND);
}
