//! Which partitions this broker hosts: opened at the start, changed as the image changes
//! ([`following`](super::following)), closed at the end. This file decides who does it; the doing is in
//! [`opening`], in the lanes, and in the housekeeper's [`rounds`](super::rounds).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc,
};
use std::thread::JoinHandle;

use crate::base::{Clock, NodeId, Offset, Timestamp, TopicId};
use crate::config::BrokerConfig;
use crate::log::{Checkpoint, LogDirectory, PartitionOffsets};
use crate::metadata::Image;

use super::directory::DirectoryState;
use super::housekeeping::Housekeeper;
use super::lane::{self, Hosted, LaneHandle, Slot};
use super::opening::{self, Opened, ToOpen};
use super::replica::{Replica, ReplicaParts};

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
}

/// The hosted partitions. Cheap to clone; all clones are the same set.
#[derive(Clone)]
pub struct Partitions {
    pub(super) shared: Arc<Shared>,
}

/// By topic id, then by partition number; a missing entry is a partition that is not hosted here.
pub(super) type HostedTopics = HashMap<TopicId, HashMap<i32, Place>>;

/// A partition that belongs here.
#[derive(Clone)]
pub(super) enum Place {
    Open(Arc<Replica>),
    /// Its log could not be opened.
    Unreadable(Unreadable),
}

/// A partition whose log could not be opened, with what the checkpoints said of it: for another attempt.
#[derive(Clone)]
pub(super) struct Unreadable {
    pub(super) wanted: ToOpen,
    pub(super) recovery_point: Offset,
    pub(super) log_start: Offset,
    /// Whether it may go better later, without a restart.
    pub(super) may_pass: bool,
}

impl Place {
    const fn open(&self) -> Option<&Arc<Replica>> {
        match self {
            Self::Open(replica) => Some(replica),
            Self::Unreadable(_) => None,
        }
    }
}

/// Why a partition cannot be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHosted {
    /// There is no such partition on this broker.
    #[error("no such partition")]
    Unknown,
    /// Its log could not be opened.
    #[error("the partition's log cannot be opened")]
    Unreadable,
}

pub(super) struct Shared {
    pub(super) node: NodeId,
    pub(super) config: Arc<BrokerConfig>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) log_directory: LogDirectory,
    pub(super) directory: Arc<DirectoryState>,
    pub(super) lanes: Vec<LaneHandle>,
    pub(super) next_slot: AtomicU64,
    pub(super) hosted: RwLock<HostedTopics>,
    /// Held by whoever decides what is hosted, while it does: images and the housekeeper's second attempts.
    pub(super) changing: Mutex<()>,
    /// Renamed directories of deleted replicas, and when their files may go.
    pub(super) doomed: Mutex<Vec<(Timestamp, PathBuf)>>,
    /// What the checkpoint files say, so that they are written only when that changes.
    pub(super) written: Mutex<HashMap<Checkpoint, PartitionOffsets>>,
    pub(super) threads: Mutex<Threads>,
}

#[derive(Default)]
pub(super) struct Threads {
    lanes: Vec<JoinHandle<()>>,
    pub(super) housekeeper: Option<Housekeeper>,
}

impl std::fmt::Debug for Partitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partitions")
            .field("topics", &self.hosted().len())
            .finish_non_exhaustive()
    }
}

