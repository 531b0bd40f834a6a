//! What the rest of the broker sees of the cluster: the image of the moment, and a way to ask the controller for a
//! change.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::base::{Completion, Offset, ProducerId};
use crate::config::CurrentConfig;
use crate::controller::Command;
use crate::metadata::Image;

use super::leadership::Leadership;
use super::producer_ids::ProducerIds;
use super::publish::{ImageListener, Listening, Published};
use super::submit::{self, ClusterError, Submitted};

/// What the controller's thread is asked to do.
pub(super) enum Task {
    Decide(Box<dyn Submitted>),
    Listen(Listening),
    Stop,
}

/// The cluster as this broker knows it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    cluster_id: Arc<str>,
    leadership: Leadership,
    producer_ids: Arc<ProducerIds>,
    published: Arc<Published>,
    tasks: mpsc::UnboundedSender<Task>,
}

impl Cluster {
    pub(super) fn new(
        cluster_id: &str,
        leadership: Leadership,
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
        let applied = self.published.offset().next();
        applied.max(self.leadership.began_at)
    }

    /// The image of the moment. Take one at the start of a request and use it throughout.
    ///
    /// It may be ahead of what the listeners have been told.
    pub fn image(&self) -> Arc<Image> {
        self.published.image()
    }

    /// This broker's settings. They follow the image before its listeners hear of it.
    pub fn config(&self) -> &CurrentConfig {
        self.published.config()
    }

    /// Asks the controller for a change; answered when the change is durable and in the local image. The listeners
    /// have followed it, too, where that does not take too long.
    pub fn submit<C: Command>(
        &self,
        command: C,
    ) -> impl Future<Output = Result<C::Reply, ClusterError>> + Send + use<C> {
        self.send(submit::ask(command, None))
    }

    /// The same for who waits for a limited time, and then hears that it is up.
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

    /// A producer id that was never given out before.
    ///
    /// # Errors
    /// When a new block of ids is needed and the controller cannot give one.
    pub async fn next_producer_id(&self) -> Result<ProducerId, ClusterError> {
        self.producer_ids.next(self, self.leadership.leader).await
    }

    /// Adds a listener that knows nothing: it is told first of all that there is, then of every change. Returns when
    /// it has followed the first.
    pub async fn listen(&self, listener: Arc<dyn ImageListener>) {
        self.listen_from(Arc::default(), listener).await;
    }

    /// The same for a listener that knows `known` already: it is told first what is different from that.
    pub async fn listen_from(&self, known: Arc<Image>, listener: Arc<dyn ImageListener>) {
        let (told, followed) = oneshot::channel::<()>();
        let listening = Listening {
            listener,
            known,
            followed: Completion::new(move || drop(told)),
        };
        drop(self.tasks.send(Task::Listen(listening)));
        // Nothing is sent: it ends when nobody holds it.
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
