//! What the log directories hold when the broker starts, before it is known what of it belongs here. Reading this
//! takes a while where there are many partitions, and needs no metadata. So it is done while the metadata is loaded.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::base::TopicId;
use crate::log::{
    DirectoryError, FoundReplica, LogDirectories, LogDirectory, ReplicaState, find_replicas,
    read_topic_id,
};

type Read = Result<Vec<Identified>, DirectoryError>;

/// The contents of the used directories, while threads read them.
#[derive(Debug)]
pub struct Contents(Vec<(PathBuf, io::Result<JoinHandle<Read>>)>);

impl Contents {
    /// Starts reading. Until the partitions are started, only the metadata log may change in the directories.
    pub fn read(directories: &LogDirectories) -> Self {
        let read = |directory: &LogDirectory| {
            let path = directory.path().to_owned();
            let reader = std::thread::Builder::new().name("inventory".to_owned());
            let reading = reader.spawn({
                let path = path.clone();
                move || read(&path)
            });
            (path, reading)
        };
        Self(directories.online.iter().map(read).collect())
    }

    /// The contents of the directory at `path`, when they have been read.
    ///
    /// # Errors
    /// When it cannot be read, or something in it does not belong to Zurau.
    pub(in crate::partition) fn of(&mut self, path: &Path) -> Read {
        let place = self.0.iter().position(|(of, _)| of == path);
        match place.map(|place| self.0.swap_remove(place).1) {
            Some(Ok(reading)) => reading
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // no thread could be started for it
            Some(Err(_)) | None => read(path),
        }
    }
}

fn read(path: &Path) -> Read {
    find_replicas(path).map(with_topic_ids)
}

/// A replica that was found, and its topic id. A replica whose id cannot be read still counts as this broker's:
/// opening the log will report what is wrong.
#[derive(Debug)]
pub(in crate::partition) struct Identified {
    pub(in crate::partition) replica: FoundReplica,
    pub(in crate::partition) topic_id: Option<TopicId>,
}

impl Identified {
    /// Whether it is needed as long as its partition exists.
    pub(in crate::partition) const fn is_of_a_partition(&self) -> bool {
        matches!(
            self.replica.state,
            ReplicaState::Live | ReplicaState::Future
        )
    }
}

/// Reads the topic ids of all of them, with as many threads as there are processors.
fn with_topic_ids(found: Vec<FoundReplica>) -> Vec<Identified> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = found.len().div_ceil(threads).max(1);
    let read = |replicas: &[FoundReplica]| -> Vec<Option<TopicId>> {
        let read = |replica: &FoundReplica| match replica.state {
            ReplicaState::Live | ReplicaState::Future => read_topic_id(&replica.path).ok()?,
            ReplicaState::Deleted | ReplicaState::Stray => None,
        };
        replicas.iter().map(read).collect()
    };
    let topic_ids: Vec<_> = std::thread::scope(|scope| {
        let shares = found.chunks(share);
        let workers: Vec<_> = shares
            .map(|share| scope.spawn(move || read(share)))
            .collect();
        let ids = workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ids.flatten().collect()
    });
    let both = found.into_iter().zip(topic_ids);
    both.map(|(replica, topic_id)| Identified { replica, topic_id })
        .collect()
}
