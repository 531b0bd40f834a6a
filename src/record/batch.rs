//! A batch's header as a view over its bytes, and batches that lie one after another.

use bytes::Bytes;

use super::compress::{Codec, CodecError};
use super::iter::Records;
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

// Each field starts where the one before it ends.
const BASE_OFFSET: usize = 0;
const LENGTH: usize = BASE_OFFSET + size_of::<i64>();
const LEADER_EPOCH: usize = LENGTH + size_of::<i32>();
/// The position of the magic byte.
pub const MAGIC: usize = LEADER_EPOCH + size_of::<i32>();
const CRC: usize = MAGIC + size_of::<i8>();
const ATTRIBUTES: usize = CRC + size_of::<u32>();
const LAST_OFFSET_DELTA: usize = ATTRIBUTES + size_of::<i16>();
const BASE_TIMESTAMP: usize = LAST_OFFSET_DELTA + size_of::<i32>();
const MAX_TIMESTAMP: usize = BASE_TIMESTAMP + size_of::<i64>();
const PRODUCER_ID: usize = MAX_TIMESTAMP + size_of::<i64>();
const PRODUCER_EPOCH: usize = PRODUCER_ID + size_of::<i64>();
const BASE_SEQUENCE: usize = PRODUCER_EPOCH + size_of::<i16>();
const RECORD_COUNT: usize = BASE_SEQUENCE + size_of::<i32>();

/// Bytes before the first record.
pub const HEADER_SIZE: usize = RECORD_COUNT + size_of::<i32>();
/// Bytes of base offset and length, which the length field does not count.
pub const LENGTH_OVERHEAD: usize = LEADER_EPOCH;
/// The smallest valid length field: a header without records.
const LEAST_LENGTH: i32 = (HEADER_SIZE - LENGTH_OVERHEAD) as i32;
/// The only batch format that is written or read.
pub const CURRENT_MAGIC: i8 = 2;
/// The base sequence of a batch that has none.
pub const NO_SEQUENCE: i32 = -1;

