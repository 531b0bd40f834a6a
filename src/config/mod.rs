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
//! - [`definitions`]: the table. A key that is not in it has no meaning here.
//! - [`parse`]: from file, environment and command line to [`Settings`] and [`Warning`]s. A wrong
//!   value is an error that names key, value, place and cure.
//! - [`mod@unserved`]: Kafka's settings that are not served. Where somebody relies on one for protection the start
//!   ends; the others are warnings, since a stock `server.properties` must start this broker.
//! - [`mod@identity`]: a configuration that makes this node one of several must not start either.
//! - [`broker`], [`listeners`], [`topic`]: what the other rooms read.
//! - [`dynamic`]: what was set while the broker ran, laid over what it was started with.
//! - [`current`]: the one published view of what is in force; rooms read a setting there when they use it.
//! - [`describe`]: the same values as DescribeConfigs shows them, with sources and synonyms.
//!
//! Nothing here logs, prints, or knows a runtime: warnings are values, and whoever has set up the
//! log prints them.

pub mod broker;
pub mod current;
pub mod definitions;
pub mod describe;
pub mod dynamic;
mod environment;
mod identity;
pub mod listeners;
pub mod parse;
mod properties;
mod reach;
mod settings;
pub mod topic;
mod unserved;
mod value;
mod warning;

pub use broker::BrokerConfig;
pub use current::CurrentConfig;
pub use describe::{ConfigSource, ConfigSynonym, DescribedConfig, describe_kept, describe_topic};
pub(crate) use identity::host_name;
pub use listeners::{AdvertisedAddress, Listener, SecurityProtocol};
pub use parse::Sources;
pub(crate) use properties::push_unicode_escape;
pub use settings::{Origin, Setting, Settings};
pub use topic::{CleanupPolicy, TimestampType, TopicConfig, validate_override};
pub use warning::{Lack, Warning};

/// A configuration that cannot be used, in one line that names what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(pub String);
