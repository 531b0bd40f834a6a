//! One rule each. The topic is always the same, unless there are two.

use super::*;
use crate::base::KafkaUuid;

const TOPIC: TopicId = KafkaUuid(uuid::Uuid::from_u128(1));
const OTHER: TopicId = KafkaUuid(uuid::Uuid::from_u128(2));

fn held(partitions: &[(i32, i32)]) -> Owned {
    let partitions = partitions.iter().map(|(partition, since)| Held {
        partition: *partition,
        since: *since,
    });
    partitions.map(|held| (TOPIC, held)).collect()
}

fn target(partitions: &[i32]) -> Assignment {
    Assignment::new([(TOPIC, partitions.to_vec())])
}

fn member(state: MemberState, epoch: i32, assigned: Owned) -> Member {
    Member {
        state,
        epoch,
        previous_epoch: epoch - 1,
        assigned,
        ..Member::new("m".into())
    }
}

/// Takes a step towards `target` at epoch 10; others have the partitions of `others`.
fn step(
    member: &Member,
    target: &[i32],
    others: &[i32],
    reported: Option<&[i32]>,
) -> Result<Member, InUnknownState> {
    let own: Vec<_> = member
        .assigned
        .iter()
        .chain(member.pending_revocation.iter())
        .collect();
    let is_owned = |topic: TopicId, partition: i32| {
        others.contains(&partition)
            || own
                .iter()
                .any(|(of, held)| (*of, held.partition) == (topic, partition))
    };
    let reported: Option<Vec<_>> = reported.map(|partitions| vec![(TOPIC, partitions.to_vec())]);
    Step {
        member,
        target_epoch: 10,
        target: &self::target(target),
        has_new_subscription: false,
        is_subscribed: true,
        reads: &|topic| topic == TOPIC,
        is_owned: &is_owned,
        reported: reported.as_deref(),
    }
    .take()
}

/// What a member is like, in one line.
fn seen(member: &Member) -> (MemberState, i32, i32, Vec<(i32, i32)>, Vec<i32>) {
    let assigned = member.assigned.iter();
    let assigned = assigned.map(|(_, held)| (held.partition, held.since));
    let pending = member.pending_revocation.iter();
    let pending = pending.map(|(_, held)| held.partition);
    (
        member.state,
        member.epoch,
        member.previous_epoch,
        assigned.collect(),
        pending.collect(),
    )
}

use MemberState::{Stable, Unknown, UnreleasedPartitions, UnrevokedPartitions};

#[test]
fn a_new_member_gets_what_is_free() {
    let new = Member::new("m".into());
    let next = step(&new, &[0, 1], &[], Some(&[])).unwrap();
    assert_eq!(seen(&next), (Stable, 10, 0, vec![(0, 10), (1, 10)], vec![]));
    let next = step(&new, &[0, 1], &[1], Some(&[])).unwrap();
    assert_eq!(
        seen(&next),
        (UnreleasedPartitions, 10, 0, vec![(0, 10)], vec![])
    );
    let next = step(&new, &[1], &[1], Some(&[])).unwrap();
    assert_eq!(seen(&next), (UnreleasedPartitions, 10, 0, vec![], vec![]));
    let next = step(&new, &[], &[], Some(&[])).unwrap();
    assert_eq!(seen(&next), (Stable, 10, 0, vec![], vec![]));
}

#[test]
fn a_member_gives_up_before_it_gets() {
    let stable = member(Stable, 9, held(&[(0, 5), (1, 9)]));
    let revoking = step(&stable, &[1, 2], &[], None).unwrap();
    assert_eq!(
        seen(&revoking),
        (UnrevokedPartitions, 9, 9, vec![(1, 9)], vec![0])
    );
    // It does not say, or still has it.
    assert_eq!(step(&revoking, &[1, 2], &[], None).unwrap(), revoking);
    assert_eq!(
        step(&revoking, &[1, 2], &[], Some(&[0, 1])).unwrap(),
        revoking
    );
    let done = step(&revoking, &[1, 2], &[], Some(&[1])).unwrap();
    assert_eq!(seen(&done), (Stable, 10, 9, vec![(1, 9), (2, 10)], vec![]));
    // It had given it up already when it was asked to.
    let at_once = step(&stable, &[1, 2], &[], Some(&[1])).unwrap();
    assert_eq!(
        seen(&at_once),
        (Stable, 10, 9, vec![(1, 9), (2, 10)], vec![])
    );
}

