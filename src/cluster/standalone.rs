//! The controller of a cluster with one node, on a thread of its own: it decides, writes, syncs and applies one
//! command after another. The thread waits only for the disk of the metadata log, and for no listener.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::base::{Clock, NodeId, Timestamp, TopicId};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::controller::{self, Chance, Decision, Situation};
use crate::log::LogDirectory;

use super::error::MetadataLogError;
use super::handle::{Cluster, Task};
use super::metadata_log::MetadataLog;
use super::publish::{Published, Publisher};
use super::submit::{ClusterError, Submitted};

/// Why the controller cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The metadata log cannot be opened.
    #[error("the metadata log in {directory:?} cannot be used: {source}")]
    MetadataLog {
        /// The log directory.
        directory: PathBuf,
        /// The reason.
        source: MetadataLogError,
    },
    /// A thread could not be started.
    #[error("cannot start the controller's threads: {0}")]
    Thread(std::io::Error),
}

/// The running controller; [`Controller::stop`] ends it.
#[derive(Debug)]
pub struct Controller {
    cluster: Cluster,
    /// The log directory of the metadata log.
    directory: PathBuf,
    /// Topics whose deletion the start has replayed.
    deleted: HashSet<TopicId>,
    /// Dropped by the deciding thread when it ends, with its log closed.
    decider: mpsc::Receiver<()>,
    /// The same for the publisher's thread, after all listeners were called.
    publisher: mpsc::Receiver<()>,
}

/// How long each of the two threads may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

impl Controller {
    /// Topics whose deletion is in the part of the log that the start has read: their remains on the disk are
    /// expected.
    pub fn deleted_topics(&self) -> &HashSet<TopicId> {
        &self.deleted
    }

    /// Ends the controller after everything submitted so far, and closes its log. If its disk hangs, this returns
    /// without that. Afterwards no listener is called any more.
    pub fn stop(self) {
        self.cluster.stop();
        let hangs = |ended: &mpsc::Receiver<()>| {
            ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout)
        };
        if hangs(&self.decider) {
            tracing::error!(directory = %self.directory.display(), "the log directory hangs: stopping without closing the metadata log, which the next start checks");
        } else if hangs(&self.publisher) {
            tracing::error!(
                "a change of the metadata is still being followed: stopping without waiting for it"
            );
        }
    }
}

/// Loads the metadata log in `directory` (or creates one) and starts the controller.
///
/// # Errors
/// When the log cannot be read or written, or the thread not be started.
pub fn start(
    config: Arc<BrokerConfig>,
    directory: &LogDirectory,
    cluster_id: &str,
    clock: Arc<dyn Clock>,
) -> Result<(Cluster, Controller), StartError> {
    let opened = open(&config, directory, clock.now());
    let opened = opened.and_then(|log| Ok((log.leadership()?, log)));
    let (leadership, mut log) = opened.map_err(|source| StartError::MetadataLog {
        directory: directory.path().to_owned(),
        source,
    })?;
    let deleted = log.take_deleted();
    let published = Arc::new(Published::new(
        NodeId(config.node_id),
        log.image().clone(),
        CurrentConfig::new(Arc::clone(&config)),
    ));
    let (running, publisher_ended) = mpsc::channel();
    let publisher =
        Publisher::start(Arc::clone(&published), running).map_err(StartError::Thread)?;
    let (sender, tasks) = unbounded_channel();
    let (running, decider_ended) = mpsc::channel();
    let standalone = Standalone {
        config,
        log,
        clock,
        publisher,
        has_failed: false,
    };
    std::thread::Builder::new()
        .name("controller".to_owned())
        .spawn(move || {
            standalone.run(tasks);
            drop(running);
        })
        .map_err(StartError::Thread)?;
    let cluster = Cluster::new(cluster_id, leadership, published, sender);
    let controller = Controller {
        cluster: cluster.clone(),
        directory: directory.path().to_owned(),
        deleted,
        decider: decider_ended,
        publisher: publisher_ended,
    };
    Ok((cluster, controller))
}

/// Opens the metadata log, and writes the first records if it is empty.
fn open(
    config: &BrokerConfig,
    directory: &LogDirectory,
    now: Timestamp,
) -> Result<MetadataLog, MetadataLogError> {
    let mut log = MetadataLog::open(directory, config, now)?;
    if log.image().features().is_empty() {
        log.append(&controller::features::bootstrap_records(), now)?;
    }
    Ok(log)
}

struct Standalone {
    /// The start configuration: a decision applies the image's settings over it.
    config: Arc<BrokerConfig>,
    log: MetadataLog,
    clock: Arc<dyn Clock>,
    publisher: Publisher,
    /// A write has failed: the contents of the log are not known any more, so nothing is decided from them.
    has_failed: bool,
}

impl Standalone {
    fn run(mut self, mut tasks: UnboundedReceiver<Task>) {
        while let Some(task) = tasks.blocking_recv() {
            match task {
                Task::Decide(submitted) => {
                    self.decide(submitted);
                    self.maybe_snapshot();
                }
                // Through here, so that it comes after everything that was submitted before.
                Task::Listen(listening) => self.publisher.listen(listening),
                Task::Stop => break,
            }
        }
        if let Err(error) = self.log.close() {
            tracing::error!(%error, "the metadata log cannot be closed");
        }
    }

    /// Decides, writes, and publishes the result.
    fn decide(&mut self, submitted: Box<dyn Submitted>) {
        if self.has_failed {
            return submitted.refuse(ClusterError::Storage);
        }
        let mut situation = Situation {
            image: self.log.image(),
            config: &self.config,
            next_offset: self.log.next_offset(),
            chance: &mut ThreadChance,
        };
        let Decision {
            records,
            reply: answer,
        } = submitted.decide(&mut situation);
        if records.is_empty() {
            return answer.unchanged();
        }
        match self.log.append(&records, self.clock.now()) {
            Ok((image, delta)) => {
                answer.written(|followed| self.publisher.publish(image, delta, followed));
            }
            Err(error) => {
                self.has_failed = true;
                tracing::error!(%error, "the metadata log cannot be written: metadata cannot be changed until the broker is restarted");
                answer.failed(ClusterError::Storage);
            }
        }
    }

    fn maybe_snapshot(&mut self) {
        if let Err(error) = self.log.maybe_snapshot(&self.config, self.clock.now()) {
            // The log still has everything; a later snapshot tries again.
            crate::base::limited!(error, "the metadata snapshot cannot be written", %error);
        }
    }
}

struct ThreadChance;

impl Chance for ThreadChance {
    fn topic_id(&mut self) -> TopicId {
        TopicId::random()
    }

    fn below(&mut self, bound: usize) -> usize {
        rand::random_range(0..bound.max(1))
    }
}
