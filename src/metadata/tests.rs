//! The room as a whole: records to images, deltas, transactions, snapshots.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::record::tests::any_record;
use super::record::{
    AbortTransaction, BeginTransaction, BrokerRegistrationChange, ClearElr, Config, FeatureLevel,
    Fencing, Partition, PartitionChange, ProducerIds, RegisterBroker, RemoveTopic, Topic,
    Unmodelled,
};
use super::*;
use crate::base::{DirectoryId, KafkaUuid, LeaderEpoch, NodeId, Offset, ProducerId, TopicId};

const EPOCH: LeaderEpoch = LeaderEpoch(3);
const BROKER: NodeId = NodeId(1);

fn id(number: u128) -> KafkaUuid {
    KafkaUuid(uuid::Uuid::from_u128(number))
}

fn topic(name: &str, number: u128) -> MetadataRecord {
    MetadataRecord::Topic(Topic {
        name: name.to_owned(),
        topic_id: id(number),
    })
}

fn partition(topic: u128, partition: i32) -> MetadataRecord {
    MetadataRecord::Partition(Partition {
        partition,
        topic_id: id(topic),
        replicas: vec![BROKER],
        isr: vec![BROKER],
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader: BROKER,
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        directories: vec![id(900)],
        eligible_leader_replicas: Vec::new(),
        last_known_elr: Vec::new(),
    })
}

fn remove(topic: u128) -> MetadataRecord {
    MetadataRecord::RemoveTopic(RemoveTopic {
        topic_id: id(topic),
    })
}

fn change(topic: u128, partition: i32, leader: Option<NodeId>) -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChange {
        leader,
        ..PartitionChange::none(id(topic), partition)
    })
}

fn config(
    resource_type: ConfigResourceType,
    name: &str,
    key: &str,
    value: Option<&str>,
) -> MetadataRecord {
    MetadataRecord::Config(Config {
        resource_type: resource_type.0,
        resource_name: name.to_owned(),
        name: key.to_owned(),
        value: value.map(str::to_owned),
    })
}

fn registration(epoch: i64) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBroker {
        broker_id: BROKER,
        is_migrating_zk_broker: false,
        incarnation_id: id(50),
        broker_epoch: epoch,
        endpoints: Vec::new(),
        features: Vec::new(),
        rack: Some("here".to_owned()),
        fenced: true,
        in_controlled_shutdown: false,
        log_directories: vec![id(900)],
        cordoned_log_directories: None,
    })
}

fn fencing(epoch: i64, fencing: Fencing) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChange::fence(
        BROKER, epoch, fencing,
    ))
}

fn level(name: &str, level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel(FeatureLevel {
        name: name.to_owned(),
        level,
    })
}

fn producer_ids(next: i64) -> MetadataRecord {
    MetadataRecord::ProducerIds(ProducerIds {
        broker_id: BROKER,
        broker_epoch: 0,
        next_producer_id: ProducerId(next),
    })
}

fn unknown(record_type: u32, byte: u8) -> MetadataRecord {
    MetadataRecord::Unknown(Unmodelled {
        record_type,
        version: 0,
        bytes: vec![byte],
    })
}

#[track_caller]
fn apply(image: &Image, records: &[MetadataRecord]) -> (Image, Delta) {
    let offset = image.offset().plus(i64::try_from(records.len()).unwrap());
    image.apply(records, offset, EPOCH).unwrap()
}

/// Some of everything.
fn furnished() -> Image {
    let records = [
        level("other.version", 1),
        level("metadata.version", 30),
        registration(2),
        fencing(2, Fencing::Unfence),
        topic("b", 7),
        partition(7, 1),
        partition(7, 0),
        config(ConfigResourceType::TOPIC, "b", "retention.ms", Some("5")),
        config(
            ConfigResourceType::BROKER,
            "",
            "log.retention.ms",
            Some("9"),
        ),
        topic("a", 8),
        partition(8, 0),
        unknown(18, 1),
        unknown(14, 2),
        unknown(19, 3),
        unknown(21, 4),
        producer_ids(2_000),
    ];
    apply(&Image::default(), &records).0
}

#[test]
fn an_image_shows_what_the_records_said() {
    let image = furnished();
    assert_eq!(image.offset(), Offset(15));
    assert_eq!(image.metadata_version(), Some(30));
    assert_eq!(
        image.topics().map(|topic| &*topic.name).collect::<Vec<_>>(),
        ["a", "b"]
    );
    let b = image.topic("b").unwrap();
    assert_eq!((b.id, b.partitions.len()), (id(7), 2));
    assert!(Arc::ptr_eq(b, image.topic_by_id(id(7)).unwrap()));
    assert_eq!(
        image
            .topic_configs("b")
            .get("retention.ms")
            .map(String::as_str),
        Some("5")
    );
    assert!(image.topic_configs("a").is_empty());
    assert_eq!(image.configs(ConfigResourceType::BROKER, "").len(), 1);
    assert!(image.is_active(BROKER));
    assert_eq!(image.next_producer_id(), ProducerId(2_000));
}

