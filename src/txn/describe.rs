//! The details of a transactional id, for administrators.

use super::asks::TxnError;
use super::ids::ProducerIdAndEpoch;
use super::partitions::Partitions;
use super::registry::Registry;
use super::state::StateName;
use crate::base::Timestamp;

/// A transactional id in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its state.
    pub state: StateName,
    /// The producer and its epoch.
    pub ids: ProducerIdAndEpoch,
    /// The time after which a transaction is aborted.
    pub timeout_ms: i32,
    /// The start of the last transaction; [`Timestamp::NONE`] if there was none.
    pub started: Timestamp,
    /// The partitions of the transaction.
    pub partitions: Partitions,
}

impl Registry {
    /// A transactional id in detail.
    ///
    /// # Errors
    /// When it does not exist, or is empty.
    pub fn describe(&self, transactional_id: &str) -> Result<Description, TxnError> {
        if transactional_id.is_empty() {
            return Err(TxnError::InvalidTransactionalId);
        }
        let transaction = self.transactions.get(transactional_id);
        let value = &transaction.ok_or(TxnError::NotFound)?.value;
        Ok(Description {
            state: value.state,
            ids: value.ids,
            timeout_ms: value.timeout_ms,
            started: value.started,
            partitions: value.partitions.clone(),
        })
    }
}
