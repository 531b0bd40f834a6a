//! The controller against an image that takes every decision, as the host does.

mod alter_configs;
mod brokers;
mod directories;
mod feature_updates;
mod property;
mod reassignments;
mod topics;

use super::*;
use crate::base::{DirectoryId, ErrorCode, KafkaUuid, LeaderEpoch, NodeId, TopicPartition};
use crate::metadata::record::{Endpoint, MetadataRecord};
use crate::metadata::snapshot;

const EPOCH: LeaderEpoch = LeaderEpoch(1);

fn id(number: u128) -> KafkaUuid {
    KafkaUuid(uuid::Uuid::from_u128(number))
}

/// The one directory of a broker.
fn directory(broker: i32) -> DirectoryId {
    id(10_000 + u128::try_from(broker).unwrap())
}

/// Deterministic randomness: ids count up, and every choice takes the first.
struct Counting(u128);

impl Chance for Counting {
    fn topic_id(&mut self) -> TopicId {
        self.0 += 1;
        id(1_000 + self.0)
    }

    fn below(&mut self, _bound: usize) -> usize {
        0
    }
}

/// A host without a disk.
struct World {
    image: Image,
    config: BrokerConfig,
    chance: Counting,
    log: Vec<MetadataRecord>,
}

impl World {
    fn new(config: &[(&str, &str)]) -> Self {
        let mut world = Self {
            image: Image::default(),
            config: BrokerConfig::with(config).unwrap(),
            chance: Counting(0),
            log: Vec::new(),
        };
        world.replay(features::bootstrap_records());
        world
    }

    /// A cluster of these brokers, all ready.
    fn with_brokers(brokers: &[i32]) -> Self {
        let mut world = Self::new(&[]);
        for broker in brokers {
            world.start(*broker, 1).unwrap();
        }
        world
    }

    fn next_offset(&self) -> Offset {
        self.image.offset().next()
    }

    fn replay(&mut self, records: Vec<MetadataRecord>) {
        if records.is_empty() {
            return;
        }
        let last = self
            .image
            .offset()
            .plus(i64::try_from(records.len()).unwrap());
        let decoded: Vec<_> = records
            .iter()
            .map(|record| MetadataRecord::decode(&record.encode()).unwrap())
            .collect();
        assert_eq!(decoded, records);
        self.image = self.image.apply(&records, last, EPOCH).unwrap().0;
        self.log.extend(records);
    }

    fn decide<C: Command>(&mut self, command: &C) -> Decision<C::Reply> {
        let mut situation = Situation {
            image: &self.image,
            config: &self.config,
            next_offset: self.image.offset().next(),
            chance: &mut self.chance,
        };
        command.decide(&mut situation)
    }

    fn run<C: Command>(&mut self, command: &C) -> C::Reply {
        let decision = self.decide(command);
        self.replay(decision.records);
        decision.reply
    }

    fn registration(broker: i32, incarnation: u128) -> RegisterBroker {
        RegisterBroker {
            broker_id: NodeId(broker),
            incarnation_id: id(incarnation),
            endpoints: vec![Endpoint {
                name: "PLAINTEXT".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: 9092,
                security_protocol: 0,
            }],
            features: features::supported(),
            rack: None,
            log_directories: vec![directory(broker)],
        }
    }

    fn unfence(&mut self, broker: i32, broker_epoch: i64) -> Result<(), Refusal> {
        self.run(&UnfenceBroker {
            broker_id: NodeId(broker),
            broker_epoch,
        })
    }

    fn fence(&mut self, broker: i32, broker_epoch: i64) -> Result<(), Refusal> {
        self.run(&FenceBroker {
            broker_id: NodeId(broker),
            broker_epoch,
        })
    }

    /// Registers and unfences.
    fn start(&mut self, broker: i32, incarnation: u128) -> Result<i64, Refusal> {
        let epoch = self.run(&Self::registration(broker, incarnation))?;
        self.unfence(broker, epoch)?;
        Ok(epoch)
    }

    fn create_all(
        &mut self,
        topics: Vec<NewTopic>,
        validate_only: bool,
    ) -> Vec<Result<CreatedTopic, Refusal>> {
        let rows = self.run(&CreateTopics {
            topics,
            validate_only,
        });
        rows.into_iter().map(|(_, result)| result).collect()
    }

    fn create(&mut self, topic: NewTopic) -> Result<CreatedTopic, Refusal> {
        self.create_all(vec![topic], false).remove(0)
    }

    fn delete(&mut self, topics: Vec<TopicReference>) -> Vec<command::DeletedTopic> {
        self.run(&DeleteTopics { topics })
    }

    fn extend(&mut self, topic: NewPartitions) -> Result<(), Refusal> {
        let command = CreatePartitions {
            topics: vec![topic],
            validate_only: false,
        };
        self.run(&command).remove(0).1
    }

    /// The replicas of each partition.
    fn replicas(&self, topic: &str) -> Vec<Vec<i32>> {
        let topic = self.image.topic(topic).unwrap();
        let numbers = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
        topic
            .partitions
            .iter()
            .map(|partition| numbers(&partition.replicas))
            .collect()
    }

    /// Leader, leader epoch and partition epoch of a partition.
    fn leadership(&self, topic: &str, partition: i32) -> (i32, i32, i32) {
        let topic = self.image.topic(topic).unwrap();
        let partition = topic.partition(partition).unwrap();
        (
            partition.leader.0,
            partition.leader_epoch.0,
            partition.partition_epoch,
        )
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, code: ErrorCode, message: &str) {
    let refusal = result.unwrap_err();
    assert_eq!(
        (refusal.code, refusal.message.as_deref().unwrap_or_default()),
        (code, message)
    );
}

fn sized(name: &str, partitions: i32, replication_factor: i16) -> NewTopic {
    NewTopic {
        partitions,
        replication_factor,
        ..NewTopic::named(name)
    }
}

fn assigned(name: &str, assignments: &[(i32, &[i32])]) -> NewTopic {
    let nodes = |nodes: &[i32]| nodes.iter().copied().map(NodeId).collect();
    NewTopic {
        assignments: assignments
            .iter()
            .map(|(number, replicas)| (*number, nodes(replicas)))
            .collect(),
        ..NewTopic::named(name)
    }
}

fn configured(name: &str, configs: &[(&str, Option<&str>)]) -> NewTopic {
    NewTopic {
        configs: configs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)))
            .collect(),
        ..NewTopic::named(name)
    }
}
