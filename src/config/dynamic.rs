//! Settings of the broker that change while it runs.
//!
//! ```text
//!   for this broker      in ConfigRecords of the resource broker/<id>
//!   for all brokers                       of the resource broker/<empty name>
//!   what it was started with
//!   defaults
//! ```
//! The upper ones prevail. What can change is what Kafka changes and this broker honours: its definition says so.
//! [`refusal`] says of the others why not, and [`steps`] how far a setting may go at once.

mod elsewhere;
mod steps;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::InvalidConfig;
use super::broker::BrokerConfig;
use super::definitions::{self, Definition};
use super::settings::{Origin, Settings};

/// What was set while brokers ran: key to value.
pub type Changes = BTreeMap<String, String>;

/// The setting of this name, if it can change while the broker runs.
pub fn changeable(name: &str) -> Option<&'static Definition> {
    definitions::broker(name).filter(|definition| !definition.is_read_only())
}

/// Why these settings cannot all change while the broker runs, if they cannot. The first words are Kafka's.
pub fn refusal<'a>(names: impl Iterator<Item = &'a str>) -> Option<InvalidConfig> {
    let fixed: Vec<&str> = names.filter(|name| changeable(name).is_none()).collect();
    if fixed.is_empty() {
        return None;
    }
    let mut text = format!(
        "Cannot update these configs dynamically: [{}]",
        fixed.join(", ")
    );
    let mut reasons: Vec<_> = fixed
        .iter()
        .filter_map(|name| elsewhere::reason(name))
        .collect();
    reasons.dedup();
    if !reasons.is_empty() {
        text.push_str(": ");
        text.push_str(&reasons.join("; "));
    }
    Some(InvalidConfig(text))
}

impl BrokerConfig {
    /// This configuration with what was set while the broker ran laid over it.
    ///
    /// What makes no sense (it came from another release) counts as not set, and so does what cannot
    /// change here.
    pub fn in_force(&self, all_brokers: &Changes, this_broker: &Changes) -> Cow<'_, Self> {
        let changes: Vec<_> = layers(all_brokers, this_broker)
            .filter(|change| change.value().is_ok())
            .collect();
        if changes.is_empty() {
            return Cow::Borrowed(self);
        }
        if let Ok(changed) = self.with_changes(&changes) {
            return Cow::Owned(changed);
        }
        // Together they contradict each other: those that do not count.
        let mut in_force = Cow::Borrowed(self);
        for change in changes {
            if let Ok(changed) = in_force.with_changes(&[change]) {
                in_force = Cow::Owned(changed);
            }
        }
        in_force
    }

    /// Whether the settings make sense together when these are laid over them, and `now`, which is in force, may
    /// be followed by that. What cannot change here is passed over.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn check_changes(
        &self,
        now: &Self,
        all_brokers: &Changes,
        this_broker: &Changes,
    ) -> Result<(), InvalidConfig> {
        let changes: Vec<_> = layers(all_brokers, this_broker).collect();
        let next = self.with_changes(&changes)?;
        steps::check(now, &next)
    }

    fn with_changes(&self, changes: &[Change<'_>]) -> Result<Self, InvalidConfig> {
        let mut settings = Settings::clone(&self.settings);
        for change in changes {
            settings.lay_over(change.definition, change.value()?, change.origin.clone());
        }
        Self::from_settings(settings).map(|(config, _)| config)
    }
}

/// One setting that was set while the broker ran.
struct Change<'a> {
    definition: &'static Definition,
    text: &'a str,
    origin: Origin,
}

impl Change<'_> {
    /// The value in its canonical text.
    fn value(&self) -> Result<String, InvalidConfig> {
        self.definition.checked(self.text)
    }
}

/// What can change here, in the order in which it is laid over what was set at the start.
fn layers<'a>(
    all_brokers: &'a Changes,
    this_broker: &'a Changes,
) -> impl Iterator<Item = Change<'a>> {
    let of = |changes: &'a Changes, origin: Origin| {
        changes.iter().filter_map(move |(name, text)| {
            Some(Change {
                definition: changeable(name)?,
                text,
                origin: origin.clone(),
            })
        })
    };
    of(all_brokers, Origin::AllBrokers).chain(of(this_broker, Origin::ThisBroker))
}

#[cfg(test)]
mod tests;
