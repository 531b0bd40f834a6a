//! Dynamic configuration in the image: overrides per resource.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::base::SharedMap;

/// Kafka's number for a type of resource with configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigResourceType(pub i8);

impl ConfigResourceType {
    /// Topics, by name.
    pub const TOPIC: Self = Self(2);
    /// Brokers, by id; the empty name means all of them.
    pub const BROKER: Self = Self(4);
    /// Client metrics subscriptions, by name.
    pub const CLIENT_METRICS: Self = Self(16);
    /// Groups, by name.
    pub const GROUP: Self = Self(32);
}

/// A resource with configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    /// Its type.
    pub resource_type: ConfigResourceType,
    /// Its name.
    pub name: String,
}

impl ConfigResource {
    /// The name that means all brokers.
    pub const ALL_BROKERS: &str = "";
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource_type.0, self.name)
    }
}

/// The overrides of one resource: key to value.
pub(super) type Overrides = BTreeMap<String, String>;

static NO_OVERRIDES: Overrides = BTreeMap::new();

/// All overrides, by type and name of the resource. Resources without overrides are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Configs {
    by_type: BTreeMap<ConfigResourceType, SharedMap<String, Arc<Overrides>>>,
}

impl Configs {
    pub(super) fn of(&self, resource_type: ConfigResourceType, name: &str) -> &Overrides {
        self.by_type
            .get(&resource_type)
            .and_then(|resources| resources.get(name))
            .map_or(&NO_OVERRIDES, |overrides| overrides)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConfigResourceType, &str, &Overrides)> {
        self.by_type.iter().flat_map(|(resource_type, resources)| {
            resources
                .iter()
                .map(|(name, overrides)| (*resource_type, name.as_str(), &**overrides))
        })
    }

    pub(super) fn set(&mut self, resource: &ConfigResource, key: &str, value: &str) {
        self.change(resource, |overrides| {
            overrides.insert(key.to_owned(), value.to_owned());
        });
    }

    pub(super) fn unset(&mut self, resource: &ConfigResource, key: &str) {
        if self
            .of(resource.resource_type, &resource.name)
            .contains_key(key)
        {
            self.change(resource, |overrides| {
                overrides.remove(key);
            });
        }
    }

    fn change(&mut self, resource: &ConfigResource, change: impl FnOnce(&mut Overrides)) {
        let mut overrides = self.of(resource.resource_type, &resource.name).clone();
        change(&mut overrides);
        if overrides.is_empty() {
            self.remove(resource);
        } else {
            let resources = self.by_type.entry(resource.resource_type).or_default();
            resources.insert(resource.name.clone(), Arc::new(overrides));
        }
    }

    /// Removes all overrides of `resource`, and returns whether there were any.
    pub(super) fn remove(&mut self, resource: &ConfigResource) -> bool {
        let Some(resources) = self.by_type.get_mut(&resource.resource_type) else {
            return false;
        };
        let removed = resources.remove(&resource.name).is_some();
        if resources.is_empty() {
            self.by_type.remove(&resource.resource_type);
        }
        removed
    }
}
