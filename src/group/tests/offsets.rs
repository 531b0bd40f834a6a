//! Committed offsets: who may commit, what is kept, and what expires.

use super::fixture::{Fixture, GROUP, commit_of, join, join_as, protocols};
use crate::base::{ErrorCode, KafkaUuid, LeaderEpoch, Offset, TopicId, TopicPartition};
use crate::group::{CommitOffsets, DeleteOffsets, Join, OffsetToCommit, StateName};

const RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

fn delete(host: &mut Fixture, topics: &[&str]) -> (ErrorCode, Vec<ErrorCode>) {
    let partitions = topics
        .iter()
        .map(|topic| TopicPartition::new(*topic, 0))
        .collect();
    let reply = host.ask(DeleteOffsets {
        group: GROUP.into(),
        partitions,
    });
    let errors = reply.partitions.into_iter().map(|(_, error)| error);
    (reply.error, errors.collect())
}

#[test]
fn a_consumer_that_assigns_itself_makes_a_group_by_committing() {
    let mut host = Fixture::new();
    assert_eq!(host.commit_as("", -1, "t", 42), ErrorCode::NONE);
    assert_eq!(host.state(), StateName::Empty);
    let all = host.registry.fetch_offsets(GROUP, None, false);
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].offset, all[0].leader_epoch),
        (Offset(42), LeaderEpoch(3))
    );
    assert_eq!(&*all[0].metadata, "note");
    assert_eq!(host.offset("u"), Offset::NONE);
    assert!(host.registry.fetch_offsets("other", None, false).is_empty());
    assert_eq!(&*host.registry.describe(GROUP).unwrap().protocol_type, "");
}