#[test]
fn a_change_of_one_topic_shares_all_others() {
    let before = furnished();
    let (after, delta) = apply(
        &before,
        &[change(7, 1, Some(NodeId::NONE)), change(7, 1, None)],
    );
    let changed = after.topic("b").unwrap().partition(1).unwrap();
    assert_eq!(
        (
            changed.leader,
            changed.leader_epoch,
            changed.partition_epoch
        ),
        (NodeId::NONE, LeaderEpoch(1), 2)
    );
    assert_eq!(
        before.topic("b").unwrap().partition(1).unwrap().leader,
        BROKER
    );
    assert!(Arc::ptr_eq(
        before.topic("a").unwrap(),
        after.topic("a").unwrap()
    ));
    assert!(Arc::ptr_eq(
        after.topic("b").unwrap(),
        &delta.created_or_changed_topics[0]
    ));
    assert_eq!(delta.created_or_changed_topics.len(), 1);
    assert!(delta.changed_configs.is_empty() && delta.changed_brokers.is_empty());
}

#[test]
fn a_topic_that_is_deleted_and_created_again_is_in_both_lists() {
    let before = furnished();
    let (after, delta) = apply(&before, &[remove(7), topic("b", 9), partition(9, 0)]);
    assert_eq!(after.topic("b").unwrap().id, id(9));
    assert!(after.topic_by_id(id(7)).is_none() && after.topic_configs("b").is_empty());
    assert_eq!(
        delta
            .deleted_topics
            .iter()
            .map(|topic| topic.id)
            .collect::<Vec<_>>(),
        [id(7)]
    );
    assert_eq!(
        delta
            .created_or_changed_topics
            .iter()
            .map(|topic| topic.id)
            .collect::<Vec<_>>(),
        [id(9)]
    );
    assert_eq!(delta.changed_configs, ["b"]);

    let (same, delta) = apply(&before, &[topic("c", 9), partition(9, 0), remove(9)]);
    assert!(delta.is_empty() && same.topic("c").is_none() && same.topic_by_id(id(9)).is_none());
}

#[test]
fn a_removed_override_leaves_nothing_behind() {
    let before = furnished();
    let (after, delta) = apply(
        &before,
        &[config(
            ConfigResourceType::BROKER,
            "",
            "log.retention.ms",
            None,
        )],
    );
    assert_eq!(after.all_configs().count(), 1);
    assert_eq!(
        delta.changed_other_configs,
        [ConfigResource {
            resource_type: ConfigResourceType::BROKER,
            name: String::new()
        }]
    );
    let (after, delta) = apply(&after, &[level("other.version", 0)]);
    assert_eq!(
        after.features().keys().collect::<Vec<_>>(),
        ["metadata.version"]
    );
    assert_eq!(delta.changed_features, ["other.version"]);
}

#[test]
fn eligible_leaders_are_forgotten_where_there_are_any() {
    let before = furnished();
    let mut eligible = PartitionChange::none(id(7), 0);
    eligible.eligible_leader_replicas = Some(vec![NodeId(2)]);
    let (before, _) = apply(&before, &[MetadataRecord::PartitionChange(eligible)]);
    let (after, delta) = apply(
        &before,
        &[MetadataRecord::ClearElr(ClearElr {
            topic_name: String::new(),
        })],
    );
    assert!(
        after
            .topic("b")
            .unwrap()
            .partition(0)
            .unwrap()
            .eligible_leader_replicas
            .is_empty()
    );
    assert_eq!(delta.created_or_changed_topics.len(), 1);
}

