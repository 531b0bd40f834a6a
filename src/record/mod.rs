//! Floor 1: record batches (format 2) as bytes.
//!
//! A producer sends a batch, a segment stores it, and a consumer receives it, all in the same bytes. Only this room
//! knows them.
//!
//! ```text
//!  0            8        12        16 17     21                                       61
//!  +------------+--------+---------+--+------+----------------------------------------+---------- - -
//!  | base       | length | leader  |2 | CRC  | attributes, last offset delta,         | records, one
//!  | offset     |        | epoch   |  |      | timestamps, producer, sequence, count  | stream if
//!  +------------+--------+---------+--+------+----------------------------------------+ compressed
//!  |<- the leader sets these; the CRC ->|    |<- what the CRC covers ------------------------------ - -
//!  |   does not cover them              |
//!               |<- `length` counts from here
//! ```
//!
//! What it owns:
//! - [`batch`]: the header as a view, whole batches one after another, the checksum;
//! - [`iter`]: the records of a batch, borrowed;
//! - [`scan`]: the records of a compressed batch, checked in a stream and not kept;
//! - [`build`]: batches that the broker writes itself (internal topics, the metadata log);
//! - [`retain`]: batches without some of their records, as compaction leaves them;
//! - [`recompress`]: the records of a batch in another codec;
//! - [`compress`]: the four codecs in the containers that Kafka uses; [`stream`] reads them, [`compressor`]
//!   writes them;
//! - [`control`]: transaction markers and the control records of the metadata log.
//!
//! What it must not do: wait, open files or sockets, know requests. It imports neither tokio nor
//! `kafka_protocol`, whose record decoder allocates as much as the batch says and merges headers with
//! equal keys.
//!
//! What always holds:
//! - No input makes it panic. Every length is compared with the remaining bytes before it is used.
//! - Record bytes are passed on as slices of the input; only decompression copies. Changing a header
//!   never copies the body: see [`Batch::crc_with_header`].
//! - Iterating allocates nothing. Decompression allocates as output appears and stops at the caller's
//!   limit, whatever size the input claims. Scanning holds a few pieces of its stream, whatever its
//!   uncompressed size.
//! - If the record count and the bytes of a batch disagree, the result is an error, never fewer records.

pub mod batch;
mod blocks;
pub mod build;
pub mod compress;
mod compressor;
pub mod control;
mod fields;
pub mod iter;
mod lz4;
pub mod recompress;
#[cfg(test)]
mod recompress_tests;
pub mod retain;
pub mod scan;
#[cfg(test)]
mod scan_tests;
mod snappy;
pub mod stream;
#[cfg(test)]
mod tests;
mod varint;
mod xxh32;
mod zstd_frames;

pub use batch::{Attributes, Batch, BatchError, BatchHeader, Batches, HEADER_SIZE};
pub use build::{BatchBuilder, BatchOptions};
pub use compress::{Codec, CodecError, Compression};
#[cfg(any(test, feature = "fuzzing"))]
pub use iter::Header;
pub use iter::{Record, RecordError, Records};
pub use retain::{RawRecord, RawRecords};
pub use scan::{ScanError, ScannedRecord, scan_plain};
pub use stream::Limits;
