//! The origin of an append, used for fair turns between clients.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The origin of an append: appends of the same source keep their order, and share one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// This broker itself.
    Broker,
    /// The connection of a client at this address and port.
    Connection(SocketAddr),
}

/// One client address, however many connections it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Address {
    Broker,
    Client(IpAddr),
}

impl Source {
    /// The first in order.
    pub(super) const LEAST: Self = Self::Broker;

    /// Whether the append may be dropped when nobody waits for its result. The broker's own appends are always made.
    pub(super) const fn may_leave(self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// The address of the connection. For IPv6 this is the network, since one client has all its addresses.
    pub(super) const fn address(self) -> Address {
        match self {
            Self::Broker => Address::Broker,
            Self::Connection(peer) => Address::Client(match peer.ip() {
                IpAddr::V4(address) => IpAddr::V4(address),
                IpAddr::V6(address) => {
                    IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u64::MAX as u128)))
                }
            }),
        }
    }
}
