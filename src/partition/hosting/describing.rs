//! What an operator sees of the log directories: space, replicas, sizes, the progress of moves.

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::TopicPartition;
use crate::log::Space;
use crate::partition::directory::HostedDirectory;

use super::manager::Partitions;

/// A configured log directory.
#[derive(Clone, Debug)]
pub struct DescribedDirectory {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its contents; `None` when it is offline.
    pub content: Option<DirectoryContent>,
}

/// The contents of an online directory.
#[derive(Clone, Debug, Default)]
pub struct DirectoryContent {
    /// The space of its file system, if the system call succeeds.
    pub space: Option<Space>,
    /// Its replicas, ordered by name.
    pub replicas: Vec<DescribedReplica>,
}

/// A replica in a directory.
#[derive(Clone, Debug)]
pub struct DescribedReplica {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// Bytes of its segments' logs.
    pub size: u64,
    /// How many records a future replica lacks.
    pub offset_lag: i64,
    /// Whether it is a future replica, which will replace the replica in another directory.
    pub is_future: bool,
}

impl Partitions {
    /// Describes all configured log directories. Reads from the disk.
    pub async fn describe_directories(&self) -> Vec<DescribedDirectory> {
        let mut described = Vec::new();
        for directory in self.directories() {
            let (partitions, here) = (self.clone(), Arc::clone(directory));
            let threads = directory.blocking();
            let asked = threads.run_in_turn(move || partitions.describe(&here));
            // Cancelled only when the broker ends.
            described.extend(asked.await);
        }
        let unusable = self.unusable_directories().iter();
        described.extend(unusable.map(|path| DescribedDirectory {
            path: path.clone(),
            content: None,
        }));
        described
    }

    fn describe(&self, directory: &HostedDirectory) -> DescribedDirectory {
        let content = (!directory.is_offline()).then(|| DirectoryContent {
            space: directory.space().ok(),
            replicas: self.replicas_in(directory),
        });
        DescribedDirectory {
            path: directory.path().to_owned(),
            content,
        }
    }

    fn replicas_in(&self, directory: &HostedDirectory) -> Vec<DescribedReplica> {
        let all = self.all();
        let here = all
            .iter()
            .filter(|replica| replica.directory().id() == directory.id());
        let mut replicas: Vec<_> = here
            .map(|replica| DescribedReplica {
                topic_partition: replica.topic_partition().clone(),
                size: replica.published().view.size(),
                offset_lag: 0,
                is_future: false,
            })
            .collect();
        let moves = self.moves().all();
        let coming = moves
            .iter()
            .filter(|moving| moving.target.id() == directory.id());
        replicas.extend(coming.map(|moving| {
            let log_end = moving.replica.published().positions.log_end;
            DescribedReplica {
                topic_partition: moving.replica.topic_partition().clone(),
                size: moving.copied.bytes(),
                offset_lag: log_end.since(moving.copied.log_end()),
                is_future: true,
            }
        }));
        replicas.sort_by(|one, other| one.topic_partition.cmp(&other.topic_partition));
        replicas
    }
}
