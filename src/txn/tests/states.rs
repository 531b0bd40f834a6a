//! The table of allowed moves, over all pairs.

use crate::txn::StateName;
use crate::txn::StateName::{
    CompleteAbort, CompleteCommit, Dead, Empty, Ongoing, PrepareAbort, PrepareCommit,
    PrepareEpochFence,
};

/// As Kafka has it: what may come before each state.
const BEFORE: [(StateName, &[StateName]); 8] = [
    (Empty, &[Empty, CompleteCommit, CompleteAbort]),
    (Ongoing, &[Ongoing, Empty, CompleteCommit, CompleteAbort]),
    (PrepareCommit, &[Ongoing]),
    (
        PrepareAbort,
        &[
            Ongoing,
            PrepareEpochFence,
            Empty,
            CompleteCommit,
            CompleteAbort,
        ],
    ),
    (CompleteCommit, &[PrepareCommit]),
    (CompleteAbort, &[PrepareAbort]),
    (Dead, &[Empty, CompleteCommit, CompleteAbort]),
    (PrepareEpochFence, &[Ongoing]),
];

#[test]
fn every_pair_is_allowed_or_not_as_in_kafka() {
    for (after, allowed) in BEFORE {
        for before in StateName::ALL {
            assert_eq!(
                after.may_follow(before),
                allowed.contains(&before),
                "{before:?} -> {after:?}"
            );
        }
    }
}

#[test]
fn names_and_numbers_are_kafkas() {
    for (number, state) in StateName::ALL.into_iter().enumerate() {
        assert_eq!(state.number(), number as i8);
        assert_eq!(StateName::from_number(number as i8), Some(state));
        assert_eq!(state.as_str(), format!("{state:?}"));
        assert_eq!(StateName::from_name(state.as_str()), Some(state));
    }
    assert_eq!(StateName::from_number(8), None);
    assert_eq!(StateName::from_number(-1), None);
    assert_eq!(StateName::from_name("empty"), None);
}