#[test]
fn only_members_of_the_generation_commit() {
    let mut host = Fixture::new();
    assert_eq!(
        host.commit_as("member", 3, "t", 1),
        ErrorCode::GROUP_ID_NOT_FOUND
    );
    let ids = host.stable_group(2);
    assert_eq!(host.commit_as(&ids[0], 1, "t", 1), ErrorCode::NONE);
    assert_eq!(
        host.commit_as(&ids[0], 0, "t", 2),
        ErrorCode::ILLEGAL_GENERATION
    );
    assert_eq!(
        host.commit_as("nobody", 1, "t", 2),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(host.commit_as("", -1, "t", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(
        host.commit_as(&ids[0], -1, "t", 2),
        ErrorCode::ILLEGAL_GENERATION
    );
    host.send(join_as(&ids[0]));
    assert_eq!(host.state(), StateName::PreparingRebalance);
    // Work from before the rebalance may still be committed.
    assert_eq!(host.commit_as(&ids[1], 1, "t", 2), ErrorCode::NONE);
    host.send(join_as(&ids[1]));
    assert_eq!(
        host.commit_as(&ids[1], 2, "t", 3),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    assert_eq!(host.offset("t"), Offset(2));
}

#[test]
fn an_empty_group_takes_commits_from_outside() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    host.leave(&[(&ids[0], None)]);
    assert_eq!(host.commit_as("", -1, "t", 9), ErrorCode::NONE);
    assert_eq!(
        host.commit_as(&ids[0], 1, "t", 10),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(host.offset("t"), Offset(9));
}

#[test]
fn metadata_that_is_too_long_is_refused_for_its_partition_alone() {
    let mut host = Fixture::new();
    let mut commit = commit_of("", -1, "t", 1);
    let mut long = commit.offsets[0].clone();
    long.at = TopicPartition::new("u", 0);
    long.metadata = Some("x".repeat(4_097).into());
    let mut allowed = long.clone();
    allowed.at = TopicPartition::new("v", 0);
    allowed.metadata = Some("é".repeat(4_096).into());
    commit.offsets.extend([long, allowed]);
    let errors: Vec<_> = host
        .commit(commit)
        .into_iter()
        .map(|(_, error)| error)
        .collect();
    assert_eq!(
        errors,
        [
            ErrorCode::NONE,
            ErrorCode::OFFSET_METADATA_TOO_LARGE,
            ErrorCode::NONE
        ]
    );
    assert_eq!(host.offset("u"), Offset::NONE);
}

#[test]
fn offsets_of_another_life_of_the_topic_count_for_nothing() {
    let mut host = Fixture::new();
    let [old, new] = [1_000, 2_000].map(|id| KafkaUuid(uuid::Uuid::from_u128(id)));
    let mut commit = commit_of("", -1, "t", 5);
    commit.offsets[0].topic_id = old;
    host.commit(commit);
    let at = TopicPartition::new("t", 0);
    let fetch = |host: &Fixture, id| {
        host.registry
            .fetch_offsets(GROUP, Some(&[(at.clone(), id)]), false)[0]
            .offset
    };
    assert_eq!(fetch(&host, old), Offset(5));
    assert_eq!(fetch(&host, TopicId::ZERO), Offset(5));
    assert_eq!(fetch(&host, new), Offset::NONE);

    host.delete_topic("t", new);
    assert_eq!(fetch(&host, old), Offset(5));
    host.delete_topic("t", old);
    assert_eq!(fetch(&host, old), Offset::NONE);
}

#[test]
fn offsets_of_deleted_topics_go_in_every_group() {
    let mut host = Fixture::new();
    for group in ["a", "b"] {
        for topic in ["t", "u"] {
            host.commit(CommitOffsets {
                group: group.into(),
                ..commit_of("", -1, topic, 1)
            });
        }
    }
    host.delete_topic("t", TopicId::ZERO);
    for group in ["a", "b"] {
        let left = host.registry.fetch_offsets(group, None, false);
        assert_eq!(left.len(), 1);
        assert_eq!(&*left[0].at.topic, "u");
    }
}

#[test]
fn only_what_a_group_does_not_read_can_be_deleted() {
    let mut host = Fixture::new();
    assert_eq!(delete(&mut host, &["t"]).0, ErrorCode::GROUP_ID_NOT_FOUND);
    let ids = host.stable_group(1);
    host.commit_as(&ids[0], 1, "t", 1);
    host.commit_as(&ids[0], 1, "u", 1);
    let (error, errors) = delete(&mut host, &["t", "u", "v"]);
    assert_eq!(error, ErrorCode::NONE);
    assert_eq!(
        errors,
        [
            ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            ErrorCode::NONE,
            ErrorCode::NONE
        ]
    );
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset(1), Offset::NONE)
    );
    host.leave(&[(&ids[0], None)]);
    assert_eq!(
        delete(&mut host, &["t"]),
        (ErrorCode::NONE, vec![ErrorCode::NONE])
    );
    assert_eq!(host.offset("t"), Offset::NONE);
}

#[test]
fn of_groups_that_are_not_consumers_nothing_can_be_deleted_while_they_run() {
    let mut host = Fixture::new();
    let worker = Join {
        protocol_type: "connect".into(),
        ..join()
    };
    let (id, _) = host.join_with_new_id(worker);
    host.advance(3_000);
    assert_eq!(delete(&mut host, &["t"]).0, ErrorCode::NON_EMPTY_GROUP);
    host.leave(&[(&id, None)]);
    assert_eq!(delete(&mut host, &["t"]).0, ErrorCode::NONE);
}

#[test]
fn offsets_outlive_the_last_member_by_the_retention_and_the_group_goes_with_them() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    host.commit_as(&ids[0], 1, "t", 1);
    host.advance_alive(30_000, &[(&ids[0], 1)]);
    host.leave(&[(&ids[0], None)]);
    host.advance(RETENTION_MS - 1);
    host.expire();
    assert_eq!(host.offset("t"), Offset(1));
    host.advance(1);
    host.expire();
    assert_eq!(host.offset("t"), Offset::NONE);
    assert_eq!(host.state(), StateName::Dead);
    assert_eq!(
        host.log.last().map(|record| record.value.is_none()),
        Some(true)
    );
}

#[test]
fn offsets_of_simple_groups_expire_one_by_one_from_their_commit() {
    let mut host = Fixture::new();
    host.commit_as("", -1, "t", 1);
    host.advance(1_000);
    host.commit_as("", -1, "u", 2);
    host.advance(RETENTION_MS - 1_000);
    host.expire();
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset::NONE, Offset(2))
    );
    host.advance(1_000);
    host.expire();
    assert_eq!(host.state(), StateName::Dead);
}

