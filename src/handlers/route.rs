//! How a frame finds its handler and a message its way back, and what that may cost: [`Router`] answers for what
//! [`super::metered`] explains.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, RequestHeader};
use kafka_protocol::protocol::{
    Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use crate::base::Clock;
use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::coordinator::Groups;
use crate::partition::{ConnectionSessions, FetchSessions, Partitions};
use crate::wire::{
    self, Charge, Part, Parts, Peer, Reply, ReplyFuture, RequestPrefix, Service, Started,
};

use super::api_names::{name, not_served};
use super::metered::{Bound, Metered};
use super::{ROUTES, api_versions};

/// What handlers work on: the floors below, and the few things that live as long as the broker.
pub struct Context {
    /// The broker's configuration.
    pub config: Arc<BrokerConfig>,
    /// Metadata, and who decides on it.
    pub cluster: Cluster,
    /// Hosted partitions.
    pub partitions: Partitions,
    /// Group coordinators.
    pub groups: Groups,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What fetch sessions (KIP-227) remember.
    pub fetch_sessions: FetchSessions,
}

/// One request on its way through its handler.
pub struct Call {
    /// The broker.
    pub broker: Arc<Context>,
    /// The request's version of its API.
    pub version: i16,
    /// What the client calls itself. A copy: a part of the frame would keep all of it, for as long as a request waits.
    pub client_id: Option<StrBytes>,
    /// Who asks, and where it came in.
    pub peer: Arc<Peer>,
    /// The fetch sessions of the connection.
    pub fetch_sessions: Arc<ConnectionSessions>,
    correlation_id: i32,
    /// The version as which the request is read, and an answer that leaves in pieces is written.
    message_version: i16,
}

impl Call {
    /// A request for `route` that begins with `prefix`.
    pub(super) fn new(
        broker: &Arc<Context>,
        session: &Session,
        route: &Route,
        prefix: &RequestPrefix,
    ) -> Self {
        Self {
            broker: Arc::clone(broker),
            version: prefix.api_version,
            client_id: None,
            peer: Arc::clone(&session.peer),
            fetch_sessions: Arc::clone(&session.fetch_sessions),
            correlation_id: prefix.correlation_id,
            message_version: prefix.api_version.min(route.newest_message),
        }
    }

    /// Encodes `response` as the reply to this request.
    pub(super) fn reply<R: Encodable + HeaderVersion + Message>(&self, response: &R) -> Reply {
        self.reply_in_version(response, self.version.min(R::VERSIONS.max))
    }

    /// The same in another version of the API than the request's.
    pub(super) fn reply_in_version<R: Encodable + HeaderVersion>(
        &self,
        response: &R,
        version: i16,
    ) -> Reply {
        let encoded = response.compute_size(version).and_then(|size| {
            let mut body = BytesMut::with_capacity(size);
            response.encode(&mut body, version).map(|()| body.freeze())
        });
        match encoded {
            Ok(body) => Reply::Send(self.parts(R::header_version(version), body)),
            Err(error) => self.unencodable::<R>(&error),
        }
    }

    /// There is no reply: a field that the version does not have was set, which is a fault of the handler.
    pub(super) fn unencodable<R>(&self, error: &dyn fmt::Display) -> Reply {
        crate::base::limited!(
            error,
            "response cannot be encoded",
            %error,
            version = self.message_version,
            response = std::any::type_name::<R>()
        );
        Reply::close("a response could not be encoded")
    }

    /// The version as which an answer is written that leaves in pieces.
    pub(super) const fn message_version(&self) -> i16 {
        self.message_version
    }

    /// A reply that begins with these bytes; record bytes may be added without copying them.
    pub(super) fn parts(&self, header_version: i16, first: impl Into<Part>) -> Parts {
        Parts::message(self.correlation_id, header_version, first)
    }
}

/// An API whose answer is made when all earlier requests of the connection have been answered.
pub(super) trait Handler {
    /// The request; it names the API, its versions and the response.
    type Request: Request + Send;

    /// The newest version served. Beyond the versions of the request only where Kafka's definitions say that newer ones
    /// have the same fields: they are read as the newest that there is, and so are answers written.
    const NEWEST: i16 = <Self::Request as Message>::VERSIONS.max;

    /// How many bytes of a request are copied at most, where that is known better than by the size of its frame. To be
    /// said by those that may wait for long: what is charged for copies would be held meanwhile.
    fn copied(request: &Self::Request) -> Option<usize> {
        let _ = request;
        None
    }

    /// Answers one request.
    fn handle(call: Call, request: Self::Request) -> impl Future<Output = Reply> + Send;
}

/// An API that takes its place in an order below as soon as the request has been read.
pub(super) trait OrderedHandler {
    /// The request.
    type Request: Request + Send;

    /// How many bytes of a frame may become entries of the request, or be copied.
    fn counted(version: i16, frame: &[u8]) -> usize;

    /// Fixes the request's place and returns what will become of it.
    fn start(call: Call, request: Self::Request) -> impl Future<Output = Reply> + Send + 'static;
}

/// One API: its key, the versions served, what its requests may cost, and the way to its handler.
#[derive(Clone, Copy)]
pub struct Route {
    /// Kafka's number of the API.
    pub key: i16,
    /// Versions that are served: all that the request can be read in, and those that are like its newest.
    pub versions: VersionRange,
    /// Whether clients are told that it is there.
    pub(super) is_advertised: bool,
    /// The newest that the request can be read in.
    newest_message: i16,
    /// How much a request may have in it.
    bound: Bound,
    /// How many bytes of a frame in a version may become entries, or be copied.
    counted: fn(i16, &[u8]) -> usize,
    request_header_version: fn(i16) -> i16,
    start: fn(Call, &mut Metered, Charge) -> Option<ReplyFuture>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "API {} versions {}", self.key, self.versions)
    }
}

