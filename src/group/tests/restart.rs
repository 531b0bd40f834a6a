//! What a new process finds in the log.

use super::fixture::{Fixture, GROUP, SESSION_MS, join, join_as, protocols, replayed, static_join};
use crate::base::{ErrorCode, KeyValue, Offset, TimerChange, Timestamp};
use crate::group::records::{Generation, GenerationMember};
use crate::group::{Join, NotDescribed, Registry, ReplayError, Settings, StateName, TimerKey};
use crate::schema::DecodeError;

#[test]
fn members_go_on_in_their_generation_and_sessions_begin_anew() {
    let mut host = Fixture::new();
    let ids = host.stable_group(2);
    host.commit_as(&ids[0], 1, "t", 11);
    host.advance(9_000);
    host.reload();
    assert_eq!(host.state(), StateName::Stable);
    host.advance(9_000);
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::NONE);
    assert_eq!(host.heartbeat(&ids[1], 1), ErrorCode::NONE);
    assert_eq!(host.commit_as(&ids[1], 1, "t", 12), ErrorCode::NONE);
    let token = host.sync(&ids[1], 1, &[]);
    assert_eq!(host.answered(token).assignment, ids[1].as_bytes());
    host.advance(i64::from(SESSION_MS));
    assert_eq!(host.state(), StateName::Empty);
    assert_eq!(host.offset("t"), Offset(12));
}

#[test]
fn what_was_not_written_is_forgotten_and_members_join_again() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    let (new, _) = host.join_with_new_id(join());
    let token = host.send(join_as(&ids[0]));
    assert_eq!(host.answered(token).generation, 2);
    host.reload();
    assert_eq!(host.heartbeat(&ids[0], 2), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(host.join_error(join_as(&new)), ErrorCode::UNKNOWN_MEMBER_ID);
    let token = host.send(join_as(&ids[0]));
    assert_eq!(host.answered(token).generation, 2);
}

#[test]
fn static_members_and_their_fences_survive() {
    let mut host = Fixture::new();
    let token = host.send(static_join("one"));
    host.advance(3_000);
    let old = host.answered(token).member;
    host.sync_all(std::slice::from_ref(&old), 1);
    let token = host.send(static_join("one"));
    let new = host.answered(token).member;
    host.reload();
    assert_eq!(
        host.heartbeat_as(&old, Some("one"), 1),
        ErrorCode::FENCED_INSTANCE_ID
    );
    assert_eq!(host.heartbeat_as(&new, Some("one"), 1), ErrorCode::NONE);
}

#[test]
fn generations_go_on_after_a_restart_of_an_empty_group() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    host.leave(&[(&ids[0], None)]);
    host.reload();
    assert_eq!(host.state(), StateName::Empty);
    let (_, token) = host.join_with_new_id(join());
    host.advance(3_000);
    assert_eq!(host.answered(token).generation, 3);
}

#[test]
fn a_group_that_is_larger_than_is_now_allowed_is_rebalanced() {
    let mut host = Fixture::new();
    let ids = host.stable_group(3);
    host.settings.max_size = 2;
    host.reload();
    assert_eq!(host.state(), StateName::PreparingRebalance);
    let first = host.send(join_as(&ids[1]));
    let second = host.send(join_as(&ids[2]));
    assert_eq!(
        host.join_error(join_as(&ids[0])),
        ErrorCode::GROUP_MAX_SIZE_REACHED
    );
    assert_eq!(host.answered(first).generation, 2);
    assert_eq!(host.answered(second).generation, 2);
}

fn apply(
    registry: &mut Registry,
    key: &[u8],
    value: Option<&[u8]>,
    now: Timestamp,
) -> Result<(), ReplayError> {
    let record = KeyValue {
        key: key.to_vec(),
        value: value.map(<[u8]>::to_vec),
    };
    registry.replay(&replayed(&record), now)
}

#[test]
fn records_of_other_kinds_are_passed_over_and_broken_ones_change_nothing() {
    let now = Timestamp(0);
    let mut registry = Registry::new(Settings::default());
    // Those of consumer groups end at 8, except for 16.
    for kind in (9..=30).filter(|kind| *kind != 16) {
        assert_eq!(
            apply(&mut registry, &[0, kind, 9, 9], Some(&[1, 2, 3]), now),
            Ok(())
        );
        assert_eq!(apply(&mut registry, &[0, kind, 9, 9], None, now), Ok(()));
    }
    let key = [0, 2, 0, 1, b'g'];
    let truncated = |wanted, left| Err(DecodeError::Truncated { wanted, left }.into());
    assert_eq!(
        apply(&mut registry, &key, Some(&[0, 3, 0]), now),
        truncated(2, 1)
    );
    assert_eq!(apply(&mut registry, &[], None, now), truncated(2, 0));
    let offset = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 0];
    assert!(apply(&mut registry, &offset, Some(&[0, 9]), now).is_err());
    assert_eq!(registry.describe(GROUP), Err(NotDescribed::Unknown));
    assert_eq!(apply(&mut registry, &key, None, now), Ok(()));
}

#[test]
fn a_record_that_was_not_decided_here_is_taken_for_what_it_says() {
    let now = Timestamp(5_000);
    let member = GenerationMember {
        member: "m".into(),
        instance: None,
        client_id: "".into(),
        client_host: "".into(),
        rebalance_timeout_ms: -1,
        session_timeout_ms: 7_000,
        subscription: bytes::Bytes::new(),
        assignment: bytes::Bytes::new(),
    };
    let generation = Generation {
        protocol_type: "consumer".into(),
        generation: 4,
        protocol: Some("range".into()),
        leader: None,
        since: Timestamp::NONE,
        members: vec![member],
    };
    let record = crate::group::records::group_record(GROUP, &generation);
    let mut registry = Registry::new(Settings::default());
    registry.replay(&replayed(&record), now).unwrap();
    let session = TimerKey::Session {
        group: GROUP.into(),
        member: "m".into(),
    };
    let set = TimerChange::Set(session, std::time::Duration::from_secs(7));
    assert_eq!(registry.loaded(now), [set]);
    registry.replay(&replayed(&record), now).unwrap();
    assert_eq!(registry.describe(GROUP).unwrap().state, StateName::Stable);
    // Without a leader in the record, the first to join leads.
    let mut host = Fixture::new();
    host.log.push(record);
    host.reload();
    let changed = Join {
        protocols: protocols(&["range"], &["u"]),
        ..join_as("m")
    };
    let token = host.send(changed);
    assert_eq!(&*host.answered(token).leader, "m");
}
