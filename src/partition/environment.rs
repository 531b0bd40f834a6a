//! What all modules of this room share: this broker's identity, its settings, the time.

use std::sync::Arc;

use crate::base::{Clock, NodeId, Timestamp};
use crate::config::{BrokerConfig, CurrentConfig};
use crate::log::ProducerExpiration;

/// Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(super) struct Environment {
    node: NodeId,
    config: CurrentConfig,
    producer_expiration: ProducerExpiration,
    clock: Arc<dyn Clock>,
}

impl Environment {
    pub(super) fn new(config: CurrentConfig, clock: Arc<dyn Clock>) -> Self {
        let now = config.now();
        Self {
            node: NodeId(now.node_id),
            producer_expiration: ProducerExpiration::new(now.producer_id_expiration_ms),
            config,
            clock,
        }
    }

    /// This broker.
    pub(super) const fn node(&self) -> NodeId {
        self.node
    }

    /// The settings that are in force now.
    pub(super) fn settings(&self) -> Arc<BrokerConfig> {
        self.config.now()
    }

    /// The settings, for callers that read them repeatedly.
    pub(super) const fn config(&self) -> &CurrentConfig {
        &self.config
    }

    /// `producer.id.expiration.ms`, shared by all logs.
    pub(super) const fn producer_expiration(&self) -> &ProducerExpiration {
        &self.producer_expiration
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
