//! What the floors above give to a connection: a session per connection, and a reply per request.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::header::RequestPrefix;
use super::memory::Charge;
use super::reply::Reply;

/// Who is at the other end of a connection, and where it came in.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The peer's address; an IPv4 peer of an IPv6 listener is shown as IPv4.
    pub address: SocketAddr,
    /// Our address as the peer sees it: the one to advertise when none is configured.
    pub local: SocketAddr,
    /// The name of the listener.
    pub listener: Arc<str>,
}

/// One request as it came off the socket.
#[derive(Debug)]
pub struct Request {
    /// The beginning of the frame, parsed.
    pub prefix: RequestPrefix,
    /// The whole frame after the size field, prefix included: which header version follows depends
    /// on the API, which this room does not know.
    pub frame: Bytes,
    /// When the frame was complete.
    pub received: Instant,
    /// What [`Service::cost`] asked for beside the frame. To be held until the answer has been sent, or to be made
    /// smaller as soon as less is enough.
    pub memory: Charge,
}

/// A reply to come.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Fixes the place of a request, once it is known what that takes: what the service does with the session then is seen
/// by all that comes behind.
pub type FixPlace<S> = Box<dyn FnOnce(&mut S) -> Started<S> + Send>;

/// A place to come.
pub type PlaceFuture<S> = Pin<Box<dyn Future<Output = FixPlace<S>> + Send>>;

/// What became of a request of a connection with session `S` when it was started.
pub enum Started<S> {
    /// Its place is fixed; this is its reply.
    Reply(ReplyFuture),
    /// Its place is not fixed yet: something must be known first that is waited for, as who the client is, or whether a
    /// transaction is open. Nothing further of the connection is started until it is. The future is polled from now on,
    /// whether or not earlier requests have been answered.
    Placing(PlaceFuture<S>),
    /// It cannot be answered: earlier requests are answered, then the connection closes; for the log, why. This is
    /// what Kafka does with an API or a version that it does not serve.
    Close(Cow<'static, str>),
}

impl<S> Started<S> {
    /// A reply that `future` will give.
    pub fn reply(future: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self::Reply(Box::pin(future))
    }

    /// A place that is fixed by what `future` gives.
    pub fn placing<P>(future: impl Future<Output = P> + Send + 'static) -> Self
    where
        P: FnOnce(&mut S) -> Self + Send + 'static,
    {
        Self::Placing(Box::pin(
            async move { Box::new(future.await) as FixPlace<S> },
        ))
    }

    /// No reply but the end of the connection, because of `reason`.
    pub fn close(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(reason.into())
    }

    /// A reply that is known already. It still leaves in its turn.
    pub fn ready(reply: Reply) -> Self {
        Self::Reply(Box::pin(std::future::ready(reply)))
    }
}

impl<S> fmt::Debug for Started<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(_) => f.write_str("Started::Reply"),
            Self::Placing(_) => f.write_str("Started::Placing"),
            Self::Close(reason) => write!(f, "Started::Close({reason:?})"),
        }
    }
}

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// What is known about one connection. Dropped when the connection has ended, after its last
    /// reply.
    type Session: Send + 'static;

    /// The most memory, in bytes, that a request may need beside its frame: decoded, while it is worked on, and encoded
    /// as an answer. It is set aside before the request is started. Asked again, with the same answer, while there is
    /// no room for it.
    fn cost(&self, prefix: &RequestPrefix, frame: &[u8]) -> usize;

    /// A new connection.
    fn open(&self, peer: Peer) -> Self::Session;

    /// Takes a request. Synchronous and quick: when it returns [`Started::Reply`], the request's place in
    /// any order is fixed (a produce is in its storage lane, or in preparation before it). The returned future is the
    /// reply; it is polled only when all earlier requests of this connection have been answered, so
    /// what is not order-fixed here happens strictly in request order, as on Kafka's muted connections.
    ///
    /// It may be called while earlier requests are unanswered, so the session shows what earlier
    /// *starts* have done, not what earlier futures will do.
    fn start(&self, session: &mut Self::Session, request: Request) -> Started<Self::Session>;
}
