//! An image under construction: the only code that changes metadata.
//!
//! A draft begins as a clone of an image and applies records one by one. A topic that changes is opened once, changed
//! in place as often as needed, and put back when the draft is finished. So a batch about one topic of a thousand
//! partitions copies that topic once and no other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{LeaderEpoch, NodeId, Offset, TopicId};

use super::brokers::BrokerImage;
use super::configs::{ConfigResource, ConfigResourceType};
use super::delta::Delta;
use super::image::Image;
use super::record::{
    BrokerRegistrationChange, ClearElr, Config, FeatureLevel, Fencing, MetadataRecord, Partition,
    PartitionChange, RemoveTopic, Topic,
};
use super::topics::{PartitionImage, TopicImage};

/// A record that contradicts the image it is applied to. The log is damaged or was written by unknown rules; going on
/// would serve a wrong state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A topic is created whose name or id is taken.
    #[error("topic {name} with id {id} is created, but its name or its id is taken")]
    TopicExists {
        /// The topic's name.
        name: String,
        /// The topic's id.
        id: TopicId,
    },
    /// A record is about a topic that does not exist.
    #[error("a record refers to topic id {0}, which does not exist")]
    NoSuchTopic(TopicId),
    /// A record clears the eligible leader replicas of a topic that does not exist.
    #[error("a record refers to topic {0}, which does not exist")]
    NoSuchTopicName(String),
    /// A record changes a partition that does not exist.
    #[error("a record changes partition {partition} of topic id {topic_id}, which does not exist")]
    NoSuchPartition {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: i32,
    },
    /// The number of a partition's directories differs from that of its replicas.
    #[error(
        "partition {partition} of topic id {topic_id} does not have one directory for each replica"
    )]
    Directories {
        /// The topic.
        topic_id: TopicId,
        /// The partition.
        partition: i32,
    },
    /// A topic's partitions are not numbered from 0 without gaps.
    #[error("topic {0} has a gap in its partition numbers")]
    PartitionGap(Arc<str>),
    /// A record is about a broker that is not registered.
    #[error("a record refers to broker {0}, which is not registered")]
    NoSuchBroker(NodeId),
    /// A record is about an earlier or later registration of a broker.
    #[error(
        "a record refers to epoch {found} of broker {broker}, which is registered in epoch {registered}"
    )]
    BrokerEpoch {
        /// The broker.
        broker: NodeId,
        /// The epoch in the image.
        registered: i64,
        /// The epoch in the record.
        found: i64,
    },
    /// Producer ids are assigned again.
    #[error("producer ids go back from {from} to {to}")]
    ProducerIdsGoBack {
        /// The lowest id not assigned yet.
        from: i64,
        /// The id in the record.
        to: i64,
    },
    /// The begin, end or abort of a transaction reached the image.
    #[error("a transaction marker is not a change of the image")]
    TransactionMarker,
}

/// A topic that is being changed.
#[derive(Debug)]
struct OpenTopic {
    name: Arc<str>,
    /// A map while records arrive, since they come in any order.
    partitions: BTreeMap<i32, PartitionImage>,
}

/// An image under construction.
#[derive(Debug)]
pub struct Draft {
    /// The finished part. Open topics are here in their old state.
    image: Image,
    /// Topics created or changed in this draft.
    open: BTreeMap<TopicId, OpenTopic>,
    /// The ids of open topics by name.
    open_names: BTreeMap<Arc<str>, TopicId>,
    deleted: Vec<Arc<TopicImage>>,
    changed_configs: BTreeSet<ConfigResource>,
    changed_brokers: BTreeSet<NodeId>,
    changed_features: BTreeSet<String>,
}

impl Draft {
    /// A draft that begins as `image`.
    pub fn new(image: &Image) -> Self {
        Self {
            image: image.clone(),
            open: BTreeMap::new(),
            open_names: BTreeMap::new(),
            deleted: Vec::new(),
            changed_configs: BTreeSet::new(),
            changed_brokers: BTreeSet::new(),
            changed_features: BTreeSet::new(),
        }
    }

