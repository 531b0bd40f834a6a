//! Opening many logs at once.
//!
//! Each directory has threads of its own. Recovering a log is a scan, which its disk can overlap with the next one,
//! and disks do not wait for each other. A log that cannot be opened is reported with its reason; the others are not
//! delayed.
//!
//! Most logs are unchanged, so opening one reads only what is not recorded elsewhere (its directory's listing, the
//! sizes of its files, its leader epochs, the tail of its last segment) and writes nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::base::{DirectoryId, Offset, Timestamp, TopicId, TopicPartition, lock};
use crate::config::TopicConfig;
use crate::log::{
    Checkpoint, DirectoryError, OpenOptions, PartitionLog, PartitionOffsets, ProducerExpiration,
    is_in_the_place_of_log_starts,
};
use crate::partition::directory::HostedDirectory;
use crate::partition::replica::Leadership;

use super::manager::Shared;
use super::places::Unreadable;
use super::progress::{RecoveryProgress, RecoveryWatch, Unwatched};

/// From this many logs on, one sync of the whole file system is cheaper than one sync of each log.
const MANY_LOGS: usize = 256;

/// How many new logs are created at a time.
const NEW_AT_ONCE: usize = 16;

/// A partition that is to be hosted here.
#[derive(Clone)]
pub(in crate::partition) struct ToOpen {
    pub(in crate::partition) topic_partition: TopicPartition,
    pub(in crate::partition) topic_id: TopicId,
    pub(in crate::partition) leadership: Leadership,
    pub(in crate::partition) config: Arc<TopicConfig>,
    /// Its directory in the image, or one of Kafka's reserved ids.
    pub(in crate::partition) assigned: DirectoryId,
    /// Whether its directory is known to have this topic id.
    pub(in crate::partition) has_this_id: bool,
}

/// A partition and its log.
pub(super) struct Opened {
    pub(super) wanted: ToOpen,
    pub(super) directory: Arc<HostedDirectory>,
    pub(super) log: PartitionLog,
    /// From its checkpoint.
    pub(super) high_watermark: Offset,
}

/// The parameters for opening logs in one directory.
pub(super) struct Context {
    pub(super) directory: Arc<HostedDirectory>,
    pub(super) clean_shutdown: bool,
    pub(super) recovery_points: PartitionOffsets,
    pub(super) log_starts: PartitionOffsets,
    pub(super) high_watermarks: PartitionOffsets,
    /// The number of recovery threads.
    recovery_threads: usize,
    /// Whether recovery may be needed.
    may_recover: bool,
    watch: Arc<dyn RecoveryWatch>,
    pub(super) producer_expiration: ProducerExpiration,
    pub(super) now: Timestamp,
}

/// The partitions to be opened in one directory.
pub(super) type Batch = (Context, Vec<ToOpen>);

/// The partitions to be opened, by directory.
#[derive(Default)]
pub(super) struct Batches(pub(super) Vec<Batch>);

