//! Which partitions this broker hosts: opened at the start, changed as the image changes
//! ([`following`](crate::partition::hosting::following)), closed at the end. This file decides who does it; the doing is in
//! [`starting`](super::starting), in [`opening`], in the lanes, and in the housekeeper's [`rounds`](crate::partition::upkeep::rounds).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::{JoinHandle, available_parallelism};

use tokio::sync::mpsc;

use crate::base::{Clock, Completion, DirectoryId, NodeId, Offset, TopicId, TopicPartition};
use crate::config::CurrentConfig;
use crate::log::{LogDirectories, ProducerExpiration};
use crate::partition::directory::HostedDirectory;
use crate::partition::directory::blocking::BlockingThreads;
use crate::partition::directory::changes::Changes;
use crate::partition::lane;
use crate::partition::moves::assignment::Assignment;
use crate::partition::moves::moving::Moves;
use crate::partition::preparation::Preparation;
use crate::partition::replica::Replica;
use crate::partition::upkeep::cleaner::Cleaner;
use crate::partition::upkeep::rounds_at_once::RoundsAtOnce;
use crate::partition::upkeep::scrubber::ScrubCounts;
use crate::partition::upkeep::workers::Workers;
use crate::partition::waiters::News;

use super::adopting::Adopting;
use super::contents::Contents;
use super::opening::{self, Batches, ToOpen};
use super::placing::Placing;
use super::progress::RecoveryWatch;
use super::strays::{Known, ManyStrays};

/// Why hosting cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread could not be started.
    #[error("cannot start a storage thread: {0}")]
    Thread(std::io::Error),
    /// The log directory could not be read or put in order.
    #[error("log directory {directory}: {reason}")]
    Directory {
        /// Which one.
        directory: String,
        /// What failed.
        reason: String,
    },
    /// What is there and what the metadata knows do not fit together.
    #[error(transparent)]
    ManyStrays(#[from] ManyStrays),
}

/// The hosted partitions. Cheap to clone; all clones are the same set.
#[derive(Clone)]
pub struct Partitions {
    pub(in crate::partition) shared: Arc<Shared>,
}

/// By topic id, then by partition number; a missing entry is a partition that is not hosted here.
pub(in crate::partition) type HostedTopics = HashMap<TopicId, HashMap<i32, Place>>;

/// A partition that belongs here.
#[derive(Clone)]
pub(in crate::partition) enum Place {
    Open(Arc<Replica>),
    /// It is being made.
    Opening(Opening),
    /// Its log could not be opened.
    Unreadable(Box<Unreadable>),
    /// It may be in a directory that is offline.
    Offline,
}

/// A partition that is being made, as the image wants it now.
#[derive(Clone)]
pub(in crate::partition) struct Opening {
    pub(in crate::partition) wanted: ToOpen,
    pub(in crate::partition) directory: Arc<HostedDirectory>,
}

/// A partition whose log could not be opened, with what the checkpoints said of it: for another attempt.
#[derive(Clone)]
pub(in crate::partition) struct Unreadable {
    pub(in crate::partition) wanted: ToOpen,
    pub(in crate::partition) directory: Arc<HostedDirectory>,
    pub(in crate::partition) recovery_point: Offset,
    pub(in crate::partition) log_start: Offset,
    pub(in crate::partition) high_watermark: Offset,
    /// Whether it may go better later, without a restart.
    pub(in crate::partition) may_pass: bool,
}

impl Place {
    const fn open(&self) -> Option<&Arc<Replica>> {
        match self {
            Self::Open(replica) => Some(replica),
            Self::Opening(_) | Self::Unreadable(_) | Self::Offline => None,
        }
    }

