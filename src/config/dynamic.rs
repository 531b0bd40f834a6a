//! Settings of the broker that change while it runs.
//!
//! ```text
//!   for this broker      in ConfigRecords of the resource broker/<id>
//!   for all brokers                       of the resource broker/<empty name>
//!   what it was started with
//!   defaults
//! ```
//! The upper ones prevail. What can change are the settings that topics inherit: partitions are configured
//! anew when one of them does. The others, which Kafka can change as well (threads, connections), are read
//! once here, so a change of them is refused rather than recorded without effect.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::InvalidConfig;
use super::broker::BrokerConfig;
use super::definitions::{self, Definition, TOPIC};
use super::settings::{Origin, Settings};

/// What was set while brokers ran: key to value.
pub type Changes = BTreeMap<String, String>;

/// The setting of this name, if it can change while the broker runs.
pub fn changeable(name: &str) -> Option<&'static Definition> {
    let definition = definitions::broker(name).filter(|definition| !definition.is_read_only())?;
    let gives = |topic: &Definition| topic.synonyms.iter().any(|(synonym, _)| *synonym == name);
    TOPIC.iter().any(gives).then_some(definition)
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

    /// Whether the settings make sense together when these are laid over them. What cannot change here is
    /// passed over.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn check_changes(
        &self,
        all_brokers: &Changes,
        this_broker: &Changes,
    ) -> Result<(), InvalidConfig> {
        let changes: Vec<_> = layers(all_brokers, this_broker).collect();
        self.with_changes(&changes).map(|_| ())
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
mod tests {
    use super::*;
    use crate::config::describe_topic;
    use crate::config::{ConfigSource, TopicConfig};

    fn changes(changes: &[(&str, &str)]) -> Changes {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        changes.iter().map(owned).collect()
    }

    fn retention(broker: &BrokerConfig) -> i64 {
        let topic = TopicConfig::resolve(&BTreeMap::new(), broker).unwrap();
        topic.retention_ms
    }

    #[test]
    fn this_broker_prevails_over_all_and_all_over_the_start() {
        let broker = BrokerConfig::with(&[("log.retention.ms", "1000")]).unwrap();
        let (none, all) = (changes(&[]), changes(&[("log.retention.ms", "2000")]));
        let own = changes(&[("log.retention.ms", "3000")]);
        assert_eq!(retention(&broker.in_force(&none, &none)), 1_000);
        assert_eq!(retention(&broker.in_force(&all, &none)), 2_000);
        let in_force = broker.in_force(&all, &own);
        assert_eq!(retention(&in_force), 3_000);
        let described = describe_topic(&BTreeMap::new(), &in_force);
        let described = described.iter().find(|row| row.name == "retention.ms");
        let synonyms: Vec<_> = described
            .unwrap()
            .synonyms
            .iter()
            .map(|synonym| (synonym.value.as_deref().unwrap(), synonym.source))
            .collect();
        assert_eq!(
            synonyms,
            [
                ("3000", ConfigSource::DynamicBrokerConfig),
                ("2000", ConfigSource::DynamicDefaultBrokerConfig),
                ("1000", ConfigSource::StaticBrokerConfig),
                ("168", ConfigSource::DefaultConfig),
            ]
        );
    }

    #[test]
    fn what_makes_no_sense_counts_as_not_set() {
        let broker = BrokerConfig::default();
        let none = changes(&[]);
        let wrong = changes(&[
            ("log.retention.ms", "soon"),
            ("num.io.threads", "1"),
            ("log.segment.bytes", "2000000"),
        ]);
        let in_force = broker.in_force(&wrong, &none);
        assert_eq!(in_force.log_retention_ms, None);
        assert_eq!(in_force.num_io_threads, 8);
        assert_eq!(in_force.log_segment_bytes, 2_000_000);
        assert!(broker.check_changes(&wrong, &none).is_err());

        let contradicting = changes(&[
            ("log.cleaner.min.compaction.lag.ms", "20"),
            ("log.cleaner.max.compaction.lag.ms", "10"),
            ("message.max.bytes", "7"),
        ]);
        assert!(broker.check_changes(&contradicting, &none).is_err());
        let in_force = broker.in_force(&contradicting, &none);
        assert_eq!(in_force.message_max_bytes, 7);
        TopicConfig::resolve(&BTreeMap::new(), &in_force).unwrap();
    }

    #[test]
    fn only_what_topics_inherit_can_change() {
        assert!(changeable("log.roll.ms").is_some());
        assert!(changeable("compression.type").is_some());
        for name in ["log.roll.hours", "num.io.threads", "no.such", "node.id"] {
            assert!(changeable(name).is_none(), "{name}");
        }
    }
}
