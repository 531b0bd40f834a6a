//! The controller of a cluster of one, on a thread of its own: one command after another, each
//! decided, written, synced, applied and published before it is answered. The thread waits for no disk but that of
//! the metadata log; who follows the image and needs longer has the answer wait, and not the next command.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::base::{Clock, Completion, NodeId, Timestamp, TopicId};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::controller::{self, Chance, Decision, Situation};
use crate::log::LogDirectory;
use crate::metadata::{Delta, Image};

use super::error::MetadataLogError;
use super::metadata_log::MetadataLog;
use super::publish::{Cluster, ClusterError, ImageListener, Submitted, Task};

/// Why the controller cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The metadata log cannot be opened.
    #[error("the metadata log in {directory:?} cannot be used: {source}")]
    MetadataLog {
        /// The log directory.
        directory: PathBuf,
        /// Why not.
        source: MetadataLogError,
    },
    /// The thread could not be started.
    #[error("cannot start the controller's thread: {0}")]
    Thread(std::io::Error),
}

/// The running controller; [`Controller::stop`] ends it.
#[derive(Debug)]
pub struct Controller {
    cluster: Cluster,
    /// Where the metadata log is.
    directory: PathBuf,
    /// Topics whose deletion the start has replayed.
    deleted: HashSet<TopicId>,
    /// Let go by the thread when it ends.
    ended: mpsc::Receiver<()>,
}

/// How long the metadata log may take to be closed.
const PATIENCE: Duration = Duration::from_secs(5);

impl Controller {
    /// Topics whose deletion is in what the start has read of the log: what is left of them on the disk is expected.
    pub fn deleted_topics(&self) -> &HashSet<TopicId> {
        &self.deleted
    }

    /// Ends the controller after everything submitted so far, and closes its log. If its disk hangs, this goes on
    /// without it.
    pub fn stop(self) {
        self.cluster.stop();
        if self.ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::error!(directory = %self.directory.display(), "log directory hangs: stopping without closing the metadata log, which the next start will check");
        }
    }
}

/// Loads the metadata log in `directory` (or begins one) and starts the controller.
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
    let image = Arc::new(ArcSwap::from_pointee(log.image().clone()));
    let current = CurrentConfig::new(Arc::clone(&config));
    bring_in_force(&current, NodeId(config.node_id), log.image());
    let (sender, tasks) = unbounded_channel();
    let (running, ended) = mpsc::channel();
    let cluster = Cluster::new(
        cluster_id,
        leadership,
        current.clone(),
        Arc::clone(&image),
        sender,
    );
    let standalone = Standalone {
        config,
        current,
        log,
        clock,
        image,
        listeners: Vec::new(),
        has_failed: false,
    };
    std::thread::Builder::new()
        .name("controller".to_owned())
        .spawn(move || {
            standalone.run(tasks);
            drop(running);
        })
        .map_err(StartError::Thread)?;
    let controller = Controller {
        cluster: cluster.clone(),
        directory: directory.path().to_owned(),
        deleted,
        ended,
    };
    Ok((cluster, controller))
}

/// Opens the metadata log, and begins it if it is empty.
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
    /// What this node was started with: a decision lays over it what the image says then.
    config: Arc<BrokerConfig>,
    /// What is in force, for everybody else.
    current: CurrentConfig,
    log: MetadataLog,
    clock: Arc<dyn Clock>,
    image: Arc<ArcSwap<Image>>,
    listeners: Vec<Arc<dyn ImageListener>>,
    /// A write has failed: what the log holds is not known any more, so nothing is decided from it.
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
                Task::Listen(listener, done) => {
                    self.listeners.push(listener);
                    let _ = done.send(());
                }
                Task::Stop => break,
            }
        }
        if let Err(error) = self.log.close() {
            tracing::error!(%error, "metadata log cannot be closed");
        }
    }

    /// Decides, and has it answered when everybody has done what follows from it.
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
            return answer(Ok(()));
        }
        match self.log.append(&records, self.clock.now()) {
            Ok((image, delta)) => {
                let answer = Completion::new(move || answer(Ok(())));
                self.publish(image, &delta, &answer);
            }
            Err(error) => {
                self.has_failed = true;
                tracing::error!(%error, "metadata log cannot be written: no change of metadata is possible until the broker is started again");
                answer(Err(ClusterError::Storage));
            }
        }
    }

    fn publish(&self, image: Image, delta: &Delta, answer: &Completion) {
        let image = Arc::new(image);
        self.image.store(Arc::clone(&image));
        let node = NodeId(self.config.node_id);
        if delta.changes_settings_of(node) {
            bring_in_force(&self.current, node, &image);
        }
        for listener in &self.listeners {
            listener.image_published(&image, delta, answer);
        }
    }

    fn maybe_snapshot(&mut self) {
        if let Err(error) = self.log.maybe_snapshot(&self.config, self.clock.now()) {
            // The log still holds everything; the next occasion tries again.
            crate::base::limited!(error, "metadata snapshot cannot be written", %error);
        }
    }
}

fn bring_in_force(config: &CurrentConfig, node: NodeId, image: &Image) {
    let (all_brokers, this_broker) = image.broker_changes(node);
    config.follow(all_brokers, this_broker);
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
