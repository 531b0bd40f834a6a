//! The rules of records in one place: for records that are borrowed from a slice ([`super::iter`]) and for those
//! that are only checked in a stream ([`super::scan`]).
//!
//! A record takes some ten nanoseconds. Function calls and moves of a whole [`Head`] would be half of that, hence
//! `inline(always)`: the compiler would decide otherwise.

use super::batch::BatchHeader;
use super::varint::Fields;
use crate::base::{Offset, Timestamp};

/// The fields of a record before its headers.
pub(super) struct Head<B> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<B>,
    pub(super) value: Option<B>,
    pub(super) header_count: i32,
}

impl<B> Head<B> {
    #[inline(always)]
    pub(super) fn read(body: &mut impl Fields<Bytes = B>) -> Result<Self, RecordError> {
        // Kafka uses none of the attributes so far.
        body.byte().ok_or(RecordError::Field("attributes"))?;
        let timestamp_delta = body
            .varlong()
            .ok_or(RecordError::Field("timestamp delta"))?;
        let offset_delta = body.varint().ok_or(RecordError::Field("offset delta"))?;
        let key = body.nullable_bytes().ok_or(RecordError::Field("key"))?;
        let value = body.nullable_bytes().ok_or(RecordError::Field("value"))?;
        let header_count = body.varint().ok_or(RecordError::Field("header count"))?;
        if header_count < 0 {
            return Err(RecordError::Field("header count"));
        }
        Ok(Self {
            timestamp_delta,
            offset_delta,
            key,
            value,
            header_count,
        })
    }
}

/// One header: its key, and its value or null.
#[inline(always)]
pub(super) fn header<F: Fields>(body: &mut F) -> Option<(F::Bytes, Option<F::Bytes>)> {
    let length = body.varint()?;
    let key = body.bytes(length)?;
    let value = body.nullable_bytes()?;
    Some((key, value))
}

/// Checks that `count` headers are the rest of a record.
#[inline(always)]
pub(super) fn check_headers(count: i32, body: &mut impl Fields) -> Result<(), RecordError> {
    // A header has at least two bytes, so a wrong count runs out of bytes before it costs time.
    for _ in 0..count {
        header(body).ok_or(RecordError::Field("headers"))?;
    }
    match body.left() {
        0 => Ok(()),
        left => Err(RecordError::TrailingBytes(left)),
    }
}

/// The fields of a batch header that its records need.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Records still to come. `None` once the end or an error has been reported.
    remaining: Option<i32>,
    base_offset: Offset,
    base_timestamp: Timestamp,
    append_time: Option<Timestamp>,
}

impl Frame {
    pub(super) fn new(header: &BatchHeader) -> Self {
        Self {
            remaining: Some(header.record_count),
            base_offset: header.base_offset,
            // With a delete horizon this field holds the horizon, and the cleaner has rewritten the
            // deltas to be relative to it: the same sum is right in both cases.
            base_timestamp: header.base_timestamp,
            append_time: header
                .attributes
                .is_log_append_time()
                .then_some(header.max_timestamp),
        }
    }

    /// Effective timestamp and offset of a record.
    #[inline(always)]
    pub(super) fn place<B>(&self, head: &Head<B>) -> Result<(Timestamp, Offset), RecordError> {
        let timestamp = match self.append_time {
            Some(time) => time,
            None => self
                .base_timestamp
                .0
                .checked_add(head.timestamp_delta)
                .map(Timestamp)
                .ok_or(RecordError::Field("timestamp delta"))?,
        };
        let offset = self
            .base_offset
            .0
            .checked_add(i64::from(head.offset_delta))
            .map(Offset)
            .ok_or(RecordError::Field("offset delta"))?;
        Ok((timestamp, offset))
    }
}

/// Bytes with exactly as many records as the batch header says.
pub(super) trait RecordSource {
    type Record;
    type Error: From<RecordError>;

    fn frame(&mut self) -> &mut Frame;

    /// Reads the next record.
    fn read(&mut self) -> Result<Self::Record, Self::Error>;

    /// How many bytes follow the last record; possibly fewer than there are, but not 0 if there are any.
    fn left_over(&mut self) -> Result<usize, Self::Error>;

    /// The next record, or the error at the end. Ends after the first error.
    #[inline]
    fn advance(&mut self) -> Option<Result<Self::Record, Self::Error>> {
        // Taking it ends the iteration unless this record is good.
        let remaining = self.frame().remaining.take()?;
        if remaining <= 0 {
            return self.check_end(remaining).err().map(Err);
        }
        let record = self.read();
        if record.is_ok() {
            self.frame().remaining = Some(remaining - 1);
        }
        Some(record)
    }

    fn check_end(&mut self, count: i32) -> Result<(), Self::Error> {
        if count < 0 {
            return Err(RecordError::NegativeCount(count).into());
        }
        match self.left_over()? {
            0 => Ok(()),
            left => Err(RecordError::LeftOver(left).into()),
        }
    }
}

/// Why the records of a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There are fewer records than the batch header says.
    #[error("malformed record: fewer records than the batch header says")]
    Missing,
    /// A record's length is negative or goes beyond the end of the batch.
    #[error("malformed record: length {0} does not fit its batch")]
    Length(i32),
    /// A record of a compressed batch is larger than its reader allows.
    #[error("a record of {size} bytes, but at most {most} are allowed")]
    TooLarge {
        /// Its size without its length field.
        size: i32,
        /// The largest size that is allowed.
        most: i32,
    },
    /// A field is truncated, negative or out of range.
    #[error("malformed record: bad {0}")]
    Field(&'static str),
    /// A record ends before its length is used up.
    #[error("malformed record: {0} bytes after its last field")]
    TrailingBytes(usize),
    /// At least this many bytes follow the last record of the batch.
    #[error("malformed batch: {0} or more bytes after its last record")]
    LeftOver(usize),
    /// The batch header has a negative number of records.
    #[error("malformed batch: record count {0}")]
    NegativeCount(i32),
}
