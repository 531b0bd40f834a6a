//! A log directory that hosts partitions: the directory itself, its state, its checkpoints, and the replicas in it
//! that wait for removal.

pub(super) mod blocking;
pub(super) mod changes;
mod checkpoints;
mod state;

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use crate::base::{DirectoryId, Offset, Timestamp, TopicId, TopicPartition, lock};
use crate::log::{
    Checkpoint, LogDirectory, LogError, PartitionOffsets, ReplicaState, Space,
    is_out_of_descriptors, names::marked_directory_name, read_topic_id,
};

use super::directory::blocking::BlockingThreads;
use super::directory::changes::Changes;
use super::lane::{LaneHandle, Slot};
use super::replica::Published;
use checkpoints::Checkpoints;
pub use state::DirectoryState;

/// A log directory that hosts partitions.
#[derive(Debug)]
pub struct HostedDirectory {
    log_directory: LogDirectory,
    state: DirectoryState,
    /// The lanes that write here; at least one.
    lanes: Vec<LaneHandle>,
    changes: Changes,
    blocking: BlockingThreads,
    checkpoints: Checkpoints,
    /// Replicas that are not counted here, or not yet, but that the checkpoints must include: recovery point and log
    /// start.
    expected: Mutex<HashMap<TopicPartition, (Offset, Offset)>>,
    going: Mutex<Going>,
}

/// Deleted replicas that are still on the disk.
#[derive(Debug, Default)]
struct Going {
    /// Renamed directories, and when their files may go.
    renamed: Vec<(Timestamp, PathBuf)>,
    /// Replicas that could not be renamed because there was no file descriptor.
    in_place: Vec<InPlace>,
}

#[derive(Debug)]
struct InPlace {
    partition: TopicPartition,
    topic_id: TopicId,
    due: Timestamp,
}

impl HostedDirectory {
    /// Hosts partitions in a directory. Produce requests are refused while its file system has fewer than `reserve`
    /// bytes left.
    pub(super) fn new(
        log_directory: LogDirectory,
        reserve_bytes: u64,
        lanes: Vec<LaneHandle>,
        changes: Changes,
        blocking: BlockingThreads,
    ) -> Self {
        Self {
            state: DirectoryState::new(&log_directory, reserve_bytes),
            log_directory,
            lanes,
            changes,
            blocking,
            checkpoints: Checkpoints::default(),
            expected: Mutex::default(),
            going: Mutex::default(),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.log_directory.path()
    }

    /// Its `directory.id`.
    pub fn id(&self) -> DirectoryId {
        self.log_directory.directory_id()
    }

    /// Its state.
    pub const fn state(&self) -> &DirectoryState {
        &self.state
    }

    /// Whether a write has failed here.
    pub fn is_offline(&self) -> bool {
        self.state.is_offline()
    }

    /// Takes the directory offline.
    pub fn fail(&self, reason: &dyn Display) {
        self.state.fail(reason);
    }

    /// The space of its file system.
    ///
    /// If the system call fails.
    pub fn space(&self) -> io::Result<Space> {
        self.log_directory.space()
    }

    /// The blocking threads on which requests wait for this disk.
    pub(super) const fn blocking(&self) -> &BlockingThreads {
        &self.blocking
    }

    /// The thread that makes and removes replicas here.
    pub(super) const fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn lanes(&self) -> &[LaneHandle] {
        &self.lanes
    }

    /// The lane that writes the log in this slot as long as it is in this directory.
    pub(super) fn lane_of(&self, slot: Slot) -> &LaneHandle {
        let count = self.lanes.len() as u64;
        let index = usize::try_from(slot.0 % count.max(1)).unwrap_or(0);
        &self.lanes[index]
    }

    pub(super) const fn log_directory(&self) -> &LogDirectory {
        &self.log_directory
    }

    /// Counts appended bytes.
    pub(super) fn note_appended(&self, bytes: u64) {
        self.checkpoints.note_appended(bytes);
        self.state.note_appended(bytes);
    }

    /// Records that a partition was published again.
    pub(super) fn note_moved(&self, before: &Published, after: &Published) {
        self.checkpoints.note_moved(before, after);
    }

    /// Records that a partition was added or removed.
    pub(super) fn note_replicas_changed(&self) {
        self.checkpoints.note_all();
    }

    /// Whether a checkpoint would differ from its file.
    pub(super) fn is_news(&self, which: Checkpoint) -> bool {
        self.checkpoints.is_news(which)
    }

    /// Whether much was appended since the recovery points were written.
    pub(super) fn is_busy(&self) -> bool {
        self.checkpoints.is_busy()
    }

    /// Replaces a checkpoint, unless the file says the same already.
    pub(super) fn write_checkpoint(
        &self,
        which: Checkpoint,
        offsets: impl FnOnce() -> PartitionOffsets,
    ) -> io::Result<()> {
        self.checkpoints.write(&self.log_directory, which, offsets)
    }

    /// From now on the checkpoints include a replica that is about to be put in place here.
    pub(super) fn expect(
        &self,
        partition: &TopicPartition,
        recovery_point: Offset,
        log_start: Offset,
    ) {
        let mut expected = self.expected();
        expected.insert(partition.clone(), (recovery_point, log_start));
    }

    /// The replica is in place, or will not be put in place.
    pub(super) fn expect_no_more(&self, partition: &TopicPartition) {
        self.expected().remove(partition);
    }

    /// The checkpoint entries of the expected replicas.
    pub(super) fn expected_offsets(&self, which: Checkpoint) -> PartitionOffsets {
        let expected = self.expected();
        let offsets = expected
            .iter()
            .filter_map(|(partition, (recovery_point, log_start))| {
                let offset = match which {
                    Checkpoint::RecoveryPoint => *recovery_point,
                    Checkpoint::LogStart => *log_start,
                    Checkpoint::Replication => return None,
                };
                (offset > Offset::ZERO).then(|| (partition.clone(), offset))
            });
        offsets.collect()
    }

    fn expected(&self) -> MutexGuard<'_, HashMap<TopicPartition, (Offset, Offset)>> {
        lock(&self.expected)
    }

