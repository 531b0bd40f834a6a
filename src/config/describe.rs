//! Settings as DescribeConfigs returns them: every key with its value, the source of the value, and
//! its synonyms.
//!
//! Synonyms are the places from which the value could come, the effective one first. For a topic
//! these are its override and then the broker's settings that give its default. For a broker they are
//! changes at run time (for this broker, then for all), then the value at the start, then the table's
//! default.

use std::collections::BTreeMap;

use super::broker::BrokerConfig;
use super::definitions::{self, CLIENT_METRICS, Definition, GROUP, Kind};
use super::settings::{Origin, Settings};
use super::topic::{canonical_override, inherited};

/// Where a value comes from, numbered as in Kafka's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
#[allow(
    clippy::enum_variant_names,
    reason = "the names are Kafka's; the lint depends on features"
)]
pub enum ConfigSource {
    /// The topic's override.
    DynamicTopicConfig = 1,
    /// Changed at run time, for this broker.
    DynamicBrokerConfig = 2,
    /// Changed at run time, for all brokers.
    DynamicDefaultBrokerConfig = 3,
    /// Set when the broker was started.
    StaticBrokerConfig = 4,
    /// The default.
    DefaultConfig = 5,
    /// Set for the subscription of client metrics.
    ClientMetricsConfig = 7,
    /// Set for the group.
    GroupConfig = 8,
}

impl ConfigSource {
    /// Kafka's number of this source.
    pub const fn code(self) -> i8 {
        self as i8
    }
}

/// A place from which a value could come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key there.
    pub name: &'static str,
    /// The value there, in the unit of that key; `None` when it must not be shown.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// One setting as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConfig {
    /// The key.
    pub name: &'static str,
    /// The effective value; `None` when it is null or must not be shown.
    pub value: Option<String>,
    /// Where the effective value comes from.
    pub source: ConfigSource,
    /// Every place that has a value, the effective one first.
    pub synonyms: Vec<ConfigSynonym>,
    /// The type ([`Kind::code`] is Kafka's number).
    pub kind: Kind,
    /// What the setting means.
    pub documentation: &'static str,
    /// The value must not be shown.
    pub sensitive: bool,
    /// The value cannot be changed while the broker runs.
    pub read_only: bool,
}

impl DescribedConfig {
    fn new(definition: &Definition, value: Option<String>, synonyms: Vec<ConfigSynonym>) -> Self {
        let sensitive = definition.is_sensitive();
        Self {
            name: definition.name,
            value: value.filter(|_| !sensitive),
            source: synonyms
                .first()
                .map_or(ConfigSource::DefaultConfig, |first| first.source),
            synonyms,
            kind: definition.kind,
            documentation: definition.documentation,
            sensitive,
            read_only: definition.is_read_only(),
        }
    }
}

/// Every setting of a topic with these overrides. An override that is not valid (the controller
/// accepts none) is ignored.
pub fn describe_topic(
    overrides: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Vec<DescribedConfig> {
    let describe = |definition: &'static Definition| {
        let mut synonyms = definition
            .synonyms
            .first()
            .map_or_else(Vec::new, |(name, _)| {
                broker_synonyms(&broker.settings, name)
            });
        let own = overrides
            .get(definition.name)
            .and_then(|value| canonical_override(definition.name, value).ok());
        if let Some(value) = &own {
            let (name, source) = (definition.name, ConfigSource::DynamicTopicConfig);
            synonyms.insert(
                0,
                ConfigSynonym {
                    name,
                    value: Some(value.clone()),
                    source,
                },
            );
        }
        if definition.internal && own.is_none() {
            return None;
        }
        let value = own.or_else(|| inherited(definition, broker));
        Some(DescribedConfig::new(definition, value, synonyms))
    };
    definitions::TOPIC.iter().filter_map(describe).collect()
}

/// Every setting of a group with these overrides, whether there is such a group or not. Without an override the broker's
/// setting counts; of a kind of groups that is not served the broker has none, but Kafka's default. What an override is
/// outside the broker's bounds is not its value in force, but its value here, as in Kafka.
pub fn describe_group(
    overrides: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Vec<DescribedConfig> {
    let describe = |definition: &'static Definition| {
        let own = overrides.get(definition.name).map(|value| {
            let canonical = definition.canonical(value);
            canonical.unwrap_or_else(|_| value.clone())
        });
        if definition.internal && own.is_none() {
            return None;
        }
        let own = own.map(|value| ConfigSynonym {
            name: definition.name,
            value: Some(value),
            source: ConfigSource::GroupConfig,
        });
        let inherited = definition.synonyms.first().map(|(name, _)| *name);
        let inherited = match inherited {
            Some(name) if definitions::broker(name).is_some() => {
                broker_synonyms(&broker.settings, name)
            }
            _ => default_of(definition).into_iter().collect(),
        };
        let synonyms: Vec<_> = own.into_iter().chain(inherited).collect();
        let value = synonyms.first().and_then(|first| first.value.clone());
        Some(DescribedConfig::new(definition, value, synonyms))
    };
    GROUP.iter().filter_map(describe).collect()
}