#[test]
fn a_retention_of_the_clients_own_is_kept() {
    let mut host = Fixture::new();
    host.commit(CommitOffsets {
        retention_ms: Some(5_000),
        ..commit_of("", -1, "t", 1)
    });
    host.reload();
    host.advance(4_999);
    host.expire();
    assert_eq!(host.offset("t"), Offset(1));
    host.advance(1);
    host.expire();
    assert_eq!(host.offset("t"), Offset::NONE);
}

#[test]
fn while_members_run_only_what_they_no_longer_read_expires() {
    let mut host = Fixture::new();
    let long = Join {
        session_timeout_ms: 1_800_000,
        ..join()
    };
    let (id, token) = host.join_with_new_id(long);
    host.advance(3_000);
    host.answered(token);
    host.sync_all(std::slice::from_ref(&id), 1);
    host.commit_as(&id, 1, "t", 1);
    host.commit_as(&id, 1, "u", 1);
    // Session timers would end the session during a week of silence; only the clock moves here.
    host.now = host.now.plus_millis(RETENTION_MS);
    host.expire();
    assert_eq!(
        (host.offset("t"), host.offset("u")),
        (Offset(1), Offset::NONE)
    );
}

#[test]
fn nothing_expires_where_it_is_not_known_what_is_read() {
    let mut host = Fixture::new();
    let mut unreadable = Join {
        protocols: protocols(&["range"], &["t"]),
        ..join()
    };
    unreadable.protocols[0].metadata = "?".into();
    let (id, token) = host.join_with_new_id(unreadable);
    host.advance(3_000);
    host.answered(token);
    host.sync_all(std::slice::from_ref(&id), 1);
    host.commit_as(&id, 1, "u", 1);
    host.now = host.now.plus_millis(RETENTION_MS);
    host.expire();
    assert_eq!(host.offset("u"), Offset(1));
    assert_eq!(
        delete(&mut host, &["u"]).1,
        [ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC]
    );
}

#[test]
fn an_empty_group_without_offsets_goes_unless_somebody_is_on_the_way() {
    let mut host = Fixture::new();
    let token = host.send(join());
    let id = host.answered(token).member;
    host.expire();
    assert_eq!(host.state(), StateName::Empty);
    host.leave(&[(&id, None)]);
    host.expire();
    assert_eq!(host.state(), StateName::Dead);
}

/// A group that has committed this many offsets in one topic.
fn commit_many(host: &mut Fixture, count: i32) {
    let mut commit = commit_of("", -1, "t", 5);
    let one = commit.offsets.remove(0);
    commit.offsets = (0..count)
        .map(|partition| OffsetToCommit {
            at: TopicPartition::new("t", partition),
            ..one.clone()
        })
        .collect();
    assert!(
        host.commit(commit)
            .iter()
            .all(|(_, error)| !error.is_error())
    );
}

fn left(host: &Fixture) -> usize {
    host.registry.fetch_offsets(GROUP, None, false).len()
}

#[test]
fn very_many_offsets_are_removed_in_steps() {
    let mut host = Fixture::new();
    commit_many(&mut host, 2_500);
    host.advance(host.settings.offsets_retention_ms);
    host.expire();
    assert_eq!(left(&host), 1_500);
    // A sweep in progress is not started again.
    host.expire();
    assert_eq!(left(&host), 1_500);
    host.advance(10);
    assert_eq!((left(&host), host.state()), (0, StateName::Dead));

    commit_many(&mut host, 1_200);
    host.delete_topic("t", TopicId::ZERO);
    assert_eq!(left(&host), 200);
    host.advance(10);
    assert_eq!((left(&host), host.timers.len()), (0, 0));
}

#[test]
fn a_step_that_is_not_written_does_not_come_again_and_again() {
    let mut host = Fixture::new();
    commit_many(&mut host, 2_500);
    host.advance(host.settings.offsets_retention_ms);
    host.is_log_full = true;
    host.expire();
    host.advance(10);
    assert_eq!((left(&host), host.timers.len()), (2_500, 0));
    host.is_log_full = false;
    host.expire();
    host.advance(10);
    assert_eq!(left(&host), 0);
}
