//! The states of a classic group and the moves between them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The name of a state, as Kafka's tools print it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateName {
    /// No members; perhaps offsets.
    Empty,
    /// Waiting for members to join the next generation.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// Every member can have its assignment.
    Stable,
    /// There is no such group. No group is ever kept in this state: it is what others are told.
    Dead,
}

impl StateName {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Empty,
        Self::PreparingRebalance,
        Self::CompletingRebalance,
        Self::Stable,
        Self::Dead,
    ];

    /// The state's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }

    /// Whether a group may move from `previous` to this state: the drawing in the room's contract
    /// as a table.
    pub const fn may_follow(self, previous: Self) -> bool {
        use StateName::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        match self {
            Empty | CompletingRebalance => matches!(previous, PreparingRebalance),
            PreparingRebalance => matches!(previous, Empty | CompletingRebalance | Stable),
            Stable => matches!(previous, CompletingRebalance),
            Dead => !matches!(previous, Dead),
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a group, with what is known only in that state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// Members join.
    PreparingRebalance {
        /// Present while a group that was empty gives further members time to come.
        initial: Option<InitialDelay>,
    },
    /// The leader makes the assignment.
    CompletingRebalance {
        /// Members that have not yet asked for their assignment, and are removed if they never do.
        awaited: BTreeSet<Arc<str>>,
    },
    /// The assignment is written.
    Stable {
        /// Those who still have not asked for it.
        awaited: BTreeSet<Arc<str>>,
    },
}

/// How a group that was empty waits for its first members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    /// How much longer the waiting may be prolonged.
    pub(crate) remaining_ms: i32,
    /// Whether somebody came since the timer was set, so that prolonging it is worth it.
    pub(crate) somebody_came: bool,
}

impl State {
    pub(crate) const fn name(&self) -> StateName {
        match self {
            Self::Empty => StateName::Empty,
            Self::PreparingRebalance { .. } => StateName::PreparingRebalance,
            Self::CompletingRebalance { .. } => StateName::CompletingRebalance,
            Self::Stable { .. } => StateName::Stable,
        }
    }

    /// The members that have not asked for their assignment.
    pub(crate) const fn awaited(&mut self) -> Option<&mut BTreeSet<Arc<str>>> {
        match self {
            Self::CompletingRebalance { awaited } | Self::Stable { awaited } => Some(awaited),
            Self::Empty | Self::PreparingRebalance { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StateName::{self, CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};

    #[test]
    fn exactly_these_moves_are_allowed() {
        let allowed = [
            (Empty, PreparingRebalance),
            (PreparingRebalance, Empty),
            (PreparingRebalance, CompletingRebalance),
            (CompletingRebalance, PreparingRebalance),
            (CompletingRebalance, Stable),
            (Stable, PreparingRebalance),
            (Empty, Dead),
            (PreparingRebalance, Dead),
            (CompletingRebalance, Dead),
            (Stable, Dead),
        ];
        for from in StateName::ALL {
            for to in StateName::ALL {
                assert_eq!(
                    to.may_follow(from),
                    allowed.contains(&(from, to)),
                    "{from} to {to}"
                );
            }
        }
    }
}
