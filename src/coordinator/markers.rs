//! Markers that end transactions on an internal partition. The host writes them first, and tells the machine when
//! they are in the log.

use tokio::sync::oneshot;

use crate::base::{Offset, ProducerEpoch, ProducerId, Timestamp, TransactionEnd};
use crate::log::AppendError;
use crate::partition::AppendFailure;
use crate::record::control::{ControlPlace, EndTransactionMarker};

use super::error::CoordinatorError;
use super::failures;

/// A marker to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// The producer whose transaction ends.
    pub(super) producer: ProducerId,
    /// The producer's epoch.
    pub(super) epoch: ProducerEpoch,
    /// The kind of marker, and its coordinator's epoch.
    pub(super) end: EndTransactionMarker,
}

impl Marker {
    /// The batch to be written. The log assigns its offset.
    pub(super) fn batch(&self, now: Timestamp) -> bytes::Bytes {
        let place = ControlPlace {
            base_offset: Offset::ZERO,
            leader_epoch: crate::base::LeaderEpoch::NONE,
            timestamp: now,
        };
        self.end.batch(place, self.producer, self.epoch)
    }

    /// What the machine is told at this place of the log.
    pub(super) const fn at(&self, place: Offset) -> TransactionEnd {
        TransactionEnd {
            producer: self.producer,
            is_committed: self.end.committed,
            place,
        }
    }
}

/// Why a marker was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum MarkerError {
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
    /// Whether only the marker is wrong, so that the machine can continue.
    pub(super) fn is_refused(failure: &AppendFailure) -> bool {
        matches!(failure, AppendFailure::Refused(_))
            && failures::of_append(failure) == CoordinatorError::Refused
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
