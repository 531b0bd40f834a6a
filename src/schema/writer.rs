//! Writing. Every method is the counterpart of the [`Reader`](super::Reader)'s of the same name.

use super::MAX_STRING;
use crate::base::KafkaUuid;

/// Puts fields at the end of a buffer. The default one is empty and writes an old version.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    flexible: bool,
}

impl Writer {
    /// Writes a flexible version.
    pub const fn flexible() -> Self {
        Self {
            out: Vec::new(),
            flexible: true,
        }
    }

    /// Writes a record whose first two bytes are `version`: the type of a key, the version of a value.
    pub fn starting_with(version: i16, flexible: bool) -> Self {
        let mut writer = Self {
            out: Vec::new(),
            flexible,
        };
        writer.int16(version);
        writer
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A byte, signed.
    pub fn int8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    /// A byte, one for true.
    pub fn boolean(&mut self, value: bool) {
        self.int8(i8::from(value));
    }

    /// Two bytes, signed.
    pub fn int16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    /// Two bytes, unsigned.
    pub fn uint16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    /// Four bytes, signed.
    pub fn int32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// Eight bytes, signed.
    pub fn int64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: KafkaUuid) {
        self.raw(value.0.as_bytes());
    }

    /// Seven bits per byte, lowest first.
    pub fn unsigned_varint(&mut self, mut value: u32) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                self.out.push(low & 0x7f);
                return;
            }
            self.out.push(low | 0x80);
        }
    }

    /// A length as an unsigned varint. Nothing in a record comes near 4 GiB, since a record has to
    /// fit a batch whose size is 31 bits.
    fn length(&mut self, length: usize) {
        self.unsigned_varint(u32::try_from(length).unwrap_or(u32::MAX));
    }

    /// A length of bytes and arrays: `None` for null.
    fn long_length(&mut self, length: Option<usize>) {
        if self.flexible {
            self.length(length.map_or(0, |length| length.saturating_add(1)));
        } else {
            let length = length.map(|length| i32::try_from(length).unwrap_or(i32::MAX));
            self.int32(length.unwrap_or(-1));
        }
    }

    /// A string that may be null.
    pub fn nullable_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) if self.flexible => {
                self.length(text.len().saturating_add(1));
                self.raw(text.as_bytes());
            }
            Some(text) => self.old_string(text),
            None if self.flexible => self.unsigned_varint(0),
            None => self.int16(-1),
        }
    }

    /// Commands whose texts do not fit into a record are refused before this; should one slip
    /// through, its end is cut, which leaves the record readable where a wrong length would not.
    fn old_string(&mut self, text: &str) {
        let whole = text.len();
        debug_assert!(whole <= MAX_STRING, "a text of {whole} bytes in a record");
        let mut end = whole.min(MAX_STRING);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.int16(i16::try_from(end).unwrap_or(i16::MAX));
        self.raw(&text.as_bytes()[..end]);
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.nullable_string(Some(text));
    }

    /// Bytes that may be null.
    pub fn nullable_bytes(&mut self, bytes: Option<&[u8]>) {
        self.long_length(bytes.map(<[u8]>::len));
        self.raw(bytes.unwrap_or_default());
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.nullable_bytes(Some(bytes));
    }

    /// An array that may be null, its elements written by `element`.
    pub fn nullable_array<T>(
        &mut self,
        elements: Option<&[T]>,
        mut element: impl FnMut(&mut Self, &T),
    ) {
        self.long_length(elements.map(<[T]>::len));
        for value in elements.unwrap_or_default() {
            element(self, value);
        }
    }

    /// An array, its elements written by `element`.
    pub fn array<T>(&mut self, elements: &[T], element: impl FnMut(&mut Self, &T)) {
        self.nullable_array(Some(elements), element);
    }

    /// The end of a structure: its tagged fields. Old versions have none, and lose what they would
    /// have said.
    pub fn tagged_fields(&mut self, tags: &Tags) {
        if !self.flexible {
            return;
        }
        self.length(tags.fields.len());
        for (tag, bytes) in &tags.fields {
            self.unsigned_varint(*tag);
            self.length(bytes.len());
            self.raw(bytes);
        }
    }

    /// The end of a structure that has no tagged fields.
    pub fn no_tagged_fields(&mut self) {
        self.tagged_fields(&Tags::default());
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
        let mut writer = Writer::flexible();
        write(&mut writer);
        self.fields.push((tag, writer.into_bytes()));
    }
}
