//! Offsets that are committed in transactions.

use super::fixture::{Fixture, GROUP, commit_of, join_as};
use crate::base::{Bounds, ErrorCode, KafkaUuid, Offset, TopicId, TopicPartition};
use crate::group::{CommitOffsets, DeleteGroup, DeleteOffsets, Settings, StateName};

const RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// The code for a commit in the transaction of a producer.
fn commit(host: &mut Fixture, producer: i64, ask: CommitOffsets) -> ErrorCode {
    let partitions = host.commit_under(producer, ask);
    partitions.first().map(|(_, code)| *code).unwrap()
}

fn commit_outside(host: &mut Fixture, producer: i64, topic: &str, offset: i64) {
    let code = commit(host, producer, commit_of("", -1, topic, offset));
    assert_eq!(code, ErrorCode::NONE);
}

#[test]
fn an_offset_counts_when_its_transaction_is_committed() {
    let mut host = Fixture::new();
    host.commit_as("", -1, "t", 1);
    commit_outside(&mut host, 7, "t", 2);
    assert_eq!(host.offset("t"), Offset(1));
    assert_eq!(host.stable_offset("t"), None);
    assert_eq!(host.stable_offset("u"), Some(Offset::NONE));
    host.reload();
    assert_eq!(host.stable_offset("t"), None);
    host.end(7, true);
    assert_eq!(host.stable_offset("t"), Some(Offset(2)));
    host.reload();
    assert_eq!(host.stable_offset("t"), Some(Offset(2)));
}

#[test]
fn an_offset_of_an_aborted_transaction_never_counts() {
    let mut host = Fixture::new();
    commit_outside(&mut host, 7, "t", 2);
    assert_eq!(
        host.state(),
        StateName::Empty,
        "a pending offset makes a group"
    );
    host.end(7, false);
    assert_eq!(host.stable_offset("t"), Some(Offset::NONE));
    assert_eq!(host.state(), StateName::Dead);
    host.reload();
    assert_eq!(host.stable_offset("t"), Some(Offset::NONE));
}

#[test]
fn a_reader_of_all_offsets_is_told_which_are_not_stable() {
    let mut host = Fixture::new();
    host.commit_as("", -1, "t", 1);
    host.commit_as("", -1, "u", 1);
    commit_outside(&mut host, 7, "t", 2);
    commit_outside(&mut host, 7, "v", 2);
    let all = |stable| {
        let all = host.registry.fetch_offsets(GROUP, None, stable);
        let told = |one: crate::group::FetchedOffset| {
            (one.at.topic.to_string(), one.offset.0, one.is_unstable)
        };
        all.into_iter().map(told).collect::<Vec<_>>()
    };
    let row = |topic: &str, offset, is_unstable| (topic.to_owned(), offset, is_unstable);
    assert_eq!(all(false), [row("t", 1, false), row("u", 1, false)]);
    assert_eq!(all(true), [row("t", -1, true), row("u", 1, false)]);
}

