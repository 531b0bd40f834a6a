//! The table of settings: the key, type, allowed values, default and meaning of each.
//!
//! Everything else in this room is derived from the table: loading checks values against it, the
//! typed views read them, `zurau config` and DescribeConfigs print it. A setting has a row here and a
//! place in [`BrokerConfig`](super::BrokerConfig) or [`TopicConfig`](super::TopicConfig); a test compares
//! the two. (Most settings in `kept` are only stored and shown: what they configure is not served.) Names, types,
//! ranges and defaults are those of Kafka 4.4, except for these:
//!
//! | key | here | why |
//! | --- | --- | --- |
//! | `node.id`, `process.roles` | 1, `broker,controller` | a single node needs no configuration |
//! | `listeners` | `PLAINTEXT://127.0.0.1:9092` | an unsecured broker is not open to the network unless somebody asks for it |
//! | `log.dirs` | `./data` | acknowledged records must not be kept in `/tmp` |
//! | `listener.security.protocol.map` | a fixed order | Kafka's order varies |
//!
//! Some ranges are narrower than Kafka's, where a value outside them has no meaning (a negative pause).
//! Values are kept as canonical text (`true`, `42`, `a,b`), as Kafka shows them.

mod broker;
mod kept;
mod topic;

use std::fmt;

pub use broker::BROKER;
pub use kept::{CLIENT_METRICS, GROUP};
pub use topic::TOPIC;

/// The type of a setting, one of Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A floating-point number.
    Double,
    /// Text.
    String,
    /// Texts separated by commas.
    List,
    /// Text that is never shown to anybody.
    Password,
    /// The name of a Java class.
    Class,
}

impl Kind {
    /// Kafka's number of this type in DescribeConfigs answers.
    pub const fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::String => "STRING",
            Self::List => "LIST",
            Self::Password => "PASSWORD",
            Self::Class => "CLASS",
        })
    }
}

/// Which values of its type a setting may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// All of them.
    Any,
    /// Whole numbers from the first to the second.
    Range(i64, i64),
    /// Whole numbers from the first to the second, or the third.
    RangeOr(i64, i64, i64),
    /// Numbers from 0 to 1.
    Fraction,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The same, in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// A list of these words, each at most once; possibly empty.
    ListOf(&'static [&'static str]),
    /// The same, but not empty.
    SomeOf(&'static [&'static str]),
    /// A list without repetitions; possibly empty.
    DistinctList,
    /// A list without repetitions and not empty.
    NonEmptyList,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
}

/// Whole numbers from `least` to the greatest of the type.
const fn at_least(least: i64) -> Allowed {
    Allowed::Range(least, i64::MAX)
}

/// What a setting configures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The broker: in the properties file, the environment, or an override.
    Broker,
    /// One topic: an override over the broker's default.
    Topic,
    /// One group.
    Group,
    /// One client metrics subscription, which is not served.
    ClientMetrics,
}

/// How a setting may change at run time (Kafka's update modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// Not at all.
    ReadOnly,
    /// For each broker, or for all at once.
    ClusterWide,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The key.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// The default; `None` is Kafka's null.
    pub default: Option<&'static str>,
    /// The values that it may hold.
    pub allowed: Allowed,
    /// What it configures.
    pub scope: Scope,
    /// Whether and how it may change at run time.
    pub update_mode: UpdateMode,
    /// For a topic's or a group's setting: the broker's settings that give its default, each with the factor from
    /// its unit to this one's. The first that is set counts.
    pub synonyms: &'static [(&'static str, i64)],
    /// Shown to clients only if somebody has set it.
    pub internal: bool,
    /// Exists only as a change at run time: its default is never shown.
    pub change_only: bool,
    /// What it means.
    pub documentation: &'static str,
}

impl Definition {
    /// Whether the value must not be shown.
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.kind, Kind::Password)
    }

    /// Whether the value cannot change at run time.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.update_mode, UpdateMode::ReadOnly)
    }

    const fn in_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    const fn change_only(mut self) -> Self {
        self.change_only = true;
        self.internal()
    }

    const fn inheriting(mut self, synonyms: &'static [(&'static str, i64)]) -> Self {
        self.synonyms = synonyms;
        self
    }
}

/// A row with a default.
const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    allowed: Allowed,
    update_mode: UpdateMode,
    documentation: &'static str,
) -> Definition {
    let row = unset(name, kind, allowed, update_mode, documentation);
    Definition {
        default: Some(default),
        ..row
    }
}

/// A row whose default is null.
const fn unset(
    name: &'static str,
    kind: Kind,
    allowed: Allowed,
    update_mode: UpdateMode,
    documentation: &'static str,
) -> Definition {
    Definition {
        name,
        kind,
        default: None,
        allowed,
        scope: Scope::Broker,
        update_mode,
        synonyms: &[],
        internal: false,
        change_only: false,
        documentation,
    }
}

/// The rows as settings of this scope.
const fn in_scope<const N: usize>(scope: Scope, mut rows: [Definition; N]) -> [Definition; N] {
    let mut index = 0;
    while index < N {
        rows[index] = rows[index].in_scope(scope);
        index += 1;
    }
    rows
}

/// The words of `compression.type`.
const COMPRESSION_TYPES: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
/// The words of `cleanup.policy`.
const CLEANUP_POLICIES: &[&str] = &["compact", "delete"];
/// The words of `message.timestamp.type`.
const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];
/// The words of `group.coordinator.rebalance.protocols`.
const GROUP_PROTOCOLS: &[&str] = &["consumer", "classic", "share", "streams"];
/// The words of `group.consumer.assignors`. Kafka takes the names of Java classes, too.
const ASSIGNORS: &[&str] = &["uniform", "range"];
/// The words of `group.consumer.migration.policy`.
const MIGRATION_POLICIES: &[&str] = &["bidirectional", "upgrade", "downgrade", "disabled"];
/// The words of `process.roles`.
const ROLES: &[&str] = &["broker", "controller"];

/// The broker's setting of this name.
pub fn broker(name: &str) -> Option<&'static Definition> {
    BROKER.iter().find(|definition| definition.name == name)
}

/// The topic's setting of this name.
pub fn topic(name: &str) -> Option<&'static Definition> {
    TOPIC.iter().find(|definition| definition.name == name)
}

#[cfg(test)]
mod tests;
