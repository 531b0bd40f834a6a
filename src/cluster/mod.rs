//! Floor 5: the cluster's metadata at work. It hosts the controller, writes what it decides to
//! `__cluster_metadata`, and publishes the image that follows from it.
//!
//! Owns: the metadata log with its snapshots, the order of decisions, publication ([`publish`]).
//! Must not: decide (the `controller` machine does) or know wire messages.
//!
//! ```text
//!   submit -> controller decides -> append and sync -> apply to the image -> publish it and the settings -> answer
//! ```

mod damage;
mod leadership;
mod metadata_log;
mod producer_ids;
mod publish;
mod quorum;
mod quorum_state;
mod snapshots;
mod standalone;
#[cfg(test)]
mod tests;

pub use leadership::Leadership;
pub use metadata_log::{MetadataLogError, TOPIC as METADATA_TOPIC};
pub use publish::{Cluster, ClusterError, ImageListener};
pub use standalone::{Controller, StartError, start};
