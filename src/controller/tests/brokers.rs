//! Brokers, leaders, producer ids, features.

use super::*;
use crate::base::ProducerId;
use crate::metadata::features::METADATA_VERSION_4_4_IV2;
use crate::metadata::record::{FeatureLevel, PartitionChange, SupportedFeature};

#[test]
fn a_broker_is_fenced_until_it_is_ready_and_its_epoch_is_an_offset() {
    let mut world = World::new(&[]);
    let expected = world.next_offset();
    let epoch = world.run(&World::registration(1, 1)).unwrap();
    assert_eq!(epoch, expected.0);
    let broker = world.image.broker(NodeId(1)).unwrap();
    assert!(broker.fenced && broker.epoch == epoch && broker.directories == [directory(1)]);
    assert_eq!(broker.endpoint("PLAINTEXT").unwrap().port, 9092);
    world.unfence(1, epoch).unwrap();
    assert!(world.image.is_active(NodeId(1)));

    let offset = world.image.offset();
    world.unfence(1, epoch).unwrap();
    assert_eq!(world.image.offset(), offset, "there was nothing to write");
    let code = ErrorCode::STALE_BROKER_EPOCH;
    refused(
        world.unfence(2, 0),
        code,
        "No broker registration found for broker id 2",
    );
    refused(
        world.fence(1, 77),
        code,
        &format!("Expected broker epoch {epoch}, but got broker epoch 77"),
    );
}

#[test]
fn after_a_restart_the_broker_leads_in_a_new_epoch() {
    let mut world = World::with_brokers(&[1]);
    world.create(sized("a", 2, 1)).unwrap();
    let first = world.image.broker(NodeId(1)).unwrap().epoch;

    let second = world.run(&World::registration(1, 2)).unwrap();
    assert!(second > first);
    assert_eq!(world.leadership("a", 1), (-1, 1, 1));
    assert_eq!(
        world.image.topic("a").unwrap().partition(1).unwrap().isr,
        [NodeId(1)]
    );
    world.unfence(1, second).unwrap();
    assert_eq!(world.leadership("a", 0), (1, 2, 2));
    assert_eq!(world.leadership("a", 1), (1, 2, 2));

    let same = world.run(&World::registration(1, 2)).unwrap();
    assert_eq!(same, second, "the same incarnation keeps its registration");
    assert!(world.image.is_active(NodeId(1)));
    assert_eq!(world.leadership("a", 0), (1, 2, 2));

    world.fence(1, second).unwrap();
    assert_eq!(world.leadership("a", 0), (-1, 3, 3));
    let third = world.start(1, 3).unwrap();
    assert!(third > second);
    assert_eq!(world.leadership("a", 0), (1, 4, 4));
}

#[test]
fn a_replica_in_sync_takes_over_and_the_last_one_stays_in_sync() {
    let mut world = World::with_brokers(&[1, 2]);
    world.create(assigned("a", &[(0, &[1, 2])])).unwrap();
    let epoch = |world: &World, broker| world.image.broker(NodeId(broker)).unwrap().epoch;
    let (one, two) = (epoch(&world, 1), epoch(&world, 2));
    world.fence(1, one).unwrap();
    assert_eq!(world.leadership("a", 0), (2, 1, 1));
    world.fence(2, two).unwrap();
    assert_eq!(world.leadership("a", 0), (-1, 2, 2));
    let isr = |world: &World| {
        world
            .image
            .topic("a")
            .unwrap()
            .partition(0)
            .unwrap()
            .isr
            .clone()
    };
    assert_eq!(isr(&world), [NodeId(2)]);
    world.unfence(1, one).unwrap();
    assert_eq!(
        world.leadership("a", 0),
        (-1, 2, 2),
        "broker 1 may lack acknowledged records"
    );
    world.unfence(2, two).unwrap();
    assert_eq!(world.leadership("a", 0), (2, 3, 3));
}

#[test]
fn an_unclean_leader_is_chosen_only_where_it_is_allowed() {
    let mut world = World::with_brokers(&[1, 2]);
    let unclean = NewTopic {
        configs: vec![(
            "unclean.leader.election.enable".to_owned(),
            Some("true".to_owned()),
        )],
        ..assigned("a", &[(0, &[1, 2])])
    };
    world.create(unclean).unwrap();
    let epoch = |world: &World, broker| world.image.broker(NodeId(broker)).unwrap().epoch;
    let (one, two) = (epoch(&world, 1), epoch(&world, 2));
    world.fence(2, two).unwrap();
    world.fence(1, one).unwrap();
    assert_eq!(world.leadership("a", 0).0, -1);
    world.unfence(2, two).unwrap();
    let partition = world.image.topic("a").unwrap().partition(0).unwrap();
    assert_eq!(
        (partition.leader, partition.leader_recovery_state),
        (NodeId(2), 1)
    );
    assert_eq!(partition.isr, [NodeId(2)]);
}

