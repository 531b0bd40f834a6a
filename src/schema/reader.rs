//! Reading. Strings are returned in the type that the record keeps: `&str`, `String`, `Arc<str>`.

use uuid::Uuid;

use crate::base::KafkaUuid;

/// Bytes that do not match the schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the bytes end early: {wanted} wanted, {left} left")]
    Truncated {
        /// The least that the field needs.
        wanted: usize,
        /// The remaining bytes.
        left: usize,
    },
    /// An unsigned varint is longer than five bytes, or exceeds 32 bits.
    #[error("a varint does not fit 32 bits")]
    Varint,
    /// A length is negative, and not the one that stands for null.
    #[error("a length is {0}")]
    Length(i32),
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    Text,
    /// A field that may not be null is null.
    #[error("a field that may not be null is null")]
    Null,
    /// Bytes are left over where a record or a tagged field should have ended.
    #[error("{0} bytes are left over")]
    LeftOver(usize),
}

/// Reads fields from the start of some bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, as an old version until [`Self::set_flexible`] says otherwise.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            flexible: false,
        }
    }

    /// Reads `bytes` as a flexible version.
    pub const fn flexible(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            flexible: true,
        }
    }

    /// Sets whether the rest is of a flexible version. Some records contain their own version.
    pub const fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Reads everything that is left.
    pub const fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// Succeeds if nothing is left.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::LeftOver(self.rest.len()))
        }
    }

    const fn truncated(&self, wanted: usize) -> DecodeError {
        DecodeError::Truncated {
            wanted,
            left: self.rest.len(),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.truncated(count));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(N));
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// A byte, signed.
    pub fn int8(&mut self) -> Result<i8, DecodeError> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// A byte that is true unless it is zero, as in Kafka.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        Ok(self.int8()? != 0)
    }

    /// Two bytes, signed.
    pub fn int16(&mut self) -> Result<i16, DecodeError> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// Two bytes, unsigned.
    pub fn uint16(&mut self) -> Result<u16, DecodeError> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// Four bytes, signed.
    pub fn int32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// Eight bytes, signed.
    pub fn int64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// Eight bytes, a floating-point number.
    pub fn float64(&mut self) -> Result<f64, DecodeError> {
        self.fixed().map(f64::from_be_bytes)
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<KafkaUuid, DecodeError> {
        self.fixed().map(|bytes| KafkaUuid(Uuid::from_bytes(bytes)))
    }

    /// Seven bits per byte, lowest first, at most 32 bits in all.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A length of strings: `None` for null.
    fn string_length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return self.compact_length();
        }
        let length = self.int16()?;
        self.old_length(length.into())
    }

    /// A length of bytes and arrays: `None` for null.
    fn long_length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return self.compact_length();
        }
        let length = self.int32()?;
        self.old_length(length)
    }

    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        match self.unsigned_varint()?.checked_sub(1) {
            Some(length) => self.present(length).map(Some),
            None => Ok(None),
        }
    }

    fn old_length(&self, length: i32) -> Result<Option<usize>, DecodeError> {
        match u32::try_from(length) {
            Ok(length) => self.present(length).map(Some),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::Length(length)),
        }
    }

    /// A length of no more than the bytes that are left, since no element takes less than one byte.
    fn present(&self, length: u32) -> Result<usize, DecodeError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.rest.len() {
            return Err(self.truncated(length));
        }
        Ok(length)
    }

    /// A string that may be null.
    pub fn nullable_string<T: From<&'a str>>(&mut self) -> Result<Option<T>, DecodeError> {
        let Some(length) = self.string_length()? else {
            return Ok(None);
        };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::Text)?;
        Ok(Some(text.into()))
    }

    /// A string.
    pub fn string<T: From<&'a str>>(&mut self) -> Result<T, DecodeError> {
        self.nullable_string()?.ok_or(DecodeError::Null)
    }

    /// Bytes that may be null.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.long_length()? {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        self.nullable_bytes()?.ok_or(DecodeError::Null)
    }

    /// An array that may be null, its elements read by `element`.
    pub fn nullable_array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(length) = self.long_length()? else {
            return Ok(None);
        };
        let mut elements = Vec::new();
        for _ in 0..length {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// An array, its elements read by `element`.
    pub fn array<T>(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(element)?.ok_or(DecodeError::Null)
    }

    /// The tagged fields at the end of a structure; old versions have none. `known` reads the tags
    /// that it knows from the reader that it is given; a tag that it leaves untouched is skipped,
    /// because it was added by a newer release in a way that older ones may ignore.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let size = usize::try_from(self.unsigned_varint()?).unwrap_or(usize::MAX);
            let mut field = Self::flexible(self.take(size)?);
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
