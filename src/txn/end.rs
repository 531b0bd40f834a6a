//! EndTxn, the end of a transaction's time, and the completion after its markers.
//!
//! Clients before version 2 keep their epoch. A request that comes again is known by the state alone:
//!
//! | state | commit | abort |
//! | --- | --- | --- |
//! | Ongoing | PrepareCommit | PrepareAbort |
//! | Prepare... | `ConcurrentTransactions` | `ConcurrentTransactions` |
//! | CompleteCommit | done before | `InvalidTxnState` |
//! | CompleteAbort | `InvalidTxnState` | done before |
//! | Empty | `InvalidTxnState` | `InvalidTxnState` |
//!
//! Clients from version 2 on get a new epoch with every end (KIP-890). A request that comes again has the epoch of
//! before, or the last epoch of the producer id of before. Such a client may not know whether a transaction has begun,
//! so it may abort one that has not; that gives it a new epoch, too.
//!
//! | state | commit | abort | commit again | abort again |
//! | --- | --- | --- | --- | --- |
//! | Ongoing | PrepareCommit | PrepareAbort | `ProducerFenced` | `ProducerFenced` |
//! | Prepare... | `ConcurrentTransactions` | the same | the same | the same |
//! | CompleteCommit | `InvalidTxnState` | PrepareAbort | done before | `InvalidTxnState` |
//! | CompleteAbort | `InvalidTxnState` | PrepareAbort | `InvalidTxnState` | done before |
//! | Empty | `InvalidTxnState` | PrepareAbort | `ProducerFenced` | `ProducerFenced` |
//!
//! After the last epoch of a producer id, the largest one is for the markers alone, and the producer goes on with epoch
//! 0 of a new id. The new id is in the record of the decision when the client has ended the transaction. When the
//! coordinator has, it is fetched for the completion.

use std::sync::Arc;

use super::asks::{EndReply, EndTransaction, MarkersReply, MarkersWritten, TxnError};
use super::changes::{LAST_EPOCH, above, is_exhausted};
use super::ids::ProducerIdAndEpoch;
use super::membership::check_producer;
use super::registry::{Registry, Turn, set_timer};
use super::state::StateName;
use super::transactions::Transaction;
use crate::base::{ProducerEpoch, TransactionVersion, limited};

/// What is to be done.
enum Ending {
    /// The transaction ends.
    Now,
    /// It has ended in this way before.
    Before,
}

impl Registry {
    pub(super) fn end_transaction(
        &self,
        ask: &EndTransaction,
        turn: &mut Turn,
    ) -> Result<EndReply, TxnError> {
        let id = &ask.transactional_id;
        let transaction = self.existing(id)?;
        let version = self.effective(ask.client_version);
        let ending = if version.bumps_epoch() {
            check_with_epochs(ask, transaction)?
        } else {
            check(ask, transaction)?
        };
        match ending {
            Ending::Now => self.prepare(ask, version, transaction, turn),
            Ending::Before => Ok(EndReply::Ended(transaction.value.ids)),
        }
    }

    fn prepare(
        &self,
        ask: &EndTransaction,
        version: TransactionVersion,
        transaction: &Transaction,
        turn: &mut Turn,
    ) -> Result<EndReply, TxnError> {
        let Transaction { value, last_epoch } = transaction;
        let (next, last_epoch) = if !version.bumps_epoch() {
            (None, *last_epoch)
        } else if !is_exhausted(value.ids.epoch) {
            (None, value.ids.epoch)
        } else if ask.fresh.is_some() {
            (ask.fresh, value.ids.epoch)
        } else {
            return Ok(EndReply::NeedsProducerId);
        };
        let value = value.prepared(ask.commit, version, next, turn.now);
        self.write(&ask.transactional_id, &value, last_epoch, turn);
        Ok(EndReply::Ended(value.ids_when_completed()))
    }