    /// The directory that it is in.
    pub(in crate::partition) fn directory(&self) -> Option<Arc<HostedDirectory>> {
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

pub(in crate::partition) struct Shared {
    pub(in crate::partition) node: NodeId,
    pub(in crate::partition) config: CurrentConfig,
    pub(in crate::partition) producer_expiration: ProducerExpiration,
    pub(in crate::partition) clock: Arc<dyn Clock>,
    pub(in crate::partition) recovery_watch: Arc<dyn RecoveryWatch>,
    pub(in crate::partition) directories: Vec<Arc<HostedDirectory>>,
    /// Configured directories that could not be used at the start.
    pub(in crate::partition) unusable: Vec<PathBuf>,
    pub(in crate::partition) preparation: Preparation,
    pub(in crate::partition) next_slot: AtomicU64,
    pub(in crate::partition) hosted: RwLock<HostedTopics>,
    /// Held by whoever decides what is hosted, while it does: images and the housekeeper's second attempts.
    pub(in crate::partition) changing: Mutex<()>,
    /// Directories that were asked for before the partition was there.
    pub(in crate::partition) preferred: Mutex<HashMap<TopicPartition, DirectoryId>>,
    /// Where replicas are that the image places elsewhere: for the controller.
    pub(in crate::partition) assignments: mpsc::UnboundedSender<Assignment>,
    pub(in crate::partition) unsent: Mutex<Option<mpsc::UnboundedReceiver<Assignment>>>,
    pub(in crate::partition) moves: Moves,
    pub(in crate::partition) rounds_at_once: RoundsAtOnce,
    pub(in crate::partition) threads: Mutex<Threads>,
    pub(in crate::partition) scrubbed: ScrubCounts,
}

#[derive(Default)]
pub(in crate::partition) struct Threads {
    /// In the order of the directories.
    pub(in crate::partition) directories: Vec<DirectoryThreads>,
    pub(in crate::partition) scrubber: Option<Workers>,
    pub(in crate::partition) cleaner: Option<Cleaner>,
}

/// The threads of one directory.
pub(in crate::partition) struct DirectoryThreads {
    pub(in crate::partition) lanes: Vec<JoinHandle<()>>,
    pub(in crate::partition) changes: JoinHandle<()>,
    pub(in crate::partition) housekeeper: Option<Workers>,
}

impl std::fmt::Debug for Partitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partitions")
            .field("topics", &self.hosted().len())
            .finish_non_exhaustive()
    }
}

