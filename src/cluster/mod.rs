//! Floor 5: the cluster's metadata at work. It hosts the controller, writes what it decides to
//! `__cluster_metadata`, and publishes the image that follows from it.
//!
//! Owns: the metadata log with its snapshots, the order of decisions, the image and the settings of the moment, this
//! broker's registration. Must not: decide (the `controller` machine does) or know wire messages.
//!
//! ```text
//!   submit ──> decide ──> follow the log ──────────> publish ────────────> reply
//!              standalone  metadata_log               publish: image,       when listeners have
//!              (its thread) append, sync, replay      then listeners        followed
//!                                                     (their own thread)
//! ```
//!
//! * [`Cluster`] is what all other rooms hold. `submit` is the way of a command to the controller and of its reply.
//! * `standalone` is the controller of a cluster of one, which decides here. A broker that is a member of a larger
//!   cluster will have another way to decide (it forwards) and to follow the log (it fetches), and the same images,
//!   listeners and replies.
//! * `publish`: everybody sees an image as soon as it is durable. Listeners hear of every change, in order, from nothing
//!   on, on a thread of their own: neither a slow listener nor a slow disk of a partition holds up decisions or images.
//! * `lifecycle`: registration, unfencing, failed log directories, directories of replicas.
//!
//! What the start finds is checked as a whole first ([`history`]): a log that is taken for a shorter one than it was is
//! worse than no start.

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

pub use error::MetadataLogError;
pub use handle::Cluster;
pub use leadership::Leadership;
pub use lifecycle::{Lifecycle, LifecycleError, PlacedReplica, Registration, WatchedDirectory};
pub use metadata_log::TOPIC as METADATA_TOPIC;
pub use publish::ImageListener;
pub use standalone::{Controller, StartError, start};
pub use submit::ClusterError;
