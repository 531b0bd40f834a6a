//! A member of a consumer group, as in the log.

use std::sync::Arc;

use super::{Held, Owned};
use crate::base::TopicId;
use crate::group::asks::Protocol;

/// A member. Its first part is in the record of its metadata, the last in that of its current assignment.
///
/// A copy is cheap: a decision changes a copy, compares it with the present one and writes what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    /// The name of a static member.
    pub(crate) instance: Option<Arc<str>>,
    pub(crate) rack: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) subscription: Subscription,
    /// -1 if the member did not say.
    pub(crate) rebalance_timeout_ms: i32,
    /// The assignor that the member asks for.
    pub(crate) assignor: Option<Arc<str>>,
    /// What a member that speaks the classic protocol said as it joined.
    pub(crate) classic: Option<ClassicMember>,

    /// -1 once the member has left, -2 while a static member is away.
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) assigned: Owned,
    pub(crate) pending_revocation: Owned,
}

/// What a member wants to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// Topic names, sorted, each once.
    pub(crate) names: Names,
    /// A regular expression over topic names; never empty.
    pub(crate) expression: Option<Arc<str>>,
}

/// Topic names, sorted, each once, shared between copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(Arc<[Arc<str>]>);

impl Names {
    pub(crate) fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort();
        names.dedup();
        Self(names.into())
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Arc<str>> {
        self.0.iter()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Arc<str>] {
        &self.0
    }
}

/// What only a member has that speaks the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassicMember {
    pub(crate) session_timeout_ms: i32,
    /// In order of preference.
    pub(crate) protocols: Arc<[Protocol]>,
}

/// How far a member is with its assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has what it shall have at its epoch.
    Stable,
    /// It has not given up yet what it must.
    UnrevokedPartitions,
    /// It waits for partitions that others have not given up yet.
    UnreleasedPartitions,
    /// A newer release wrote a state that is not known here. The member must join again.
    Unknown,
}

impl MemberState {
    /// Kafka's number.
    pub(crate) const fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    pub(crate) const fn of_number(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

impl Member {
    /// The epoch of a new member.
    pub(crate) const JOIN_EPOCH: i32 = 0;
    /// The epoch of a member that leaves.
    pub(crate) const LEAVE_EPOCH: i32 = -1;
    /// The epoch of a static member that leaves and means to come back.
    pub(crate) const LEAVE_STATIC_EPOCH: i32 = -2;

    /// A member of which nothing is known yet.
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            instance: None,
            rack: None,
            client_id: Arc::default(),
            client_host: Arc::default(),
            subscription: Subscription::default(),
            rebalance_timeout_ms: -1,
            assignor: None,
            classic: None,
            epoch: Self::JOIN_EPOCH,
            previous_epoch: Self::LEAVE_EPOCH,
            state: MemberState::Stable,
            assigned: Owned::empty(),
            pending_revocation: Owned::empty(),
        }
    }

    /// The same with the parts of `other` that are in the record of the metadata.
    pub(super) fn with_metadata_of(&self, other: Self) -> Self {
        Self {
            epoch: self.epoch,
            previous_epoch: self.previous_epoch,
            state: self.state,
            assigned: self.assigned.clone(),
            pending_revocation: self.pending_revocation.clone(),
            ..other
        }
    }

    /// The same with the parts of `other` that are in the record of the current assignment.
    pub(super) fn with_assignment_of(&self, other: Self) -> Self {
        other.with_metadata_of(self.clone())
    }

    /// Whether the member speaks the classic protocol.
    pub(crate) const fn is_classic(&self) -> bool {
        self.classic.is_some()
    }

    /// Whether the member has what it shall have at this epoch of the target assignment.
    pub(crate) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    /// The partitions that the member has or has not given up yet, with the epoch at which it got them.
    pub(crate) fn owned(&self) -> impl Iterator<Item = (TopicId, Held)> {
        self.assigned.iter().chain(self.pending_revocation.iter())
    }
}
