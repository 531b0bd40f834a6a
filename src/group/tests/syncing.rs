//! Life in a generation: assignments, heartbeats, sessions, farewells.

use super::fixture::{Fixture, SESSION_MS, join, join_as, sync_of};
use crate::base::ErrorCode;
use crate::group::{StateName, TimerKey};

#[test]
fn followers_wait_for_the_leader_and_latecomers_do_not() {
    let mut host = Fixture::new();
    let joins: Vec<_> = (0..3).map(|_| host.join_with_new_id(join())).collect();
    host.advance(6_000);
    let mut replies: Vec<_> = joins
        .iter()
        .map(|(_, token)| host.answered(*token))
        .collect();
    replies.sort_by_key(|reply| reply.member != reply.leader);
    let ids: Vec<_> = replies.iter().map(|reply| reply.member.clone()).collect();
    assert_eq!(replies[0].members.len(), 3);
    assert!(replies[1].members.is_empty());

    let early = host.sync(&ids[1], 1, &[]);
    assert_eq!(host.answer(early), None);
    assert_eq!(host.heartbeat(&ids[2], 1), ErrorCode::NONE);
    assert_eq!(
        host.commit_as(&ids[1], 1, "t", 5),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    let parts = [(&*ids[0], "zero"), (&*ids[1], "one"), ("stranger", "lost")];
    let leader = host.sync(&ids[0], 1, &parts);
    assert_eq!(host.answered(leader).assignment, "zero".as_bytes());
    let early = host.answered(early);
    assert_eq!(early.assignment, "one".as_bytes());
    assert_eq!(early.protocol.as_deref(), Some("range"));
    assert_eq!(host.state(), StateName::Stable);
    assert_eq!(host.written().members.len(), 3);
    // The leader has omitted it, so it has no assignment.
    let late = host.sync(&ids[2], 1, &[]);
    assert_eq!(host.answered(late).assignment, "".as_bytes());
}

#[test]
fn syncs_that_do_not_fit_are_refused() {
    let mut host = Fixture::new();
    assert_eq!(
        sync_error(&mut host, "nobody", 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    let ids = host.stable_group(2);
    assert_eq!(
        sync_error(&mut host, "nobody", 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        sync_error(&mut host, &ids[0], 2),
        ErrorCode::ILLEGAL_GENERATION
    );
    let mut other = sync_of(&ids[0], 1, &[]);
    other.protocol = Some("sticky".into());
    let token = host.send(other);
    assert_eq!(
        host.answered(token).error,
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    let mut nameless = sync_of(&ids[0], 1, &[]);
    nameless.group = "".into();
    let token = host.send(nameless);
    assert_eq!(host.answered(token).error, ErrorCode::INVALID_GROUP_ID);
    host.send(join_as(&ids[0]));
    assert_eq!(
        sync_error(&mut host, &ids[1], 1),
        ErrorCode::REBALANCE_IN_PROGRESS
    );
}

fn sync_error(host: &mut Fixture, member: &str, generation: i32) -> ErrorCode {
    let token = host.sync(member, generation, &[]);
    host.answered(token).error
}

#[test]
fn those_who_wait_for_an_assignment_join_again_when_somebody_comes() {
    let mut host = Fixture::new();
    let joins: Vec<_> = (0..2).map(|_| host.join_with_new_id(join())).collect();
    host.advance(6_000);
    let replies: Vec<_> = joins
        .iter()
        .map(|(_, token)| host.answered(*token))
        .collect();
    let follower = replies
        .iter()
        .find(|reply| reply.member != reply.leader)
        .unwrap();
    let waiting = host.sync(&follower.member, 1, &[]);
    let again = host.sync(&follower.member, 1, &[]);
    assert_eq!(
        host.answered(waiting).error,
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    host.join_with_new_id(join());
    assert_eq!(host.answered(again).error, ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(host.state(), StateName::PreparingRebalance);
}

#[test]
fn members_that_never_ask_for_their_assignment_are_removed() {
    let mut host = Fixture::new();
    let joins: Vec<_> = (0..2).map(|_| host.join_with_new_id(join())).collect();
    host.advance(6_000);
    let mut replies: Vec<_> = joins
        .iter()
        .map(|(_, token)| host.answered(*token))
        .collect();
    replies.sort_by_key(|reply| reply.member != reply.leader);
    let (leader, follower) = (replies[0].member.clone(), replies[1].member.clone());
    let token = host.sync(&leader, 1, &[]);
    host.answered(token);
    assert_eq!(host.state(), StateName::Stable);
    host.advance_alive(59_000, &[(&leader, 1), (&follower, 1)]);
    assert_eq!(host.state(), StateName::Stable);
    host.advance_alive(1_000, &[(&leader, 1)]);
    assert_eq!(host.state(), StateName::PreparingRebalance);
    assert_eq!(host.heartbeat(&follower, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let token = host.send(join_as(&leader));
    assert_eq!(host.answered(token).generation, 2);
}

#[test]
fn a_leader_that_never_brings_the_assignment_is_replaced() {
    let mut host = Fixture::new();
    let joins: Vec<_> = (0..2).map(|_| host.join_with_new_id(join())).collect();
    host.advance(6_000);
    let mut replies: Vec<_> = joins
        .iter()
        .map(|(_, token)| host.answered(*token))
        .collect();
    replies.sort_by_key(|reply| reply.member != reply.leader);
    let (leader, follower) = (replies[0].member.clone(), replies[1].member.clone());
    let waiting = host.sync(&follower, 1, &[]);
    // The leader dies at once; the follower's wait counts as a sign of life.
    host.advance(i64::from(SESSION_MS));
    assert_eq!(
        host.answered(waiting).error,
        ErrorCode::REBALANCE_IN_PROGRESS
    );
    let token = host.send(join_as(&follower));
    let reply = host.answered(token);
    assert_eq!((reply.generation, reply.leader), (2, follower));
    assert_eq!(host.heartbeat(&leader, 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn heartbeats_tell_members_where_they_stand() {
    let mut host = Fixture::new();
    assert_eq!(host.heartbeat("nobody", 0), ErrorCode::UNKNOWN_MEMBER_ID);
    let ids = host.stable_group(2);
    assert_eq!(host.heartbeat("nobody", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(host.heartbeat(&ids[0], 0), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::NONE);
    host.send(join_as(&ids[0]));
    assert_eq!(host.heartbeat(&ids[1], 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn silent_members_are_removed_and_heartbeats_and_commits_are_signs_of_life() {
    let mut host = Fixture::new();
    let ids = host.stable_group(3);
    for _ in 0..2 {
        host.advance(6_000);
        assert_eq!(
            host.heartbeat(&ids[0], 1).is_none(),
            host.state() == StateName::Stable
        );
        assert_eq!(host.commit_as(&ids[1], 1, "t", 7), ErrorCode::NONE);
    }
    assert_eq!(host.state(), StateName::PreparingRebalance);
    assert_eq!(host.heartbeat(&ids[2], 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let first = host.send(join_as(&ids[0]));
    let second = host.send(join_as(&ids[1]));
    assert_eq!(host.answered(first).members.len(), 2);
    assert_eq!(host.answered(second).generation, 2);
}

#[test]
fn the_last_to_leave_makes_the_group_empty_in_a_generation_of_its_own() {
    let mut host = Fixture::new();
    let ids = host.stable_group(2);
    let reply = host.leave(&[(&ids[0], None), ("nobody", None), (&ids[1], None)]);
    assert_eq!(reply.error, ErrorCode::NONE);
    let errors: Vec<_> = reply.members.iter().map(|(_, error)| *error).collect();
    assert_eq!(
        errors,
        [
            ErrorCode::NONE,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::NONE
        ]
    );
    assert_eq!(host.state(), StateName::Empty);
    assert_eq!(host.written().generation, 2);
    assert_eq!(&*host.written().protocol_type, "consumer");
    assert!(host.timers.is_empty(), "{:?}", host.timers);
    assert_eq!(
        host.commit_as(&ids[0], 1, "t", 7),
        ErrorCode::UNKNOWN_MEMBER_ID
    );

    // The generation continues.
    let (_, token) = host.join_with_new_id(join());
    host.advance(3_000);
    assert_eq!(host.answered(token).generation, 3);
}

#[test]
fn who_leaves_a_group_that_is_not_there_is_unknown() {
    let mut host = Fixture::new();
    let reply = host.leave(&[("nobody", None), ("", Some("one"))]);
    assert_eq!(reply.error, ErrorCode::NONE);
    assert!(
        reply
            .members
            .iter()
            .all(|(_, error)| *error == ErrorCode::UNKNOWN_MEMBER_ID)
    );
    assert_eq!(reply.members.len(), 2);
}

#[test]
fn a_member_that_leaves_lets_the_others_go_on() {
    let mut host = Fixture::new();
    let ids = host.stable_group(3);
    host.leave(&[(&ids[2], None)]);
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
    let first = host.send(join_as(&ids[0]));
    assert_eq!(host.answer(first), None);
    host.leave(&[(&ids[1], None)]);
    let reply = host.answered(first);
    assert_eq!((reply.generation, reply.members.len()), (2, 1));
    assert_eq!(
        host.leave(&[(&ids[1], None)]).members[0].1,
        ErrorCode::UNKNOWN_MEMBER_ID
    );
}

#[test]
fn leaving_while_ones_own_requests_wait_answers_them() {
    let mut host = Fixture::new();
    let ids = host.stable_group(2);
    let leader = host.send(join_as(&ids[0]));
    host.leave(&[(&ids[0], None)]);
    assert_eq!(host.answered(leader).error, ErrorCode::UNKNOWN_MEMBER_ID);
    let follower = host.send(join_as(&ids[1]));
    assert_eq!(host.answered(follower).leader, ids[1]);
}

#[test]
fn a_group_whose_first_members_all_leave_is_empty_again() {
    let mut host = Fixture::new();
    let (id, token) = host.join_with_new_id(join());
    host.leave(&[(&id, None)]);
    assert_eq!(host.answered(token).error, ErrorCode::UNKNOWN_MEMBER_ID);
    host.advance(3_000);
    assert_eq!(host.state(), StateName::Empty);
    assert_eq!(host.written().generation, 1);
    assert!(
        !host
            .timers
            .keys()
            .any(|key| matches!(key, TimerKey::Join { .. }))
    );
}
