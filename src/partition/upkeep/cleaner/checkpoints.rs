//! How far each log is clean: in memory by partition, on disk in one checkpoint per log directory.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::Offset;
use crate::log::PartitionOffsets;
use crate::log::checkpoint::{read_offsets, write_offsets};
use crate::log::compact::CHECKPOINT;
use crate::log::is_out_of_descriptors;
use crate::partition::directory::HostedDirectory;
use crate::partition::hosting::places::Places;

use super::{PartitionKey, key_of};

/// The first offset that is not clean, for every partition that has been cleaned.
///
/// The file identifies topics by name. A topic that was deleted and created again under its name is another one, so
/// here they are identified by id.
#[derive(Debug, Default)]
pub(super) struct CleanPoints {
    points: HashMap<PartitionKey, Offset>,
    /// The contents of the files.
    written: HashMap<PathBuf, PartitionOffsets>,
}

impl CleanPoints {
    /// Reads the checkpoints of all directories. An invalid one counts as empty: everything is then cleaned from the
    /// start.
    pub(super) fn load(&mut self, places: &Places) {
        for directory in places.directories() {
            let path = directory.path().join(CHECKPOINT);
            let offsets = match read_offsets(&path) {
                Ok(Ok(offsets)) => offsets,
                Ok(Err(error)) => {
                    tracing::warn!(path = %path.display(), %error, "ignoring a checkpoint");
                    continue;
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "checkpoint cannot be read");
                    continue;
                }
            };
            self.written.insert(path, offsets);
        }
        for replica in places.all() {
            let path = replica.directory().path().join(CHECKPOINT);
            let offsets = self.written.get(&path);
            if let Some(offset) = offsets.and_then(|offsets| offsets.get(replica.topic_partition()))
            {
                self.points.insert(key_of(&replica), *offset);
            }
        }
        for unreadable in places.unreadable() {
            let partition = &unreadable.wanted.topic_partition;
            let mut files = self.written.values();
            if let Some(offset) = files.find_map(|offsets| offsets.get(partition)) {
                let key = (unreadable.wanted.topic_id, partition.partition);
                self.points.insert(key, *offset);
            }
        }
    }

    pub(super) fn get(&self, key: PartitionKey) -> Option<Offset> {
        self.points.get(&key).copied()
    }

    pub(super) fn set(&mut self, key: PartitionKey, offset: Offset) {
        self.points.insert(key, offset);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Removes all other partitions. Returns whether there were any.
    pub(super) fn retain(&mut self, known: &HashSet<PartitionKey>) -> bool {
        let before = self.points.len();
        self.points.retain(|key, _| known.contains(key));
        self.points.len() < before
    }

    /// Writes the checkpoints that have changed.
    pub(super) fn store(&mut self, places: &Places) {
        for directory in places.directories() {
            if directory.is_offline() {
                continue;
            }
            let path = directory.path().join(CHECKPOINT);
            let offsets = self.of_directory(places, directory, &path);
            let written = self.written.get(&path);
            if written == Some(&offsets) || (written.is_none() && offsets.is_empty()) {
                continue;
            }
            match write_offsets(directory.log_directory().disk(), &path, &offsets) {
                Ok(()) => drop(self.written.insert(path, offsets)),
                Err(error) if is_out_of_descriptors(&error) => {
                    crate::base::limited!(warn, "checkpoint not written: no file descriptor left", %error);
                }
                Err(error) => directory.fail(&format_args!("checkpoint: {error}")),
            }
        }
    }

    fn of_directory(
        &self,
        places: &Places,
        directory: &Arc<HostedDirectory>,
        path: &PathBuf,
    ) -> PartitionOffsets {
        let replicas = places.all();
        let open = replicas
            .iter()
            .filter(|replica| Arc::ptr_eq(&replica.directory(), directory))
            .filter_map(|replica| {
                let offset = self.get(key_of(replica))?;
                Some((replica.topic_partition().clone(), offset))
            });
        // for partitions that could not be opened, the file keeps its entries
        let written = self.written.get(path);
        let unreadable = places.unreadable().into_iter().filter_map(|it| {
            let partition = it.wanted.topic_partition;
            let offset = *written?.get(&partition)?;
            Some((partition, offset))
        });
        unreadable.chain(open).collect()
    }
}
