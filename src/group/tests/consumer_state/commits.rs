//! Who may commit and fetch offsets of a consumer group.

use super::{GROUP, commit, commit_to, described, listed, member, with_group};
use crate::base::{ErrorCode, Offset};
use crate::group::CommitOffsets;
use crate::group::consumer::{ClassicMember, Member};

#[test]
fn members_commit_with_their_epoch_or_one_since_they_have_the_partition() {
    let mut host = with_group(Some(&member("m")));
    for (epoch, partition, error) in [
        (5, 0, ErrorCode::NONE),
        (5, 9, ErrorCode::NONE),
        (4, 0, ErrorCode::NONE),
        (3, 0, ErrorCode::NONE),
        (2, 0, ErrorCode::STALE_MEMBER_EPOCH),
        (4, 1, ErrorCode::STALE_MEMBER_EPOCH),
        (4, 2, ErrorCode::NONE),
        (3, 2, ErrorCode::STALE_MEMBER_EPOCH),
        (4, 9, ErrorCode::STALE_MEMBER_EPOCH),
        (6, 0, ErrorCode::STALE_MEMBER_EPOCH),
        (-1, 0, ErrorCode::STALE_MEMBER_EPOCH),
    ] {
        assert_eq!(
            commit(&mut host, "m", epoch, partition),
            error,
            "{epoch}, {partition}"
        );
        let code = host.commit_under(7, commit_to("m", epoch, &[partition]))[0].1;
        assert_eq!(code, error, "in a transaction");
    }
    for (member, epoch) in [("n", 5), ("", -1), ("", 5)] {
        assert_eq!(
            commit(&mut host, member, epoch, 0),
            ErrorCode::UNKNOWN_MEMBER_ID
        );
    }
    // One partition that is not the member's is enough.
    let written = host.log.len();
    let codes = host.commit(commit_to("m", 4, &[0, 1]));
    assert!(
        codes
            .iter()
            .all(|(_, code)| *code == ErrorCode::STALE_MEMBER_EPOCH)
    );
    assert_eq!(host.log.len(), written);
    // Unless its metadata is refused before that.
    let mut commits = commit_to("m", 4, &[0, 1]);
    commits.offsets[1].metadata = Some("x".repeat(5_000).into());
    let codes: Vec<_> = host
        .commit(commits)
        .into_iter()
        .map(|(_, code)| code)
        .collect();
    assert_eq!(
        codes,
        [ErrorCode::NONE, ErrorCode::OFFSET_METADATA_TOO_LARGE]
    );
    let old = CommitOffsets {
        knows_member_epochs: false,
        ..commit_to("m", 5, &[0])
    };
    assert_eq!(host.commit(old)[0].1, ErrorCode::UNSUPPORTED_VERSION);
}

#[test]
fn in_a_transaction_nobody_needs_to_be_named() {
    let mut host = with_group(Some(&member("m")));
    let mut code = |member: &str, epoch| host.commit_under(7, commit_to(member, epoch, &[0]))[0].1;
    assert_eq!(code("", -1), ErrorCode::NONE);
    assert_eq!(code("n", -1), ErrorCode::UNKNOWN_MEMBER_ID);
    host.end(7, false);
    assert_eq!(listed(&host), [("consumer", "Stable")]);
}

#[test]
fn a_classic_member_hears_of_generations() {
    let classic = Member {
        classic: Some(ClassicMember {
            session_timeout_ms: 10_000,
            protocols: [].into(),
        }),
        ..member("m")
    };
    let mut host = with_group(Some(&classic));
    let old = |epoch| CommitOffsets {
        knows_member_epochs: false,
        ..commit_to("m", epoch, &[0])
    };
    assert_eq!(host.commit(old(5))[0].1, ErrorCode::NONE);
    assert_eq!(host.commit(old(2))[0].1, ErrorCode::ILLEGAL_GENERATION);
    let fetch = host.registry.allow_fetch(GROUP, Some("m"), 4);
    assert_eq!(fetch, Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(described(&host).members[0].member_type, 0);
}

#[test]
fn everybody_commits_to_an_empty_group_and_it_keeps_its_type() {
    let mut host = with_group(None);
    assert_eq!(commit(&mut host, "", -1, 0), ErrorCode::NONE);
    assert_eq!(commit(&mut host, "m", -1, 1), ErrorCode::NONE);
    assert_eq!(commit(&mut host, "m", 0, 0), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(listed(&host), [("consumer", "Empty")]);
    host.reload();
    assert_eq!(listed(&host), [("consumer", "Empty")]);
    assert_eq!(host.offset("t"), Offset(7));
}

#[test]
fn offsets_are_fetched_with_the_members_epoch_or_without_any() {
    let host = with_group(Some(&member("m")));
    for (member, epoch, allowed) in [
        (None, -1, Ok(())),
        (None, 5, Err(ErrorCode::UNKNOWN_MEMBER_ID)),
        (Some("m"), 5, Ok(())),
        (Some("m"), 4, Err(ErrorCode::STALE_MEMBER_EPOCH)),
        (Some("m"), -1, Err(ErrorCode::STALE_MEMBER_EPOCH)),
        (Some("n"), 5, Err(ErrorCode::UNKNOWN_MEMBER_ID)),
        (Some(""), -1, Err(ErrorCode::UNKNOWN_MEMBER_ID)),
    ] {
        assert_eq!(host.registry.allow_fetch(GROUP, member, epoch), allowed);
        assert_eq!(host.registry.allow_fetch("other", member, epoch), Ok(()));
    }
}
