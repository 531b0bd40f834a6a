//! The limits of connections, as plain values: this room does not know where configuration comes
//! from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Limits and socket options of all listeners. The defaults are Kafka's where Kafka has the
/// setting.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `socket.request.max.bytes`: a larger frame closes the connection before it is read.
    pub max_request_bytes: usize,
    /// `connections.max.idle.ms`; `None` (Kafka: negative) keeps idle connections.
    pub max_idle: Option<Duration>,
    /// The maximum number of connections, until [`ServerControl`](super::ServerControl) changes it.
    pub connections: ConnectionLimits,
    /// How many threads serve connections at a time, until it is changed in the same way; `None` means all threads of
    /// the runtime.
    pub serving_threads: Option<usize>,
    /// `queued.max.requests`: requests of all connections that run ahead, started behind an
    /// unanswered one.
    pub queued_max_requests: usize,
    /// `queued.max.request.bytes`: memory that all connections may hold together, for requests and
    /// answers; [`super::memory`] says how it is shared. `None` (Kafka: -1) is no limit.
    pub queued_max_request_bytes: Option<usize>,
    /// `zurau.request.arrival.timeout.ms`: how long a request may take from its first byte to its last. `None` waits
    /// as long as the connection is alive.
    pub arrival_timeout: Option<Duration>,
    /// `zurau.connection.stall.timeout.ms`: how long a peer may neither send nor take anything while
    /// others wait for memory that its connection holds. `None` lets them wait.
    pub stall_timeout: Option<Duration>,
    /// `socket.listen.backlog.size`
    pub listen_backlog: i32,
    /// `socket.send.buffer.bytes`; `None` (Kafka: -1) leaves it to the system.
    pub send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; `None` (Kafka: -1) leaves it to the system.
    pub receive_buffer_bytes: Option<usize>,
    /// How many unanswered requests a connection may have before it is read no further. Specific to Zurau: Kafka has
    /// one.
    pub pipeline_max_requests: usize,
    /// How many bytes one connection may hold, for requests and answers, before it is read no further. One request
    /// may always be larger. Specific to Zurau.
    pub pipeline_max_bytes: usize,
    /// How long started requests are processed after their peer has closed. Specific to Zurau: Kafka has no limit,
    /// since it cannot see that the peer of a muted connection has gone.
    pub finish_after_close: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_request_bytes: 100 * 1024 * 1024,
            max_idle: Some(Duration::from_secs(600)),
            connections: ConnectionLimits::default(),
            serving_threads: None,
            queued_max_requests: 500,
            queued_max_request_bytes: None,
            arrival_timeout: Some(Duration::from_secs(30)),
            stall_timeout: Some(Duration::from_secs(5)),
            listen_backlog: 4096,
            send_buffer_bytes: Some(100 * 1024),
            receive_buffer_bytes: Some(100 * 1024),
            pipeline_max_requests: 64,
            pipeline_max_bytes: 16 * 1024 * 1024,
            finish_after_close: Duration::from_secs(10),
        }
    }
}

/// The limits for the number and the rate of connections. They change while the server runs.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// `max.connections`. Kafka stops accepting at the limit, which leaves clients hanging in the
    /// backlog; here the new connection is closed with a warning, so that both sides can see why.
    pub max: usize,
    /// `max.connections.per.ip`: a new connection above it is closed.
    pub max_per_ip: usize,
    /// `max.connections.per.ip.overrides`, resolved to addresses.
    pub max_per_ip_overrides: HashMap<IpAddr, usize>,
    /// `max.connection.creation.rate`: connections that are accepted within a second; further ones wait.
    pub creation_rate: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        let no_limit = i32::MAX as usize;
        Self {
            max: no_limit,
            max_per_ip: no_limit,
            max_per_ip_overrides: HashMap::new(),
            creation_rate: no_limit,
        }
    }
}

impl ConnectionLimits {
    /// The same, with IPv4-mapped IPv6 addresses as IPv4 addresses.
    pub(super) fn canonical(mut self) -> Self {
        let overrides = std::mem::take(&mut self.max_per_ip_overrides);
        let canonical = |(ip, max): (IpAddr, usize)| (ip.to_canonical(), max);
        self.max_per_ip_overrides = overrides.into_iter().map(canonical).collect();
        self
    }

    /// The maximum number of connections of this address.
    pub(super) fn of(&self, ip: IpAddr) -> usize {
        let own = self.max_per_ip_overrides.get(&ip);
        own.copied().unwrap_or(self.max_per_ip)
    }
}
