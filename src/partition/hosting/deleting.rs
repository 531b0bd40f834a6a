//! Deleting topics: their directories are renamed before the deletion is answered; the housekeeper removes their
//! files later.
//!
//! A lane only gives up the logs. The thread for changes of their directory renames them: a topic of many partitions
//! must not hold up the appends to others.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use crate::base::{Completion, DirectoryId, TopicId, TopicPartition};
use crate::log::{Checkpoint, LogError, ReplicaState};
use crate::metadata::TopicImage;
use crate::partition::directory::HostedDirectory;
use crate::partition::lane::Hosted;
use crate::partition::replica::Replica;

use super::manager::Partitions;
use super::opening::Opened;
use super::places::{Place, Unreadable};

impl Partitions {
    /// Deletes topics. When all clones of `done` are dropped, the directories are renamed, so topics of the same
    /// names can be created. The checkpoints do not contain the deleted topics any more: their entries must not be
    /// taken for those of a later topic. Within one directory, this ends before a later creation begins.
    pub(super) fn delete_all(&self, topics: &[Arc<TopicImage>], done: &Completion) {
        let mut deletions = Deletions::new();
        for topic in topics {
            self.delete(topic, &mut deletions);
        }
        for (directory, deletion) in deletions.into_values() {
            let (partitions, done) = (self.clone(), done.clone());
            let place = Arc::clone(&directory);
            directory.changes().send(move || {
                partitions.finish_deletion(&place, deletion);
                drop(done);
            });
        }
    }

    /// Waits until the deleted directories are renamed, and updates the checkpoints.
    fn finish_deletion(&self, directory: &Arc<HostedDirectory>, deletion: Deletion) {
        let Deletion {
            unreadable,
            release,
            released,
            ..
        } = deletion;
        for Unreadable { wanted, .. } in unreadable {
            let partition = &wanted.topic_partition;
            let renamed = directory.rename_replica(partition, ReplicaState::Deleted);
            let deleted = Deleted {
                partition,
                topic_id: wanted.topic_id,
                delay_ms: self
                    .shared
                    .environment
                    .settings()
                    .log_segment_delete_delay_ms,
            };
            self.note_deleted(directory, deleted, renamed.map_err(LogError::Io));
        }
        drop(release);
        // Ends when the last lane has dropped its way to here.
        for Hosted { log, replica, .. } in released {
            let deleted = Deleted {
                partition: replica.topic_partition(),
                topic_id: replica.topic_id(),
                delay_ms: replica.config().file_delete_delay_ms,
            };
            self.note_deleted(directory, deleted, log.mark_deleted());
        }
        for which in [
            Checkpoint::RecoveryPoint,
            Checkpoint::LogStart,
            Checkpoint::Replication,
        ] {
            if directory.is_news(which) {
                self.places().write_checkpoint(directory, which);
            }
        }
    }

    fn delete(&self, topic: &TopicImage, deletions: &mut Deletions) {
        let Some(places) = self.places().hosted_mut().remove(&topic.id) else {
            return;
        };
        for (partition, place) in places {
            // Its future replica is removed as well, when its mover has released it.
            let moved = self.moves().cancel(topic.id, partition);
            match place {
                Place::Open(replica) => {
                    let here = deletion_in(deletions, &replica.directory()).to_here();
                    // It may be on its way to there.
                    let there = moved.map(|moved| deletion_in(deletions, &moved.target).to_here());
                    delete_open(&replica, here, there);
                }
                // The thread that creates it finds that it is not wanted any more.
                Place::Opening(opening) => {
                    deletion_in(deletions, &opening.directory);
                }
                Place::Unreadable(unreadable) => {
                    let directory = Arc::clone(&unreadable.directory);
                    deletion_in(deletions, &directory)
                        .unreadable
                        .push(*unreadable);
                }
                // The next start with this directory finds that the partition is unknown.
                Place::Offline => {}
            }
        }
    }

    /// Removes a replica that was created and is not wanted any more.
    pub(super) fn remove_unwanted(&self, opened: Opened) {
        let Opened {
            wanted,
            directory,
            log,
            ..
        } = opened;
        let deleted = Deleted {
            partition: &wanted.topic_partition,
            topic_id: wanted.topic_id,
            delay_ms: wanted.config.file_delete_delay_ms,
        };
        self.note_deleted(&directory, deleted, log.mark_deleted());
    }

    /// Records a deleted replica whose directory was to be renamed; its files are removed later.
    fn note_deleted(
        &self,
        directory: &HostedDirectory,
        deleted: Deleted<'_>,
        renamed: Result<PathBuf, LogError>,
    ) {
        let Deleted {
            partition,
            topic_id,
            delay_ms,
        } = deleted;
        let due = self.shared.environment.now().plus_millis(delay_ms);
        directory.note_replicas_changed();
        match renamed {
            Ok(path) => directory.delete_later(path, due),
            Err(error) if error.is_out_of_descriptors() => {
                crate::base::limited!(
                    warn,
                    "no file descriptor left: the deletion is finished once there is one",
                    %partition,
                    %error
                );
                directory.delete_once_renamed(partition.clone(), topic_id, due);
            }
            Err(error) => directory.fail(&format_args!("delete of {partition}: {error}")),
        }
    }
}

/// Replicas that are deleted together, by directory.
type Deletions = HashMap<DirectoryId, (Arc<HostedDirectory>, Deletion)>;

fn deletion_in<'a>(
    deletions: &'a mut Deletions,
    directory: &Arc<HostedDirectory>,
) -> &'a mut Deletion {
    let known = deletions.entry(directory.id());
    let new = || (Arc::clone(directory), Deletion::new(directory.id()));
    &mut known.or_insert_with(new).1
}

/// Replicas that are deleted in one directory.
struct Deletion {
    directory: DirectoryId,
    /// Those that have no lane.
    unreadable: Vec<Unreadable>,
    /// Held by the lanes until they have given up their logs.
    release: mpsc::Sender<Hosted>,
    /// The logs that the lanes have given up.
    released: mpsc::Receiver<Hosted>,
}

impl Deletion {
    fn new(directory: DirectoryId) -> Self {
        let (release, released) = mpsc::channel();
        Self {
            directory,
            unreadable: Vec::new(),
            release,
            released,
        }
    }

    fn to_here(&self) -> Way {
        Way {
            directory: self.directory,
            release: self.release.clone(),
        }
    }
}

/// The way of a log from its lane to the thread that renames its directory.
struct Way {
    directory: DirectoryId,
    release: mpsc::Sender<Hosted>,
}

/// Lets the lane send the log to the deletion in the directory where it is by then. Both deletions wait for it.
fn delete_open(replica: &Replica, here: Way, there: Option<Way>) {
    // Requests that wait for the partition look again and find that it has no leader.
    replica.lead_no_more();
    replica.release(move |hosted| {
        let Some(hosted) = hosted else { return };
        let is_in = hosted.replica.directory().id();
        let way = there.filter(|way| way.directory == is_in).unwrap_or(here);
        // The deletion receives until the last way is dropped.
        drop(way.release.send(hosted));
    });
}

/// A replica that is deleted.
struct Deleted<'a> {
    partition: &'a TopicPartition,
    topic_id: TopicId,
    /// How long its files are kept.
    delay_ms: i64,
}
