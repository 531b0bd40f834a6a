//! DeleteRecords: partitions begin later from now on.
//!
//! ```text
//!   lane: raise the log start -> settle: publish (readers see it, waiting fetches look again)
//!                                   -> log-start-offset-checkpoint, once for all partitions -> answer
//! ```
//! What was answered is on the disk: nobody who has deleted records for good reason finds them there again
//! after a crash. (Kafka writes this checkpoint once a minute, and after a kill the log begins where it began
//! before.) The price is one small file, written and synced once for each request, or for several that come
//! at the same time; it is waited for on no lane and no runtime thread.
//!
//! The files go with the next retention.

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

/// What stands for the high watermark in place of an offset.
const HIGH_WATERMARK: Offset = Offset(-1);

/// Why the records are still there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteFailure {
    /// This broker does not lead the partition.
    #[error("not the leader of the partition")]
    NotLeader,
    /// The topic is compacted, and nothing of it may be deleted.
    #[error("the topic's cleanup.policy does not let records be deleted")]
    Policy,
    /// The offset is no offset, or above the high watermark.
    #[error("offset {0} is out of range")]
    OutOfRange(Offset),
    /// The log directory is offline, or the disk has failed.
    #[error("the log directory is offline")]
    Storage,
}

impl Partitions {
    /// Deletes what lies before the given offsets, or before the high watermark (-1). Where each of the
    /// partitions begins now: that is on the disk when this ends.
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

    /// Writes the checkpoints of the directories in which something was deleted; returns those where that went
    /// well.
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

/// Has a place in the order of the partition when this returns.
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
            // Published when that is settled, and not before.
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
