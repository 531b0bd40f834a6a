//! Settings of the broker that change at run time.
//!
//! ```text
//!   for this broker      in ConfigRecords of the resource broker/<id>
//!   for all brokers                       of the resource broker/<empty name>
//!   what the broker was started with
//!   defaults
//! ```
//! The upper layers override the lower ones. A setting can change if Kafka can change it and this broker honours it;
//! its definition says so. [`refusal`] says why the others cannot change, and [`steps`] how far one change may go.

mod elsewhere;
mod steps;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::InvalidConfig;
use super::broker::BrokerConfig;
use super::definitions::{self, Definition};
use super::settings::{Origin, Settings};

/// Settings that were changed at run time: key to value.
pub type Changes = BTreeMap<String, String>;

/// The setting of this name, if it can change at run time.
pub fn changeable(name: &str) -> Option<&'static Definition> {
    definitions::broker(name).filter(|definition| !definition.is_read_only())
}

/// Why these settings cannot all change at run time; `None` if they can. The text begins as Kafka's.
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
    /// This configuration with the changes applied.
    ///
    /// A change that is not valid here (it came from another release), or of a setting that cannot change, is
    /// ignored. One that is outside its bounds is moved to the nearest, as in Kafka.
    pub fn in_force(&self, all_brokers: &Changes, this_broker: &Changes) -> Cow<'_, Self> {
        let changes: Vec<_> = layers(all_brokers, this_broker)
            .filter(|change| change.value().is_ok())
            .map(|change| change.within_bounds(self))
            .collect();
        if changes.is_empty() {
            return Cow::Borrowed(self);
        }
        if let Ok(changed) = self.with_changes(&changes) {
            return Cow::Owned(changed);
        }
        // Together they contradict each other. Those that do not are applied.
        let mut in_force = Cow::Borrowed(self);
        for change in changes {
            if let Ok(changed) = in_force.with_changes(&[change]) {
                in_force = Cow::Owned(changed);
            }
        }
        in_force
    }

    /// Checks that this configuration with these changes is consistent, and that `now`, the effective one, may
    /// change to it in one step. Settings that cannot change are ignored.
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
    text: Cow<'a, str>,
    origin: Origin,
}

impl Change<'_> {
    /// The value in its canonical text.
    fn value(&self) -> Result<String, InvalidConfig> {
        self.definition.checked(&self.text)
    }

    /// The change, moved to the nearest bound if the broker was started with bounds that it does not keep.
    fn within_bounds(mut self, started_with: &BrokerConfig) -> Self {
        if let Some(within) = started_with.within_bounds(self.definition.name, &self.text) {
            self.text = Cow::Owned(within);
        }
        self
    }
}

/// The changes of settings that can change here, in the order in which they are applied.
fn layers<'a>(
    all_brokers: &'a Changes,
    this_broker: &'a Changes,
) -> impl Iterator<Item = Change<'a>> {
    let of = |changes: &'a Changes, origin: Origin| {
        changes.iter().filter_map(move |(name, text)| {
            Some(Change {
                definition: changeable(name)?,
                text: Cow::Borrowed(text),
                origin: origin.clone(),
            })
        })
    };
    of(all_brokers, Origin::AllBrokers).chain(of(this_broker, Origin::ThisBroker))
}

#[cfg(test)]
mod tests;
