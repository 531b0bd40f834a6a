//! Floor 3: the cluster's metadata, as an immutable image that is rebuilt from a log.
//!
//! ```text
//!   __cluster_metadata          Loader / Image::apply              handlers, partitions, coordinators
//!   [record][record][record] ──> Draft ── finish ──> Image + Delta ──> published as one Arc<Image>
//!          ^                                           │
//!          └──────────── snapshot::records <───────────┘
//! ```
//!
//! * [`record`] is the codec of Kafka's metadata records, over the encoding of [`crate::schema`].
//! * [`Image`] is the state at one offset of the metadata log. It is never changed after it was built, and cloning it
//!   costs a few reference counts. It may be kept as long as needed: a request uses one image from beginning to end.
//! * [`draft::Draft`] is an image under construction: the only code that changes state. It shares with the old image every
//!   topic, broker and configuration that does not change.
//! * [`Delta`] has the changes of a publication, for code that acts on changes instead of looking up.
//! * [`Loader`] replays a log: records between a transaction's beginning and end become visible
//!   together, or not at all.
//! * [`kept`] has the records that only Kafka uses, and describes some of them.
//! * [`snapshot`] turns an image back into records.
//!
//! Invariants: an image at an offset is the same whether it came from the log's first record or from a snapshot; a
//! topic's partitions are numbered from 0 without gaps; the two indexes of topics (by name, by id) have the same
//! topics; a record that contradicts the image is an error that stops the replay, never a guess.
//!
//! Maps that grow with the cluster are shared maps ([`crate::base`]): a change copies one small piece of them.
//!
//! This room does no I/O and has neither a clock nor randomness.

pub mod brokers;
pub mod configs;
pub mod delta;
pub mod draft;
pub mod features;
pub mod image;
pub mod kept;
pub mod record;
pub mod replay;
pub mod snapshot;
pub mod topics;

#[cfg(test)]
mod tests;

pub use brokers::BrokerImage;
pub use configs::{ConfigResource, ConfigResourceType};
pub use delta::Delta;
#[cfg(test)]
pub use draft::ApplyError;
pub use image::Image;
pub use kept::{ClientQuota, ScramUser, Told};
pub use record::MetadataRecord;
pub use replay::{LoadError, Loader};
pub use topics::{PartitionImage, TopicImage};
