//! Any sequence of commands: what was decided is what the image then shows, and the log brings the
//! same image about.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One command of those that are tried.
#[derive(Clone, Debug)]
enum Any {
    CreateTopics(CreateTopics),
    DeleteTopics(DeleteTopics),
    CreatePartitions(CreatePartitions),
    RegisterBroker(RegisterBroker),
    UnfenceBroker(UnfenceBroker),
    FenceBroker(FenceBroker),
    UnregisterBroker(UnregisterBroker),
    AlterReassignments(AlterReassignments),
    ElectLeaders(ElectLeaders),
    AllocateProducerIds(AllocateProducerIds),
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c.d", "c_d", "e e"]).prop_map(str::to_owned)
}

fn commands() -> impl Strategy<Value = Any> {
    let replicas = || vec((0..4_i32).prop_map(NodeId), 0..3);
    let configs = vec(
        (
            prop::sample::select(vec!["retention.ms", "cleanup.policy", "nonsense"])
                .prop_map(str::to_owned),
            proptest::option::of(
                prop::sample::select(vec!["1", "compact"]).prop_map(str::to_owned),
            ),
        ),
        0..2,
    );
    let assignments = prop_oneof![3 => Just(Vec::new()), 1 => vec((0..3, replicas()), 0..3)];
    let topic = (name(), -2..5_i32, -2..4_i16, assignments, configs).prop_map(
        |(name, partitions, replication_factor, assignments, configs)| NewTopic {
            name,
            partitions,
            replication_factor,
            assignments,
            configs,
        },
    );
    let reference = prop_oneof![
        name().prop_map(TopicReference::Name),
        (1_000..1_020_u128).prop_map(|number| TopicReference::Id(id(number))),
    ];
    let more = (
        name(),
        0..9_i32,
        proptest::option::weighted(0.3, vec(replicas(), 0..3)),
    )
        .prop_map(|(name, count, assignments)| NewPartitions {
            name,
            count,
            assignments,
        });
    let of_broker = || (1..4_i32, 0..40_i64).prop_map(|(broker, epoch)| (NodeId(broker), epoch));
    prop_oneof![
        6 => (vec(topic, 1..3), prop::bool::weighted(0.1)).prop_map(|(topics, validate_only)| {
            Any::CreateTopics(CreateTopics { topics, validate_only })
        }),
        1 => vec(reference, 1..3).prop_map(|topics| Any::DeleteTopics(DeleteTopics { topics })),
        3 => (vec(more, 1..3), prop::bool::weighted(0.1)).prop_map(|(topics, validate_only)| {
            Any::CreatePartitions(CreatePartitions { topics, validate_only })
        }),
        2 => (1..4_i32, 1..3_u128).prop_map(|(broker, incarnation)| {
            Any::RegisterBroker(World::registration(broker, incarnation))
        }),
        2 => of_broker().prop_map(|(broker_id, broker_epoch)| {
            Any::UnfenceBroker(UnfenceBroker { broker_id, broker_epoch })
        }),
        1 => of_broker().prop_map(|(broker_id, broker_epoch)| {
            Any::FenceBroker(FenceBroker { broker_id, broker_epoch })
        }),
        3 => (name(), 0..5_i32, proptest::option::weighted(0.7, replicas()), any::<bool>()).prop_map(
            |(topic, partition, replicas, allow_replication_factor_change)| {
                let partitions = vec![Reassignment { topic: topic.into(), partition, replicas }];
                let command = AlterReassignments { partitions, allow_replication_factor_change };
                Any::AlterReassignments(command)
            },
        ),
        2 => (proptest::option::of((name(), 0..5_i32)), any::<bool>()).prop_map(|(one, clean)| {
            Any::ElectLeaders(ElectLeaders {
                election: if clean { Election::Preferred } else { Election::Unclean },
                partitions: one.map(|(topic, number)| vec![TopicPartition::new(topic, number)]),
            })
        }),
        1 => (1..4_i32).prop_map(|broker| {
            Any::UnregisterBroker(UnregisterBroker { broker_id: NodeId(broker) })
        }),
        1 => of_broker().prop_map(|(broker_id, broker_epoch)| {
            Any::AllocateProducerIds(AllocateProducerIds { broker_id, broker_epoch })
        }),
    ]
}

