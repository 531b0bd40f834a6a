//! The verification of transactional batches (KIP-890): the first batch of a transaction in a partition is appended only
//! after the transaction's coordinator has said that the partition is part of it.
//!
//! ```text
//!   batch ---> open transactions of its partition --Open-----------------------------------> append
//!                  | Unverified, with a guard     --Verified, with a guard ----------------> append with the guard
//!                  v                                                                          ^
//!              coordinator: verifies, or adds the partition -- yes ---------------------------+
//!                  | no
//!                  v
//!              refused
//! ```
//! Clients up to version 11 add partitions themselves, so the coordinator only verifies. Later ones leave that to the
//! broker (transaction version 2).
//!
//! All batches of a request are of one transaction. The coordinator is asked once, for all partitions that need it; and
//! again, with new guards, after the end of the last transaction if it was too early for this one.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::TopicProduceData;

use crate::base::{ErrorCode, TopicId, Transaction};
use crate::controller::Refusal;
use crate::coordinator::{Enlist, NotEnlisted};
use crate::log::{Guard, Standing, TransactionCheck, TransactionalBatch};
use crate::metadata::Image;
use crate::partition::{Replica, RequiredAcks};
use crate::record::BatchHeader;
use crate::security::{Operation, Resource};

use super::super::errors;
use super::super::route::Call;
use super::super::topic_ids;
use super::{WITH_IDS, find_writable};

/// The first version whose clients leave it to the broker to add partitions.
const WITH_ADDING: i16 = 12;

/// Whether the first batch of any partition is transactional.
pub(super) fn is_transactional(request: &ProduceRequest) -> bool {
    let topics = request.topic_data.iter();
    topics
        .flat_map(|topic| &topic.partition_data)
        .filter_map(|partition| BatchHeader::parse(partition.records.as_deref()?).ok())
        .any(|header| header.attributes.is_transactional())
}

/// What verification has found.
#[derive(Default)]
pub(super) struct Verified {
    /// The error for all partitions.
    refused: Option<ErrorCode>,
    partitions: HashMap<(TopicId, i32), Result<TransactionCheck, Refusal>>,
    /// Whether the last transaction of the producer is still being ended, so that nothing can be added yet.
    is_early: bool,
}

impl Verified {
    /// The error for all partitions.
    pub(super) const fn refused(&self) -> Option<ErrorCode> {
        self.refused
    }

    /// Whether the same may be found otherwise once the last transaction of the producer has ended.
    pub(super) const fn is_early(&self) -> bool {
        self.is_early
    }

    /// How the transactions of a partition are checked, if its records may be appended.
    pub(super) fn of_partition(
        &self,
        topic: TopicId,
        partition: i32,
    ) -> Result<TransactionCheck, Refusal> {
        let found = self.partitions.get(&(topic, partition));
        found.cloned().unwrap_or(Ok(TransactionCheck::MustBeOpen))
    }
}

/// A partition whose verification is under way.
struct Open {
    replica: Arc<Replica>,
    guard: Guard,
}

/// Verifies what needs it. The coordinator is asked when this returns.
pub(super) fn verify(
    call: &Call,
    request: &ProduceRequest,
) -> impl Future<Output = Verified> + Send + use<> {
    let (mut verified, enlisting) = begin(call, request);
    let version = call.version;
    let adds = version >= WITH_ADDING;
    let asked = enlisting.map(|Enlisting { enlist, open }| {
        let transaction = enlist.transaction;
        (transaction, open, call.broker.enlists.enlist(enlist))
    });
    async move {
        if let Some((transaction, open, results)) = asked {
            let results = results.await;
            for (number, open) in open.into_iter().enumerate() {
                let result = match &results {
                    Ok(each) => each.get(number).copied().unwrap_or(Ok(())),
                    Err(error) => Err(*error),
                };
                let key = (
                    open.replica.topic_id(),
                    open.replica.topic_partition().partition,
                );
                let result = open.answered(transaction, result, adds);
                verified.is_early |=
                    adds && matches!(result, Err(NotEnlisted::ConcurrentTransactions));
                let result = result.map_err(|error| {
                    let code = errors::of_unverified(error, version);
                    Refusal::new(code, error.to_string())
                });
                verified.partitions.insert(key, result);
            }
        }
        verified
    }
}

/// A question to the coordinator, and the partitions that it is about.
struct Enlisting {
    enlist: Enlist,
    open: Vec<Open>,
}

