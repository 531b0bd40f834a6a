//! Floor 1: configuration. One table of definitions, loading in layers, and typed views.
//!
//! ```text
//!   defaults < server.properties < environment < --override      (the `config` crate merges)
//!        \___________________ parse _____________________/
//!                               |  every value checked against `definitions`
//!                           Settings: key -> value, origin
//!                        /                              \
//!          BrokerConfig (read once at start)      overrides of a topic
//!                        \                              /
//!                         TopicConfig::resolve / describe
//! ```
//!
//! - [`definitions`]: the table. A key that is not in it has no meaning here.
//! - [`parse`]: from file, environment and command line to [`Settings`] and [`Warning`]s. A wrong
//!   value is an error that names key, value, place and cure; a key that is not honoured is a
//!   warning, since a stock `server.properties` must start this broker.
//! - [`broker`], [`listeners`], [`topic`]: what the other rooms read.
//! - [`dynamic`]: what was set while the broker ran, laid over what it was started with.
//! - [`describe`]: the same values as DescribeConfigs shows them, with sources and synonyms.
//!
//! Nothing here logs, prints, or knows a runtime: warnings are values, and whoever has set up the
//! log prints them.

pub mod broker;
pub mod definitions;
pub mod describe;
pub mod dynamic;
mod environment;
mod kafka_keys;
pub mod listeners;
pub mod parse;
mod properties;
mod settings;
pub mod topic;
mod value;

pub use broker::BrokerConfig;
pub use describe::{ConfigSource, ConfigSynonym, DescribedConfig, describe_kept, describe_topic};
pub use listeners::{AdvertisedAddress, Listener, SecurityProtocol};
pub use parse::{Sources, Warning};
pub(crate) use properties::push_unicode_escape;
pub use settings::{Origin, Setting, Settings};
pub use topic::{CleanupPolicy, TimestampType, TopicConfig, validate_override};

/// A configuration that cannot be used, in one line that names what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);
