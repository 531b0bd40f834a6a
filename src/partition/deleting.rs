//! Deleting topics: their directories get other names before the deletion is answered; their files go
//! later, with the housekeeper's rounds.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, mpsc};

use crate::base::{NodeId, TopicPartition};
use crate::log::{Checkpoint, LogError};
use crate::metadata::TopicImage;

use super::lane::Hosted;
use super::manager::{Partitions, Place};
use super::opening;
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
        for place in places.into_values() {
            match place {
                Place::Open(replica) => self.delete_open(&replica, renamed.clone()),
                Place::Unreadable(unreadable) => {
                    let delay = self.shared.config.log_segment_delete_delay_ms;
                    let renamed = opening::rename_deleted(
                        &self.shared.log_directory,
                        &unreadable.wanted.topic_partition,
                    );
                    self.doom(
                        &unreadable.wanted.topic_partition,
                        renamed.map_err(LogError::Io),
                        delay,
                    );
                }
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
        let delay = replica.config().file_delete_delay_ms;
        replica.lane().release(replica.slot(), move |hosted| {
            if let Some(Hosted { log, replica }) = hosted {
                partitions.doom(replica.topic_partition(), log.mark_deleted(), delay);
            }
            drop(renamed);
        });
    }

    /// Takes note of a deleted replica's directory, which has been renamed; its files go later.
    fn doom(&self, partition: &TopicPartition, renamed: Result<PathBuf, LogError>, delay_ms: i64) {
        match renamed {
            Ok(path) => {
                let due = self.shared.clock.now().plus_millis(delay_ms);
                self.shared
                    .doomed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((due, path));
            }
            Err(error) => self
                .shared
                .directory
                .fail(&format_args!("delete of {partition}: {error}")),
        }
    }
}
