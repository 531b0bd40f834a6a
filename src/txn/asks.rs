//! The requests to the machine and its replies: domain values, independent of API versions.
//!
//! A producer id comes from the cluster, which the machine cannot ask. A request that turns out to need one is
//! answered so, and changes nothing; the asker gets an id and asks again with it.

use std::sync::Arc;

use super::ids::ProducerIdAndEpoch;
use crate::base::{Ask, ProducerId, Timestamp, TopicPartition, TransactionVersion};

/// Why a request is refused. Each case has an error code of its own; where versions of an API have different codes
/// for a case, the handler knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TxnError {
    /// The transactional id is empty, or too long for a record.
    #[error("the transactional id is empty or too long")]
    InvalidTransactionalId,
    /// The timeout is not positive, or above `transaction.max.timeout.ms`.
    #[error("the transaction timeout is out of range")]
    InvalidTransactionTimeout,
    /// The producer id is not that of the transactional id, or there is no such transactional id
    /// (`INVALID_PRODUCER_ID_MAPPING`).
    #[error("the producer id is not that of the transactional id")]
    InvalidPidMapping,
    /// The epoch is not the producer's current one: another instance has taken over. Before `PRODUCER_FENCED` was
    /// added to an API, this was `INVALID_PRODUCER_EPOCH`.
    #[error("the producer has a newer epoch")]
    ProducerFenced,
    /// The last transaction is being ended: to be tried again soon.
    #[error("the last transaction has not ended yet")]
    ConcurrentTransactions,
    /// The transaction cannot be ended in this way from its state.
    #[error("the transaction is not in a state for this")]
    InvalidTxnState,
    /// There is no such transactional id (`TRANSACTIONAL_ID_NOT_FOUND`).
    #[error("there is no such transactional id")]
    NotFound,
    /// The transaction does not fit into a record batch of the log with these partitions: permanent.
    #[error("the transaction has too many partitions")]
    TooLarge,
    /// The memory for transactions is used up: to be tried again later.
    #[error("the memory for transactions is used up")]
    NoMemory,
}

/// InitProducerId with a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitProducer {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The time after which a transaction of this producer is aborted.
    pub timeout_ms: i32,
    /// What the client says that it has (KIP-360), if anything.
    pub expected: Option<ProducerIdAndEpoch>,
    /// A new producer id, if the asker has got one.
    pub fresh: Option<ProducerId>,
}

/// The answer to [`InitProducer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitReply {
    /// The producer has this id and epoch.
    Assigned(ProducerIdAndEpoch),
    /// The asker is to ask again with a new producer id.
    NeedsProducerId,
}

impl Ask for InitProducer {
    type Reply = Result<InitReply, TxnError>;
}

/// AddPartitionsToTxn, and AddOffsetsToTxn with the partition of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddPartitions {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The client's producer id and epoch.
    pub ids: ProducerIdAndEpoch,
    /// The partitions to add.
    pub partitions: Vec<TopicPartition>,
    /// The version of the client's request: 2 for AddPartitionsToTxn from version 4 on, else 0.
    pub client_version: TransactionVersion,
}

impl Ask for AddPartitions {
    type Reply = Result<(), TxnError>;
}

/// AddPartitionsToTxn that only verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyPartitions {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The client's producer id and epoch.
    pub ids: ProducerIdAndEpoch,
    /// The partitions in question.
    pub partitions: Vec<TopicPartition>,
}

impl Ask for VerifyPartitions {
    /// For each partition, in the order of the request, whether it is in the transaction (`TRANSACTION_ABORTABLE` if
    /// not). An error holds for all partitions.
    type Reply = Result<Vec<bool>, TxnError>;
}

/// EndTxn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The client's producer id and epoch.
    pub ids: ProducerIdAndEpoch,
    /// Whether to commit.
    pub commit: bool,
    /// The version of the client's request: 2 for EndTxn from version 5 on, else 0.
    pub client_version: TransactionVersion,
    /// A new producer id, if the asker has got one.
    pub fresh: Option<ProducerId>,
}

/// The answer to [`EndTransaction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReply {
    /// The decision is written. This is what the producer has from now on; clients before version 2 keep what they
    /// have.
    Ended(ProducerIdAndEpoch),
    /// The asker is to ask again with a new producer id.
    NeedsProducerId,
}

impl Ask for EndTransaction {
    type Reply = Result<EndReply, TxnError>;
}

/// Every partition of a [`WriteMarkers`] has its marker, or does not exist any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkersWritten {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The producer and epoch that the markers carry.
    pub ids: ProducerIdAndEpoch,
    /// Which end of a transaction this is about.
    pub prepared: Timestamp,
    /// A new producer id, if the asker has got one.
    pub fresh: Option<ProducerId>,
}

/// The answer to [`MarkersWritten`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkersReply {
    /// The transaction has ended, now or before.
    Done,
    /// The asker is to ask again with a new producer id: the transaction was aborted in the last epoch of its
    /// producer.
    NeedsProducerId,
}

impl Ask for MarkersWritten {
    type Reply = MarkersReply;
}

/// Removes the transactional ids that were not used for `transactional.id.expiration.ms`. Many of them take several
/// steps, of which this begins the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpireTransactionalIds;

impl Ask for ExpireTransactionalIds {
    type Reply = ();
}

/// An effect: a marker is to be written to each of these partitions.
///
/// It is carried out until every partition has its marker or does not exist any more; then [`WriteMarkers::written`]
/// is asked. A marker may be written twice. If the coordinator stops before, [`Registry::loaded`] of its successor
/// says the same again.
///
/// [`Registry::loaded`]: super::Registry::loaded
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteMarkers {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The producer and epoch that the markers carry.
    pub ids: ProducerIdAndEpoch,
    /// Whether the transaction is committed.
    pub commit: bool,
    /// The transaction's partitions.
    pub partitions: Vec<TopicPartition>,
    /// The version under which the transaction ended. From 2 on, the epoch is above that of the transaction's
    /// records.
    pub client_version: TransactionVersion,
    /// Which end of a transaction this is.
    pub prepared: Timestamp,
}

impl WriteMarkers {
    /// What the machine is asked when it is done.
    pub fn written(&self) -> MarkersWritten {
        MarkersWritten {
            transactional_id: Arc::clone(&self.transactional_id),
            ids: self.ids,
            prepared: self.prepared,
            fresh: None,
        }
    }
}
