//! The records of a batch, borrowed and without allocation.

use super::batch::BatchHeader;
pub use super::fields::RecordError;
use super::fields::{Frame, Head, RecordSource, check_headers};
use super::varint::{Cursor, Fields};
use crate::base::{Offset, Timestamp};

/// One record, borrowed from the (decompressed) bytes of its batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
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
    /// The headers after their count, already checked.
    #[cfg_attr(
        not(any(test, feature = "fuzzing")),
        expect(
            dead_code,
            reason = "no record of our own machines has any; tests read those of others"
        )
    )]
    headers: &'a [u8],
}

#[cfg(any(test, feature = "fuzzing"))]
impl<'a> Record<'a> {
    /// Headers in order, duplicates kept.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.headers);
        // The bytes end with the last header, so the first missing field is the end.
        std::iter::from_fn(move || {
            let (key, value) = super::fields::header(&mut cursor)?;
            Some(Header { key, value })
        })
    }
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// UTF-8 in Kafka, but not checked.
    pub key: &'a [u8],
    /// The value, or null.
    pub value: Option<&'a [u8]>,
}

/// Iterates over exactly `header.record_count` records; fails when a record is malformed, has trailing bytes,
/// or when bytes are left over after the last one. Ends after the first error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    cursor: Cursor<'a>,
    frame: Frame,
    /// The largest record that is taken.
    most: i32,
}

impl<'a> Records<'a> {
    /// Records of `header` in its decompressed bytes.
    pub fn new(header: &BatchHeader, bytes: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            frame: Frame::new(header),
            most: i32::MAX,
        }
    }

    /// Refuses records of more than `most` bytes.
    #[must_use]
    pub const fn with_records_up_to(mut self, most: i32) -> Self {
        self.most = most;
        self
    }

    /// The bytes after the records that were returned so far.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.cursor.rest
    }
}

impl<'a> RecordSource for Records<'a> {
    type Record = Record<'a>;
    type Error = RecordError;

    #[inline]
    fn frame(&mut self) -> &mut Frame {
        &mut self.frame
    }

    #[inline]
    fn read(&mut self) -> Result<Record<'a>, RecordError> {
        let length = self.cursor.varint().ok_or(RecordError::Missing)?;
        if length > self.most {
            let (size, most) = (length, self.most);
            return Err(RecordError::TooLarge { size, most });
        }
        let body = self
            .cursor
            .bytes(length)
            .ok_or(RecordError::Length(length))?;
        let mut body = Cursor::new(body);
        let head = Head::read(&mut body)?;
        let headers = body.rest;
        check_headers(head.header_count, &mut body)?;
        let (timestamp, offset) = self.frame.place(&head)?;
        Ok(Record {
            timestamp,
            offset,
            offset_delta: head.offset_delta,
            key: head.key,
            value: head.value,
            headers,
        })
    }

    fn left_over(&mut self) -> Result<usize, RecordError> {
        Ok(self.cursor.left())
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.advance()
    }
}

impl std::iter::FusedIterator for Records<'_> {}
