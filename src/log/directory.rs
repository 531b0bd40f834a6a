//! A log directory: whose it is, who uses it, which replicas are in it, what its checkpoints say.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FlockOperation, fcntl_lock, flock};

use crate::base::{DirectoryId, NodeId, TopicPartition};

use super::checkpoint::{self, PartitionOffsets};
use super::disk::Disk;
use super::file_system;
use super::meta::{self, MetaProperties};
use super::names::{ReplicaDirectoryName, ReplicaState};

const LOCK: &str = ".lock";
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
}

/// What to do when `meta.properties` is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `node.id`; a directory of another node is not ours.
    pub node_id: NodeId,
    /// The cluster, where it is known already; a directory of another cluster is not ours.
    pub cluster_id: Option<String>,
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
    /// It belongs to another node or cluster, or to nobody we know.
    #[error("{path:?} is not ours: {reason}")]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// What gives it away.
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
    /// One of its files makes no sense.
    #[error("{path:?} is malformed: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// A replica directory that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundReplica {
    /// Where it is.
    pub path: PathBuf,
    /// The partition; the topic's name may be cut short unless the state is live.
    pub topic_partition: TopicPartition,
    /// Its fate.
    pub state: ReplicaState,
}

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is left for us.
    pub usable: u64,
}

/// A log directory in use. The lock is held as long as this lives, or until it is released.
#[derive(Debug)]
pub struct LogDirectory {
    path: PathBuf,
    disk: Disk,
    meta: MetaProperties,
    clean_shutdown: bool,
    lock: Mutex<Option<File>>,
}

