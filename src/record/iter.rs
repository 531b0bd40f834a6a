//! CONTRACT STUB: records of a batch, borrowed, nothing allocated.
use crate::base::{Offset, Timestamp};
use super::batch::BatchHeader;
/// One record, borrowed from the (decompressed) bytes of its batch.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Record<'a> {
    pub attributes: i8,
    /// effective timestamp (batch max timestamp under LogAppendTime)
    pub timestamp: Timestamp,
    pub offset: Offset,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    headers: &'a [u8],
}
impl<'a> Record<'a> { /** headers in order, duplicates kept */ pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> { let _ = self.headers; std::iter::empty() } }
/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Header<'a> { pub key: &'a [u8], pub value: Option<&'a [u8]> }
/// Iterates over exactly `header.record_count` records; fails when a record is malformed, has trailing bytes,
/// or when bytes are left over after the last one.
pub struct Records<'a> { _bytes: &'a [u8] }
impl<'a> Records<'a> { /** records of `header` in its decompressed bytes */ pub fn new(_header: &BatchHeader, _bytes: &'a [u8]) -> Self { todo!() } }
impl<'a> Iterator for Records<'a> { type Item = Result<Record<'a>, RecordError>; fn next(&mut self) -> Option<Self::Item> { todo!() } }
/// A malformed record (helper: refine).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed record: {0}")]
pub struct RecordError(pub &'static str);
