//! DeleteRecords: raises the log start offset of partitions.
//!
//! ```text
//!   lane: raise the log start -> settle: publish (readers see it, waiting fetches look again)
//!                                   -> log-start-offset-checkpoint, once for all partitions -> answer
//! ```
//! A confirmed deletion is on the disk: the deleted records do not come back after a crash. (Kafka writes this
//! checkpoint once a minute; after a kill the log begins where it began before.) The price is one small file, written
//! and synced once for each request, or once for several requests that come at the same time. No lane and no runtime
//! thread waits for it.
//!
//! The next retention run removes the files.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::base::{DirectoryId, LeaderEpoch, Offset};
use crate::log::{Checkpoint, LogError};

use super::directory::HostedDirectory;
use super::hosted::Hosted;
use super::hosting::manager::Partitions;
use super::replica::Replica;

/// The special value that stands for the high watermark.
const HIGH_WATERMARK: Offset = Offset(-1);

/// Why the records were not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteFailure {
    /// This broker does not lead the partition.
    #[error("not the leader of the partition")]
    NotLeader,
    /// The topic is compacted only, so its records may not be deleted.
    #[error("the topic's cleanup.policy does not let records be deleted")]
    Policy,
    /// The offset is negative, or above the high watermark.
    #[error("offset {0} is out of range")]
    OutOfRange(Offset),
    /// The log directory is offline, or the disk has failed.
    #[error("the log directory is offline")]
    Storage,
}

impl Partitions {
    /// Deletes the records before the given offsets, or before the high watermark (-1). Returns the new log start
    /// offset of each partition. It is on the disk when this returns.
    pub async fn delete_records(
        &self,
        wanted: Vec<(Arc<Replica>, Offset)>,
    ) -> Vec<Result<Offset, DeleteFailure>> {
        // All lanes are asked before one of them is waited for.
        let raised: Vec<_> = wanted
            .iter()
            .map(|(replica, before)| raise_log_start(replica, *before))
            .collect();
        let mut starts = Vec::with_capacity(raised.len());
        for raised in raised {
            starts.push(raised.await);
        }
        let written = self.write_log_starts(&wanted, &starts).await;
        for ((replica, _), start) in wanted.iter().zip(&mut starts) {
            if start.is_ok() && !written.contains(&replica.directory().id()) {
                *start = Err(DeleteFailure::Storage);
            }
        }
        starts
    }

    /// Writes the checkpoints of the directories in which something was deleted; returns the directories for which
    /// that succeeded.
    async fn write_log_starts(
        &self,
        wanted: &[(Arc<Replica>, Offset)],
        starts: &[Result<Offset, DeleteFailure>],
    ) -> HashSet<DirectoryId> {
        let deleted = wanted.iter().zip(starts).filter(|(_, start)| start.is_ok());
        let directories: HashMap<DirectoryId, Arc<HostedDirectory>> = deleted
            .map(|((replica, _), _)| (replica.directory().id(), replica.directory()))
            .collect();
        let mut writing = JoinSet::new();
        for (id, directory) in directories {
            let places = Arc::clone(self.places());
            writing.spawn(async move {
                let here = Arc::clone(&directory);
                let write = move || places.write_checkpoint(&here, Checkpoint::LogStart);
                let is_written = directory.blocking().run(write).await;
                is_written.is_ok_and(|is_written| is_written).then_some(id)
            });
        }
        writing.join_all().await.into_iter().flatten().collect()
    }
}

/// The deletion has its place in the order of the partition when this returns.
fn raise_log_start(
    replica: &Arc<Replica>,
    before: Offset,
) -> impl Future<Output = Result<Offset, DeleteFailure>> + Send + use<> {
    let refused = if replica.check_epoch(LeaderEpoch::NONE).is_err() {
        Some(DeleteFailure::NotLeader)
    } else {
        replica
            .directory()
            .is_offline()
            .then_some(DeleteFailure::Storage)
    };
    let asked = refused.map_or_else(
        || {
            let (reply, answer) = oneshot::channel();
            replica.operate(move |hosted| {
                drop(reply.send(hosted.delete_records(before)));
            });
            // Published when the deletion is settled, and not before.
            Ok((answer, replica.settled()))
        },
        Err,
    );
    async move {
        let (answer, settled) = asked?;
        // A log that has left its lane was deleted, or the broker stops: the client looks again.
        let start = answer.await.unwrap_or(Err(DeleteFailure::NotLeader))?;
        settled.await;
        Ok(start)
    }
}

impl Hosted {
    fn delete_records(&mut self, before: Offset) -> Result<Offset, DeleteFailure> {
        let policy = self.log.config().cleanup_policy;
        if policy.compact && !policy.delete {
            return Err(DeleteFailure::Policy);
        }
        let high_watermark = self.replica.published().positions.high_watermark;
        let to = if before == HIGH_WATERMARK {
            high_watermark
        } else {
            before
        };
        if to < Offset::ZERO {
            return Err(DeleteFailure::OutOfRange(before));
        }
        match self.log.raise_log_start(to, high_watermark) {
            Ok(()) => Ok(self.log.log_start()),
            Err(LogError::OutOfRange { wanted, .. }) => Err(DeleteFailure::OutOfRange(wanted)),
            Err(error) => {
                self.note_failure("delete records", &error);
                Err(DeleteFailure::Storage)
            }
        }
    }
}
