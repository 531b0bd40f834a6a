//! Consumer groups (those of the new protocol): what the broker gives all of them, within which bounds one of them may
//! differ, and what is in force for one.
//!
//! ```text
//!   group.consumer.min.x  <=  group.consumer.x  <=  group.consumer.max.x      checked at the start
//!   consumer.x of a group, within the same bounds                             checked when it is set
//!   in force: consumer.x if it is set, moved to the nearest bound; else group.consumer.x
//! ```
//! A group's setting is moved when it was stored under other bounds. DescribeConfigs shows what is stored.

use std::collections::BTreeMap;

use super::InvalidConfig;
use super::broker::BrokerConfig;
use super::definitions::{self, Definition, GROUP};
use super::warning::Warning;

/// What all consumer groups have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupsConfig {
    /// `group.consumer.max.size`
    pub max_size: i32,
    /// `group.consumer.assignors`; the first is the default
    pub assignors: Vec<String>,
    /// `group.consumer.migration.policy`
    pub migration_policy: MigrationPolicy,
    /// `group.consumer.regex.refresh.interval.ms`
    pub regex_refresh_interval_ms: i32,
    session_timeout_ms: Bounded,
    heartbeat_interval_ms: Bounded,
    assignment_interval_ms: Bounded,
}

/// What one consumer group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroupConfig {
    /// `consumer.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `consumer.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `consumer.assignment.interval.ms`
    pub assignment_interval_ms: i32,
}

/// Between which protocols a live group may change (`group.consumer.migration.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// From classic to consumer and back.
    Bidirectional,
    /// Only from classic to consumer.
    Upgrade,
    /// Only from consumer to classic.
    Downgrade,
    /// Not at all.
    Disabled,
}

impl MigrationPolicy {
    /// The policy of this name, in any case. The table of definitions allows no other names.
    fn named(name: &str) -> Self {
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        if is("upgrade") {
            Self::Upgrade
        } else if is("downgrade") {
            Self::Downgrade
        } else if is("disabled") {
            Self::Disabled
        } else {
            Self::Bidirectional
        }
    }

    /// Whether a classic group may become a consumer group.
    pub const fn allows_upgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    /// Whether a consumer group may become a classic group.
    pub const fn allows_downgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}

/// A number of the broker, and the bounds for that of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounded {
    least: i32,
    default: i32,
    most: i32,
}

impl Bounded {
    /// The number of a group for which `set` is stored. A text that is no number (another release has stored it) counts
    /// as not set.
    fn in_force(self, set: Option<&String>) -> i32 {
        let set = set.and_then(|text| text.trim().parse::<i32>().ok());
        // The bounds are in order: the start has checked that.
        set.map_or(self.default, |number| number.max(self.least).min(self.most))
    }
}

const SESSION: &str = "consumer.session.timeout.ms";
const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const ASSIGNMENT: &str = "consumer.assignment.interval.ms";

impl ConsumerGroupConfig {
    /// What is in force for the group that has these settings of its own.
    pub fn of(overrides: &BTreeMap<String, String>, broker: &ConsumerGroupsConfig) -> Self {
        let of = |bounded: Bounded, key: &str| bounded.in_force(overrides.get(key));
        Self {
            session_timeout_ms: of(broker.session_timeout_ms, SESSION),
            heartbeat_interval_ms: of(broker.heartbeat_interval_ms, HEARTBEAT),
            assignment_interval_ms: of(broker.assignment_interval_ms, ASSIGNMENT),
        }
    }
}

impl BrokerConfig {
    /// Whether `group.coordinator.rebalance.protocols` names the consumer protocol.
    pub fn has_consumer_protocol(&self) -> bool {
        self.names_protocol("consumer")
    }

    fn names_protocol(&self, protocol: &str) -> bool {
        let mut named = self.group_coordinator_rebalance_protocols.iter();
        named.any(|named| named == protocol)
    }

    /// The view of consumer groups.
    pub fn consumer_groups(&self) -> ConsumerGroupsConfig {
        ConsumerGroupsConfig {
            max_size: self.group_consumer_max_size,
            assignors: self.group_consumer_assignors.clone(),
            migration_policy: MigrationPolicy::named(&self.group_consumer_migration_policy),
            regex_refresh_interval_ms: self.group_consumer_regex_refresh_interval_ms,
            session_timeout_ms: Bounded {
                least: self.group_consumer_min_session_timeout_ms,
                default: self.group_consumer_session_timeout_ms,
                most: self.group_consumer_max_session_timeout_ms,
            },
            heartbeat_interval_ms: Bounded {
                least: self.group_consumer_min_heartbeat_interval_ms,
                default: self.group_consumer_heartbeat_interval_ms,
                most: self.group_consumer_max_heartbeat_interval_ms,
            },
            assignment_interval_ms: Bounded {
                least: self.group_consumer_min_assignment_interval_ms,
                default: self.group_consumer_assignment_interval_ms,
                most: self.group_consumer_max_assignment_interval_ms,
            },
        }
    }

