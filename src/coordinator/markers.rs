//! Markers that end transactions on an internal partition. They pass through its host: written first, and told to the
//! machine when they are in the log.

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
    /// Whose transaction ends.
    pub(super) producer: ProducerId,
    /// The producer's epoch.
    pub(super) epoch: ProducerEpoch,
    /// How, and who says so.
    pub(super) end: EndTransactionMarker,
}

impl Marker {
    /// The batch to be written. The log finds its place.
    pub(super) fn batch(&self, now: Timestamp) -> bytes::Bytes {
        let place = ControlPlace {
            base_offset: Offset::ZERO,
            leader_epoch: crate::base::LeaderEpoch::NONE,
            timestamp: now,
        };
        self.end.batch(place, self.producer, self.epoch)
    }

    /// What the machine hears when it is at this place of the log.
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
    /// The host does not take it now.
    #[error(transparent)]
    Coordinator(CoordinatorError),
    /// The log does not take it: its coordinator or its producer's epoch is an old one, say.
    #[error(transparent)]
    Refused(AppendError),
}

/// How the one who brought a marker hears of it.
pub(super) type MarkerAnswer = oneshot::Sender<Result<(), MarkerError>>;

/// A marker on its way into the log.
pub(super) struct Marking {
    pub(super) end: TransactionEnd,
    pub(super) answer: MarkerAnswer,
}

impl Marking {
    /// Whether only the marker is wrong, so that the machine can go on.
    pub(super) fn is_refused(failure: &AppendFailure) -> bool {
        matches!(failure, AppendFailure::Refused(_))
            && failures::of_append(failure) == CoordinatorError::Refused
    }

    /// Tells why it was not written.
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
