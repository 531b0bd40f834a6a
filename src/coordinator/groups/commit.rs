//! Commits of offsets in a transaction, and its end. The partition of `__consumer_offsets` that holds the group has to be
//! in the transaction before the first of its records is there, as any other (KIP-890): else a commit that arrives
//! behind the marker would stay pending for ever.
//!
//! ```text
//!   commit --> open transactions of the partition --Open----------------------------> machine --> log: is it open?
//!                 | Unverified, with a guard                                             ^            or: holds the guard?
//!                 v                                                                      |                    | no
//!              transaction's coordinator: verifies, or adds the partition --yes, guard---+                    v
//!                 | no                                                                         the machine takes it back
//!                 v
//!              refused
//! ```

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use super::Groups;
use crate::coordinator::enlist::{Enlist, Enlists, NotEnlisted};
use crate::coordinator::error::CoordinatorError;
use crate::coordinator::markers::MarkerError;
use crate::group::{CommitInTransaction, CommitOffsetsReply};
use crate::log::{Guard, Standing, TransactionCheck, TransactionalBatch};
use crate::partition::Replica;
use crate::record::batch::NO_SEQUENCE;
use crate::record::control::TransactionMarker;

/// A commit in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committing {
    /// The transactional id.
    pub transactional_id: Arc<str>,
    /// The producer and the offsets.
    pub ask: CommitInTransaction,
    /// Whether the partition is added to the transaction, since the client has not done that itself.
    pub adds: bool,
    /// Whether the client is trusted to have added it (`transaction.partition.verification.enable` is off).
    pub is_trusted: bool,
}

/// Why offsets were not committed in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// The group's coordinator did not decide, or could not write.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// The partition is not in the transaction.
    #[error(transparent)]
    NotEnlisted(NotEnlisted),
}

/// What stands between a commit and its coordinator.
enum Standpoint {
    Checked(TransactionCheck),
    Unverified(Arc<Replica>, Guard),
}

impl Groups {
    /// Commits offsets in a transaction, after the partition was verified to be in it or was added. The place in the
    /// group's order is fixed after that.
    pub fn commit_in_transaction(
        &self,
        committing: Committing,
        enlists: &Arc<dyn Enlists>,
    ) -> impl Future<Output = Result<CommitOffsetsReply, NotCommitted>> + Send + use<> {
        let standpoint = self.standpoint(&committing);
        let (groups, enlists) = (self.clone(), Arc::clone(enlists));
        async move {
            let check = match standpoint? {
                Standpoint::Checked(check) => check,
                Standpoint::Unverified(replica, guard) => {
                    verify(&*enlists, &replica, guard, &committing)
                        .await
                        .map_err(NotCommitted::NotEnlisted)?;
                    TransactionCheck::MayBegin(guard)
                }
            };
            let until = Instant::now() + groups.write_timeout;
            let group = Arc::clone(&committing.ask.commit.group);
            let reply = groups.hosts.ask_checked(&group, committing.ask, check);
            let reply = tokio::time::timeout_at(until, reply).await;
            Ok(reply.unwrap_or(Err(CoordinatorError::NotAvailable))?)
        }
    }

    fn standpoint(&self, committing: &Committing) -> Result<Standpoint, CoordinatorError> {
        let commit = &committing.ask.commit;
        if commit.group.is_empty() {
            // It is refused, whatever the transaction is.
            return Ok(Standpoint::Checked(TransactionCheck::MustBeOpen));
        }
        let replica = self.hosts.replica_of(&commit.group)?;
        if committing.is_trusted && !committing.adds {
            return Ok(Standpoint::Checked(TransactionCheck::Trusted));
        }
        let transaction = committing.ask.transaction;
        let batch = TransactionalBatch {
            producer: transaction.producer,
            epoch: transaction.epoch,
            sequence: NO_SEQUENCE,
            new_epochs: committing.adds,
        };
        let standing = replica.transactions().begin(&batch, self.hosts.now());
        Ok(match standing {
            Standing::Open => Standpoint::Checked(TransactionCheck::MustBeOpen),
            Standing::Verified(guard) => Standpoint::Checked(TransactionCheck::MayBegin(guard)),
            Standing::Unverified(guard) => Standpoint::Unverified(replica, guard),
            Standing::Fenced => return Err(CoordinatorError::ProducerFenced),
            Standing::Full => return Err(CoordinatorError::NotAvailable),
        })
    }

    /// Ends a producer's transaction in a partition of `__consumer_offsets`: its offsets count from now on, or are
    /// forgotten. The place in the partition's order is fixed when this returns.
    ///
    /// A marker that is not durable within `offsets.commit.timeout.ms` may still become durable; it may be written
    /// again.
    pub fn end_transaction(
        &self,
        partition: i32,
        marker: TransactionMarker,
    ) -> impl Future<Output = Result<(), MarkerError>> + Send + use<> {
        let until = Instant::now() + self.write_timeout;
        let told = self.hosts.end_transaction(partition, marker);
        async move {
            let late = MarkerError::Coordinator(CoordinatorError::NotAvailable);
            let told = tokio::time::timeout_at(until, told).await;
            told.unwrap_or(Err(late))
        }
    }
}

/// Asks the transaction's coordinator.
async fn verify(
    enlists: &dyn Enlists,
    replica: &Replica,
    guard: Guard,
    committing: &Committing,
) -> Result<(), NotEnlisted> {
    let transaction = committing.ask.transaction;
    let enlist = Enlist {
        transactional_id: Arc::clone(&committing.transactional_id),
        transaction,
        partitions: vec![replica.topic_partition().clone()],
        adds: committing.adds,
    };
    let answer = enlists.enlist(enlist).await;
    let answer = answer.and_then(|each| each.into_iter().next().unwrap_or(Ok(())));
    let (table, producer, epoch) = (
        replica.transactions(),
        transaction.producer,
        transaction.epoch,
    );
    match answer {
        Ok(()) => table.verified(producer, epoch, guard),
        Err(error) if error.is_temporary() => {}
        Err(_) => table.refused(producer, epoch, guard),
    }
    answer
}
