//! Golden bytes, round trips, and bytes from anywhere. The strategies serve the room's other tests.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::base::{KafkaUuid, LeaderEpoch, NodeId, ProducerId};

fn id(number: u128) -> KafkaUuid {
    KafkaUuid(uuid::Uuid::from_u128(number))
}

const ID_7: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
const ID_9: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

/// The record has exactly these bytes, both ways.
#[track_caller]
fn golden(record: &MetadataRecord, parts: &[&[u8]]) {
    let bytes = parts.concat();
    assert_eq!(record.encode(), bytes);
    assert_eq!(MetadataRecord::decode(&bytes).as_ref(), Ok(record));
}

#[test]
fn small_records_have_kafkas_bytes() {
    golden(&MetadataRecord::NoOp, &[&[1, 20, 0, 0]]);
    golden(&MetadataRecord::EndTransaction, &[&[1, 24, 0, 0]]);
    golden(
        &MetadataRecord::BeginTransaction(BeginTransaction {
            name: Some("Bootstrap records".to_owned()),
        }),
        &[&[1, 23, 0, 1, 0, 18, 18], b"Bootstrap records"],
    );
    golden(
        &MetadataRecord::Topic(Topic {
            name: "foo".to_owned(),
            topic_id: id(7),
        }),
        &[&[1, 2, 0, 4], b"foo", &ID_7, &[0]],
    );
    golden(
        &MetadataRecord::RemoveTopic(RemoveTopic { topic_id: id(7) }),
        &[&[1, 9, 0], &ID_7, &[0]],
    );
    golden(
        &MetadataRecord::FeatureLevel(FeatureLevel {
            name: "metadata.version".to_owned(),
            level: 30,
        }),
        &[&[1, 12, 0, 17], b"metadata.version", &[0, 30, 0]],
    );
    golden(
        &MetadataRecord::Config(Config {
            resource_type: 2,
            resource_name: "foo".to_owned(),
            name: "retention.ms".to_owned(),
            value: Some("-1".to_owned()),
        }),
        &[
            &[1, 4, 0, 2, 4],
            b"foo",
            &[13],
            b"retention.ms",
            &[3],
            b"-1",
            &[0],
        ],
    );
    golden(
        &MetadataRecord::ProducerIds(ProducerIds {
            broker_id: NodeId(1),
            broker_epoch: -1,
            next_producer_id: ProducerId(1_000),
        }),
        &[
            &[1, 15, 0, 0, 0, 0, 1],
            &[255; 8],
            &[0, 0, 0, 0, 0, 0, 3, 232, 0],
        ],
    );
    golden(
        &MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChange::fence(
            NodeId(1),
            5,
            Fencing::Unfence,
        )),
        &[&[1, 17, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 1, 255]],
    );
}

#[test]
fn a_partition_has_kafkas_bytes_in_version_2_and_is_read_in_version_0() {
    let mut partition = Partition {
        partition: 3,
        topic_id: id(7),
        replicas: vec![NodeId(1), NodeId(2)],
        isr: vec![NodeId(1)],
        removing_replicas: Vec::new(),
        adding_replicas: Vec::new(),
        leader: NodeId(1),
        leader_recovery_state: 0,
        leader_epoch: LeaderEpoch(4),
        partition_epoch: 6,
        directories: vec![id(9), id(0)],
        eligible_leader_replicas: vec![NodeId(2)],
        last_known_elr: Vec::new(),
    };
    let common: &[&[u8]] = &[
        &[0, 0, 0, 3],
        &ID_7,
        &[3, 0, 0, 0, 1, 0, 0, 0, 2],
        &[2, 0, 0, 0, 1],
        &[1, 1],
        &[0, 0, 0, 1],
        &[0, 0, 0, 4],
        &[0, 0, 0, 6],
    ];
    let common = common.concat();
    golden(
        &MetadataRecord::Partition(partition.clone()),
        &[
            &[1, 3, 2],
            &common,
            &[3],
            &ID_9,
            &[0; 16],
            &[1, 1, 5, 2, 0, 0, 0, 2],
        ],
    );
    let version_0 = [&[1, 3, 0], common.as_slice(), &[1, 0, 1, 1]].concat();
    partition.directories.clear();
    partition.eligible_leader_replicas.clear();
    partition.leader_recovery_state = 1;
    assert_eq!(
        MetadataRecord::decode(&version_0),
        Ok(MetadataRecord::Partition(partition))
    );
}

