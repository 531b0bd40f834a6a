//! Brokers in the image.

use crate::base::{DirectoryId, KafkaUuid, NodeId};

use super::record::{RegisterBroker, SupportedFeature};

pub use super::record::Endpoint as BrokerEndpoint;

/// One registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    /// The broker.
    pub id: NodeId,
    /// Its broker epoch: the offset of its registration.
    pub epoch: i64,
    /// The incarnation id of the registered process.
    pub incarnation_id: KafkaUuid,
    /// Its advertised listeners.
    pub endpoints: Vec<BrokerEndpoint>,
    /// The feature levels that it supports.
    pub features: Vec<SupportedFeature>,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether it is fenced: it may not lead, and clients do not see it.
    pub fenced: bool,
    /// Its online log directories.
    pub directories: Vec<DirectoryId>,
    /// Its cordoned log directories, which take no new replicas; `None` when it has not reported them.
    pub cordoned_directories: Option<Vec<DirectoryId>>,
    /// Whether it is in controlled shutdown.
    pub in_controlled_shutdown: bool,
    /// Left from the migration from ZooKeeper; kept so that a snapshot equals the log.
    pub is_migrating_zk_broker: bool,
}

impl BrokerImage {
    /// Whether the broker may lead partitions and join in-sync sets.
    pub const fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Whether `directory` is one that the broker can use, or may be. A broker without directories in its
    /// registration has not reported them.
    pub fn has_online(&self, directory: DirectoryId) -> bool {
        match directory {
            DirectoryId::ZERO | DirectoryId::UNASSIGNED_DIRECTORY => true,
            DirectoryId::LOST_DIRECTORY => false,
            _ => self.directories.is_empty() || self.directories.contains(&directory),
        }
    }

    /// The listener with this name.
    pub fn endpoint(&self, listener: &str) -> Option<&BrokerEndpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.name == listener)
    }
}

impl From<&RegisterBroker> for BrokerImage {
    fn from(record: &RegisterBroker) -> Self {
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record.endpoints.clone(),
            features: record.features.clone(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            directories: record.log_directories.clone(),
            cordoned_directories: record.cordoned_log_directories.clone(),
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
        }
    }
}

impl From<&BrokerImage> for RegisterBroker {
    fn from(broker: &BrokerImage) -> Self {
        Self {
            broker_id: broker.id,
            is_migrating_zk_broker: broker.is_migrating_zk_broker,
            incarnation_id: broker.incarnation_id,
            broker_epoch: broker.epoch,
            endpoints: broker.endpoints.clone(),
            features: broker.features.clone(),
            rack: broker.rack.clone(),
            fenced: broker.fenced,
            in_controlled_shutdown: broker.in_controlled_shutdown,
            log_directories: broker.directories.clone(),
            cordoned_log_directories: broker.cordoned_directories.clone(),
        }
    }
}
