//! The cluster as the clients of one listener see it: each broker has its address on that listener, and a broker
//! without that listener does not exist for them.

use kafka_protocol::messages::BrokerId;

use crate::base::NodeId;
use crate::config::BrokerConfig;
use crate::metadata::{BrokerImage, Image, PartitionImage};
use crate::wire::Peer;

use super::advertised::{Address, own_address};

/// An image, seen by the client of one connection.
pub(super) struct ClusterView<'a> {
    image: &'a Image,
    listener: &'a str,
    own_id: NodeId,
    own_address: Address,
}

/// Whom a client is told to be a partition's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    /// This broker.
    Is(NodeId),
    /// Nobody leads, or the leader is not there.
    Missing,
    /// The leader has no listener of the client's name.
    HasNoListener,
}

impl<'a> ClusterView<'a> {
    pub(super) fn new(image: &'a Image, config: &BrokerConfig, peer: &'a Peer) -> Self {
        Self {
            image,
            listener: &peer.listener,
            own_id: NodeId(config.node_id),
            own_address: own_address(config, peer),
        }
    }

    /// Where the client finds this broker; `None` when it cannot.
    pub(super) fn address(&self, broker: &BrokerImage) -> Option<Address> {
        if broker.id == self.own_id {
            return Some(self.own_address.clone());
        }
        let endpoint = broker.endpoint(self.listener)?;
        Some(Address {
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
        })
    }

    /// The brokers that the client can find, by id, fenced ones included.
    pub(super) fn brokers(&self) -> impl Iterator<Item = (&'a BrokerImage, Address)> {
        self.image
            .brokers()
            .filter_map(|broker| Some((broker, self.address(broker)?)))
    }

    /// The brokers that the client is to use, by id.
    pub(super) fn alive_brokers(&self) -> impl Iterator<Item = (&'a BrokerImage, Address)> {
        self.brokers().filter(|(broker, _)| !broker.fenced)
    }

    /// Whom the client is to ask for changes. Controllers are not for clients: every broker passes
    /// on what is for the controller, and this one is as good as any.
    pub(super) fn controller(&self) -> NodeId {
        if self.is_alive(self.own_id) {
            return self.own_id;
        }
        self.image
            .brokers()
            .map(|broker| broker.id)
            .find(|id| self.is_alive(*id))
            .unwrap_or(NodeId::NONE)
    }

    pub(super) fn is_alive(&self, id: NodeId) -> bool {
        self.image
            .broker(id)
            .is_some_and(|broker| !broker.fenced && self.listens(broker))
    }

    pub(super) fn leader(&self, partition: &PartitionImage) -> Leader {
        match self.image.broker(partition.leader) {
            None => Leader::Missing,
            Some(broker) if self.listens(broker) => Leader::Is(broker.id),
            Some(_) => Leader::HasNoListener,
        }
    }

    /// The replicas that do not take part at present, as far as the client is concerned.
    pub(super) fn offline_replicas(&self, partition: &PartitionImage) -> Vec<BrokerId> {
        let is_online = |(place, id): (usize, &NodeId)| {
            self.image.broker(*id).is_some_and(|broker| {
                !broker.fenced
                    && self.listens(broker)
                    && partition
                        .directories
                        .get(place)
                        .is_none_or(|directory| broker.has_online(*directory))
            })
        };
        partition
            .replicas
            .iter()
            .enumerate()
            .filter(|replica| !is_online(*replica))
            .map(|(_, id)| wire_id(*id))
            .collect()
    }

    fn listens(&self, broker: &BrokerImage) -> bool {
        broker.id == self.own_id || broker.endpoint(self.listener).is_some()
    }
}

/// A broker's id as messages carry it.
pub(super) const fn wire_id(id: NodeId) -> BrokerId {
    BrokerId(id.0)
}

/// Brokers' ids as messages carry them.
pub(super) fn wire_ids(ids: &[NodeId]) -> Vec<BrokerId> {
    ids.iter().copied().map(wire_id).collect()
}
