//! The directories of replicas, and the effect of a failed directory.

use super::*;

const SECOND: DirectoryId = KafkaUuid(uuid::Uuid::from_u128(20_001));

/// Broker 1 with two directories, broker 2 with one.
fn two_directories(incarnation: u128) -> RegisterBroker {
    RegisterBroker {
        log_directories: vec![directory(1), SECOND],
        ..World::registration(1, incarnation)
    }
}

fn world() -> (World, i64) {
    let mut world = World::new(&[]);
    let epoch = world.run(&two_directories(1)).unwrap();
    world.unfence(1, epoch).unwrap();
    (world, epoch)
}

fn place(
    world: &mut World,
    epoch: i64,
    places: &[(i32, DirectoryId)],
) -> Vec<Result<(), ErrorCode>> {
    let topic_id = world.image.topic("a").unwrap().id;
    let assignments = places
        .iter()
        .map(|(partition, directory)| ReplicaAssignment {
            topic_id,
            partition: *partition,
            directory: *directory,
        })
        .collect();
    let command = AssignReplicas {
        broker_id: NodeId(1),
        broker_epoch: epoch,
        assignments,
    };
    world.run(&command).unwrap()
}

fn lose(world: &mut World, broker_epoch: i64, directories: &[DirectoryId]) -> Result<(), Refusal> {
    world.run(&FailDirectories {
        broker_id: NodeId(1),
        broker_epoch,
        directories: directories.to_vec(),
    })
}

fn places(world: &World) -> Vec<DirectoryId> {
    let topic = world.image.topic("a").unwrap();
    let places = topic.partitions.iter();
    places
        .map(|partition| partition.directory_of(NodeId(1)).unwrap())
        .collect()
}

#[test]
fn the_broker_chooses_among_several_and_says_where() {
    let (mut world, epoch) = world();
    world.create(sized("a", 3, 1)).unwrap();
    assert_eq!(places(&world), [DirectoryId::UNASSIGNED_DIRECTORY; 3]);
    let told = place(
        &mut world,
        epoch,
        &[(0, SECOND), (1, directory(1)), (2, SECOND), (3, SECOND)],
    );
    let unknown = Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(told, [Ok(()), Ok(()), Ok(()), unknown]);
    assert_eq!(places(&world), [SECOND, directory(1), SECOND]);
    assert_eq!(world.leadership("a", 0), (1, 0, 1), "the leader stays");
    let offset = world.image.offset();
    place(&mut world, epoch, &[(0, SECOND)]);
    assert_eq!(world.image.offset(), offset, "there was nothing to write");
    place(
        &mut world,
        epoch,
        &[(0, directory(1)), (0, SECOND), (2, directory(1))],
    );
    assert_eq!(
        places(&world),
        [SECOND, directory(1), directory(1)],
        "the last counts"
    );
}

#[test]
fn a_directory_that_fails_takes_the_leaders_of_its_partitions() {
    let (mut world, epoch) = world();
    world.create(sized("a", 2, 1)).unwrap();
    place(&mut world, epoch, &[(0, directory(1)), (1, SECOND)]);
    assert_eq!(lose(&mut world, epoch, &[SECOND]), Ok(()));
    assert_eq!(world.leadership("a", 0), (1, 0, 1));
    assert_eq!(world.leadership("a", 1), (-1, 1, 2));
    let partition = world.image.topic("a").unwrap().partition(1).unwrap();
    assert_eq!(
        partition.isr,
        [NodeId(1)],
        "nobody else has what was acknowledged"
    );
    let broker = world.image.broker(NodeId(1)).unwrap();
    assert_eq!(broker.directories, [directory(1)]);
    let offset = world.image.offset();
    assert_eq!(lose(&mut world, epoch, &[SECOND]), Ok(()));
    assert_eq!(world.image.offset(), offset, "said twice");
    assert!(lose(&mut world, epoch - 1, &[directory(1)]).is_err());

    // Without it the next start leads what it has, with it all.
    let epoch = world.start(1, 2).unwrap();
    assert_eq!(
        (world.leadership("a", 0).0, world.leadership("a", 1).0),
        (1, -1)
    );
    assert!(world.image.is_active(NodeId(1)));
    assert_eq!(place(&mut world, epoch, &[(1, directory(1))]), [Ok(())]);
    assert_eq!(world.leadership("a", 1).0, 1, "it was found elsewhere");
    assert_eq!(place(&mut world, epoch, &[(1, SECOND)]), [Ok(())]);
    assert_eq!(
        world.leadership("a", 1).0,
        -1,
        "in a directory that is not online"
    );
    let epoch = world.run(&two_directories(3)).unwrap();
    world.unfence(1, epoch).unwrap();
    assert_eq!(
        (world.leadership("a", 0).0, world.leadership("a", 1).0),
        (1, 1)
    );
}

#[test]
fn another_replica_leads_in_the_place_of_a_directory_that_has_failed() {
    let (mut world, epoch) = world();
    world.start(2, 1).unwrap();
    world.create(assigned("a", &[(0, &[1, 2])])).unwrap();
    place(&mut world, epoch, &[(0, SECOND)]);
    assert_eq!(lose(&mut world, epoch, &[SECOND]), Ok(()));
    assert_eq!(world.leadership("a", 0).0, 2);
    let partition = world.image.topic("a").unwrap().partition(0).unwrap();
    assert_eq!(partition.isr, [NodeId(2)]);
}
