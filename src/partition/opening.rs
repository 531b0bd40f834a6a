//! Opening many logs at once, and putting aside what does not belong here.
//!
//! Logs are opened by several threads, since recovering one is a scan that the disk can overlap with
//! the next. A log that cannot be opened is reported with its reason; the others are not held up.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{NodeId, Timestamp, TopicId, TopicPartition};
use crate::config::TopicConfig;
use crate::log::names::marked_directory_name;
use crate::log::{
    DirectoryError, FoundReplica, LogDirectory, OpenOptions, PartitionLog, PartitionOffsets,
    RecoveryReport, ReplicaState, read_topic_id,
};
use crate::metadata::{Image, PartitionImage};

use super::manager::Unreadable;
use super::replica::Leadership;

/// A partition that is to be hosted here.
#[derive(Clone)]
pub(super) struct ToOpen {
    pub(super) topic_partition: TopicPartition,
    pub(super) topic_id: TopicId,
    pub(super) leadership: Leadership,
    pub(super) config: Arc<TopicConfig>,
}

/// A partition and its log.
pub(super) struct Opened {
    pub(super) wanted: ToOpen,
    pub(super) log: PartitionLog,
}

/// What opening needs to know besides the partition.
pub(super) struct Context<'a> {
    /// This broker. A leader notes where its epoch begins before it serves in it.
    pub(super) node: NodeId,
    pub(super) log_directory: &'a LogDirectory,
    pub(super) clean_shutdown: bool,
    pub(super) recovery_points: PartitionOffsets,
    pub(super) log_starts: PartitionOffsets,
    pub(super) threads: usize,
    pub(super) producer_id_expiration_ms: i64,
    pub(super) now: Timestamp,
}

/// Opens all of them, several at a time.
pub(super) fn open_all(
    wanted: Vec<ToOpen>,
    context: &Context<'_>,
) -> Vec<Result<Opened, Unreadable>> {
    let total = wanted.len();
    let threads = context.threads.clamp(1, total.max(1));
    let queue = Mutex::new(VecDeque::from(wanted));
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let open_until_empty = || {
        let mut opened = Vec::new();
        while let Some(wanted) = next() {
            opened.push(open_one(wanted, context));
        }
        opened
    };
    if threads == 1 {
        return open_until_empty();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(open_until_empty))
            .collect();
        workers
            .into_iter()
            // A worker that panics takes the start with it: what it had opened is not known.
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn open_one(wanted: ToOpen, context: &Context<'_>) -> Result<Opened, Unreadable> {
    let partition = &wanted.topic_partition;
    let said = |offsets: &PartitionOffsets| offsets.get(partition).copied().unwrap_or_default();
    let (recovery_point, log_start) = (said(&context.recovery_points), said(&context.log_starts));
    let options = OpenOptions {
        config: Arc::clone(&wanted.config),
        clean_shutdown: context.clean_shutdown,
        recovery_point,
        log_start,
        topic_id: wanted.topic_id,
        disk: context.log_directory.disk().clone(),
        jitter_seed: rand::random(),
        producer_id_expiration_ms: context.producer_id_expiration_ms,
        now: context.now,
    };
    let directory = context.log_directory.replica_path(partition);
    let opened = PartitionLog::open(&directory, partition.clone(), options);
    let opened = opened.and_then(|(mut log, report)| {
        if wanted.leadership.leader == context.node {
            log.assign_epoch(wanted.leadership.epoch)?;
        }
        Ok((log, report))
    });
    match opened {
        Ok((log, report)) => {
            tell(partition, &report);
            Ok(Opened { wanted, log })
        }
        Err(error) => {
            let may_pass = error.is_out_of_descriptors();
            let until = if may_pass {
                "there are descriptors again; raise the limit of open files"
            } else {
                "the broker is started again"
            };
            tracing::error!(%partition, %error, "log cannot be opened: the partition answers errors until {until}");
            Err(Unreadable {
                wanted,
                recovery_point,
                log_start,
                may_pass,
            })
        }
    }
}

fn tell(partition: &TopicPartition, report: &RecoveryReport) {
    if report.bytes_truncated > 0 || report.segments_deleted > 0 {
        tracing::warn!(
            %partition,
            scanned = report.bytes_scanned,
            cut = report.bytes_truncated,
            segments_deleted = report.segments_deleted,
            "log recovered: an unfinished end was cut off"
        );
    } else if report.segments_scanned > 0 {
        tracing::info!(%partition, scanned = report.bytes_scanned, segments = report.segments_scanned, "log checked");
    }
}

/// Renames replica directories that the image does not place here to their `-stray` form, as Kafka
/// does: nothing is deleted because metadata does not know it. Returns directories that were already
/// deleted and only wait for their files to go.
pub(super) fn set_strays_aside(
    log_directory: &LogDirectory,
    image: &Image,
    node: NodeId,
) -> Result<Vec<PathBuf>, SetAsideError> {
    let mut deleted = Vec::new();
    for found in log_directory.replicas()? {
        match found.state {
            ReplicaState::Deleted => deleted.push(found.path),
            ReplicaState::Live if !is_placed_here(&found, image, node) => {
                let name = marked_directory_name(
                    &found.topic_partition,
                    uuid::Uuid::new_v4(),
                    ReplicaState::Stray,
                );
                let stray = log_directory.path().join(name);
                log_directory.disk().rename(&found.path, &stray)?;
                log_directory.disk().sync_directory(log_directory.path())?;
                tracing::warn!(partition = %found.topic_partition, directory = %stray.display(), "directory is of no known partition: set aside");
            }
            ReplicaState::Live | ReplicaState::Stray | ReplicaState::Future => {}
        }
    }
    Ok(deleted)
}

/// Why the directories could not be put in order.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetAsideError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn is_placed_here(found: &FoundReplica, image: &Image, node: NodeId) -> bool {
    let TopicPartition { topic, partition } = &found.topic_partition;
    let Some(known) = image.topic(topic) else {
        return false;
    };
    // An id that cannot be read is not somebody else's: opening the log will say what is wrong.
    let found_id = read_topic_id(&found.path).ok().flatten();
    let is_this_life = found_id.is_none_or(|id| id == known.id);
    let is_placed = |partition: &PartitionImage| partition.replicas.contains(&node);
    is_this_life && known.partition(*partition).is_some_and(is_placed)
}

/// Removes directories with all they hold. One that cannot be removed is only space lost.
pub(super) fn remove_directories(paths: impl IntoIterator<Item = PathBuf>) {
    for path in paths {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::warn!(directory = %path.display(), %error, "deleted partition's files cannot be removed");
        }
    }
}

/// Gives the directory of a deleted replica that nobody has open its `-delete` name.
pub(super) fn rename_deleted(
    log_directory: &LogDirectory,
    partition: &TopicPartition,
) -> std::io::Result<PathBuf> {
    let name = marked_directory_name(partition, uuid::Uuid::new_v4(), ReplicaState::Deleted);
    let path = log_directory.path().join(name);
    let disk = log_directory.disk();
    disk.rename(&log_directory.replica_path(partition), &path)?;
    disk.sync_directory(log_directory.path())?;
    Ok(path)
}
