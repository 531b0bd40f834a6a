//! What the log directories hold when the broker starts, and what of it belongs here.
//!
//! | found | the image | action |
//! | --- | --- | --- |
//! | `<topic>-<partition>` | places it here | it is opened |
//! | the same in two directories | places it here | the one in the image's directory is opened, the other set aside |
//! | `<topic>-<partition>` | does not know it | it is set aside (`-stray`): nothing is deleted because the metadata does not know it. If there are many, the start is refused ([`super::strays`]) |
//! | `-future` | places it here | its move continues ([`crate::partition::moves::moving`]) |
//! | `-future`, and no replica anywhere | names its directory | it becomes the replica, unless a directory is offline |
//! | `-future` | does not know it | it is set aside |
//! | `-delete` | | it is removed |

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{DirectoryId, NodeId, TopicId, TopicPartition};
use crate::log::{DirectoryError, ReplicaState};
use crate::metadata::{Image, PartitionImage};
use crate::partition::directory::{HostedDirectory, remove_directory};

use super::contents::Identified;
use super::strays::Known;

/// The directories of the replicas that belong here.
#[derive(Default)]
pub(in crate::partition) struct Inventory {
    live: HashMap<TopicPartition, LiveReplica>,
    futures: Vec<FutureReplica>,
}

/// A replica of a partition that belongs here.
#[derive(Clone)]
pub(in crate::partition) struct LiveReplica {
    pub(in crate::partition) directory: Arc<HostedDirectory>,
    /// Whether its topic id was read and matches.
    pub(in crate::partition) has_this_id: bool,
}

/// A future replica of a partition that belongs here.
pub(in crate::partition) struct FutureReplica {
    pub(in crate::partition) topic_partition: TopicPartition,
    pub(in crate::partition) topic_id: TopicId,
    pub(in crate::partition) directory: Arc<HostedDirectory>,
    pub(in crate::partition) path: PathBuf,
    /// Whether the image says that the partition is in this directory.
    is_named: bool,
}

/// Why a directory could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(in crate::partition) enum DisorderError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl DisorderError {
    /// Whether the disk fails. Otherwise an operator has to decide.
    pub(in crate::partition) const fn is_of_the_disk(&self) -> bool {
        matches!(
            self,
            Self::Io(_) | Self::Directory(DirectoryError::NotWritable { .. })
        )
    }
}

impl Inventory {
    /// The replica that was found.
    pub(in crate::partition) fn replica_of(
        &self,
        partition: &TopicPartition,
    ) -> Option<&LiveReplica> {
        self.live.get(partition)
    }

    /// The number of replicas in each directory.
    pub(in crate::partition) fn counts(&self) -> HashMap<DirectoryId, usize> {
        let mut counts = HashMap::new();
        for replica in self.live.values() {
            *counts.entry(replica.directory.id()).or_default() += 1;
        }
        counts
    }

    /// Prepares a directory: records what belongs here, sets aside what does not, removes what was deleted.
    pub(in crate::partition) fn add(
        &mut self,
        survey: Survey,
        known: &Known<'_>,
        node: NodeId,
    ) -> Result<(), DisorderError> {
        let directory = &survey.directory;
        for found in survey.found {
            match found.replica.state {
                ReplicaState::Deleted => remove_directory(&found.replica.path),
                ReplicaState::Live => self.add_live(directory, found, known, node)?,
                ReplicaState::Future => self.add_future(directory, found, known, node)?,
                ReplicaState::Stray => {}
            }
        }
        Ok(())
    }

    /// Turns future replicas that the image names into replicas, where the replica is gone. Only allowed when no
    /// directory is offline: the replica may be in that directory.
    pub(in crate::partition) fn put_futures_in_place(
        &mut self,
    ) -> Result<(), (Arc<HostedDirectory>, std::io::Error)> {
        for future in std::mem::take(&mut self.futures) {
            if !future.is_named || self.live.contains_key(&future.topic_partition) {
                self.futures.push(future);
                continue;
            }
            let directory = future.directory;
            let plain = directory
                .log_directory()
                .replica_path(&future.topic_partition);
            if let Err(error) = directory.rename_to(&future.path, &plain) {
                return Err((directory, error));
            }
            tracing::warn!(partition = %future.topic_partition, directory = %plain.display(), "the moved replica is gone: its copy replaces it");
            let replica = LiveReplica {
                directory,
                has_this_id: false,
            };
            self.live.insert(future.topic_partition, replica);
        }
        Ok(())
    }

