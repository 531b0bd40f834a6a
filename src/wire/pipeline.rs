//! Requests of one connection that have been started and not answered, and what bounds them.
//!
//! Two bounds are the connection's own; two are shared by all connections ([`Budget`]). The shared
//! ones must never be held by requests that wait for other requests, or 500 waiting joins would
//! keep out the one that they wait for. Therefore:
//!
//! - A request permit is for running *ahead*: the head of a connection's queue needs none, and
//!   gives back the one that it had when it became the head. When permits are short, connections
//!   fall back to one request at a time, as in Kafka.
//! - Byte permits are for frames that are large or run ahead: a head of up to [`FREE_BYTES`] needs
//!   none. They are taken for the whole frame, at the latest when its first [`FREE_BYTES`] have
//!   arrived: a bare claim holds nothing, and no two half-read frames can wait for each other's
//!   bytes. A frame larger than the whole budget takes all of it.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::reply::Reply;
use super::service::ReplyFuture;
use super::settings::Settings;

/// What the head of a pipeline may weigh without a byte permit.
pub(super) const FREE_BYTES: usize = 64 * 1024;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Budget {
    requests: Arc<Semaphore>,
    bytes: Option<ByteBudget>,
}

#[derive(Debug)]
struct ByteBudget {
    total: u32,
    semaphore: Arc<Semaphore>,
}

impl Budget {
    pub(super) fn new(settings: &Settings) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let bytes = settings.queued_max_request_bytes.map(|total| {
            let total = u32::try_from(total).unwrap_or(u32::MAX);
            ByteBudget {
                total,
                semaphore: semaphore(usize::try_from(total).unwrap_or(usize::MAX)),
            }
        });
        Self {
            requests: semaphore(settings.queued_max_requests),
            bytes,
        }
    }
}

type Acquire = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// A permit for the frame that is next.
#[derive(Default)]
enum Slot {
    #[default]
    NotNeeded,
    Waiting(Acquire),
    /// Held only to be dropped.
    Held(
        #[expect(dead_code, reason = "the permit returns itself when it is dropped")]
        OwnedSemaphorePermit,
    ),
}

impl Slot {
    /// Takes `count` permits, or waits for them.
    fn poll_acquire(
        &mut self,
        context: &mut Context<'_>,
        semaphore: &Arc<Semaphore>,
        count: u32,
    ) -> Poll<()> {
        loop {
            match self {
                Self::Held(_) => return Poll::Ready(()),
                Self::NotNeeded => {
                    *self = match Arc::clone(semaphore).try_acquire_many_owned(count) {
                        Ok(permit) => Self::Held(permit),
                        Err(_) => {
                            Self::Waiting(Box::pin(Arc::clone(semaphore).acquire_many_owned(count)))
                        }
                    };
                }
                Self::Waiting(acquire) => match acquire.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(permit)) => *self = Self::Held(permit),
                    // Nobody closes these semaphores; without one there is no bound to keep.
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                },
            }
        }
    }
}

/// The permits of one request.
#[derive(Default)]
struct Permits {
    request: Slot,
    bytes: Slot,
}

impl Permits {
    /// Gives back, or ceases to wait for, what the head of a pipeline does not need.
    fn release_as_head(&mut self, size: usize) {
        self.request = Slot::NotNeeded;
        if size <= FREE_BYTES {
            self.bytes = Slot::NotNeeded;
        }
    }
}

struct InFlight {
    reply: ReplyFuture,
    bytes: usize,
    permits: Permits,
}

/// The queue of one connection.
pub(super) struct Pipeline {
    queue: VecDeque<InFlight>,
    bytes: usize,
    max_requests: usize,
    max_bytes: usize,
    budget: Arc<Budget>,
    /// Permits of the frame at the front of the reader.
    next: Permits,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("requests", &self.queue.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    pub(super) fn new(settings: &Settings, budget: Arc<Budget>) -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            max_requests: settings.pipeline_max_requests,
            max_bytes: settings.pipeline_max_bytes,
            budget,
            next: Permits::default(),
        }
    }

    /// Whether every request has been answered.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the next frame waits for a permit that other connections hold.
    pub(super) const fn is_waiting_for_permits(&self) -> bool {
        matches!(self.next.request, Slot::Waiting(_)) || matches!(self.next.bytes, Slot::Waiting(_))
    }

    /// Whether the connection's own bounds let a further frame of `size` bytes in. One is always
    /// let in.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.queue.is_empty()
            || (self.queue.len() < self.max_requests
                && self.bytes.saturating_add(size) <= self.max_bytes)
    }

    /// Takes the shared permits for the next frame, of `size` bytes. They are kept until the frame
    /// is pushed.
    pub(super) fn poll_permits(&mut self, context: &mut Context<'_>, size: usize) -> Poll<()> {
        let only = self.queue.is_empty();
        if only {
            self.next.release_as_head(size);
        } else if self
            .next
            .request
            .poll_acquire(context, &self.budget.requests, 1)
            .is_pending()
        {
            return Poll::Pending;
        }
        match &self.budget.bytes {
            Some(budget) if !only || size > FREE_BYTES => {
                let count = u32::try_from(size).unwrap_or(u32::MAX).min(budget.total);
                self.next
                    .bytes
                    .poll_acquire(context, &budget.semaphore, count)
            }
            _ => Poll::Ready(()),
        }
    }

    /// Appends a request that has been started.
    pub(super) fn push(&mut self, reply: ReplyFuture, size: usize) {
        self.bytes = self.bytes.saturating_add(size);
        let permits = std::mem::take(&mut self.next);
        self.queue.push_back(InFlight {
            reply,
            bytes: size,
            permits,
        });
        self.free_head();
    }

    /// Polls the head, and only the head. When its reply is there, it leaves the queue. `None` when
    /// the queue is empty.
    pub(super) fn poll_head(&mut self, context: &mut Context<'_>) -> Option<Poll<Reply>> {
        let poll = self.queue.front_mut()?.reply.as_mut().poll(context);
        if poll.is_ready()
            && let Some(answered) = self.queue.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(answered.bytes);
            self.free_head();
        }
        Some(poll)
    }

    /// The head may wait for as long as it likes, so it must not keep permits from others while it
    /// does.
    fn free_head(&mut self) {
        if let Some(head) = self.queue.front_mut() {
            head.permits.release_as_head(head.bytes);
        }
    }

    /// Gives the permits of the next frame back: it will not be started.
    pub(super) fn give_up_next(&mut self) {
        self.next = Permits::default();
    }

    /// Drops all requests without an answer.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.bytes = 0;
        self.give_up_next();
    }
}
