//! The memory of consumer groups.

use super::{Fixture, listed, member, put, topic};
use crate::group::consumer::{Assignment, records};
use crate::group::{Registry, Settings};

#[test]
fn idle_groups_make_room() {
    let mut host = Fixture::with(Settings {
        members_max_bytes: 20_000,
        ..Settings::default()
    });
    for number in 0..20 {
        let id = format!("g{number}");
        put(&mut host, [records::group_metadata(&id, 1, 0)]);
    }
    assert!(host.registry.held() > 20 * 512);
    host.stable_group(1);
    assert_eq!(listed(&host), [("classic", "Stable")]);
}

/// What `members` members in each of `groups` groups take in memory, and what is counted for them.
fn allocated_and_counted(groups: usize, members: usize, have_left: bool) -> (usize, usize) {
    let mut kept = Registry::new(Settings::default());
    let allocated = allocation_counter::measure(|| {
        let mut host = Fixture::new();
        for number in 0..groups {
            let id = format!("group-{number:06}");
            for number in 0..members {
                let member = member(&format!("member-{number:06}"));
                let target = Assignment::new([(topic(), vec![0, 1])]);
                put(
                    &mut host,
                    [
                        records::member_metadata(&id, &member),
                        records::target_member(&id, &member.id, &target),
                        records::current_assignment(&id, &member),
                    ],
                );
                if have_left {
                    put(
                        &mut host,
                        [
                            records::current_assignment_tombstone(&id, &member.id),
                            records::target_member_tombstone(&id, &member.id),
                            records::member_metadata_tombstone(&id, &member.id),
                        ],
                    );
                }
            }
            put(&mut host, [records::group_metadata(&id, 5, 11)]);
        }
        host.log = Vec::new();
        std::mem::swap(&mut kept, &mut host.registry);
    });
    let allocated = usize::try_from(allocated.bytes_current).unwrap();
    (allocated, kept.held())
}

#[test]
fn what_is_counted_is_at_least_what_is_taken() {
    for (groups, members, have_left) in [
        (200, 1, false),
        (1, 500, false),
        (200, 0, false),
        (200, 2, true),
    ] {
        let (allocated, counted) = allocated_and_counted(groups, members, have_left);
        assert!(
            allocated <= counted,
            "{allocated} bytes are counted as {counted}"
        );
        assert!(
            counted < 3 * allocated,
            "{allocated} bytes are counted as {counted}"
        );
    }
}
