//! Changing configurations: what is refused, what is written, and what is in force then.

use super::*;
use crate::config::TopicConfig;
use crate::metadata::{ConfigResource, ConfigResourceType};

use ConfigOperation::{Append, Delete, Set, Subtract};

fn resource(resource_type: ConfigResourceType, name: &str) -> ConfigResource {
    let name = name.to_owned();
    ConfigResource {
        resource_type,
        name,
    }
}

fn topic(name: &str) -> ConfigResource {
    resource(ConfigResourceType::TOPIC, name)
}

fn broker(name: &str) -> ConfigResource {
    resource(ConfigResourceType::BROKER, name)
}

fn set(value: &str) -> ConfigOperation {
    Set(value.to_owned())
}

fn append(value: &str) -> ConfigOperation {
    Append(value.to_owned())
}

fn subtract(value: &str) -> ConfigOperation {
    Subtract(value.to_owned())
}

impl World {
    fn with_topics(names: &[&str]) -> Self {
        let mut world = Self::with_brokers(&[1]);
        let topics = names.iter().copied().map(NewTopic::named).collect();
        world.create_all(topics, false);
        world
    }

    fn change(&mut self, resource: ConfigResource, change: ConfigChange) -> Result<(), Refusal> {
        let resources = vec![AlteredResource { resource, change }];
        let command = AlterConfigs {
            resources,
            validate_only: false,
        };
        self.run(&command).remove(0)
    }

    fn alter(
        &mut self,
        resource: ConfigResource,
        operations: &[(&str, ConfigOperation)],
    ) -> Result<(), Refusal> {
        let owned =
            |(name, operation): &(&str, ConfigOperation)| ((*name).to_owned(), operation.clone());
        let operations = operations.iter().map(owned).collect();
        self.change(resource, ConfigChange::Alter(operations))
    }

    fn overrides(&self, resource: &ConfigResource) -> Vec<(&str, &str)> {
        let overrides = self.image.configs(resource.resource_type, &resource.name);
        let texts = overrides.iter().map(|(key, value)| (&**key, &**value));
        texts.collect()
    }

    fn retention_of(&self, name: &str) -> i64 {
        let config = self.image.config_in_force(&self.config);
        let topic = TopicConfig::resolve(self.image.topic_configs(name), &config).unwrap();
        topic.retention_ms
    }
}

fn code(result: &Result<(), Refusal>) -> ErrorCode {
    result.as_ref().err().map_or(ErrorCode::NONE, |no| no.code)
}

#[test]
fn overrides_are_set_and_deleted_and_only_changes_are_written() {
    let mut world = World::with_topics(&["a"]);
    let operations = [("retention.ms", set("1000")), ("segment.ms", set("5"))];
    world.alter(topic("a"), &operations).unwrap();
    let written = world.log.len();
    world.alter(topic("a"), &operations).unwrap();
    assert_eq!(world.log.len(), written, "nothing has changed");
    let operations = [("segment.ms", Delete), ("preallocate", Delete)];
    world.alter(topic("a"), &operations).unwrap();
    assert_eq!(world.log.len(), written + 1);
    assert_eq!(world.overrides(&topic("a")), [("retention.ms", "1000")]);
    let all = ConfigChange::Replace(vec![("preallocate".to_owned(), "true".to_owned())]);
    world.change(topic("a"), all).unwrap();
    assert_eq!(world.overrides(&topic("a")), [("preallocate", "true")]);
    world
        .change(topic("a"), ConfigChange::Replace(Vec::new()))
        .unwrap();
    assert!(world.overrides(&topic("a")).is_empty());
}

#[test]
fn lists_grow_and_shrink_from_what_they_are() {
    let mut world = World::with_topics(&["a"]);
    let policy = |world: &World| world.overrides(&topic("a"))[0].1.to_owned();
    let key = "cleanup.policy";
    world
        .alter(topic("a"), &[(key, append("compact"))])
        .unwrap();
    assert_eq!(policy(&world), "delete,compact");
    world.alter(topic("a"), &[(key, append("delete"))]).unwrap();
    world
        .alter(topic("a"), &[(key, subtract("delete,wrong"))])
        .unwrap();
    assert_eq!(policy(&world), "compact");
    world
        .alter(topic("a"), &[(key, subtract("compact"))])
        .unwrap();
    assert_eq!(policy(&world), "");
    for operation in [append("1"), subtract("1")] {
        let refused = world.alter(topic("a"), &[("retention.ms", operation)]);
        assert_eq!(code(&refused), ErrorCode::INVALID_CONFIG);
    }
}

