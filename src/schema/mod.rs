//! Floor 1: the encoding of Kafka's record schemas, for the records of internal topics.
//!
//! Kafka describes these records in the language of its messages: fields of a few primitive types,
//! each in some versions of the record. This room encodes and decodes the primitive types. The records are
//! defined in the rooms that use them: `group/records.rs`, `metadata/record.rs`.
//!
//! ```text
//!                     old versions                  flexible versions
//!   numbers, UUIDs    big-endian, fixed width       the same
//!   strings           int16 length (-1 null)        unsigned varint length + 1 (0 null)
//!   bytes, arrays     int32 length (-1 null)        unsigned varint length + 1 (0 null)
//!   tagged fields     none                          count, then tag | size | value, all varints;
//!                                                   at the end of every structure
//! ```
//!
//! [`Reader`] and [`Writer`] know whether the version is flexible, so that one description of a record, including
//! `tagged_fields`, works for its old versions and its flexible ones.
//!
//! What it must not do: wait, open anything, know records or Kafka's messages.
//!
//! What always holds: no input makes the reader panic, and it allocates no memory just because a length says so. A
//! length is compared with the remaining bytes before anything is read, and an array grows with the elements that
//! are really read.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{DecodeError, Reader};
pub use writer::{Tags, Writer};

/// The most bytes that a string of an old version can have.
pub const MAX_STRING: usize = i16::MAX as usize;
