//! Listeners as configuration has them, as `wire` opens them, and as the registration tells them.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use super::available_memory::available_memory;
use super::open_files;
use crate::config::{BrokerConfig, ConnectionConfig, MemoryLimit, host_name};
use crate::metadata::record::Endpoint as RegisteredEndpoint;
use crate::wire::{BindError, ConnectionLimits, Endpoint, Settings};

/// Bounds of what connections may hold where nothing is configured.
const LEAST_MEMORY: usize = 16 * 1024 * 1024;
const MOST_MEMORY: usize = 256 * 1024 * 1024;

/// Where to listen.
pub(super) fn endpoints(config: &BrokerConfig) -> Vec<Endpoint> {
    let endpoint = |listener: &crate::config::Listener| Endpoint {
        name: listener.name.as_str().into(),
        host: listener.host.clone(),
        port: listener.port,
    };
    config.listeners.iter().map(endpoint).collect()
}

/// How many connections there may be, with so many descriptors in all. May ask for the addresses of hosts, which
/// takes its time.
pub(super) fn connection_limits(
    config: &BrokerConfig,
    descriptors: Option<u64>,
) -> ConnectionLimits {
    let config = config.connections();
    ConnectionLimits {
        max: open_files::connections(config.max, descriptors),
        max_per_ip: config.max_per_ip,
        max_per_ip_overrides: overrides(&config),
        creation_rate: config.creation_rate,
    }
}

/// What one connection may do and take. How many there are, and served by how many threads, follows the settings
/// while they change.
pub(super) fn settings(config: &BrokerConfig) -> Settings {
    let config = config.connections();
    let defaults = Settings::default();
    Settings {
        max_request_bytes: config.max_request_bytes,
        max_idle: config.max_idle,
        connections: defaults.connections,
        serving_threads: defaults.serving_threads,
        queued_max_requests: config.queued_max_requests,
        queued_max_request_bytes: match config.queued_max_request_bytes {
            MemoryLimit::PartOfMachine => Some(memory_of_connections()),
            MemoryLimit::Bytes(bytes) => Some(bytes),
            MemoryLimit::Unlimited => None,
        },
        arrival_timeout: config.arrival_timeout,
        stall_timeout: config.stall_timeout,
        listen_backlog: config.listen_backlog,
        send_buffer_bytes: config.send_buffer_bytes,
        receive_buffer_bytes: config.receive_buffer_bytes,
        pipeline_max_requests: config.max_requests_in_flight,
        pipeline_max_bytes: config.max_request_bytes_in_flight,
        finish_after_close: defaults.finish_after_close,
    }
}

/// What connections may hold where nothing is configured: a quarter of what there is, so that the rest
/// of the broker, one request beyond it and the page cache have room as well.
fn memory_of_connections() -> usize {
    let quarter = usize::try_from(available_memory() / 4).unwrap_or(usize::MAX);
    quarter.clamp(LEAST_MEMORY, MOST_MEMORY)
}

/// `max.connections.per.ip.overrides` may name hosts; limits are kept by address.
fn overrides(config: &ConnectionConfig) -> HashMap<IpAddr, usize> {
    let mut limits = HashMap::new();
    for (host, limit) in &config.max_per_ip_overrides {
        match (host.as_str(), 0_u16).to_socket_addrs() {
            Ok(addresses) => {
                limits.extend(addresses.map(|address| (address.ip(), *limit)));
            }
            Err(error) => {
                tracing::warn!(host, %error, "max.connections.per.ip.overrides names a host that cannot be resolved: ignored")
            }
        }
    }
    limits
}

/// What the broker's registration says of its listeners: the advertised addresses, with real ports
/// and never a wildcard.
pub(super) fn registered(
    config: &BrokerConfig,
    bound: &[(Arc<str>, SocketAddr)],
) -> Vec<RegisteredEndpoint> {
    bound
        .iter()
        .zip(&config.listeners)
        .map(|((name, address), listener)| {
            let advertised = config.advertised_listeners.get(&**name);
            let host = advertised
                .and_then(|advertised| advertised.host.clone())
                .unwrap_or_else(|| {
                    if listener.is_wildcard() {
                        host_name()
                    } else {
                        listener.host.clone()
                    }
                });
            let port = advertised
                .map(|advertised| advertised.port)
                .filter(|port| *port != 0)
                .unwrap_or_else(|| address.port());
            RegisteredEndpoint {
                name: name.to_string(),
                host,
                port,
                security_protocol: listener.protocol.code(),
            }
        })
        .collect()
}

/// What to do about a listener that cannot be opened.
pub(super) fn cure_of(error: &BindError) -> &'static str {
    match error.source.kind() {
        ErrorKind::AddrInUse => "end whoever listens there, or choose another port",
        ErrorKind::PermissionDenied => {
            "choose a port that needs no privilege (from 1024 on, mostly), or grant CAP_NET_BIND_SERVICE"
        }
        ErrorKind::AddrNotAvailable => {
            "choose an address that this machine has, or leave the host empty for all of them"
        }
        _ if error.endpoint.host.parse::<IpAddr>().is_err() => {
            "choose a name that leads to an address of this machine, or leave the host empty for all of them"
        }
        _ => "choose another address or port",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::{BindError, Endpoint, cure_of};

    #[test]
    fn the_cure_fits_the_reason() {
        let cure = |host: &str, kind| {
            let endpoint = Endpoint {
                name: "PLAINTEXT".into(),
                host: host.to_owned(),
                port: 80,
            };
            cure_of(&BindError {
                endpoint,
                source: Error::from(kind),
            })
        };
        assert!(cure("127.0.0.1", ErrorKind::AddrInUse).contains("another port"));
        let privileged = cure("127.0.0.1", ErrorKind::PermissionDenied);
        assert!(privileged.contains("privilege") && !privileged.contains("listens there"));
        assert!(
            cure("192.0.2.1", ErrorKind::AddrNotAvailable)
                .contains("address that this machine has")
        );
        assert!(cure("nobody", ErrorKind::Other).contains("name that leads"));
        assert!(cure("127.0.0.1", ErrorKind::Other).contains("another address or port"));
    }
}
