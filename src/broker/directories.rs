//! Connects the log directories with the broker's registration: `partition` and `cluster` stand on one floor and do
//! not know each other.

use tokio::sync::mpsc::UnboundedReceiver;

use crate::cluster::{Lifecycle, PlacedReplica, WatchedDirectory};
use crate::controller::ReplicaAssignment;
use crate::partition::{Assignment, Partitions};

impl PlacedReplica for Assignment {
    fn assignment(&self) -> ReplicaAssignment {
        ReplicaAssignment {
            topic_id: self.topic_id,
            partition: self.partition,
            directory: self.directory,
        }
    }

    fn answered(self, is_written: bool) {
        self.answered(is_written);
    }
}

/// Reports directories that fail, and where replicas are: at once what the start has found, then what changes.
pub(super) async fn report(
    lifecycle: &Lifecycle,
    partitions: &Partitions,
    assignments: Option<UnboundedReceiver<Assignment>>,
) {
    let watched = partitions
        .directories()
        .map(|directory| WatchedDirectory {
            id: directory.id(),
            failure: directory.state().failure(),
        })
        .collect();
    let waking = partitions.clone();
    lifecycle.report_failures(watched, move |failed| waking.wake_waiters_of(failed));
    if let Some(assignments) = assignments {
        lifecycle.report_assignments(assignments).await;
    }
}
