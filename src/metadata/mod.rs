//! Floor 3: the cluster's metadata as an immutable image. CONTRACT STUB.
pub mod image;
pub mod record;
pub mod delta;
pub use image::{BrokerImage, Image, PartitionImage, TopicImage};
pub use delta::{Delta};
pub use record::MetadataRecord;
