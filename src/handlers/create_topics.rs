//! CreateTopics: creates topics, each independently of the others, or only validates the request.

use std::sync::Arc;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::base::NodeId;
use crate::cluster::METADATA_TOPIC;
use crate::config::{BrokerConfig, DescribedConfig};
use crate::controller::configs::effective;
use crate::controller::{self, CreatedTopic, NewTopic, Refusal};
use crate::security::{Operation, Resource, ResourceType};
use crate::wire::Reply;

use super::describe_configs::config_in_force;
use super::requested::sort_out;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text::wire_text;
use super::topic_ids::owned_name;
use super::{ask, errors};

pub(super) struct CreateTopics;

impl Handler for CreateTopics {
    type Request = CreateTopicsRequest;

    async fn handle(call: Call, request: CreateTopicsRequest) -> Reply {
        let rights = call.rights();
        let may_create_any = rights.may(Operation::Create, Resource::CLUSTER);
        let permit = |name: &TopicName| {
            // Nobody may create the controllers' own log, so everybody gets the same answer about it.
            if may_create_any || name.as_str() == METADATA_TOPIC {
                return Ok(());
            }
            let permit = rights.permit(Operation::Create, Resource::topic(name));
            permit.map_err(|code| Refusal::new(code, "Authorization failed."))
        };
        let topics = request
            .topics
            .into_iter()
            .map(|topic| (owned_name(&topic.name), Ok(new_topic(topic))));
        let (rows, topics) = sort_out(topics.collect(), |_| "Duplicate topic name.", permit);
        let command = controller::CreateTopics {
            topics,
            validate_only: request.validate_only,
        };
        let decided = ask::controller(&call, command, request.timeout_ms).await;
        let decided = decided.map(|rows| rows.into_iter().map(|(_, result)| result).collect());
        let image = call.broker.cluster.image();
        let config = config_in_force(&image, &call.broker.config);
        let told: Vec<_> = rows.answer(decided).collect();
        let count = told.len();
        let told = Arc::new(told);
        let rows = (0..count).map(move |at| {
            let (name, result) = &told[at];
            let described = Resource::topic(name);
            let may_describe = rights.may(Operation::DescribeConfigs, described);
            Chunk::row(row(name.clone(), result, &config, may_describe))
        });
        streamed::rows(&call, response, count, rows).await
    }
}

fn response(topics: Vec<CreatableTopicResult>) -> CreateTopicsResponse {
    CreateTopicsResponse::default().with_topics(topics)
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .into_iter()
            .map(|row| {
                (
                    row.partition_index,
                    row.broker_ids.into_iter().map(|id| NodeId(id.0)).collect(),
                )
            })
            .collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|config| {
                (
                    config.name.to_string(),
                    config.value.map(|value| value.to_string()),
                )
            })
            .collect(),
    }
}

/// One row. The details of the created topic are sent from version 5 on; the encoder omits them before.
fn row(
    name: TopicName,
    result: &Result<CreatedTopic, Refusal>,
    in_force: &BrokerConfig,
    may_describe: bool,
) -> CreatableTopicResult {
    let row = CreatableTopicResult::default().with_name(name);
    match result {
        // As in Kafka only the code is sent then, since the numbers are settings, too.
        Ok(created) if !may_describe => row
            .with_error_message(None)
            .with_topic_id(created.topic_id.0)
            .with_topic_config_error_code(errors::of_denial(ResourceType::Topic).0),
        Ok(created) => row
            .with_error_message(None)
            .with_topic_id(created.topic_id.0)
            .with_num_partitions(created.partitions)
            .with_replication_factor(created.replication_factor)
            .with_configs(Some(
                effective(&created.overrides, in_force)
                    .into_iter()
                    .map(config)
                    .collect(),
            )),
        Err(refusal) => row
            .with_error_code(refusal.code.0)
            .with_error_message(refusal.message.as_deref().map(wire_text)),
    }
}

