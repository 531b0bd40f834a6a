//! What the author of a configuration should know, though it stops nothing.

use std::fmt;

use super::Origin;

/// Something in the configuration that stops nothing but that its author should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A setting of Kafka's that has no effect here.
    NotServed {
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
        /// Why not.
        lack: Lack,
    },
    /// A key that neither Kafka nor this broker has.
    Unknown {
        /// The key.
        key: String,
        /// Who set it.
        origin: Origin,
        /// A key that was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// Anything else, as a sentence.
    Note(String),
    /// The same for those who look closely.
    Aside(String),
}

/// Why a setting of Kafka's has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It belongs to a feature that will come: the feature and its verb.
    Feature(&'static str),
    /// What it tunes does not exist here, for this reason.
    NoCounterpart(&'static str),
    /// It can matter only among several nodes.
    OneNode,
    /// Kafka has it no more; what to do instead.
    Former(&'static str),
}

impl Warning {
    /// Whether its author can do something about it, or would want to; else it is for those who look closely.
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
                write!(f, "{key} ({origin}) is no known setting")?;
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
                    "has no effect: it is a setting of earlier releases of Kafka; {successor}"
                )
            }
        }
    }
}
