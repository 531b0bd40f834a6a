//! AddPartitionsToTxn: adds partitions to a transaction, which begins with them, or verifies that they are in it.

use super::asks::{AddPartitions, TxnError, VerifyPartitions};
use super::ids::ProducerIdAndEpoch;
use super::registry::{Registry, Turn};
use super::state::StateName;
use super::transactions::Transaction;

impl Registry {
    pub(super) fn add_partitions(
        &self,
        ask: &AddPartitions,
        turn: &mut Turn,
    ) -> Result<(), TxnError> {
        let id = &ask.transactional_id;
        let Transaction { value, last_epoch } = self.existing(id)?;
        // First, since the producer may have an id already that it gets with the end of the transaction.
        if value.state.is_prepared() {
            return Err(TxnError::ConcurrentTransactions);
        }
        check_producer(ask.ids, value.ids)?;
        let mut partitions = ask.partitions.iter();
        if value.state == StateName::Ongoing && partitions.all(|at| value.partitions.contains(at)) {
            return Ok(());
        }
        let partitions = value.partitions.with(&ask.partitions);
        self.make_room_for(id, &partitions)?;
        let version = self.effective(ask.client_version);
        let value = value.with_partitions(partitions, version, turn.now);
        self.write(id, &value, *last_epoch, turn);
        Ok(())
    }

    pub(super) fn verify_partitions(&self, ask: &VerifyPartitions) -> Result<Vec<bool>, TxnError> {
        let value = &self.existing(&ask.transactional_id)?.value;
        check_producer(ask.ids, value.ids)?;
        if value.state.is_prepared() {
            return Err(TxnError::ConcurrentTransactions);
        }
        let partitions = ask.partitions.iter();
        Ok(partitions.map(|at| value.partitions.contains(at)).collect())
    }

    /// The transactional id, which clients use only after InitProducerId.
    pub(super) fn existing(&self, id: &str) -> Result<&Transaction, TxnError> {
        if id.is_empty() {
            return Err(TxnError::InvalidTransactionalId);
        }
        self.transactions.get(id).ok_or(TxnError::InvalidPidMapping)
    }
}

pub(super) fn check_producer(
    asks: ProducerIdAndEpoch,
    has: ProducerIdAndEpoch,
) -> Result<(), TxnError> {
    if asks.producer != has.producer {
        Err(TxnError::InvalidPidMapping)
    } else if asks.epoch != has.epoch {
        Err(TxnError::ProducerFenced)
    } else {
        Ok(())
    }
}