#[test]
fn records_that_contradict_the_image_are_refused() {
    let image = furnished();
    let refused =
        |records: &[MetadataRecord]| image.apply(records, Offset(99), EPOCH).err().unwrap();
    let taken = |name: &str, number| ApplyError::TopicExists {
        name: name.to_owned(),
        id: id(number),
    };
    assert_eq!(refused(&[topic("b", 9)]), taken("b", 9));
    assert_eq!(refused(&[topic("c", 7)]), taken("c", 7));
    assert_eq!(refused(&[topic("c", 9), topic("c", 10)]), taken("c", 10));
    assert_eq!(refused(&[topic("c", 9), topic("d", 9)]), taken("d", 9));
    assert_eq!(refused(&[remove(9)]), ApplyError::NoSuchTopic(id(9)));
    assert_eq!(refused(&[partition(9, 0)]), ApplyError::NoSuchTopic(id(9)));
    assert_eq!(
        refused(&[change(7, 2, None)]),
        ApplyError::NoSuchPartition {
            topic_id: id(7),
            partition: 2
        }
    );
    assert_eq!(
        refused(&[partition(7, 3)]),
        ApplyError::PartitionGap("b".into())
    );
    assert_eq!(
        refused(&[partition(7, -1)]),
        ApplyError::PartitionGap("b".into())
    );
    let mut directories = PartitionChange::none(id(7), 0);
    directories.directories = Some(vec![DirectoryId::ZERO; 2]);
    assert_eq!(
        refused(&[MetadataRecord::PartitionChange(directories)]),
        ApplyError::Directories {
            topic_id: id(7),
            partition: 0
        }
    );
    assert_eq!(
        refused(&[fencing(1, Fencing::Fence)]),
        ApplyError::BrokerEpoch {
            broker: BROKER,
            registered: 2,
            found: 1
        }
    );
    assert_eq!(
        refused(&[producer_ids(1_999)]),
        ApplyError::ProducerIdsGoBack {
            from: 2_000,
            to: 1_999
        }
    );
    assert_eq!(
        refused(&[MetadataRecord::EndTransaction]),
        ApplyError::TransactionMarker
    );
    assert_eq!(
        refused(&[MetadataRecord::ClearElr(ClearElr {
            topic_name: "x".to_owned()
        })]),
        ApplyError::NoSuchTopicName("x".to_owned())
    );
}

/// The image that a snapshot of `image` brings about.
fn through_snapshot(image: &Image) -> Image {
    let records: Vec<_> = snapshot::records(image)
        .map(|record| MetadataRecord::decode(&record.encode()).unwrap())
        .collect();
    Image::default()
        .apply(&records, image.offset(), image.epoch())
        .unwrap()
        .0
}

#[test]
fn a_snapshot_is_in_kafkas_order_and_brings_the_image_back() {
    let image = furnished();
    assert_eq!(through_snapshot(&image), image);
    let records: Vec<_> = snapshot::records(&image).collect();
    assert_eq!(records[0], level("metadata.version", 30));
    let types: Vec<u32> = records
        .iter()
        .map(|record| u32::from(record.encode()[1]))
        .collect();
    assert_eq!(types, [12, 12, 21, 0, 2, 3, 2, 3, 3, 4, 4, 14, 15, 18, 19]);
}

#[test]
fn a_transaction_becomes_visible_as_a_whole_or_not_at_all() {
    let begin = || MetadataRecord::BeginTransaction(BeginTransaction::default());
    let mut offset = Offset(-1);
    let mut loader = Loader::new(Image::default());
    let mut feed = |loader: &mut Loader, record| {
        offset = offset.next();
        loader.feed(record, offset, EPOCH)
    };
    feed(&mut loader, topic("a", 1)).unwrap();
    feed(&mut loader, begin()).unwrap();
    feed(&mut loader, topic("b", 2)).unwrap();
    let (image, delta) = loader.publish().unwrap();
    assert_eq!((image.offset(), image.topic_count()), (Offset(0), 1));
    assert_eq!(delta.created_or_changed_topics.len(), 1);
    assert!(loader.is_in_transaction());

    feed(&mut loader, partition(2, 0)).unwrap();
    feed(&mut loader, MetadataRecord::EndTransaction).unwrap();
    let (image, delta) = loader.publish().unwrap();
    assert_eq!((image.offset(), image.topic_count()), (Offset(4), 2));
    assert_eq!(delta.created_or_changed_topics.len(), 1);

    feed(&mut loader, begin()).unwrap();
    feed(&mut loader, remove(1)).unwrap();
    feed(
        &mut loader,
        MetadataRecord::AbortTransaction(AbortTransaction::default()),
    )
    .unwrap();
    loader.skip_to(Offset(8), EPOCH);
    let (image, delta) = loader.publish().unwrap();
    assert_eq!((image.offset(), image.topic_count()), (Offset(8), 2));
    assert!(delta.is_empty());
    assert_eq!(loader.published(), &image);

    assert_eq!(
        loader.feed(MetadataRecord::EndTransaction, Offset(9), EPOCH),
        Err(LoadError::NoTransaction(Offset(9)))
    );
    loader.feed(begin(), Offset(9), EPOCH).unwrap();
    assert_eq!(
        loader.feed(begin(), Offset(10), EPOCH),
        Err(LoadError::NestedTransaction(Offset(10)))
    );
}

