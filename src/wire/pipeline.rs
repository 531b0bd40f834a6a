//! The started and unanswered requests of one connection, and their limits.
//!
//! One limit is the connection's own, the other is shared by all connections: a request permit is for running
//! *ahead*. The head of a connection's queue needs none, and gives back its permit when it becomes the head. Requests
//! that wait for other requests must not hold what those need: otherwise 500 waiting joins would keep out the one
//! that they wait for. When permits are short, connections fall back to one request at a time, as in Kafka.
//!
//! The last request may still wait for its place. It counts like the others, and is the head when it is alone.
//!
//! The memory of requests is not counted here but where it is held ([`super::memory`]).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::reply::Reply;
use super::service::{FixPlace, PlaceFuture, ReplyFuture};
use super::settings::Settings;

/// Permits of all connections to run ahead.
#[derive(Debug)]
pub(super) struct Ahead(Arc<Semaphore>);

impl Ahead {
    pub(super) fn new(settings: &Settings) -> Self {
        let permits = settings.queued_max_requests.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(permits)))
    }
}

type Acquire = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// The permit of one request.
#[derive(Default)]
enum Permit {
    #[default]
    NotNeeded,
    Waiting(Acquire),
    /// Held only to be dropped.
    Held(
        #[expect(dead_code, reason = "the permit returns itself when it is dropped")]
        OwnedSemaphorePermit,
    ),
}

impl Permit {
    /// Takes a permit, or waits for one.
    fn poll_acquire(&mut self, context: &mut Context<'_>, Ahead(semaphore): &Ahead) -> Poll<()> {
        loop {
            match self {
                Self::Held(_) => return Poll::Ready(()),
                Self::NotNeeded => {
                    *self = match Arc::clone(semaphore).try_acquire_owned() {
                        Ok(permit) => Self::Held(permit),
                        Err(_) => Self::Waiting(Box::pin(Arc::clone(semaphore).acquire_owned())),
                    };
                }
                Self::Waiting(acquire) => match acquire.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(permit)) => *self = Self::Held(permit),
                    // Nobody closes this semaphore; if it were closed, there would be no limit to enforce.
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                },
            }
        }
    }
}

struct InFlight {
    reply: ReplyFuture,
    permit: Permit,
}

/// A request whose place is not fixed yet.
struct Placing<S> {
    place: PlaceFuture<S>,
    permit: Permit,
}

/// The queue of one connection with session `S`.
pub(super) struct Pipeline<S> {
    queue: VecDeque<InFlight>,
    /// The last request, if it waits for its place. Nothing is accepted behind it.
    placing: Option<Placing<S>>,
    max_requests: usize,
    ahead: Arc<Ahead>,
    /// The permit of the request at the front of the reader.
    next: Permit,
}

impl<S> fmt::Debug for Pipeline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("requests", &self.queue.len())
            .field("is_placing", &self.placing.is_some())
            .finish_non_exhaustive()
    }
}

impl<S> Pipeline<S> {
    pub(super) fn new(settings: &Settings, ahead: Arc<Ahead>) -> Self {
        Self {
            queue: VecDeque::new(),
            placing: None,
            max_requests: settings.pipeline_max_requests,
            ahead,
            next: Permit::default(),
        }
    }

    /// Whether every request has been answered.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.placing.is_none()
    }

    /// Whether the next request waits for a permit that other connections hold.
    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.next, Permit::Waiting(_))
    }

    /// Whether another request is allowed. One always is, and none while one waits for its place.
    pub(super) fn has_room(&self) -> bool {
        self.placing.is_none() && (self.queue.is_empty() || self.queue.len() < self.max_requests)
    }

    /// Takes the permit of the next request, if it needs one. It is kept until the request is pushed.
    pub(super) fn poll_permit(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.queue.is_empty() {
            self.next = Permit::NotNeeded;
            return Poll::Ready(());
        }
        self.next.poll_acquire(context, &self.ahead)
    }

    /// Appends a request that waits for its place.
    pub(super) fn push_placing(&mut self, place: PlaceFuture<S>) {
        let permit = std::mem::take(&mut self.next);
        self.placing = Some(Placing { place, permit });
        self.free_head();
    }

    /// Polls the place that is waited for. When it is known, its request leaves the queue, and the permit is returned
    /// for the next push. `None` when no place is waited for.
    pub(super) fn poll_place(&mut self, context: &mut Context<'_>) -> Option<Poll<FixPlace<S>>> {
        let poll = self.placing.as_mut()?.place.as_mut().poll(context);
        if poll.is_ready()
            && let Some(placing) = self.placing.take()
        {
            self.next = placing.permit;
        }
        Some(poll)
    }

    /// Appends a request whose place is fixed.
    pub(super) fn push(&mut self, reply: ReplyFuture) {
        let permit = std::mem::take(&mut self.next);
        self.queue.push_back(InFlight { reply, permit });
        self.free_head();
    }

    /// Polls the head, and only the head. When its reply is ready, it leaves the queue. `None` when the queue is
    /// empty.
    pub(super) fn poll_head(&mut self, context: &mut Context<'_>) -> Option<Poll<Reply>> {
        let poll = self.queue.front_mut()?.reply.as_mut().poll(context);
        if poll.is_ready() {
            self.queue.pop_front();
            self.free_head();
        }
        Some(poll)
    }

    /// The head may wait as long as it likes, so it must not keep a permit from others meanwhile.
    fn free_head(&mut self) {
        if let Some(head) = self.queue.front_mut() {
            head.permit = Permit::NotNeeded;
        } else if let Some(head) = &mut self.placing {
            head.permit = Permit::NotNeeded;
        }
    }

    /// Gives the permit of the next request back: it will not be started.
    pub(super) fn give_up_next(&mut self) {
        self.next = Permit::NotNeeded;
    }

    /// Drops all requests without an answer, and frees their permits.
    pub(super) fn clear(&mut self) {
        self.queue = VecDeque::new();
        self.placing = None;
        self.give_up_next();
    }
}
