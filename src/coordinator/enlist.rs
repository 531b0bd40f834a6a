//! Whether a partition belongs to the open transaction of a producer (KIP-890): asked of the transaction's coordinator
//! before the first write of the transaction to the partition.
//!
//! Old clients add partitions themselves, so their coordinator only verifies. New ones leave it to the broker that gets
//! the write. Without this, a write that arrives late would open a transaction that nobody ends.
//!
//! The coordinator of transactions implements [`Enlists`]. Two ask: a produce, for the partitions that it writes to, and a
//! commit of offsets in a transaction, for the partition of `__consumer_offsets` that holds the group.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::base::{TopicPartition, Transaction};

use super::endings::Endings;
use super::error::CoordinatorError;

/// Partitions that a producer is about to write to in its open transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enlist {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The producer and its epoch.
    pub transaction: Transaction,
    /// The partitions.
    pub partitions: Vec<TopicPartition>,
    /// Whether partitions that are not in the transaction are added to it.
    pub adds: bool,
}

/// Why a partition may not be written to in the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEnlisted {
    /// The transaction's coordinator does not answer.
    #[error("the transaction's coordinator: {0}")]
    Coordinator(CoordinatorError),
    /// The transactional id is empty, or too long.
    #[error("the transactional id is empty or too long")]
    InvalidTransactionalId,
    /// The transactional id does not exist, or belongs to another producer.
    #[error("the transactional id is not of this producer")]
    InvalidProducerIdMapping,
    /// There is a newer epoch of the producer.
    #[error("there is a newer epoch of the producer")]
    ProducerFenced,
    /// The transaction is ending, or another request changes it.
    #[error("the transaction is ending")]
    ConcurrentTransactions,
    /// There is no open transaction to which partitions can be added.
    #[error("there is no open transaction")]
    InvalidTransactionState,
    /// The partition is not in the transaction: the producer has to abort it.
    #[error("the partition is not in the transaction")]
    NotInTransaction,
}

impl NotEnlisted {
    /// Whether the same request may succeed a little later.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::Coordinator(_) | Self::ConcurrentTransactions)
    }
}

/// The result for each partition, in the order of the request; or an error for all of them.
pub type Enlisted = Result<Vec<Result<(), NotEnlisted>>, NotEnlisted>;

/// The coordinator of transactions, as far as writers need it.
pub trait Enlists: Send + Sync {
    /// Verifies that the partitions are in the transaction, or adds them.
    fn enlist(&self, enlist: Enlist) -> Pin<Box<dyn Future<Output = Enlisted> + Send>>;

    /// To wait for the end of a transaction that is refused as concurrent.
    fn endings(&self) -> &Endings;
}
