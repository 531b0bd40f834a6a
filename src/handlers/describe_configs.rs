//! DescribeConfigs: the settings of topics and of this broker, each with the source of its value.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::protocol::StrBytes;

use crate::base::ErrorCode;
use crate::config::definitions;
use crate::config::{
    BrokerConfig, ConfigSource, ConfigSynonym, DescribedConfig, describe_client_metrics,
    describe_group, describe_topic,
};
use crate::controller::Refusal;
use crate::metadata::{ConfigResourceType, Image};
use crate::security::{Operation, Resource};
use crate::wire::Reply;

use super::authorize::Rights;
use super::errors;
use super::route::{Call, Handler};
use super::streamed::{self, Chunk};
use super::text;

/// Kafka's number for the loggers of a broker. They have settings, but these are not stored.
const BROKER_LOGGER: i8 = 8;

pub(super) struct DescribeConfigs;

impl Handler for DescribeConfigs {
    type Request = DescribeConfigsRequest;

    async fn handle(call: Call, request: DescribeConfigsRequest) -> Reply {
        let image = call.broker.cluster.image();
        let config = config_in_force(&image, &call.broker.config);
        let answer = Arc::new(Answer::new(request, image, config, call.rights()));
        let count = answer.resources.len();
        let rows = (0..count).map(move |row| Chunk::row(answer.row(row)));
        streamed::rows(&call, response, count, rows).await
    }
}

/// The broker's configuration: the start configuration, overridden by later changes.
pub(super) fn config_in_force(
    image: &Image,
    started_with: &Arc<BrokerConfig>,
) -> Arc<BrokerConfig> {
    match image.config_in_force(started_with) {
        Cow::Borrowed(_) => Arc::clone(started_with),
        Cow::Owned(config) => Arc::new(config),
    }
}

/// The resource for the rights to settings: topics and groups have their own, for everything else it is the cluster.
pub(super) const fn config_resource(resource_type: i8, name: &str) -> Resource<'_> {
    match ConfigResourceType(resource_type) {
        ConfigResourceType::TOPIC => Resource::topic(name),
        ConfigResourceType::GROUP => Resource::group(name),
        _ => Resource::CLUSTER,
    }
}

fn response(results: Vec<DescribeConfigsResult>) -> DescribeConfigsResponse {
    DescribeConfigsResponse::default().with_results(results)
}

/// The data for the rows of the answer: a request of a few bytes may ask for all settings.
struct Answer {
    image: Arc<Image>,
    config: Arc<BrokerConfig>,
    synonyms: bool,
    documentation: bool,
    resources: Vec<DescribeConfigsResource>,
    /// An unknown type of resource fails the whole request, as in Kafka.
    is_spoilt: bool,
    rights: Rights,
}

impl Answer {
    fn new(
        request: DescribeConfigsRequest,
        image: Arc<Image>,
        config: Arc<BrokerConfig>,
        rights: Rights,
    ) -> Self {
        let mut resources = request.resources;
        let is_spoilt = resources
            .iter()
            .any(|resource| !is_known(resource.resource_type));
        // A resource that is named twice has one row: repeated names must not make the answer larger than its
        // contents.
        let mut told = HashSet::new();
        resources.retain(|resource| {
            told.insert((resource.resource_type, resource.resource_name.clone()))
        });
        Self {
            image,
            config,
            synonyms: request.include_synonyms,
            documentation: request.include_documentation,
            resources,
            is_spoilt,
            rights,
        }
    }

    fn permit(&self, resource: &DescribeConfigsResource) -> Result<(), Refusal> {
        let resource = config_resource(resource.resource_type, &resource.resource_name);
        let permit = self.rights.permit(Operation::DescribeConfigs, resource);
        permit.map_err(|_| errors::denial(resource.kind))
    }

    fn row(&self, row: usize) -> DescribeConfigsResult {
        let resource = &self.resources[row];
        let source = Source {
            image: &self.image,
            config: &self.config,
            synonyms: self.synonyms,
            documentation: self.documentation,
        };
        let configs = if self.is_spoilt {
            Err(invalid(text::MALFORMED_REQUEST))
        } else {
            self.permit(resource)
                .and_then(|()| source.configs(resource))
        };
        result(resource, configs)
    }
}

fn result(
    resource: &DescribeConfigsResource,
    configs: Result<Vec<DescribeConfigsResourceResult>, Refusal>,
) -> DescribeConfigsResult {
    let (refusal, configs) = match configs {
        Ok(configs) => (Refusal::bare(ErrorCode::NONE), configs),
        Err(refusal) => (refusal, Vec::new()),
    };
    DescribeConfigsResult::default()
        .with_error_code(refusal.code.0)
        .with_error_message(Some(StrBytes::from_string(
            refusal.message.unwrap_or_default(),
        )))
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
        .with_configs(configs)
}

const fn is_known(resource_type: i8) -> bool {
    resource_type == BROKER_LOGGER
        || matches!(
            ConfigResourceType(resource_type),
            ConfigResourceType::TOPIC
                | ConfigResourceType::BROKER
                | ConfigResourceType::CLIENT_METRICS
                | ConfigResourceType::GROUP
        )
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, message)
}

/// Where settings are looked up, and which details are returned.
struct Source<'a> {
    image: &'a Image,
    config: &'a BrokerConfig,
    synonyms: bool,
    documentation: bool,
}

