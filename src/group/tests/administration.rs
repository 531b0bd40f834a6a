//! Listing, describing and deleting groups.

use std::sync::Arc;

use super::fixture::{Fixture, GROUP, commit_of, join, join_as, subscription};
use crate::base::ErrorCode;
use crate::group::{CommitOffsets, DeleteGroup, ListFilter, NotDescribed, StateName};

fn delete(host: &mut Fixture, group: &str) -> ErrorCode {
    host.ask(DeleteGroup {
        group: group.into(),
    })
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut host = Fixture::new();
    host.stable_group(1);
    host.commit(CommitOffsets {
        group: "simple".into(),
        ..commit_of("", -1, "t", 1)
    });
    let list = |states: &[&str], types: &[&str]| {
        let filter = ListFilter::new(states.iter().copied(), types.iter().copied());
        let listing = host.registry.listing();
        let listed = listing.groups.iter().filter(|group| filter.lets(group));
        listed
            .map(|listed| listed.group.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(&[], &[]), [GROUP, "simple"]);
    assert_eq!(list(&["stable"], &[]), [GROUP]);
    assert_eq!(list(&["Empty ", "Dead"], &["Classic"]), ["simple"]);
    assert_eq!(list(&[], &["consumer"]), [""; 0]);
    assert_eq!(list(&["", "no state"], &[]), [""; 0]);
}

#[test]
fn a_listing_is_shared_until_a_group_changes_and_kept_by_nobody_but_those_who_have_it() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    let first = host.registry.listing();
    assert_eq!(host.heartbeat(&ids[0], 1), ErrorCode::NONE);
    assert!(Arc::ptr_eq(&first, &host.registry.listing()));

    host.commit(CommitOffsets {
        group: "simple".into(),
        ..commit_of("", -1, "t", 1)
    });
    let second = host.registry.listing();
    assert_eq!((first.groups.len(), second.groups.len()), (1, 2));
    assert_eq!(delete(&mut host, "simple"), ErrorCode::NONE);
    assert_eq!(host.registry.listing().groups, first.groups);

    let is_kept = Arc::downgrade(&host.registry.listing());
    assert!(is_kept.upgrade().is_none());
}

#[test]
fn a_description_tells_protocol_and_metadata_only_of_stable_groups() {
    let mut host = Fixture::new();
    assert_eq!(host.registry.describe(GROUP), Err(NotDescribed::Unknown));
    let ids = host.stable_group(2);
    let stable = host.registry.describe(GROUP).unwrap();
    assert_eq!(stable.state, StateName::Stable);
    assert_eq!(
        (&*stable.protocol_type, &*stable.protocol),
        ("consumer", "range")
    );
    assert_eq!(stable.members.len(), 2);
    let member = &stable.members[0];
    assert_eq!(member.metadata, subscription(&["t"]));
    assert_eq!(member.assignment, member.member.as_bytes());
    assert_eq!(
        (&*member.client_id, &*member.client_host),
        ("client", "/127.0.0.1")
    );
    host.send(join_as(&ids[0]));
    let preparing = host.registry.describe(GROUP).unwrap();
    assert_eq!(preparing.state, StateName::PreparingRebalance);
    assert_eq!(&*preparing.protocol, "");
    assert!(
        preparing
            .members
            .iter()
            .all(|member| member.metadata.is_empty())
    );
}

#[test]
fn only_empty_groups_can_be_deleted_and_their_offsets_go_with_them() {
    let mut host = Fixture::new();
    assert_eq!(delete(&mut host, GROUP), ErrorCode::GROUP_ID_NOT_FOUND);
    let ids = host.stable_group(1);
    host.commit_as(&ids[0], 1, "t", 1);
    assert_eq!(delete(&mut host, GROUP), ErrorCode::NON_EMPTY_GROUP);
    host.leave(&[(&ids[0], None)]);
    let token = host.send(join());
    let pending = host.answered(token).member;
    assert_eq!(delete(&mut host, GROUP), ErrorCode::NONE);
    assert_eq!(host.state(), StateName::Dead);
    assert!(host.registry.fetch_offsets(GROUP, None, false).is_empty());
    assert!(host.timers.is_empty());
    assert_eq!(
        host.join_error(join_as(&pending)),
        ErrorCode::UNKNOWN_MEMBER_ID
    );
    assert_eq!(delete(&mut host, GROUP), ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn a_group_that_is_made_anew_begins_from_the_first_generation() {
    let mut host = Fixture::new();
    let ids = host.stable_group(1);
    host.leave(&[(&ids[0], None)]);
    assert_eq!(delete(&mut host, GROUP), ErrorCode::NONE);
    host.stable_group(1);
    assert_eq!(host.written().generation, 1);
}