impl LogDirectory {
    /// Creates the directory if it is not there, locks it, and reads `meta.properties`, or writes it if this is
    /// the first start. The clean-shutdown marker is looked at and removed.
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
        let lock = lock(path)?;
        let meta = read_or_make_meta(path, identity, &disk)?;
        let marker = path.join(CLEAN_SHUTDOWN);
        let clean_shutdown = marker.try_exists().map_err(not_writable)?;
        if clean_shutdown {
            // gone before anything is loaded, so that a crash while loading does not pass for a clean stop
            disk.remove(&marker)
                .and_then(|()| disk.sync_directory(path))
                .map_err(not_writable)?;
        }
        Ok(Self {
            path: path.to_owned(),
            disk,
            meta,
            clean_shutdown,
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The disk under it: whatever changes the directory goes through this.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Whose it is.
    pub const fn meta(&self) -> &MetaProperties {
        &self.meta
    }

    /// `directory.id`.
    pub fn directory_id(&self) -> DirectoryId {
        self.meta.directory_id.unwrap_or_default()
    }

    /// Whether the broker before us stopped cleanly.
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

    /// Reads a checkpoint. One that makes no sense counts as empty, with a warning: everything is then
    /// scanned from the start, which is slow and right.
    pub fn read_checkpoint(
        &self,
        checkpoint: Checkpoint,
    ) -> Result<PartitionOffsets, DirectoryError> {
        let path = self.path.join(checkpoint.file_name());
        match checkpoint::read_offsets(&path) {
            Ok(Ok(offsets)) => Ok(offsets),
            Ok(Err(error)) => {
                tracing::warn!(path = %path.display(), %error, "ignoring a checkpoint");
                Ok(PartitionOffsets::new())
            }
            Err(source) => Err(DirectoryError::NotWritable { path, source }),
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

    /// Removes a replica directory that [`super::PartitionLog::mark_deleted`] renamed, with all that is in it.
    pub fn remove_replica(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_directory(path)?;
        self.disk.sync_directory(&self.path)
    }

    /// The space of the file system under this directory.
    pub fn space(&self) -> io::Result<Space> {
        let system = rustix::fs::statvfs(&self.path)?;
        Ok(Space {
            total: system.f_blocks.saturating_mul(system.f_frsize),
            usable: system.f_bavail.saturating_mul(system.f_frsize),
        })
    }

    /// Makes what an unclean stop has left durable, all of it at once, so that a clean stop need not sync each log
    /// that nobody has written to since. May take as long as the disk needs for all that waits to be written.
    /// Does nothing where the file system cannot tell of failures: then logs are synced one by one.
    pub fn sync_found(&self) -> io::Result<()> {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Open since the start, so that no failure since then escapes it.
        let Some(file) = lock.as_ref().map(File::try_clone).transpose()? else {
            return Ok(());
        };
        drop(lock);
        if file_system::can_be_synced_whole(&file)? {
            self.disk.sync_file_system(&file, &self.path)?;
            self.disk.note_all_found_is_synced();
        }
        Ok(())
    }

    /// Lets others use the directory, though this value may live on. For who changes nothing here any more.
    pub fn release(&self) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        *lock = None;
    }

    /// Leaves the clean-shutdown marker: the last thing that a clean stop does, after all logs are closed and
    /// all checkpoints are written.
    pub fn mark_clean_shutdown(&self, broker_epoch: i64) -> io::Result<()> {
        let content = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
        self.disk
            .replace(&self.path.join(CLEAN_SHUTDOWN), content.as_bytes())
    }
}

/// All replica directories in a log directory but that of the metadata log, in the order of their names.
///
/// # Errors
/// When it cannot be read, or something else is in it.
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
        // what file systems put into the root of a volume
        if [METADATA_LOG, REMOTE_INDEX_CACHE, "lost+found"].contains(&&*name) {
            continue;
        }
        let Some(ReplicaDirectoryName {
            topic_partition,
            state,
        }) = ReplicaDirectoryName::parse(&name)
        else {
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

/// Locks the directory both ways: `flock` against ourselves, and the record lock that Kafka's JVM takes.
fn lock(path: &Path) -> Result<File, DirectoryError> {
    let lock_path = path.join(LOCK);
    let not_writable = |source| DirectoryError::NotWritable {
        path: lock_path.clone(),
        source,
    };
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock_path);
    let file = file.map_err(not_writable)?;
    for locked in [
        flock(&file, FlockOperation::NonBlockingLockExclusive),
        fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive),
    ] {
        match locked {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => {
                return Err(DirectoryError::AlreadyLocked {
                    path: path.to_owned(),
                });
            }
            Err(errno) => return Err(not_writable(errno.into())),
        }
    }
    Ok(file)
}

fn read_or_make_meta(
    path: &Path,
    identity: &Identity,
    disk: &Disk,
) -> Result<MetaProperties, DirectoryError> {
    let file = path.join(meta::FILE_NAME);
    let not_writable = |source| DirectoryError::NotWritable {
        path: file.clone(),
        source,
    };
    let mut meta = match std::fs::read(&file) {
        Ok(text) => MetaProperties::decode(&text).map_err(|reason| DirectoryError::Malformed {
            path: file.clone(),
            reason,
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse_foreign_content(path)?;
            let fresh = MetaProperties::fresh(identity.node_id);
            let cluster_id = identity.cluster_id.clone().unwrap_or(fresh.cluster_id);
            let meta = MetaProperties {
                cluster_id,
                ..fresh
            };
            disk.replace(&file, meta.encode().as_bytes())
                .map_err(not_writable)?;
            meta
        }
        Err(error) => return Err(not_writable(error)),
    };
    let not_ours = |reason| {
        Err(DirectoryError::NotOurs {
            path: path.to_owned(),
            reason,
        })
    };
    if meta.node_id != identity.node_id {
        return not_ours(format!(
            "it belongs to node.id {}, and this is {}",
            meta.node_id, identity.node_id
        ));
    }
    if let Some(cluster_id) = identity
        .cluster_id
        .as_ref()
        .filter(|cluster_id| **cluster_id != meta.cluster_id)
    {
        return not_ours(format!(
            "it belongs to cluster {}, and this broker is of {cluster_id}, as zurau.cluster.id, CLUSTER_ID or the \
             directory of the metadata log says; choose a directory of that cluster, or correct the id",
            meta.cluster_id
        ));
    }
    if meta.directory_id.is_none() {
        meta.directory_id = Some(DirectoryId::random());
        disk.replace(&file, meta.encode().as_bytes())
            .map_err(not_writable)?;
    }
    Ok(meta)
}

/// A directory without `meta.properties` is taken over only when it is empty: a wrong path in the
/// configuration must not fill somebody's home directory with segments.
fn refuse_foreign_content(path: &Path) -> Result<(), DirectoryError> {
    let not_writable = |source| DirectoryError::NotWritable {
        path: path.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(path).map_err(not_writable)? {
        let name = entry.map_err(not_writable)?.file_name();
        let name = name.to_string_lossy();
        let harmless = name.starts_with('.') || name.ends_with(".tmp") || name == "lost+found";
        if !harmless {
            return Err(DirectoryError::NotOurs {
                path: path.to_owned(),
                reason: format!(
                    "it has no {} but holds {name:?}; choose an empty directory",
                    meta::FILE_NAME
                ),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
