//! Reassignments, elections, and unregistered brokers.

use super::*;
use crate::metadata::PartitionImage;

fn nodes(nodes: &[i32]) -> Vec<NodeId> {
    nodes.iter().copied().map(NodeId).collect()
}

/// Brokers 1, 2 and 3 with a topic of one partition; then 2 and 3 stop.
fn left_alone(replicas: &[i32]) -> World {
    let mut world = World::new(&[]);
    let epochs = [1, 2, 3].map(|broker| (broker, world.start(broker, 1).unwrap()));
    world.create(assigned("a", &[(0, replicas)])).unwrap();
    for (broker, epoch) in epochs.into_iter().skip(1) {
        world.fence(broker, epoch).unwrap();
    }
    world
}

fn partition(world: &World) -> &PartitionImage {
    world.image.topic("a").unwrap().partition(0).unwrap()
}

fn alter_with(
    world: &mut World,
    replicas: Option<&[i32]>,
    allow_replication_factor_change: bool,
) -> Result<(), ReassignmentFailure> {
    let wanted = Reassignment {
        topic: "a".into(),
        partition: 0,
        replicas: replicas.map(nodes),
    };
    let command = AlterReassignments {
        partitions: vec![wanted],
        allow_replication_factor_change,
    };
    world.run(&command).remove(0)
}

fn alter(world: &mut World, replicas: Option<&[i32]>) -> Result<(), ReassignmentFailure> {
    alter_with(world, replicas, true)
}

fn elect(world: &mut World, election: Election) -> Result<(), ElectionFailure> {
    let mut named = |partitions| {
        let Decision { records, reply } = world.decide(&ElectLeaders {
            election,
            partitions,
        });
        (reply, records)
    };
    let all = named(None);
    let (mut one, records) = named(Some(vec![TopicPartition::new("a", 0)]));
    let result = one.remove(0).1;
    let needed = result != Err(ElectionFailure::NotNeeded);
    assert_eq!((all.0.len(), &all.1), (usize::from(needed), &records));
    world.replay(records);
    result
}

#[test]
fn the_replicas_that_there_are_can_be_put_in_another_order() {
    let mut world = left_alone(&[1, 2]);
    let offset = world.image.offset();
    assert_eq!(alter(&mut world, Some(&[1, 2])), Ok(()));
    assert_eq!(world.image.offset(), offset, "there was nothing to write");
    // Broker 2 is not in sync, so that this has an end only when it comes back. What is listed meanwhile is what is added.
    let mut world = World::with_brokers(&[1, 2]);
    world.create(assigned("a", &[(0, &[1, 2])])).unwrap();
    assert_eq!(alter_with(&mut world, Some(&[2, 1]), false), Ok(()));
    let swapped = partition(&world);
    assert_eq!(swapped.replicas, nodes(&[2, 1]));
    assert_eq!(swapped.directories, [directory(2), directory(1)]);
    assert!(!swapped.is_reassigned());
    assert_eq!(world.leadership("a", 0), (1, 0, 1), "the leader stays");
}

#[test]
fn replicas_that_are_gone_can_be_taken_away_at_once() {
    let mut world = left_alone(&[2, 1, 3]);
    assert_eq!(world.leadership("a", 0).0, 1);
    let epoch = partition(&world).leader_epoch;
    assert_eq!(
        alter_with(&mut world, Some(&[1]), false),
        Err(ReassignmentFailure::ReplicationFactor { from: 3, to: 1 })
    );
    assert_eq!(alter(&mut world, Some(&[1])), Ok(()));
    let left = partition(&world);
    assert_eq!((&left.replicas, &left.isr), (&nodes(&[1]), &nodes(&[1])));
    assert_eq!(left.directories, [directory(1)]);
    assert!(!left.is_reassigned());
    assert!(left.leader_epoch > epoch, "the others are out");
}