/// A command about a broker's registration, made to name the one that it has.
fn with_present_epoch(command: Any, image: &Image) -> Any {
    let present = |broker: NodeId, epoch: i64| {
        image
            .broker(broker)
            .filter(|_| epoch % 8 != 0)
            .map_or(epoch, |broker| broker.epoch)
    };
    match command {
        Any::UnfenceBroker(mut command) => {
            command.broker_epoch = present(command.broker_id, command.broker_epoch);
            Any::UnfenceBroker(command)
        }
        Any::FenceBroker(mut command) => {
            command.broker_epoch = present(command.broker_id, command.broker_epoch);
            Any::FenceBroker(command)
        }
        other => other,
    }
}

/// What clients have been told: partitions by topic.
type Told = BTreeMap<String, usize>;

/// Carries a command out, and remembers what its answer says.
fn run(world: &mut World, command: &Any, told: &mut Told) {
    match command {
        Any::CreateTopics(command) => {
            let created = world.run(command);
            for (name, result) in created.into_iter().filter(|_| !command.validate_only) {
                if let Ok(created) = result {
                    told.insert(name, usize::try_from(created.partitions).unwrap());
                }
            }
        }
        Any::CreatePartitions(command) => {
            let rows = world.run(command);
            for (request, (name, result)) in command.topics.iter().zip(rows) {
                if result.is_ok() && !command.validate_only {
                    told.insert(name, usize::try_from(request.count).unwrap());
                }
            }
        }
        Any::DeleteTopics(command) => {
            for deleted in world.run(command) {
                if deleted.result.is_ok() {
                    told.remove(&deleted.name.unwrap());
                }
            }
        }
        Any::RegisterBroker(command) => drop(world.run(command)),
        Any::UnfenceBroker(command) => drop(world.run(command)),
        Any::FenceBroker(command) => drop(world.run(command)),
        Any::UnregisterBroker(command) => drop(world.run(command)),
        Any::AlterReassignments(command) => drop(world.run(command)),
        Any::ElectLeaders(command) => drop(world.run(command)),
        Any::AllocateProducerIds(command) => drop(world.run(command)),
    }
}

fn check_invariants(image: &Image) {
    for topic in image.topics() {
        assert!(!topic.partitions.is_empty());
        for partition in &topic.partitions {
            assert!(
                !partition.isr.is_empty(),
                "the last member of an in-sync set stays"
            );
            assert!(
                partition
                    .isr
                    .iter()
                    .all(|member| partition.replicas.contains(member))
            );
            assert!(
                partition.isr.len() == 1
                    || partition.isr.iter().all(|member| image.is_active(*member)),
                "who does not serve leaves the in-sync set"
            );
            assert_eq!(partition.directories.len(), partition.replicas.len());
            let leads = partition.leader != NodeId::NONE;
            assert!(
                !leads
                    || partition.isr.contains(&partition.leader)
                        && image.is_active(partition.leader)
            );
            assert!(
                leads || !partition.isr.iter().any(|member| image.is_active(*member)),
                "somebody could lead"
            );
        }
    }
}

proptest! {
    #[test]
    fn the_image_shows_what_was_decided(commands in vec(commands(), 1..50)) {
        let mut world = World::new(&[]);
        world.start(1, 1).unwrap();
        let mut told = Told::new();
        for command in commands {
            let command = with_present_epoch(command, &world.image);
            let epochs: BTreeMap<_, _> = world.image.topics().flat_map(|topic| {
                topic.numbered_partitions().map(|(number, partition)| {
                    let before = (partition.leader, partition.leader_epoch, partition.replicas.clone());
                    ((topic.id, number), before)
                })
            }).collect();
            run(&mut world, &command, &mut told);
            check_invariants(&world.image);
            for topic in world.image.topics() {
                for (number, partition) in topic.numbered_partitions() {
                    if let Some((leader, epoch, replicas)) = epochs.get(&(topic.id, number)) {
                        let stay = replicas.iter().all(|replica| partition.replicas.contains(replica));
                        let same = *leader == partition.leader && stay;
                        prop_assert_eq!(same, *epoch == partition.leader_epoch);
                        prop_assert!(partition.leader_epoch >= *epoch);
                    }
                }
            }
            let shown: Told = world.image.topics()
                .map(|topic| (topic.name.as_ref().to_owned(), topic.partitions.len()))
                .collect();
            prop_assert_eq!(&shown, &told);
        }

        let (replayed, _) = Image::default().apply(&world.log, world.image.offset(), EPOCH).unwrap();
        prop_assert_eq!(&replayed, &world.image);
        let records: Vec<_> = snapshot::records(&world.image).collect();
        let (restored, _) = Image::default().apply(&records, world.image.offset(), EPOCH).unwrap();
        prop_assert_eq!(&restored, &world.image);
    }
}