fn config(config: DescribedConfig) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(StrBytes::from_static_str(config.name))
        .with_value(config.value.map(StrBytes::from_string))
        .with_read_only(config.read_only)
        .with_config_source(config.source.code())
        .with_is_sensitive(config.sensitive)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kafka_protocol::messages::create_topics_request::{
        CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
    };
    use kafka_protocol::messages::{BrokerId, CreateTopicsRequest};
    use kafka_protocol::protocol::StrBytes;
    use uuid::Uuid;

    use super::super::fixture;
    use super::super::topic_ids::wire_name;
    use super::{new_topic, response, row};
    use crate::base::{ErrorCode, KafkaUuid, NodeId};
    use crate::config::BrokerConfig;
    use crate::controller::{CreatedTopic, Refusal};

    #[test]
    fn every_version_tells_what_was_made_and_what_was_not() {
        let overrides = BTreeMap::from([("retention.ms".to_owned(), "5".to_owned())]);
        let created = CreatedTopic {
            topic_id: KafkaUuid(Uuid::from_u128(7)),
            partitions: 3,
            replication_factor: 2,
            overrides,
        };
        let refusal = Refusal::new(ErrorCode::INVALID_PARTITIONS, "No.");
        let config = BrokerConfig::default();
        for version in 2..=7 {
            let rows = [
                ("made", Ok(created.clone())),
                ("refused", Err(refusal.clone())),
                ("late", Err(Refusal::bare(ErrorCode::REQUEST_TIMED_OUT))),
            ]
            .map(|(name, result)| row(wire_name(name), &result, &config, true));
            let response = fixture::over_the_wire(&response(rows.into()), version);
            let [made, refused, late] = response.topics.as_slice() else {
                panic!("three rows")
            };
            assert_eq!((made.error_code, &made.error_message), (0, &None));
            assert_eq!(
                (refused.error_code, refused.error_message.as_deref()),
                (37, Some("No."))
            );
            assert_eq!((late.error_code, &late.error_message), (7, &None));
            if version >= 5 {
                assert_eq!((made.num_partitions, made.replication_factor), (3, 2));
                assert_eq!(
                    (refused.num_partitions, refused.replication_factor),
                    (-1, -1)
                );
                let configs = made.configs.as_deref().unwrap_or_default();
                let retention = configs
                    .iter()
                    .find(|config| config.name.as_str() == "retention.ms");
                let retention = retention.expect("every key is told");
                assert_eq!(
                    (retention.value.as_deref(), retention.config_source),
                    (Some("5"), 1)
                );
            }
            if version >= 7 {
                assert_eq!(made.topic_id, Uuid::from_u128(7));
            }
        }
    }

    #[test]
    fn every_version_is_read() {
        for version in 2..=7 {
            let value = |value: Option<&'static str>| value.map(StrBytes::from_static_str);
            let config = CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str("cleanup.policy"))
                .with_value(value(Some("compact")));
            let null = CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str("retention.ms"))
                .with_value(value(None));
            let topic = CreatableTopic::default()
                .with_name(wire_name("orders"))
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_assignments(vec![
                    CreatableReplicaAssignment::default()
                        .with_broker_ids(vec![BrokerId(1), BrokerId(2)]),
                ])
                .with_configs(vec![config, null]);
            let request = CreateTopicsRequest::default().with_topics(vec![topic]);
            let mut request = fixture::over_the_wire(&request, version);
            let topic = new_topic(request.topics.remove(0));
            assert_eq!(topic.name, "orders");
            assert_eq!((topic.partitions, topic.replication_factor), (-1, -1));
            assert_eq!(topic.assignments, [(0, vec![NodeId(1), NodeId(2)])]);
            let configs = [
                ("cleanup.policy".to_owned(), Some("compact".to_owned())),
                ("retention.ms".to_owned(), None),
            ];
            assert_eq!(topic.configs, configs);
        }
    }
}
