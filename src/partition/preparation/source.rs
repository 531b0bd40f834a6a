//! From where an append comes, for turns among those who have none to give each other.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// From where an append comes: what comes from the same source keeps its order, and shares one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// This broker itself.
    Broker,
    /// The connection of a client at this address and port.
    Connection(SocketAddr),
}

/// One party, however many connections it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Address {
    Broker,
    Client(IpAddr),
}

impl Source {
    /// The first in order.
    pub(super) const LEAST: Self = Self::Broker;

    /// Whether nobody may be left to hear of what it has appended, so that it need not be done. What the broker
    /// appends itself, it means.
    pub(super) const fn may_leave(self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// Whose connection it is. Of an IPv6 address the network counts, since one party has all the addresses of it.
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