impl Batches {
    /// The partitions to be opened in `directory`.
    pub(super) fn of(&mut self, hosting: &Shared, directory: &Arc<HostedDirectory>) -> &mut Batch {
        let known = self
            .0
            .iter()
            .position(|(context, _)| Arc::ptr_eq(&context.directory, directory));
        let at = known.unwrap_or_else(|| {
            self.0.push((Context::new(hosting, directory), Vec::new()));
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

impl Context {
    /// For partitions that have never been here: nothing needs recovery.
    fn new(hosting: &Shared, directory: &Arc<HostedDirectory>) -> Self {
        let environment = &hosting.environment;
        let config = environment.settings();
        Self {
            directory: Arc::clone(directory),
            clean_shutdown: false,
            recovery_points: PartitionOffsets::new(),
            log_starts: PartitionOffsets::new(),
            high_watermarks: PartitionOffsets::new(),
            recovery_threads: usize::try_from(config.num_recovery_threads_per_data_dir)
                .unwrap_or(1),
            may_recover: false,
            watch: Arc::clone(&hosting.recovery_watch),
            producer_expiration: environment.producer_expiration().clone(),
            now: environment.now(),
        }
    }

    /// How many logs are opened at a time. The setting is for logs that are recovered. Without recovery, opening uses
    /// the processors. A new log only waits until the disk has synced some small files, and disks sync many in the
    /// time of one.
    fn threads(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        match (self.may_recover, self.clean_shutdown) {
            (true, true) => self.recovery_threads.max(processors()),
            (true, false) => self.recovery_threads,
            (false, _) => NEW_AT_ONCE,
        }
    }

    /// For the start, with the offsets that the last run has left.
    pub(super) fn read_checkpoints(&mut self) -> Result<(), DirectoryError> {
        let directory = self.directory.log_directory();
        self.may_recover = true;
        self.clean_shutdown = directory.had_clean_shutdown();
        self.recovery_points = directory.read_checkpoint(Checkpoint::RecoveryPoint)?;
        self.log_starts = directory.read_checkpoint(Checkpoint::LogStart)?;
        self.high_watermarks = directory.read_checkpoint(Checkpoint::Replication)?;
        if is_in_the_place_of_log_starts(
            &self.log_starts,
            &self.recovery_points,
            &self.high_watermarks,
        ) {
            tracing::error!(
                directory = %self.directory.path().display(),
                "log-start-offset-checkpoint has the content of another checkpoint and is ignored, since it would hide records. Records that were deleted lately may be there again; delete them again to be rid of them"
            );
            self.log_starts.clear();
        }
        Ok(())
    }
}

/// Opens all of them, in all directories at once.
pub(super) fn open_all(batches: Vec<Batch>) -> Vec<Result<Opened, Box<Unreadable>>> {
    if batches.len() == 1 {
        return batches.into_iter().flat_map(open_in_one).collect();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = batches
            .into_iter()
            .map(|batch| scope.spawn(move || open_in_one(batch)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// Syncs everything that an unclean stop has left in a directory, all at once and in the background. Otherwise, with
/// many logs, the next stop would sync them one by one, although nobody had written to them.
pub(super) fn sync_found(directory: &Arc<HostedDirectory>, logs: Option<usize>) {
    if logs.unwrap_or(0) < MANY_LOGS {
        return;
    }
    let directory = Arc::clone(directory);
    let spawned = std::thread::Builder::new()
        .name("directory-sync".to_owned())
        .spawn(move || {
            if let Err(error) = directory.log_directory().sync_found() {
                tracing::warn!(directory = %directory.path().display(), %error, "the last stop's files may not be synced yet: the next stop will sync log by log");
            }
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread to sync the last stop's files");
    }
}

/// Opens the logs of one directory, several at a time.
fn open_in_one((context, wanted): Batch) -> Vec<Result<Opened, Box<Unreadable>>> {
    let context = &context;
    // A topic of the same name may be waiting for its removal.
    context.directory.finish_renaming();
    let total = wanted.len();
    let threads = context.threads().clamp(1, total.max(1));
    let watch: &dyn RecoveryWatch = if context.may_recover {
        &*context.watch
    } else {
        &Unwatched
    };
    let progress = &RecoveryProgress::begin(watch, context.directory.path(), total);
    let queue = Mutex::new(VecDeque::from(wanted));
    let next = || lock(&queue).pop_front();
    let open_until_empty = || {
        let mut opened = Vec::new();
        while let Some(wanted) = next() {
            opened.push(open_one(wanted, context, progress));
        }
        opened
    };
    let opened = if threads == 1 {
        open_until_empty()
    } else {
        in_parallel(threads, open_until_empty)
    };
    if context.may_recover {
        progress.end();
    }
    opened
}

/// The combined result of several threads that do the same work.
fn in_parallel<T: Send>(threads: usize, run: impl Fn() -> Vec<T> + Copy + Send + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        workers
            .into_iter()
            // A panic of a worker is passed on to the start: it is not known what the worker had opened.
            .flat_map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn open_one(
    wanted: ToOpen,
    context: &Context,
    progress: &RecoveryProgress<'_>,
) -> Result<Opened, Box<Unreadable>> {
    let partition = &wanted.topic_partition;
    let checkpointed =
        |offsets: &PartitionOffsets| offsets.get(partition).copied().unwrap_or_default();
    let (recovery_point, log_start) = (
        checkpointed(&context.recovery_points),
        checkpointed(&context.log_starts),
    );
    let high_watermark = checkpointed(&context.high_watermarks);
    let options = OpenOptions {
        config: Arc::clone(&wanted.config),
        clean_shutdown: context.clean_shutdown,
        recovery_point,
        log_start,
        high_watermark,
        topic_id: match wanted.has_this_id {
            true => TopicId::ZERO,
            false => wanted.topic_id,
        },
        disk: context.directory.log_directory().disk().clone(),
        jitter_seed: rand::random(),
        producer_expiration: context.producer_expiration.clone(),
        now: context.now,
    };
    let path = context.directory.log_directory().replica_path(partition);
    let opened = PartitionLog::open(&path, partition.clone(), options);
    match opened {
        Ok((log, report)) => {
            progress.note_opened(partition, &report);
            Ok(Opened {
                wanted,
                directory: Arc::clone(&context.directory),
                log,
                high_watermark,
            })
        }
        Err(error) => {
            let may_pass =
                error.is_out_of_descriptors() || context.directory.waits_for_renaming(partition);
            let until = if may_pass {
                "file descriptors are free again; raise the limit of open files"
            } else {
                "the broker is started again"
            };
            crate::base::limited!(
                error,
                "log cannot be opened: the partition answers errors",
                %partition,
                %error,
                until
            );
            Err(Box::new(Unreadable {
                wanted,
                directory: Arc::clone(&context.directory),
                recovery_point,
                log_start,
                high_watermark,
                may_pass,
            }))
        }
    }
}
