//! Topics and groups through the admin client: made, described, deleted, and refused with the right error.

use futures_executor::block_on;
use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::session::{admin, consumer, read, topic, unique, until, Sending, PATIENCE};

pub fn topics_and_groups() {
    topics();
    groups();
}

fn topics() {
    let operator = admin();
    let options = AdminOptions::new();
    let create = |name: &str, partitions, replicas, settings: &[(&str, &str)]| {
        let mut wanted = NewTopic::new(name, partitions, TopicReplication::Fixed(replicas));
        for (key, value) in settings {
            wanted = wanted.set(key, value);
        }
        let answer = block_on(operator.create_topics(&[wanted], &options)).expect("the request to create");
        answer[0].as_ref().map(drop).map_err(|(_, code)| *code)
    };
    let partitions = |name: &str| {
        let all = operator.inner().fetch_metadata(None, PATIENCE).expect("all topics");
        all.topics().iter().find(|topic| topic.name() == name).map_or(0, |topic| topic.partitions().len())
    };
    let (plain, bad) = (unique("plain"), unique("bad"));
    assert_eq!(create(&plain, 3, 1, &[("retention.ms", "123456")]), Ok(()));
    until("the topic shows", || partitions(&plain) == 3);
    let described = block_on(operator.describe_configs(&[ResourceSpecifier::Topic(&plain)], &options)).expect("the request to describe");
    let described = described[0].as_ref().expect("a description");
    assert_eq!(described.get("retention.ms").expect("a setting").value.as_deref(), Some("123456"));

    assert_eq!(create(&plain, 1, 1, &[]), Err(RDKafkaErrorCode::TopicAlreadyExists));
    assert_eq!(create(&bad, 0, 1, &[]), Err(RDKafkaErrorCode::InvalidPartitions));
    assert_eq!(create(&bad, 1, 3, &[]), Err(RDKafkaErrorCode::InvalidReplicationFactor));
    assert_eq!(create(&bad, 1, 1, &[("retention.ms", "soon")]), Err(RDKafkaErrorCode::InvalidConfig));
    for name in [".", "..", "a b", "a/b", &"x".repeat(250)] {
        assert_eq!(create(name, 1, 1, &[]), Err(RDKafkaErrorCode::InvalidTopic), "the name {name}");
    }
    let grow = |count| {
        let answer = block_on(operator.create_partitions(&[NewPartitions::new(&plain, count)], &options)).expect("the request for more");
        answer[0].as_ref().map(drop).map_err(|(_, code)| *code)
    };
    assert_eq!(grow(5), Ok(()));
    until("five partitions", || partitions(&plain) == 5);
    assert_eq!(grow(2), Err(RDKafkaErrorCode::InvalidPartitions));
    let remove = || {
        let answer = block_on(operator.delete_topics(&[&plain], &options)).expect("the request to delete");
        answer[0].as_ref().map(drop).map_err(|(_, code)| *code)
    };
    assert_eq!(remove(), Ok(()));
    until("the topic is gone", || partitions(&plain) == 0);
    assert_eq!(remove(), Err(RDKafkaErrorCode::UnknownTopicOrPartition));
}

fn groups() {
    let name = topic("administered", 1, &[]);
    let sending = Sending::new(&[]);
    sending.outcome(&name, b"x").expect("a record");
    let operator = admin();
    let group = unique("living");
    let member = consumer("living", &[("client.id", "the-member")]);
    member.subscribe(&[&name]).expect("subscribe");
    read(&member, 1);
    member.commit_consumer_state(CommitMode::Sync).expect("commit");
    let listed = operator.inner().fetch_group_list(Some(&group), PATIENCE).expect("the group");
    let entry = &listed.groups()[0];
    assert_eq!((entry.state(), entry.protocol_type(), entry.protocol()), ("Stable", "consumer", "range"));
    assert_eq!(entry.members().iter().map(|member| member.client_id()).collect::<Vec<_>>(), ["the-member"]);
    let remove = || {
        let answer = block_on(operator.delete_groups(&[&group], &AdminOptions::new())).expect("the request to delete");
        answer[0].as_ref().map(drop).map_err(|(_, code)| *code)
    };
    assert_eq!(remove(), Err(RDKafkaErrorCode::NonEmptyGroup));
    drop(member);
    assert_eq!(remove(), Ok(()));
    assert_eq!(remove(), Err(RDKafkaErrorCode::GroupIdNotFound));
}
