//! The partitions that this broker hosts: opened at the start, changed with the image
//! ([`following`](crate::partition::hosting::following)), closed at the end. This file holds the handle. The work is
//! done in [`starting`](super::starting), in [`opening`], in the lanes, and in the housekeeper's
//! [`rounds`](crate::partition::upkeep::rounds).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::base::{Completion, DirectoryId, TopicId, lock};
use crate::partition::directory::HostedDirectory;
use crate::partition::environment::Environment;
use crate::partition::moves::altering::{AlterDirectoryError, WantedDirectory};
use crate::partition::moves::assignment::Assignments;
use crate::partition::moves::moving::Moves;
use crate::partition::preparation::Pool;
use crate::partition::replica::Replica;
use crate::partition::upkeep::cleaner::Cleaner;
use crate::partition::upkeep::scrubber::ScrubCounts;
use crate::partition::waiters::News;

use super::adopting::Adopting;
use super::opening::{self, Batches, ToOpen};
use super::places::{NotHosted, Opening, Place, Places, Unreadable};
use super::placing::Placing;
use super::progress::RecoveryWatch;

/// The hosted partitions. Cheap to clone; all clones are the same set.
#[derive(Clone)]
pub struct Partitions {
    pub(super) shared: Arc<Shared>,
}

/// What hosting consists of.
pub(super) struct Shared {
    pub(super) environment: Environment,
    pub(super) places: Arc<Places>,
    pub(super) recovery_watch: Arc<dyn RecoveryWatch>,
    pub(super) preparation: Arc<Pool>,
    pub(super) next_slot: AtomicU64,
    /// Held while a change of the image is applied.
    changing: Mutex<()>,
    /// For the controller.
    pub(super) assignments: Assignments,
    pub(super) moves: Arc<Moves>,
    pub(super) cleaner: Arc<Cleaner>,
    scrubbed: Arc<ScrubCounts>,
}

impl std::fmt::Debug for Partitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partitions")
            .field("topics", &self.shared.places.hosted().len())
            .finish_non_exhaustive()
    }
}

impl Partitions {
    pub(super) fn new(
        environment: Environment,
        places: Places,
        preparation: Arc<Pool>,
        assignments: Assignments,
        recovery_watch: Arc<dyn RecoveryWatch>,
    ) -> Self {
        let places = Arc::new(places);
        let moves = Moves::new(
            environment.clone(),
            Arc::clone(&places),
            assignments.clone(),
        );
        let cleaner = Cleaner::new(environment.clone(), Arc::clone(&places));
        Self {
            shared: Arc::new(Shared {
                environment,
                places,
                recovery_watch,
                preparation,
                next_slot: AtomicU64::new(0),
                changing: Mutex::default(),
                assignments,
                moves: Arc::new(moves),
                cleaner: Arc::new(cleaner),
                scrubbed: Arc::default(),
            }),
        }
    }

    /// The places of the partitions.
    pub(in crate::partition) fn places(&self) -> &Arc<Places> {
        &self.shared.places
    }

    /// Moves between the directories.
    pub(in crate::partition) fn moves(&self) -> &Arc<Moves> {
        &self.shared.moves
    }

    #[cfg(test)]
    pub(in crate::partition) fn environment(&self) -> &Environment {
        &self.shared.environment
    }

    #[cfg(test)]
    pub(in crate::partition) fn cleaner(&self) -> &Cleaner {
        &self.shared.cleaner
    }

    /// What was scrubbed since the start.
    pub(in crate::partition) fn scrubbed(&self) -> &Arc<ScrubCounts> {
        &self.shared.scrubbed
    }

    /// Moves replicas to other directories of this broker; the answer does not wait for the move. A request for the
    /// directory that already holds the replica cancels its move to another one.
    pub async fn alter_directories(
        &self,
        wanted: Vec<WantedDirectory>,
    ) -> Vec<Result<(), AlterDirectoryError>> {
        self.moves().alter(wanted).await
    }

    /// A hosted partition.
    ///
    /// # Errors
    /// When it is not hosted here, or its log could not be opened.
    pub fn find(&self, topic: TopicId, partition: i32) -> Result<Arc<Replica>, NotHosted> {
        self.places().find(topic, partition)
    }

    /// All hosted partitions that are open, in no order.
    pub fn all(&self) -> Vec<Arc<Replica>> {
        self.places().all()
    }

    /// The log directories that could be used at the start, in the order of the configuration.
    pub fn directories(&self) -> impl Iterator<Item = &Arc<HostedDirectory>> {
        self.places().directories()
    }

    /// The log directories that could not be used at the start.
    pub fn unusable_directories(&self) -> &[PathBuf] {
        self.places().unusable_directories()
    }

    /// Wakes all fetches that wait for records in a directory, since it has failed.
    pub fn wake_waiters_of(&self, directory: DirectoryId) {
        for replica in self.all() {
            if replica.directory().id() == directory {
                replica.waiters().tell(News::Changed);
            }
        }
    }

    /// Ends all waits for records: fetches answer with what there is. Call this before the connections are closed.
    pub fn end_waits(&self) {
        for replica in self.all() {
            replica.waiters().close();
        }
    }

    /// Opens the logs of a directory that could not be opened because there were no file descriptors. Returns when
    /// that is done.
    pub(in crate::partition) fn open_again(&self, directory: &Arc<HostedDirectory>) {
        let mut again = self.places().unreadable();
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
            let (context, batch) = batches.of(&self.shared, &directory);
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

    /// Passes the partitions to each directory's thread, which opens them.
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

    /// Creates partitions that have never been here.
    pub(super) fn create(&self, wanted: Vec<ToOpen>, done: &Completion) {
        if wanted.is_empty() {
            return;
        }
        let mut placing = Placing::new(&self.shared, HashMap::new());
        let mut batches = Batches::default();
        for wanted in wanted {
            match placing.choose(&wanted) {
                Some(directory) => {
                    let opening = Opening {
                        wanted: wanted.clone(),
                        directory: Arc::clone(&directory),
                    };
                    self.place(&wanted, Place::Opening(opening));
                    batches.of(&self.shared, &directory).1.push(wanted);
                }
                None => self.place_offline(&wanted),
            }
        }
        self.open_there(batches, Adopting::Created, done);
    }

    pub(super) fn place_offline(&self, wanted: &ToOpen) {
        crate::base::limited!(
            error,
            "partition may be in a log directory that is offline: it answers KAFKA_STORAGE_ERROR",
            partition = %wanted.topic_partition,
            directory = %wanted.assigned
        );
        self.place(wanted, Place::Offline);
    }

    pub(super) fn changing(&self) -> MutexGuard<'_, ()> {
        lock(&self.shared.changing)
    }
}
