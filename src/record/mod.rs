//! Floor 1: record batches (format 2) as bytes.
pub mod batch;
pub mod build;
pub mod compress;
pub mod control;
pub mod iter;
pub use batch::{Attributes, Batch, BatchError, BatchHeader, Batches, HEADER_SIZE};
pub use build::{BatchBuilder, BatchOptions};
pub use compress::{Codec, CodecError};
pub use iter::{Header, Record, RecordError, Records};
