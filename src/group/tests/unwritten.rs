//! A log that does not accept a decision: no request waits for ever, and the group continues when the log accepts it.

use std::sync::Arc;

use super::fixture::{Fixture, GROUP, SESSION_MS, commit_of, join, static_join};
use crate::base::{ErrorCode, Offset};
use crate::group::{DeleteGroup, DeleteOffsets, Join, Settings, StateName, TimerKey};

/// Two members that have joined the first generation; the leader comes first.
fn joined(host: &mut Fixture) -> Vec<Arc<str>> {
    let joins: Vec<_> = (0..2).map(|_| host.join_with_new_id(join())).collect();
    host.advance(6_000);
    let mut replies: Vec<_> = joins
        .into_iter()
        .map(|(_, token)| host.answered(token))
        .collect();
    replies.sort_by_key(|reply| reply.member != reply.leader);
    replies.into_iter().map(|reply| reply.member).collect()
}

#[test]
fn an_assignment_that_is_not_taken_has_all_join_again() {
    let mut host = Fixture::new();
    let ids = joined(&mut host);
    host.is_log_full = true;
    let follower = host.sync(&ids[1], 1, &[]);
    let leader = host.sync(&ids[0], 1, &[(&ids[0], "much")]);
    assert_eq!(host.refused, [follower.number(), leader.number()].into());
    assert_eq!(host.state(), StateName::PreparingRebalance);
    for id in &ids {
        assert_eq!(host.heartbeat(id, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    host.is_log_full = false;
    let tokens = [0, 1].map(|one| {
        host.send(Join {
            member: Arc::clone(&ids[one]),
            ..join()
        })
    });
    for token in tokens {
        assert_eq!(host.answered(token).generation, 2);
    }
    host.sync_all(&ids, 2);
}

#[test]
fn an_assignment_that_there_can_be_no_memory_for_does_the_same() {
    let mut host = Fixture::with(Settings {
        members_max_bytes: 50_000,
        ..Settings::default()
    });
    let ids = joined(&mut host);
    let much = "x".repeat(60_000);
    let follower = host.sync(&ids[1], 1, &[(&ids[1], &much)]);
    assert_eq!(
        host.answered(follower).error,
        ErrorCode::UNKNOWN_SERVER_ERROR
    );
    assert_eq!(host.state(), StateName::CompletingRebalance);
    let leader = host.sync(&ids[0], 1, &[(&ids[0], &much)]);
    assert_eq!(host.answered(leader).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(host.state(), StateName::PreparingRebalance);
}

#[test]
fn a_group_that_cannot_be_born_is_not_there() {
    let mut host = Fixture::new();
    host.is_log_full = true;
    let asks_for_id = host.send(join());
    assert_eq!(host.refused, [asks_for_id.number()].into());
    // An old client is a member at once, and its join would wait.
    let waits = host.send(Join {
        needs_known_member_id: false,
        ..join()
    });
    assert_eq!(host.answered(waits).error, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(host.state(), StateName::Dead);
    assert_eq!((host.registry.held(), host.timers.len()), (0, 0));
    host.is_log_full = false;
    host.stable_group(2);
}

#[test]
fn a_static_member_that_cannot_be_written_leaves_its_former_self_in_place() {
    let mut host = Fixture::new();
    let token = host.send(static_join("one"));
    host.advance(6_000);
    let former = host.answered(token).member;
    host.sync_all(&[Arc::clone(&former)], 1);
    host.is_log_full = true;
    let token = host.send(static_join("one"));
    let reply = host.answered(token);
    assert_eq!(
        (reply.error, reply.generation, reply.leader),
        (ErrorCode::UNKNOWN_SERVER_ERROR, 1, Arc::clone(&former))
    );
    assert_eq!(host.state(), StateName::Stable);
    assert_eq!(host.heartbeat_as(&former, Some("one"), 1), ErrorCode::NONE);
    let sessions = host.timers.keys().map(|key| match key {
        TimerKey::Session { member, .. } => Arc::clone(member),
        other => panic!("{other:?}"),
    });
    assert_eq!(sessions.collect::<Vec<_>>(), [Arc::clone(&former)]);
    host.is_log_full = false;
    let token = host.send(static_join("one"));
    let reply = host.answered(token);
    assert_eq!((reply.error, reply.generation), (ErrorCode::NONE, 1));
    let token = host.sync(&reply.member, 1, &[]);
    assert_eq!(host.answered(token).assignment, former.as_bytes());
}

#[test]
fn the_last_member_goes_whether_it_is_written_or_not() {
    for leaves in [true, false] {
        let mut host = Fixture::new();
        let ids = host.stable_group(1);
        host.is_log_full = true;
        if leaves {
            let leaver = crate::group::Leaver {
                member: Arc::clone(&ids[0]),
                instance: None,
                reason: None,
            };
            let token = host.send(crate::group::Leave {
                group: GROUP.into(),
                members: vec![leaver],
            });
            assert_eq!(host.refused, [token.number()].into());
        } else {
            host.advance(i64::from(SESSION_MS));
        }
        assert_eq!(host.state(), StateName::Empty);
        host.is_log_full = false;
        // Without members anybody may commit, and the next generation is another one.
        assert_eq!(host.commit_as("", -1, "t", 3), ErrorCode::NONE);
        let (_, token) = host.join_with_new_id(join());
        host.advance(6_000);
        assert_eq!(host.answered(token).generation, 3);
    }
}

#[test]
fn offsets_and_groups_that_cannot_be_changed_stay() {
    let mut host = Fixture::new();
    assert_eq!(host.commit_as("", -1, "t", 3), ErrorCode::NONE);
    let token = host.send(join());
    let pending = host.answered(token).member;
    host.is_log_full = true;
    let commit = host.send(commit_of("", -1, "t", 4));
    let forget = host.send(DeleteOffsets {
        group: GROUP.into(),
        partitions: vec![crate::base::TopicPartition::new("t", 0)],
    });
    let delete = host.send(DeleteGroup {
        group: GROUP.into(),
    });
    assert_eq!(
        host.refused,
        [commit.number(), forget.number(), delete.number()].into()
    );
    assert_eq!(host.offset("t"), Offset(3));
    // An expected client may still join, for a while.
    let key = TimerKey::Session {
        group: GROUP.into(),
        member: pending,
    };
    assert!(host.timers.contains_key(&key));
    host.advance(i64::from(SESSION_MS));
    assert_eq!(host.timers.len(), 0);
}
