//! The current leaders beside errors for an outdated leadership (KIP-951). The answer has each leader's address once,
//! so the client need not ask for metadata.

use std::collections::BTreeMap;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::protocol::StrBytes;

use crate::base::NodeId;
use crate::metadata::{BrokerImage, PartitionImage};

use super::advertised::Address;
use super::cluster_view::{ClusterView, wire_id};

/// Collects the leaders for an answer.
pub(super) struct LeaderHints<'a> {
    view: ClusterView<'a>,
    mentioned: BTreeMap<NodeId, (&'a BrokerImage, Address)>,
}

impl<'a> LeaderHints<'a> {
    pub(super) const fn new(view: ClusterView<'a>) -> Self {
        Self {
            view,
            mentioned: BTreeMap::new(),
        }
    }

    /// The leader of a partition and its epoch. Its address becomes part of the answer, if it is visible to the
    /// client.
    pub(super) fn mention(&mut self, partition: &PartitionImage) -> (BrokerId, i32) {
        let leader = partition.leader;
        if !self.mentioned.contains_key(&leader) {
            let mut alive = self.view.alive_brokers();
            if let Some(found) = alive.find(|(broker, _)| broker.id == leader) {
                self.mentioned.insert(leader, found);
            }
        }
        (wire_id(leader), partition.leader_epoch.0)
    }

    /// The addresses of the collected leaders, by id; `make` builds the API's struct from id, host, port and rack.
    pub(super) fn endpoints<T>(
        self,
        make: fn(BrokerId, StrBytes, i32, Option<StrBytes>) -> T,
    ) -> Vec<T> {
        let mentioned = self.mentioned.into_values();
        mentioned
            .map(|(broker, address)| {
                let rack = broker.rack.clone().map(StrBytes::from_string);
                let host = StrBytes::from_string(address.host);
                make(wire_id(broker.id), host, address.port, rack)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::cluster_view::ClusterView;
    use super::super::fixture;
    use super::LeaderHints;
    use crate::config::BrokerConfig;

    #[test]
    fn each_leader_that_can_be_found_is_told_once() {
        let image = fixture::image();
        let (config, peer) = (BrokerConfig::default(), fixture::peer());
        let mut hints = LeaderHints::new(ClusterView::new(&image, &config, &peer));
        let orders = image.topic("orders").expect("a topic");
        let led_by = orders.partitions.iter().map(|partition| {
            let (leader, _) = hints.mention(partition);
            leader.0
        });
        assert_eq!(led_by.collect::<Vec<_>>(), [1, 2, -1]);
        let first = orders.partition(0).expect("a partition");
        assert_eq!(hints.mention(first).0.0, 1);
        let endpoints = hints.endpoints(|id, _, port, rack| (id.0, port, rack));
        let rack = endpoints.last().and_then(|(_, _, rack)| rack.clone());
        assert_eq!(rack.as_deref(), Some("b"));
        assert_eq!(
            endpoints.iter().map(|(id, ..)| *id).collect::<Vec<_>>(),
            [1, 2]
        );
    }
}