impl Partitions {
    /// Opens every partition that `image` places on this broker, recovering those that were not
    /// closed cleanly, and starts the lanes and the housekeeping.
    ///
    /// # Errors
    /// When the directory as a whole cannot be used. A single partition that cannot be opened takes
    /// its directory offline instead, so that the rest of the broker serves.
    pub fn start(
        config: Arc<BrokerConfig>,
        log_directory: LogDirectory,
        clock: Arc<dyn Clock>,
        image: &Image,
    ) -> Result<Self, StartError> {
        let directory = Arc::new(DirectoryState::new(
            log_directory.path().to_owned(),
            log_directory.directory_id(),
            log_directory.disk().clone(),
            u64::try_from(config.zurau_disk_reserve_bytes).unwrap_or(0),
        ));
        let mut lanes = Vec::new();
        let mut threads = Threads::default();
        for index in 0..config.storage_lanes() {
            let (lane, thread) =
                lane::start(index, Arc::clone(&clock)).map_err(StartError::Thread)?;
            lanes.push(lane);
            threads.lanes.push(thread);
        }
        let partitions = Self {
            shared: Arc::new(Shared {
                node: NodeId(config.node_id),
                config,
                clock,
                log_directory,
                directory,
                lanes,
                next_slot: AtomicU64::new(0),
                hosted: RwLock::default(),
                changing: Mutex::default(),
                doomed: Mutex::default(),
                written: Mutex::default(),
                threads: Mutex::new(threads),
            }),
        };
        partitions.open_what_the_image_places_here(image)?;
        partitions.start_housekeeping()?;
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
            Some(Place::Unreadable(_)) => Err(NotHosted::Unreadable),
            None => Err(NotHosted::Unknown),
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

    /// The log directories.
    pub fn directories(&self) -> impl Iterator<Item = &Arc<DirectoryState>> {
        std::iter::once(&self.shared.directory)
    }

    /// Ends all waiting for records: fetches answer with what there is. To be called before the
    /// connections are closed.
    pub fn end_waits(&self) {
        for replica in self.all() {
            replica.waiters().close();
        }
    }

    /// Ends hosting: everything appended so far is written, synced and closed, then the checkpoints
    /// and the clean-shutdown marker are written. Without errors the next start scans nothing.
    pub fn stop(&self, broker_epoch: i64) {
        let mut threads = std::mem::take(
            &mut *self
                .shared
                .threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let Some(housekeeper) = &mut threads.housekeeper {
            housekeeper.stop();
        }
        let closed = self.close_logs(threads.lanes);
        if self.shared.directory.is_offline() {
            return;
        }
        let checkpoints = [
            (Checkpoint::RecoveryPoint, closed),
            (
                Checkpoint::LogStart,
                self.published_offsets(Checkpoint::LogStart),
            ),
            (
                Checkpoint::Replication,
                self.published_offsets(Checkpoint::Replication),
            ),
        ];
        let written = checkpoints
            .into_iter()
            .try_for_each(|(which, offsets)| self.replace_checkpoint(which, || offsets));
        let result = written.and_then(|()| {
            if !self.unreadable().is_empty() {
                // The marker says that every log ends as it should. Of these nobody knows.
                tracing::warn!("logs could not be opened: the next start will check all of them");
                return Ok(());
            }
            self.shared.log_directory.mark_clean_shutdown(broker_epoch)
        });
        if let Err(error) = result {
            tracing::error!(%error, "clean shutdown could not be recorded: the next start will check the logs");
        }
    }

    /// Opens what could not be opened for want of descriptors, now that there may be some.
    pub(super) fn open_again(&self) {
        let _changing = self.changing();
        let mut again = self.unreadable();
        again.retain(|unreadable| unreadable.may_pass);
        if again.is_empty() || self.shared.directory.is_offline() {
            return;
        }
        let said = |offset: fn(&Unreadable) -> Offset| -> PartitionOffsets {
            let offsets = again.iter().map(|unreadable| {
                (
                    unreadable.wanted.topic_partition.clone(),
                    offset(unreadable),
                )
            });
            offsets.collect()
        };
        let context = opening::Context {
            recovery_points: said(|unreadable| unreadable.recovery_point),
            log_starts: said(|unreadable| unreadable.log_start),
            ..self.opening_context()
        };
        let wanted = again.iter().map(|unreadable| unreadable.wanted.clone());
        self.adopt(opening::open_all(wanted.collect(), &context));
    }

    /// The partitions whose logs could not be opened.
    pub(super) fn unreadable(&self) -> Vec<Unreadable> {
        let hosted = self.hosted();
        let places = hosted.values().flat_map(HashMap::values);
        let unreadable = places.filter_map(|place| match place {
            Place::Open(_) => None,
            Place::Unreadable(unreadable) => Some(unreadable.clone()),
        });
        unreadable.collect()
    }

    /// Closes every log; where each of them ended.
    fn close_logs(&self, threads: Vec<JoinHandle<()>>) -> PartitionOffsets {
        let (closed, results) = mpsc::channel();
        for lane in &self.shared.lanes {
            let closed = closed.clone();
            lane.stop(move |hosted| {
                let partition = hosted.replica.topic_partition().clone();
                if hosted.replica.directory().is_offline() {
                    return;
                }
                match hosted.log.close() {
                    Ok(synced) => drop(closed.send((partition, synced))),
                    Err(error) => hosted
                        .replica
                        .directory()
                        .fail(&format_args!("close of {partition}: {error}")),
                }
            });
        }
        drop(closed);
        for thread in threads {
            if thread.join().is_err() {
                self.shared.directory.fail(&"a storage lane has panicked");
            }
        }
        results.into_iter().collect()
    }

    fn open_what_the_image_places_here(&self, image: &Image) -> Result<(), StartError> {
        let shared = &self.shared;
        let unusable = |error: &dyn std::fmt::Display| StartError::Directory {
            directory: shared.directory.path().display().to_string(),
            reason: error.to_string(),
        };
        let doomed = opening::set_strays_aside(&shared.log_directory, image, shared.node)
            .map_err(|error| unusable(&error))?;
        opening::remove_directories(doomed);
        let checkpoint = |which| {
            shared
                .log_directory
                .read_checkpoint(which)
                .map_err(|error| unusable(&error))
        };
        let context = opening::Context {
            clean_shutdown: shared.log_directory.had_clean_shutdown(),
            recovery_points: checkpoint(Checkpoint::RecoveryPoint)?,
            log_starts: checkpoint(Checkpoint::LogStart)?,
            ..self.opening_context()
        };
        let to_open = image
            .topics()
            .flat_map(|topic| self.lead_or_list(image, topic))
            .collect();
        self.adopt(opening::open_all(to_open, &context));
        Ok(())
    }

    /// For partitions that have never been here: there is nothing to recover.
    pub(super) fn opening_context(&self) -> opening::Context<'_> {
        opening::Context {
            node: self.shared.node,
            log_directory: &self.shared.log_directory,
            clean_shutdown: false,
            recovery_points: PartitionOffsets::new(),
            log_starts: PartitionOffsets::new(),
            threads: usize::try_from(self.shared.config.num_recovery_threads_per_data_dir)
                .unwrap_or(1),
            producer_id_expiration_ms: i64::from(self.shared.config.producer_id_expiration_ms),
            now: self.shared.clock.now(),
        }
    }

    pub(super) fn adopt(&self, opened: Vec<Result<Opened, Unreadable>>) {
        for opened in opened {
            let Opened { wanted, log } = match opened {
                Ok(opened) => opened,
                Err(unreadable) => {
                    let wanted = unreadable.wanted.clone();
                    self.place(&wanted, Place::Unreadable(unreadable));
                    continue;
                }
            };
            let slot = Slot(self.shared.next_slot.fetch_add(1, Ordering::Relaxed));
            let lane = self.lane_of(slot);
            let replica = Arc::new(Replica::new(ReplicaParts {
                topic_partition: wanted.topic_partition.clone(),
                topic_id: wanted.topic_id,
                node: self.shared.node,
                directory: Arc::clone(&self.shared.directory),
                lane: lane.clone(),
                slot,
                leadership: wanted.leadership.clone(),
                config: Arc::clone(&wanted.config),
                published: lane::state_of(&log),
            }));
            // The lane knows the log before anyone can send it an append.
            lane.adopt(
                slot,
                Hosted {
                    log,
                    replica: Arc::clone(&replica),
                },
            );
            self.place(&wanted, Place::Open(replica));
        }
    }

    fn place(&self, wanted: &ToOpen, place: Place) {
        let mut hosted = self.hosted_mut();
        hosted
            .entry(wanted.topic_id)
            .or_default()
            .insert(wanted.topic_partition.partition, place);
    }

    fn lane_of(&self, slot: Slot) -> &LaneHandle {
        let count = self.shared.lanes.len() as u64;
        let index = usize::try_from(slot.0 % count.max(1)).unwrap_or(0);
        &self.shared.lanes[index]
    }

    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        self.shared
            .changing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn hosted(&self) -> RwLockReadGuard<'_, HostedTopics> {
        self.shared
            .hosted
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hosted_mut(&self) -> RwLockWriteGuard<'_, HostedTopics> {
        self.shared
            .hosted
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
