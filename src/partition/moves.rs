//! Moves of replicas between the log directories of this broker: asked for with [`altering`], kept and queued by
//! [`moving`], carried out by [`copying`]; an [`assignment`] tells the controller where a replica is.

pub(super) mod altering;
pub(super) mod assignment;
mod copying;
pub(super) mod moving;
