//! Kafka's flexible message encoding, as far as metadata records use it: fixed-width big-endian
//! numbers, unsigned varints, compact strings and arrays (length plus one, zero for null), and
//! tagged fields at the end of every structure.
//!
//! The reader works on bytes from outside. It never panics, and it reserves no memory because a
//! length says so: a length is compared with what is left before anything is taken, and arrays grow
//! element by element as the elements turn out to be there.

use crate::base::KafkaUuid;

/// Bytes that are not a metadata record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the bytes end early: {wanted} wanted, {left} left")]
    EndsEarly {
        /// What the field needs at least.
        wanted: usize,
        /// What there is.
        left: usize,
    },
    /// An unsigned varint is longer than five bytes, or exceeds 32 bits.
    #[error("a varint does not fit 32 bits")]
    Varint,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Text,
    /// A field that may not be null is null.
    #[error("a field that may not be null is null")]
    Null,
    /// Bytes are left over where a message or a tagged field should have ended.
    #[error("{0} bytes are left over")]
    LeftOver(usize),
    /// The frame around the record is of another version than 1.
    #[error("frame version {0}, expected 1")]
    FrameVersion(u32),
    /// A record type that Kafka 4.3 does not know.
    #[error("unknown record type {0}")]
    Type(u32),
    /// A record version that Kafka 4.3 does not know.
    #[error("unknown version {version} of {name}")]
    Version {
        /// The record's name.
        name: &'static str,
        /// The version that was found.
        version: u32,
    },
}

/// Reads a message from front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes everything that is left.
    pub const fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// Succeeds when nothing is left.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::LeftOver(self.rest.len()))
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(DecodeError::EndsEarly {
                wanted: count,
                left: self.rest.len(),
            })?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::EndsEarly {
                wanted: N,
                left: self.rest.len(),
            })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A byte, signed.
    pub fn int8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.fixed()?))
    }

    /// A byte that is true unless it is zero, as in Kafka.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        Ok(self.int8()? != 0)
    }

    /// Two bytes, signed.
    pub fn int16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.fixed()?))
    }

    /// Two bytes, unsigned.
    pub fn uint16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.fixed()?))
    }

    /// Four bytes, signed.
    pub fn int32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    /// Eight bytes, signed.
    pub fn int64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.fixed()?))
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<KafkaUuid, DecodeError> {
        Ok(KafkaUuid(uuid::Uuid::from_bytes(self.fixed()?)))
    }

    /// Seven bits per byte, lowest first, at most 32 bits in all.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A compact length: `None` for null, otherwise no more than the bytes that are left, since no
    /// element takes less than one byte.
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        let Some(length) = self.unsigned_varint()?.checked_sub(1) else {
            return Ok(None);
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.rest.len() {
            return Err(DecodeError::EndsEarly {
                wanted: length,
                left: self.rest.len(),
            });
        }
        Ok(Some(length))
    }

    /// A compact string that may be null.
    pub fn nullable_string(&mut self) -> Result<Option<String>, DecodeError> {
        let Some(length) = self.compact_length()? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::Text)?;
        Ok(Some(text.to_owned()))
    }

    /// A compact string.
    pub fn string(&mut self) -> Result<String, DecodeError> {
        self.nullable_string()?.ok_or(DecodeError::Null)
    }

    /// A compact array that may be null, its elements read by `element`.
    pub fn nullable_array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(length) = self.compact_length()? else {
            return Ok(None);
        };
        let mut elements = Vec::new();
        for _ in 0..length {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// A compact array, its elements read by `element`.
    pub fn array<T>(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(element)?.ok_or(DecodeError::Null)
    }

    /// The tagged fields at the end of a structure. `known` reads the tags that it knows from the
    /// reader that it is given; a tag that it leaves untouched is skipped, because it was added by
    /// a newer release in a way that older ones may ignore.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = usize::try_from(self.unsigned_varint()?).unwrap_or(usize::MAX);
            let mut field = Self::new(self.take(size)?);
            known(tag, &mut field)?;
            if field.left() != size {
                field.finish()?;
            }
        }
        Ok(())
    }

    /// The tagged fields of a structure that has none of its own.
    pub fn no_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(()))
    }
}