    pub(in crate::partition) fn into_futures(self) -> Vec<FutureReplica> {
        self.futures
    }

    fn add_future(
        &mut self,
        directory: &Arc<HostedDirectory>,
        found: Identified,
        known: &Known<'_>,
        node: NodeId,
    ) -> Result<(), DisorderError> {
        let Some((topic_id, placed)) = placed_here(&found, known.image, node) else {
            return set_stray_aside(directory, &found, known);
        };
        let found = found.replica;
        self.futures.push(FutureReplica {
            topic_id,
            is_named: placed.directory_of(node) == Some(directory.id()),
            topic_partition: found.topic_partition,
            directory: Arc::clone(directory),
            path: found.path,
        });
        Ok(())
    }

    fn add_live(
        &mut self,
        directory: &Arc<HostedDirectory>,
        found: Identified,
        known: &Known<'_>,
        node: NodeId,
    ) -> Result<(), DisorderError> {
        let partition = &found.replica.topic_partition;
        let Some((topic_id, placed)) = placed_here(&found, known.image, node) else {
            return set_stray_aside(directory, &found, known);
        };
        if let Some(other) = self.live.get(partition) {
            // A move that was interrupted between its two renames: the metadata had recorded its target before.
            if placed.directory_of(node) != Some(directory.id()) {
                return set_aside(directory, partition, "another directory has this replica");
            }
            set_aside(
                &other.directory,
                partition,
                "another directory has this replica",
            )?;
        }
        let replica = LiveReplica {
            directory: Arc::clone(directory),
            has_this_id: found.topic_id == Some(topic_id),
        };
        self.live.insert(found.replica.topic_partition, replica);
        Ok(())
    }
}

fn set_aside(
    directory: &HostedDirectory,
    partition: &TopicPartition,
    why: &str,
) -> Result<(), DisorderError> {
    let stray = directory.rename_replica(partition, ReplicaState::Stray)?;
    tracing::warn!(%partition, directory = %stray.display(), why, "replica set aside");
    Ok(())
}

/// Sets aside a replica that the metadata does not know.
fn set_stray_aside(
    directory: &HostedDirectory,
    found: &Identified,
    known: &Known<'_>,
) -> Result<(), DisorderError> {
    let partition = &found.replica.topic_partition;
    let stray = directory.rename(&found.replica.path, partition, ReplicaState::Stray)?;
    let directory = stray.display();
    match found.topic_id {
        Some(id) if known.deleted.contains(&id) => {
            crate::base::limited!(info, "replica of a deleted topic set aside", %partition, %directory);
        }
        _ => {
            crate::base::limited!(error, "replica set aside: the metadata knows nothing of it; its records are kept there", %partition, %directory);
        }
    }
    Ok(())
}

/// The contents of a directory.
pub(in crate::partition) struct Survey {
    pub(in crate::partition) directory: Arc<HostedDirectory>,
    pub(in crate::partition) found: Vec<Identified>,
}

/// The partition that was found and its topic, if the image places it here.
pub(in crate::partition) fn placed_here<'a>(
    found: &Identified,
    image: &'a Image,
    node: NodeId,
) -> Option<(TopicId, &'a PartitionImage)> {
    let TopicPartition { topic, partition } = &found.replica.topic_partition;
    let known = image.topic(topic)?;
    let is_this_life = found.topic_id.is_none_or(|id| id == known.id);
    let placed = known
        .partition(*partition)
        .filter(|partition| is_this_life && partition.replicas.contains(&node))?;
    Some((known.id, placed))
}
