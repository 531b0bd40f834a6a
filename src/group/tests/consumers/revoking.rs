//! Partitions change hands: given up before they are given away, and not too slowly.

use super::client::REBALANCE_MS;
use super::{Bench, Client};
use crate::base::ErrorCode;
use crate::group::consumer::MemberState;

/// A member with all four partitions, one that has joined, and a target that gives it two of them.
fn two_members() -> (Bench, Client, Client) {
    let mut bench = Bench::new(
        &[("group.consumer.assignment.interval.ms", "0")],
        &[("t", 4)],
    );
    let (mut one, mut two) = (Client::new("m1", &["t"]), Client::new("m2", &["t"]));
    bench.settle(&mut [&mut one]);
    two.heartbeat(&mut bench);
    (bench, one, two)
}

fn state(bench: &Bench, member: &str) -> MemberState {
    bench.group().member(member).unwrap().state
}

#[test]
fn a_partition_is_given_up_before_it_is_given_away() {
    let (mut bench, mut one, mut two) = two_members();
    assert_eq!(state(&bench, "m2"), MemberState::UnreleasedPartitions);
    assert_eq!((two.epoch, two.told.len()), (3, 0));
    one.heartbeat(&mut bench);
    assert_eq!(state(&bench, "m1"), MemberState::UnrevokedPartitions);
    assert_eq!((one.epoch, one.told.len()), (2, 2));
    // It reads on until it has heard of it, and longer.
    one.heartbeat(&mut bench);
    two.heartbeat(&mut bench);
    assert_eq!((one.epoch, two.told.len()), (2, 0));
    one.revoke();
    one.heartbeat(&mut bench);
    assert_eq!((one.epoch, state(&bench, "m1")), (3, MemberState::Stable));
    two.heartbeat(&mut bench);
    assert_eq!(
        (two.told.len(), state(&bench, "m2")),
        (2, MemberState::Stable)
    );
    assert_eq!(bench.group().state().name(), "Stable");
}

#[test]
fn whoever_does_not_give_up_in_time_is_fenced() {
    let (mut bench, mut one, mut two) = two_members();
    one.heartbeat(&mut bench);
    let timeout = i64::from(REBALANCE_MS);
    for _ in 0..timeout / 10_000 - 1 {
        bench.f.advance(10_000);
        one.heartbeat(&mut bench);
        two.heartbeat(&mut bench);
    }
    bench.f.advance(9_999);
    assert!(bench.group().member("m1").is_some());
    bench.f.advance(1);
    assert!(bench.group().member("m1").is_none());
    assert_eq!(one.heartbeat(&mut bench), ErrorCode::UNKNOWN_MEMBER_ID);
    bench.settle(&mut [&mut one, &mut two]);
    assert_eq!((one.owned.len(), two.owned.len()), (2, 2));
}

#[test]
fn whoever_gives_up_in_time_is_not_fenced() {
    let (mut bench, mut one, mut two) = two_members();
    one.heartbeat(&mut bench);
    one.revoke();
    one.heartbeat(&mut bench);
    for _ in 0..12 {
        bench.f.advance(10_000);
        one.heartbeat(&mut bench);
        two.heartbeat(&mut bench);
        two.revoke();
    }
    assert_eq!(bench.group().member_count(), 2);
}

#[test]
fn time_to_give_up_begins_again_with_a_restart() {
    let (mut bench, mut one, mut two) = two_members();
    one.heartbeat(&mut bench);
    bench.f.advance(40_000);
    bench.f.reload();
    bench.f.advance(40_000);
    one.heartbeat(&mut bench);
    two.heartbeat(&mut bench);
    bench.f.advance(19_999);
    assert!(bench.group().member("m1").is_some());
    bench.f.advance(1);
    assert!(bench.group().member("m1").is_none());
}

#[test]
fn whoever_is_silent_is_fenced() {
    let (mut bench, mut one, mut two) = two_members();
    one.heartbeat(&mut bench);
    bench.f.advance(44_999);
    assert!(bench.group().member("m1").is_some());
    two.heartbeat(&mut bench);
    bench.f.advance(1);
    assert!(bench.group().member("m1").is_none());
    assert_eq!(one.heartbeat(&mut bench), ErrorCode::UNKNOWN_MEMBER_ID);
    bench.settle(&mut [&mut two]);
    assert_eq!(two.owned.len(), 4);
}

#[test]
fn a_group_may_have_its_own_session_timeout() {
    let (mut bench, mut one, mut two) = two_members();
    bench.change(|cluster| cluster.set("g", "consumer.session.timeout.ms", "50000"));
    one.heartbeat(&mut bench);
    two.heartbeat(&mut bench);
    bench.f.advance(49_999);
    assert_eq!(bench.group().member_count(), 2);
    bench.f.advance(1);
    assert_eq!(bench.group().member_count(), 0);
}
