//! The common parts of all APIs: a request ([`Call`]), its handler ([`Handler`]), and its row of the table
//! ([`Route`]), which declares the bounds of [`super::metered`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{
    Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use crate::base::Clock;
use crate::cluster::Cluster;
use crate::config::BrokerConfig;
use crate::coordinator::{Enlists, Groups, Transactions};
use crate::partition::{ConnectionSessions, FetchSessions, Partitions};
use crate::security::{Authorizer, Principal};
use crate::wire::{Charge, Part, Parts, Peer, Reply, ReplyFuture, RequestPrefix};

use super::ROUTES;
use super::api_names::name;
use super::metered::{Bound, Metered};
use super::router::Session;

/// The context of handlers: the floors below, and a few objects that live as long as the broker.
pub struct Context {
    /// The broker's configuration.
    pub config: Arc<BrokerConfig>,
    /// The metadata and the controller.
    pub cluster: Cluster,
    /// Hosted partitions.
    pub partitions: Partitions,
    /// Group coordinators.
    pub groups: Groups,
    /// Transaction coordinators.
    pub transactions: Transactions,
    /// The coordinators of transactions, as far as writers need them.
    pub enlists: Arc<dyn Enlists>,
    /// The authorizer.
    pub authorizer: Arc<dyn Authorizer>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The fetch sessions (KIP-227).
    pub fetch_sessions: FetchSessions,
}

/// A request that is being handled.
pub struct Call {
    /// The broker.
    pub broker: Arc<Context>,
    /// The request's version of its API.
    pub version: i16,
    /// The client id. A copy: a slice would keep the whole frame as long as a request waits.
    pub client_id: Option<StrBytes>,
    /// The client's principal.
    pub principal: Principal,
    /// The client's address and listener.
    pub peer: Arc<Peer>,
    /// The fetch sessions of the connection.
    pub fetch_sessions: Arc<ConnectionSessions>,
    /// The request's header and body as received, if the active controller must answer it: a broker forwards the
    /// client's own bytes. Other requests have none, since a slice of a frame keeps all of its memory.
    #[cfg_attr(not(test), expect(dead_code, reason = "one broker forwards nothing"))]
    pub frame: Option<Bytes>,
    correlation_id: i32,
    /// The version for decoding the request, and for encoding an answer that is sent in pieces.
    message_version: i16,
}

impl Call {
    /// A request for `route` that starts with `prefix`. `frame` is all of it.
    pub(super) fn new(
        broker: &Arc<Context>,
        session: &Session,
        route: &Route,
        prefix: &RequestPrefix,
        frame: &Bytes,
    ) -> Self {
        Self {
            broker: Arc::clone(broker),
            version: prefix.api_version,
            client_id: None,
            principal: session.principal.clone(),
            peer: Arc::clone(&session.peer),
            fetch_sessions: Arc::clone(&session.fetch_sessions),
            frame: route.is_of_controller.then(|| frame.clone()),
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

    /// There is no reply: a field that the version does not have was set, which is a bug of the handler.
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

    /// The version for encoding an answer that is sent in pieces.
    pub(super) const fn message_version(&self) -> i16 {
        self.message_version
    }

    /// A reply that starts with these bytes; record bytes may be added without copying them.
    pub(super) fn parts(&self, header_version: i16, first: impl Into<Part>) -> Parts {
        Parts::message(self.correlation_id, header_version, first)
    }
}

/// The place of a request in the order of its connection.
pub(super) enum Place<F = ReplyFuture> {
    /// It is fixed. This is the reply.
    Fixed(F),
    /// It is fixed when this is done, and the reply follows. No further request of the connection is started before.
    Waits(Pin<Box<dyn Future<Output = Placed> + Send>>),
}

/// The reply to a request that has waited for its place.
pub(super) struct Placed(pub(super) ReplyFuture);

impl Placed {
    /// With this reply.
    pub(super) fn new(reply: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self(Box::pin(reply))
    }
}

impl<F: Future<Output = Reply> + Send + 'static> Place<F> {
    /// The same place with a reply that keeps `memory`.
    fn paid(self, memory: Charge) -> Place {
        match self {
            Self::Fixed(reply) => Place::Fixed(Box::pin(paid(reply, memory))),
            Self::Waits(place) => Place::Waits(Box::pin(async move {
                let Placed(reply) = place.await;
                Placed::new(paid(reply, memory))
            })),
        }
    }
}

/// One API.
pub(super) trait Handler {
    /// The request type; it defines the API, its versions and the response.
    type Request: Request + Send;

