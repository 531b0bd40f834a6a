use kafka_protocol::messages::{ApiKey, GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::super::fixture::{Serving, over_the_wire};
use super::*;
use crate::controller::{FeatureUpdate, UpdateDirection, UpdateFeatures};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A member that joins with a subscription to `t`.
fn joining(member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("consumers")))
        .with_member_id(text(member))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(300_000)
        .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
        .with_topic_partitions(Some(Vec::new()))
}

#[test]
fn every_version_asks() {
    let on = Serving::start(&[]);
    for version in 0..=1 {
        let owned = request::TopicPartitions::default()
            .with_topic_id(uuid::Uuid::from_u128(7))
            .with_partitions(vec![0, 2]);
        let mut request = joining("one")
            .with_instance_id(Some(text("instance")))
            .with_rack_id(Some(text("rack")))
            .with_server_assignor(Some(text("range")))
            .with_topic_partitions(Some(vec![owned]));
        if version >= 1 {
            request = request.with_subscribed_topic_regex(Some(text("t.*")));
        }
        let call = on.call(ApiKey::ConsumerGroupHeartbeat, version);
        let asked = heartbeat(&call, &over_the_wire(&request, version));
        assert_eq!((&*asked.group, &*asked.member), ("consumers", "one"));
        assert_eq!(
            (asked.member_epoch, asked.rebalance_timeout_ms),
            (0, 300_000)
        );
        let texts = [&asked.instance, &asked.rack, &asked.assignor];
        let texts = texts.map(|text| text.as_deref());
        assert_eq!(texts, [Some("instance"), Some("rack"), Some("range")]);
        assert_eq!(asked.topics, Some(vec!["t".into()]));
        assert_eq!(asked.expression.is_some(), version >= 1);
        let id = KafkaUuid(uuid::Uuid::from_u128(7));
        assert_eq!(asked.owned, Some(vec![(id, vec![0, 2])]));
        assert_eq!(&*asked.client_host, "/127.0.0.1");
        assert_eq!(asked.needs_member_id, version >= 1);
    }
    let call = on.call(ApiKey::ConsumerGroupHeartbeat, 1);
    let same = ConsumerGroupHeartbeatRequest::default();
    let asked = heartbeat(&call, &over_the_wire(&same, 1));
    assert_eq!(
        (asked.topics, asked.owned, asked.expression),
        (None, None, None)
    );
}

#[test]
fn every_version_is_told() {
    for version in 0..=1 {
        let id = KafkaUuid(uuid::Uuid::from_u128(7));
        let told = ConsumerHeartbeatReply {
            error: ErrorCode::NONE,
            message: None,
            member: Some("one".into()),
            member_epoch: 3,
            heartbeat_interval_ms: 5_000,
            assignment: Some(vec![(id, vec![0, 2])]),
        };
        let told = over_the_wire(&response(told), version);
        assert_eq!((told.error_code, told.member_epoch), (0, 3));
        assert_eq!(told.member_id.as_deref(), Some("one"));
        assert_eq!(told.heartbeat_interval_ms, 5_000);
        let topics = told.assignment.expect("an assignment").topic_partitions;
        assert_eq!(
            (topics[0].topic_id, &*topics[0].partitions),
            (id.0, &[0, 2][..])
        );
        let refused = over_the_wire(&refused(ErrorCode::NOT_COORDINATOR), version);
        assert_eq!(refused.error_code, ErrorCode::NOT_COORDINATOR.0);
        assert_eq!((refused.error_message, refused.assignment), (None, None));
    }
}

#[test]
fn a_member_joins_gets_partitions_and_leaves() {
    let on = Serving::start(&[]);
    // The group's coordinator may be loading at first.
    let told = loop {
        let told = on.ask(1, &joining("one"));
        if !ErrorCode(told.error_code).is_retriable() {
            break told;
        }
    };
    assert_eq!(told.error_code, 0, "{told:?}");
    let topics = told.assignment.expect("an assignment").topic_partitions;
    let image = on.context.cluster.image();
    assert_eq!(topics[0].topic_id, image.topic("t").expect("a topic").id.0);
    assert_eq!(topics[0].partitions, [0]);
    let leaving = joining("one").with_member_epoch(-1);
    let told = on.ask(1, &leaving);
    assert_eq!((told.error_code, told.member_epoch), (0, -1));
}

#[test]
fn what_is_invalid_has_kafkas_words() {
    let on = Serving::start(&[]);
    let told = loop {
        let told = on.ask(1, &joining(""));
        if !ErrorCode(told.error_code).is_retriable() {
            break told;
        }
    };
    assert_eq!(told.error_code, ErrorCode::INVALID_REQUEST.0);
    assert_eq!(
        told.error_message.as_deref(),
        Some("MemberId can't be empty.")
    );
}

#[test]
fn a_cluster_of_an_older_level_has_no_consumer_groups() {
    let on = Serving::start(&[]);
    let command = UpdateFeatures {
        updates: vec![FeatureUpdate {
            name: "group.version".to_owned(),
            level: 0,
            direction: UpdateDirection::SafeDowngrade,
        }],
        validate_only: false,
    };
    let decided = on.block_on(on.context.cluster.submit(command));
    assert!(matches!(decided, Ok(Ok(()))), "{decided:?}");
    let told = on.ask(1, &joining("one"));
    assert_eq!(told.error_code, ErrorCode::UNSUPPORTED_VERSION.0);
}

#[test]
fn a_broker_without_the_protocol_has_no_consumer_groups() {
    let on = Serving::start(&[("group.coordinator.rebalance.protocols", "classic")]);
    let told = on.ask(1, &joining("one"));
    assert_eq!(told.error_code, ErrorCode::UNSUPPORTED_VERSION.0);
}
