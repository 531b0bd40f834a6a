use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::authorize::Rights;
use super::super::{fixture, streamed};
use super::{Answer, Asked, Row, Rows, Topic, Wanted, missing, wanted};
use crate::base::ErrorCode;
use crate::metadata::TopicImage;

fn named(name: &'static str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_static_str(name))))
}

fn identified(id: Uuid) -> MetadataRequestTopic {
    MetadataRequestTopic::default()
        .with_name(None)
        .with_topic_id(id)
}

fn answer(topics: Option<Vec<MetadataRequestTopic>>, version: i16) -> MetadataResponse {
    match wanted(topics, version) {
        Ok(wanted) => {
            let answer = Arc::new(Answer {
                image: Arc::new(fixture::image()),
                config: Arc::default(),
                peer: Arc::new(fixture::peer()),
                rights: Rights::all(),
                asked: Asked {
                    version,
                    cluster_operations: true,
                    topic_operations: true,
                },
                refused: HashMap::from([(
                    "refused".to_owned(),
                    ErrorCode::INVALID_REPLICATION_FACTOR,
                )]),
            });
            let response = |topics| answer.response(topics, "cluster");
            let rows = Rows::new(&answer, wanted);
            let count = rows.clone().count();
            streamed::received(version, response, count, rows.flatten())
        }
        Err(refusal) => fixture::over_the_wire(&refusal, version),
    }
}

fn names(response: &MetadataResponse) -> Vec<&str> {
    response
        .topics
        .iter()
        .map(|topic| topic.name.as_ref().map_or("-", |name| name.0.as_str()))
        .collect()
}

fn codes(response: &MetadataResponse) -> Vec<ErrorCode> {
    response
        .topics
        .iter()
        .map(|topic| ErrorCode(topic.error_code))
        .collect()
}

#[test]
fn every_version_tells_brokers_topics_and_leaders() {
    for version in 0..=13 {
        let response = answer(
            Some(vec![
                named("orders"),
                named("none"),
                named("a b"),
                named("refused"),
            ]),
            version,
        );
        assert_eq!(names(&response), ["orders", "none", "a b", "refused"]);
        assert_eq!(
            codes(&response),
            [
                ErrorCode::NONE,
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                ErrorCode::INVALID_TOPIC_EXCEPTION,
                ErrorCode::INVALID_REPLICATION_FACTOR
            ]
        );
        let brokers: Vec<_> = response
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, broker.host.as_str()))
            .collect();
        assert_eq!(
            brokers,
            [(1, "127.0.0.1"), (2, "host2")],
            "version {version}"
        );
        let leaders: Vec<i32> = response.topics[0]
            .partitions
            .iter()
            .map(|partition| partition.leader_id.0)
            .collect();
        assert_eq!(leaders, [1, 2, -1]);
        assert_eq!(
            response.topics[0].partitions[2].error_code,
            ErrorCode::LEADER_NOT_AVAILABLE.0
        );
        if version >= 1 {
            assert_eq!(response.controller_id, BrokerId(1));
            assert_eq!(
                response.topics[0].partitions[1].replica_nodes,
                [BrokerId(2), BrokerId(3)]
            );
            assert_eq!(response.topics[0].partitions[1].error_code, 0);
        }
        if version >= 2 {
            assert_eq!(response.cluster_id.as_deref(), Some("cluster"));
        }
        if version >= 5 {
            assert_eq!(
                response.topics[0].partitions[1].offline_replicas,
                [BrokerId(3)]
            );
        }
        if version >= 7 {
            assert_eq!(response.topics[0].partitions[0].leader_epoch, 4);
        }
        let operations = response.topics[0].topic_authorized_operations;
        assert_eq!(operations > 0, version >= 8, "version {version}");
        assert_eq!(
            response.cluster_authorized_operations > 0,
            (8..=10).contains(&version),
            "version {version}"
        );
        let id = if version >= 10 {
            fixture::ORDERS
        } else {
            Uuid::nil()
        };
        assert_eq!(response.topics[0].topic_id, id);
    }
}

#[test]
fn version_0_hides_replicas_that_are_not_there() {
    let response = answer(Some(vec![named("orders")]), 0);
    let partition = &response.topics[0].partitions[1];
    assert_eq!(partition.replica_nodes, [BrokerId(2)]);
    assert_eq!(partition.error_code, ErrorCode::REPLICA_NOT_AVAILABLE.0);
}

