//! Deleting topics: their directories get other names before the deletion is answered; their files go
//! later, with the housekeeper's rounds.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use crate::base::{NodeId, TopicId, TopicPartition};
use crate::log::{Checkpoint, LogError, ReplicaState};
use crate::metadata::TopicImage;

use super::directory::HostedDirectory;
use super::lane::Hosted;
use super::manager::{Partitions, Place};
use super::replica::{Leadership, Replica};

impl Partitions {
    /// Deletes topics. When this returns their directories have other names, so that topics of the same
    /// names can be created, and the checkpoints do not speak of them any more: what they said must
    /// not be taken for something about a later topic.
    pub(super) fn delete_all(&self, topics: &[Arc<TopicImage>]) {
        if topics.is_empty() {
            return;
        }
        let (renamed, all_renamed) = mpsc::channel::<()>();
        for topic in topics {
            self.delete(topic, &renamed);
        }
        drop(renamed);
        // Ends when the last lane has let go of its end, whatever became of the rename.
        while all_renamed.recv().is_ok() {}
        self.write_checkpoint(Checkpoint::RecoveryPoint);
        self.write_checkpoint(Checkpoint::LogStart);
    }

    fn delete(&self, topic: &TopicImage, renamed: &mpsc::Sender<()>) {
        let Some(places) = self.hosted_mut().remove(&topic.id) else {
            return;
        };
        for (partition, place) in places {
            // Its future replica goes as well, when its mover has let go of it.
            drop(self.cancel_move(topic.id, partition));
            match place {
                Place::Open(replica) => self.delete_open(&replica, renamed.clone()),
                Place::Unreadable(unreadable) => {
                    let partition = &unreadable.wanted.topic_partition;
                    let renamed = unreadable
                        .directory
                        .rename_replica(partition, ReplicaState::Deleted);
                    let deleted = Deleted {
                        partition,
                        topic_id: topic.id,
                        delay_ms: self.shared.config.log_segment_delete_delay_ms,
                    };
                    self.doom(
                        &unreadable.directory,
                        deleted,
                        renamed.map_err(LogError::Io),
                    );
                }
                // Its directory's next start finds that nobody knows it.
                Place::Offline => {}
            }
        }
    }

    fn delete_open(&self, replica: &Replica, renamed: mpsc::Sender<()>) {
        // Whoever waits for the partition looks again and finds that nobody leads it.
        replica.lead(Leadership {
            leader: NodeId::NONE,
            ..(*replica.leadership()).clone()
        });
        let partitions = self.clone();
        let delay_ms = replica.config().file_delete_delay_ms;
        replica.release(move |hosted| {
            if let Some(Hosted { log, replica, .. }) = hosted {
                let deleted = Deleted {
                    partition: replica.topic_partition(),
                    topic_id: replica.topic_id(),
                    delay_ms,
                };
                partitions.doom(&replica.directory(), deleted, log.mark_deleted());
            }
            drop(renamed);
        });
    }

    /// Takes note of a deleted replica, whose directory was to be renamed; its files go later.
    fn doom(
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
        let due = self.shared.clock.now().plus_millis(delay_ms);
        directory.note_replicas_changed();
        match renamed {
            Ok(path) => directory.doom(path, due),
            Err(error) if error.is_out_of_descriptors() => {
                crate::base::limited!(
                    warn,
                    "deletion is finished when there is a file descriptor again",
                    %partition,
                    %error
                );
                directory.doom_in_place(partition.clone(), topic_id, due);
            }
            Err(error) => directory.fail(&format_args!("delete of {partition}: {error}")),
        }
    }
}

/// A replica that is deleted.
struct Deleted<'a> {
    partition: &'a TopicPartition,
    topic_id: TopicId,
    /// How long its files stay.
    delay_ms: i64,
}
