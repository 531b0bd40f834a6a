//! The address that a client gets for this broker.
//!
//! `advertised.listeners` decides when it names the listener of the connection. Otherwise the client gets the address
//! that it has connected to: that one works from where the client is, whatever addresses this machine has. The address
//! that a listener is bound to is never sent, so a wildcard cannot leak.

use crate::config::BrokerConfig;
use crate::wire::Peer;

/// A host and port to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// A name or an address without brackets.
    pub(super) host: String,
    /// The port.
    pub(super) port: i32,
}

/// The address of this broker for clients on the listener and network of `peer`.
pub(super) fn own_address(config: &BrokerConfig, peer: &Peer) -> Address {
    let advertised = config.advertised_listeners.get(&*peer.listener);
    let host = advertised.and_then(|address| address.host.clone());
    let port = advertised.map_or(0, |address| address.port);
    Address {
        // A client that came over IPv4 to an IPv6 socket cannot use the mapped address.
        host: host.unwrap_or_else(|| peer.local.ip().to_canonical().to_string()),
        // 0 in the configuration means the port that the system has chosen.
        port: i32::from(if port == 0 { peer.local.port() } else { port }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, own_address};
    use crate::config::BrokerConfig;
    use crate::wire::Peer;

    fn told(overrides: &[(&str, &str)], listener: &str, local: &str) -> Address {
        let config = BrokerConfig::with(overrides).expect("a valid configuration");
        let peer = Peer {
            address: "192.0.2.9:50000".parse().expect("an address"),
            local: local.parse().expect("an address"),
            listener: listener.into(),
        };
        own_address(&config, &peer)
    }

    fn address(host: &str, port: i32) -> Address {
        Address {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn what_is_configured_is_told_and_else_where_the_client_has_connected() {
        let two = &[
            ("listeners", "INSIDE://0.0.0.0:9092,OUTSIDE://:9093"),
            (
                "listener.security.protocol.map",
                "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
            ),
            ("inter.broker.listener.name", "INSIDE"),
            ("advertised.listeners", "OUTSIDE://kafka.example.org:19093"),
        ];
        assert_eq!(
            told(two, "OUTSIDE", "10.0.0.1:9093"),
            address("kafka.example.org", 19093)
        );
        assert_eq!(
            told(two, "INSIDE", "10.0.0.1:9092"),
            address("10.0.0.1", 9092)
        );
        assert_eq!(
            told(two, "INSIDE", "[::ffff:10.0.0.1]:9092"),
            address("10.0.0.1", 9092)
        );
        assert_eq!(
            told(two, "INSIDE", "[2001:db8::1]:9092"),
            address("2001:db8::1", 9092)
        );
    }

    #[test]
    fn an_open_port_is_told_as_it_is() {
        let open = &[
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("advertised.listeners", "PLAINTEXT://localhost:0"),
        ];
        assert_eq!(
            told(open, "PLAINTEXT", "127.0.0.1:41234"),
            address("localhost", 41234)
        );
    }
}
