//! Records of a batch, borrowed, nothing allocated.

use super::batch::BatchHeader;
use super::varint::Cursor;
use crate::base::{Offset, Timestamp};

/// One record, borrowed from the (decompressed) bytes of its batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Always zero so far.
    pub attributes: i8,
    /// The effective timestamp: the batch's max timestamp under LogAppendTime, else the record's own.
    pub timestamp: Timestamp,
    /// Offset in the partition.
    pub offset: Offset,
    /// Distance from the batch's base offset.
    pub offset_delta: i32,
    /// The key, or null.
    pub key: Option<&'a [u8]>,
    /// The value, or null: a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers behind their count, already found to be well formed.
    headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// Headers in order, duplicates kept.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.headers);
        // The bytes end with the last header, so the first field that is not there is the end.
        std::iter::from_fn(move || Header::read(&mut cursor))
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Kafka means UTF-8 but does not check.
    pub key: &'a [u8],
    /// The value, or null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let length = cursor.varint()?;
        let key = cursor.bytes(length)?;
        let value = cursor.nullable_bytes()?;
        Some(Self { key, value })
    }
}

/// Iterates over exactly `header.record_count` records; fails when a record is malformed, has trailing bytes,
/// or when bytes are left over after the last one. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    cursor: Cursor<'a>,
    /// Records still to come. `None` once the end or an error has been reported.
    remaining: Option<i32>,
    base_offset: Offset,
    base_timestamp: Timestamp,
    append_time: Option<Timestamp>,
}

impl<'a> Records<'a> {
    /// Records of `header` in its decompressed bytes.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes),
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

    #[inline]
    fn read(&mut self) -> Result<Record<'a>, RecordError> {
        let length = self.cursor.varint().ok_or(RecordError::Missing)?;
        let body = self
            .cursor
            .bytes(length)
            .ok_or(RecordError::Length(length))?;
        let mut body = Cursor::new(body);
        let attributes = body
            .byte()
            .ok_or(RecordError::Field("attributes"))?
            .cast_signed();
        let timestamp_delta = body
            .varlong()
            .ok_or(RecordError::Field("timestamp delta"))?;
        let offset_delta = body.varint().ok_or(RecordError::Field("offset delta"))?;
        let key = body.nullable_bytes().ok_or(RecordError::Field("key"))?;
        let value = body.nullable_bytes().ok_or(RecordError::Field("value"))?;
        let header_count = body.varint().ok_or(RecordError::Field("header count"))?;
        let headers = body.rest;
        if header_count < 0 {
            return Err(RecordError::Field("header count"));
        }
        // A header takes at least two bytes, so a false count runs out of bytes before it costs time.
        for _ in 0..header_count {
            Header::read(&mut body).ok_or(RecordError::Field("headers"))?;
        }
        if !body.rest.is_empty() {
            return Err(RecordError::TrailingBytes(body.rest.len()));
        }
        let timestamp = match self.append_time {
            Some(time) => time,
            None => self
                .base_timestamp
                .0
                .checked_add(timestamp_delta)
                .map(Timestamp)
                .ok_or(RecordError::Field("timestamp delta"))?,
        };
        let offset = self
            .base_offset
            .0
            .checked_add(i64::from(offset_delta))
            .map(Offset)
            .ok_or(RecordError::Field("offset delta"))?;
        Ok(Record {
            attributes,
            timestamp,
            offset,
            offset_delta,
            key,
            value,
            headers,
        })
    }

    fn end(&self, count: i32) -> Option<RecordError> {
        if count < 0 {
            return Some(RecordError::NegativeCount(count));
        }
        let left = self.cursor.rest.len();
        (left > 0).then_some(RecordError::LeftOver(left))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Taking it ends the iteration unless this record turns out well.
        let remaining = self.remaining.take()?;
        if remaining <= 0 {
            return self.end(remaining).map(Err);
        }
        let record = self.read();
        if record.is_ok() {
            self.remaining = Some(remaining - 1);
        }
        Some(record)
    }
}

impl std::iter::FusedIterator for Records<'_> {}

/// Why the records of a batch cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the last record that the batch announces.
    #[error("malformed record: fewer records than the batch announces")]
    Missing,
    /// A record's length is negative or goes beyond the end of the batch.
    #[error("malformed record: length {0} does not fit its batch")]
    Length(i32),
    /// A field is cut off, negative or out of range.
    #[error("malformed record: bad {0}")]
    Field(&'static str),
    /// A record ends before its length is used up.
    #[error("malformed record: {0} bytes after its last field")]
    TrailingBytes(usize),
    /// Bytes follow the last record that the batch announces.
    #[error("malformed batch: {0} bytes after its last record")]
    LeftOver(usize),
    /// The batch announces a negative number of records.
    #[error("malformed batch: record count {0}")]
    NegativeCount(i32),
}
