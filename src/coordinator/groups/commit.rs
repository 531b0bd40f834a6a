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
use crate::base::Transaction;
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
        let check = self.check(&committing, enlists);
        let (groups, enlists) = (self.clone(), Arc::clone(enlists));
        async move {
            let id = Arc::clone(&committing.transactional_id);
            let again = || groups.check(&committing, &enlists);
            let early = Err(NotCommitted::NotEnlisted(
                NotEnlisted::ConcurrentTransactions,
            ));
            let is_early = |check: &Result<_, _>| committing.adds && *check == early;
            let check = check.await;
            let endings = enlists.endings();
            let check = endings.ask_over(&id, check, again, is_early).await?;
            let until = Instant::now() + groups.write_timeout;
            let group = Arc::clone(&committing.ask.commit.group);
            let reply = groups.hosts.ask_checked(&group, committing.ask, check);
            let reply = tokio::time::timeout_at(until, reply).await;
            Ok(reply.unwrap_or(Err(CoordinatorError::NotAvailable))?)
        }
    }

    /// How the log checks the transaction; the transaction's coordinator has been asked when this returns.
    fn check(
        &self,
        committing: &Committing,
        enlists: &Arc<dyn Enlists>,
    ) -> impl Future<Output = Result<TransactionCheck, NotCommitted>> + Send + use<> {
        let standpoint = self
            .standpoint(committing)
            .map(|standpoint| match standpoint {
                Standpoint::Checked(check) => Ok(check),
                Standpoint::Unverified(replica, guard) => {
                    Err(verify(&**enlists, replica, guard, committing))
                }
            });
        async move {
            match standpoint? {
                Ok(check) => Ok(check),
                Err(verifying) => verifying.await.map_err(NotCommitted::NotEnlisted),
            }
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
fn verify(
    enlists: &dyn Enlists,
    replica: Arc<Replica>,
    guard: Guard,
    committing: &Committing,
) -> impl Future<Output = Result<TransactionCheck, NotEnlisted>> + Send + use<> {
    let Transaction { producer, epoch } = committing.ask.transaction;
    let adds = committing.adds;
    let answer = enlists.enlist(Enlist {
        transactional_id: Arc::clone(&committing.transactional_id),
        transaction: committing.ask.transaction,
        partitions: vec![replica.topic_partition().clone()],
        adds,
    });
    async move {
        let answer = answer.await;
        let table = replica.transactions();
        match answer.and_then(|each| each.into_iter().next().unwrap_or(Ok(()))) {
            Ok(()) => {
                let holds = table.verified(producer, epoch, guard);
                // It may be the marker of the last transaction that has taken it away.
                if adds && !holds {
                    return Err(NotEnlisted::ConcurrentTransactions);
                }
                Ok(TransactionCheck::MayBegin(guard))
            }
            Err(error) => {
                if !error.is_temporary() {
                    table.refused(producer, epoch, guard);
                }
                Err(error)
            }
        }
    }
}
