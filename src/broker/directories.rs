//! What the controller must know of the log directories.
//!
//! ```text
//!   partition: a replica is in another directory than the image says ---> AssignReplicas
//!   log: a write fails, others still serve -----------------------------> FailDirectories: leaders move
//! ```
//! No failure ends the broker. (Kafka ends when the last directory fails, or that of the metadata log.) Who
//! asks for what is in it is told what is wrong, and all else is served.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::base::{DirectoryId, NodeId};
use crate::cluster::{Cluster, ClusterError};
use crate::controller::{AssignReplicas, FailDirectories, ReplicaAssignment};
use crate::partition::{Assignment, Partitions};

/// How many assignments are handed over at once; Kafka's limit.
const ASSIGNMENTS_AT_ONCE: usize = 2250;

/// This broker, as registered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registered {
    pub(super) broker_id: NodeId,
    pub(super) broker_epoch: i64,
}

/// Tells the controller where replicas are.
#[derive(Debug)]
pub(super) struct AssignmentRelay {
    pub(super) cluster: Cluster,
    pub(super) registered: Registered,
    pub(super) assignments: mpsc::UnboundedReceiver<Assignment>,
}

impl AssignmentRelay {
    /// Hands over what has come up so far: before the broker leads, the image knows where its replicas are.
    pub(super) async fn catch_up(&mut self) {
        let mut batch = Vec::new();
        while let Ok(assignment) = self.assignments.try_recv() {
            batch.push(assignment);
            if batch.len() >= ASSIGNMENTS_AT_ONCE {
                self.hand_over(std::mem::take(&mut batch)).await;
            }
        }
        self.hand_over(batch).await;
    }

    /// Hands over what comes up, until the partitions are gone.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        while self
            .assignments
            .recv_many(&mut batch, ASSIGNMENTS_AT_ONCE)
            .await
            > 0
        {
            self.hand_over(std::mem::take(&mut batch)).await;
        }
    }

    async fn hand_over(&self, batch: Vec<Assignment>) {
        if batch.is_empty() {
            return;
        }
        let assignments = batch.iter().map(|assignment| ReplicaAssignment {
            topic_id: assignment.topic_id,
            partition: assignment.partition,
            directory: assignment.directory,
        });
        let command = AssignReplicas {
            broker_id: self.registered.broker_id,
            broker_epoch: self.registered.broker_epoch,
            assignments: assignments.collect(),
        };
        let results = match self.cluster.submit(command).await {
            Ok(Ok(results)) => results,
            Ok(Err(refusal)) => {
                crate::base::limited!(error, "directories of replicas are not taken down", %refusal);
                return;
            }
            // The broker stops.
            Err(ClusterError::Stopped | ClusterError::Storage) => return,
        };
        for (assignment, result) in batch.into_iter().zip(results) {
            // A topic that is gone needs no directory.
            assignment.answered(result.is_ok());
        }
    }
}

/// Watches the directories of a broker.
pub(super) struct Watch {
    cluster: Cluster,
    partitions: Partitions,
    registered: Registered,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn begin(cluster: &Cluster, partitions: &Partitions, registered: Registered) {
        let watch = Arc::new(Self {
            cluster: cluster.clone(),
            partitions: partitions.clone(),
            registered,
        });
        for directory in partitions.directories() {
            let (id, failure) = (directory.id(), directory.state().failure());
            let watch = Arc::clone(&watch);
            tokio::spawn(async move {
                if has_failed(failure).await {
                    watch.directory_failed(id).await;
                }
            });
        }
    }

    async fn directory_failed(&self, id: DirectoryId) {
        self.partitions.wake_waiters_of(id);
        let failed: Vec<_> = self
            .partitions
            .directories()
            .filter(|directory| directory.is_offline())
            .map(|directory| directory.id())
            .collect();
        if failed.len() == self.partitions.directories().count() {
            // There is no other to lead from, and nowhere to write it down: clients hear of the storage.
            return;
        }
        let Registered {
            broker_id,
            broker_epoch,
        } = self.registered;
        let command = FailDirectories {
            broker_id,
            broker_epoch,
            directories: failed,
        };
        match self.cluster.submit(command).await {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => {
                crate::base::limited!(error, "failure of a log directory is not taken down", %refusal);
            }
            // The metadata log has failed as well, or the broker stops.
            Err(ClusterError::Stopped | ClusterError::Storage) => {}
        }
    }
}

/// Ends when the directory fails (true), or when nobody hosts it any more.
async fn has_failed(mut failure: watch::Receiver<Option<String>>) -> bool {
    failure.wait_for(Option::is_some).await.is_ok()
}