#[test]
fn registrations_are_refused_in_kafkas_words() {
    let mut world = World::with_brokers(&[1]);
    let with = |broker, directories: Vec<DirectoryId>| RegisterBroker {
        log_directories: directories,
        ..World::registration(broker, 9)
    };
    let code = ErrorCode::INVALID_REGISTRATION;
    refused(
        world.run(&with(2, vec![])),
        code,
        "No directories specified in request",
    );
    refused(
        world.run(&with(2, vec![id(99)])),
        code,
        "Reserved directory ID in request",
    );
    refused(
        world.run(&with(2, vec![id(500); 2])),
        code,
        "Duplicate directory ID in request",
    );
    refused(
        world.run(&with(2, vec![directory(1)])),
        code,
        &format!(
            "Broker 1 is already registered with directory {}",
            directory(1)
        ),
    );
    let features = features::supported().into_iter().map(|feature| {
        let maximum = match feature.name.as_str() {
            "metadata.version" => 29,
            _ => feature.maximum,
        };
        SupportedFeature { maximum, ..feature }
    });
    let features = features.collect();
    let older = RegisterBroker {
        features,
        ..World::registration(2, 9)
    };
    refused(
        world.run(&older),
        ErrorCode::UNSUPPORTED_VERSION,
        "Unable to register because the broker does not support finalized version 33 of metadata.version. \
         The broker wants a version between 7 and 29, inclusive.",
    );
}

#[test]
fn levels_that_kafka_finalized_stay_and_clients_do_not_see_them() {
    let mut world = World::new(&[]);
    let level = |name: &str, level| {
        MetadataRecord::FeatureLevel(FeatureLevel {
            name: name.to_owned(),
            level,
        })
    };
    world.replay(vec![
        level("transaction.version", 1),
        level("share.version", 1),
        level("eligible.leader.replicas.version", 1),
    ]);
    world.start(1, 1).unwrap();
    assert_eq!(world.image.features().len(), 5);
    assert_eq!(
        features::served(&world.image),
        [
            ("group.version", 1),
            ("metadata.version", METADATA_VERSION_4_4_IV2),
            ("transaction.version", 1)
        ]
    );
    assert!(features::check_metadata_version(&world.image).is_ok());

    world.replay(vec![level(
        "metadata.version",
        METADATA_VERSION_4_4_IV2 + 1,
    )]);
    assert!(features::check_metadata_version(&world.image).is_err());
    world.replay(vec![
        level("metadata.version", METADATA_VERSION_4_4_IV2),
        level("feature.of.the.future", 1),
    ]);
    assert_eq!(
        world.run(&World::registration(1, 1)).unwrap_err().code,
        ErrorCode::UNSUPPORTED_VERSION
    );
}

/// What Kafka leaves of a partition whose only replica has stopped, when eligible leader replicas are on.
#[test]
fn who_is_eligible_leads_when_nobody_is_in_sync() {
    for (eligible, last_known, recovery) in
        [(vec![NodeId(1)], vec![], 0), (vec![], vec![NodeId(1)], 1)]
    {
        let mut world = World::with_brokers(&[1]);
        world.create(sized("a", 1, 1)).unwrap();
        let change = PartitionChange {
            isr: Some(Vec::new()),
            leader: Some(NodeId::NONE),
            eligible_leader_replicas: Some(eligible),
            last_known_elr: Some(last_known),
            ..PartitionChange::none(world.image.topic("a").unwrap().id, 0)
        };
        world.replay(vec![MetadataRecord::PartitionChange(change)]);
        world.start(1, 2).unwrap();
        let partition = world.image.topic("a").unwrap().partition(0).unwrap();
        assert_eq!(partition.leader, NodeId(1));
        assert_eq!(partition.isr, [NodeId(1)]);
        assert_eq!(partition.leader_recovery_state, recovery);
        assert!(
            partition.eligible_leader_replicas.is_empty() && partition.last_known_elr.is_empty()
        );
    }
}

#[test]
fn producer_ids_come_in_blocks_that_never_repeat() {
    let mut world = World::with_brokers(&[1]);
    let broker_epoch = world.image.broker(NodeId(1)).unwrap().epoch;
    let mut allocate = |broker_epoch| {
        let command = AllocateProducerIds {
            broker_id: NodeId(1),
            broker_epoch,
        };
        world.run(&command)
    };
    assert_eq!(
        allocate(broker_epoch),
        Ok(ProducerIdBlock {
            first: ProducerId(0),
            count: 1_000
        })
    );
    assert_eq!(allocate(broker_epoch).unwrap().first, ProducerId(1_000));
    assert_eq!(
        allocate(broker_epoch + 1).unwrap_err().code,
        ErrorCode::STALE_BROKER_EPOCH
    );
    assert_eq!(allocate(broker_epoch).unwrap().first, ProducerId(2_000));

    let exhausted = crate::metadata::record::ProducerIds {
        broker_id: NodeId(1),
        broker_epoch,
        next_producer_id: ProducerId(i64::MAX - 999),
    };
    world.replay(vec![MetadataRecord::ProducerIds(exhausted)]);
    let command = AllocateProducerIds {
        broker_id: NodeId(1),
        broker_epoch,
    };
    let reply = world.run(&command);
    assert_eq!(reply.unwrap_err().code, ErrorCode::UNKNOWN_SERVER_ERROR);
}