/// Writes a message from front to back.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// See [`Reader::int8`].
    pub fn int8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    /// See [`Reader::boolean`].
    pub fn boolean(&mut self, value: bool) {
        self.int8(i8::from(value));
    }

    /// See [`Reader::int16`].
    pub fn int16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    /// See [`Reader::uint16`].
    pub fn uint16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    /// See [`Reader::int32`].
    pub fn int32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// See [`Reader::int64`].
    pub fn int64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// See [`Reader::uuid`].
    pub fn uuid(&mut self, value: KafkaUuid) {
        self.raw(value.0.as_bytes());
    }

    /// See [`Reader::unsigned_varint`].
    pub fn unsigned_varint(&mut self, mut value: u32) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.bytes.push(low & 0x7f);
                return;
            }
            self.bytes.push(low | 0x80);
        }
    }

    /// A length as an unsigned varint. Nothing in a metadata record comes near 4 GiB, since a
    /// record has to fit a batch whose size is 31 bits.
    fn length(&mut self, length: usize) {
        self.unsigned_varint(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// See [`Reader::nullable_string`].
    pub fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            None => self.unsigned_varint(0),
            Some(text) => {
                self.length(text.len().saturating_add(1));
                self.raw(text.as_bytes());
            }
        }
    }

    /// See [`Reader::string`].
    pub fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    /// See [`Reader::array`].
    pub fn array<T>(&mut self, elements: &[T], mut element: impl FnMut(&mut Self, &T)) {
        self.length(elements.len().saturating_add(1));
        for value in elements {
            element(self, value);
        }
    }

    /// The end of a structure that has no tagged fields.
    pub fn no_tagged_fields(&mut self) {
        self.unsigned_varint(0);
    }

    /// The end of a structure: its tagged fields.
    pub fn tagged_fields(&mut self, fields: &Tags) {
        self.length(fields.fields.len());
        for (tag, bytes) in &fields.fields {
            self.unsigned_varint(*tag);
            self.length(bytes.len());
            self.raw(bytes);
        }
    }
}

/// Tagged fields being gathered. They must be added in the order of their tags.
#[derive(Debug, Default)]
pub struct Tags {
    fields: Vec<(u32, Vec<u8>)>,
}

impl Tags {
    /// Adds the field `tag`, its value written by `write`.
    pub fn add(&mut self, tag: u32, write: impl FnOnce(&mut Writer)) {
        let mut writer = Writer::default();
        write(&mut writer);
        self.fields.push((tag, writer.into_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::{DecodeError, Reader, Writer};

    #[test]
    fn varints_have_kafkas_bytes_and_a_limit() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u32::MAX, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut writer = Writer::default();
            writer.unsigned_varint(value);
            assert_eq!(writer.into_bytes(), bytes);
            assert_eq!(Reader::new(bytes).unsigned_varint(), Ok(value));
        }
        assert_eq!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).unsigned_varint(),
            Err(DecodeError::Varint)
        );
        assert_eq!(
            Reader::new(&[0x80; 6]).unsigned_varint(),
            Err(DecodeError::Varint)
        );
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        assert!(matches!(
            Reader::new(&claim).array(Reader::int8),
            Err(DecodeError::EndsEarly { .. })
        ));
        assert!(matches!(
            Reader::new(&claim).string(),
            Err(DecodeError::EndsEarly { .. })
        ));
    }

    #[test]
    fn unknown_tags_are_skipped_and_known_ones_must_fill_their_size() {
        let bytes = [2, 5, 1, 9, 6, 2, 0, 1];
        let mut found = None;
        let mut reader = Reader::new(&bytes);
        let result = reader.tagged_fields(|tag, field| {
            if tag == 6 {
                found = Some(field.int16()?);
            }
            Ok(())
        });
        assert_eq!((result, found, reader.left()), (Ok(()), Some(1), 0));
        let result =
            Reader::new(&[1, 6, 2, 0, 1]).tagged_fields(|_, field| field.int8().map(|_| ()));
        assert_eq!(result, Err(DecodeError::LeftOver(1)));
    }
}