/// Looks up what is known without the coordinator, and what to ask it.
fn begin(call: &Call, request: &ProduceRequest) -> (Verified, Option<Enlisting>) {
    let mut verified = Verified::default();
    let (transactional_id, transaction) = match permitted(call, request) {
        Ok(Some(transaction)) => transaction,
        Ok(None) => return (verified, None),
        Err(code) => {
            verified.refused = Some(code);
            return (verified, None);
        }
    };
    let adds = call.version >= WITH_ADDING;
    let config = call.broker.cluster.config().now();
    let is_trusted = !adds && !config.transaction_partition_verification_enable;
    let image = call.broker.cluster.image();
    let now = call.broker.clock.now();
    let mut open = Vec::new();
    let topics = request.topic_data.iter();
    for (replica, sequence) in topics.flat_map(|topic| transactional(call, &image, topic)) {
        let key = (replica.topic_id(), replica.topic_partition().partition);
        let batch = TransactionalBatch {
            producer: transaction.producer,
            epoch: transaction.epoch,
            sequence,
            new_epochs: adds,
        };
        if is_trusted {
            verified
                .partitions
                .insert(key, Ok(TransactionCheck::Trusted));
            continue;
        }
        let check = match replica.transactions().begin(&batch, now) {
            Standing::Open => Ok(TransactionCheck::MustBeOpen),
            Standing::Verified(guard) => Ok(TransactionCheck::MayBegin(guard)),
            Standing::Fenced => Err(Refusal::bare(ErrorCode::INVALID_PRODUCER_EPOCH)),
            Standing::Full => Err(Refusal::bare(ErrorCode::NOT_ENOUGH_REPLICAS)),
            Standing::Unverified(guard) => {
                open.push(Open { replica, guard });
                continue;
            }
        };
        verified.partitions.insert(key, check);
    }
    let partition = |open: &Open| open.replica.topic_partition().clone();
    let enlisting = (!open.is_empty()).then(|| Enlisting {
        enlist: Enlist {
            transactional_id,
            transaction,
            partitions: open.iter().map(partition).collect(),
            adds,
        },
        open,
    });
    (verified, enlisting)
}

/// The transaction of the request, with its transactional id, if there is anything to verify.
fn permitted(
    call: &Call,
    request: &ProduceRequest,
) -> Result<Option<(Arc<str>, Transaction)>, ErrorCode> {
    // Without a transactional id there is nothing to authorize the transaction with.
    let id = request.transactional_id.as_ref();
    let id = id.ok_or(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)?;
    call.permit(Operation::Write, Resource::transactional_id(id))?;
    let transaction = transaction(request)?;
    let is_valid = RequiredAcks::from_wire(request.acks).is_some();
    Ok(transaction
        .filter(|_| is_valid)
        .map(|transaction| (Arc::from(id.as_str()), transaction)))
}

/// The one transaction of the request's batches, if they have producers.
fn transaction(request: &ProduceRequest) -> Result<Option<Transaction>, ErrorCode> {
    let mut found: Option<Transaction> = None;
    let topics = request.topic_data.iter();
    for partition in topics.flat_map(|topic| &topic.partition_data) {
        let records = partition.records.as_deref().unwrap_or_default();
        let Some(header) = transactional_header(records) else {
            continue;
        };
        let transaction = Transaction {
            producer: header.producer_id,
            epoch: header.producer_epoch,
        };
        if found.is_some_and(|found| found != transaction) {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        found = Some(transaction);
    }
    Ok(found)
}

/// The header of a transactional batch that has a producer.
fn transactional_header(records: &[u8]) -> Option<BatchHeader> {
    let header = BatchHeader::parse(records).ok()?;
    (header.attributes.is_transactional() && header.producer_id.is_some()).then_some(header)
}

/// The partitions of the topic that this broker leads, and to which transactional batches may be appended otherwise, with the
/// batches' first sequences.
fn transactional(call: &Call, image: &Image, topic: &TopicProduceData) -> Vec<(Arc<Replica>, i32)> {
    let by_id = call.version >= WITH_IDS;
    let permit = |topic: &str| call.permit(Operation::Write, Resource::topic(topic));
    let found = topic_ids::find_permitted(image, &topic.name, topic.topic_id, by_id, permit);
    let Ok(found) = found else {
        return Vec::new();
    };
    let partitions = topic.partition_data.iter();
    let batches = partitions.filter_map(|partition| {
        let records = partition.records.as_deref()?;
        let header = transactional_header(records)?;
        let replica = find_writable(call, found, partition.index, records).ok()?;
        replica.leads().then_some((replica, header.base_sequence))
    });
    batches.collect()
}

impl Open {
    /// The coordinator has answered.
    fn answered(
        &self,
        Transaction { producer, epoch }: Transaction,
        result: Result<(), NotEnlisted>,
        adds: bool,
    ) -> Result<TransactionCheck, NotEnlisted> {
        let table = self.replica.transactions();
        match result {
            Ok(()) => {
                let holds = table.verified(producer, epoch, self.guard);
                // A client that adds partitions itself has waited for the end of its last transaction, so its marker
                // ends this one. For others it may be that of the last one.
                if adds && !holds {
                    return Err(NotEnlisted::ConcurrentTransactions);
                }
                Ok(TransactionCheck::MayBegin(self.guard))
            }
            Err(error) => {
                if !error.is_temporary() {
                    table.refused(producer, epoch, self.guard);
                }
                Err(error)
            }
        }
    }
}