#[test]
fn a_partition_change_carries_only_what_changes() {
    let none = PartitionChange::none(id(7), 1);
    golden(
        &MetadataRecord::PartitionChange(PartitionChange {
            leader: Some(NodeId::NONE),
            ..none.clone()
        }),
        &[
            &[1, 5, 2, 0, 0, 0, 1],
            &ID_7,
            &[1, 1, 4, 255, 255, 255, 255],
        ],
    );
    golden(
        &MetadataRecord::PartitionChange(PartitionChange {
            isr: Some(vec![NodeId(2)]),
            leader: Some(NodeId(2)),
            leader_recovery_state: Some(1),
            directories: Some(vec![id(9)]),
            ..none
        }),
        &[
            &[1, 5, 2, 0, 0, 0, 1],
            &ID_7,
            &[4, 0, 5, 2, 0, 0, 0, 2, 1, 4, 0, 0, 0, 2, 5, 1, 1, 8, 17, 2],
            &ID_9,
        ],
    );
}

#[test]
fn a_registration_has_kafkas_bytes_in_version_4() {
    golden(
        &MetadataRecord::RegisterBroker(RegisterBroker {
            broker_id: NodeId(1),
            is_migrating_zk_broker: false,
            incarnation_id: id(7),
            broker_epoch: 2,
            endpoints: vec![Endpoint {
                name: "PLAINTEXT".to_owned(),
                host: "h".to_owned(),
                port: 9092,
                security_protocol: 0,
            }],
            features: vec![SupportedFeature {
                name: "f".to_owned(),
                minimum: 7,
                maximum: 30,
            }],
            rack: None,
            fenced: true,
            in_controlled_shutdown: false,
            log_directories: vec![id(9)],
            cordoned_log_directories: Some(Vec::new()),
        }),
        &[
            &[1, 0, 4, 0, 0, 0, 1, 0],
            &ID_7,
            &[0, 0, 0, 0, 0, 0, 0, 2],
            &[2, 10],
            b"PLAINTEXT",
            &[2, b'h', 0x23, 0x84, 0, 0, 0],
            &[2, 2, b'f', 0, 7, 0, 30, 0],
            &[0, 1, 0],
            &[2, 0, 17, 2],
            &ID_9,
            &[1, 1, 1],
        ],
    );
}

#[test]
fn what_is_not_known_is_kept_and_what_cannot_be_read_is_refused() {
    let acl_removal = [&[1, 19, 0], ID_7.as_slice(), &[0]].concat();
    let record = MetadataRecord::decode(&acl_removal);
    assert!(matches!(&record, Ok(MetadataRecord::Unknown(kept)) if kept.record_type == 19));
    assert_eq!(record.map(|record| record.encode()), Ok(acl_removal));

    let decode = MetadataRecord::decode;
    assert_eq!(decode(&[0, 20, 0, 0]), Err(DecodeError::FrameVersion(0)));
    for (record_type, version) in [(13, 0), (30, 0), (127, 1), (18, 9)] {
        let kept = decode(&[1, record_type, version, 7, 8]).unwrap();
        let unmodelled = Unmodelled {
            record_type: u32::from(record_type),
            version: u32::from(version),
            bytes: vec![7, 8],
        };
        assert_eq!(kept, MetadataRecord::Unknown(unmodelled));
        assert_eq!(kept.encode(), [1, record_type, version, 7, 8]);
    }
    assert_eq!(
        decode(&[1, 12, 1]),
        Err(DecodeError::Version {
            name: "FeatureLevelRecord",
            version: 1
        })
    );
    let encoding = |error| Err(DecodeError::Encoding(error));
    assert_eq!(
        decode(&[1, 20, 0, 0, 0]),
        encoding(schema::DecodeError::LeftOver(1))
    );
    assert_eq!(
        decode(&[1, 2, 0, 250]),
        encoding(schema::DecodeError::Truncated { wanted: 1, left: 0 })
    );
    assert_eq!(decode(&[1, 2, 0, 0]), encoding(schema::DecodeError::Null));
    assert_eq!(
        decode(&[1, 2, 0, 2, 0xff]),
        encoding(schema::DecodeError::Text)
    );
}