/// Kafka's default of a setting that has no effect here.
fn default_of(definition: &Definition) -> Option<ConfigSynonym> {
    let inherited = definition.synonyms.first();
    Some(ConfigSynonym {
        name: inherited.map_or(definition.name, |(name, _)| *name),
        value: Some(definition.default?.to_owned()),
        source: ConfigSource::DefaultConfig,
    })
}

/// Every setting of a client metrics subscription: its override, or Kafka's default. Overrides are kept for Kafka and
/// have no effect here. Kafka returns no synonyms for these.
pub fn describe_client_metrics(overrides: &BTreeMap<String, String>) -> Vec<DescribedConfig> {
    let describe = |definition: &'static Definition| {
        let own = overrides.get(definition.name).cloned();
        let source = match own {
            Some(_) => ConfigSource::ClientMetricsConfig,
            None => ConfigSource::DefaultConfig,
        };
        let value = own.or_else(|| definition.default.map(str::to_owned));
        DescribedConfig {
            source,
            ..DescribedConfig::new(definition, value, Vec::new())
        }
    };
    CLIENT_METRICS.iter().map(describe).collect()
}

impl BrokerConfig {
    /// Every setting of this broker.
    pub fn describe(&self) -> Vec<DescribedConfig> {
        self.settings
            .iter()
            .filter(|(definition, setting)| !definition.internal || setting.origin.is_explicit())
            .map(|(definition, setting)| {
                let synonyms = broker_synonyms(&self.settings, definition.name);
                DescribedConfig::new(definition, setting.value.clone(), synonyms)
            })
            .collect()
    }
}

/// The places where the broker has a value for this key or for a key with the same meaning, from the latest change
/// to the defaults. The list starts at the first value of the key itself, as in Kafka 4.3: a topic whose retention
/// comes from log.retention.hours alone has no synonyms.
fn broker_synonyms(settings: &Settings, name: &'static str) -> Vec<ConfigSynonym> {
    let definitions: Vec<_> = same_meaning(name)
        .into_iter()
        .filter_map(definitions::broker)
        .collect();
    let from = |wanted: ConfigSource| {
        definitions.iter().filter_map(move |definition| {
            let value = if wanted == ConfigSource::DefaultConfig {
                definition.default.filter(|_| !definition.change_only)
            } else {
                settings
                    .layers(definition.name)
                    .find(|set| source(&set.origin) == Some(wanted))
                    .and_then(|set| set.value.as_deref())
            };
            Some(ConfigSynonym {
                name: definition.name,
                value: Some(value?.to_owned()).filter(|_| !definition.is_sensitive()),
                source: wanted,
            })
        })
    };
    from(ConfigSource::DynamicBrokerConfig)
        .chain(from(ConfigSource::DynamicDefaultBrokerConfig))
        .chain(from(ConfigSource::StaticBrokerConfig))
        .chain(from(ConfigSource::DefaultConfig))
        .skip_while(|synonym| synonym.name != name)
        .collect()
}

/// The keys that give the same topic setting a default, the strongest first.
fn same_meaning(name: &'static str) -> Vec<&'static str> {
    let gives = |topic: &&Definition| topic.synonyms.iter().any(|(key, _)| *key == name);
    match definitions::TOPIC.iter().find(gives) {
        // Kafka lists no synonyms for this one.
        Some(topic) if name != "log.flush.scheduler.interval.ms" => {
            topic.synonyms.iter().map(|(key, _)| *key).collect()
        }
        _ => vec![name],
    }
}

/// The source of a value with this origin.
const fn source(origin: &Origin) -> Option<ConfigSource> {
    match origin {
        Origin::Default => None,
        Origin::File(_) | Origin::Environment(_) | Origin::Override => {
            Some(ConfigSource::StaticBrokerConfig)
        }
        Origin::AllBrokers => Some(ConfigSource::DynamicDefaultBrokerConfig),
        Origin::ThisBroker => Some(ConfigSource::DynamicBrokerConfig),
    }
}

#[cfg(test)]
mod tests;
