//! Floor 5: the service of the cluster's metadata. It hosts the controller, writes its decisions to
//! `__cluster_metadata`, and publishes the resulting image.
//!
//! Owns: the metadata log with its snapshots, the order of decisions, the current image and settings, this broker's
//! registration. Must not: decide (the `controller` machine does) or know wire messages.
//!
//! ```text
//!   submit ──> decide ──> follow the log ──────────> publish ────────────> reply
//!              standalone  metadata_log               publish: image,       when listeners have
//!              (its thread) append, sync, replay      then listeners        followed
//!                                                     (their own thread)
//! ```
//!
//! * [`Cluster`] is the handle of all other rooms. `submit` sends a command to the controller and returns its reply.
//! * `standalone` is the controller of a cluster with one node, which decides here. A broker of a larger cluster will
//!   decide in another way (it forwards) and follow the log in another way (it fetches), with the same images,
//!   listeners and replies.
//! * `publish`: everybody sees an image as soon as it is durable. Listeners receive every change, in order, from an
//!   empty image on, on a thread of their own: neither a slow listener nor the slow disk of a partition delays
//!   decisions or images.
//! * `lifecycle`: registration, unfencing, failed log directories, directories of replicas.
//!
//! The start first checks the whole log ([`history`]): taking a damaged log for a shorter one would be worse than no
//! start.

mod batch_file;
mod committed;
mod error;
mod feed;
mod handle;
mod history;
mod leadership;
mod lifecycle;
mod metadata_log;
mod producer_ids;
mod publish;
mod quorum;
mod quorum_state;
mod snapshots;
mod standalone;
mod submit;
#[cfg(test)]
mod tests;

pub use handle::Cluster;
pub use leadership::QuorumLeadership;
pub use lifecycle::{Lifecycle, LifecycleError, PlacedReplica, Registration, WatchedDirectory};
pub use metadata_log::TOPIC as METADATA_TOPIC;
pub use publish::ImageListener;
pub use standalone::{Controller, StartError, start};
pub use submit::ClusterError;