#[test]
fn a_refusal_changes_nothing_and_so_does_looking_only() {
    let mut world = World::with_topics(&["a"]);
    let written = world.log.len();
    let wrong = [("retention.ms", set("1000")), ("no.such", set("1"))];
    let refused = world.alter(topic("a"), &wrong);
    assert_eq!(code(&refused), ErrorCode::INVALID_CONFIG);
    let refused = world.alter(topic("missing"), &[("retention.ms", set("1"))]);
    assert_eq!(code(&refused), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let together = [
        ("min.compaction.lag.ms", set("10")),
        ("max.compaction.lag.ms", set("5")),
    ];
    assert_eq!(
        code(&world.alter(topic("a"), &together)),
        ErrorCode::INVALID_CONFIG
    );
    let resources = vec![AlteredResource {
        resource: topic("a"),
        change: ConfigChange::Replace(vec![("retention.ms".to_owned(), "1".to_owned())]),
    }];
    let decision = world.decide(&AlterConfigs {
        resources,
        validate_only: true,
    });
    assert_eq!(decision.reply, [Ok(())]);
    assert!(decision.records.is_empty());
    assert_eq!(world.log.len(), written);
}

#[test]
fn topics_inherit_what_is_set_for_brokers() {
    let mut world = World::with_topics(&["a", "b"]);
    world
        .alter(topic("b"), &[("retention.ms", set("1"))])
        .unwrap();
    world
        .alter(broker(""), &[("log.retention.ms", set("2000"))])
        .unwrap();
    assert_eq!(world.retention_of("a"), 2_000);
    world
        .alter(broker("1"), &[("log.retention.ms", set("3000"))])
        .unwrap();
    assert_eq!(
        (world.retention_of("a"), world.retention_of("b")),
        (3_000, 1)
    );
    world
        .alter(broker("1"), &[("log.retention.ms", Delete)])
        .unwrap();
    assert_eq!(world.retention_of("a"), 2_000);

    for (name, key, value, expected) in [
        ("", "node.id", "1", ErrorCode::INVALID_REQUEST),
        ("1", "num.partitions", "4", ErrorCode::INVALID_REQUEST),
        ("1", "ssl.keystore.type", "PEM", ErrorCode::INVALID_REQUEST),
        ("1", "num.io.threads", "3", ErrorCode::INVALID_REQUEST),
        ("1", "log.retention.ms", "soon", ErrorCode::INVALID_REQUEST),
        (
            "7",
            "log.retention.ms",
            "1",
            ErrorCode::BROKER_ID_NOT_REGISTERED,
        ),
    ] {
        let refused = world.alter(broker(name), &[(key, set(value))]);
        assert_eq!(code(&refused), expected, "{name} {key}");
    }
}

#[test]
fn a_number_of_threads_goes_on_from_what_it_is() {
    let mut world = World::with_topics(&["a"]);
    let key = "num.io.threads";
    for value in ["16", "32"] {
        world.alter(broker("1"), &[(key, set(value))]).unwrap();
    }
    let too_far = world.alter(broker("1"), &[(key, Delete)]);
    assert_eq!(code(&too_far), ErrorCode::INVALID_REQUEST);
    world.alter(broker(""), &[(key, set("16"))]).unwrap();
    world.alter(broker("1"), &[(key, Delete)]).unwrap();
    let config = world.image.config_in_force(&world.config);
    assert_eq!(config.num_io_threads, 16);
}

#[test]
fn what_another_controller_has_recorded_can_be_deleted() {
    let mut world = World::with_topics(&["a"]);
    let kept = MetadataRecord::Config(crate::metadata::record::Config {
        resource_type: ConfigResourceType::BROKER.0,
        resource_name: String::new(),
        name: "num.replica.fetchers".to_owned(),
        value: Some("5".to_owned()),
    });
    world.replay(vec![kept]);
    world
        .alter(broker(""), &[("log.retention.ms", set("2000"))])
        .unwrap();
    assert_eq!(world.overrides(&broker("")).len(), 2);
    world
        .alter(broker(""), &[("num.replica.fetchers", Delete)])
        .unwrap();
    assert_eq!(world.overrides(&broker("")), [("log.retention.ms", "2000")]);
}

fn group(name: &str) -> ConfigResource {
    resource(ConfigResourceType::GROUP, name)
}

#[test]
fn a_group_that_nobody_knows_may_have_settings_within_the_brokers_bounds() {
    let mut world = World::with_brokers(&[1]);
    let heartbeat = "consumer.heartbeat.interval.ms";
    world
        .alter(group("g"), &[(heartbeat, set("6000"))])
        .unwrap();
    assert_eq!(world.overrides(&group("g")), [(heartbeat, "6000")]);
    for (name, operation, refused, text) in [
        (
            "",
            (heartbeat, set("6000")),
            ErrorCode::INVALID_REQUEST,
            "Default group resources are not allowed.",
        ),
        (
            "g",
            (heartbeat, set("4999")),
            ErrorCode::INVALID_CONFIG,
            "consumer.heartbeat.interval.ms must be in the range 5000 to 15000 inclusive.",
        ),
        (
            "g",
            ("retention.ms", set("1")),
            ErrorCode::INVALID_CONFIG,
            "Unknown group config name: retention.ms",
        ),
        (
            "g",
            ("streams.rack.aware.assignment.tags", append("a")),
            ErrorCode::INVALID_CONFIG,
            "Can't APPEND to key streams.rack.aware.assignment.tags because its type is not LIST.",
        ),
    ] {
        let refusal = world.alter(group(name), &[operation]).unwrap_err();
        assert_eq!(refusal.code, refused);
        assert_eq!(refusal.message.as_deref(), Some(text));
    }
    assert_eq!(world.overrides(&group("g")), [(heartbeat, "6000")]);
    world.alter(group("g"), &[(heartbeat, Delete)]).unwrap();
    assert!(world.overrides(&group("g")).is_empty());
}
