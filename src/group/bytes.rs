//! Kafka's primitive types over bytes: a reader that trusts no length, and a writer.
//!
//! Both know whether they are inside a flexible version, so that one description of a record serves
//! its old versions (16 and 32 bit lengths) and its flexible ones (varint lengths, tagged fields).

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::replay::ReplayError;
use crate::base::KafkaUuid;

/// The longest text that a length of 16 bits can announce.
pub(crate) const MAX_STRING: usize = i16::MAX as usize;

/// Takes values off the front of a slice. Reserves nothing by a length that it read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            flexible: false,
        }
    }

    /// Reads what follows as a flexible version or not: known only once the version was read.
    pub(crate) const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ReplayError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(ReplayError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReplayError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(ReplayError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, ReplayError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ReplayError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, ReplayError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn uuid(&mut self) -> Result<KafkaUuid, ReplayError> {
        self.array().map(|bytes| KafkaUuid(Uuid::from_bytes(bytes)))
    }

    fn unsigned_varint(&mut self) -> Result<u32, ReplayError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ReplayError::InvalidLength)
    }

    /// A length of a flexible version: 0 is null, everything else is one too large.
    fn compact_length(&mut self) -> Result<Option<usize>, ReplayError> {
        let announced = usize::try_from(self.unsigned_varint()?);
        Ok(announced
            .map_err(|_| ReplayError::InvalidLength)?
            .checked_sub(1))
    }

    fn signed_length(length: i32) -> Result<Option<usize>, ReplayError> {
        match length {
            -1 => Ok(None),
            length => usize::try_from(length)
                .map(Some)
                .map_err(|_| ReplayError::InvalidLength),
        }
    }

    fn string_length(&mut self) -> Result<Option<usize>, ReplayError> {
        if self.flexible {
            return self.compact_length();
        }
        let length = self.i16()?;
        Self::signed_length(length.into())
    }

    fn long_length(&mut self) -> Result<Option<usize>, ReplayError> {
        if self.flexible {
            return self.compact_length();
        }
        let length = self.i32()?;
        Self::signed_length(length)
    }

    pub(crate) fn nullable_string(&mut self) -> Result<Option<Arc<str>>, ReplayError> {
        let Some(length) = self.string_length()? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| ReplayError::InvalidText)?;
        Ok(Some(text.into()))
    }

    pub(crate) fn string(&mut self) -> Result<Arc<str>, ReplayError> {
        self.nullable_string()?.ok_or(ReplayError::UnexpectedNull)
    }

    pub(crate) fn nullable_bytes(&mut self) -> Result<Option<Bytes>, ReplayError> {
        match self.long_length()? {
            Some(length) => Ok(Some(Bytes::copy_from_slice(self.take(length)?))),
            None => Ok(None),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, ReplayError> {
        self.nullable_bytes()?.ok_or(ReplayError::UnexpectedNull)
    }

    /// How many elements an array announces. The caller reads them one by one and stops at the end
    /// of the bytes, so a false count costs nothing.
    pub(crate) fn array_count(&mut self) -> Result<usize, ReplayError> {
        self.long_length()?.ok_or(ReplayError::UnexpectedNull)
    }

    /// The tagged fields at the end of a structure of a flexible version, each as its number and
    /// its bytes; none in other versions.
    pub(crate) fn tagged_fields(&mut self) -> Result<Vec<(u32, &'a [u8])>, ReplayError> {
        let mut fields = Vec::new();
        if self.flexible {
            for _ in 0..self.unsigned_varint()? {
                let tag = self.unsigned_varint()?;
                let length = usize::try_from(self.unsigned_varint()?);
                let length = length.map_err(|_| ReplayError::InvalidLength)?;
                fields.push((tag, self.take(length)?));
            }
        }
        Ok(fields)
    }
}

/// Puts values at the end of a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    flexible: bool,
}

impl Writer {
    /// A writer whose first bytes are `version`: the type of a key, the version of a value.
    pub(crate) fn starting_with(version: i16, flexible: bool) -> Self {
        Self {
            out: version.to_be_bytes().to_vec(),
            flexible,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    fn unsigned_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn compact_length(&mut self, length: usize) {
        self.unsigned_varint(
            u32::try_from(length)
                .unwrap_or(u32::MAX - 1)
                .saturating_add(1),
        );
    }

    /// Writes a text. Commands whose texts do not fit into a record are refused before this; should
    /// one slip through, its end is cut, which leaves the record readable where a wrong length would
    /// not.
    pub(crate) fn string(&mut self, text: &str) {
        if self.flexible {
            self.compact_length(text.len());
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        debug_assert!(
            text.len() <= MAX_STRING,
            "a text of {} bytes in a record",
            text.len()
        );
        let mut end = text.len().min(MAX_STRING);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.out
            .extend_from_slice(&i16::try_from(end).unwrap_or(i16::MAX).to_be_bytes());
        self.out.extend_from_slice(&text.as_bytes()[..end]);
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None if self.flexible => self.unsigned_varint(0),
            None => self.out.extend_from_slice(&(-1_i16).to_be_bytes()),
        }
    }

    pub(crate) fn array_count(&mut self, count: usize) {
        if self.flexible {
            self.compact_length(count);
        } else {
            self.i32(i32::try_from(count).unwrap_or(i32::MAX));
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.array_count(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// The end of a structure that has no tagged fields to write.
    pub(crate) fn no_tagged_fields(&mut self) {
        if self.flexible {
            self.unsigned_varint(0);
        }
    }

    /// The end of a structure with one tagged field that holds a UUID.
    pub(crate) fn tagged_uuid(&mut self, tag: u32, id: KafkaUuid) {
        self.unsigned_varint(1);
        self.unsigned_varint(tag);
        self.unsigned_varint(16);
        self.out.extend_from_slice(id.0.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{Reader, Writer};
    use crate::group::replay::ReplayError;

    #[test]
    fn lengths_beyond_the_bytes_are_refused_without_reserving_anything() {
        assert_eq!(
            Reader::new(&[0x7f, 0xff, b'a']).string(),
            Err(ReplayError::Truncated)
        );
        assert_eq!(
            Reader::new(&[0x80, 0x00]).string(),
            Err(ReplayError::InvalidLength)
        );
        assert_eq!(
            Reader::new(&[0x7f, 0xff, 0xff, 0xff]).bytes(),
            Err(ReplayError::Truncated)
        );
        let mut flexible = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        flexible.set_flexible(true);
        assert_eq!(flexible.bytes(), Err(ReplayError::Truncated));
    }

    #[test]
    fn varints_of_every_length_come_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u32::MAX] {
            let mut writer = Writer::default();
            writer.unsigned_varint(value);
            assert_eq!(
                Reader::new(&writer.into_bytes()).unsigned_varint(),
                Ok(value)
            );
        }
    }
}
