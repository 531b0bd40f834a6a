//! The image: the cluster's metadata at one offset of the metadata log.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{LeaderEpoch, NodeId, Offset, ProducerId, TopicId};
use crate::config::BrokerConfig;

use super::brokers::BrokerImage;
use super::configs::{ConfigResource, ConfigResourceType, Configs};
use super::kept::{Kept, Told};
use super::record::{DecodeError, RegisterController, Unmodelled};
use super::topics::{TopicImage, Topics};

/// All metadata of the cluster, at one offset of the metadata log. Never changed once published; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub(super) offset: Offset,
    pub(super) epoch: LeaderEpoch,
    pub(super) features: Arc<BTreeMap<String, i16>>,
    pub(super) brokers: Arc<BTreeMap<NodeId, Arc<BrokerImage>>>,
    pub(super) controllers: Arc<BTreeMap<NodeId, RegisterController>>,
    pub(super) topics: Topics,
    pub(super) configs: Configs,
    pub(super) next_producer_id: ProducerId,
    /// Records that this release does not act on.
    pub(super) kept: Arc<Kept>,
}

impl Default for Image {
    /// The image before the first record.
    fn default() -> Self {
        Self {
            offset: Offset::NONE,
            epoch: LeaderEpoch::NONE,
            features: Arc::default(),
            brokers: Arc::default(),
            controllers: Arc::default(),
            topics: Topics::default(),
            configs: Configs::default(),
            next_producer_id: ProducerId(0),
            kept: Arc::default(),
        }
    }
}

impl Image {
    /// Offset of the last record applied; [`Offset::NONE`] before the first.
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// Epoch of the last record applied.
    pub const fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// The topic with this name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.by_name(name)
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.by_id(id)
    }

    /// All topics, ordered by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.iter()
    }

    /// The first topic whose name comes after `name`, or the first of all: for loops with pauses.
    pub fn topic_after(&self, name: Option<&str>) -> Option<&Arc<TopicImage>> {
        self.topics.after(name)
    }

    /// The number of topics.
    pub const fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Dynamic configuration of a topic (key to value), empty when there is none.
    pub fn topic_configs(&self, name: &str) -> &BTreeMap<String, String> {
        self.configs.of(ConfigResourceType::TOPIC, name)
    }

    /// Dynamic configuration of a resource (key to value), empty when there is none.
    pub fn configs(
        &self,
        resource_type: ConfigResourceType,
        name: &str,
    ) -> &BTreeMap<String, String> {
        self.configs.of(resource_type, name)
    }

    /// A broker's configuration: the start configuration, overridden by the dynamic settings for all brokers and for
    /// this one.
    pub fn config_in_force<'a>(&self, started_with: &'a BrokerConfig) -> Cow<'a, BrokerConfig> {
        let (all, own) = self.broker_changes(NodeId(started_with.node_id));
        started_with.in_force(all, own)
    }

    /// The dynamic settings: those for all brokers, and those for this one.
    pub fn broker_changes(
        &self,
        broker: NodeId,
    ) -> (&BTreeMap<String, String>, &BTreeMap<String, String>) {
        let of = |name: &str| self.configs.of(ConfigResourceType::BROKER, name);
        (of(ConfigResource::ALL_BROKERS), of(&broker.0.to_string()))
    }

    /// All resources with dynamic configuration, by type and name.
    pub fn all_configs(
        &self,
    ) -> impl Iterator<Item = (ConfigResourceType, &str, &BTreeMap<String, String>)> {
        self.configs.iter()
    }

    /// Registered brokers, ordered by id, including fenced ones.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerImage> {
        self.brokers.values().map(|broker| &**broker)
    }

    /// The broker with this id.
    pub fn broker(&self, id: NodeId) -> Option<&BrokerImage> {
        self.brokers.get(&id).map(|broker| &**broker)
    }

    /// Whether this broker is registered and may lead partitions.
    pub fn is_active(&self, id: NodeId) -> bool {
        self.broker(id).is_some_and(BrokerImage::is_active)
    }

    /// Registered controllers, ordered by id.
    pub fn controllers(&self) -> impl Iterator<Item = &RegisterController> {
        self.controllers.values()
    }

    /// Finalized feature levels (name to level); features that are off are not listed.
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// The lowest producer id that has not been assigned.
    pub const fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// Records that this release keeps but does not act on, ordered by their place in a snapshot and then by their
    /// order in the log.
    pub fn unknown_records(&self) -> impl Iterator<Item = &Unmodelled> {
        self.kept.records()
    }

    /// The quotas and credentials in these records.
    ///
    /// # Errors
    /// When one of them is not as Kafka 4.4 writes it.
    pub fn told(&self) -> Result<&Arc<Told>, DecodeError> {
        self.kept.told()
    }
}

/// What only tests ask.
#[cfg(test)]
impl Image {
    /// The image after `records`, of which the last has the offset `offset` and the epoch `epoch`, and their changes.
    /// [`super::Loader`] handles transactions: their records are refused here.
    pub fn apply(
        &self,
        records: &[super::MetadataRecord],
        offset: Offset,
        epoch: LeaderEpoch,
    ) -> Result<(Self, super::Delta), super::ApplyError> {
        let mut draft = super::draft::Draft::new(self);
        for record in records {
            draft.apply(record)?;
        }
        draft.finish(offset, epoch)
    }

    /// The level of `metadata.version`, once the log has set it.
    pub fn metadata_version(&self) -> Option<i16> {
        self.features
            .get(super::features::METADATA_VERSION)
            .copied()
    }
}
