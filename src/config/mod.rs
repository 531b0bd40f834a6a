//! Floor 1: configuration. One table of definitions, loading in layers, and typed views.
//!
//! ```text
//!   defaults < server.properties < environment < --override      (the `config` crate merges)
//!        \___________________ parse _____________________/
//!                               |  every value checked against `definitions`
//!                           Settings: key -> value, origin
//!                        /                              \
//!          BrokerConfig, at the start and now     overrides of a topic
//!                        \                              /
//!                         TopicConfig::resolve / describe
//! ```
//!
//! - [`definitions`]: the table. A key that is not in it has no effect here.
//! - [`parse`]: from file, environment and command line to [`Settings`] and [`Warning`]s. A wrong
//!   value is an error that names the key, the value, where it was set, and what to do.
//! - [`mod@unserved`]: Kafka's settings that are not served. One that somebody relies on for protection ends the
//!   start; the others are warnings, since a stock `server.properties` must start this broker.
//! - [`mod@identity`]: a configuration for one of several nodes must not start either.
//! - [`broker`], [`listeners`], [`topic`]: the typed configuration of the broker and of a topic.
//! - [`mod@groups`]: consumer groups: what all of them have, and what one of them may have instead.
//! - [`rooms`]: what one room reads of it, in the units that the room works in.
//! - [`dynamic`]: changes at run time, applied over the configuration at the start.
//! - [`current`]: the effective configuration, published; rooms read a setting there each time that they use it.
//! - [`describe`]: the same values as DescribeConfigs returns them, with sources and synonyms.
//!
//! Nothing here logs, prints, or knows a runtime: warnings are values, and the broker logs them once the
//! log is set up.

pub mod broker;
pub mod current;
pub mod definitions;
pub mod describe;
pub mod dynamic;
mod environment;
mod groups;
mod identity;
pub mod listeners;
pub mod parse;
mod properties;
mod reach;
pub mod rooms;
mod settings;
pub mod topic;
mod unserved;
mod value;
mod warning;

pub use broker::BrokerConfig;
pub use current::CurrentConfig;
pub use describe::{
    ConfigSource, ConfigSynonym, DescribedConfig, describe_client_metrics, describe_group,
    describe_topic,
};
pub use groups::{ConsumerGroupConfig, ConsumerGroupsConfig, MigrationPolicy};
pub(crate) use identity::host_name;
pub use listeners::Listener;
pub use parse::Sources;
pub(crate) use properties::push_unicode_escape;
pub use rooms::{CleanerConfig, ConnectionConfig, HousekeepingConfig, MemoryLimit, ScrubConfig};
pub use settings::{Origin, Settings};
pub use topic::TopicConfig;
pub use warning::Warning;

/// Why a configuration cannot be used, in one line that says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);