/// Records about a few topics, so that many of them fit each other.
fn plausible() -> impl Strategy<Value = MetadataRecord> {
    let number = 1..4_u128;
    let name = || prop::sample::select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        3 => (name(), number.clone()).prop_map(|(name, number)| topic(name, number)),
        4 => (number.clone(), 0..3).prop_map(|(number, index)| partition(number, index)),
        3 => (number.clone(), 0..3, -1..3).prop_map(|(number, index, leader)| {
            change(number, index, Some(NodeId(leader)))
        }),
        1 => number.prop_map(remove),
        2 => (name(), proptest::option::of("[a-c]")).prop_map(|(name, value)| {
            config(ConfigResourceType::TOPIC, name, "key", value.as_deref())
        }),
        1 => (0..3_i64).prop_map(registration),
        1 => (0..3_i64, any::<bool>()).prop_map(|(epoch, up)| {
            fencing(epoch, if up { Fencing::Fence } else { Fencing::Unfence })
        }),
        1 => (0..5_i64).prop_map(|next| producer_ids(next * 1_000)),
        2 => any_record(),
    ]
}

proptest! {
    /// Batch by batch, all at once, or by way of a snapshot in between: the same image.
    #[test]
    fn the_image_does_not_depend_on_how_the_log_was_read(
        records in vec(plausible(), 0..60),
        snapshot_at in 0..60_usize,
    ) {
        let mut image = Image::default();
        let mut accepted = Vec::new();
        let mut at_snapshot = Image::default();
        for record in records {
            let next = image.offset().next();
            if let Ok((applied, _)) = image.apply(std::slice::from_ref(&record), next, EPOCH) {
                image = applied;
                accepted.push(record);
                if accepted.len() == snapshot_at {
                    at_snapshot = image.clone();
                }
            }
        }
        for topic in image.topics() {
            prop_assert!(Arc::ptr_eq(topic, image.topic_by_id(topic.id).unwrap()));
        }
        prop_assert_eq!(&through_snapshot(&image), &image);

        let mut loader = Loader::new(through_snapshot(&at_snapshot));
        let from = usize::try_from(at_snapshot.offset().next().0).unwrap();
        for (index, record) in accepted.iter().enumerate().skip(from) {
            loader.feed(record.clone(), Offset(i64::try_from(index).unwrap()), EPOCH).unwrap();
        }
        let (loaded, _) = loader.publish().unwrap();
        prop_assert_eq!(&loaded, &image);
        let known: Vec<TopicId> = image.topics().map(|topic| topic.id).collect();
        prop_assert_eq!(loaded.topics().map(|topic| topic.id).collect::<Vec<_>>(), known);
    }
}

proptest! {
    /// The difference between two images has the changes of all records between them.
    #[test]
    fn the_difference_of_two_images_is_what_was_changed(records in vec(plausible(), 0..60)) {
        let mut image = Image::default();
        for record in records {
            let next = image.offset().next();
            let Ok((after, delta)) = image.apply(&[record], next, EPOCH) else { continue };
            let between = Delta::between(&image, &after);
            for topic in &delta.created_or_changed_topics {
                let is_told = between.created_or_changed_topics.contains(topic);
                let is_different = image.topic_by_id(topic.id) != Some(topic);
                prop_assert_eq!(is_told, is_different);
            }
            prop_assert!(between.created_or_changed_topics.len() <= delta.created_or_changed_topics.len());
            prop_assert_eq!(&between.deleted_topics, &delta.deleted_topics);
            let is_within = |name| delta.changed_configs.contains(name);
            prop_assert!(between.changed_configs.iter().all(is_within));
            let is_within = |resource| delta.changed_other_configs.contains(resource);
            prop_assert!(between.changed_other_configs.iter().all(is_within));
            let is_within = |broker| delta.changed_brokers.contains(broker);
            prop_assert!(between.changed_brokers.iter().all(is_within));
            let is_within = |feature| delta.changed_features.contains(feature);
            prop_assert!(between.changed_features.iter().all(is_within));
            for (resource_type, name, values) in after.all_configs() {
                let is_topic = resource_type == ConfigResourceType::TOPIC;
                let is_told = is_topic && between.changed_configs.iter().any(|topic| topic == name)
                    || between.changed_other_configs.iter().any(|other| {
                        other.resource_type == resource_type && other.name == name
                    });
                prop_assert_eq!(is_told, image.configs(resource_type, name) != values);
            }
            prop_assert!(Delta::between(&after, &after).is_empty());
            image = after;
        }
        let all = Delta::between(&Image::default(), &image);
        prop_assert_eq!(all.created_or_changed_topics.len(), image.topic_count());
        prop_assert_eq!(all.changed_brokers.len(), image.brokers().count());
    }
}
