//! Creating and deleting topics and partitions.

use super::*;
use crate::config::ConfigSource;

fn by_name(name: &str) -> TopicReference {
    TopicReference::Name(name.to_owned())
}

#[test]
fn a_topic_is_created_with_its_defaults_and_shows_its_configuration() {
    let mut world = World::with_brokers(&[1]);
    let created = world
        .create(configured("orders", &[("retention.ms", Some("5000"))]))
        .unwrap();
    assert_eq!((created.partitions, created.replication_factor), (1, 1));
    let configs = configs::effective(&created.overrides, &BrokerConfig::default());
    assert!(configs.windows(2).all(|pair| pair[0].name < pair[1].name));
    let source = |name: &str| configs.iter().find(|config| config.name == name).unwrap();
    assert_eq!(
        source("retention.ms").source,
        ConfigSource::DynamicTopicConfig
    );
    assert_eq!(source("retention.ms").value.as_deref(), Some("5000"));
    assert_eq!(source("cleanup.policy").source, ConfigSource::DefaultConfig);

    let topic = world.image.topic("orders").unwrap();
    assert_eq!(topic.id, created.topic_id);
    let partition = topic.partition(0).unwrap();
    assert_eq!(
        (&partition.replicas, &partition.isr),
        (&vec![NodeId(1)], &vec![NodeId(1)])
    );
    assert_eq!(partition.directories, [directory(1)]);
    assert_eq!(world.leadership("orders", 0), (1, 0, 0));
    assert_eq!(world.image.topic_configs("orders").len(), 1);
    let tail = &world.log[world.log.len() - 3..];
    assert!(matches!(
        tail,
        [
            MetadataRecord::Topic(_),
            MetadataRecord::Config(_),
            MetadataRecord::Partition(_)
        ]
    ));
}

#[test]
fn the_brokers_defaults_hold_and_validation_alone_changes_nothing() {
    let mut world = World::new(&[("num.partitions", "6")]);
    world.start(1, 1).unwrap();
    let before = world.image.clone();
    let created = world.create_all(vec![NewTopic::named("a"), NewTopic::named("b b")], true);
    assert_eq!(created[0].as_ref().unwrap().partitions, 6);
    assert!(created[1].is_err());
    assert_eq!(world.image, before);
    assert_eq!(
        world
            .create_all(vec![NewTopic::named("a"), NewTopic::named("b b")], false)
            .len(),
        2
    );
    assert_eq!(world.image.topic_count(), 1);
}

#[test]
fn names_are_refused_in_kafkas_words() {
    let mut world = World::with_brokers(&[1]);
    let code = ErrorCode::INVALID_TOPIC_EXCEPTION;
    let mut refuse =
        |name: &str, message: &str| refused(world.create(NewTopic::named(name)), code, message);
    refuse("", "Topic name is invalid: the empty string is not allowed");
    refuse(".", "Topic name is invalid: '.' is not allowed");
    refuse("..", "Topic name is invalid: '..' is not allowed");
    refuse(
        "a b",
        "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, \
         '.', '_' and '-'",
    );
    let long = "a".repeat(250);
    refuse(
        &long,
        &format!(
            "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
        ),
    );
    refused(
        world.create(NewTopic::named("__cluster_metadata")),
        ErrorCode::INVALID_REQUEST,
        "Creation of internal topic __cluster_metadata is prohibited.",
    );
    world.create(NewTopic::named("a".repeat(249))).unwrap();
    world.create(NewTopic::named("a.b_c")).unwrap();
    refused(
        world.create(NewTopic::named("a_b.c")),
        code,
        "Topic 'a_b.c' collides with existing topic: a.b_c",
    );
    refused(
        world.create(NewTopic::named("a.b_c")),
        ErrorCode::TOPIC_ALREADY_EXISTS,
        "Topic 'a.b_c' already exists.",
    );
    let twice = world.create_all(vec![NewTopic::named("x"), NewTopic::named("x")], false);
    assert!(twice[0].is_ok());
    refused(
        twice[1].clone(),
        ErrorCode::INVALID_REQUEST,
        "Duplicate topic name.",
    );
    assert!(is_internal("__consumer_offsets") && !is_internal("__cluster_metadata"));
}

