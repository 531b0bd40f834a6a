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
    /// The group does not exist. No group is ever in this state: it is only reported.
    Dead,
}

impl StateName {
    /// All states.
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

    /// Whether a group may move from `previous` to this state: the diagram of the module page as a table.
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

/// The state of a group, with the data of that state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No members.
    Empty,
    /// Members join.
    PreparingRebalance {
        /// Present while a group that was empty waits for further members.
        initial: Option<InitialDelay>,
    },
    /// The leader computes the assignment.
    CompletingRebalance {
        /// Members that have not sent a SyncGroup yet; at the timeout they are removed.
        awaited: BTreeSet<Arc<str>>,
    },
    /// The assignment is written.
    Stable {
        /// The members that have not sent a SyncGroup yet.
        awaited: BTreeSet<Arc<str>>,
    },
}

/// The initial delay of a group that was empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InitialDelay {
    /// How much longer the delay may be extended.
    pub(crate) remaining_ms: i32,
    /// Whether a member has joined since the timer was set: then the delay is extended.
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

    /// The members that have not sent a SyncGroup.
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