    /// Handles a failed change of the directory: it goes offline, unless nothing was tried.
    pub(super) fn note_failure(&self, what: &str, error: &io::Error) {
        if is_out_of_descriptors(error) {
            crate::base::limited!(warn, "no file descriptor left: postponed", what, %error);
        } else {
            self.fail(&format_args!("{what}: {error}"));
        }
    }

    /// Records a deleted replica's renamed directory. Its files are removed later.
    pub(super) fn delete_later(&self, renamed: PathBuf, due: Timestamp) {
        self.going().renamed.push((due, renamed));
    }

    /// Records a deleted replica whose directory could not be renamed because there was no file descriptor.
    pub(super) fn delete_once_renamed(
        &self,
        partition: TopicPartition,
        topic_id: TopicId,
        due: Timestamp,
    ) {
        self.going().in_place.push(InPlace {
            partition,
            topic_id,
            due,
        });
    }

    /// Renames the directories that could not be renamed before, unless there is still no file descriptor.
    pub(super) fn finish_renaming(&self) {
        let mut going = self.going();
        while let Some(InPlace {
            partition,
            topic_id,
            due,
        }) = going.in_place.pop()
        {
            match self.rename_deleted_if_still_there(&partition, topic_id) {
                Ok(renamed) => going.renamed.extend(renamed.map(|path| (due, path))),
                Err(error) if is_out_of_descriptors(&error) => {
                    going.in_place.push(InPlace {
                        partition,
                        topic_id,
                        due,
                    });
                    return;
                }
                Err(error) => self.fail(&format_args!("delete of {partition}: {error}")),
            }
        }
    }

    /// Whether a deleted replica of this name is still in the way.
    pub(super) fn waits_for_renaming(&self, partition: &TopicPartition) -> bool {
        let going = self.going();
        going.in_place.iter().any(|at| at.partition == *partition)
    }

    fn rename_deleted_if_still_there(
        &self,
        partition: &TopicPartition,
        topic_id: TopicId,
    ) -> io::Result<Option<PathBuf>> {
        let path = self.log_directory.replica_path(partition);
        match read_topic_id(&path) {
            Ok(Some(found)) if found == topic_id => {}
            Err(LogError::Io(error)) if is_out_of_descriptors(&error) => return Err(error),
            // The directory belongs to another topic by now. The next start sets an unreadable one aside.
            Ok(_) | Err(_) => return Ok(None),
        }
        self.rename_replica(partition, ReplicaState::Deleted)
            .map(Some)
    }

    /// Renames the directory of a replica that is not open, so that its name carries the given suffix.
    pub(super) fn rename_replica(
        &self,
        partition: &TopicPartition,
        state: ReplicaState,
    ) -> io::Result<PathBuf> {
        let from = self.log_directory.replica_path(partition);
        self.rename(&from, partition, state)
    }

    /// The same for a directory whose name is not the plain one.
    pub(super) fn rename(
        &self,
        from: &Path,
        partition: &TopicPartition,
        state: ReplicaState,
    ) -> io::Result<PathBuf> {
        let name = marked_directory_name(partition, uuid::Uuid::new_v4(), state);
        let to = self.path().join(name);
        self.rename_to(from, &to)?;
        Ok(to)
    }

    /// Renames something in this directory.
    pub(super) fn rename_to(&self, from: &Path, to: &Path) -> io::Result<()> {
        let disk = self.log_directory.disk();
        // opened before anything is changed: there may be no descriptor left later
        let parent = disk.open_directory(self.path())?;
        disk.rename(from, to)?;
        disk.sync_open_directory(&parent, self.path())
    }

    /// Removes the files of deleted replicas whose delay has passed.
    pub(super) fn remove_deleted(&self, now: Timestamp) {
        self.finish_renaming();
        let due: Vec<_> = {
            let mut going = self.going();
            let due = going.renamed.extract_if(.., |(due, _)| *due <= now);
            due.collect()
        };
        for (_, path) in due {
            remove_directory(&path);
        }
    }

    fn going(&self) -> MutexGuard<'_, Going> {
        lock(&self.going)
    }
}

/// Removes a directory with all its contents. If that fails, only space is lost.
pub(super) fn remove_directory(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        crate::base::limited!(
            warn,
            "deleted partition's files cannot be removed",
            directory = %path.display(),
            %error
        );
    }
}