#[test]
fn numbers_are_refused_in_kafkas_words() {
    let mut world = World::with_brokers(&[1]);
    for factor in [0, -2] {
        refused(
            world.create(sized("a", 1, factor)),
            ErrorCode::INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        );
    }
    for partitions in [0, -2, i32::MIN] {
        refused(
            world.create(sized("a", partitions, 1)),
            ErrorCode::INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        );
    }
    refused(
        world.create(sized("a", 1, 3)),
        ErrorCode::INVALID_REPLICATION_FACTOR,
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached \
         because only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
    );
    for partitions in [10_001, i32::MAX] {
        refused(
            world.create(sized("a", partitions, 1)),
            ErrorCode::POLICY_VIOLATION,
            "Excessively large number of partitions per request.",
        );
    }
    // With the topic's own record that is one too many.
    refused(
        world.create(sized("a", 10_000, 1)),
        ErrorCode::POLICY_VIOLATION,
        "Unable to perform excessively large batch operation.",
    );
    world.create(sized("a", 9_999, 1)).unwrap();
}

#[test]
fn without_brokers_that_serve_there_are_no_topics() {
    let mut world = World::new(&[]);
    let fenced = "Unable to replicate the partition 1 time(s): All brokers are currently fenced.";
    refused(
        world.create(sized("a", 1, 1)),
        ErrorCode::INVALID_REPLICATION_FACTOR,
        fenced,
    );
    world.run(&World::registration(1, 1)).unwrap();
    refused(
        world.create(sized("a", 1, 1)),
        ErrorCode::INVALID_REPLICATION_FACTOR,
        fenced,
    );
    refused(
        world.create(assigned("a", &[(0, &[1])])),
        ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        "All brokers specified in the manual partition assignment for partition 0 are fenced or in \
         controlled shutdown.",
    );
}

#[test]
fn configuration_is_refused_with_its_reason() {
    let mut world = World::with_brokers(&[1]);
    refused(
        world.create(configured(
            "a",
            &[
                ("retention.ms", None),
                ("x", Some("1")),
                ("segment.ms", None),
            ],
        )),
        ErrorCode::INVALID_CONFIG,
        "Null value not supported for topic configs: retention.ms,segment.ms",
    );
    refused(
        world.create(configured("a", &[("retention.mss", Some("1"))])),
        ErrorCode::INVALID_CONFIG,
        "Unknown topic config name: retention.mss",
    );
    let refusal = world
        .create(configured("a", &[("retention.ms", Some("soon"))]))
        .unwrap_err();
    assert_eq!(refusal.code, ErrorCode::INVALID_CONFIG);
    assert!(refusal.message.unwrap().contains("soon"));
    assert_eq!(world.image.topic_count(), 0);
}

#[test]
fn assignments_are_taken_as_they_are_or_refused() {
    let mut world = World::with_brokers(&[1, 2]);
    world
        .create(assigned("a", &[(1, &[1, 2]), (0, &[2, 1])]))
        .unwrap();
    assert_eq!(world.replicas("a"), [[2, 1], [1, 2]]);
    assert_eq!(world.leadership("a", 0), (2, 0, 0));

    let code = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
    let mut refuse = |assignments: &[(i32, &[i32])], message: &str| {
        refused(world.create(assigned("b", assignments)), code, message);
    };
    refuse(
        &[(0, &[1]), (0, &[2])],
        "Found multiple manual partition assignments for partition 0",
    );
    refuse(
        &[(0, &[])],
        "The manual partition assignment includes an empty replica list.",
    );
    refuse(
        &[(0, &[3])],
        "The manual partition assignment includes broker 3, but no such broker is registered.",
    );
    refuse(
        &[(0, &[1, 1])],
        "The manual partition assignment includes the broker 1 more than once.",
    );
    refuse(
        &[(0, &[1]), (1, &[1, 2])],
        "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent \
         with previous partitions, which have 1 replica(s).",
    );
    let gap = "partitions should be a consecutive 0-based integer sequence";
    refuse(&[(0, &[1]), (2, &[1])], gap);
    refuse(&[(1, &[1])], gap);
    refuse(&[(-1, &[1])], gap);

    let with = |partitions, replication_factor| NewTopic {
        partitions,
        replication_factor,
        ..assigned("b", &[(0, &[1])])
    };
    refused(
        world.create(with(-1, 1)),
        ErrorCode::INVALID_REQUEST,
        "A manual partition assignment was specified, but replication factor was not set to -1.",
    );
    refused(
        world.create(with(1, -1)),
        ErrorCode::INVALID_REQUEST,
        "A manual partition assignment was specified, but numPartitions was not set to -1.",
    );
}