    /// The newest served version. It exceeds the versions of the request type only if Kafka's definitions say that
    /// newer versions have the same fields: they are decoded and encoded as the newest known version.
    const NEWEST: i16 = <Self::Request as Message>::VERSIONS.max;

    /// How many bytes of a frame may become entries of the request, or be copied.
    fn counted(version: i16, frame: &[u8]) -> usize {
        let _ = version;
        frame.len()
    }

    /// How many bytes of a request are copied at most, if this is known better than from the size of its frame.
    /// Requests that may wait for long should define it: the charge for copies would be held meanwhile.
    fn copied(request: &Self::Request) -> Option<usize> {
        let _ = request;
        None
    }

    /// Answers one request. It is called for the requests of a connection in the order of arrival, whether or not the
    /// earlier ones have been answered: its work before it returns its future is done in that order, which gives a
    /// produce its place in the log. The future is polled when all earlier requests of the connection have been
    /// answered; an `async fn` does all of its work there.
    fn handle(call: Call, request: Self::Request) -> impl Future<Output = Reply> + Send + 'static;

    /// Starts one request. An API of which some requests wait for their place says so here.
    fn start(
        call: Call,
        request: Self::Request,
    ) -> Place<impl Future<Output = Reply> + Send + 'static> {
        Place::Fixed(Self::handle(call, request))
    }
}

