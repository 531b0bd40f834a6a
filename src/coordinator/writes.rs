//! Writes in progress, and what depends on the log's word.
//!
//! Records of a decision are not refused: the host knows what the log takes. Two kinds of writes can be, and the machine
//! goes on: a marker, which the machine is told only when it is in the log, and records of a transaction. These change
//! nothing before the marker, so the machine can take them back. The replies wait in the write itself.

use std::ops::Range;

use crate::base::{Offset, Transaction};
use crate::partition::{AppendFailure, PendingAppend};

use super::asking::Parked;
use super::error::CoordinatorError;
use super::failures;
use super::machine::Subject;
use super::markers::Marking;

/// A write in progress.
pub(super) struct Write<E> {
    pub(super) subject: Subject,
    pub(super) append: PendingAppend,
    pub(super) kind: Written<E>,
}

/// What is written.
pub(super) enum Written<E> {
    Records,
    Marker(Marking),
    InTransaction(Tentative<E>),
}

/// Records of an open transaction, which the log may refuse.
pub(super) struct Tentative<E> {
    pub(super) under: Transaction,
    /// The places of the records.
    pub(super) places: Range<Offset>,
    /// Replies and effects of the decision.
    pub(super) parked: Vec<Parked<E>>,
}

impl<E> Tentative<E> {
    /// The records are in the log.
    pub(super) fn release(self, have: &dyn Fn(E)) {
        self.parked.into_iter().for_each(|one| one.release(have));
    }

    /// They will never be.
    pub(super) fn fail(self, error: CoordinatorError) {
        self.parked.into_iter().for_each(|one| one.fail(error));
    }
}

impl<E> Written<E> {
    /// Whether only this write is wrong, so that the machine can continue.
    pub(super) fn is_refused(&self, failure: &AppendFailure) -> bool {
        !matches!(self, Self::Records)
            && matches!(failure, AppendFailure::Refused(_))
            && failures::of_append(failure) == CoordinatorError::Refused
    }

    /// Reports why it was not written.
    pub(super) fn fail(self, failure: AppendFailure) {
        match self {
            Self::Records => {}
            Self::Marker(marking) => marking.fail(failure),
            Self::InTransaction(tentative) => {
                tentative.fail(failures::of_append_in_transaction(&failure));
            }
        }
    }

    /// An earlier write has failed.
    pub(super) fn abandon(self, error: CoordinatorError) {
        match self {
            Self::Records => {}
            Self::Marker(marking) => marking.abandon(error),
            Self::InTransaction(tentative) => tentative.fail(error),
        }
    }
}