#[test]
fn what_a_member_gives_up_it_may_get_again() {
    let stable = member(Stable, 9, held(&[(0, 5), (1, 9)]));
    let revoking = step(&stable, &[1], &[], None).unwrap();
    // A newer target has the partition again.
    let next = step(&revoking, &[0, 1], &[], Some(&[1])).unwrap();
    assert_eq!(seen(&next), (Stable, 10, 9, vec![(0, 10), (1, 9)], vec![]));
}

#[test]
fn a_newer_target_may_take_more_before_anything_is_given() {
    let revoking = Member {
        pending_revocation: held(&[(3, 5)]),
        ..member(UnrevokedPartitions, 9, held(&[(0, 5), (1, 9)]))
    };
    let next = step(&revoking, &[1], &[], Some(&[0, 1])).unwrap();
    assert_eq!(
        seen(&next),
        (UnrevokedPartitions, 9, 9, vec![(1, 9)], vec![0])
    );
}

#[test]
fn a_waiting_member_gets_what_comes_free() {
    let waiting = member(UnreleasedPartitions, 10, held(&[(0, 5)]));
    let next = step(&waiting, &[0, 1, 2], &[2], None).unwrap();
    let got = vec![(0, 5), (1, 10)];
    assert_eq!(seen(&next), (UnreleasedPartitions, 10, 10, got, vec![]));
    let next = step(&next, &[0, 1, 2], &[], None).unwrap();
    let got = vec![(0, 5), (1, 10), (2, 10)];
    assert_eq!(seen(&next), (Stable, 10, 10, got, vec![]));
}

#[test]
fn a_member_in_its_epoch_stays_as_it_is() {
    let stable = member(Stable, 10, held(&[(0, 5)]));
    assert_eq!(step(&stable, &[0, 1], &[], None).unwrap(), stable);
}

#[test]
fn whoever_is_in_a_state_that_nobody_knows_joins_again() {
    let unknown = member(Unknown, 9, held(&[(0, 5)]));
    assert_eq!(step(&unknown, &[0, 1], &[], None), Err(InUnknownState));
    assert_eq!(
        step(&unknown, &[0, 1], &[], Some(&[0])),
        Err(InUnknownState)
    );
    let mut nothing = Step {
        member: &unknown,
        target_epoch: 10,
        target: &target(&[0, 1]),
        has_new_subscription: false,
        is_subscribed: true,
        reads: &|_| true,
        is_owned: &|_, _| false,
        reported: Some(&[]),
    };
    let next = nothing.take().unwrap();
    assert_eq!(seen(&next), (Stable, 10, 9, vec![(0, 5), (1, 10)], vec![]));
    nothing.reported = None;
    assert_eq!(nothing.take(), Err(InUnknownState));
}

#[test]
fn other_topics_are_taken_before_there_is_a_new_target() {
    let one = held(&[(0, 5)]);
    let other = Held {
        partition: 3,
        since: 7,
    };
    let both = one.iter().chain([(OTHER, other)]).collect();
    let stable = member(Stable, 10, both);
    let mut change = Step {
        member: &stable,
        target_epoch: 10,
        target: &target(&[0]),
        has_new_subscription: true,
        is_subscribed: true,
        reads: &|topic| topic == TOPIC,
        is_owned: &|_, _| true,
        reported: None,
    };
    let next = change.take().unwrap();
    assert_eq!(
        seen(&next),
        (UnrevokedPartitions, 10, 10, vec![(0, 5)], vec![3])
    );
    // It has given them up already.
    change.reported = Some(&[]);
    let next = change.take().unwrap();
    assert_eq!(seen(&next), (Stable, 10, 10, vec![(0, 5)], vec![]));
    // It reads nothing any more.
    change.reported = None;
    (change.reads, change.is_subscribed) = (&|_| false, false);
    let next = change.take().unwrap();
    assert_eq!(
        seen(&next),
        (UnrevokedPartitions, 10, 10, vec![], vec![0, 3])
    );
    // Nothing that it has is concerned.
    (change.reads, change.is_subscribed) = (&|_| true, true);
    assert_eq!(change.take().unwrap(), stable);
}

#[test]
fn a_target_counts_only_for_topics_that_the_member_reads() {
    let new = Member::new("m".into());
    let none = Step {
        member: &new,
        target_epoch: 10,
        target: &target(&[0, 1]),
        has_new_subscription: true,
        is_subscribed: false,
        reads: &|_| false,
        is_owned: &|_, _| false,
        reported: Some(&[]),
    };
    assert_eq!(seen(&none.take().unwrap()), (Stable, 10, 0, vec![], vec![]));
}