#[test]
fn replicas_are_striped_over_the_brokers() {
    let mut world = World::with_brokers(&[1, 2, 3]);
    world.create(sized("a", 7, 2)).unwrap();
    assert_eq!(
        world.replicas("a"),
        [[1, 2], [2, 3], [3, 1], [1, 3], [2, 1], [3, 2], [1, 2]]
    );
    let epoch = world.image.broker(NodeId(2)).unwrap().epoch;
    world.fence(2, epoch).unwrap();
    world.create(sized("b", 3, 3)).unwrap();
    assert_eq!(world.replicas("b"), [[1, 3, 2], [3, 1, 2], [1, 3, 2]]);
    let isr = &world.image.topic("b").unwrap().partition(0).unwrap().isr;
    assert_eq!(isr, &[NodeId(1), NodeId(3)]);
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let mut world = World::with_brokers(&[1]);
    let first = world
        .create(configured("a", &[("retention.ms", Some("1"))]))
        .unwrap()
        .topic_id;
    let second = world.create(NewTopic::named("b")).unwrap().topic_id;
    let reply = world.delete(vec![by_name("a"), TopicReference::Id(first)]);
    for row in reply {
        refused(
            row.result,
            ErrorCode::INVALID_REQUEST,
            "The provided topic name maps to an ID that was already supplied.",
        );
    }
    assert_eq!(world.image.topic_count(), 2, "what is meant twice stays");
    let reply = world.delete(vec![
        by_name("a"),
        TopicReference::Id(second),
        by_name("c"),
        TopicReference::Id(id(5)),
    ]);
    assert_eq!((reply[0].topic_id, &reply[0].result), (first, &Ok(())));
    assert_eq!(
        (reply[1].name.as_deref(), &reply[1].result),
        (Some("b"), &Ok(()))
    );
    refused(
        reply[2].result.clone(),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "This server does not host this topic-partition.",
    );
    refused(
        reply[3].result.clone(),
        ErrorCode::UNKNOWN_TOPIC_ID,
        "This server does not host this topic ID.",
    );
    assert_eq!(world.image.topic_count(), 0);
    assert_eq!(world.image.all_configs().count(), 0);
}

#[test]
fn deletion_can_be_switched_off() {
    let mut world = World::new(&[("delete.topic.enable", "false")]);
    world.start(1, 1).unwrap();
    world.create(NewTopic::named("a")).unwrap();
    let reply = world.delete(vec![by_name("a")]).remove(0);
    refused(
        reply.result,
        ErrorCode::TOPIC_DELETION_DISABLED,
        "Topic deletion is disabled.",
    );
    assert_eq!(world.image.topic_count(), 1);
}

#[test]
fn partitions_only_grow() {
    let mut world = World::with_brokers(&[1, 2]);
    world.create(sized("a", 2, 1)).unwrap();
    let more = |count, assignments: Option<&[&[i32]]>| NewPartitions {
        name: "a".to_owned(),
        count,
        assignments: assignments.map(|lists| {
            lists
                .iter()
                .map(|list| list.iter().copied().map(NodeId).collect())
                .collect()
        }),
    };
    world.extend(more(3, None)).unwrap();
    assert_eq!(world.replicas("a"), [[1], [2], [1]]);
    world.extend(more(4, Some(&[&[1]]))).unwrap();
    assert_eq!(world.replicas("a"), [[1], [2], [1], [1]]);

    let code = ErrorCode::INVALID_PARTITIONS;
    refused(
        world.extend(more(4, None)),
        code,
        "Topic already has 4 partition(s).",
    );
    refused(
        world.extend(more(i32::MIN, None)),
        code,
        &format!(
            "The topic a currently has 4 partition(s); {} would not be an increase.",
            i32::MIN
        ),
    );
    refused(
        world.extend(more(6, Some(&[&[1]]))),
        ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
    );
    refused(
        world.extend(more(5, Some(&[&[1, 2]]))),
        ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent \
         with previous partitions, which have 1 replica(s).",
    );
    refused(
        world.extend(more(i32::MAX, None)),
        ErrorCode::POLICY_VIOLATION,
        "Excessively large number of additional partitions per request.",
    );
    let unknown = NewPartitions {
        name: "b".to_owned(),
        ..more(5, None)
    };
    refused(
        world.extend(unknown),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "",
    );

    let before = world.image.clone();
    let command = CreatePartitions {
        topics: vec![more(9, None)],
        validate_only: true,
    };
    assert_eq!(world.run(&command), [("a".to_owned(), Ok(()))]);
    assert_eq!(world.image, before);
}