#[test]
fn no_list_means_all_topics_and_an_empty_one_none_except_in_version_0() {
    assert_eq!(names(&answer(Some(Vec::new()), 0)), ["audit", "orders"]);
    for version in 1..=13 {
        assert_eq!(names(&answer(None, version)), ["audit", "orders"]);
        assert!(answer(Some(Vec::new()), version).topics.is_empty());
    }
}

#[test]
fn topics_are_found_by_id_from_version_12_on() {
    let unknown = Uuid::from_u128(77);
    for version in [12, 13] {
        let response = answer(
            Some(vec![
                identified(unknown),
                identified(fixture::ORDERS),
                identified(unknown),
            ]),
            version,
        );
        assert_eq!(names(&response), ["-", "orders"]);
        assert_eq!(
            codes(&response),
            [ErrorCode::UNKNOWN_TOPIC_ID, ErrorCode::NONE]
        );
        assert_eq!(response.topics[0].topic_id, unknown);
        let response = answer(Some(vec![identified(Uuid::nil())]), version);
        assert_eq!(codes(&response), [ErrorCode::INVALID_TOPIC_EXCEPTION]);
    }
    for version in [10, 11] {
        let response = answer(
            Some(vec![named("orders"), identified(fixture::ORDERS)]),
            version,
        );
        assert_eq!(codes(&response), [ErrorCode::INVALID_REQUEST; 2]);
    }
}

#[test]
fn a_topic_that_is_named_twice_is_told_once() {
    assert_eq!(
        names(&answer(
            Some(vec![named("orders"), named("orders"), named("audit")]),
            9
        )),
        ["orders", "audit"]
    );
}

#[test]
fn what_could_be_created_is_what_is_named_valid_and_not_there() {
    let topic = |name| Topic::Named(TopicName(StrBytes::from_static_str(name)));
    let names = [
        "orders",
        "new",
        "a b",
        "__cluster_metadata",
        "__consumer_offsets",
        "__transaction_state",
        "__share_group_state",
    ];
    let wanted = Wanted::Topics(
        names
            .map(topic)
            .into_iter()
            .chain([Topic::Identified(Uuid::from_u128(7))])
            .collect(),
    );
    assert_eq!(
        missing(&wanted, &fixture::image(), &Rights::all()),
        ["new", "__consumer_offsets", "__transaction_state"]
    );
    assert!(missing(&Wanted::AllTopics, &fixture::image(), &Rights::all()).is_empty());
}

#[test]
fn requests_of_old_clients_allow_creation() {
    for version in 0..=13 {
        let request = fixture::over_the_wire(&MetadataRequest::default(), version);
        assert!(request.allow_auto_topic_creation, "version {version}");
    }
}

#[test]
fn rows_without_a_topic_have_no_operations() {
    let row: MetadataResponseTopic = answer(Some(vec![identified(Uuid::from_u128(77))]), 12)
        .topics
        .remove(0);
    assert_eq!(row.topic_authorized_operations, i32::MIN);
}

#[test]
fn a_topic_with_very_many_partitions_is_told_as_any_other() {
    let orders = fixture::image().topic("orders").cloned().expect("a topic");
    let many = TopicImage {
        partitions: orders
            .partitions
            .iter()
            .cycle()
            .take(1_000)
            .cloned()
            .collect(),
        ..(*orders).clone()
    };
    for version in 0..=13 {
        let asked = Asked {
            version,
            cluster_operations: false,
            topic_operations: false,
        };
        let answer = Arc::new(Answer {
            image: Arc::new(fixture::image()),
            config: Arc::default(),
            peer: Arc::new(fixture::peer()),
            rights: Rights::all(),
            asked,
            refused: HashMap::new(),
        });
        let response = |topics| answer.response(topics, "cluster");
        let whole = answer.topic(&many, answer.partitions(&many));
        let row = Row::new(&answer, Ok(Arc::new(many.clone())));
        assert_eq!(row.partitions.len(), 1_000);
        let told = streamed::received(version, response, 1, row);
        assert_eq!(
            told,
            fixture::over_the_wire(&response(vec![whole]), version)
        );
    }
}
