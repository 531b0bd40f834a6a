//! Floor 3: what the cluster has agreed on, as an immutable image that is rebuilt from a log.
//!
//! ```text
//!   __cluster_metadata          Loader / Image::apply              handlers, partitions, coordinators
//!   [record][record][record] ──> Draft ── finish ──> Image + Delta ──> published as one Arc<Image>
//!          ^                                           │
//!          └──────────── snapshot::records <───────────┘
//! ```
//!
//! * [`record`] is the codec of Kafka's metadata records, over the encoding of [`crate::schema`].
//! * [`Image`] is the state at one offset of the metadata log. It is never changed after it was
//!   built, cloning it costs a few reference counts, and whoever holds one may use it for as long as
//!   it takes: a request looks at one image from beginning to end.
//! * [`Draft`] is an image under construction: the only code that changes state. It shares with the
//!   old image every topic, broker and configuration that does not change.
//! * [`Delta`] says what a publication changed, for those who act on change instead of looking up.
//! * [`Loader`] replays a log: records between a transaction's beginning and end become visible
//!   together, or not at all.
//! * [`kept`] holds the records that only Kafka acts on, and tells of some what they say.
//! * [`snapshot`] turns an image back into records.
//!
//! Invariants: an image at an offset is the same whether it came from the log's first record or from
//! a snapshot; a topic's partitions are numbered from 0 without gaps; the two indexes of topics (by
//! name, by id) hold the same topics; a record that contradicts the image is an error that stops the
//! replay, never a guess.
//!
//! Maps that grow with the cluster are shared maps ([`crate::base`]): a change copies one small piece of them.
//!
//! This room does no I/O and knows neither time nor chance.

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

pub use brokers::{BrokerEndpoint, BrokerImage};
pub use configs::{ConfigResource, ConfigResourceType};
pub use delta::Delta;
pub use draft::{ApplyError, Draft};
pub use image::Image;
pub use kept::{ClientQuota, ScramUser, Told};
pub use record::MetadataRecord;
pub use replay::{LoadError, Loader};
pub use topics::{PartitionImage, TopicImage};
