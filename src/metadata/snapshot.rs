//! An image as records: the contents of a snapshot of the metadata log between its header and its footer, which the
//! host adds.
//!
//! The order is Kafka's. Features come first, `metadata.version` before all others, because it may define how the
//! rest is read; a topic comes before its partitions. Records that this release does not interpret are placed where
//! Kafka places their type, in the order of the log.

use crate::base::NodeId;

use super::features::METADATA_VERSION;
use super::image::Image;
use super::record::{
    Config, FeatureLevel, MetadataRecord, ProducerIds, RegisterBroker, Topic, UnmodelledPlace,
};

/// The records that create `image`, starting from nothing.
pub fn records(image: &Image) -> impl Iterator<Item = MetadataRecord> {
    features(image)
        .chain(unknown(image, UnmodelledPlace::AfterFeatures))
        .chain(brokers(image))
        .chain(topics(image))
        .chain(configs(image))
        .chain(unknown(image, UnmodelledPlace::BeforeProducerIds))
        .chain(producer_ids(image))
        .chain(unknown(image, UnmodelledPlace::AtTheEnd))
}

fn features(image: &Image) -> impl Iterator<Item = MetadataRecord> {
    let (first, rest): (Vec<_>, Vec<_>) = image
        .features()
        .iter()
        .partition(|(name, _)| *name == METADATA_VERSION);
    first.into_iter().chain(rest).map(|(name, level)| {
        MetadataRecord::FeatureLevel(FeatureLevel {
            name: name.clone(),
            level: *level,
        })
    })
}

fn brokers(image: &Image) -> impl Iterator<Item = MetadataRecord> {
    let brokers = image
        .brokers()
        .map(|broker| MetadataRecord::RegisterBroker(RegisterBroker::from(broker)));
    brokers.chain(
        image
            .controllers()
            .cloned()
            .map(MetadataRecord::RegisterController),
    )
}

fn topics(image: &Image) -> impl Iterator<Item = MetadataRecord> {
    image.topics().flat_map(|topic| {
        let itself = Topic {
            name: topic.name.as_ref().to_owned(),
            topic_id: topic.id,
        };
        let partitions = topic.numbered_partitions().map(|(number, partition)| {
            MetadataRecord::Partition(partition.to_record(topic.id, number))
        });
        std::iter::once(MetadataRecord::Topic(itself)).chain(partitions)
    })
}

fn configs(image: &Image) -> impl Iterator<Item = MetadataRecord> {
    image
        .all_configs()
        .flat_map(|(resource_type, resource_name, overrides)| {
            overrides.iter().map(move |(name, value)| {
                MetadataRecord::Config(Config {
                    resource_type: resource_type.0,
                    resource_name: resource_name.to_owned(),
                    name: name.clone(),
                    value: Some(value.clone()),
                })
            })
        })
}

fn producer_ids(image: &Image) -> impl Iterator<Item = MetadataRecord> {
    let next_producer_id = image.next_producer_id();
    (next_producer_id.0 > 0)
        .then_some(MetadataRecord::ProducerIds(ProducerIds {
            // The broker with the last block is not needed for loading, and Kafka omits it.
            broker_id: NodeId::NONE,
            broker_epoch: -1,
            next_producer_id,
        }))
        .into_iter()
}

fn unknown(image: &Image, place: UnmodelledPlace) -> impl Iterator<Item = MetadataRecord> {
    image
        .unknown_records()
        .filter(move |record| record.place() == place)
        .cloned()
        .map(MetadataRecord::Unknown)
}