#[test]
fn a_tag_of_a_newer_release_is_skipped() {
    let bytes = [&[1, 9, 0], ID_7.as_slice(), &[1, 42, 3, 1, 2, 3]].concat();
    let record = MetadataRecord::RemoveTopic(RemoveTopic { topic_id: id(7) });
    assert_eq!(MetadataRecord::decode(&bytes), Ok(record));
}

fn any_id() -> impl Strategy<Value = KafkaUuid> {
    any::<u128>().prop_map(id)
}

fn any_node() -> impl Strategy<Value = NodeId> {
    (-1..20_i32).prop_map(NodeId)
}

fn nodes() -> impl Strategy<Value = Vec<NodeId>> {
    vec(any_node(), 0..4)
}

fn text() -> impl Strategy<Value = String> {
    ".{0,12}"
}

fn endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
    let endpoint =
        (text(), text(), any::<u16>(), any::<i16>()).prop_map(|(name, host, port, protocol)| {
            Endpoint {
                name,
                host,
                port,
                security_protocol: protocol,
            }
        });
    vec(endpoint, 0..3)
}

fn features() -> impl Strategy<Value = Vec<SupportedFeature>> {
    let feature = (text(), any::<i16>(), any::<i16>()).prop_map(|(name, minimum, maximum)| {
        SupportedFeature {
            name,
            minimum,
            maximum,
        }
    });
    vec(feature, 0..3)
}

fn registration() -> impl Strategy<Value = RegisterBroker> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let identity = (any_node(), any_id(), any::<i64>(), option::of(text()));
    let directories = (vec(any_id(), 0..3), option::of(vec(any_id(), 0..3)));
    (identity, endpoints(), features(), flags, directories).prop_map(
        |(identity, endpoints, features, flags, directories)| RegisterBroker {
            broker_id: identity.0,
            is_migrating_zk_broker: flags.0,
            incarnation_id: identity.1,
            broker_epoch: identity.2,
            endpoints,
            features,
            rack: identity.3,
            fenced: flags.1,
            in_controlled_shutdown: flags.2,
            log_directories: directories.0,
            cordoned_log_directories: directories.1,
        },
    )
}

fn registration_change() -> impl Strategy<Value = BrokerRegistrationChange> {
    let fencing = prop_oneof![
        Just(Fencing::Unchanged),
        Just(Fencing::Fence),
        Just(Fencing::Unfence)
    ];
    let directories = (vec(any_id(), 0..3), option::of(vec(any_id(), 0..3)));
    (
        any_node(),
        any::<i64>(),
        fencing,
        any::<bool>(),
        directories,
    )
        .prop_map(
            |(broker_id, broker_epoch, fencing, begins_controlled_shutdown, directories)| {
                BrokerRegistrationChange {
                    broker_id,
                    broker_epoch,
                    fencing,
                    begins_controlled_shutdown,
                    log_directories: directories.0,
                    cordoned_log_directories: directories.1,
                }
            },
        )
}

fn partition() -> impl Strategy<Value = Partition> {
    let epochs = (any::<i32>(), any::<i32>(), any::<i8>());
    (
        (any::<i32>(), any_id(), any_node()),
        vec(nodes(), 6),
        epochs,
        vec(any_id(), 0..3),
    )
        .prop_map(
            |((partition, topic_id, leader), lists, epochs, directories)| {
                let mut lists = lists.into_iter();
                let mut list = || lists.next().unwrap_or_default();
                Partition {
                    partition,
                    topic_id,
                    replicas: list(),
                    isr: list(),
                    removing_replicas: list(),
                    adding_replicas: list(),
                    leader,
                    leader_recovery_state: epochs.2,
                    leader_epoch: LeaderEpoch(epochs.0),
                    partition_epoch: epochs.1,
                    directories,
                    eligible_leader_replicas: list(),
                    last_known_elr: list(),
                }
            },
        )
}

fn partition_change() -> impl Strategy<Value = PartitionChange> {
    let lists = vec(option::of(nodes()), 6);
    let directories = option::of(vec(any_id(), 0..3));
    (
        any::<i32>(),
        any_id(),
        option::of(any_node()),
        lists,
        option::of(0..3_i8),
        directories,
    )
        .prop_map(
            |(partition, topic_id, leader, lists, leader_recovery_state, directories)| {
                let mut lists = lists.into_iter();
                let mut list = || lists.next().flatten();
                PartitionChange {
                    partition,
                    topic_id,
                    isr: list(),
                    leader,
                    replicas: list(),
                    removing_replicas: list(),
                    adding_replicas: list(),
                    leader_recovery_state,
                    directories,
                    eligible_leader_replicas: list(),
                    last_known_elr: list(),
                }
            },
        )
}

