//! Floor 1: the encoding of Kafka's record schemas, for the records of internal topics.
//!
//! Kafka describes those records in the language of its messages: fields of a few primitive types,
//! each in some versions of the record. This room is what those types are in bytes. What the records
//! are is known by the rooms that have them: `group/records.rs`, `metadata/record.rs`.
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
//! [`Reader`] and [`Writer`] know whether the version at hand is flexible, so that one description of
//! a record, `tagged_fields` included, serves its old versions and its flexible ones.
//!
//! What it must not do: wait, open anything, know a record or Kafka's messages.
//!
//! What always holds: nothing that was read from outside makes the reader panic, and it reserves no
//! memory because a length says so. A length is compared with the bytes that are left before anything
//! is taken, and an array grows by the elements that turn out to be there.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{DecodeError, Reader};
pub use writer::{Tags, Writer};

/// The most bytes that a string of an old version can have.
pub const MAX_STRING: usize = i16::MAX as usize;
