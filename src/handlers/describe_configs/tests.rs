use std::sync::Arc;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use super::super::authorize::Rights;
use super::super::fixture;
use super::super::streamed::{self, Chunk};
use super::{Answer, response};
use crate::base::{ErrorCode, LeaderEpoch, Offset};
use crate::config::BrokerConfig;
use crate::metadata::record::{Config, MetadataRecord};
use crate::metadata::{ConfigResourceType, Image};

fn resource(resource_type: i8, name: &'static str) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(StrBytes::from_static_str(name))
        .with_configuration_keys(None)
}

fn keys(resource: DescribeConfigsResource, keys: &[&'static str]) -> DescribeConfigsResource {
    resource.with_configuration_keys(Some(
        keys.iter()
            .map(|key| StrBytes::from_static_str(key))
            .collect(),
    ))
}

fn describe(
    resources: Vec<DescribeConfigsResource>,
    is_full: bool,
    version: i16,
) -> DescribeConfigsResponse {
    describe_in(fixture::image(), resources, is_full, version)
}

fn describe_in(
    image: Image,
    resources: Vec<DescribeConfigsResource>,
    is_full: bool,
    version: i16,
) -> DescribeConfigsResponse {
    let config =
        BrokerConfig::with(&[("node.id", "1"), ("log.retention.hours", "2")]).expect("valid");
    let mut request = DescribeConfigsRequest::default()
        .with_resources(resources)
        .with_include_synonyms(is_full);
    if version >= 3 {
        request = request.with_include_documentation(is_full);
    }
    let request = fixture::over_the_wire(&request, version);
    let answer = Answer::new(request, Arc::new(image), Arc::new(config), Rights::all());
    let count = answer.resources.len();
    let rows = (0..count).map(|row| Chunk::row(answer.row(row)));
    streamed::received(version, response, count, rows)
}

fn one(resource: DescribeConfigsResource) -> DescribeConfigsResult {
    describe(vec![resource], false, 4).results.remove(0)
}

fn entry<'a>(result: &'a DescribeConfigsResult, name: &str) -> &'a DescribeConfigsResourceResult {
    result
        .configs
        .iter()
        .find(|config| config.name.as_str() == name)
        .expect("the key is described")
}

fn refusal(resource: DescribeConfigsResource) -> (ErrorCode, String) {
    let result = one(resource);
    (
        ErrorCode(result.error_code),
        result
            .error_message
            .map(|text| text.to_string())
            .unwrap_or_default(),
    )
}

#[test]
fn every_version_tells_topics_and_brokers() {
    for version in 1..=4 {
        for is_full in [false, true] {
            let response = describe(
                vec![resource(2, "audit"), resource(4, "1"), resource(4, "")],
                is_full,
                version,
            );
            let [topic, broker, defaults] = response.results.as_slice() else {
                panic!("three results")
            };
            assert_eq!(
                (topic.error_code, broker.error_code, defaults.error_code),
                (0, 0, 0)
            );
            assert_eq!(topic.error_message.as_deref(), Some(""));
            let retention = entry(topic, "retention.ms");
            assert_eq!(
                (retention.value.as_deref(), retention.config_source),
                (Some("1000"), 1)
            );
            assert_eq!(retention.synonyms.len(), usize::from(is_full));
            assert_eq!(entry(topic, "cleanup.policy").config_source, 5);
            let hours = entry(broker, "log.retention.hours");
            assert_eq!(
                (hours.value.as_deref(), hours.config_source),
                (Some("2"), 4)
            );
            if version >= 3 {
                assert_eq!((retention.config_type, hours.config_type), (5, 3));
                assert_eq!(retention.documentation.is_some(), is_full);
            }
            assert!(entry(broker, "node.id").read_only);
            assert!(defaults.configs.is_empty());
        }
    }
}

