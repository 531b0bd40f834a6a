//! Listeners: binding, accepting, stopping.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use super::admission::Admission;
use super::connection::{Connection, Shared, Stage};
use super::service::{Peer, Service};
use super::serving::ServingThreads;
use super::settings::{ConnectionLimits, Settings};

/// The first and the longest pause after an accept that failed for lack of a resource (mostly file descriptors).
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));
/// How long connections may take to notice that they were closed.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The listener's name.
    pub name: Arc<str>,
    /// Host name or address; empty for all addresses of the machine.
    pub host: String,
    /// Port; 0 for one chosen by the system.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{}://[{}]:{}", self.name, self.host, self.port)
        } else {
            write!(f, "{}://{}:{}", self.name, self.host, self.port)
        }
    }
}

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {endpoint}: {source}")]
pub struct BindError {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The reason.
    pub source: io::Error,
}

/// Open listeners that do not accept yet: clients that connect now wait until `serve`.
#[derive(Debug)]
pub struct Listeners {
    settings: Settings,
    control: ServerControl,
    bound: Vec<Bound>,
}

/// Changes the limits of a server while it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ServerControl {
    admission: Arc<Admission>,
    serving: Arc<ServingThreads>,
}

impl ServerControl {
    fn new(settings: &Settings) -> Self {
        Self {
            admission: Arc::new(Admission::new(settings.connections.clone())),
            serving: Arc::new(ServingThreads::new(settings.serving_threads)),
        }
    }

    /// Sets the limits of connections. If there are more than allowed, the least recently used ones are closed, once
    /// their started requests are answered.
    pub fn limit_connections(&self, limits: ConnectionLimits) {
        self.admission.limit(limits);
    }

    /// Sets how many threads serve connections at a time; `None` means all threads of the runtime.
    pub fn limit_threads(&self, threads: Option<usize>) {
        self.serving.limit(threads);
    }
}

#[derive(Debug)]
struct Bound {
    name: Arc<str>,
    address: SocketAddr,
    listener: TcpListener,
}

impl Listeners {
    /// Opens all `endpoints`, or none.
    pub async fn bind(settings: Settings, endpoints: Vec<Endpoint>) -> Result<Self, BindError> {
        let mut bound = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            match bind(&settings, &endpoint).await {
                Ok((listener, address)) => bound.push(Bound {
                    name: endpoint.name,
                    address,
                    listener,
                }),
                Err(source) => return Err(BindError { endpoint, source }),
            }
        }
        let control = ServerControl::new(&settings);
        Ok(Self {
            settings,
            control,
            bound,
        })
    }

    /// The handle to change the limits, from now on and while it serves.
    pub fn control(&self) -> ServerControl {
        self.control.clone()
    }

    /// The name and actual address of each listener, in the order of the endpoints.
    pub fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.bound
            .iter()
            .map(|bound| (Arc::clone(&bound.name), bound.address))
            .collect()
    }

    /// Accepts and serves connections from now on, with tasks of the current runtime.
    pub fn serve<V: Service>(self, service: Arc<V>) -> ServerHandle {
        let addresses = self.addresses();
        let (stage, _) = watch::channel(Stage::Serving);
        let shared = Arc::new(Shared::new(self.settings));
        for Bound {
            name,
            address,
            listener,
        } in self.bound
        {
            let acceptor = Acceptor {
                name,
                service: Arc::clone(&service),
                shared: Arc::clone(&shared),
                control: self.control.clone(),
                stage: stage.subscribe(),
            };
            info!(listener = %acceptor.name, %address, "listening");
            tokio::spawn(acceptor.run(listener));
        }
        ServerHandle {
            stage,
            addresses,
            control: self.control,
        }
    }
}

