//! The value of every broker setting and where it came from.

use std::collections::BTreeMap;
use std::fmt;

use super::InvalidConfig;
use super::definitions::{self, Definition};
use super::value::FromValue;

/// Where the value of a setting came from. Later origins override earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: the table's default.
    Default,
    /// The properties file of this path.
    File(String),
    /// The environment variable of this name.
    Environment(String),
    /// `--override` on the command line.
    Override,
    /// A change at run time, for all brokers.
    AllBrokers,
    /// A change at run time, for this broker.
    ThisBroker,
}

impl Origin {
    /// Whether somebody set the value, even if to the default.
    pub fn is_explicit(&self) -> bool {
        *self != Self::Default
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Override => f.write_str("--override"),
            Self::AllBrokers => f.write_str("change for all brokers"),
            Self::ThisBroker => f.write_str("change for this broker"),
        }
    }
}

/// A value in its canonical text (`None` is Kafka's null) and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: Option<String>,
    /// Who gave it.
    pub origin: Origin,
}

/// Every broker setting of the table, each with its value and origin. All values have passed their
/// definition's check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    settings: BTreeMap<&'static str, Setting>,
    /// Values that changes at run time have replaced: for each key, the last one first.
    hidden: BTreeMap<&'static str, Vec<Setting>>,
}

impl Settings {
    /// The settings when nobody sets anything.
    pub fn defaults() -> Self {
        let default = |definition: &Definition| {
            let value = definition.default.map(str::to_owned);
            (
                definition.name,
                Setting {
                    value,
                    origin: Origin::Default,
                },
            )
        };
        let mut defaults = Self {
            settings: definitions::BROKER.iter().map(default).collect(),
            hidden: BTreeMap::new(),
        };
        defaults.copy("node.id", "broker.id");
        defaults
    }

    /// Gives `definition` a value, after checking it.
    pub(super) fn set(
        &mut self,
        definition: &'static Definition,
        value: &str,
        origin: Origin,
    ) -> Result<(), InvalidConfig> {
        let value = definition.canonical(value).map_err(|_| {
            InvalidConfig(format!(
                "{} cannot be {value:?} ({origin}): use {}",
                definition.name,
                definition.expectation()
            ))
        })?;
        self.settings.insert(
            definition.name,
            Setting {
                value: Some(value),
                origin,
            },
        );
        Ok(())
    }

    /// Gives `definition` a value that has been checked, and keeps the value below it.
    pub(super) fn lay_over(
        &mut self,
        definition: &'static Definition,
        value: String,
        origin: Origin,
    ) {
        let value = Some(value);
        let hidden = self
            .settings
            .insert(definition.name, Setting { value, origin });
        let below = self.hidden.entry(definition.name).or_default();
        below.splice(0..0, hidden);
    }

    /// The effective setting of this name, and those that it overrides.
    pub(super) fn layers(&self, name: &str) -> impl Iterator<Item = &Setting> {
        let hidden = self.hidden.get(name).map(Vec::as_slice).unwrap_or_default();
        self.get(name).into_iter().chain(hidden)
    }

    /// Gives `to` the value and origin of `from`.
    pub(super) fn copy(&mut self, from: &str, to: &'static str) {
        if let Some(setting) = self.settings.get(from).cloned() {
            self.settings.insert(to, setting);
        }
    }

    /// The setting of this name; `None` when the table has no such key.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// The value of this name; `None` when it is null or the table has no such key.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name)?.value.as_deref()
    }

    /// Who gave the value of this name.
    pub fn origin(&self, name: &str) -> Origin {
        self.get(name)
            .map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// Name, value and who gave it, for messages.
    pub(super) fn named(&self, name: &str) -> String {
        let value = self.value(name).unwrap_or("unset");
        format!("{name} ({value}, {})", self.origin(name))
    }

    /// The value of this name as a Rust type.
    pub(super) fn read<T: FromValue>(&self, name: &str) -> Result<T, InvalidConfig> {
        let value = self.value(name);
        T::from_value(value)
            .ok_or_else(|| InvalidConfig(format!("{name} cannot be {:?}", value.unwrap_or("null"))))
    }

    /// Whether somebody set this key, even if to its default.
    pub fn is_explicit(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|setting| setting.origin.is_explicit())
    }

    /// Every setting with its definition, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Definition, &Setting)> {
        definitions::BROKER
            .iter()
            .filter_map(|definition| Some((definition, self.settings.get(definition.name)?)))
    }
}