/// The attribute bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// Codec, or an error for an unknown one.
    pub fn codec(self) -> Result<Codec, BatchError> {
        let id = self.0 & Self::CODEC;
        Codec::from_id(id).ok_or(BatchError::UnknownCodec(id))
    }

    /// Bit 3.
    pub const fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// Bit 4.
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Bit 5.
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Bit 6.
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same bits with another codec.
    #[must_use]
    pub const fn with_codec(self, codec: Codec) -> Self {
        Self(self.0 & !Self::CODEC | codec.id())
    }

    /// The same bits with bit 3 set or cleared.
    #[must_use]
    pub const fn with_log_append_time(self, on: bool) -> Self {
        self.with(Self::LOG_APPEND_TIME, on)
    }

    /// The same bits with bit 4 set or cleared.
    #[must_use]
    pub const fn with_transactional(self, on: bool) -> Self {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same bits with bit 5 set or cleared.
    #[must_use]
    pub const fn with_control(self, on: bool) -> Self {
        self.with(Self::CONTROL, on)
    }

    /// The same bits with bit 6 set or cleared.
    #[must_use]
    pub const fn with_delete_horizon(self, on: bool) -> Self {
        self.with(Self::DELETE_HORIZON, on)
    }

    const fn with(self, bit: i16, on: bool) -> Self {
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// The fields of a batch header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record the batch was made with; compaction may have removed that record.
    pub base_offset: Offset,
    /// Size of the whole batch minus [`LENGTH_OVERHEAD`].
    pub length: i32,
    /// Epoch of the leader that appended the batch.
    pub leader_epoch: LeaderEpoch,
    /// Format of the batch, always 2 in a parsed header.
    pub magic: i8,
    /// CRC-32C of everything that follows it.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Distance from the base offset to the last offset; not checked by [`BatchHeader::parse`].
    pub last_offset_delta: i32,
    /// What the timestamp deltas of the records are relative to.
    pub base_timestamp: Timestamp,
    /// The largest timestamp of a record, or the time of the append under LogAppendTime.
    pub max_timestamp: Timestamp,
    /// The idempotent or transactional producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// How many records there are; not checked by [`BatchHeader::parse`].
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header from at least 61 bytes. Checks magic (2 only) and that `length` >= 49; not the CRC.
    ///
    /// An old format is reported as such even when its message is shorter than a header of format 2.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if let Some(&magic) = bytes.get(MAGIC)
            && magic.cast_signed() != CURRENT_MAGIC
        {
            return Err(BatchError::UnsupportedMagic(magic.cast_signed()));
        }
        let Some(bytes) = bytes.first_chunk::<HEADER_SIZE>() else {
            return Err(BatchError::Short {
                needed: HEADER_SIZE,
                available: bytes.len(),
            });
        };
        let header = Self {
            base_offset: Offset(i64::from_be_bytes(field::<BASE_OFFSET, 8>(bytes))),
            length: i32::from_be_bytes(field::<LENGTH, 4>(bytes)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field::<LEADER_EPOCH, 4>(bytes))),
            magic: i8::from_be_bytes(field::<MAGIC, 1>(bytes)),
            crc: u32::from_be_bytes(field::<CRC, 4>(bytes)),
            attributes: Attributes(i16::from_be_bytes(field::<ATTRIBUTES, 2>(bytes))),
            last_offset_delta: i32::from_be_bytes(field::<LAST_OFFSET_DELTA, 4>(bytes)),
            base_timestamp: Timestamp(i64::from_be_bytes(field::<BASE_TIMESTAMP, 8>(bytes))),
            max_timestamp: Timestamp(i64::from_be_bytes(field::<MAX_TIMESTAMP, 8>(bytes))),
            producer_id: ProducerId(i64::from_be_bytes(field::<PRODUCER_ID, 8>(bytes))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field::<PRODUCER_EPOCH, 2>(bytes))),
            base_sequence: i32::from_be_bytes(field::<BASE_SEQUENCE, 4>(bytes)),
            record_count: i32::from_be_bytes(field::<RECORD_COUNT, 4>(bytes)),
        };
        if header.length < LEAST_LENGTH {
            return Err(BatchError::InvalidLength(header.length));
        }
        Ok(header)
    }

    /// Size of the whole batch in bytes.
    pub fn size(&self) -> usize {
        usize::try_from(self.length)
            .unwrap_or_default()
            .saturating_add(LENGTH_OVERHEAD)
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// Offset after the last record.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// Sequence of the last record, wrapping at 2^31-1 to 0; -1 where there is none.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        sequence_after(self.base_sequence, self.last_offset_delta)
    }

    /// Whether producer id and sequence are set. False for a transaction marker, which names its
    /// producer but takes no sequence.
    #[cfg(any(test, feature = "fuzzing"))]
    pub const fn has_producer(&self) -> bool {
        self.producer_id.is_some() && self.base_sequence >= 0
    }

    /// The delete horizon: when tombstones and markers of this batch may be removed. A cleaner sets it. It is stored
    /// in the base timestamp field, and the records' timestamp deltas are then relative to it.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        self.attributes
            .has_delete_horizon()
            .then_some(self.base_timestamp)
    }

    /// The 61 bytes of this header, encoded.
    pub fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        put::<BASE_OFFSET, 8>(&mut bytes, self.base_offset.0.to_be_bytes());
        put::<LENGTH, 4>(&mut bytes, self.length.to_be_bytes());
        put::<LEADER_EPOCH, 4>(&mut bytes, self.leader_epoch.0.to_be_bytes());
        put::<MAGIC, 1>(&mut bytes, self.magic.to_be_bytes());
        put::<CRC, 4>(&mut bytes, self.crc.to_be_bytes());
        put::<ATTRIBUTES, 2>(&mut bytes, self.attributes.0.to_be_bytes());
        put::<LAST_OFFSET_DELTA, 4>(&mut bytes, self.last_offset_delta.to_be_bytes());
        put::<BASE_TIMESTAMP, 8>(&mut bytes, self.base_timestamp.0.to_be_bytes());
        put::<MAX_TIMESTAMP, 8>(&mut bytes, self.max_timestamp.0.to_be_bytes());
        put::<PRODUCER_ID, 8>(&mut bytes, self.producer_id.0.to_be_bytes());
        put::<PRODUCER_EPOCH, 2>(&mut bytes, self.producer_epoch.0.to_be_bytes());
        put::<BASE_SEQUENCE, 4>(&mut bytes, self.base_sequence.to_be_bytes());
        put::<RECORD_COUNT, 4>(&mut bytes, self.record_count.to_be_bytes());
        bytes
    }

    /// The CRC of a batch with this header and `body`. Reads the body, copies nothing.
    pub fn crc_over(&self, body: &[u8]) -> u32 {
        let header = self.encode();
        crc32c::crc32c_append(crc32c::crc32c(&header[ATTRIBUTES..]), body)
    }
}

/// The sequence `increment` records after `sequence`, wrapping from 2^31-1 to 0 as producers do.
pub fn sequence_after(sequence: i32, increment: i32) -> i32 {
    const SEQUENCES: i64 = 1 << 31;
    let wrapped = (i64::from(sequence) + i64::from(increment)).rem_euclid(SEQUENCES);
    // The remainder is below 2^31, so the fallback is never taken.
    i32::try_from(wrapped).unwrap_or(NO_SEQUENCE)
}

