//! Static members.

use std::sync::Arc;

use super::fixture::{Fixture, GROUP, SESSION_MS, join, join_as, protocols, static_join, sync_of};
use crate::base::ErrorCode;
use crate::group::{Join, StateName, TimerKey};

/// A stable group of the static members "one" and "two"; ids in that order, and who leads.
fn stable_group(host: &mut Fixture) -> ([Arc<str>; 2], usize) {
    let tokens = ["one", "two"].map(|instance| host.send(static_join(instance)));
    host.advance(6_000);
    let replies = tokens.map(|token| host.answered(token));
    let leader = usize::from(replies[1].member == replies[1].leader);
    let ids = replies.map(|reply| reply.member);
    let ordered = [Arc::clone(&ids[leader]), Arc::clone(&ids[1 - leader])];
    host.sync_all(&ordered, 1);
    (ids, leader)
}

const NAMES: [&str; 2] = ["one", "two"];

#[test]
fn a_static_member_needs_no_second_round() {
    let mut host = Fixture::new();
    let (ids, _) = stable_group(&mut host);
    assert!(ids[0].starts_with("one-"));
    assert_eq!(host.written().members.len(), 2);
}

#[test]
fn a_follower_that_restarts_gets_its_assignment_back_and_nobody_notices() {
    let mut host = Fixture::new();
    let (ids, leader) = stable_group(&mut host);
    let follower = 1 - leader;
    let token = host.send(static_join(NAMES[follower]));
    let reply = host.answered(token);
    assert_eq!((reply.error, reply.generation), (ErrorCode::NONE, 1));
    assert_ne!(reply.member, ids[follower]);
    assert_eq!(reply.leader, ids[leader]);
    assert!(!reply.skip_assignment);
    assert_eq!(host.state(), StateName::Stable);
    assert!(
        host.written()
            .members
            .iter()
            .any(|member| member.member == reply.member)
    );
    let token = host.sync(&reply.member, 1, &[]);
    assert_eq!(host.answered(token).assignment, ids[follower].as_bytes());

    // All requests of the old member id are fenced.
    let (old, name) = (&*ids[follower], Some(NAMES[follower]));
    assert_eq!(
        host.heartbeat_as(old, name, 1),
        ErrorCode::FENCED_INSTANCE_ID
    );
    assert_eq!(host.heartbeat(old, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let again = Join {
        member: old.into(),
        ..static_join(NAMES[follower])
    };
    assert_eq!(host.join_error(again), ErrorCode::FENCED_INSTANCE_ID);
    let mut sync = sync_of(old, 1, &[]);
    sync.instance = name.map(Into::into);
    let token = host.send(sync);
    assert_eq!(host.answered(token).error, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(
        host.leave(&[(old, name)]).members[0].1,
        ErrorCode::FENCED_INSTANCE_ID
    );
    let keys = host.timers.keys();
    assert!(
        !keys
            .cloned()
            .any(|key| matches!(key, TimerKey::Session { member, .. } if &*member == old))
    );
}

#[test]
fn a_member_that_restarts_elsewhere_is_described_as_before() {
    let mut host = Fixture::new();
    stable_group(&mut host);
    let elsewhere = Join {
        client_id: "other".into(),
        client_host: "/10.0.0.1".into(),
        ..static_join("one")
    };
    assert_eq!(host.join_error(elsewhere), ErrorCode::NONE);
    let described = host.registry.describe(GROUP).unwrap();
    for member in described.members {
        assert_eq!(
            (&*member.client_id, &*member.client_host),
            ("client", "/127.0.0.1")
        );
    }
}

#[test]
fn a_leader_that_restarts_is_told_to_leave_the_assignment_alone() {
    let mut host = Fixture::new();
    let (_, leader) = stable_group(&mut host);
    let token = host.send(static_join(NAMES[leader]));
    let reply = host.answered(token);
    assert_eq!(reply.leader, reply.member);
    assert!(reply.skip_assignment);
    assert_eq!(reply.members.len(), 2);
    assert_eq!(host.written().leader.as_ref(), Some(&reply.member));
}

#[test]
fn a_leader_that_cannot_be_told_does_not_recognise_itself() {
    let mut host = Fixture::new();
    let (ids, leader) = stable_group(&mut host);
    let token = host.send(Join {
        can_skip_assignment: false,
        ..static_join(NAMES[leader])
    });
    let reply = host.answered(token);
    assert_eq!(reply.leader, ids[leader]);
    assert_ne!(reply.member, ids[leader]);
    assert!(!reply.skip_assignment && reply.members.is_empty());
}

#[test]
fn a_restart_that_changes_the_choice_of_protocol_rebalances() {
    let mut host = Fixture::new();
    let both = |instance| Join {
        protocols: protocols(&["range", "sticky"], &["t"]),
        ..static_join(instance)
    };
    let token = host.send(both("one"));
    host.advance(3_000);
    let old = host.answered(token).member;
    let token = host.sync(&old, 1, &[]);
    host.answered(token);
    let changed = Join {
        protocols: protocols(&["sticky", "range"], &["t"]),
        ..both("one")
    };
    let token = host.send(changed);
    let reply = host.answered(token);
    assert_eq!(
        (reply.generation, reply.protocol.as_deref()),
        (2, Some("sticky"))
    );
    assert_eq!(host.state(), StateName::CompletingRebalance);
}

#[test]
fn a_restart_while_the_generation_forms_takes_over_the_place() {
    let mut host = Fixture::new();
    let first = host.send(static_join("one"));
    let second = host.send(static_join("one"));
    let fenced = host.answered(first);
    assert_eq!(fenced.error, ErrorCode::FENCED_INSTANCE_ID);
    host.advance(6_000);
    let reply = host.answered(second);
    assert_eq!((reply.generation, reply.members.len()), (1, 1));
    assert_eq!(reply.leader, reply.member);

    let waiting = host.send(static_join("two"));
    assert_eq!(host.state(), StateName::PreparingRebalance);
    let again = host.send(static_join("one"));
    assert_eq!(host.answered(again).generation, 2);
    assert_eq!(host.answered(waiting).generation, 2);
}

#[test]
fn a_restart_while_the_assignment_is_made_rebalances() {
    let mut host = Fixture::new();
    let tokens = NAMES.map(|instance| host.send(static_join(instance)));
    host.advance(6_000);
    let replies = tokens.map(|token| host.answered(token));
    let follower = usize::from(replies[0].member == replies[0].leader);
    let waiting = host.sync(&replies[follower].member, 1, &[]);
    host.send(static_join(NAMES[follower]));
    assert_eq!(host.answered(waiting).error, ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(host.state(), StateName::PreparingRebalance);
}

#[test]
fn a_successor_that_never_asks_for_its_assignment_is_removed() {
    let mut host = Fixture::new();
    let tokens = NAMES.map(|instance| host.send(static_join(instance)));
    host.advance(6_000);
    let replies = tokens.map(|token| host.answered(token));
    let leader = usize::from(replies[1].member == replies[1].leader);
    let leader_id = replies[leader].member.clone();
    let token = host.sync(&leader_id, 1, &[]);
    host.answered(token);
    let token = host.send(static_join(NAMES[1 - leader]));
    let successor = host.answered(token).member;
    assert_eq!(host.state(), StateName::Stable);
    host.advance_alive(60_000, &[(&leader_id, 1), (&successor, 1)]);
    assert_eq!(host.heartbeat(&successor, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(host.state(), StateName::PreparingRebalance);
}

#[test]
fn a_static_member_that_does_not_join_in_time_keeps_its_place() {
    let mut host = Fixture::new();
    let (ids, leader) = stable_group(&mut host);
    let follower = 1 - leader;
    let (_, new) = host.join_with_new_id(join());
    host.advance_alive(60_000, &[(&ids[0], 1), (&ids[1], 1)]);
    // None of the old members has joined, but the new one has, and is the leader now.
    let reply = host.answered(new);
    assert_eq!((reply.generation, reply.members.len()), (2, 3));
    assert_eq!(reply.leader, reply.member);
    assert_eq!(
        host.heartbeat(&ids[follower], 1),
        ErrorCode::ILLEGAL_GENERATION
    );
}

#[test]
fn a_rebalance_without_any_member_that_came_waits_on() {
    let mut host = Fixture::new();
    let (ids, _) = stable_group(&mut host);
    let (id, token) = host.join_with_new_id(join());
    host.leave(&[(&id, None)]);
    assert_eq!(host.answered(token).error, ErrorCode::UNKNOWN_MEMBER_ID);
    host.advance_alive(120_000, &[(&ids[0], 1), (&ids[1], 1)]);
    assert_eq!(host.state(), StateName::PreparingRebalance);
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
    host.advance(i64::from(SESSION_MS));
    assert_eq!(host.state(), StateName::Empty);
}

#[test]
fn static_members_leave_by_name_and_unknown_names_are_refused() {
    let mut host = Fixture::new();
    let (ids, _) = stable_group(&mut host);
    assert_eq!(
        host.leave(&[("", Some("three"))]).members[0].1,
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(
        host.leave(&[("", None)]).members[0].1,
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(host.state(), StateName::Stable);
    assert_eq!(
        host.heartbeat_as(&ids[0], Some("three"), 1),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    let unknown = Join {
        instance: Some("three".into()),
        ..join_as(&ids[0])
    };
    assert_eq!(host.join_error(unknown), ErrorCode::UNKNOWN_MEMBER_ID);
    let reply = host.leave(&[("", Some("one")), ("", Some("two"))]);
    assert!(reply.members.iter().all(|(_, error)| error.is_none()));
    assert_eq!(host.state(), StateName::Empty);
}
