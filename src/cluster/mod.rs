//! Floor 5: the cluster's metadata at work. It hosts the controller, writes what it decides to
//! `__cluster_metadata`, and publishes the image that follows from it.
//!
//! Owns: the metadata log with its snapshots, the order of decisions, publication ([`publish`]).
//! Must not: decide (the `controller` machine does) or know wire messages.
//!
//! ```text
//!   submit -> controller decides -> append and sync -> apply to the image -> publish it and the settings -> answer
//! ```
//!
//! What the start finds is checked as a whole first ([`history`]): a log that is taken for a shorter one than it was is
//! worse than no start.

mod batch_file;
mod committed;
mod error;
mod feed;
mod history;
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

pub use error::MetadataLogError;
pub use leadership::Leadership;
pub use metadata_log::TOPIC as METADATA_TOPIC;
pub use publish::{Cluster, ClusterError, ImageListener};
pub use standalone::{Controller, StartError, start};
