//! Changes the configuration of existing topics, one broker, all brokers, or a group.
//!
//! Every change is validated together with the settings that stay in force, since settings depend on each other. The
//! records have the changed overrides, each with its new value or null.

use std::collections::{BTreeMap, HashSet};

use crate::base::{ErrorCode, NodeId};
use crate::config::definitions::{self, Definition, Kind};
use crate::config::{TopicConfig, dynamic};
use crate::metadata::record::{Config, MetadataRecord};
use crate::metadata::{ConfigResource, ConfigResourceType};

use super::command::{
    AlterConfigs, AlteredResource, ConfigChange, ConfigOperation, Decision, Refusal,
};
use super::{Situation, names};

/// The maximum size of a value: it must fit in a record's string.
const LONGEST_VALUE: usize = i16::MAX as usize;

type Overrides = BTreeMap<String, String>;

/// Decides on each resource by itself.
pub(super) fn alter(
    situation: &Situation<'_>,
    command: &AlterConfigs,
) -> Decision<Vec<Result<(), Refusal>>> {
    let mut records = Vec::new();
    let decide = |altered: &AlteredResource| {
        let decided = alter_one(situation, altered)?;
        records.extend(decided);
        Ok(())
    };
    let reply = command.resources.iter().map(decide).collect();
    if command.validate_only {
        records.clear();
    }
    Decision { records, reply }
}

fn alter_one(
    situation: &Situation<'_>,
    altered: &AlteredResource,
) -> Result<Vec<MetadataRecord>, Refusal> {
    let AlteredResource { resource, change } = altered;
    let current = situation
        .image
        .configs(resource.resource_type, &resource.name);
    let next = match resource.resource_type {
        ConfigResourceType::TOPIC => {
            let next = overrides_after(current, change, topic_list)?;
            check_topic(situation, &resource.name, &next)?;
            next
        }
        ConfigResourceType::BROKER => {
            let next = overrides_after(current, change, broker_list)?;
            check_broker_keys(change)?;
            check_broker(situation, &resource.name, &next)?;
            next
        }
        ConfigResourceType::GROUP => {
            let next = overrides_after(current, change, group_list)?;
            check_group(situation, &resource.name, current, &next)?;
            next
        }
        ConfigResourceType(other) => {
            return Err(invalid(format!("Unknown resource type {other}")));
        }
    };
    Ok(records(resource, current, &next))
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, text)
}

fn invalid_config(text: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_CONFIG, text)
}

/// Finds the definition of a key whose list is to be changed, or returns an error if it is no list.
type FindList = fn(&str, &str) -> Result<&'static Definition, Refusal>;

fn topic_list(name: &str, operation: &str) -> Result<&'static Definition, Refusal> {
    let list = definitions::topic(name).filter(is_list);
    list.ok_or_else(|| not_a_list(name, operation))
}

/// No group setting counts as a list here, as in Kafka.
fn group_list(name: &str, operation: &str) -> Result<&'static Definition, Refusal> {
    Err(not_a_list(name, operation))
}

fn not_a_list(name: &str, operation: &str) -> Refusal {
    invalid_config(format!(
        "Can't {} to key {name} because its type is not LIST.",
        operation.to_uppercase()
    ))
}

fn broker_list(name: &str, operation: &str) -> Result<&'static Definition, Refusal> {
    match definitions::broker(name) {
        Some(definition) if is_list(&definition) => Ok(definition),
        Some(_) => Err(invalid_config(format!(
            "Config value {operation} is not allowed for config key: {name}"
        ))),
        None => Err(invalid_config(format!("Unknown config name: {name}"))),
    }
}

const fn is_list(definition: &&'static Definition) -> bool {
    matches!(definition.kind, Kind::List)
}

/// The overrides after `change`.
fn overrides_after(
    current: &Overrides,
    change: &ConfigChange,
    find_list: FindList,
) -> Result<Overrides, Refusal> {
    let next = match change {
        ConfigChange::Replace(overrides) => overrides.iter().cloned().collect(),
        ConfigChange::Alter(operations) => {
            let mut next = current.clone();
            for (name, operation) in operations {
                let items = |what| {
                    let definition = find_list(name, what)?;
                    let value = current.get(name).map(String::as_str);
                    let value = value.or(definition.default).unwrap_or_default();
                    let items = value.split(',').filter(|item| !item.is_empty());
                    Ok(items.map(str::to_owned).collect::<Vec<_>>())
                };
                let value = match operation {
                    ConfigOperation::Delete => {
                        next.remove(name);
                        continue;
                    }
                    ConfigOperation::Set(value) => value.clone(),
                    ConfigOperation::Append(added) => {
                        let mut items = items("append")?;
                        let mut there: HashSet<_> = items.iter().cloned().collect();
                        for item in named(added)? {
                            if there.insert(item.to_owned()) {
                                items.push(item.to_owned());
                            }
                        }
                        items.join(",")
                    }
                    ConfigOperation::Subtract(removed) => {
                        let mut items = items("subtract")?;
                        let removed: HashSet<_> = named(removed)?.into_iter().collect();
                        items.retain(|there| !removed.contains(there.as_str()));
                        items.join(",")
                    }
                };
                next.insert(name.clone(), value);
            }
            next
        }
    };
    if next
        .values()
        .any(|value| value.encode_utf16().count() > LONGEST_VALUE)
    {
        return Err(too_long());
    }
    Ok(next)
}

