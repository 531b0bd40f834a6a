//! Markers that end transactions on an internal partition. The host writes them first, and tells the machine when
//! they are in the log.

use tokio::sync::oneshot;

use crate::base::{Offset, TransactionEnd};
use crate::log::AppendError;
use crate::partition::AppendFailure;
use crate::record::control::TransactionMarker;

use super::error::CoordinatorError;
use super::failures;

/// Why a marker was not written.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// The host does not accept it now.
    #[error(transparent)]
    Coordinator(CoordinatorError),
    /// The log does not accept it, for example because the epoch of its coordinator or producer is old.
    #[error(transparent)]
    Refused(AppendError),
}

/// The reply channel for the sender of a marker.
pub(super) type MarkerAnswer = oneshot::Sender<Result<(), MarkerError>>;

/// A marker that is being written.
pub(super) struct Marking {
    pub(super) end: TransactionEnd,
    pub(super) answer: MarkerAnswer,
}

impl Marking {
    /// The marker at this place of the log.
    pub(super) const fn new(
        marker: &TransactionMarker,
        place: Offset,
        answer: MarkerAnswer,
    ) -> Self {
        let end = TransactionEnd {
            producer: marker.producer,
            is_committed: marker.end.committed,
            place,
        };
        Self { end, answer }
    }

    /// An earlier write has failed.
    pub(super) fn abandon(self, error: CoordinatorError) {
        drop(self.answer.send(Err(MarkerError::Coordinator(error))));
    }

    /// Reports why it was not written.
    pub(super) fn fail(self, failure: AppendFailure) {
        let error = match failure {
            AppendFailure::Refused(error)
                if !matches!(error, AppendError::Offline(_) | AppendError::Io(_)) =>
            {
                MarkerError::Refused(error)
            }
            failure => MarkerError::Coordinator(failures::of_append(&failure)),
        };
        drop(self.answer.send(Err(error)));
    }
}