#[test]
fn a_replica_that_is_not_in_sync_is_waited_for_and_can_be_cancelled() {
    let mut world = left_alone(&[1]);
    assert_eq!(
        alter(&mut world, None),
        Err(ReassignmentFailure::NotInProgress)
    );
    assert_eq!(alter(&mut world, Some(&[2])), Ok(()));
    let under_way = partition(&world).clone();
    assert_eq!(under_way.replicas, nodes(&[2, 1]));
    assert_eq!(under_way.directories, [directory(2), directory(1)]);
    assert_eq!(under_way.adding_replicas, nodes(&[2]));
    assert_eq!(under_way.removing_replicas, nodes(&[1]));
    assert_eq!(
        (under_way.leader, &under_way.isr),
        (NodeId(1), &nodes(&[1]))
    );

    // Another reassignment replaces the first.
    assert_eq!(alter(&mut world, Some(&[1, 3])), Ok(()));
    let under_way = partition(&world).clone();
    assert_eq!(under_way.replicas, nodes(&[1, 3]));
    assert_eq!(under_way.adding_replicas, nodes(&[3]));
    assert_eq!(under_way.removing_replicas, []);

    assert_eq!(alter(&mut world, None), Ok(()));
    let back = partition(&world);
    assert_eq!((&back.replicas, &back.isr), (&nodes(&[1]), &nodes(&[1])));
    assert_eq!(back.directories, [directory(1)]);
    assert!(!back.is_reassigned());
    assert_eq!(back.leader, NodeId(1));
}

#[test]
fn what_cannot_be_replicas_is_refused() {
    let mut world = left_alone(&[1]);
    for (replicas, code) in [
        (&[][..], ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (&[1, 1], ErrorCode::INVALID_REPLICA_ASSIGNMENT),
        (&[4], ErrorCode::INVALID_REPLICA_ASSIGNMENT),
    ] {
        match alter(&mut world, Some(replicas)) {
            Err(ReassignmentFailure::Assignment(refusal)) => assert_eq!(refusal.code, code),
            other => panic!("{replicas:?}: {other:?}"),
        }
    }
    assert!(!partition(&world).is_reassigned());
}

#[test]
fn the_preferred_leader_is_elected_when_it_is_in_sync() {
    let mut world = World::with_brokers(&[1, 2]);
    world.create(assigned("a", &[(0, &[1, 2])])).unwrap();
    assert_eq!(
        elect(&mut world, Election::Preferred),
        Err(ElectionFailure::NotNeeded)
    );
    alter(&mut world, Some(&[2, 1])).unwrap();
    assert_eq!(world.leadership("a", 0).0, 1);
    assert_eq!(elect(&mut world, Election::Preferred), Ok(()));
    assert_eq!(world.leadership("a", 0), (2, 1, 2));

    let mut world = left_alone(&[2, 1]);
    assert_eq!(
        elect(&mut world, Election::Preferred),
        Err(ElectionFailure::PreferredNotAvailable)
    );
    assert_eq!(world.leadership("a", 0).0, 1);
}

#[test]
fn an_unclean_election_is_for_partitions_that_nobody_leads() {
    let mut world = left_alone(&[1, 2]);
    assert_eq!(
        elect(&mut world, Election::Unclean),
        Err(ElectionFailure::NotNeeded)
    );

    // Broker 2 was the last in sync and is gone; broker 1 has the partition, but perhaps not all of it.
    let mut world = World::new(&[]);
    let [first, second] = [1, 2].map(|broker| world.start(broker, 1).unwrap());
    world.create(assigned("a", &[(0, &[1, 2])])).unwrap();
    world.fence(1, first).unwrap();
    world.fence(2, second).unwrap();
    assert_eq!(
        elect(&mut world, Election::Unclean),
        Err(ElectionFailure::NobodyEligible)
    );
    world.unfence(1, first).unwrap();
    assert_eq!(world.leadership("a", 0).0, -1);
    assert_eq!(
        elect(&mut world, Election::Preferred),
        Err(ElectionFailure::PreferredNotAvailable)
    );
    assert_eq!(elect(&mut world, Election::Unclean), Ok(()));
    let led = partition(&world);
    assert_eq!((led.leader, &led.isr), (NodeId(1), &nodes(&[1])));
    assert_eq!(led.leader_recovery_state, 1);
}

#[test]
fn only_a_broker_that_has_stopped_is_unregistered() {
    let mut world = left_alone(&[1, 2]);
    let mut unregister = |broker| {
        let broker_id = NodeId(broker);
        world.run(&UnregisterBroker { broker_id })
    };
    refused(
        unregister(7),
        ErrorCode::BROKER_ID_NOT_REGISTERED,
        "Broker ID 7 is not currently registered",
    );
    refused(
        unregister(1),
        ErrorCode::INVALID_REQUEST,
        "Broker 1 is running. Stop it before it is unregistered.",
    );
    assert_eq!(unregister(2), Ok(()));
    assert!(world.image.broker(NodeId(2)).is_none());
    assert_eq!(
        partition(&world).replicas,
        nodes(&[1, 2]),
        "what it has is not forgotten"
    );
    assert_eq!(world.leadership("a", 0).0, 1);
}
