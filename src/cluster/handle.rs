//! The cluster as seen by the rest of the broker: the current image, and requests for changes by the controller.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::base::{Completion, Offset, ProducerId};
use crate::config::CurrentConfig;
use crate::controller::Command;
use crate::metadata::Image;

use super::leadership::QuorumLeadership;
use super::producer_ids::ProducerIds;
use super::publish::{ImageListener, Listening, Published};
use super::submit::{self, ClusterError, Submitted};

/// A message to the controller's thread.
pub(super) enum Task {
    Decide(Box<dyn Submitted>),
    Listen(Listening),
    Stop,
}

/// The cluster as this broker knows it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    cluster_id: Arc<str>,
    leadership: QuorumLeadership,
    producer_ids: Arc<ProducerIds>,
    published: Arc<Published>,
    tasks: mpsc::UnboundedSender<Task>,
}

impl Cluster {
    pub(super) fn new(
        cluster_id: &str,
        leadership: QuorumLeadership,
        published: Arc<Published>,
        tasks: mpsc::UnboundedSender<Task>,
    ) -> Self {
        Self {
            cluster_id: cluster_id.into(),
            leadership,
            producer_ids: Arc::default(),
            published,
            tasks,
        }
    }

    /// The cluster id.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The leader of the metadata log.
    pub const fn leadership(&self) -> QuorumLeadership {
        self.leadership
    }

    /// The end offset of the metadata log.
    pub fn metadata_log_end(&self) -> Offset {
        let applied = self.published.offset().next();
        applied.max(self.leadership.began_at)
    }

    /// The current image. Take one at the start of a request and use it throughout.
    ///
    /// It may be newer than the image that the listeners have received.
    pub fn image(&self) -> Arc<Image> {
        self.published.image()
    }

    /// This broker's settings. They follow the image before its listeners are called.
    pub fn config(&self) -> &CurrentConfig {
        self.published.config()
    }

    /// Submits a change to the controller; answered when the change is durable and in the local image. It also waits
    /// for the listeners, unless that takes too long.
    pub fn submit<C: Command>(
        &self,
        command: C,
    ) -> impl Future<Output = Result<C::Reply, ClusterError>> + Send + use<C> {
        self.send(submit::ask(command, None))
    }

    /// The same with a timeout for the answer.
    pub fn submit_within<C: Command>(
        &self,
        command: C,
        time: Duration,
    ) -> impl Future<Output = Result<C::Reply, ClusterError>> + Send + use<C> {
        self.send(submit::ask(command, Some(time)))
    }

    fn send<F>(&self, (asked, reply): (Box<dyn Submitted>, F)) -> F {
        drop(self.tasks.send(Task::Decide(asked)));
        reply
    }

    /// A producer id that was never assigned before.
    ///
    /// # Errors
    /// When a new block of ids is needed and the controller cannot assign one.
    pub async fn next_producer_id(&self) -> Result<ProducerId, ClusterError> {
        self.producer_ids.next(self, self.leadership.leader).await
    }

    /// Adds a listener without an image: it first receives everything that exists, then every change. Returns when it
    /// has followed the first call.
    pub async fn listen(&self, listener: Arc<dyn ImageListener>) {
        self.listen_from(Arc::default(), listener).await;
    }

    /// The same for a listener that has the image `known`: it first receives the difference from that.
    pub async fn listen_from(&self, known: Arc<Image>, listener: Arc<dyn ImageListener>) {
        let (told, followed) = oneshot::channel::<()>();
        let listening = Listening {
            listener,
            known,
            followed: Completion::new(move || drop(told)),
        };
        drop(self.tasks.send(Task::Listen(listening)));
        // Nothing is sent: the wait ends when all clones are dropped.
        drop(followed.await);
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
