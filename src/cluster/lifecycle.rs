//! The lifecycle of this broker in the cluster, from its registration to its end: what it reports to the controller.
//!
//! ```text
//!   register ──> fenced ──> unfence ──> active
//!                  │                      │
//!                  └── where replicas are, which directories have failed ──> AssignReplicas, FailDirectories
//! ```
//! No directory failure ends the broker. (Kafka ends when the last directory fails, or that of the metadata log.)
//! Requests for its contents get an error, and everything else is served.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::base::{DirectoryId, KafkaUuid, NodeId, limited};
use crate::controller::{
    AssignReplicas, FailDirectories, Refusal, RegisterBroker, ReplicaAssignment, UnfenceBroker,
    features,
};
use crate::metadata::record::Endpoint;

use super::handle::Cluster;
use super::submit::ClusterError;

/// How many assignments are sent at once; Kafka's limit.
const ASSIGNMENTS_AT_ONCE: usize = 2250;

/// Why this broker cannot join the cluster.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// The controller refuses it.
    #[error("the controller refuses this broker: {0}")]
    Refused(Refusal),
    /// The controller ended or cannot write.
    #[error("the controller does not answer: {0}")]
    Controller(#[from] ClusterError),
}

/// The data of a registration.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The broker.
    pub broker_id: NodeId,
    /// Its advertised listeners.
    pub endpoints: Vec<Endpoint>,
    /// Its rack.
    pub rack: Option<String>,
    /// Its online log directories.
    pub log_directories: Vec<DirectoryId>,
}

/// The directory of a replica, as reported by the room that chooses it.
pub trait PlacedReplica: Send + 'static {
    /// The replica and its directory.
    fn assignment(&self) -> ReplicaAssignment;

    /// Called when the controller has recorded it, or has refused it.
    fn answered(self, is_written: bool);
}

/// A log directory that is watched for failure.
#[derive(Clone, Debug)]
pub struct WatchedDirectory {
    /// The directory.
    pub id: DirectoryId,
    /// The reason for being offline, once it is.
    pub failure: watch::Receiver<Option<String>>,
}

/// This broker as registered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    cluster: Cluster,
    broker_id: NodeId,
    broker_epoch: i64,
}

impl Lifecycle {
    /// Registers this incarnation of the broker; it is fenced at first.
    ///
    /// # Errors
    /// When the controller refuses, or cannot decide.
    pub async fn register(
        cluster: &Cluster,
        registration: Registration,
    ) -> Result<Self, LifecycleError> {
        let broker_id = registration.broker_id;
        let command = RegisterBroker {
            broker_id,
            incarnation_id: KafkaUuid::random(),
            endpoints: registration.endpoints,
            features: features::supported(),
            rack: registration.rack,
            log_directories: registration.log_directories,
        };
        let registered = cluster.submit(command).await?;
        Ok(Self {
            cluster: cluster.clone(),
            broker_id,
            broker_epoch: registered.map_err(LifecycleError::Refused)?,
        })
    }

    /// The broker epoch.
    pub const fn broker_epoch(&self) -> i64 {
        self.broker_epoch
    }

    /// The broker is ready to serve: it gets its leaderships.
    ///
    /// # Errors
    /// When the controller refuses, or cannot decide.
    pub async fn unfence(&self) -> Result<(), LifecycleError> {
        let command = UnfenceBroker {
            broker_id: self.broker_id,
            broker_epoch: self.broker_epoch,
        };
        let unfenced = self.cluster.submit(command).await?;
        unfenced.map_err(LifecycleError::Refused)
    }

    /// Reports the directories of replicas to the controller. The assignments that are queued now are recorded when
    /// this returns: before the broker leads, the image has the directories of its replicas. Later ones are reported
    /// as they arrive, until all senders are dropped.
    pub async fn report_assignments<R: PlacedReplica>(
        &self,
        mut replicas: mpsc::UnboundedReceiver<R>,
    ) {
        let mut batch = Vec::new();
        while let Ok(replica) = replicas.try_recv() {
            batch.push(replica);
            if batch.len() >= ASSIGNMENTS_AT_ONCE {
                self.assign(std::mem::take(&mut batch)).await;
            }
        }
        self.assign(batch).await;
        let lifecycle = self.clone();
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while replicas.recv_many(&mut batch, ASSIGNMENTS_AT_ONCE).await > 0 {
                lifecycle.assign(std::mem::take(&mut batch)).await;
            }
        });
    }

    async fn assign<R: PlacedReplica>(&self, batch: Vec<R>) {
        if batch.is_empty() {
            return;
        }
        let command = AssignReplicas {
            broker_id: self.broker_id,
            broker_epoch: self.broker_epoch,
            assignments: batch.iter().map(R::assignment).collect(),
        };
        let results = match self.cluster.submit(command).await {
            Ok(Ok(results)) => results,
            Ok(Err(refusal)) => {
                limited!(error, "the controller does not accept the directories of replicas", %refusal);
                return;
            }
            // The broker stops, or the metadata log has failed and has logged that.
            Err(_) => return,
        };
        for (replica, result) in batch.into_iter().zip(results) {
            // A deleted topic needs no directory.
            replica.answered(result.is_ok());
        }
    }

    /// Reports log directories that fail from now on. `on_failure` is called first.
    pub fn report_failures(
        &self,
        directories: Vec<WatchedDirectory>,
        on_failure: impl Fn(DirectoryId) + Send + Sync + 'static,
    ) {
        let (all, on_failure) = (Arc::new(directories), Arc::new(on_failure));
        for directory in all.iter() {
            let mut directory = directory.clone();
            let (lifecycle, all) = (self.clone(), Arc::clone(&all));
            let on_failure = Arc::clone(&on_failure);
            tokio::spawn(async move {
                // An error means that nobody hosts it any more.
                if directory.failure.wait_for(Option::is_some).await.is_ok() {
                    on_failure(directory.id);
                    lifecycle.fail(&all).await;
                }
            });
        }
    }

    async fn fail(&self, all: &[WatchedDirectory]) {
        let has_failed = |directory: &&WatchedDirectory| directory.failure.borrow().is_some();
        let directories: Vec<_> = all.iter().filter(has_failed).map(|it| it.id).collect();
        if directories.len() == all.len() {
            // There is no other directory to lead from, and no log to record the failure in: clients get storage
            // errors.
            return;
        }
        let command = FailDirectories {
            broker_id: self.broker_id,
            broker_epoch: self.broker_epoch,
            directories,
        };
        // Without a decision the metadata log has failed as well, or the broker stops.
        if let Ok(Err(refusal)) = self.cluster.submit(command).await {
            limited!(error, "the controller does not accept that a log directory has failed", %refusal);
        }
    }
}
