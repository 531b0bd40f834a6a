use std::sync::Arc;

use super::TopicHashes;
use crate::base::{DirectoryId, KafkaUuid, LeaderEpoch, NodeId, Offset, TopicId};
use crate::metadata::record::{Partition, RegisterBroker, Topic};
use crate::metadata::{Image, MetadataRecord};

/// Clusters and what Kafka's own classes make of them, made by `protocol-tests/group-functions`; `TopicHashes.java`
/// there says how they are written.
const RECORDED: &str = include_str!("kafka.txt");

/// `KAFKA_HASHES` may name a file with many more cases.
#[test]
fn hashes_are_those_of_kafka() {
    match std::env::var_os("KAFKA_HASHES") {
        None => compare(RECORDED, 100),
        Some(path) => compare(&std::fs::read_to_string(path).unwrap(), 10_000),
    }
}

#[test]
fn a_changed_topic_has_another_hash() {
    let of = |partitions: usize, hashes: &mut TopicHashes| {
        let image = image(&[topic("t", id(1), &vec![vec![NodeId(0)]; partitions])].concat());
        hashes.of_group([Arc::from("t")].iter(), &image)
    };
    let mut hashes = TopicHashes::default();
    let one = of(1, &mut hashes);
    assert_eq!(of(2, &mut hashes), one, "it is not forgotten");
    hashes.forget("t");
    assert_ne!(of(2, &mut hashes), one);
}

fn compare(cases: &str, least: usize) {
    let mut compared = 0;
    let mut records = Vec::new();
    let mut cluster = Image::default();
    let mut hashes = TopicHashes::default();
    for line in cases.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["broker", number, rack] => {
                if number == "0" {
                    (records, hashes) = (Vec::new(), TopicHashes::default());
                }
                let rack = (rack != "-").then(|| rack.to_owned());
                records.push(broker(NodeId(number.parse().unwrap()), rack));
                cluster = Image::default();
            }
            ["topic", name, id, replicas] => {
                let partitions = replicas.split(';').map(|replicas| {
                    let replicas = replicas.split(',');
                    replicas.map(|id| NodeId(id.parse().unwrap())).collect()
                });
                let partitions: Vec<Vec<NodeId>> = partitions.collect();
                records.extend(topic(name, id.parse().unwrap(), &partitions));
            }
            ["hash", names, expected] => {
                if cluster.topic_count() == 0 {
                    cluster = image(&records);
                }
                let names = names.split(',').filter(|name| *name != "-");
                let names: Vec<Arc<str>> = names.map(Arc::from).collect();
                let found = hashes.of_group(names.iter(), &cluster);
                assert_eq!(found.to_string(), expected, "{line}");
                compared += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert!(compared >= least, "{compared}");
}

fn id(number: u128) -> TopicId {
    KafkaUuid(uuid::Uuid::from_u128(number))
}

fn image(records: &[MetadataRecord]) -> Image {
    let image = Image::default().apply(records, Offset(1), LeaderEpoch(1));
    image.unwrap().0
}

fn broker(broker_id: NodeId, rack: Option<String>) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBroker {
        broker_id,
        is_migrating_zk_broker: false,
        incarnation_id: id(50),
        broker_epoch: 1,
        endpoints: Vec::new(),
        features: Vec::new(),
        rack,
        fenced: false,
        in_controlled_shutdown: false,
        log_directories: Vec::new(),
        cordoned_log_directories: None,
    })
}

fn topic(name: &str, topic_id: TopicId, partitions: &[Vec<NodeId>]) -> Vec<MetadataRecord> {
    let partitions = (0..).zip(partitions).map(|(partition, replicas)| {
        MetadataRecord::Partition(Partition {
            partition,
            topic_id,
            replicas: replicas.clone(),
            isr: replicas.clone(),
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            leader: replicas[0],
            leader_recovery_state: 0,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            directories: vec![DirectoryId::ZERO; replicas.len()],
            eligible_leader_replicas: Vec::new(),
            last_known_elr: Vec::new(),
        })
    });
    let topic = MetadataRecord::Topic(Topic {
        name: name.to_owned(),
        topic_id,
    });
    [topic].into_iter().chain(partitions).collect()
}
