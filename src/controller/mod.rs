//! Floor 4: the controller, which decides about the cluster's metadata.
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
//! A decision is a function of the [`Situation`] (the image, the broker's configuration, the offset
//! at which the records will stand, a source of chance) and the command. There is no state besides
//! the image, so one decision must be replayed before the next is made: the host takes commands
//! one at a time. The records of a decision are written as one batch and count as a whole.
//!
//! A [`Command`] is a type of its own and names the type of its reply, so that nobody who asks has to look
//! for the answer among others.
//!
//! Texts that Kafka's tools show to people are Kafka's own, since people search for them.
//!
//! * `command`: commands and refusals; `machine`: which function decides about which command, and what it replies.
//! * `topics`, `partitions`: creating and deleting; [`names`], [`configs`], `placement` are the
//!   rules that they use.
//! * `alter_configs`: changing the configuration of existing topics and brokers.
//! * `reassignments`: other replicas for partitions; `elections`: other leaders.
//! * `brokers`: registering, unfencing and fencing; `directories`: where replicas are, and directories that
//!   fail; `leaders`: what these do to partitions. `producer_ids`, [`features`] and `feature_updates`: as
//!   they say.
//!
//! This room does no I/O and has no clock; chance comes in as an argument.

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
    DeletedTopic, FailDirectories, FenceBroker, NewPartitions, NewTopic, ProducerIdBlock, Refusal,
    RegisterBroker, ReplicaAssignment, TopicReference, UnfenceBroker, UnregisterBroker,
};
pub use elections::{ElectLeaders, Election, ElectionFailure};
pub use feature_updates::{FeatureUpdate, UpdateDirection, UpdateFeatures};
pub use names::is_internal;
pub use reassignments::{AlterReassignments, Reassignment, ReassignmentFailure};

/// Where a decision takes what must not be decided by rule.
pub trait Chance {
    /// An id that no topic has had.
    fn topic_id(&mut self) -> TopicId;

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize;
}

/// What a decision is made from.
pub struct Situation<'a> {
    /// The metadata, with every earlier decision replayed.
    pub image: &'a Image,
    /// The configuration that this node was started with.
    pub config: &'a BrokerConfig,
    /// The offset at which the first record of this decision will stand.
    pub next_offset: Offset,
    /// Chance.
    pub chance: &'a mut dyn Chance,
}

impl<'a> Situation<'a> {
    /// The configuration of this node with what was set since it was started: what topics inherit.
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
