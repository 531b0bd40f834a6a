//! A cluster whose topics come and go.

use std::sync::Arc;

use crate::base::{KafkaUuid, LeaderEpoch, NodeId, Offset, TopicId};
use crate::group::GroupNews;
use crate::metadata::record::{Config, MetadataRecord, Partition, RemoveTopic, Topic};
use crate::metadata::{ConfigResourceType, Image};

#[derive(Default)]
pub(crate) struct Cluster {
    image: Arc<Image>,
    topics: u128,
    news: Vec<GroupNews>,
}

impl Cluster {
    pub(crate) fn image(&mut self) -> Arc<Image> {
        self.news.clear();
        Arc::clone(&self.image)
    }

    /// The topic with this name.
    pub(crate) fn topic(&self, name: &str) -> TopicId {
        self.image.topic(name).unwrap().id
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.image.topic(name).is_some()
    }

    /// The partitions of all topics, with the topics' names.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (&str, TopicId, i32)> {
        let topics = self.image.topics();
        topics.flat_map(|topic| {
            let partitions = topic.numbered_partitions();
            partitions.map(|(partition, _)| (&*topic.name, topic.id, partition))
        })
    }

    pub(crate) fn create(&mut self, name: &str, partitions: usize) {
        self.topics += 1;
        let id = KafkaUuid(uuid::Uuid::from_u128(1_000 + self.topics));
        let topic = MetadataRecord::Topic(Topic {
            name: name.to_owned(),
            topic_id: id,
        });
        let partitions = (0..).take(partitions).map(|number| partition(id, number));
        self.apply(&std::iter::once(topic).chain(partitions).collect::<Vec<_>>());
    }

    pub(crate) fn grow(&mut self, name: &str) {
        let topic = self.image.topic(name).unwrap();
        let number = i32::try_from(topic.partitions.len()).unwrap();
        let record = partition(topic.id, number);
        self.apply(&[record]);
    }

    pub(crate) fn delete(&mut self, name: &str) {
        let topic_id = self.topic(name);
        self.apply(&[MetadataRecord::RemoveTopic(RemoveTopic { topic_id })]);
    }

    /// Sets a setting of a group.
    pub(crate) fn set(&mut self, group: &str, key: &str, value: &str) {
        self.apply(&[MetadataRecord::Config(Config {
            resource_type: ConfigResourceType::GROUP.0,
            resource_name: group.to_owned(),
            name: key.to_owned(),
            value: Some(value.to_owned()),
        })]);
    }

    fn apply(&mut self, records: &[MetadataRecord]) {
        let offset = Offset(self.image.offset().0 + 1);
        let applied = self.image.apply(records, offset, LeaderEpoch(1));
        let (image, delta) = applied.unwrap();
        self.image = Arc::new(image);
        self.news.push(GroupNews {
            image: Arc::clone(&self.image),
            changed: delta.created_or_changed_topics,
            deleted: delta.deleted_topics,
            has_settings: !delta.changed_other_configs.is_empty(),
        });
    }

    pub(crate) fn take_news(&mut self) -> Vec<GroupNews> {
        std::mem::take(&mut self.news)
    }
}

fn partition(topic_id: TopicId, partition: i32) -> MetadataRecord {
    MetadataRecord::Partition(Partition {
        partition,
        topic_id,
        replicas: vec![NodeId(1)],
        isr: vec![NodeId(1)],
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader: NodeId(1),
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        directories: Vec::new(),
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
    })
}
