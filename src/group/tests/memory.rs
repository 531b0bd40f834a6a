//! The memory limit of members, and metadata that does not fit in a record.

use std::sync::Arc;

use bytes::Bytes;

use super::fixture::{Fixture, GROUP, join, join_as, static_join};
use crate::base::{Bounds, ErrorCode};
use crate::group::{DeleteGroup, Join, Protocol, Registry, Settings, StateName};

fn limited_to(members_max_bytes: usize) -> Fixture {
    Fixture::with(Settings {
        members_max_bytes,
        ..Settings::default()
    })
}

fn with_metadata(join: Join, names: &[&str], bytes: usize) -> Join {
    let protocol = |name: &&str| Protocol {
        name: (*name).into(),
        metadata: Bytes::from(vec![0; bytes]),
    };
    Join {
        protocols: names.iter().map(protocol).collect(),
        ..join
    }
}

fn in_group(group: &str, join: Join) -> Join {
    Join {
        group: group.into(),
        ..join
    }
}

#[test]
fn metadata_that_no_batch_could_hold_is_refused_before_anything_is_kept() {
    let mut host = Fixture::new();
    host.registry.within(Bounds {
        largest_batch: 10_000,
        ..Bounds::default()
    });
    let large = with_metadata(join(), &["range"], 10_000);
    assert_eq!(host.join_error(large), ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(host.state(), StateName::Dead);
    // One protocol that does not fit is enough for the refusal: it may be the chosen one.
    let mut mixed = with_metadata(join(), &["range", "sticky"], 10);
    mixed.protocols[1].metadata = Bytes::from(vec![0; 10_000]);
    assert_eq!(host.join_error(mixed), ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(host.registry.held(), 0);
}

#[test]
fn a_group_takes_as_many_members_as_a_batch_could_hold() {
    let mut host = Fixture::new();
    let largest_batch = 10_000;
    host.registry.within(Bounds {
        largest_batch,
        ..Bounds::default()
    });
    let member = || with_metadata(join(), &["range"], 2_000);
    let mut joining = Vec::new();
    loop {
        let token = host.send(member());
        let reply = host.answered(token);
        if reply.error == ErrorCode::GROUP_MAX_SIZE_REACHED {
            break;
        }
        assert_eq!(reply.error, ErrorCode::MEMBER_ID_REQUIRED);
        let token = host.send(Join {
            member: Arc::clone(&reply.member),
            ..member()
        });
        joining.push((reply.member, token));
    }
    assert_eq!(joining.len(), 4);
    host.advance(10_000);
    let ids: Vec<_> = joining
        .into_iter()
        .map(|(id, token)| {
            assert_eq!(host.answered(token).error, ErrorCode::NONE);
            id
        })
        .collect();
    let leader = host.registry.describe(GROUP).unwrap().members[0]
        .member
        .clone();
    let parts: Vec<_> = ids.iter().map(|id| (&**id, "part")).collect();
    host.sync(&leader, 1, &parts);
    assert_eq!(host.state(), StateName::Stable);
    let record = host.log.last().unwrap();
    assert!(record.value.as_ref().unwrap().len() + record.key.len() + 64 < largest_batch);
    // Members may join again as before, and with slightly less; not with more than there is room for.
    let again = |bytes| with_metadata(join_as(&ids[0]), &["range"], bytes);
    assert_eq!(
        host.join_error(again(4_000)),
        ErrorCode::GROUP_MAX_SIZE_REACHED
    );
    let token = host.send(again(1_900));
    assert_eq!(host.answer(token), None);
}

#[test]
fn a_static_member_takes_the_room_of_its_former_self() {
    let mut host = Fixture::new();
    host.registry.within(Bounds {
        largest_batch: 3_000,
        ..Bounds::default()
    });
    let member = || with_metadata(static_join("one"), &["range"], 2_000);
    host.send(member());
    host.advance(10_000);
    assert_eq!(host.join_error(member()), ErrorCode::NONE);
}

#[test]
fn what_members_hold_is_bounded_over_all_groups_and_given_back() {
    let mut host = limited_to(100_000);
    let stranger = |number: usize| {
        in_group(
            &format!("stranger-{number}"),
            with_metadata(
                Join {
                    needs_known_member_id: false,
                    ..join()
                },
                &["range"],
                10_000,
            ),
        )
    };
    let mut taken = 0;
    loop {
        let mut joins = stranger(taken);
        // As if each came from another address.
        joins.client_host = format!("/10.0.0.{taken}").into();
        let token = host.send(joins);
        match host.answer(token) {
            None => taken += 1,
            Some(reply) => {
                assert_eq!(reply.error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
                break;
            }
        }
    }
    assert!((4..10).contains(&taken), "{taken}");
    assert!(host.registry.held() <= 100_000);
    // They never send a SyncGroup.
    host.advance(1_000_000);
    let (_, token) = host.join_with_new_id(with_metadata(join(), &["range"], 10_000));
    assert_eq!(host.answer(token), None);
}

#[test]
fn one_address_leaves_room_for_others() {
    let mut host = limited_to(200_000);
    let from = |address: &str, number: usize| {
        let group = format!("group-{address}-{number}");
        let join = with_metadata(join(), &["range"], 4_000);
        Join {
            client_host: address.into(),
            ..in_group(&group, join)
        }
    };
    let mut refused = |address: &str| {
        (0..).find(|number| {
            let token = host.send(from(address, *number));
            let reply = host.answered(token);
            if reply.error == ErrorCode::COORDINATOR_NOT_AVAILABLE {
                return true;
            }
            host.send(Join {
                member: reply.member,
                ..from(address, *number)
            });
            false
        })
    };
    let stranger = refused("/10.0.0.1").unwrap();
    let honest = refused("/10.0.0.2").unwrap();
    assert!(stranger > 5 && honest > 5, "{stranger} and {honest}");
    assert!(host.registry.held() < 200_000);
}

#[test]
fn members_of_other_partitions_count() {
    let mut host = limited_to(100_000);
    let elsewhere = |held_elsewhere| Bounds {
        held_elsewhere,
        ..Bounds::default()
    };
    host.registry.within(elsewhere(99_500));
    assert_eq!(
        host.join_error(join()),
        ErrorCode::COORDINATOR_NOT_AVAILABLE
    );
    assert_eq!(host.state(), StateName::Dead);
    host.registry.within(elsewhere(50_000));
    let (id, _) = host.join_with_new_id(join());
    host.advance(10_000);
    // Members stay, however full it is, if they ask for no more.
    host.registry.within(elsewhere(1_000_000));
    let token = host.sync(&id, 1, &[(&id, "part")]);
    assert_eq!(
        host.answered(token).error,
        ErrorCode::COORDINATOR_NOT_AVAILABLE
    );
    let token = host.sync(&id, 1, &[]);
    assert_eq!(host.answered(token).error, ErrorCode::NONE);
    assert_eq!(host.heartbeat(&id, 1), ErrorCode::NONE);
    assert_eq!(host.join_error(join_as(&id)), ErrorCode::NONE);
}

#[test]
fn a_large_assignment_is_counted_and_given_back() {
    let mut host = limited_to(100_000);
    let (id, token) = host.join_with_new_id(join());
    host.advance(10_000);
    assert_eq!(host.answered(token).error, ErrorCode::NONE);
    // It does not fit beside the member's other data; alone it would.
    let large = "x".repeat(99_900);
    let token = host.sync(&id, 1, &[(&id, &large)]);
    assert_eq!(
        host.answered(token).error,
        ErrorCode::COORDINATOR_NOT_AVAILABLE
    );
    let before = host.registry.held();
    let token = host.sync(&id, 1, &[(&id, &large[..50_000]), ("nobody", &large)]);
    assert_eq!(host.answered(token).error, ErrorCode::NONE);
    assert!(host.registry.held() > before + 50_000);
    host.leave(&[(&id, None)]);
    assert!(host.registry.held() < before);
}

#[test]
fn groups_that_are_nothing_but_a_name_make_room() {
    let limit = 40_000;
    let mut host = limited_to(limit);
    for number in 0.. {
        let token = host.send(Join {
            client_host: format!("/10.0.0.{number}").into(),
            ..in_group(&format!("name-{number}"), join())
        });
        if host.answered(token).error == ErrorCode::COORDINATOR_NOT_AVAILABLE {
            break;
        }
    }
    let names = host.registry.groups.iter().count();
    assert!(names > 10, "{names}");
    // The given-out ids are forgotten, and some of the groups stay until offsets expire.
    host.advance(20_000);
    let left = host.registry.groups.iter().count();
    assert!((1..names).contains(&left), "{left} of {names}");
    assert!(
        host.registry.held() <= limit / 16 + 1_000,
        "{}",
        host.registry.held()
    );
    // These are removed when there is no room.
    let elsewhere = Bounds {
        held_elsewhere: limit - host.registry.held() - 10_000,
        ..Bounds::default()
    };
    host.registry.within(elsewhere);
    let (_, token) = host.join_with_new_id(with_metadata(join(), &["range"], 5_000));
    assert_eq!(host.answer(token), None);
    assert!(host.registry.groups.iter().count() <= left);
}

#[test]
fn groups_that_are_nothing_but_a_name_stay_while_they_are_few() {
    let mut host = Fixture::new();
    let few = 20;
    for number in 0..few {
        let token = host.send(in_group(&format!("name-{number}"), join()));
        assert_eq!(host.answered(token).error, ErrorCode::MEMBER_ID_REQUIRED);
    }
    host.advance(100_000);
    assert_eq!(host.registry.groups.iter().count(), few);
}

#[test]
fn a_group_that_only_has_offsets_is_not_counted() {
    let mut host = Fixture::new();
    assert_eq!(host.commit_as("", -1, "t", 5), ErrorCode::NONE);
    assert_eq!(host.registry.held(), 0);
    host.reload();
    assert_eq!(host.registry.held(), 0);
    host.send(DeleteGroup {
        group: GROUP.into(),
    });
    assert_eq!(host.registry.held(), 0);
}

#[test]
fn a_reload_counts_what_the_log_has() {
    let mut host = Fixture::new();
    host.stable_group(3);
    let before = host.registry.held();
    host.reload();
    let loaded = host.registry.held();
    assert!(loaded > 0 && loaded <= before, "{loaded} of {before}");
}

#[test]
fn more_protocols_than_any_client_knows_are_refused() {
    let mut host = Fixture::new();
    let names: Vec<_> = (0..65).map(|number| format!("protocol-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let error = host.join_error(with_metadata(join(), &names, 1));
    assert_eq!(error, ErrorCode::INVALID_REQUEST);
    let token = host.send(with_metadata(join(), &names[1..], 1));
    assert_eq!(host.answered(token).error, ErrorCode::MEMBER_ID_REQUIRED);
}

/// The memory allocated for each of this many groups with one member, during its membership and after, and the
/// counted memory.
fn allocated_and_counted(is_empty: bool) -> (usize, usize) {
    let groups = 200;
    let mut kept = Registry::new(Settings::default());
    let allocated = allocation_counter::measure(|| {
        let mut host = Fixture::new();
        for number in 0..groups {
            host.send(in_group(
                &format!("group-{number:06}"),
                Join {
                    needs_known_member_id: false,
                    ..join()
                },
            ));
        }
        host.advance(if is_empty { 100_000 } else { 5_000 });
        host.log.clear();
        std::mem::swap(&mut kept, &mut host.registry);
    });
    let expected = if is_empty {
        StateName::Empty
    } else {
        StateName::CompletingRebalance
    };
    let listing = kept.listing();
    assert_eq!(listing.groups.len(), groups);
    assert!(
        listing
            .groups
            .iter()
            .all(|group| group.state == expected.as_str())
    );
    let allocated = usize::try_from(allocated.bytes_current).unwrap();
    (allocated / groups, kept.held() / groups)
}

#[test]
fn no_more_is_allocated_for_a_group_than_is_counted() {
    for (allocated, counted) in [false, true].map(allocated_and_counted) {
        assert!(
            allocated <= counted,
            "{allocated} bytes are allocated for each group, and {counted} are counted"
        );
    }
}