impl Route {
    pub(super) const fn to<H: Handler + 'static>(bound: Bound) -> Self {
        Self {
            key: <H::Request as Request>::KEY,
            versions: VersionRange {
                min: <H::Request as Message>::VERSIONS.min,
                max: H::NEWEST,
            },
            is_advertised: true,
            newest_message: <H::Request as Message>::VERSIONS.max,
            bound,
            counted: |_, frame| frame.len(),
            request_header_version: <H::Request as HeaderVersion>::header_version,
            start: |call, body, mut memory| {
                let request: H::Request = body.decode(call.message_version)?;
                if let Some(copied) = H::copied(&request) {
                    let client = call.client_id.as_ref().map_or(0, |id| id.len());
                    body.copies_at_most(copied.saturating_add(client));
                }
                memory.shrink_to(body.memory());
                Some(Box::pin(paid(H::handle(call, request), memory)))
            },
        }
    }

    pub(super) const fn ordered<H: OrderedHandler + 'static>(bound: Bound) -> Self {
        Self {
            key: <H::Request as Request>::KEY,
            versions: <H::Request as Message>::VERSIONS,
            is_advertised: true,
            newest_message: <H::Request as Message>::VERSIONS.max,
            bound,
            counted: H::counted,
            request_header_version: <H::Request as HeaderVersion>::header_version,
            start: |call, body, mut memory| {
                let request: H::Request = body.decode(call.message_version)?;
                memory.shrink_to(body.memory());
                Some(Box::pin(paid(H::start(call, request), memory)))
            },
        }
    }

    /// The same for an API that is answered and not served: clients are not told of it.
    pub(super) const fn unadvertised(self) -> Self {
        Self {
            is_advertised: false,
            ..self
        }
    }

    pub(super) fn find(key: i16) -> Option<&'static Self> {
        ROUTES.iter().find(|route| route.key == key)
    }

    #[cfg(test)]
    pub(super) const fn bound(&self) -> Bound {
        self.bound
    }

    const fn serves(&self, version: i16) -> bool {
        self.versions.min <= version && version <= self.versions.max
    }

    /// The most memory that a request may need beside its frame.
    pub(super) fn most(&self, prefix: &RequestPrefix, frame: &[u8]) -> usize {
        self.bound.most((self.counted)(prefix.api_version, frame))
    }

    /// The frame of a request, to be read.
    pub(super) fn metered(&self, prefix: &RequestPrefix, frame: Bytes) -> Metered {
        let counted = (self.counted)(prefix.api_version, &frame);
        Metered::new(frame, counted, self.bound)
    }

    /// Reads the request and starts it, if it can be read. `memory` is what was set aside for it; what it does not need
    /// is given back as soon as that is known.
    pub(super) fn start(
        &self,
        mut call: Call,
        frame: &mut Metered,
        memory: Charge,
    ) -> Option<ReplyFuture> {
        let header_version = (self.request_header_version)(call.version);
        let header: RequestHeader = frame.decode(header_version)?;
        let owned = |id: StrBytes| StrBytes::from_string(id.to_string());
        call.client_id = header.client_id.map(owned);
        (self.start)(call, frame, memory)
    }

    /// Why a request is not answered.
    fn refusal(&self, version: i16, frame: &Metered) -> String {
        let api = name(self.key);
        if frame.is_exceeded() {
            let most = self.bound.fields();
            format!(
                "{api} request of version {version} has more than {most} fields, which is more than is taken"
            )
        } else {
            format!("{api} request of version {version} cannot be read")
        }
    }
}

/// The reply, which takes along of `memory` what it needs itself.
async fn paid(reply: impl Future<Output = Reply>, mut memory: Charge) -> Reply {
    let mut reply = reply.await;
    if let Reply::Send(parts) = &mut reply {
        memory.shrink_to(unsent(parts).unwrap_or(usize::MAX));
        parts.hold(memory);
    }
    reply
}

/// The memory that an answer needs until it has been sent; nothing where it is still to be made.
fn unsent(parts: &Parts) -> Option<usize> {
    parts
        .body()
        .iter()
        .try_fold(0_usize, |sum, part| match part {
            Part::Bytes(bytes) => Some(sum.saturating_add(bytes.len())),
            Part::File(_) => Some(sum),
            _ => None,
        })
}