    /// Aborts the open transaction and fences its producer.
    pub(super) fn abort(&self, id: &Arc<str>, transaction: &Transaction, turn: &mut Turn) {
        let value = &transaction.value;
        // Only clients that get a new epoch with every transaction may go on after this.
        let (version, last_epoch) = if self.version.bumps_epoch() {
            (self.version, value.ids.epoch)
        } else {
            (TransactionVersion::V0, ProducerEpoch::NONE)
        };
        let value = value.aborted_by_coordinator(version, turn.now);
        self.write(id, &value, last_epoch, turn);
    }

    /// The time limit of a transaction has passed.
    pub(super) fn time_is_up(&self, id: &Arc<str>, turn: &mut Turn) {
        let Some(transaction) = self.transactions.get(id) else {
            return;
        };
        let value = &transaction.value;
        let Some(deadline) = value.deadline() else {
            return;
        };
        if turn.now < deadline {
            return set_timer(id, value, turn);
        }
        limited!(
            info,
            "transaction aborted: it took longer than transaction.timeout.ms of its producer",
            producer = %value.ids,
            timeout_ms = value.timeout_ms
        );
        self.abort(id, transaction, turn);
    }

    pub(super) fn markers_written(&self, ask: &MarkersWritten, turn: &mut Turn) -> MarkersReply {
        let id = &ask.transactional_id;
        let Some(Transaction { value, last_epoch }) = self.transactions.get(id) else {
            return MarkersReply::Done;
        };
        let is_this = value.ids == ask.ids && value.updated == ask.prepared;
        if !value.state.is_prepared() || !is_this {
            return MarkersReply::Done;
        }
        let mut prepared = value.clone();
        if prepared.needs_producer_id() {
            let Some(fresh) = ask.fresh else {
                return MarkersReply::NeedsProducerId;
            };
            prepared.next = fresh;
        }
        self.write(id, &prepared.completed(turn.now), *last_epoch, turn);
        MarkersReply::Done
    }
}

/// Checks a request of a client before version 2.
fn check(ask: &EndTransaction, transaction: &Transaction) -> Result<Ending, TxnError> {
    let value = &transaction.value;
    check_producer(ask.ids, value.ids)?;
    match value.state {
        StateName::Ongoing => Ok(Ending::Now),
        StateName::PrepareCommit | StateName::PrepareAbort => Err(TxnError::ConcurrentTransactions),
        StateName::CompleteCommit if ask.commit => Ok(Ending::Before),
        StateName::CompleteAbort if !ask.commit => Ok(Ending::Before),
        _ => Err(TxnError::InvalidTxnState),
    }
}

/// Checks a request of a client from version 2 on.
fn check_with_epochs(ask: &EndTransaction, transaction: &Transaction) -> Result<Ending, TxnError> {
    let value = &transaction.value;
    // First, since the producer may have an id already that it gets with the completion.
    if value.state.is_prepared() {
        return Err(TxnError::ConcurrentTransactions);
    }
    let is_complete = matches!(
        value.state,
        StateName::CompleteCommit | StateName::CompleteAbort
    );
    let is_again = is_complete && is_epoch_before(ask.ids, transaction);
    if !is_again {
        check_producer(ask.ids, value.ids)?;
    }
    match (value.state, ask.commit) {
        (StateName::CompleteCommit, true) | (StateName::CompleteAbort, false) if is_again => {
            Ok(Ending::Before)
        }
        (StateName::Ongoing, _) => Ok(Ending::Now),
        (_, false) if !is_again => Ok(Ending::Now),
        _ => Err(TxnError::InvalidTxnState),
    }
}

/// Whether the producer had this before the end of its last transaction.
fn is_epoch_before(ids: ProducerIdAndEpoch, transaction: &Transaction) -> bool {
    let value = &transaction.value;
    let has = value.ids;
    // Otherwise another client may have the present epoch, from InitProducerId.
    if !value.client_version.bumps_epoch() {
        return false;
    }
    if ids.producer == has.producer {
        ids.epoch < has.epoch && above(ids.epoch) == has.epoch
    } else {
        ids.producer == value.previous && ids.epoch == LAST_EPOCH && has.epoch == ProducerEpoch(0)
    }
}
