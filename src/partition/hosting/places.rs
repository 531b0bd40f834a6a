//! Where each partition that belongs here is: the part of hosting that everybody else sees.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::{Offset, TopicId, read, write};
use crate::log::{Checkpoint, PartitionOffsets};
use crate::partition::directory::HostedDirectory;
use crate::partition::replica::Replica;

use super::opening::ToOpen;

/// By topic id, then by partition number; a missing entry is a partition that is not hosted here.
pub(super) type HostedTopics = HashMap<TopicId, HashMap<i32, Place>>;

/// A partition that belongs here.
#[derive(Clone)]
pub(super) enum Place {
    Open(Arc<Replica>),
    /// It is being created.
    Opening(Opening),
    /// Its log could not be opened.
    Unreadable(Box<Unreadable>),
    /// It may be in an offline directory.
    Offline,
}

/// A partition that is being created, with its newest state in the image.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) wanted: ToOpen,
    pub(super) directory: Arc<HostedDirectory>,
}

/// A partition whose log could not be opened, with its checkpoint entries, for another attempt.
#[derive(Clone)]
pub(in crate::partition) struct Unreadable {
    pub(in crate::partition) wanted: ToOpen,
    pub(super) directory: Arc<HostedDirectory>,
    pub(super) recovery_point: Offset,
    pub(super) log_start: Offset,
    pub(super) high_watermark: Offset,
    /// Whether a later attempt may succeed without a restart.
    pub(super) may_pass: bool,
}

impl Place {
    const fn open(&self) -> Option<&Arc<Replica>> {
        match self {
            Self::Open(replica) => Some(replica),
            Self::Opening(_) | Self::Unreadable(_) | Self::Offline => None,
        }
    }

    /// The directory that it is in.
    pub(super) fn directory(&self) -> Option<Arc<HostedDirectory>> {
        match self {
            Self::Open(replica) => Some(replica.directory()),
            Self::Opening(opening) => Some(Arc::clone(&opening.directory)),
            Self::Unreadable(unreadable) => Some(Arc::clone(&unreadable.directory)),
            Self::Offline => None,
        }
    }
}

/// Why a partition cannot be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHosted {
    /// There is no such partition on this broker.
    #[error("no such partition")]
    Unknown,
    /// Its log could not be opened, or its directory is offline.
    #[error("the partition's log cannot be opened")]
    Unreadable,
}

/// The places of all partitions that belong here, and the directories that they are in.
pub(in crate::partition) struct Places {
    directories: Vec<Arc<HostedDirectory>>,
    /// Configured directories that could not be used at the start.
    unusable: Vec<PathBuf>,
    hosted: RwLock<HostedTopics>,
}

impl Places {
    pub(super) fn new(directories: Vec<Arc<HostedDirectory>>, unusable: Vec<PathBuf>) -> Self {
        Self {
            directories,
            unusable,
            hosted: RwLock::default(),
        }
    }

    /// A hosted partition.
    pub(in crate::partition) fn find(
        &self,
        topic: TopicId,
        partition: i32,
    ) -> Result<Arc<Replica>, NotHosted> {
        match self
            .hosted()
            .get(&topic)
            .and_then(|partitions| partitions.get(&partition))
        {
            Some(Place::Open(replica)) => Ok(Arc::clone(replica)),
            Some(Place::Unreadable(_) | Place::Offline) => Err(NotHosted::Unreadable),
            Some(Place::Opening(_)) | None => Err(NotHosted::Unknown),
        }
    }

    /// All hosted partitions that are open, in no order.
    pub(in crate::partition) fn all(&self) -> Vec<Arc<Replica>> {
        self.hosted()
            .values()
            .flat_map(HashMap::values)
            .filter_map(Place::open)
            .cloned()
            .collect()
    }

    /// The partitions whose logs could not be opened.
    pub(in crate::partition) fn unreadable(&self) -> Vec<Unreadable> {
        let hosted = self.hosted();
        let places = hosted.values().flat_map(HashMap::values);
        let unreadable = places.filter_map(|place| match place {
            Place::Open(_) | Place::Opening(_) | Place::Offline => None,
            Place::Unreadable(unreadable) => Some(Unreadable::clone(unreadable)),
        });
        unreadable.collect()
    }

    /// The log directories that could be used at the start, in the order of the configuration.
    pub(in crate::partition) fn directories(&self) -> impl Iterator<Item = &Arc<HostedDirectory>> {
        self.directories.iter()
    }

    /// The log directories that could not be used at the start.
    pub(in crate::partition) fn unusable_directories(&self) -> &[PathBuf] {
        &self.unusable
    }

    /// Whether a configured directory is unusable at present.
    pub(in crate::partition) fn has_offline_directories(&self) -> bool {
        !self.unusable.is_empty() || self.directories().any(|directory| directory.is_offline())
    }

    /// Writes a checkpoint of the published positions in one directory. Returns whether it was written.
    pub(in crate::partition) fn write_checkpoint(
        &self,
        directory: &Arc<HostedDirectory>,
        which: Checkpoint,
    ) -> bool {
        if directory.is_offline() {
            return false;
        }
        let offsets = || self.published_offsets(directory, which);
        let written = directory.write_checkpoint(which, offsets);
        if let Err(error) = &written {
            directory.note_failure("checkpoint", error);
        }
        written.is_ok()
    }

    /// The checkpoint entries of all open partitions in `directory`.
    pub(in crate::partition) fn published_offsets(
        &self,
        directory: &Arc<HostedDirectory>,
        which: Checkpoint,
    ) -> PartitionOffsets {
        let is_here = |other: &Arc<HostedDirectory>| Arc::ptr_eq(other, directory);
        let mut offsets = directory.expected_offsets(which);
        for replica in self.all() {
            if is_here(&replica.directory())
                && let Some(offset) = replica.published().checkpointed(which)
            {
                offsets.insert(replica.topic_partition().clone(), offset);
            }
        }
        // For partitions that could not be opened there is no newer state.
        for unreadable in self.unreadable() {
            let offset = match which {
                Checkpoint::RecoveryPoint => unreadable.recovery_point,
                Checkpoint::LogStart => unreadable.log_start,
                Checkpoint::Replication => unreadable.high_watermark,
            };
            if offset > Offset::ZERO && is_here(&unreadable.directory) {
                offsets.insert(unreadable.wanted.topic_partition, offset);
            }
        }
        offsets
    }

    pub(super) fn hosted(&self) -> RwLockReadGuard<'_, HostedTopics> {
        read(&self.hosted)
    }

    pub(super) fn hosted_mut(&self) -> RwLockWriteGuard<'_, HostedTopics> {
        write(&self.hosted)
    }
}