/// Serves the route table over connections.
pub struct Router {
    broker: Arc<Context>,
}

impl Router {
    /// Serves requests on this broker.
    pub const fn new(broker: Arc<Context>) -> Self {
        Self { broker }
    }
}

/// What is known about a connection.
#[derive(Debug)]
pub struct Session {
    peer: Arc<Peer>,
    fetch_sessions: Arc<ConnectionSessions>,
}

impl Service for Router {
    type Session = Session;

    fn open(&self, peer: Peer) -> Session {
        let fetch_sessions = self.broker.fetch_sessions.connection(peer.address.ip());
        Session {
            peer: Arc::new(peer),
            fetch_sessions: Arc::new(fetch_sessions),
        }
    }

    fn cost(&self, prefix: &RequestPrefix, frame: &[u8]) -> usize {
        Route::find(prefix.api_key)
            .filter(|route| route.serves(prefix.api_version))
            .map_or(0, |route| route.most(prefix, frame))
    }

    fn start(&self, session: &mut Session, request: wire::Request) -> Started {
        let prefix = request.prefix;
        let Some(route) = Route::find(prefix.api_key) else {
            return Started::close(not_served(prefix.api_key, prefix.api_version));
        };
        let call = Call::new(&self.broker, session, route, &prefix);
        if !route.serves(prefix.api_version) {
            // Only ApiVersions may be asked in a version that we do not know: that is how a client
            // learns which ones we do. Anything else ends the connection, as Kafka does.
            return if prefix.api_key == ApiKey::ApiVersions as i16 {
                Started::ready(
                    call.reply_in_version::<ApiVersionsResponse>(&api_versions::unsupported(), 0),
                )
            } else {
                Started::close(not_served(prefix.api_key, prefix.api_version))
            };
        }
        let mut frame = route.metered(&prefix, request.frame);
        match route.start(call, &mut frame, request.memory) {
            Some(reply) => Started::Reply(reply),
            None => Started::close(route.refusal(prefix.api_version, &frame)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kafka_protocol::messages::ApiKey;

    use super::ROUTES;

    #[test]
    fn every_api_has_one_route_in_all_versions_that_can_be_read() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            assert!(seen.insert(route.key), "{route:?} is listed twice");
            let key = ApiKey::try_from(route.key).expect("a key that the crate knows");
            let mut versions = key.valid_versions();
            if matches!(key, ApiKey::ApiVersions | ApiKey::DeleteGroups) {
                // The newest version is one of crate::messages.
                versions.max += 1;
            }
            if matches!(
                key,
                ApiKey::OffsetCommit | ApiKey::OffsetFetch | ApiKey::InitProducerId
            ) {
                // The crate's table of APIs has one version more than its requests can be decoded in.
                versions.max -= 1;
            }
            if key == ApiKey::ListOffsets {
                // Version 11 has the fields of version 10.
                versions.max += 1;
            }
            assert_eq!(versions, route.versions, "{key:?}");
        }
    }

    /// The versions that Kafka 4.4 serves, for the APIs that we serve: key, first, last.
    const KAFKA: &[(i16, i16, i16)] = &[
        (0, 3, 13),
        (1, 4, 18),
        (2, 1, 11),
        (3, 0, 13),
        (8, 2, 10),
        (9, 1, 10),
        (10, 0, 6),
        (11, 0, 9),
        (12, 0, 4),
        (13, 0, 5),
        (14, 0, 5),
        (15, 0, 6),
        (16, 0, 5),
        (17, 0, 1),
        (18, 0, 5),
        (19, 2, 7),
        (20, 1, 6),
        (21, 0, 2),
        (22, 0, 5),
        (23, 2, 4),
        (29, 1, 3),
        (30, 1, 3),
        (31, 1, 3),
        (32, 1, 4),
        (33, 0, 2),
        (34, 1, 2),
        (35, 1, 5),
        (36, 0, 2),
        (37, 0, 3),
        (42, 0, 3),
        (43, 0, 2),
        (44, 0, 1),
        (45, 0, 1),
        (46, 0, 0),
        (47, 0, 0),
        (48, 0, 1),
        (49, 0, 1),
        (50, 0, 0),
        (51, 0, 0),
        (55, 0, 2),
        (57, 0, 2),
        (60, 0, 2),
        (61, 0, 0),
        (64, 0, 0),
        (65, 0, 0),
        (66, 0, 2),
        (74, 0, 1),
        (75, 0, 0),
    ];

    #[test]
    fn nothing_is_served_that_kafka_does_not_serve() {
        for route in ROUTES {
            let (_, first, last) = KAFKA
                .iter()
                .find(|(key, ..)| *key == route.key)
                .expect("an API of Kafka's");
            assert_eq!(route.versions.min, *first, "{route:?}");
            assert!(route.versions.max <= *last, "{route:?}");
        }
    }
}