impl Partitions {
    /// Opens every partition that the metadata places on this broker, recovering those that were not
    /// closed cleanly, and starts the lanes and the housekeeping.
    ///
    /// # Errors
    /// When no directory can be used, what is in one makes no sense, or the metadata does not know many of the
    /// partitions that are there. A single partition that cannot be opened is answered for with errors, so that
    /// the rest of the broker serves.
    pub fn start<'a>(
        config: CurrentConfig,
        directories: LogDirectories,
        contents: Contents,
        clock: Arc<dyn Clock>,
        metadata: impl Into<Known<'a>>,
        recovery_watch: Arc<dyn RecoveryWatch>,
    ) -> Result<Self, StartError> {
        let now = config.now();
        let reserve = u64::try_from(now.zurau_disk_reserve_bytes).unwrap_or(0);
        let mut hosted_directories = Vec::new();
        let mut threads = Threads::default();
        let count = directories.online.len();
        for (number, directory) in directories.online.into_iter().enumerate() {
            let (mut lanes, mut lane_threads) = (Vec::new(), Vec::new());
            for index in 0..now.storage_lanes() {
                let started = lane::start(&format!("{number}-{index}"), Arc::clone(&clock));
                let (lane, thread) = started.map_err(StartError::Thread)?;
                lanes.push(lane);
                lane_threads.push(thread);
            }
            let (changes, thread) = Changes::start(number).map_err(StartError::Thread)?;
            threads.directories.push(DirectoryThreads {
                lanes: lane_threads,
                changes: thread,
                housekeeper: None,
            });
            let hosted = HostedDirectory::new(
                directory,
                reserve,
                lanes,
                changes,
                BlockingThreads::of_one_in(count),
            );
            hosted_directories.push(Arc::new(hosted));
        }
        let processors = available_parallelism().map_or(1, usize::from);
        let preparation = Preparation::start(Arc::clone(&clock), processors);
        let preparation = preparation.map_err(StartError::Thread)?;
        let (assignments, unsent) = mpsc::unbounded_channel();
        let partitions = Self {
            shared: Arc::new(Shared {
                node: NodeId(now.node_id),
                producer_expiration: ProducerExpiration::new(now.producer_id_expiration_ms),
                config,
                clock,
                recovery_watch,
                directories: hosted_directories,
                unusable: directories.offline,
                preparation,
                next_slot: AtomicU64::new(0),
                hosted: RwLock::default(),
                changing: Mutex::default(),
                preferred: Mutex::default(),
                assignments,
                unsent: Mutex::new(Some(unsent)),
                moves: Moves::default(),
                rounds_at_once: RoundsAtOnce::default(),
                threads: Mutex::new(threads),
                scrubbed: ScrubCounts::default(),
            }),
        };
        partitions.open_what_is_known(&metadata.into(), contents)?;
        partitions.start_housekeeping()?;
        partitions.start_scrubbing()?;
        partitions.start_cleaner()?;
        Ok(partitions)
    }

    /// A hosted partition.
    ///
    /// # Errors
    /// When it is not hosted here, or its log could not be opened.
    pub fn find(&self, topic: TopicId, partition: i32) -> Result<Arc<Replica>, NotHosted> {
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
    pub fn all(&self) -> Vec<Arc<Replica>> {
        self.hosted()
            .values()
            .flat_map(HashMap::values)
            .filter_map(Place::open)
            .cloned()
            .collect()
    }

    /// The log directories that could be used at the start, in the order of the configuration.
    pub fn directories(&self) -> impl Iterator<Item = &Arc<HostedDirectory>> {
        self.shared.directories.iter()
    }

    /// The log directories that could not.
    pub fn unusable_directories(&self) -> &[PathBuf] {
        &self.shared.unusable
    }

    /// Whether a configured directory cannot be used at present.
    pub(in crate::partition) fn has_offline_directories(&self) -> bool {
        !self.shared.unusable.is_empty()
            || self.directories().any(|directory| directory.is_offline())
    }

    /// Where replicas are that the image places elsewhere. To be asked for once, by whoever tells the controller.
    pub fn assignments(&self) -> Option<mpsc::UnboundedReceiver<Assignment>> {
        self.shared
            .unsent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Wakes whoever waits for records of a directory: it has failed.
    pub fn wake_waiters_of(&self, directory: DirectoryId) {
        for replica in self.all() {
            if replica.directory().id() == directory {
                replica.waiters().tell(News::Changed);
            }
        }
    }

    /// Ends all waiting for records: fetches answer with what there is. To be called before the
    /// connections are closed.
    pub fn end_waits(&self) {
        for replica in self.all() {
            replica.waiters().close();
        }
    }

    /// Opens what could not be opened in a directory for want of descriptors, now that there may be some. Returns
    /// when that is done.
    pub(in crate::partition) fn open_again(&self, directory: &Arc<HostedDirectory>) {
        let mut again = self.unreadable();
        again.retain(|unreadable| {
            let is_here = Arc::ptr_eq(&unreadable.directory, directory);
            is_here && unreadable.may_pass && !directory.is_offline()
        });
        if again.is_empty() {
            return;
        }
        let mut batches = Batches::default();
        for unreadable in again {
            let Unreadable {
                wanted,
                directory,
                recovery_point,
                log_start,
                high_watermark,
                ..
            } = unreadable;
            let (context, batch) = batches.of(self, &directory);
            let partition = || wanted.topic_partition.clone();
            context.recovery_points.insert(partition(), recovery_point);
            context.log_starts.insert(partition(), log_start);
            let marks = &mut context.high_watermarks;
            marks.insert(partition(), high_watermark);
            batch.push(wanted);
        }
        let (done, is_done) = std::sync::mpsc::channel();
        let done = Completion::new(move || drop(done));
        self.open_there(batches, Adopting::Again, &done);
        drop(done);
        // Ends when nobody holds it any more.
        let _: Result<(), _> = is_done.recv();
    }

    /// Has each directory's thread open what is to be opened there.
    fn open_there(&self, batches: Batches, adopting: Adopting, done: &Completion) {
        for batch in batches.0 {
            let (partitions, done) = (self.clone(), done.clone());
            let directory = Arc::clone(&batch.0.directory);
            directory.changes().send(move || {
                partitions.adopt(opening::open_all(vec![batch]), adopting);
                drop(done);
            });
        }
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

    /// Has partitions created that have never been here.
    pub(in crate::partition) fn create(&self, wanted: Vec<ToOpen>, done: &Completion) {
        if wanted.is_empty() {
            return;
        }
        let mut placing = Placing::new(self, HashMap::new());
        let mut batches = Batches::default();
        for wanted in wanted {
            match placing.choose(&wanted) {
                Some(directory) => {
                    let opening = Opening {
                        wanted: wanted.clone(),
                        directory: Arc::clone(&directory),
                    };
                    self.place(&wanted, Place::Opening(opening));
                    batches.of(self, &directory).1.push(wanted);
                }
                None => self.place_offline(&wanted),
            }
        }
        self.open_there(batches, Adopting::Created, done);
    }

    /// Has the controller be told, if anybody does that.
    pub(in crate::partition) fn assign(&self, assignment: Assignment) {
        drop(self.shared.assignments.send(assignment));
    }

    pub(in crate::partition) fn place_offline(&self, wanted: &ToOpen) {
        crate::base::limited!(
            error,
            "partition may be in a log directory that is offline: it answers KAFKA_STORAGE_ERROR",
            partition = %wanted.topic_partition,
            directory = %wanted.assigned
        );
        self.place(wanted, Place::Offline);
    }

    pub(in crate::partition) fn changing(&self) -> MutexGuard<'_, ()> {
        self.shared
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::partition) fn hosted(&self) -> RwLockReadGuard<'_, HostedTopics> {
        self.shared
            .hosted
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::partition) fn hosted_mut(&self) -> RwLockWriteGuard<'_, HostedTopics> {
        self.shared
            .hosted
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