#[test]
fn a_list_of_keys_chooses_and_an_empty_one_does_not() {
    let chosen = one(keys(
        resource(2, "orders"),
        &["retention.ms", "no.such.key"],
    ));
    let names: Vec<&str> = chosen
        .configs
        .iter()
        .map(|config| config.name.as_str())
        .collect();
    assert_eq!(names, ["retention.ms"]);
    assert!(one(keys(resource(2, "orders"), &[])).configs.len() > 20);
}

#[test]
fn what_is_not_there_is_refused_in_kafkas_words() {
    assert_eq!(
        refusal(resource(2, "none")).0,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert_eq!(
        refusal(resource(2, "__cluster_metadata")).0,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
    assert_eq!(
        refusal(resource(2, "a b")).0,
        ErrorCode::INVALID_TOPIC_EXCEPTION
    );
    for (resource_type, name, text) in [
        (
            4,
            "2",
            "Unexpected broker id, expected 1 or empty string, but received 2",
        ),
        (4, "one", "Broker id must be an integer, but it is: one"),
        (8, "", "Broker id must not be empty"),
        (8, "2", "Unexpected broker id, expected 1 but received 2"),
        (16, "", "Client metrics subscription name must not be empty"),
        (32, "", "Group name must not be empty"),
    ] {
        assert_eq!(
            refusal(resource(resource_type, name)),
            (ErrorCode::INVALID_REQUEST, text.to_owned())
        );
    }
    let loggers = one(resource(8, "1"));
    assert_eq!((loggers.error_code, loggers.configs.len()), (0, 0));
}

#[test]
fn what_only_kafka_serves_is_told_with_its_values_or_kafkas_defaults() {
    let set = |resource_type: ConfigResourceType, name: &str, value: &str| {
        MetadataRecord::Config(Config {
            resource_type: resource_type.0,
            resource_name: "x".to_owned(),
            name: name.to_owned(),
            value: Some(value.to_owned()),
        })
    };
    let records = [
        set(
            ConfigResourceType::GROUP,
            "share.session.timeout.ms",
            "46000",
        ),
        set(ConfigResourceType::GROUP, "of.a.newer.kafka", "1"),
        set(ConfigResourceType::CLIENT_METRICS, "interval.ms", "1000"),
    ];
    let (image, _) = fixture::image()
        .apply(&records, Offset(12), LeaderEpoch(1))
        .expect("records that fit");
    let told = describe_in(image, vec![resource(32, "x"), resource(16, "x")], true, 4);
    let [group, metrics] = told.results.as_slice() else {
        panic!("two results")
    };
    let of = |result, name| {
        let told = entry(result, name);
        let synonyms: Vec<_> = told.synonyms.iter().map(|one| one.name.as_str()).collect();
        let value = told.value.as_deref().expect("a value");
        (value, told.config_source, synonyms)
    };
    assert_eq!((group.configs.len(), metrics.configs.len()), (22, 3));
    assert_eq!(
        of(group, "share.session.timeout.ms"),
        (
            "46000",
            8,
            vec!["share.session.timeout.ms", "group.share.session.timeout.ms"]
        )
    );
    assert_eq!(
        of(group, "streams.session.timeout.ms"),
        ("45000", 5, vec!["group.streams.session.timeout.ms"])
    );
    assert_eq!(of(group, "of.a.newer.kafka"), ("1", 8, vec![]));
    assert_eq!(of(metrics, "interval.ms"), ("1000", 7, vec![]));
    assert_eq!(of(metrics, "match"), ("", 5, vec![]));
}

#[test]
fn an_unknown_type_spoils_the_request_and_repetitions_are_told_once() {
    let response = describe(vec![resource(2, "audit"), resource(3, "x")], false, 4);
    let codes: Vec<i16> = response
        .results
        .iter()
        .map(|result| result.error_code)
        .collect();
    assert_eq!(codes, [42, 42]);
    let response = describe(
        vec![
            resource(2, "audit"),
            resource(2, "orders"),
            resource(2, "audit"),
        ],
        false,
        4,
    );
    let names: Vec<&str> = response
        .results
        .iter()
        .map(|result| result.resource_name.as_str())
        .collect();
    assert_eq!(names, ["audit", "orders"]);
}
