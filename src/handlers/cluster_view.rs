//! The cluster as the clients of one listener see it: each broker has its address on that listener, and brokers
//! without that listener are not visible.

use kafka_protocol::messages::BrokerId;

use crate::base::NodeId;
use crate::config::BrokerConfig;
use crate::metadata::{BrokerImage, Image, PartitionImage};
use crate::wire::Peer;

use super::advertised::{Address, own_address};

/// An image, as seen by the client of one connection.
pub(super) struct ClusterView<'a> {
    image: &'a Image,
    listener: &'a str,
    own_id: NodeId,
    own_address: Address,
}

/// The leader of a partition, as reported to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    /// This broker.
    Is(NodeId),
    /// There is no leader, or the leader does not exist.
    Missing,
    /// The leader has no listener with the client's listener name.
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

    /// The address of this broker for the client; `None` if there is none.
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

    /// The brokers that are visible to the client, by id, including fenced ones.
    pub(super) fn brokers(&self) -> impl Iterator<Item = (&'a BrokerImage, Address)> {
        self.image
            .brokers()
            .filter_map(|broker| Some((broker, self.address(broker)?)))
    }

    /// The brokers that the client should use, by id.
    pub(super) fn alive_brokers(&self) -> impl Iterator<Item = (&'a BrokerImage, Address)> {
        self.brokers().filter(|(broker, _)| !broker.fenced)
    }

    /// The broker that is reported as the controller. Clients do not talk to controllers: every broker forwards
    /// requests for the controller, so any broker will do.
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

    /// The offline replicas, as reported to the client.
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

/// A broker's id, as in messages.
pub(super) const fn wire_id(id: NodeId) -> BrokerId {
    BrokerId(id.0)
}

/// Brokers' ids, as in messages.
pub(super) fn wire_ids(ids: &[NodeId]) -> Vec<BrokerId> {
    ids.iter().copied().map(wire_id).collect()
}
