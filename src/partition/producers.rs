//! The producers of a partition: the idempotent and transactional producers that its log remembers.

use std::future::Future;

use tokio::sync::oneshot;

use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::log::ProducerPicture;

use super::fetch::ReadFailure;
use super::replica::{EpochMismatch, Replica};

/// A producer as the log remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub id: ProducerId,
    /// Its latest epoch.
    pub epoch: ProducerEpoch,
    /// The sequence number of its last record, or -1.
    pub last_sequence: i32,
    /// The time of its last write.
    pub last_timestamp: Timestamp,
    /// The epoch of the latest coordinator that ended one of its transactions, or -1.
    pub coordinator_epoch: i32,
    /// Where its open transaction begins.
    pub transaction_start: Option<Offset>,
}

/// The producers of a partition at one moment. Unchanged parts are shared with the log.
#[derive(Clone, Debug)]
pub struct ActiveProducers(ProducerPicture);

impl ActiveProducers {
    /// The number of producers.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The first producer with an id greater than `id`, or the first of all.
    pub fn after(&self, id: Option<ProducerId>) -> Option<ActiveProducer> {
        let (id, entry) = self.0.after(id)?;
        Some(ActiveProducer {
            id,
            epoch: entry.epoch,
            last_sequence: entry.last_sequence(),
            last_timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            transaction_start: entry.transaction_start,
        })
    }

    /// The memory in bytes that is held when the log shares nothing with this any more.
    pub const fn memory(&self) -> usize {
        self.0.memory()
    }
}

impl Replica {
    /// The producers, after everything that was sent to the partition before.
    ///
    /// The future fails when this broker does not lead the partition, or its directory is offline.
    pub fn active_producers(
        &self,
    ) -> impl Future<Output = Result<ActiveProducers, ReadFailure>> + Send + use<> {
        let asked = self.ask_for_producers();
        async move {
            // A log that has left its lane was deleted, or the broker stops: the client looks again.
            asked?.await.map_err(|_| EpochMismatch::NotLeader.into())
        }
    }

    fn ask_for_producers(&self) -> Result<oneshot::Receiver<ActiveProducers>, ReadFailure> {
        if self.is_offline() {
            return Err(ReadFailure::Storage(
                "the log directory is offline".to_owned(),
            ));
        }
        self.check_epoch(LeaderEpoch::NONE)?;
        let (reply, answer) = oneshot::channel();
        self.operate(move |hosted| {
            drop(reply.send(ActiveProducers(hosted.log.producers())));
        });
        Ok(answer)
    }
}
