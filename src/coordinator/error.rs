//! Errors of a coordinator.

/// Why a coordinator did not decide, or its decision is not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// The partition is not hosted or not led here.
    #[error("not the coordinator")]
    NotCoordinator,
    /// The state is being read from the log.
    #[error("the coordinator is loading")]
    Loading,
    /// There is no log yet, or it cannot be written now, or that takes too long.
    #[error("the coordinator cannot write its log now")]
    NotAvailable,
    /// The log does not accept the decision, now or later: it is larger than a batch may be.
    #[error("the coordinator's log does not accept the decision")]
    Refused,
    /// There is a newer epoch of the producer in whose transaction the decision was to be written.
    #[error("there is a newer epoch of the producer")]
    ProducerFenced,
    /// That transaction has ended here.
    #[error("the transaction has ended")]
    TransactionEnded,
}