impl Source<'_> {
    fn configs(
        &self,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        let name = resource.resource_name.as_str();
        let mut configs = match ConfigResourceType(resource.resource_type) {
            ConfigResourceType::TOPIC => self.topic(name)?,
            ConfigResourceType::BROKER => self.broker(name)?,
            ConfigResourceType(BROKER_LOGGER) => self.loggers(name)?,
            ConfigResourceType::CLIENT_METRICS if name.is_empty() => {
                return Err(invalid(
                    "Client metrics subscription name must not be empty",
                ));
            }
            ConfigResourceType::CLIENT_METRICS => {
                let overrides = self.image.configs(ConfigResourceType::CLIENT_METRICS, name);
                let described = describe_client_metrics(overrides);
                self.with_unknown(described, overrides, ConfigSource::ClientMetricsConfig)
            }
            ConfigResourceType::GROUP if name.is_empty() => {
                return Err(invalid("Group name must not be empty"));
            }
            ConfigResourceType::GROUP => {
                let overrides = self.image.configs(ConfigResourceType::GROUP, name);
                let described = describe_group(overrides, self.config);
                self.with_unknown(described, overrides, ConfigSource::GroupConfig)
            }
            ConfigResourceType(other) => {
                return Err(invalid(format!("Unsupported resource type: {other}")));
            }
        };
        let keys = resource.configuration_keys.as_deref().unwrap_or_default();
        if !keys.is_empty() {
            let keys: HashSet<&str> = keys.iter().map(StrBytes::as_str).collect();
            configs.retain(|config| keys.contains(config.name.as_str()));
        }
        Ok(configs)
    }

    fn topic(&self, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        if self.image.topic(name).is_none() {
            return Err(errors::unknown_topic(name));
        }
        let configs = describe_topic(self.image.topic_configs(name), self.config);
        Ok(configs.into_iter().map(|config| self.row(config)).collect())
    }

    fn broker(&self, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        if name.is_empty() {
            return Ok(self.broker_defaults());
        }
        let expected = self.config.node_id;
        if broker_id(name)? != expected {
            return Err(invalid(format!(
                "Unexpected broker id, expected {expected} or empty string, but received {name}"
            )));
        }
        Ok(self
            .config
            .describe()
            .into_iter()
            .map(|config| self.row(config))
            .collect())
    }

    /// The settings for all brokers that were changed at run time.
    fn broker_defaults(&self) -> Vec<DescribeConfigsResourceResult> {
        let source = ConfigSource::DynamicDefaultBrokerConfig;
        let described = |(key, value): (&String, &String)| {
            let definition = definitions::broker(key)?;
            let value = (!definition.is_sensitive()).then(|| value.clone());
            let synonym = ConfigSynonym {
                name: definition.name,
                value: value.clone(),
                source,
            };
            Some(self.row(DescribedConfig {
                name: definition.name,
                value,
                source,
                synonyms: vec![synonym],
                kind: definition.kind,
                documentation: definition.documentation,
                sensitive: definition.is_sensitive(),
                read_only: definition.is_read_only(),
            }))
        };
        self.image
            .configs(ConfigResourceType::BROKER, "")
            .iter()
            .filter_map(described)
            .collect()
    }

    /// The levels of loggers are set when the broker starts, by one expression for all of them, so none is returned.
    fn loggers(&self, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        if name.is_empty() {
            return Err(invalid("Broker id must not be empty"));
        }
        let expected = self.config.node_id;
        if broker_id(name)? != expected {
            return Err(invalid(format!(
                "Unexpected broker id, expected {expected} but received {name}"
            )));
        }
        Ok(Vec::new())
    }

    /// The described settings of a resource and the overrides that are not among them: a newer Kafka has set those.
    fn with_unknown(
        &self,
        described: Vec<DescribedConfig>,
        overrides: &BTreeMap<String, String>,
        source: ConfigSource,
    ) -> Vec<DescribeConfigsResourceResult> {
        let known: HashSet<_> = described.iter().map(|config| config.name).collect();
        let others = overrides
            .iter()
            .filter(|(key, _)| !known.contains(key.as_str()))
            .map(|(key, value)| {
                DescribeConfigsResourceResult::default()
                    .with_name(StrBytes::from_string(key.clone()))
                    .with_value(Some(StrBytes::from_string(value.clone())))
                    .with_config_source(source.code())
                    .with_documentation(None)
            })
            .collect::<Vec<_>>();
        let rows = described.into_iter().map(|config| self.row(config));
        rows.chain(others).collect()
    }

    fn row(&self, config: DescribedConfig) -> DescribeConfigsResourceResult {
        let synonyms = if self.synonyms {
            config.synonyms
        } else {
            Vec::new()
        };
        let synonyms = synonyms.into_iter().map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(StrBytes::from_static_str(synonym.name))
                .with_value(synonym.value.map(StrBytes::from_string))
                .with_source(synonym.source.code())
        });
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(config.name))
            .with_value(config.value.map(StrBytes::from_string))
            .with_read_only(config.read_only)
            .with_config_source(config.source.code())
            .with_is_sensitive(config.sensitive)
            .with_synonyms(synonyms.collect())
            .with_config_type(config.kind.code())
            .with_documentation(
                self.documentation
                    .then(|| StrBytes::from_static_str(config.documentation)),
            )
    }
}

fn broker_id(name: &str) -> Result<i32, Refusal> {
    name.parse()
        .map_err(|_| invalid(format!("Broker id must be an integer, but it is: {name}")))
}

#[cfg(test)]
mod tests;
