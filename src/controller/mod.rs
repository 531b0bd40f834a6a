//! Floor 4: the controller, which decides on the cluster's metadata.
//!
//! ```text
//!   Command ──> decide(situation) ──> Decision { records, reply }
//!                    │ reads              │
//!                    └── the image        the host writes the records, replays them into the
//!                        (a decision      image, publishes it, and only then gives the reply
//!                        does not
//!                        change it)
//! ```
//!
//! A decision is a function of the [`Situation`] (the image, the broker's configuration, the offset of its records, a
//! source of randomness) and the command. There is no state besides the image, so one decision must be replayed
//! before the next is made: the host takes commands one at a time. The records of a decision are written as one batch
//! and count as a whole.
//!
//! A [`Command`] is a type of its own and defines the type of its reply, so callers need not select the reply among
//! others.
//!
//! Messages that Kafka's tools show are Kafka's own, since people search for them.
//!
//! * `command`: commands and refusals; `machine`: the function for each command, and the type of its reply.
//! * `topics`, `partitions`: creating and deleting; [`names`], [`configs`], `placement` are the
//!   rules that they use.
//! * `alter_configs`: changing the configuration of existing topics and brokers.
//! * `reassignments`: other replicas for partitions; `elections`: other leaders.
//! * `brokers`: registering, unfencing and fencing; `directories`: where replicas are, and directories that
//!   fail; `leaders`: what these do to partitions. `producer_ids`, [`features`] and `feature_updates`: as
//!   they say.
//!
//! This room does no I/O and has no clock; randomness is an argument.

mod alter_configs;
mod brokers;
mod command;
pub mod configs;
mod directories;
mod elections;
mod feature_updates;
pub mod features;
mod leaders;
mod machine;
pub mod names;
mod partitions;
mod placement;
mod producer_ids;
mod reassignments;
mod topics;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::base::{Offset, TopicId};
use crate::config::BrokerConfig;
use crate::metadata::Image;

pub use command::{
    AllocateProducerIds, AlterConfigs, AlteredResource, AssignReplicas, Command, ConfigChange,
    ConfigOperation, CreatePartitions, CreateTopics, CreatedTopic, Decision, DeleteTopics,
    DeletedTopic, FailDirectories, NewPartitions, NewTopic, Refusal, RegisterBroker,
    ReplicaAssignment, TopicReference, UnfenceBroker, UnregisterBroker,
};
#[cfg(test)]
pub use command::{FenceBroker, ProducerIdBlock};
pub use elections::{ElectLeaders, Election, ElectionFailure};
pub use feature_updates::{FeatureUpdate, UpdateDirection, UpdateFeatures};
pub use names::is_internal;
pub use reassignments::{AlterReassignments, Reassignment, ReassignmentFailure};

/// The source of random values for decisions.
pub trait Chance {
    /// An id that no topic has had.
    fn topic_id(&mut self) -> TopicId;

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize;
}

/// The inputs of a decision.
pub struct Situation<'a> {
    /// The metadata, with every earlier decision replayed.
    pub image: &'a Image,
    /// The configuration with which this node was started.
    pub config: &'a BrokerConfig,
    /// The offset of the first record of this decision.
    pub next_offset: Offset,
    /// The source of randomness.
    pub chance: &'a mut dyn Chance,
}

impl<'a> Situation<'a> {
    /// The configuration of this node with its later changes: topics inherit it.
    pub fn config_in_force(&self) -> Cow<'a, BrokerConfig> {
        self.image.config_in_force(self.config)
    }
}

impl std::fmt::Debug for Situation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Situation")
            .field("image", &self.image.offset())
            .field("next_offset", &self.next_offset)
            .finish_non_exhaustive()
    }
}
