//! Forming generations: accepted members, the leader, the chosen protocol.

use std::sync::Arc;

use super::fixture::{Fixture, GROUP, REBALANCE_MS, SESSION_MS, join, join_as, protocols};
use crate::base::ErrorCode;
use crate::group::{Join, Settings, StateName, TimerKey};

#[test]
fn a_member_without_an_id_gets_one_and_comes_back_with_it() {
    let mut host = Fixture::new();
    let token = host.send(join());
    let reply = host.answered(token);
    assert_eq!(reply.error, ErrorCode::MEMBER_ID_REQUIRED);
    assert!(reply.member.starts_with("client-"));
    assert_eq!(reply.member.len(), "client-".len() + 36);
    assert_eq!(host.state(), StateName::Empty);

    let token = host.send(join_as(&reply.member));
    assert_eq!(host.state(), StateName::PreparingRebalance);
    host.advance(2_999);
    assert_eq!(host.answer(token), None);
    host.advance(1);
    let joined = host.answered(token);
    assert_eq!((joined.error, joined.generation), (ErrorCode::NONE, 1));
    assert_eq!(joined.leader, reply.member);
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.members.len(), 1);
    assert!(!joined.skip_assignment);
    assert_eq!(host.state(), StateName::CompletingRebalance);
}

#[test]
fn an_id_that_is_not_used_is_forgotten_with_the_session_timeout() {
    let mut host = Fixture::new();
    let token = host.send(join());
    let id = host.answered(token).member;
    host.advance(i64::from(SESSION_MS));
    assert_eq!(host.join_error(join_as(&id)), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_rebalance_waits_for_ids_that_were_given_out() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    let token = host.send(join());
    let pending = host.answered(token).member;
    let leader = host.send(join_as(&ids[0]));
    assert_eq!(host.state(), StateName::PreparingRebalance);
    assert_eq!(host.answer(leader), None);
    assert_eq!(
        host.leave(&[(&pending, None)]).members[0].1,
        ErrorCode::NONE
    );
    assert_eq!(host.answered(leader).generation, 2);
}

#[test]
fn old_clients_get_their_id_with_the_generation() {
    let mut host = Fixture::new();
    let token = host.send(Join {
        needs_known_member_id: false,
        ..join()
    });
    host.advance(3_000);
    let reply = host.answered(token);
    assert_eq!((reply.error, reply.generation), (ErrorCode::NONE, 1));
    assert_eq!(reply.leader, reply.member);
}

#[test]
fn requests_that_no_group_takes_are_refused() {
    let mut host = Fixture::new();
    let nameless = Join {
        group: "".into(),
        ..join()
    };
    assert_eq!(host.join_error(nameless), ErrorCode::INVALID_GROUP_ID);
    let long = Join {
        group: "x".repeat(40_000).into(),
        ..join()
    };
    assert_eq!(host.join_error(long), ErrorCode::INVALID_GROUP_ID);
    let long = Join {
        client_id: "x".repeat(40_000).into(),
        ..join()
    };
    assert_eq!(host.join_error(long), ErrorCode::INVALID_REQUEST);
    for session_timeout_ms in [5_999, 1_800_001, -1] {
        let join = Join {
            session_timeout_ms,
            ..join()
        };
        assert_eq!(host.join_error(join), ErrorCode::INVALID_SESSION_TIMEOUT);
    }
    assert_eq!(
        host.join_error(join_as("nobody")),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    let without = Join {
        protocols: Vec::new(),
        ..join()
    };
    assert_eq!(
        host.join_error(without),
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    let without = Join {
        protocol_type: "".into(),
        ..join()
    };
    assert_eq!(
        host.join_error(without),
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    assert_eq!(host.state(), StateName::Dead);
    assert!(host.log.is_empty());
}

#[test]
fn members_that_cannot_work_together_are_refused() {
    let mut host = Fixture::new();
    host.stable_group(2);
    let other = Join {
        protocols: protocols(&["sticky"], &["t"]),
        ..join()
    };
    assert_eq!(
        host.join_error(other),
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    let other = Join {
        protocol_type: "connect".into(),
        ..join()
    };
    assert_eq!(
        host.join_error(other),
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    assert_eq!(host.state(), StateName::Stable);
}

#[test]
fn the_protocol_with_most_votes_among_those_that_all_know_is_chosen() {
    let mut host = Fixture::new();
    let wishes = [&["a", "b", "c"][..], &["c", "b"], &["b", "c", "a"]];
    let tokens: Vec<_> = wishes
        .iter()
        .map(|names| {
            let join = Join {
                protocols: protocols(names, &["t"]),
                ..join()
            };
            host.join_with_new_id(join).1
        })
        .collect();
    host.advance(6_000);
    for token in tokens {
        // "a" is not supported by all; of the rest, "b" is preferred by two of three.
        assert_eq!(host.answered(token).protocol.as_deref(), Some("b"));
    }
}

#[test]
fn of_two_protocols_with_equal_votes_kafkas_choice_is_taken() {
    // Whoever leads. In a map of Java's "sticky" comes before "range", and that before "roundrobin".
    for (names, chosen) in [
        (["range", "roundrobin"], "range"),
        (["range", "sticky"], "sticky"),
    ] {
        let mut host = Fixture::new();
        let [first, second] = names;
        let tokens = [[first, second], [second, first]].map(|names| {
            let join = Join {
                protocols: protocols(&names, &["t"]),
                ..join()
            };
            host.join_with_new_id(join).1
        });
        host.advance(6_000);
        for token in tokens {
            assert_eq!(host.answered(token).protocol.as_deref(), Some(chosen));
        }
    }
}

#[test]
fn nobody_waits_longer_for_a_client_that_has_not_used_its_id() {
    let mut host = Fixture::with(Settings {
        initial_rebalance_delay_ms: 60_000,
        ..Settings::default()
    });
    let (_, joined) = host.join_with_new_id(join());
    host.ask(join());
    host.advance(i64::from(SESSION_MS) - 1);
    assert_eq!(host.answer(joined), None);
    host.advance(1);
    assert_eq!(host.answered(joined).generation, 1);
}

#[test]
fn a_group_keeps_its_protocol_type_until_it_is_empty() {
    let mut host = Fixture::new();
    let (only, _) = host.join_with_new_id(join());
    host.leave(&[(&only, None)]);
    assert_eq!(host.state(), StateName::PreparingRebalance);
    let worker = || Join {
        protocol_type: "connect".into(),
        ..join()
    };
    assert_eq!(
        host.join_error(worker()),
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    );
    host.advance(3_000);
    assert_eq!(host.state(), StateName::Empty);
    assert_eq!(host.join_error(worker()), ErrorCode::MEMBER_ID_REQUIRED);
}

#[test]
fn the_first_generation_waits_longer_while_members_come_but_not_for_ever() {
    let mut host = Fixture::new();
    let short = || Join {
        rebalance_timeout_ms: 8_000,
        ..join()
    };
    let (_, first) = host.join_with_new_id(short());
    host.advance(2_000);
    let (_, second) = host.join_with_new_id(short());
    host.advance(1_500);
    assert_eq!(host.answer(first), None);
    host.advance(2_000);
    let (_, third) = host.join_with_new_id(short());
    host.advance(2_499);
    assert_eq!(host.answer(first), None);
    // 3 s, then 3 s more, then the remaining 2 s of the rebalance timeout.
    host.advance(1);
    for token in [first, second, third] {
        assert_eq!(host.answered(token).generation, 1);
    }
}

#[test]
fn a_group_that_had_members_does_not_wait() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    let (_, new) = host.join_with_new_id(join());
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
    let old = host.send(join_as(&ids[0]));
    assert_eq!(host.answered(new).generation, 2);
    let old = host.answered(old);
    assert_eq!((old.generation, &old.leader), (2, &ids[0]));
    assert_eq!(old.members.len(), 2);
}

#[test]
fn members_that_do_not_come_back_are_left_behind() {
    let mut host = Fixture::new();
    let ids = host.stable_group(2);
    let follower = Join {
        rebalance_timeout_ms: 20_000,
        protocols: protocols(&["range"], &["t", "u"]),
        ..join_as(&ids[1])
    };
    let token = host.send(follower);
    // The longest timeout of any member counts, and the leader heartbeats but does not join.
    host.advance_alive(i64::from(REBALANCE_MS) - 1_000, &[(&ids[0], 1)]);
    assert_eq!(host.answer(token), None);
    host.advance(1_000);
    let reply = host.answered(token);
    assert_eq!((reply.generation, &reply.leader), (2, &ids[1]));
    assert_eq!(reply.members.len(), 1);
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_follower_that_joins_again_unchanged_learns_the_generation_and_a_leader_starts_a_new_one() {
    let mut host = Fixture::new();
    let ids = host.stable_group(2);
    let token = host.send(join_as(&ids[1]));
    let reply = host.answered(token);
    assert_eq!((reply.error, reply.generation), (ErrorCode::NONE, 1));
    assert!(reply.members.is_empty());
    assert_eq!(host.state(), StateName::Stable);

    let leader = host.send(join_as(&ids[0]));
    assert_eq!(host.state(), StateName::PreparingRebalance);
    let follower = host.send(join_as(&ids[1]));
    assert_eq!(host.answered(leader).members.len(), 2);
    assert_eq!(host.answered(follower).generation, 2);
}

#[test]
fn a_join_that_is_repeated_while_it_waits_replaces_the_first() {
    let mut host = Fixture::new();
    let (id, first) = host.join_with_new_id(join());
    let second = host.send(join_as(&id));
    assert_eq!(host.answered(first).error, ErrorCode::REBALANCE_IN_PROGRESS);
    host.advance(3_000);
    assert_eq!(host.answered(second).generation, 1);
}

#[test]
fn a_join_repeated_while_the_assignment_is_made_learns_the_generation_unless_it_changed() {
    let mut host = Fixture::new();
    let (id, token) = host.join_with_new_id(join());
    host.advance(3_000);
    host.answered(token);
    let token = host.send(join_as(&id));
    let reply = host.answered(token);
    assert_eq!((reply.generation, reply.members.len()), (1, 1));
    let changed = Join {
        protocols: protocols(&["range"], &["u"]),
        ..join_as(&id)
    };
    let token = host.send(changed);
    assert_eq!(host.answered(token).generation, 2);
}

#[test]
fn a_full_group_takes_nobody() {
    let mut host = Fixture::with(Settings {
        max_size: 2,
        ..Settings::default()
    });
    let ids = host.stable_group(2);
    assert_eq!(host.join_error(join()), ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(host.state(), StateName::Stable);
    let first = host.send(join_as(&ids[0]));
    let second = host.send(join_as(&ids[1]));
    assert_eq!(host.answered(first).generation, 2);
    assert_eq!(host.answered(second).generation, 2);
}

#[test]
fn while_a_generation_forms_the_first_to_come_are_in() {
    let mut host = Fixture::with(Settings {
        max_size: 2,
        ..Settings::default()
    });
    let ids = host.stable_group(2);
    let leader = host.send(join_as(&ids[0]));
    let (_, new) = host.join_with_new_id(join());
    assert_eq!(
        host.join_error(join_as(&ids[1])),
        ErrorCode::GROUP_MAX_SIZE_REACHED
    );
    assert_eq!(host.answered(leader).members.len(), 2);
    assert_eq!(host.answered(new).generation, 2);
}

#[test]
fn a_new_member_that_nobody_waits_with_is_given_up_after_five_minutes() {
    let mut host = Fixture::new();
    let patient = Join {
        rebalance_timeout_ms: 3_600_000,
        ..join()
    };
    let (old, token) = host.join_with_new_id(patient);
    host.advance(3_000);
    host.answered(token);
    host.sync_all(&[Arc::clone(&old)], 1);
    let (_, new) = host.join_with_new_id(join());
    host.advance_alive(299_000, &[(&old, 1)]);
    assert_eq!(host.answer(new), None);
    host.advance_alive(1_000, &[(&old, 1)]);
    assert_eq!(host.answered(new).error, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn groups_of_other_kinds_work_alike() {
    let mut host = Fixture::new();
    let worker = Join {
        protocol_type: "connect".into(),
        protocols: protocols(&["sessioned", "compatible"], &[]),
        ..join()
    };
    let (id, token) = host.join_with_new_id(worker);
    host.advance(3_000);
    let reply = host.answered(token);
    assert_eq!(reply.protocol_type.as_deref(), Some("connect"));
    assert_eq!(reply.protocol.as_deref(), Some("sessioned"));
    assert_eq!(host.state(), StateName::CompletingRebalance);
    assert!(host.timers.contains_key(&TimerKey::Session {
        group: GROUP.into(),
        member: id
    }));
}
