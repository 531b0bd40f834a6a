//! Settings as DescribeConfigs answers them: every key with its value, where the value comes from,
//! and which other values it hides.
//!
//! A synonym is a place from which the value could come, the effective one first. For a topic that
//! is its override and then the broker's settings that give its default; for a broker the value that
//! was set and then the table's default. Nothing changes while the broker runs at present, so the
//! two dynamic broker sources do not occur yet.

use std::collections::BTreeMap;

use super::broker::BrokerConfig;
use super::definitions::{self, Definition, Kind};
use super::settings::Settings;
use super::topic::{canonical_override, inherited};

/// Where a value comes from, numbered as in Kafka's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigSource {
    /// The topic's override.
    DynamicTopicConfig = 1,
    /// Set for this broker while it ran.
    DynamicBrokerConfig = 2,
    /// Set for all brokers while they ran.
    DynamicDefaultBrokerConfig = 3,
    /// Set when the broker was started.
    StaticBrokerConfig = 4,
    /// Set by nobody.
    DefaultConfig = 5,
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

/// Every setting of a topic with these overrides. An override that is not a valid one (the
/// controller lets none in) counts as not set.
pub fn describe_topic(
    overrides: &BTreeMap<String, String>,
    broker: &BrokerConfig,
) -> Vec<DescribedConfig> {
    let describe = |definition: &'static Definition| {
        // Kafka looks no further than the first: a topic that lives by log.retention.hours shows its
        // value as a default without synonyms (asked of Kafka 4.3).
        let mut synonyms = definition
            .synonyms
            .first()
            .map_or_else(Vec::new, |(name, _)| {
                broker_synonyms(&broker.settings, name)
            });
        // Told as it was given, even where it means the same as a plainer word.
        let own = overrides
            .get(definition.name)
            .filter(|value| canonical_override(definition.name, value).is_ok())
            .cloned();
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

/// The places where the broker has a value for this key: what was set before the default.
fn broker_synonyms(settings: &Settings, name: &'static str) -> Vec<ConfigSynonym> {
    let Some(definition) = definitions::broker(name) else {
        return Vec::new();
    };
    let synonym = |value: &str, source| ConfigSynonym {
        name,
        value: (!definition.is_sensitive()).then(|| value.to_owned()),
        source,
    };
    let set = settings.value(name).filter(|_| settings.is_explicit(name));
    let set = set.map(|value| synonym(value, ConfigSource::StaticBrokerConfig));
    let default = definition
        .default
        .map(|value| synonym(value, ConfigSource::DefaultConfig));
    set.into_iter().chain(default).collect()
}

#[cfg(test)]
mod tests;
