//! CONTRACT STUB: a batch's header as a view over its bytes.
use bytes::Bytes;
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use super::compress::Codec;

/// Bytes before the first record.
pub const HEADER_SIZE: usize = 61;
/// Bytes of base offset and length, which the length field does not count.
pub const LENGTH_OVERHEAD: usize = 12;

/// The attribute bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub i16);
impl Attributes {
    /// Codec, or an error for an unknown one.
    pub fn codec(self) -> Result<Codec, BatchError> { todo!() }
    /// Bit 3.
    pub fn is_log_append_time(self) -> bool { todo!() }
    /// Bit 4.
    pub fn is_transactional(self) -> bool { todo!() }
    /// Bit 5.
    pub fn is_control(self) -> bool { todo!() }
    /// Bit 6.
    pub fn has_delete_horizon(self) -> bool { todo!() }
}

/// The fields of a batch header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// size of the whole batch minus LENGTH_OVERHEAD
    pub length: i32,
    pub leader_epoch: LeaderEpoch,
    pub magic: i8,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: Timestamp,
    pub max_timestamp: Timestamp,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    pub record_count: i32,
}
impl BatchHeader {
    /// Reads a header from at least 61 bytes. Checks magic (2 only) and that `length` >= 49; not the CRC.
    pub fn parse(_bytes: &[u8]) -> Result<Self, BatchError> { todo!() }
    /// Size of the whole batch in bytes.
    pub fn size(&self) -> usize { todo!() }
    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset { todo!() }
    /// Offset after the last record.
    pub fn next_offset(&self) -> Offset { todo!() }
    /// Sequence of the last record, wrapping at 2^31-1 to 0; -1 where there is none.
    pub fn last_sequence(&self) -> i32 { todo!() }
    /// Whether producer id and sequence are set.
    pub fn has_producer(&self) -> bool { todo!() }
    /// The 61 bytes of this header, encoded.
    pub fn encode(&self) -> [u8; HEADER_SIZE] { todo!() }
}

/// One whole batch: header view and its bytes.
#[derive(Clone, Debug)]
pub struct Batch { /** decoded header */ pub header: BatchHeader, /** the whole batch */ pub bytes: Bytes }
impl Batch {
    /// Compares the stored CRC-32C with that of the bytes.
    pub fn check_crc(&self) -> Result<(), BatchError> { todo!() }
    /// The records' bytes, decompressed when a codec is set; at most `limit` bytes.
    pub fn record_bytes(&self, _limit: usize) -> Result<Bytes, BatchError> { todo!() }
    /// The CRC over bytes 21.. that would be right after `header`'s bytes 21..61 replaced the stored ones.
    pub fn crc_with_header(&self, _header: &BatchHeader) -> u32 { todo!() }
}

/// Iterates over whole batches that lie one after another; ends with an error at the first that is short or malformed.
pub struct Batches { _rest: Bytes }
impl Batches { /** over these bytes */ pub fn new(_bytes: Bytes) -> Self { todo!() } }
impl Iterator for Batches { type Item = Result<Batch, BatchError>; fn next(&mut self) -> Option<Self::Item> { todo!() } }

/// What can be wrong with a batch. (helper: refine the variants)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum BatchError {
    #[error("{needed} bytes needed, {available} there")] Short { needed: usize, available: usize },
    #[error("magic {0} is not 2")] UnsupportedMagic(i8),
    #[error("length {0} is too small")] InvalidLength(i32),
    #[error("stored CRC {stored:#x} differs from {computed:#x}")] CorruptCrc { stored: u32, computed: u32 },
    #[error("unknown codec {0}")] UnknownCodec(i16),
    #[error(transparent)] Codec(#[from] super::compress::CodecError),
}