    /// Applies one record. After an error the draft must not be used any more.
    pub fn apply(&mut self, record: &MetadataRecord) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::RegisterBroker(record) => {
                self.put_broker(BrokerImage::from(record));
                Ok(())
            }
            MetadataRecord::UnregisterBroker(record) => {
                let broker = self.registered(record.broker_id, record.broker_epoch)?.id;
                Arc::make_mut(&mut self.image.brokers).remove(&broker);
                self.changed_brokers.insert(broker);
                Ok(())
            }
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record),
            MetadataRecord::FenceBroker(record) => {
                self.change_broker(&BrokerRegistrationChange::fence(
                    record.broker_id,
                    record.broker_epoch,
                    Fencing::Fence,
                ))
            }
            MetadataRecord::UnfenceBroker(record) => {
                self.change_broker(&BrokerRegistrationChange::fence(
                    record.broker_id,
                    record.broker_epoch,
                    Fencing::Unfence,
                ))
            }
            MetadataRecord::Topic(record) => self.create_topic(record),
            MetadataRecord::Partition(record) => self.put_partition(record),
            MetadataRecord::PartitionChange(record) => self.change_partition(record),
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record),
            MetadataRecord::ClearElr(record) => self.clear_eligible_leaders(record),
            MetadataRecord::Config(record) => {
                self.configure(record);
                Ok(())
            }
            MetadataRecord::FeatureLevel(record) => {
                self.set_feature(record);
                Ok(())
            }
            MetadataRecord::ProducerIds(record) => {
                let from = self.image.next_producer_id;
                if record.next_producer_id < from {
                    return Err(ApplyError::ProducerIdsGoBack {
                        from: from.0,
                        to: record.next_producer_id.0,
                    });
                }
                self.image.next_producer_id = record.next_producer_id;
                Ok(())
            }
            MetadataRecord::RegisterController(record) => {
                Arc::make_mut(&mut self.image.controllers)
                    .insert(record.controller_id, record.clone());
                Ok(())
            }
            MetadataRecord::UnregisterController(record) => {
                Arc::make_mut(&mut self.image.controllers).remove(&record.controller_id);
                Ok(())
            }
            MetadataRecord::Unknown(record) => {
                Arc::make_mut(&mut self.image.kept).add(record);
                Ok(())
            }
            MetadataRecord::NoOp => Ok(()),
            MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction
            | MetadataRecord::AbortTransaction(_) => Err(ApplyError::TransactionMarker),
        }
    }

    /// The finished image, whose last record has the offset `offset` and the epoch `epoch`, and the difference from
    /// the image with which the draft began.
    pub fn finish(
        mut self,
        offset: Offset,
        epoch: LeaderEpoch,
    ) -> Result<(Image, Delta), ApplyError> {
        let mut delta = Delta::default();
        for (id, open) in self.open {
            let count = i32::try_from(open.partitions.len()).unwrap_or(i32::MAX);
            if !open.partitions.keys().copied().eq(0..count) {
                return Err(ApplyError::PartitionGap(open.name));
            }
            let partitions = open.partitions.into_values().collect();
            let topic = Arc::new(TopicImage {
                name: open.name,
                id,
                partitions,
            });
            self.image.topics.insert(Arc::clone(&topic));
            delta.created_or_changed_topics.push(topic);
        }
        delta.deleted_topics = self.deleted;
        for resource in self.changed_configs {
            if resource.resource_type == ConfigResourceType::TOPIC {
                delta.changed_configs.push(resource.name);
            } else {
                delta.changed_other_configs.push(resource);
            }
        }
        delta.changed_brokers = self.changed_brokers.into_iter().collect();
        delta.changed_features = self.changed_features.into_iter().collect();
        self.image.offset = offset;
        self.image.epoch = epoch;
        Ok((self.image, delta))
    }

    fn registered(&self, broker: NodeId, epoch: i64) -> Result<&BrokerImage, ApplyError> {
        let image = self
            .image
            .broker(broker)
            .ok_or(ApplyError::NoSuchBroker(broker))?;
        if image.epoch == epoch {
            Ok(image)
        } else {
            Err(ApplyError::BrokerEpoch {
                broker,
                registered: image.epoch,
                found: epoch,
            })
        }
    }

    fn put_broker(&mut self, broker: BrokerImage) {
        self.changed_brokers.insert(broker.id);
        Arc::make_mut(&mut self.image.brokers).insert(broker.id, Arc::new(broker));
    }

    fn change_broker(&mut self, change: &BrokerRegistrationChange) -> Result<(), ApplyError> {
        let mut broker = self
            .registered(change.broker_id, change.broker_epoch)?
            .clone();
        match change.fencing {
            Fencing::Unchanged => {}
            Fencing::Fence => broker.fenced = true,
            Fencing::Unfence => broker.fenced = false,
        }
        broker.in_controlled_shutdown |= change.begins_controlled_shutdown;
        if !change.log_directories.is_empty() {
            broker.directories.clone_from(&change.log_directories);
        }
        if change.cordoned_log_directories.is_some() {
            broker
                .cordoned_directories
                .clone_from(&change.cordoned_log_directories);
        }
        self.put_broker(broker);
        Ok(())
    }

    fn create_topic(&mut self, record: &Topic) -> Result<(), ApplyError> {
        let Topic { name, topic_id } = record;
        let taken = self.image.topic(name).is_some()
            || self.image.topic_by_id(*topic_id).is_some()
            || self.open_names.contains_key(name.as_str());
        match self.open.entry(*topic_id) {
            Entry::Vacant(entry) if !taken => {
                let name: Arc<str> = name.as_str().into();
                self.open_names.insert(Arc::clone(&name), *topic_id);
                entry.insert(OpenTopic {
                    name,
                    partitions: BTreeMap::new(),
                });
                Ok(())
            }
            _ => Err(ApplyError::TopicExists {
                name: name.clone(),
                id: *topic_id,
            }),
        }
    }

    /// The topic, opened for changes.
    fn open(&mut self, id: TopicId) -> Result<&mut OpenTopic, ApplyError> {
        match self.open.entry(id) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let topic = self
                    .image
                    .topic_by_id(id)
                    .ok_or(ApplyError::NoSuchTopic(id))?;
                self.open_names.insert(Arc::clone(&topic.name), id);
                let partitions = (0_i32..).zip(topic.partitions.iter().cloned()).collect();
                Ok(entry.insert(OpenTopic {
                    name: Arc::clone(&topic.name),
                    partitions,
                }))
            }
        }
    }

    fn put_partition(&mut self, record: &Partition) -> Result<(), ApplyError> {
        let Partition {
            partition,
            topic_id,
            ..
        } = *record;
        let image = PartitionImage::new(record).ok_or(ApplyError::Directories {
            topic_id,
            partition,
        })?;
        self.open(topic_id)?.partitions.insert(partition, image);
        Ok(())
    }

    fn change_partition(&mut self, change: &PartitionChange) -> Result<(), ApplyError> {
        let PartitionChange {
            partition,
            topic_id,
            ..
        } = *change;
        let image = self.open(topic_id)?.partitions.get_mut(&partition).ok_or(
            ApplyError::NoSuchPartition {
                topic_id,
                partition,
            },
        )?;
        *image = image.changed(change).ok_or(ApplyError::Directories {
            topic_id,
            partition,
        })?;
        Ok(())
    }

    fn remove_topic(&mut self, record: &RemoveTopic) -> Result<(), ApplyError> {
        let id = record.topic_id;
        let opened = self.open.remove(&id);
        let published = self.image.topics.remove(id);
        let name = opened
            .map(|topic| topic.name)
            .or_else(|| published.as_ref().map(|topic| Arc::clone(&topic.name)))
            .ok_or(ApplyError::NoSuchTopic(id))?;
        self.open_names.remove(&name);
        self.deleted.extend(published);
        let resource = ConfigResource {
            resource_type: ConfigResourceType::TOPIC,
            name: name.as_ref().to_owned(),
        };
        if self.image.configs.remove(&resource) {
            self.changed_configs.insert(resource);
        }
        Ok(())
    }

    fn clear_eligible_leaders(&mut self, record: &ClearElr) -> Result<(), ApplyError> {
        let ids: Vec<TopicId> = if record.topic_name.is_empty() {
            let published = self.image.topics().map(|topic| topic.id);
            published.chain(self.open.keys().copied()).collect()
        } else {
            let name = record.topic_name.as_str();
            let id = self
                .open_names
                .get(name)
                .copied()
                .or_else(|| self.image.topic(name).map(|topic| topic.id))
                .ok_or_else(|| ApplyError::NoSuchTopicName(name.to_owned()))?;
            vec![id]
        };
        for id in ids {
            let is_clear = |partition: &PartitionImage| {
                partition.eligible_leader_replicas.is_empty() && partition.last_known_elr.is_empty()
            };
            let untouched = !self.open.contains_key(&id)
                && self
                    .image
                    .topic_by_id(id)
                    .is_some_and(|topic| topic.partitions.iter().all(is_clear));
            if untouched {
                continue;
            }
            for partition in self
                .open(id)?
                .partitions
                .values_mut()
                .filter(|each| !is_clear(each))
            {
                partition.eligible_leader_replicas.clear();
                partition.last_known_elr.clear();
                partition.partition_epoch = partition.partition_epoch.saturating_add(1);
            }
        }
        Ok(())
    }

    fn configure(&mut self, record: &Config) {
        let resource = ConfigResource {
            resource_type: ConfigResourceType(record.resource_type),
            name: record.resource_name.clone(),
        };
        match &record.value {
            Some(value) => self.image.configs.set(&resource, &record.name, value),
            None => self.image.configs.unset(&resource, &record.name),
        }
        self.changed_configs.insert(resource);
    }

    fn set_feature(&mut self, record: &FeatureLevel) {
        let levels = Arc::make_mut(&mut self.image.features);
        if record.level == 0 {
            levels.remove(&record.name);
        } else {
            levels.insert(record.name.clone(), record.level);
        }
        self.changed_features.insert(record.name.clone());
    }
}
