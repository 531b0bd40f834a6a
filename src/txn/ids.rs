//! The identity of a producer.

use std::fmt;

use crate::base::{ProducerEpoch, ProducerId};

/// A producer and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerIdAndEpoch {
    /// The producer's id.
    pub producer: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
}

impl ProducerIdAndEpoch {
    /// This producer in this epoch.
    pub const fn new(producer: ProducerId, epoch: ProducerEpoch) -> Self {
        Self { producer, epoch }
    }
}

impl fmt::Display for ProducerIdAndEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "producer {} of epoch {}", self.producer, self.epoch)
    }
}
