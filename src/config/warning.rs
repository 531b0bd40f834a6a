//! Warnings about a configuration with which the broker starts all the same.

use std::fmt;

use super::Origin;

/// Something in the configuration that its author should know, though the broker starts with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A setting of Kafka's that has no effect here.
    NotServed {
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
        /// Why it has no effect.
        lack: Lack,
    },
    /// A key that neither Kafka nor this broker has.
    Unknown {
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
        /// The key that its author may have meant.
        nearest: Option<&'static str>,
    },
    /// Anything else, as a sentence.
    Note(String),
    /// The same at debug level.
    Aside(String),
}

/// Why a setting of Kafka's has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It belongs to a feature that will come: the feature and its verb.
    Feature(&'static str),
    /// What it tunes does not exist here, for this reason.
    NoCounterpart(&'static str),
    /// It matters only in a cluster of several nodes.
    OneNode,
    /// Kafka no longer has it; what to do instead.
    Former(&'static str),
}

impl Warning {
    /// Whether its author may want to act on it. If not, it is logged at debug level.
    pub fn matters(&self) -> bool {
        match self {
            Self::NotServed { lack, .. } => *lack != Lack::OneNode,
            Self::Aside(_) => false,
            Self::Unknown { .. } | Self::Note(_) => true,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServed { key, origin, lack } => write!(f, "{key} ({origin}) {lack}"),
            Self::Unknown {
                key,
                origin,
                nearest,
            } => {
                write!(f, "{key} ({origin}) is not a known setting")?;
                nearest.map_or(Ok(()), |nearest| write!(f, ": did you mean {nearest}?"))
            }
            Self::Note(text) | Self::Aside(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(feature) => write!(f, "has no effect: {feature} not served yet"),
            Self::NoCounterpart(reason) => write!(f, "has no effect here: {reason}"),
            Self::OneNode => f.write_str("has no effect on a single node"),
            Self::Former(successor) => {
                write!(
                    f,
                    "has no effect: Kafka no longer has this setting; {successor}"
                )
            }
        }
    }
}
