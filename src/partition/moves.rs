//! Moves of replicas between the log directories of this broker: [`altering`] requests them, [`moving`] keeps and
//! queues them, [`copying`] carries them out; an [`assignment`] tells the controller where a replica is.

pub(super) mod altering;
pub(super) mod assignment;
mod copying;
pub(super) mod moving;
