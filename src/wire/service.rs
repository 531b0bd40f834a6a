//! The interface that the floors above implement: a session per connection, and a reply per request.

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

/// The peer of a connection, and the listener.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The peer's address; an IPv4 peer of an IPv6 listener is shown as IPv4.
    pub address: SocketAddr,
    /// Our address as the peer sees it: it is advertised when no address is configured.
    pub local: SocketAddr,
    /// The name of the listener.
    pub listener: Arc<str>,
}

/// One request as received.
#[derive(Debug)]
pub struct Request {
    /// The beginning of the frame, parsed.
    pub prefix: RequestPrefix,
    /// The whole frame after the size field, prefix included: which header version follows depends
    /// on the API, which this room does not know.
    pub frame: Bytes,
    /// When the frame was complete.
    pub received: Instant,
    /// The memory that [`Service::cost`] asked for besides the frame. Hold it until the answer has been sent, or make
    /// it smaller as soon as less is enough.
    pub memory: Charge,
}

/// A pending reply.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Fixes the place of a request, once the needed information is known. All later requests see the changes that this
/// makes to the session.
pub type FixPlace<S> = Box<dyn FnOnce(&mut S) -> Started<S> + Send>;

/// A pending place.
pub type PlaceFuture<S> = Pin<Box<dyn Future<Output = FixPlace<S>> + Send>>;

/// The result of starting a request of a connection with session `S`.
pub enum Started<S> {
    /// Its place is fixed; this is its reply.
    Reply(ReplyFuture),
    /// Its place is not fixed yet: something must be known first, such as the client's identity, or whether a
    /// transaction is open. No further request of the connection is started until then. The future is polled from now
    /// on, whether or not earlier requests have been answered.
    Placing(PlaceFuture<S>),
    /// It cannot be answered: earlier requests are answered, then the connection closes. The reason is for the log.
    /// Kafka does this with an API or a version that it does not serve.
    Close(Cow<'static, str>),
}

impl<S> Started<S> {
    /// A reply from `future`.
    pub fn reply(future: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self::Reply(Box::pin(future))
    }

    /// A place that is fixed by the result of `future`.
    pub fn placing<P>(future: impl Future<Output = P> + Send + 'static) -> Self
    where
        P: FnOnce(&mut S) -> Self + Send + 'static,
    {
        Self::Placing(Box::pin(
            async move { Box::new(future.await) as FixPlace<S> },
        ))
    }

    /// Closes the connection because of `reason`, without a reply.
    pub fn close(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(reason.into())
    }

    /// A reply that is known already. It is still sent in its turn.
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
    /// The state of one connection. Dropped when the connection has ended, after its last reply.
    type Session: Send + 'static;

    /// The maximum memory, in bytes, that a request may need besides its frame: decoded, during processing, and
    /// encoded as an answer. It is reserved before the request is started. It is called again, with the same result,
    /// while there is no room for the request.
    fn cost(&self, prefix: &RequestPrefix, frame: &[u8]) -> usize;

    /// A new connection.
    fn open(&self, peer: Peer) -> Self::Session;

    /// Starts a request. Synchronous and quick: when it returns [`Started::Reply`], the request's place in any order
    /// is fixed (a produce is in its storage lane, or in preparation before it). The returned future is the reply. It is polled only
    /// when all earlier requests of this connection have been answered, so work without a fixed place happens
    /// strictly in request order, as on Kafka's muted connections.
    ///
    /// It may be called while earlier requests are unanswered, so the session shows the effects of earlier *starts*,
    /// not those of earlier futures.
    fn start(&self, session: &mut Self::Session, request: Request) -> Started<Self::Session>;
}
