//! Decisions that could not be written: the errors for the requests, and the log line with the operation, its key,
//! the reason and the cure.
//!
//! | the write | the request gets, as with Kafka | the machine |
//! | --- | --- | --- |
//! | in a transaction whose producer has a newer epoch, or that has ended | `ProducerFenced`, `TransactionEnded` | continues: [`settled`](super::machine::Machine::settled) |
//! | larger than a batch may be | `Refused`: it would not succeed later either | continues: [`not_written`](super::machine::Machine::not_written) |
//! | log directory offline | `NotCoordinator`: clients look for the coordinator | does not serve until a start with the directory |
//! | not led here any more, topic deleted, broker stops | `NotCoordinator` | belongs to another broker |
//! | too few replicas in sync | `NotAvailable` | is loaded again |
//! | not done within `offsets.commit.timeout.ms` (decided in `groups.rs`) | `NotAvailable` | the write may still succeed |
//!
//! A disk that is nearly full is no such failure: below `zurau.disk.reserve.bytes` coordinators can still write. The
//! reserve exists for that.

use crate::base::{TopicPartition, limited};
use crate::log::AppendError;
use crate::partition::{AfterAppend, AppendFailure};

use super::error::CoordinatorError;
use super::machine::Subject;

/// The error for requests that wait for a failed append.
pub(super) const fn of_append(failure: &AppendFailure) -> CoordinatorError {
    match failure {
        AppendFailure::NotLeader
        | AppendFailure::Gone
        | AppendFailure::Storage
        | AppendFailure::AfterAppend(_, AfterAppend::NotLeader | AfterAppend::Storage)
        | AppendFailure::Refused(AppendError::Offline(_) | AppendError::Io(_)) => {
            CoordinatorError::NotCoordinator
        }
        AppendFailure::NotEnoughReplicas { .. }
        | AppendFailure::DiskNearlyFull
        | AppendFailure::AfterAppend(_, AfterAppend::TimedOut | AfterAppend::NotEnoughReplicas)
        | AppendFailure::TimedOut(_) => CoordinatorError::NotAvailable,
        AppendFailure::Refused(_) => CoordinatorError::Refused,
    }
}

/// The same for records of an open transaction.
pub(super) const fn of_append_in_transaction(failure: &AppendFailure) -> CoordinatorError {
    match failure {
        AppendFailure::Refused(AppendError::InvalidProducerEpoch { .. }) => {
            CoordinatorError::ProducerFenced
        }
        AppendFailure::Refused(
            AppendError::NotInTransaction { .. } | AppendError::InvalidTransactionState { .. },
        ) => CoordinatorError::TransactionEnded,
        failure => of_append(failure),
    }
}

/// Logs that an append has failed.
pub(super) fn tell(
    partition: &TopicPartition,
    subject: &Subject,
    failure: &AppendFailure,
    too_large_cure: &'static str,
) {
    let Subject { operation, key } = subject;
    if matches!(
        failure,
        AppendFailure::NotLeader
            | AppendFailure::AfterAppend(_, AfterAppend::NotLeader)
            | AppendFailure::Gone
    ) {
        limited!(
            info,
            "coordinator operation not written: the partition is not led here any more",
            %key, operation, %partition
        );
        return;
    }
    limited!(
        error,
        "coordinator operation not written: the client gets an error, and the partition is loaded again",
        %key, operation, %partition, %failure, cure = cure(failure, too_large_cure)
    );
}

/// Logs that a decision was larger than a batch may be.
pub(super) fn tell_too_large(
    partition: &TopicPartition,
    subject: &Subject,
    (size, most): (usize, usize),
    cure: &'static str,
) {
    let Subject { operation, key } = subject;
    limited!(
        warn,
        "coordinator operation not written: its records are larger than a batch of the log may be",
        %key, operation, %partition, size, most, cure
    );
}

const fn cure(failure: &AppendFailure, too_large: &'static str) -> &'static str {
    match of_append(failure) {
        CoordinatorError::Refused => too_large,
        CoordinatorError::NotAvailable => {
            "make sure that enough replicas are in sync, and that there is enough processor time"
        }
        _ => {
            "repair the log directory, which has an error line of its own, and start the broker again"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CoordinatorError, cure, of_append};
    use crate::log::AppendError;
    use crate::partition::AppendFailure;

    #[test]
    fn what_passes_is_told_apart_from_what_does_not() {
        let too_large = AppendFailure::Refused(AppendError::MessageTooLarge { size: 2, most: 1 });
        assert_eq!(of_append(&too_large), CoordinatorError::Refused);
        let too_few = AppendFailure::NotEnoughReplicas {
            in_sync: 1,
            needed: 2,
        };
        assert_eq!(of_append(&too_few), CoordinatorError::NotAvailable);
        for elsewhere in [
            AppendFailure::Storage,
            AppendFailure::NotLeader,
            AppendFailure::Gone,
        ] {
            assert_eq!(of_append(&elsewhere), CoordinatorError::NotCoordinator);
        }
        let cure = |failure| cure(failure, "larger batches");
        assert!(cure(&AppendFailure::Storage).contains("log directory"));
        assert_eq!(cure(&too_large), "larger batches");
    }
}