#[test]
fn what_is_said_of_a_member_is_checked_and_nothing_needs_to_be_said() {
    let mut host = Fixture::new();
    let code = |host: &mut Fixture, member: &str, generation| {
        commit(host, 7, commit_of(member, generation, "t", 1))
    };
    assert_eq!(code(&mut host, "m", 3), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(code(&mut host, "m", -1), ErrorCode::NONE);
    host.end(7, false);
    let ids = host.stable_group(2);
    assert_eq!(code(&mut host, "", -1), ErrorCode::NONE);
    assert_eq!(code(&mut host, &ids[0], 1), ErrorCode::NONE);
    assert_eq!(code(&mut host, &ids[0], 0), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(code(&mut host, &ids[0], -1), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(code(&mut host, "nobody", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(code(&mut host, "", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let with_instance = CommitOffsets {
        instance: Some("one".into()),
        ..commit_of("", -1, "t", 1)
    };
    assert_eq!(
        commit(&mut host, 7, with_instance),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    host.send(join_as(&ids[0]));
    host.send(join_as(&ids[1]));
    assert_eq!(host.state(), StateName::CompletingRebalance);
    // The next assignment does not matter: whoever gets the partitions waits for the end of the transaction.
    assert_eq!(code(&mut host, &ids[0], 2), ErrorCode::NONE);
    assert_eq!(code(&mut host, "", -1), ErrorCode::NONE);
    let nameless = CommitOffsets {
        group: "".into(),
        ..commit_of("", -1, "t", 1)
    };
    assert_eq!(commit(&mut host, 7, nameless), ErrorCode::INVALID_GROUP_ID);
}

#[test]
fn a_static_member_that_was_replaced_is_fenced() {
    let mut host = Fixture::new();
    let token = host.send(super::fixture::static_join("one"));
    host.advance(3_000);
    let old = host.answered(token).member;
    host.sync_all(std::slice::from_ref(&old), 1);
    let token = host.send(super::fixture::static_join("one"));
    host.answered(token);
    let by_old = CommitOffsets {
        instance: Some("one".into()),
        ..commit_of(&old, 1, "t", 1)
    };
    assert_eq!(commit(&mut host, 7, by_old), ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn metadata_that_is_too_long_is_refused_for_its_partition_alone() {
    let mut host = Fixture::new();
    let mut ask = commit_of("", -1, "t", 1);
    let mut long = ask.offsets[0].clone();
    long.at = TopicPartition::new("u", 0);
    long.metadata = Some("x".repeat(4_097).into());
    ask.offsets.push(long);
    let codes: Vec<_> = host
        .commit_under(7, ask)
        .into_iter()
        .map(|row| row.1)
        .collect();
    assert_eq!(
        codes,
        [ErrorCode::NONE, ErrorCode::OFFSET_METADATA_TOO_LARGE]
    );
    assert_eq!(host.stable_offset("u"), Some(Offset::NONE));
}

#[test]
fn the_order_of_the_log_decides_between_commits_in_and_out_of_transactions() {
    let mut host = Fixture::new();
    commit_outside(&mut host, 7, "t", 1);
    host.commit_as("", -1, "t", 2);
    commit_outside(&mut host, 8, "t", 3);
    assert_eq!(
        (host.offset("t"), host.stable_offset("t")),
        (Offset(2), None)
    );
    host.end(8, true);
    assert_eq!(
        (host.offset("t"), host.stable_offset("t")),
        (Offset(3), None)
    );
    host.end(7, true);
    assert_eq!(host.stable_offset("t"), Some(Offset(3)));
}

#[test]
fn what_an_administrator_deletes_does_not_come_back_with_a_marker() {
    let mut host = Fixture::new();
    commit_outside(&mut host, 7, "t", 1);
    commit_outside(&mut host, 7, "u", 1);
    let reply = host.ask(DeleteOffsets {
        group: GROUP.into(),
        partitions: vec![TopicPartition::new("t", 0)],
    });
    assert_eq!(reply.error, ErrorCode::NONE);
    assert_eq!(host.stable_offset("t"), Some(Offset::NONE));
    host.end(7, true);
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset::NONE, Offset(1))
    );

    commit_outside(&mut host, 7, "t", 2);
    commit_outside(&mut host, 7, "u", 2);
    let group = GROUP.into();
    assert_eq!(host.ask(DeleteGroup { group }), ErrorCode::NONE);
    assert_eq!(host.state(), StateName::Dead);
    host.end(7, true);
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset::NONE, Offset::NONE)
    );
    assert_eq!(host.state(), StateName::Dead);
}

#[test]
fn a_deleted_topic_takes_pending_offsets_with_it() {
    let mut host = Fixture::new();
    let [old, new] = [1_000, 2_000].map(|id| KafkaUuid(uuid::Uuid::from_u128(id)));
    let with_id = |topic: &str, id, offset| {
        let mut ask = commit_of("", -1, topic, offset);
        ask.offsets[0].topic_id = id;
        ask
    };
    commit(&mut host, 7, with_id("t", old, 1));
    commit(&mut host, 7, with_id("u", old, 1));
    // A committed offset of the next topic of the name stays.
    commit(&mut host, 7, with_id("v", old, 1));
    host.commit(with_id("v", new, 2));
    host.delete_topic("t", old);
    host.delete_topic("v", old);
    assert_eq!(host.stable_offset("t"), Some(Offset::NONE));
    host.delete_topic("u", new);
    assert_eq!(host.stable_offset("u"), None);
    host.end(7, true);
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset::NONE, Offset(1))
    );
    assert_eq!(host.stable_offset("v"), Some(Offset(2)));
}

#[test]
fn pending_offsets_of_very_many_groups_go_in_steps() {
    let mut host = Fixture::new();
    for number in 0..1_200 {
        let ask = CommitOffsets {
            group: format!("g{number}").into(),
            ..commit_of("", -1, "t", 1)
        };
        assert_eq!(commit(&mut host, 7, ask.clone()), ErrorCode::NONE);
        if number % 2 == 0 {
            host.commit(ask);
        }
    }
    host.delete_topic("t", TopicId::ZERO);
    host.advance(10);
    assert!(host.timers.is_empty());
    host.end(7, true);
    let listing = host.registry.listing();
    assert_eq!(listing.groups.len(), 0);
}

#[test]
fn an_offset_with_a_pending_one_does_not_expire() {
    let mut host = Fixture::new();
    host.commit_as("", -1, "t", 1);
    host.commit_as("", -1, "u", 1);
    commit_outside(&mut host, 7, "t", 2);
    host.advance(RETENTION_MS);
    host.expire();
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset(1), Offset::NONE)
    );
    host.end(7, false);
    host.expire();
    assert_eq!(
        (host.offset("t"), host.state()),
        (Offset::NONE, StateName::Dead)
    );
}

#[test]
fn a_group_does_not_end_while_a_transaction_is_open() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    host.leave(&[(&ids[0], None)]);
    commit_outside(&mut host, 7, "t", 2);
    host.expire();
    assert_eq!(host.state(), StateName::Empty);
    host.end(7, false);
    assert_eq!(host.state(), StateName::Empty);
    host.expire();
    assert_eq!(host.state(), StateName::Dead);
}

#[test]
fn transactions_that_do_not_end_take_half_of_the_memory_at_most() {
    let mut host = Fixture::with(Settings {
        members_max_bytes: 100_000,
        ..Settings::default()
    });
    let one = |number: usize| CommitOffsets {
        group: format!("g{number}").into(),
        ..commit_of("", -1, "t", 1)
    };
    let refused = (0..1_000).find(|number| {
        let code = commit(&mut host, 7, one(*number));
        assert!(code == ErrorCode::NONE || code == ErrorCode::COORDINATOR_NOT_AVAILABLE);
        code != ErrorCode::NONE
    });
    let count = refused.expect("a limit");
    assert!((20..200).contains(&count), "{count}");
    assert!(host.registry.held() <= 50_000);
    host.stable_group(2);
    // What other partitions hold counts.
    host.end(7, false);
    host.registry.within(Bounds {
        held_elsewhere: 49_900,
        ..Bounds::default()
    });
    assert_eq!(
        commit(&mut host, 7, one(0)),
        ErrorCode::COORDINATOR_NOT_AVAILABLE
    );
    host.registry.within(Bounds::default());
    assert_eq!(commit(&mut host, 7, one(0)), ErrorCode::NONE);
}