/// Types of records that are kept unread, those of Kafka's and one that is not.
const UNMODELLED: [u32; 9] = [10, 11, 14, 18, 19, 21, 22, 26, 10_001];

/// A record that is kept unread, of any kind.
pub(crate) fn unmodelled() -> impl Strategy<Value = Unmodelled> {
    (
        proptest::sample::select(&UNMODELLED[..]),
        0..3_u32,
        vec(any::<u8>(), 0..20),
    )
        .prop_map(|(record_type, version, bytes)| Unmodelled {
            record_type,
            version,
            bytes,
        })
}

/// Any record.
pub(crate) fn any_record() -> impl Strategy<Value = MetadataRecord> {
    use MetadataRecord as R;
    let of_broker = || (any_node(), any::<i64>());
    prop_oneof![
        registration().prop_map(R::RegisterBroker),
        registration_change().prop_map(R::BrokerRegistrationChange),
        of_broker().prop_map(|(broker_id, broker_epoch)| {
            R::UnregisterBroker(UnregisterBroker {
                broker_id,
                broker_epoch,
            })
        }),
        of_broker().prop_map(|(broker_id, broker_epoch)| {
            R::FenceBroker(FenceBroker {
                broker_id,
                broker_epoch,
            })
        }),
        of_broker().prop_map(|(broker_id, broker_epoch)| {
            R::UnfenceBroker(UnfenceBroker {
                broker_id,
                broker_epoch,
            })
        }),
        (text(), any_id()).prop_map(|(name, topic_id)| R::Topic(Topic { name, topic_id })),
        partition().prop_map(R::Partition),
        partition_change().prop_map(R::PartitionChange),
        any_id().prop_map(|topic_id| R::RemoveTopic(RemoveTopic { topic_id })),
        text().prop_map(|topic_name| R::ClearElr(ClearElr { topic_name })),
        (any::<i8>(), text(), text(), option::of(text())).prop_map(
            |(resource_type, resource_name, name, value)| {
                R::Config(Config {
                    resource_type,
                    resource_name,
                    name,
                    value,
                })
            }
        ),
        (text(), any::<i16>())
            .prop_map(|(name, level)| R::FeatureLevel(FeatureLevel { name, level })),
        (any_node(), any::<i64>(), any::<i64>()).prop_map(|(broker_id, broker_epoch, next)| {
            R::ProducerIds(ProducerIds {
                broker_id,
                broker_epoch,
                next_producer_id: ProducerId(next),
            })
        }),
        option::of(text()).prop_map(|name| R::BeginTransaction(BeginTransaction { name })),
        option::of(text()).prop_map(|reason| R::AbortTransaction(AbortTransaction { reason })),
        (any_node(), any_id(), any::<bool>(), endpoints(), features()).prop_map(
            |(controller_id, incarnation_id, zk_migration_ready, endpoints, features)| {
                R::RegisterController(RegisterController {
                    controller_id,
                    incarnation_id,
                    zk_migration_ready,
                    endpoints,
                    features,
                })
            }
        ),
        any_node().prop_map(|controller_id| {
            R::UnregisterController(UnregisterController { controller_id })
        }),
        Just(R::NoOp),
        Just(R::EndTransaction),
        unmodelled().prop_map(R::Unknown),
    ]
}

proptest! {
    #[test]
    fn every_record_survives_its_bytes(record in any_record()) {
        prop_assert_eq!(MetadataRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn bytes_from_anywhere_do_not_panic(
        bytes in vec(any::<u8>(), 0..200),
        record_type in 0..30_u8,
    ) {
        let _ = MetadataRecord::decode(&bytes);
        let framed = [&[1, record_type, 0], bytes.as_slice()].concat();
        if let Ok(record) = MetadataRecord::decode(&framed) {
            prop_assert_eq!(MetadataRecord::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn damaged_records_do_not_panic(
        record in any_record(),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = record.encode();
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        if let Ok(record) = MetadataRecord::decode(&bytes) {
            prop_assert_eq!(MetadataRecord::decode(&record.encode()), Ok(record));
        }
        bytes.truncate(place);
        let _ = MetadataRecord::decode(&bytes);
    }
}
