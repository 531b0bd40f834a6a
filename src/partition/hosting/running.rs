//! The threads for the hosted partitions, apart from the handle that everybody has.

use std::sync::Arc;
use std::thread::{JoinHandle, available_parallelism};

use tokio::sync::mpsc;

use crate::base::Clock;
use crate::config::CurrentConfig;
use crate::log::LogDirectories;
use crate::partition::directory::HostedDirectory;
use crate::partition::directory::blocking::BlockingThreads;
use crate::partition::directory::changes::Changes;
use crate::partition::environment::Environment;
use crate::partition::lane;
use crate::partition::moves::assignment::{Assignment, Assignments};
use crate::partition::preparation::Preparation;
use crate::partition::upkeep::housekeeping;
use crate::partition::upkeep::rounds::DirectoryRounds;
use crate::partition::upkeep::rounds_at_once::RoundsAtOnce;
use crate::partition::upkeep::scrubber;
use crate::partition::upkeep::workers::Workers;

use super::contents::Contents;
use super::manager::Partitions;
use super::places::Places;
use super::progress::RecoveryWatch;
use super::strays::{Known, ManyStrays};

/// Why hosting cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A thread could not be started.
    #[error("cannot start a storage thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The log directory could not be read or prepared.
    #[error("log directory {directory}: {reason}")]
    Directory {
        /// Which one.
        directory: String,
        /// What failed.
        reason: String,
    },
    /// The directories and the metadata do not fit together.
    #[error(transparent)]
    ManyStrays(#[from] ManyStrays),
}

/// The threads that host partitions. They run until [`Hosting::stop_by`].
pub struct Hosting {
    pub(super) partitions: Partitions,
    pub(super) preparation: Preparation,
    /// In the order of the directories.
    pub(super) directories: Vec<DirectoryThreads>,
    pub(super) scrubber: Option<Workers>,
    assignments: Option<mpsc::UnboundedReceiver<Assignment>>,
}

/// The threads of one directory.
pub(super) struct DirectoryThreads {
    pub(super) lanes: Vec<JoinHandle<()>>,
    pub(super) changes: JoinHandle<()>,
    pub(super) housekeeper: Option<Workers>,
}

impl std::fmt::Debug for Hosting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosting")
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

impl Hosting {
    /// Replicas that are in another directory than the image says. Taken once, by the task that informs the
    /// controller.
    pub const fn take_assignments(&mut self) -> Option<mpsc::UnboundedReceiver<Assignment>> {
        self.assignments.take()
    }
}

/// Opens every partition that the metadata places on this broker, recovering those that were not
/// closed cleanly, and starts the lanes and the work in the background.
///
/// # Errors
/// When no directory can be used, when the contents of one make no sense, or when the metadata does not know many of
/// the partitions found. A single partition that cannot be opened is answered with errors, so that the rest of the
/// broker serves.
pub fn start<'a>(
    config: CurrentConfig,
    directories: LogDirectories,
    contents: Contents,
    clock: Arc<dyn Clock>,
    metadata: impl Into<Known<'a>>,
    recovery_watch: Arc<dyn RecoveryWatch>,
) -> Result<(Partitions, Hosting), StartError> {
    let LogDirectories {
        online, offline, ..
    } = directories;
    let now = config.now();
    let reserve = u64::try_from(now.zurau_disk_reserve_bytes).unwrap_or(0);
    let (mut hosted, mut threads) = (Vec::new(), Vec::new());
    let count = online.len();
    for (number, directory) in online.into_iter().enumerate() {
        let (mut lanes, mut lane_threads) = (Vec::new(), Vec::new());
        for index in 0..now.storage_lanes() {
            let (lane, thread) = lane::start(&format!("{number}-{index}"), Arc::clone(&clock))?;
            lanes.push(lane);
            lane_threads.push(thread);
        }
        let (changes, thread) = Changes::start(number)?;
        threads.push(DirectoryThreads {
            lanes: lane_threads,
            changes: thread,
            housekeeper: None,
        });
        let blocking = BlockingThreads::of_one_in(count);
        let directory = HostedDirectory::new(directory, reserve, lanes, changes, blocking);
        hosted.push(Arc::new(directory));
    }
    let processors = available_parallelism().map_or(1, usize::from);
    let preparation = Preparation::start(Arc::clone(&clock), processors)?;
    let (assignments, unsent) = mpsc::unbounded_channel();
    let environment = Environment::new(config, clock);
    let partitions = Partitions::new(
        environment.clone(),
        Places::new(hosted, offline),
        Arc::clone(preparation.pool()),
        Assignments::new(assignments),
        recovery_watch,
    );
    partitions.open_what_is_known(&metadata.into(), contents)?;
    let rounds_at_once = Arc::new(RoundsAtOnce::default());
    for (number, (directory, threads)) in partitions.directories().zip(&mut threads).enumerate() {
        let (here, again) = (Arc::clone(directory), partitions.clone());
        let rounds = DirectoryRounds {
            places: Arc::clone(partitions.places()),
            environment: environment.clone(),
            directory: Arc::clone(directory),
            at_once: Arc::clone(&rounds_at_once),
            open_again: Box::new(move || again.open_again(&here)),
        };
        let periods = environment.settings().housekeeping();
        threads.housekeeper = Some(housekeeping::start(number, rounds, periods)?);
    }
    let counts = Arc::clone(partitions.scrubbed());
    let scrubber = scrubber::start(&environment, partitions.places(), counts)?;
    partitions.shared.cleaner.start()?;
    let hosting = Hosting {
        partitions: partitions.clone(),
        preparation,
        directories: threads,
        scrubber,
        assignments: Some(unsent),
    };
    Ok((partitions, hosting))
}
