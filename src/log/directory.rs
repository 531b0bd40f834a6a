//! A log directory: the node and cluster that it belongs to, its lock, its replicas and its checkpoints.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::base::{DirectoryId, TopicPartition, lock};

use super::checkpoint::{self, PartitionOffsets};
use super::disk::Disk;
use super::identity::{Identified, Identity};
use super::lock::DirectoryLock;
use super::meta::MetaProperties;
use super::names::{self, ReplicaDirectoryName, ReplicaState};
use super::{file_system, plain_file};

const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const METADATA_LOG: &str = "__cluster_metadata-0";
const REMOTE_INDEX_CACHE: &str = "remote-log-index-cache";

/// The checkpoints of a log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checkpoint {
    /// Everything below is synced.
    RecoveryPoint,
    /// Log starts above the first segment's base.
    LogStart,
    /// High watermarks.
    Replication,
}

impl Checkpoint {
    /// The file's name.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::LogStart => "log-start-offset-checkpoint",
            Self::Replication => "replication-offset-checkpoint",
        }
    }

    /// What an operator who removes it should know.
    const fn without(self) -> &'static str {
        match self {
            Self::RecoveryPoint => {
                "without it all logs of this directory are read from their start"
            }
            Self::LogStart => {
                "without it records that were deleted from the start of a log may come back"
            }
            Self::Replication => "without it each high watermark is the end of its log",
        }
    }
}

/// Why a log directory cannot be used. One line each, with the directory's name.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Another process has it.
    #[error(
        "{path:?} is already locked: another broker uses this directory; stop it, or choose another one in log.dirs"
    )]
    AlreadyLocked {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to another node or cluster, or is not a log directory.
    #[error("{path:?} is not a log directory of this broker: {reason}")]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// It cannot be created, listed or written.
    #[error("{path:?} cannot be used: {source}")]
    NotWritable {
        /// The directory or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// One of its files is malformed.
    #[error("{path:?} is malformed: {reason}; {cure}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What an operator can do.
        cure: &'static str,
    },
}

impl DirectoryError {
    /// The error for a file that cannot be read; `cure` says what to do if it is malformed or not a file.
    pub(super) fn of_file(path: &Path, source: io::Error, cure: &'static str) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::InvalidData {
            let reason = source.to_string();
            return Self::Malformed { path, reason, cure };
        }
        Self::NotWritable { path, source }
    }
}

/// A replica directory that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundReplica {
    /// Where it is.
    pub path: PathBuf,
    /// The partition; the topic's name may be cut short unless the state is live.
    pub topic_partition: TopicPartition,
    /// Its state.
    pub state: ReplicaState,
}

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Total bytes.
    pub total: u64,
    /// Available bytes.
    pub usable: u64,
}

/// A log directory in use. The lock is held as long as this lives, or until it is released.
#[derive(Debug)]
pub struct LogDirectory {
    path: PathBuf,
    disk: Disk,
    identified: Identified,
    clean_shutdown: bool,
    lock: Mutex<Option<DirectoryLock>>,
}

impl LogDirectory {
    /// Creates the directory if it does not exist, locks it, and reads `meta.properties`, or writes it if this is
    /// the first start. An existing directory is not changed; [`Self::take_over`] does that later.
    pub fn open(path: &Path, identity: &Identity) -> Result<Self, DirectoryError> {
        Self::open_on(path, identity, Disk::default())
    }