    /// Checks the settings of groups against each other.
    pub(super) fn check_groups(&self) -> Result<(), InvalidConfig> {
        let groups = self.consumer_groups();
        self.check_order(
            "group.min.session.timeout.ms",
            "group.max.session.timeout.ms",
        )?;
        for what in [
            "heartbeat.interval.ms",
            "session.timeout.ms",
            "assignment.interval.ms",
        ] {
            let [least, default, most] =
                ["min.", "", "max."].map(|bound| format!("group.consumer.{bound}{what}"));
            self.check_order(&least, &most)?;
            self.check_order(&least, &default)?;
            self.check_order(&default, &most)?;
        }
        let named = |key: &str| self.settings.named(key);
        if groups.heartbeat_interval_ms.default >= groups.session_timeout_ms.default {
            return Err(InvalidConfig(format!(
                "{} must be less than {}: lower the first or raise the second",
                named("group.consumer.heartbeat.interval.ms"),
                named("group.consumer.session.timeout.ms")
            )));
        }
        if !self.names_protocol("classic") {
            return Err(InvalidConfig(format!(
                "{} leaves out classic, which cannot be turned off: add it",
                named(PROTOCOLS)
            )));
        }
        Ok(())
    }

    /// What a change at run time of the setting `name` to `text` counts as, if that is something else: the bounds may
    /// have changed since.
    pub(super) fn within_bounds(&self, name: &str, text: &str) -> Option<String> {
        if name != "group.consumer.assignment.interval.ms" {
            return None;
        }
        let Bounded { least, most, .. } = self.consumer_groups().assignment_interval_ms;
        let number: i32 = text.trim().parse().ok()?;
        Some(number.max(least).min(most).to_string())
    }

    fn check_order(&self, less: &str, more: &str) -> Result<(), InvalidConfig> {
        let number = |key: &str| self.settings.read::<i32>(key);
        if number(less)? <= number(more)? {
            return Ok(());
        }
        Err(InvalidConfig(format!(
            "{} is greater than {}: lower the first or raise the second",
            self.settings.named(less),
            self.settings.named(more)
        )))
    }

    /// Whoever names a protocol that is not served should know.
    pub(super) fn warning_of_protocols(&self) -> Option<Warning> {
        let default = definitions::broker(PROTOCOLS).and_then(|row| row.default);
        let value = self.settings.value(PROTOCOLS);
        let named = |protocol: &&String| matches!(protocol.as_str(), "share" | "streams");
        let protocol = self
            .group_coordinator_rebalance_protocols
            .iter()
            .find(named)?;
        (value != default).then(|| {
            Warning::Note(format!(
                "{}: groups of the {protocol} protocol are not served yet",
                self.settings.named(PROTOCOLS)
            ))
        })
    }

    /// Checks that a group may have these settings of its own, which had `current` before. Kafka's texts.
    ///
    /// What Kafka has stored for groups of kinds that are not served here may stay, but not change: it would have no
    /// effect.
    pub fn check_group(
        &self,
        current: &BTreeMap<String, String>,
        next: &BTreeMap<String, String>,
    ) -> Result<(), InvalidConfig> {
        let mut numbers = BTreeMap::new();
        for (name, value) in next {
            let is_new = current.get(name) != Some(value);
            let Some(definition) = group(name) else {
                if is_new {
                    return Err(InvalidConfig(format!("Unknown group config name: {name}")));
                }
                continue;
            };
            if !name.starts_with("consumer.") {
                if is_new {
                    let kind = kind_of(name);
                    return Err(InvalidConfig(format!(
                        "{name} cannot change: {kind} groups are not served yet"
                    )));
                }
                continue;
            }
            let value = definition.checked(value)?;
            if let Ok(number) = value.parse::<i32>() {
                numbers.insert(definition.name, number);
            }
        }
        self.consumer_groups().check(&numbers)
    }
}

const PROTOCOLS: &str = "group.coordinator.rebalance.protocols";

impl ConsumerGroupsConfig {
    /// Checks the numbers of a group, as Kafka in this order.
    fn check(&self, numbers: &BTreeMap<&str, i32>) -> Result<(), InvalidConfig> {
        for (key, Bounded { least, most, .. }) in [
            (HEARTBEAT, self.heartbeat_interval_ms),
            (SESSION, self.session_timeout_ms),
            (ASSIGNMENT, self.assignment_interval_ms),
        ] {
            let number = numbers.get(key);
            if number.is_some_and(|number| !(least..=most).contains(number)) {
                return Err(InvalidConfig(format!(
                    "{key} must be in the range {least} to {most} inclusive."
                )));
            }
        }
        let (session, heartbeat) = (numbers.get(SESSION), numbers.get(HEARTBEAT));
        let is_set = session.is_some() || heartbeat.is_some();
        let session = *session.unwrap_or(&self.session_timeout_ms.default);
        let heartbeat = *heartbeat.unwrap_or(&self.heartbeat_interval_ms.default);
        if is_set && session <= heartbeat {
            return Err(InvalidConfig(format!(
                "{SESSION} must be greater than {HEARTBEAT}"
            )));
        }
        Ok(())
    }
}

fn group(name: &str) -> Option<&'static Definition> {
    GROUP.iter().find(|definition| definition.name == name)
}

/// The kind of groups that a setting is for, if not for consumer groups.
fn kind_of(name: &str) -> &'static str {
    if name.starts_with("streams.") {
        "streams"
    } else {
        "share"
    }
}

#[cfg(test)]
mod tests;