/// Opens one listener.
async fn bind(settings: &Settings, endpoint: &Endpoint) -> io::Result<(TcpListener, SocketAddr)> {
    let candidates: Vec<SocketAddr> = if endpoint.host.is_empty() {
        // IPv6 accepts IPv4 too; a machine without IPv6 gets the second.
        [
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ]
        .map(|ip| SocketAddr::new(ip, endpoint.port))
        .into()
    } else {
        let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
        lookup_host((host, endpoint.port)).await?.collect()
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for candidate in candidates {
        match open(settings, candidate) {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn open(settings: &Settings, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the old connections' last packets.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if let Some(size) = settings.receive_buffer_bytes {
        // On the listener: the window of a connection is negotiated before it is accepted.
        socket.set_recv_buffer_size(size)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(settings.listen_backlog)?;
    TcpListener::from_std(socket.into())
}

/// Accepts the connections of one listener.
struct Acceptor<V> {
    name: Arc<str>,
    service: Arc<V>,
    shared: Arc<Shared>,
    control: ServerControl,
    stage: watch::Receiver<Stage>,
}

impl<V: Service> Acceptor<V> {
    async fn run(mut self, listener: TcpListener) {
        let mut pause = BACK_OFF.0;
        while *self.stage.borrow_and_update() == Stage::Serving {
            let accepted = tokio::select! {
                biased;
                changed = self.stage.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    pause = BACK_OFF.0;
                    self.keep_pace().await;
                    self.admit(stream, address);
                }
                // The peer was gone before we looked: this is not our error.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted
                            | io::ErrorKind::ConnectionReset
                            | io::ErrorKind::Interrupted
                    ) =>
                {
                    debug!(listener = %self.name, %error, "connection lost before it was accepted");
                }
                Err(error) => {
                    crate::base::limited!(warn, "cannot accept connections, trying again", listener = %self.name, %error);
                    tokio::select! {
                        _ = self.stage.changed() => {}
                        () = sleep(pause) => {}
                    }
                    pause = pause.saturating_mul(2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// Waits while connections come faster than `max.connection.creation.rate`, unless the server stops.
    async fn keep_pace(&mut self) {
        let wait = self.control.admission.pace(Instant::now());
        if !wait.is_zero() {
            tokio::select! {
                _ = self.stage.changed() => self.stage.mark_changed(),
                () = sleep(wait) => {}
            }
        }
    }

    /// Serves an accepted connection on a task of its own, or closes it.
    fn admit(&self, stream: TcpStream, address: SocketAddr) {
        let address = canonical(address);
        let admitted = match self.control.admission.admit(address.ip()) {
            Ok(admitted) => admitted,
            Err(refused) => {
                let listener = &*self.name;
                crate::base::limited!(warn, "closing connection", peer = %address, listener, reason = %refused);
                return;
            }
        };
        let local = match self.prepare(&stream) {
            Ok(local) => canonical(local),
            Err(error) => {
                debug!(peer = %address, listener = %self.name, %error, "connection lost as it was accepted");
                return;
            }
        };
        let peer = Peer {
            address,
            local,
            listener: Arc::clone(&self.name),
        };
        let (service, shared) = (Arc::clone(&self.service), Arc::clone(&self.shared));
        let stage = self.stage.clone();
        let serving = Arc::clone(&self.control.serving);
        tokio::spawn(async move {
            let connection =
                Connection::new(stream, peer, service, shared).at(Arc::clone(admitted.slot()));
            serving.serve(connection.run(stage)).await;
            drop(admitted);
        });
    }

    /// Sets the options of an accepted socket; returns the local address of the connection.
    fn prepare(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.set_nodelay(true)?;
        if let Some(size) = self.shared.settings.send_buffer_bytes {
            SockRef::from(stream).set_send_buffer_size(size)?;
        }
        stream.local_addr()
    }
}

/// An IPv4 address as IPv4, even if it came through an IPv6 socket.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A running server. Dropping it closes all connections at once; `stop` lets requests finish.
#[derive(Debug)]
pub struct ServerHandle {
    /// Every acceptor and every connection holds a receiver, so that the last of them to end is
    /// noticed here.
    stage: watch::Sender<Stage>,
    addresses: Vec<(Arc<str>, SocketAddr)>,
    control: ServerControl,
}

impl ServerHandle {
    /// The name and actual address of each listener.
    pub fn addresses(&self) -> &[(Arc<str>, SocketAddr)] {
        &self.addresses
    }

    /// The number of connections now.
    pub fn connections(&self) -> usize {
        self.control.admission.connections()
    }

    /// Stops accepting connections and starting requests, waits until the started requests are answered, for up to
    /// `deadline`, then closes. Returns how many connections were closed by force.
    pub async fn stop(self, deadline: Duration) -> usize {
        self.stage.send_replace(Stage::Draining);
        if timeout(deadline, self.stage.closed()).await.is_ok() {
            return 0;
        }
        let cut = self.connections();
        self.stage.send_replace(Stage::Cut);
        // This can only time out for a task that is stuck in a handler; the end of the runtime ends it.
        let _ = timeout(LAST_WORDS, self.stage.closed()).await;
        cut
    }
}
