//! Requests for the log directory of a replica.

use std::path::Path;
use std::sync::Arc;

use crate::base::{Offset, TopicId, TopicPartition, lock};
use crate::log::{LogError, OpenOptions, PartitionLog, ReplicaState, names::marked_directory_name};
use crate::partition::directory::HostedDirectory;
use crate::partition::hosting::places::NotHosted;
use crate::partition::replica::Replica;

use super::moving::Moves;

/// How many partitions are remembered before they exist. Kafka has no bound.
const MOST_PREFERRED: usize = 10_000;

/// The maximum length of a directory name.
const LONGEST_NAME: usize = 255;

/// Why a replica cannot move to the requested directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterDirectoryError {
    /// The path of its future replica is too long.
    #[error("the topic's name is too long")]
    NameTooLong,
    /// The path is not in `log.dirs`.
    #[error("no such log directory is configured")]
    NoSuchDirectory,
    /// A directory that is needed is offline.
    #[error("a log directory is offline")]
    Offline,
    /// The partition is not on this broker. If it is created here later, it will be in that directory.
    #[error("no such partition on this broker")]
    NotHosted,
}

impl From<LogError> for AlterDirectoryError {
    fn from(_: LogError) -> Self {
        Self::Offline
    }
}

/// A replica and its requested directory.
#[derive(Clone, Debug)]
pub struct WantedDirectory {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// Its topic's id, if the topic exists.
    pub topic_id: Option<TopicId>,
    /// An absolute path of `log.dirs`.
    pub path: Arc<str>,
}

impl Moves {
    /// Moves replicas to other directories of this broker; the answer does not wait for the move. A request for the
    /// directory that already holds the replica cancels its move to another one.
    pub(in crate::partition) async fn alter(
        self: &Arc<Self>,
        wanted: Vec<WantedDirectory>,
    ) -> Vec<Result<(), AlterDirectoryError>> {
        let (moves, count) = (Arc::clone(self), wanted.len());
        let altered = tokio::task::spawn_blocking(move || {
            let _deciding = lock(&moves.deciding);
            wanted
                .iter()
                .map(|wanted| moves.alter_one(wanted))
                .collect()
        });
        // Cancelled only when the broker ends.
        altered
            .await
            .unwrap_or_else(|_| vec![Err(AlterDirectoryError::Offline); count])
    }

    fn alter_one(self: &Arc<Self>, wanted: &WantedDirectory) -> Result<(), AlterDirectoryError> {
        let partition = &wanted.topic_partition;
        if partition.topic.len() > LONGEST_NAME {
            return Err(AlterDirectoryError::NameTooLong);
        }
        let name = marked_directory_name(partition, uuid::Uuid::new_v4(), ReplicaState::Future);
        if !name.starts_with(&format!("{partition}.")) || name.len() > LONGEST_NAME {
            return Err(AlterDirectoryError::NameTooLong);
        }
        let target = self.directory_at(&wanted.path)?;
        let found = wanted.topic_id.map_or(Err(NotHosted::Unknown), |id| {
            self.places.find(id, partition.partition)
        });
        let replica = match found {
            Ok(replica) => replica,
            Err(NotHosted::Unreadable) => return Err(AlterDirectoryError::Offline),
            Err(NotHosted::Unknown) => {
                self.prefer(partition, &target);
                return Err(AlterDirectoryError::NotHosted);
            }
        };
        if replica.is_offline() {
            return Err(AlterDirectoryError::Offline);
        }
        if let Some(moving) = self.of(&replica) {
            if Arc::ptr_eq(&moving.target, &target) {
                return Ok(());
            }
            let topic = replica.topic_id();
            if let Some(cancelled) = self.cancel(topic, partition.partition) {
                cancelled.wait_for_end();
            }
        }
        // After the wait: the move may have ended before it could be cancelled.
        if Arc::ptr_eq(&replica.directory(), &target) {
            return Ok(());
        }
        if self.places.has_offline_directories() {
            // One of those may have a future replica of it.
            return Err(AlterDirectoryError::Offline);
        }
        self.create_future(&replica, &target, &target.path().join(name))
    }

    /// Creates the future replica, so that the next start knows of the move, and queues the copying.
    fn create_future(
        self: &Arc<Self>,
        replica: &Arc<Replica>,
        target: &Arc<HostedDirectory>,
        path: &Path,
    ) -> Result<(), AlterDirectoryError> {
        let log_start = replica.published().positions.log_start;
        let options = self.future_options(replica, target, log_start);
        // The mover opens it when its turn comes: until then no file stays open.
        drop(PartitionLog::open(
            path,
            replica.topic_partition().clone(),
            options,
        )?);
        let begun = self.begin(replica, target, path.to_owned());
        Ok(begun.map_err(LogError::Io)?)
    }

    /// The options to open a future replica that begins at `log_start`.
    pub(super) fn future_options(
        &self,
        replica: &Replica,
        target: &HostedDirectory,
        log_start: Offset,
    ) -> OpenOptions {
        OpenOptions {
            config: replica.config(),
            clean_shutdown: false,
            recovery_point: Offset::ZERO,
            log_start,
            high_watermark: Offset::ZERO,
            topic_id: replica.topic_id(),
            disk: target.log_directory().disk().clone(),
            jitter_seed: rand::random(),
            producer_expiration: self.environment.producer_expiration().clone(),
            now: self.environment.now(),
        }
    }

    /// The online directory at this path.
    fn directory_at(&self, path: &str) -> Result<Arc<HostedDirectory>, AlterDirectoryError> {
        let is_it = |other: &Path| other.to_str() == Some(path);
        if self
            .places
            .unusable_directories()
            .iter()
            .any(|path| is_it(path))
        {
            return Err(AlterDirectoryError::Offline);
        }
        let directory = self
            .places
            .directories()
            .find(|directory| is_it(directory.path()))
            .ok_or(AlterDirectoryError::NoSuchDirectory)?;
        if directory.is_offline() {
            return Err(AlterDirectoryError::Offline);
        }
        Ok(Arc::clone(directory))
    }

    /// Remembers the directory for a partition that is not created here yet.
    fn prefer(&self, partition: &TopicPartition, target: &HostedDirectory) {
        let mut preferred = lock(&self.preferred);
        if preferred.len() < MOST_PREFERRED || preferred.contains_key(partition) {
            preferred.insert(partition.clone(), target.id());
        }
    }
}