fn field<const AT: usize, const SIZE: usize>(header: &[u8; HEADER_SIZE]) -> [u8; SIZE] {
    const { assert!(AT + SIZE <= HEADER_SIZE) };
    let mut out = [0; SIZE];
    out.copy_from_slice(&header[AT..AT + SIZE]);
    out
}

fn put<const AT: usize, const SIZE: usize>(header: &mut [u8; HEADER_SIZE], value: [u8; SIZE]) {
    const { assert!(AT + SIZE <= HEADER_SIZE) };
    header[AT..AT + SIZE].copy_from_slice(&value);
}

/// One whole batch: header view and its bytes.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Decoded header.
    pub header: BatchHeader,
    /// The whole batch.
    pub bytes: Bytes,
}

impl Batch {
    /// The batch at the start of `bytes`, without the bytes after it. The CRC is not checked.
    pub fn parse(bytes: &Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let needed = header.size();
        if needed > bytes.len() {
            return Err(BatchError::Short {
                needed,
                available: bytes.len(),
            });
        }
        Ok(Self {
            header,
            bytes: bytes.slice(..needed),
        })
    }

    /// Compares the stored CRC-32C with that of the bytes.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(self.bytes.get(ATTRIBUTES..).unwrap_or_default());
        let stored = self.header.crc;
        if computed == stored {
            Ok(())
        } else {
            Err(BatchError::CorruptCrc { stored, computed })
        }
    }

    /// Everything after the header as it is stored: the records, or their compressed stream.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(HEADER_SIZE.min(self.bytes.len())..)
    }

    /// The records' bytes, decompressed when a codec is set; at most `limit` bytes.
    pub fn record_bytes(&self, limit: usize) -> Result<Bytes, BatchError> {
        let codec = self.header.attributes.codec()?;
        let body = self.body();
        // Compaction can leave a header without records, which is not a stream of any codec.
        if codec != Codec::None && !body.is_empty() {
            return Ok(codec.decompress(&body, limit)?);
        }
        if body.len() > limit {
            return Err(CodecError::TooLarge { limit }.into());
        }
        Ok(body)
    }

    /// The records of this batch in `record_bytes`, which [`Batch::record_bytes`] returned.
    pub fn records<'a>(&self, record_bytes: &'a [u8]) -> Records<'a> {
        Records::new(&self.header, record_bytes)
    }

    /// The CRC over bytes 21.. if `header`'s bytes 21..61 replaced the stored ones.
    pub fn crc_with_header(&self, header: &BatchHeader) -> u32 {
        header.crc_over(self.bytes.get(HEADER_SIZE..).unwrap_or_default())
    }
}

/// Iterates over whole batches, one after another; ends with an error at the first that is incomplete or malformed.
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// Over these bytes.
    pub const fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    /// The bytes after the batches that were returned so far; empty after an error.
    #[cfg(any(test, feature = "fuzzing"))]
    pub const fn rest(&self) -> &Bytes {
        &self.rest
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = Batch::parse(&self.rest);
        match &batch {
            Ok(batch) => self.rest = self.rest.slice(batch.bytes.len()..),
            // Without a length that can be trusted there is no next batch.
            Err(_) => self.rest = Bytes::new(),
        }
        Some(batch)
    }
}

impl std::iter::FusedIterator for Batches {}

/// What can be wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The batch, or its header, goes beyond the end of the bytes.
    #[error("{needed} bytes needed, but only {available} are there")]
    Short {
        /// Size of the batch, or of a header if even the header is incomplete.
        needed: usize,
        /// Bytes from the start of the batch to the end.
        available: usize,
    },
    /// An unsupported format: 0 and 1 are those of old clients.
    #[error("magic {0} is not 2")]
    UnsupportedMagic(i8),
    /// The length field does not even cover the header.
    #[error("length {0} is too small")]
    InvalidLength(i32),
    /// The checksum is wrong: the bytes are not those that were written.
    #[error("stored crc {stored:#010x} differs from {computed:#010x}")]
    CorruptCrc {
        /// The stored checksum.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Codec numbers 5 to 7.
    #[error("unknown codec {0}")]
    UnknownCodec(i16),
    /// The records could not be decompressed.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

#[cfg(test)]
mod tests {
    use super::{BatchError, BatchHeader, sequence_after};

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(sequence_after(5, 2), 7);
        assert_eq!(sequence_after(i32::MAX, 0), i32::MAX);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 4), 2);
    }

    #[test]
    fn old_formats_are_named_even_when_short() {
        let mut bytes = [0; 34];
        bytes[16] = 1;
        assert_eq!(
            BatchHeader::parse(&bytes),
            Err(BatchError::UnsupportedMagic(1))
        );
        assert_eq!(
            BatchHeader::parse(&[0; 5]),
            Err(BatchError::Short {
                needed: 61,
                available: 5
            })
        );
    }
}
