//! [`Router`] serves the route table over connections: it finds the handler for each frame.

use std::sync::Arc;

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

use crate::partition::ConnectionSessions;
use crate::security::Principal;
use crate::wire::{self, Peer, RequestPrefix, Service, Started};

use super::api_names::not_served;
use super::api_versions;
use super::route::{Call, Context, Place, Placed, Route};

/// Serves the route table over connections.
pub struct Router {
    broker: Arc<Context>,
    /// The principal of every client before authentication.
    anonymous: Principal,
}

impl Router {
    /// Serves requests on this broker.
    pub fn new(broker: Arc<Context>) -> Self {
        Self {
            broker,
            anonymous: Principal::anonymous(),
        }
    }
}

/// The state of a connection.
#[derive(Debug)]
pub struct Session {
    /// The client's principal.
    pub(super) principal: Principal,
    /// The client's address and listener.
    pub(super) peer: Arc<Peer>,
    pub(super) fetch_sessions: Arc<ConnectionSessions>,
}

impl Service for Router {
    type Session = Session;

    fn open(&self, peer: Peer) -> Session {
        let fetch_sessions = self.broker.fetch_sessions.connection(peer.address.ip());
        Session {
            principal: self.anonymous.clone(),
            peer: Arc::new(peer),
            fetch_sessions: Arc::new(fetch_sessions),
        }
    }

    fn cost(&self, prefix: &RequestPrefix, frame: &[u8]) -> usize {
        Route::find(prefix.api_key)
            .filter(|route| route.serves(prefix.api_version))
            .map_or(0, |route| route.most(prefix, frame))
    }

    fn start(&self, session: &mut Session, request: wire::Request) -> Started<Session> {
        let prefix = request.prefix;
        let Some(route) = Route::find(prefix.api_key) else {
            return Started::close(not_served(prefix.api_key, prefix.api_version));
        };
        let call = Call::new(&self.broker, session, route, &prefix, &request.frame);
        if !route.serves(prefix.api_version) {
            // Only ApiVersions may be sent in an unknown version: this is how a client learns the supported ones.
            // Anything else ends the connection, as in Kafka.
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
            Some(Place::Fixed(reply)) => Started::Reply(reply),
            Some(Place::Waits(place)) => Started::placing(async move {
                let Placed(reply) = place.await;
                move |_: &mut Session| Started::Reply(reply)
            }),
            None => Started::close(route.refusal(prefix.api_version, &frame)),
        }
    }
}