fn too_long() -> Refusal {
    invalid_config(format!(
        "The configuration value cannot be added because it exceeds the maximum value size of {LONGEST_VALUE} bytes."
    ))
}

/// Splits the client's list as Kafka does: without the empty items at the end, but with one item for an empty string.
/// A list that is longer than any value could be is not split.
fn named(text: &str) -> Result<Vec<&str>, Refusal> {
    if text.len() > 4 * LONGEST_VALUE {
        return Err(too_long());
    }
    let mut items: Vec<&str> = text.split(',').collect();
    while !text.is_empty() && items.last().is_some_and(|last| last.is_empty()) {
        items.pop();
    }
    Ok(items)
}

fn check_topic(situation: &Situation<'_>, name: &str, next: &Overrides) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(invalid("Default topic resources are not allowed."));
    }
    if let Err(refusal) = names::validate(name)
        && refusal.code == ErrorCode::INVALID_TOPIC_EXCEPTION
    {
        return Err(refusal);
    }
    TopicConfig::resolve(next, &situation.config_in_force())
        .map_err(|error| invalid_config(error.to_string()))?;
    if situation.image.topic(name).is_none() {
        return Err(Refusal::new(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            format!("The topic '{name}' does not exist."),
        ));
    }
    Ok(())
}

/// The group need not exist.
fn check_group(
    situation: &Situation<'_>,
    name: &str,
    current: &Overrides,
    next: &Overrides,
) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(invalid("Default group resources are not allowed."));
    }
    situation
        .config_in_force()
        .check_group(current, next)
        .map_err(|error| invalid_config(error.to_string()))
}

/// Refuses settings that would have no effect here.
fn check_broker_keys(change: &ConfigChange) -> Result<(), Refusal> {
    let set: Vec<&str> = match change {
        ConfigChange::Replace(overrides) => {
            overrides.iter().map(|(name, _)| name.as_str()).collect()
        }
        ConfigChange::Alter(operations) => operations
            .iter()
            .filter(|(_, operation)| *operation != ConfigOperation::Delete)
            .map(|(name, _)| name.as_str())
            .collect(),
    };
    match dynamic::refusal(set.into_iter()) {
        None => Ok(()),
        Some(refusal) => Err(invalid(refusal.to_string())),
    }
}

fn check_broker(situation: &Situation<'_>, name: &str, next: &Overrides) -> Result<(), Refusal> {
    let image = situation.image;
    let of = |name: &str| image.configs(ConfigResourceType::BROKER, name);
    let own = situation.config.node_id.to_string();
    let (all, this) = if name == ConfigResource::ALL_BROKERS {
        (next, of(&own))
    } else {
        let id: i32 = name
            .parse()
            .map_err(|_| invalid("Unable to parse broker name as a base 10 number."))?;
        if image.broker(NodeId(id)).is_none() {
            return Err(Refusal::new(
                ErrorCode::BROKER_ID_NOT_REGISTERED,
                format!("No broker with id {id} found."),
            ));
        }
        (of(ConfigResource::ALL_BROKERS), next)
    };
    situation
        .config
        .check_changes(&situation.config_in_force(), all, this)
        .map_err(|error| invalid(error.to_string()))
}

/// The changed overrides, ordered by key.
fn records(
    resource: &ConfigResource,
    current: &Overrides,
    next: &Overrides,
) -> Vec<MetadataRecord> {
    let record = |name: &String, value: Option<&String>| {
        MetadataRecord::Config(Config {
            resource_type: resource.resource_type.0,
            resource_name: resource.name.clone(),
            name: name.clone(),
            value: value.cloned(),
        })
    };
    let set = next
        .iter()
        .filter(|(name, value)| current.get(*name) != Some(*value))
        .map(|(name, value)| record(name, Some(value)));
    let gone = current
        .keys()
        .filter(|name| !next.contains_key(*name))
        .map(|name| record(name, None));
    set.chain(gone).collect()
}
