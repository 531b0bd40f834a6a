//! The image: the cluster's metadata at one offset of the metadata log.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{LeaderEpoch, NodeId, Offset, ProducerId, TopicId};
use crate::config::BrokerConfig;

use super::brokers::BrokerImage;
use super::configs::{ConfigResource, ConfigResourceType, Configs};
use super::delta::Delta;
use super::draft::{ApplyError, Draft};
use super::features;
use super::kept::{Kept, Told};
use super::record::{DecodeError, MetadataRecord, RegisterController, Unmodelled};
use super::topics::{TopicImage, Topics};

/// Everything the cluster has agreed on, at one offset of the metadata log. Never changed once
/// published; cheap to clone.
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
    /// What this release does not act on.
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
    /// The image after `records`, of which the last stands at `offset` in the epoch `epoch`, and
    /// what they changed. Transactions are the [`super::Loader`]'s business: their records are
    /// refused here.
    pub fn apply(
        &self,
        records: &[MetadataRecord],
        offset: Offset,
        epoch: LeaderEpoch,
    ) -> Result<(Self, Delta), ApplyError> {
        let mut draft = Draft::new(self);
        for record in records {
            draft.apply(record)?;
        }
        draft.finish(offset, epoch)
    }

    /// Offset of the last record applied; [`Offset::NONE`] before the first.
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// Epoch of the last record applied.
    pub const fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.by_name(name)
    }

    /// The topic of this id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.by_id(id)
    }

    /// All topics, ordered by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.iter()
    }

    /// The first topic whose name comes after `name`, or the first of all: for who goes through them with breaks.
    pub fn topic_after(&self, name: Option<&str>) -> Option<&Arc<TopicImage>> {
        self.topics.after(name)
    }

    /// How many topics there are.
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

    /// A broker's configuration: what it was started with, under what was set since, for it and for all.
    pub fn config_in_force<'a>(&self, started_with: &'a BrokerConfig) -> Cow<'a, BrokerConfig> {
        let (all, own) = self.broker_changes(NodeId(started_with.node_id));
        started_with.in_force(all, own)
    }

    /// What was set while brokers ran: for all of them, and for this one.
    pub fn broker_changes(
        &self,
        broker: NodeId,
    ) -> (&BTreeMap<String, String>, &BTreeMap<String, String>) {
        let of = |name: &str| self.configs.of(ConfigResourceType::BROKER, name);
        (of(ConfigResource::ALL_BROKERS), of(&broker.0.to_string()))
    }

    /// Everything that has dynamic configuration, by kind and name.
    pub fn all_configs(
        &self,
    ) -> impl Iterator<Item = (ConfigResourceType, &str, &BTreeMap<String, String>)> {
        self.configs.iter()
    }

    /// Registered brokers, ordered by id, fenced ones included.
    pub fn brokers(&self) -> impl Iterator<Item = &BrokerImage> {
        self.brokers.values().map(|broker| &**broker)
    }

    /// The broker of this id.
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

    /// The level of `metadata.version`, once the log has said it.
    pub fn metadata_version(&self) -> Option<i16> {
        self.features.get(features::METADATA_VERSION).copied()
    }

    /// The lowest producer id that has not been given out.
    pub const fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// Records that this release keeps but does not act on, by place in a snapshot and then in
    /// the order of the log.
    pub fn unknown_records(&self) -> impl Iterator<Item = &Unmodelled> {
        self.kept.records()
    }

    /// The quotas and credentials among these records.
    ///
    /// # Errors
    /// When one of them is not what Kafka 4.4 writes.
    pub fn told(&self) -> Result<&Arc<Told>, DecodeError> {
        self.kept.told()
    }
}