    /// [`Self::open`] on a disk that a test watches.
    pub fn open_on(path: &Path, identity: &Identity, disk: Disk) -> Result<Self, DirectoryError> {
        let not_writable = |source| DirectoryError::NotWritable {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).is_ok_and(|found| !found.is_dir()) {
            let cure = "it is a file and no directory: name a directory in log.dirs";
            return Err(not_writable(io::Error::new(
                io::ErrorKind::NotADirectory,
                cure,
            )));
        }
        std::fs::create_dir_all(path).map_err(not_writable)?;
        let lock = DirectoryLock::take(path)?;
        let identified = identity.of_directory(path, &disk)?;
        let marker = path.join(CLEAN_SHUTDOWN);
        let clean_shutdown = match std::fs::metadata(&marker) {
            Ok(found) => plain_file::check(&found).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        let clean_shutdown = clean_shutdown.map_err(|error| {
            let cure = "remove it: all logs of this directory are then checked";
            DirectoryError::of_file(&marker, error, cure)
        })?;
        Ok(Self {
            path: path.to_owned(),
            disk,
            identified,
            clean_shutdown,
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Makes the changes of a start in an existing directory, once it is certain that it is the right one.
    /// `meta.properties` gets a directory id if it has none. The marker of a clean stop is removed before anything
    /// is loaded, so that a crash while loading does not look like a clean stop.
    pub fn take_over(&self) -> Result<(), DirectoryError> {
        self.identified.write_down(&self.path, &self.disk)?;
        if self.clean_shutdown {
            self.disk
                .remove(&self.path.join(CLEAN_SHUTDOWN))
                .and_then(|()| self.disk.sync_directory(&self.path))
                .map_err(|source| DirectoryError::NotWritable {
                    path: self.path.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its disk: every change of the directory goes through this.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The cluster and node that it belongs to.
    pub const fn meta(&self) -> &MetaProperties {
        &self.identified.meta
    }

    /// `directory.id`.
    pub fn directory_id(&self) -> DirectoryId {
        self.meta().directory_id.unwrap_or_default()
    }

    /// Whether the last broker stopped cleanly.
    pub const fn had_clean_shutdown(&self) -> bool {
        self.clean_shutdown
    }

    /// Where the replica of a partition is or will be.
    pub fn replica_path(&self, topic_partition: &TopicPartition) -> PathBuf {
        self.path.join(topic_partition.to_string())
    }

    /// Where the metadata log is or will be.
    pub fn metadata_log_path(&self) -> PathBuf {
        metadata_log_in(&self.path)
    }

    /// Reads a checkpoint. A malformed one counts as empty, with an error line: everything is then
    /// scanned from the start, which is slow but correct.
    pub fn read_checkpoint(
        &self,
        checkpoint: Checkpoint,
    ) -> Result<PartitionOffsets, DirectoryError> {
        let path = self.path.join(checkpoint.file_name());
        match checkpoint::read_offsets(&path) {
            Ok(Ok(offsets)) => Ok(offsets),
            Ok(Err(error)) => {
                tracing::error!(path = %path.display(), %error, consequence = checkpoint.without(), "the checkpoint cannot be read: ignoring it and writing a new one");
                Ok(PartitionOffsets::new())
            }
            Err(error) => Err(DirectoryError::of_file(&path, error, checkpoint.without())),
        }
    }

    /// Replaces a checkpoint.
    pub fn write_checkpoint(
        &self,
        checkpoint: Checkpoint,
        offsets: &PartitionOffsets,
    ) -> io::Result<()> {
        checkpoint::write_offsets(&self.disk, &self.path.join(checkpoint.file_name()), offsets)
    }

    /// The space of the file system under this directory.
    pub fn space(&self) -> io::Result<Space> {
        let system = rustix::fs::statvfs(&self.path)?;
        Ok(Space {
            total: system.f_blocks.saturating_mul(system.f_frsize),
            usable: system.f_bavail.saturating_mul(system.f_frsize),
        })
    }

    /// Syncs everything that an unclean stop has left, all at once, so that a clean stop need not sync each log
    /// that was not written to since. This may take as long as the disk needs for all pending writes. It does
    /// nothing on a file system that does not report failures: then logs are synced one by one.
    pub fn sync_found(&self) -> io::Result<()> {
        let lock = lock(&self.lock);
        // It was opened at the start, so it reports every failure since then.
        let file = lock.as_ref().map(|lock| lock.file().try_clone());
        let Some(file) = file.transpose()? else {
            return Ok(());
        };
        drop(lock);
        if file_system::can_be_synced_whole(&file)? {
            self.disk.sync_file_system(&file, &self.path)?;
            self.disk.note_all_found_is_synced();
        }
        Ok(())
    }

    /// Unlocks the directory, though this value may live on. Nothing may be changed through it afterwards.
    pub fn release(&self) {
        let mut lock = lock(&self.lock);
        *lock = None;
    }

    /// Writes the clean shutdown marker. A clean stop does this last, after all logs are closed and all
    /// checkpoints are written.
    pub fn mark_clean_shutdown(&self, broker_epoch: i64) -> io::Result<()> {
        let content = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
        self.disk
            .replace(&self.path.join(CLEAN_SHUTDOWN), content.as_bytes())
    }
}

/// All replica directories in a log directory except that of the metadata log, in the order of their names.
///
/// # Errors
/// When it cannot be read, or contains something else.
pub fn find_replicas(directory: &Path) -> Result<Vec<FoundReplica>, DirectoryError> {
    let not_writable = |source| DirectoryError::NotWritable {
        path: directory.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(not_writable)? {
        let entry = entry.map_err(not_writable)?;
        let kind = entry.file_type().map_err(not_writable)?;
        let is_directory = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
        if !is_directory {
            continue;
        }
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if [METADATA_LOG, REMOTE_INDEX_CACHE].contains(&&*name) {
            continue;
        }
        let Some(ReplicaDirectoryName {
            topic_partition,
            state,
        }) = ReplicaDirectoryName::parse(&name)
        else {
            if names::is_of_the_file_system(&name) {
                continue;
            }
            return Err(DirectoryError::NotOurs {
                path: entry.path(),
                reason: "its name is not of the form topic-partition; move it elsewhere".to_owned(),
            });
        };
        found.push(FoundReplica {
            path: entry.path(),
            topic_partition,
            state,
        });
    }
    found.sort_unstable_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    Ok(found)
}

/// Where a metadata log is, if the log directory at `path` has one.
pub(super) fn metadata_log_in(path: &Path) -> PathBuf {
    path.join(METADATA_LOG)
}

#[cfg(test)]
mod tests;
