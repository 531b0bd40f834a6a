//! The configuration of a topic that is being created.

use std::collections::BTreeMap;

use crate::base::ErrorCode;
use crate::config::describe::describe_topic;
use crate::config::{BrokerConfig, DescribedConfig, TopicConfig};
use crate::metadata::ConfigResourceType;
use crate::metadata::record::{Config, MetadataRecord};

use super::command::Refusal;

/// The overrides that a client requests, after each of them, and all together, were validated.
pub fn validate(
    configs: &[(String, Option<String>)],
    broker: &BrokerConfig,
) -> Result<BTreeMap<String, String>, Refusal> {
    let null: Vec<&str> = configs
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !null.is_empty() {
        return Err(Refusal::new(
            ErrorCode::INVALID_CONFIG,
            format!(
                "Null value not supported for topic configs: {}",
                null.join(",")
            ),
        ));
    }
    let overrides = configs
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
        .collect::<BTreeMap<_, _>>();
    match TopicConfig::resolve(&overrides, broker) {
        Ok(_) => Ok(overrides),
        Err(error) => Err(Refusal::new(ErrorCode::INVALID_CONFIG, error.to_string())),
    }
}

/// The records that set these overrides for the topic `name`.
pub fn records(
    name: &str,
    overrides: &BTreeMap<String, String>,
) -> impl Iterator<Item = MetadataRecord> {
    overrides.iter().map(move |(key, value)| {
        MetadataRecord::Config(Config {
            resource_type: ConfigResourceType::TOPIC.0,
            resource_name: name.to_owned(),
            name: key.clone(),
            value: Some(value.clone()),
        })
    })
}

/// The whole configuration of a topic with these overrides, ordered by name. As in Kafka, this returns overrides as
/// they were given, even if they have a simpler form.
pub fn effective(
    overrides: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Vec<DescribedConfig> {
    let mut configs = describe_topic(overrides, broker);
    for config in &mut configs {
        if let Some(given) = overrides.get(config.name) {
            config.value = Some(given.clone());
        }
    }
    configs.sort_by_key(|config| config.name);
    configs
}
