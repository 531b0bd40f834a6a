//! How a frame finds its handler and a message its way back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, RequestHeader};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use crate::base::Clock;
use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::coordinator::Groups;
use crate::partition::{ConnectionSessions, FetchSessions, Partitions};
use crate::wire::{self, Parts, Peer, Reply, RequestPrefix, Service, Started};

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
    /// What the client calls itself.
    pub client_id: Option<StrBytes>,
    /// Who asks, and where it came in.
    pub peer: Arc<Peer>,
    /// The fetch sessions of the connection.
    pub fetch_sessions: Arc<ConnectionSessions>,
    correlation_id: i32,
    /// The version as which the protocol crate writes the answer.
    message_version: i16,
}

impl Call {
    /// Encodes `response` as the reply to this request.
    pub(super) fn reply<R: Encodable + HeaderVersion>(&self, response: &R) -> Reply {
        self.reply_in_version(response, self.message_version)
    }

    /// The same in another version of the API than the request's.
    pub(super) fn reply_in_version<R: Encodable + HeaderVersion>(
        &self,
        response: &R,
        version: i16,
    ) -> Reply {
        let mut body = BytesMut::new();
        match response.encode(&mut body, version) {
            Ok(()) => Reply::Send(self.parts(R::header_version(version), body.freeze())),
            Err(error) => {
                // A field that the version does not have was set: a fault of the handler.
                crate::base::limited!(
                    error,
                    "response cannot be encoded",
                    %error,
                    version,
                    response = std::any::type_name::<R>()
                );
                Reply::close("a response could not be encoded")
            }
        }
    }

    /// A reply that begins with these bytes; record bytes may be added without copying them.
    pub(super) fn parts(&self, header_version: i16, first: Bytes) -> Parts {
        Parts::message(self.correlation_id, header_version, first)
    }
}

type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// An API whose answer is made when all earlier requests of the connection have been answered.
pub(super) trait Handler {
    /// The request; it names the API, its versions and the response.
    type Request: Request + Send;

    /// The newest version served. Beyond what the protocol crate speaks only where Kafka's definitions say
    /// that the newer versions have the same fields: they are read and written as the crate's newest.
    const NEWEST: i16 = <Self::Request as Message>::VERSIONS.max;

    /// Answers one request.
    fn handle(call: Call, request: Self::Request) -> impl Future<Output = Reply> + Send;
}

/// An API that takes its place in an order below as soon as the request has been read.
pub(super) trait OrderedHandler {
    /// The request.
    type Request: Request + Send;

    /// Fixes the request's place and returns what will become of it.
    fn start(call: Call, request: Self::Request) -> impl Future<Output = Reply> + Send + 'static;
}

/// One API: its key, the versions served, and the way to its handler.
#[derive(Clone, Copy)]
pub struct Route {
    /// Kafka's number of the API.
    pub key: i16,
    /// Versions that are served: all that the protocol crate speaks, and those that are like its newest.
    pub versions: VersionRange,
    /// The newest that the protocol crate speaks.
    newest_message: i16,
    request_header_version: fn(i16) -> i16,
    start: fn(Call, Bytes) -> Option<ReplyFuture>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "API {} versions {}", self.key, self.versions)
    }
}

impl Route {
    pub(super) const fn to<H: Handler + 'static>() -> Self {
        Self {
            key: <H::Request as Request>::KEY,
            versions: VersionRange {
                min: <H::Request as Message>::VERSIONS.min,
                max: H::NEWEST,
            },
            newest_message: <H::Request as Message>::VERSIONS.max,
            request_header_version: <H::Request as HeaderVersion>::header_version,
            start: |call, body| {
                let request = decode::<H::Request>(body, call.message_version)?;
                Some(Box::pin(H::handle(call, request)))
            },
        }
    }

    pub(super) const fn ordered<H: OrderedHandler + 'static>() -> Self {
        Self {
            key: <H::Request as Request>::KEY,
            versions: <H::Request as Message>::VERSIONS,
            newest_message: <H::Request as Message>::VERSIONS.max,
            request_header_version: <H::Request as HeaderVersion>::header_version,
            start: |call, body| {
                let request = decode::<H::Request>(body, call.message_version)?;
                Some(Box::pin(H::start(call, request)))
            },
        }
    }

    const fn serves(&self, version: i16) -> bool {
        self.versions.min <= version && version <= self.versions.max
    }
}

fn decode<R: Decodable>(mut body: Bytes, version: i16) -> Option<R> {
    R::decode(&mut body, version).ok()
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

    fn cost(&self, _: &RequestPrefix, _: usize) -> usize {
        0
    }

    fn start(&self, session: &mut Session, request: wire::Request) -> Started {
        let prefix = request.prefix;
        let Some(route) = ROUTES.iter().find(|route| route.key == prefix.api_key) else {
            return Started::Close;
        };
        let call = Call {
            broker: Arc::clone(&self.broker),
            version: prefix.api_version,
            client_id: None,
            peer: Arc::clone(&session.peer),
            fetch_sessions: Arc::clone(&session.fetch_sessions),
            correlation_id: prefix.correlation_id,
            message_version: prefix.api_version.min(route.newest_message),
        };
        if !route.serves(prefix.api_version) {
            // Only ApiVersions may be asked in a version that we do not know: that is how a client
            // learns which ones we do. Anything else ends the connection, as Kafka does.
            return if prefix.api_key == ApiKey::ApiVersions as i16 {
                Started::ready(
                    call.reply_in_version::<ApiVersionsResponse>(&api_versions::unsupported(), 0),
                )
            } else {
                Started::Close
            };
        }
        start(route, call, request.frame).map_or(Started::Close, Started::Reply)
    }
}

fn start(route: &Route, mut call: Call, mut frame: Bytes) -> Option<ReplyFuture> {
    let header_version = (route.request_header_version)(call.version);
    let header = RequestHeader::decode(&mut frame, header_version).ok()?;
    call.client_id = header.client_id;
    (route.start)(call, frame)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kafka_protocol::messages::ApiKey;

    use super::ROUTES;

    #[test]
    fn every_api_has_one_route_in_the_versions_of_the_protocol_crate() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            assert!(seen.insert(route.key), "{route:?} is listed twice");
            let key = ApiKey::try_from(route.key).expect("a key that the crate knows");
            let mut versions = key.valid_versions();
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

    /// The versions that Kafka 4.3 serves, for the APIs that we serve: key, first, last.
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
        (18, 0, 4),
        (19, 2, 7),
        (20, 1, 6),
        (21, 0, 2),
        (22, 0, 5),
        (23, 2, 4),
        (32, 1, 4),
        (33, 0, 2),
        (34, 1, 2),
        (35, 1, 5),
        (37, 0, 3),
        (42, 0, 2),
        (44, 0, 1),
        (47, 0, 0),
        (60, 0, 2),
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
