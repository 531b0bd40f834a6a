//! What the rest of the broker sees of the cluster: the image of the moment, and a way to ask the
//! controller for a change.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::base::{Completion, Offset, ProducerId};
use crate::config::CurrentConfig;
use crate::controller::{Command, Decision, Situation};
use crate::metadata::{Delta, Image};

use super::leadership::Leadership;
use super::producer_ids::ProducerIds;

/// Why the controller did not decide, or its decision is not known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The broker stops.
    #[error("the controller has stopped")]
    Stopped,
    /// The metadata log cannot be written.
    #[error("the metadata log cannot be written")]
    Storage,
}

/// Someone who acts on changes of the image. Called in order, on the controller's own thread.
pub trait ImageListener: Send + Sync {
    /// `image` has taken the place of the one before; `delta` says what is different. Must not wait for anything:
    /// what takes its time is done elsewhere with a clone of `answer`. The change is answered when all clones are
    /// gone, so that a topic can be used when a client learns that it exists.
    fn image_published(&self, image: &Arc<Image>, delta: &Delta, answer: &Completion);
}

/// A command on its way to the controller, of whichever type.
pub(super) trait Submitted: Send {
    /// Decides about it. The decision's reply answers whoever asked, when it is called with the outcome of the
    /// writing.
    fn decide(self: Box<Self>, situation: &mut Situation<'_>) -> Decision<Answer>;

    /// Answers without a decision.
    fn refuse(self: Box<Self>, error: ClusterError);
}

/// Answers whoever submitted a command.
pub(super) type Answer = Box<dyn FnOnce(Result<(), ClusterError>) + Send>;

/// A command, and who waits for its reply.
struct Asked<C: Command> {
    command: C,
    answer: oneshot::Sender<Result<C::Reply, ClusterError>>,
}

impl<C: Command> Submitted for Asked<C> {
    fn decide(self: Box<Self>, situation: &mut Situation<'_>) -> Decision<Answer> {
        let Self { command, answer } = *self;
        command.decide(situation).map(|reply| -> Answer {
            // Whoever asked may have gone; the decision stands.
            Box::new(move |written| drop(answer.send(written.map(|()| reply))))
        })
    }

    fn refuse(self: Box<Self>, error: ClusterError) {
        drop(self.answer.send(Err(error)));
    }
}

/// What the controller's thread is asked to do.
pub(super) enum Task {
    Decide(Box<dyn Submitted>),
    Listen(Arc<dyn ImageListener>, oneshot::Sender<()>),
    Stop,
}

/// The cluster as this broker knows it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    cluster_id: Arc<str>,
    leadership: Leadership,
    producer_ids: Arc<ProducerIds>,
    config: CurrentConfig,
    image: Arc<ArcSwap<Image>>,
    tasks: mpsc::UnboundedSender<Task>,
}

impl Cluster {
    pub(super) fn new(
        cluster_id: &str,
        leadership: Leadership,
        config: CurrentConfig,
        image: Arc<ArcSwap<Image>>,
        tasks: mpsc::UnboundedSender<Task>,
    ) -> Self {
        Self {
            cluster_id: cluster_id.into(),
            leadership,
            producer_ids: Arc::default(),
            config,
            image,
            tasks,
        }
    }

    /// The id that all nodes of the cluster share.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Who leads the metadata log.
    pub const fn leadership(&self) -> Leadership {
        self.leadership
    }

    /// Where the metadata log ends.
    pub fn metadata_log_end(&self) -> Offset {
        let applied = self.image.load().offset().next();
        applied.max(self.leadership.began_at)
    }

    /// The image of the moment. Take one at the start of a request and use it throughout.
    pub fn image(&self) -> Arc<Image> {
        self.image.load_full()
    }

    /// This broker's settings. They follow the image before its listeners hear of it.
    pub const fn config(&self) -> &CurrentConfig {
        &self.config
    }

    /// Asks the controller for a change; answered when the change is durable and published.
    pub fn submit<C: Command>(
        &self,
        command: C,
    ) -> impl Future<Output = Result<C::Reply, ClusterError>> + Send + use<C> {
        let (answer, reply) = oneshot::channel();
        let asked = Box::new(Asked { command, answer });
        // A controller that has ended drops the task and with it the answer.
        drop(self.tasks.send(Task::Decide(asked)));
        async move { reply.await.unwrap_or(Err(ClusterError::Stopped)) }
    }

    /// A producer id that was never given out before.
    ///
    /// # Errors
    /// When a new block of ids is needed and the controller cannot give one.
    pub async fn next_producer_id(&self) -> Result<ProducerId, ClusterError> {
        self.producer_ids.next(self, self.leadership.leader).await
    }

    /// Adds a listener; it hears of every change from now on. Returns when it is in place.
    pub async fn listen(&self, listener: Arc<dyn ImageListener>) {
        let (done, added) = oneshot::channel();
        drop(self.tasks.send(Task::Listen(listener, done)));
        drop(added.await);
    }

    /// Ends the controller after everything submitted so far.
    pub(super) fn stop(&self) {
        drop(self.tasks.send(Task::Stop));
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("cluster_id", &self.cluster_id)
            .field("leadership", &self.leadership)
            .finish_non_exhaustive()
    }
}