/// One API: its key, the served versions, the cost of its requests, and its handler.
#[derive(Clone, Copy)]
pub struct Route {
    /// The API key.
    pub key: i16,
    /// The served versions: all that the request type can decode, and later ones with the same fields.
    pub versions: VersionRange,
    /// Whether it is advertised to clients.
    pub(super) is_advertised: bool,
    /// Whether the active controller answers it.
    is_of_controller: bool,
    /// The newest version that the request type can decode.
    newest_message: i16,
    /// The bound for requests.
    bound: Bound,
    /// How many bytes of a frame in a version may become entries, or be copied.
    counted: fn(i16, &[u8]) -> usize,
    request_header_version: fn(i16) -> i16,
    start: fn(Call, &mut Metered, Charge) -> Option<Place>,
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
            is_of_controller: false,
            newest_message: <H::Request as Message>::VERSIONS.max,
            bound,
            counted: H::counted,
            request_header_version: <H::Request as HeaderVersion>::header_version,
            start: |call, body, mut memory| {
                let request: H::Request = body.decode(call.message_version)?;
                if let Some(copied) = H::copied(&request) {
                    let client = call.client_id.as_ref().map_or(0, |id| id.len());
                    body.copies_at_most(copied.saturating_add(client));
                }
                memory.shrink_to(body.memory());
                Some(H::start(call, request).paid(memory))
            },
        }
    }

    /// The same for an API that the active controller answers, whichever broker gets the request.
    pub(super) const fn to_controller<H: Handler + 'static>(bound: Bound) -> Self {
        Self {
            is_of_controller: true,
            ..Self::to::<H>(bound)
        }
    }

    /// The same for an API that is answered but not served: it is not advertised.
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

    pub(super) const fn serves(&self, version: i16) -> bool {
        self.versions.min <= version && version <= self.versions.max
    }

    /// The maximum memory that a request may need besides its frame.
    pub(super) fn most(&self, prefix: &RequestPrefix, frame: &[u8]) -> usize {
        self.bound.most((self.counted)(prefix.api_version, frame))
    }

    /// The frame of a request, ready for decoding.
    pub(super) fn metered(&self, prefix: &RequestPrefix, frame: Bytes) -> Metered {
        let counted = (self.counted)(prefix.api_version, &frame);
        Metered::new(frame, counted, self.bound)
    }

    /// Decodes the request and starts it, if it can be decoded. `memory` is the memory reserved for it; the unneeded
    /// part is given back as soon as it is known.
    pub(super) fn start(
        &self,
        mut call: Call,
        frame: &mut Metered,
        memory: Charge,
    ) -> Option<Place> {
        let header_version = (self.request_header_version)(call.version);
        let header: RequestHeader = frame.decode(header_version)?;
        let owned = |id: StrBytes| StrBytes::from_string(id.to_string());
        call.client_id = header.client_id.map(owned);
        (self.start)(call, frame, memory)
    }

    /// Why a request is not answered.
    pub(super) fn refusal(&self, version: i16, frame: &Metered) -> String {
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

/// The reply, which keeps the part of `memory` that it needs itself.
async fn paid(reply: impl Future<Output = Reply>, mut memory: Charge) -> Reply {
    let mut reply = reply.await;
    if let Some(parts) = reply.parts_mut() {
        memory.shrink_to(unsent(parts).unwrap_or(usize::MAX));
        parts.hold(memory);
    }
    reply
}

/// The memory that an answer needs until it has been sent; `None` if some of it is produced later, from what is charged
/// now.
fn unsent(parts: &Parts) -> Option<usize> {
    let is_there = |part: &Part| matches!(part, Part::Bytes(_) | Part::File(_));
    parts.body().iter().all(is_there).then(|| parts.needs())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kafka_protocol::messages::ApiKey;

    use super::ROUTES;
    use crate::handlers::fixture::Serving;

    #[test]
    fn a_call_has_its_frame_where_the_controller_answers_and_the_principal_always() {
        let serving = Serving::start(&[]);
        let call = serving.call(ApiKey::CreateTopics, 7);
        assert_eq!(call.frame.as_deref(), Some(&[0, 19, 0, 7, 0, 0, 0, 7][..]));
        assert_eq!(call.principal.to_string(), "User:ANONYMOUS");
        // It may wait for long, and would keep the memory of its frame meanwhile.
        assert_eq!(serving.call(ApiKey::JoinGroup, 9).frame, None);
    }

    #[test]
    fn every_api_has_one_route_in_all_versions_that_can_be_read() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            assert!(seen.insert(route.key), "{route:?} is listed twice");
            let key = ApiKey::try_from(route.key).expect("a key that the crate knows");
            let mut versions = key.valid_versions();
            if matches!(
                key,
                ApiKey::ApiVersions
                    | ApiKey::DeleteGroups
                    | ApiKey::DescribeLogDirs
                    | ApiKey::WriteTxnMarkers
                    | ApiKey::TxnOffsetCommit
            ) {
                // The newest version is one of crate::messages.
                versions.max += 1;
            }
            if key == ApiKey::InitProducerId {
                // The crate's table of APIs has a version that Kafka does not have yet.
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
        (24, 0, 5),
        (25, 0, 4),
        (26, 0, 5),
        (27, 1, 2),
        (28, 0, 6),
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
        (68, 0, 1),
        (69, 0, 1),
        (74, 0, 1),
        (75, 0, 0),
    ];

    #[test]
    fn what_is_served_is_served_in_the_versions_of_kafka() {
        for route in ROUTES {
            let (_, first, last) = KAFKA
                .iter()
                .find(|(key, ..)| *key == route.key)
                .expect("an API of Kafka's");
            let versions = (route.versions.min, route.versions.max);
            assert_eq!(versions, (*first, *last), "{route:?}");
        }
    }
}
