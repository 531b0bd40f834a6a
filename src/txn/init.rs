//! InitProducerId: a producer begins, or begins again after an error (KIP-360).
//!
//! | state | the client says that it has | answer |
//! | --- | --- | --- |
//! | none | anything | a new producer id, epoch 0 |
//! | Prepare... | anything | `ConcurrentTransactions` |
//! | any other | another producer id | `ProducerFenced`, but see below |
//! | Ongoing | nothing, or this producer id | the transaction is aborted, `ConcurrentTransactions` |
//! | at rest | nothing | the next epoch; every earlier instance is fenced |
//! | at rest | the present epoch | the next epoch; a repeated request will be known by the one before |
//! | at rest | the epoch before, by the same producer | the present epoch: the answer was lost |
//! | at rest | another epoch | `ProducerFenced` |
//!
//! At rest are Empty, CompleteCommit and CompleteAbort. When the epochs are exhausted, the next epoch is epoch 0 of a
//! new producer id. Whoever has the last epoch of the former producer id may have missed that answer, too.

use super::asks::{InitProducer, InitReply, TxnError};
use super::changes::{above, is_exhausted};
use super::ids::ProducerIdAndEpoch;
use super::partitions::Partitions;
use super::records::Value;
use super::registry::{Registry, Turn};
use super::state::StateName;
use super::transactions::Transaction;
use crate::base::{ProducerEpoch, ProducerId};
use crate::schema::MAX_STRING;

/// The next id and epoch of a producer.
enum Next {
    /// The present id with this epoch, and the epoch that counts as the one before.
    Epoch(ProducerEpoch, ProducerEpoch),
    /// A new id, and the epoch that counts as the one before.
    Producer(ProducerEpoch),
}

impl Registry {
    pub(super) fn init_producer(
        &self,
        ask: &InitProducer,
        turn: &mut Turn,
    ) -> Result<InitReply, TxnError> {
        let id = &ask.transactional_id;
        if id.is_empty() || id.len() > MAX_STRING {
            return Err(TxnError::InvalidTransactionalId);
        }
        if !(1..=self.settings.max_timeout_ms).contains(&ask.timeout_ms) {
            return Err(TxnError::InvalidTransactionTimeout);
        }
        let Some(transaction) = self.transactions.get(id) else {
            self.make_room_for(id, &Partitions::default())?;
            let Some(fresh) = ask.fresh else {
                return Ok(InitReply::NeedsProducerId);
            };
            let value = Value::created(fresh, ask.timeout_ms, turn.now);
            self.write(id, &value, ProducerEpoch::NONE, turn);
            return Ok(InitReply::Assigned(value.ids));
        };
        let value = &transaction.value;
        if value.state.is_prepared() {
            return Err(TxnError::ConcurrentTransactions);
        }
        if !ask.expected.is_none_or(|expected| may_be(expected, value)) {
            return Err(TxnError::ProducerFenced);
        }
        if value.state == StateName::Ongoing {
            self.abort(id, transaction, turn);
            return Err(TxnError::ConcurrentTransactions);
        }
        let (ids, last_epoch) = match next(ask.expected, transaction)? {
            Next::Epoch(epoch, last) => (ProducerIdAndEpoch::new(value.ids.producer, epoch), last),
            Next::Producer(last) => {
                let Some(fresh) = ask.fresh else {
                    return Ok(InitReply::NeedsProducerId);
                };
                (ProducerIdAndEpoch::new(fresh, ProducerEpoch(0)), last)
            }
        };
        let value = value.initialized(ids, ask.timeout_ms, turn.now);
        self.write(id, &value, last_epoch, turn);
        Ok(InitReply::Assigned(ids))
    }
}

/// Whether a client that has this may be the present producer.
fn may_be(expected: ProducerIdAndEpoch, value: &Value) -> bool {
    value.ids.epoch == ProducerEpoch::NONE
        || expected.producer == value.ids.producer
        || (is_former(expected.producer, value) && is_exhausted(expected.epoch))
}

fn is_former(producer: ProducerId, value: &Value) -> bool {
    producer == value.previous
}

fn next(expected: Option<ProducerIdAndEpoch>, transaction: &Transaction) -> Result<Next, TxnError> {
    let present = transaction.value.ids;
    let Some(expected) = expected else {
        return Ok(if is_exhausted(present.epoch) {
            Next::Producer(ProducerEpoch::NONE)
        } else {
            Next::Epoch(above(present.epoch), ProducerEpoch::NONE)
        });
    };
    if is_exhausted(present.epoch) && expected.epoch == present.epoch {
        Ok(Next::Producer(present.epoch))
    } else if present.epoch == ProducerEpoch::NONE || expected.epoch == present.epoch {
        Ok(Next::Epoch(above(present.epoch), present.epoch))
    } else if expected.epoch == transaction.last_epoch {
        Ok(Next::Epoch(present.epoch, transaction.last_epoch))
    } else {
        Err(TxnError::ProducerFenced)
    }
}
