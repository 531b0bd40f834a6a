//! Variable-length integers of records: zig-zag, seven bits a byte, least significant first.

/// Bytes from which fields are read in order: a slice, or a stream that keeps nothing. `None` means that the
/// field is truncated or too long.
pub(super) trait Fields {
    /// The type in which bytes are returned; a stream returns nothing and skips them.
    type Bytes;

    fn byte(&mut self) -> Option<u8>;

    /// The next `length` bytes; `None` too when the length is negative.
    fn bytes(&mut self, length: i32) -> Option<Self::Bytes>;

    /// How many bytes are left.
    fn left(&self) -> usize;

    /// A varint length and that many bytes; the inner `None` is a null, length -1.
    #[inline(always)]
    fn nullable_bytes(&mut self) -> Option<Option<Self::Bytes>> {
        match self.varint()? {
            -1 => Some(None),
            length => self.bytes(length).map(Some),
        }
    }

    /// A zig-zag integer of at most five bytes.
    #[inline(always)]
    fn varint(&mut self) -> Option<i32> {
        let raw = match self.small()? {
            Small::Whole(raw) => raw,
            Small::Begun(first, second) => u32::try_from(self.unsigned(first, second, 5)?).ok()?,
        };
        Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// A zig-zag integer of at most ten bytes.
    #[inline(always)]
    fn varlong(&mut self) -> Option<i64> {
        let raw = match self.small()? {
            Small::Whole(raw) => u64::from(raw),
            Small::Begun(first, second) => self.unsigned(first, second, 10)?,
        };
        Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// An integer of one or two bytes, as nearly every one of a record is, or its first two bytes.
    #[inline(always)]
    fn small(&mut self) -> Option<Small> {
        let first = self.byte()?;
        if first < 0x80 {
            return Some(Small::Whole(u32::from(first)));
        }
        let second = self.byte()?;
        if second < 0x80 {
            return Some(Small::Whole(
                u32::from(first & 0x7f) | u32::from(second) << 7,
            ));
        }
        Some(Small::Begun(first, second))
    }

    /// An unsigned integer of at most `most` bytes, which begins with two that are not its last. It must fit 64 bits.
    fn unsigned(&mut self, first: u8, second: u8, most: u32) -> Option<u64> {
        let mut value = u64::from(first & 0x7f) | u64::from(second & 0x7f) << 7;
        for index in 2..most {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            let shift = index * 7;
            let placed = bits << shift;
            if placed >> shift != bits {
                return None;
            }
            value |= placed;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

/// What the first bytes of an integer say.
pub(super) enum Small {
    /// All of it.
    Whole(u32),
    /// These two, and more follow.
    Begun(u8, u8),
}

/// Reads fields from the start of a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*first)
    }
}

impl<'a> Fields for Cursor<'a> {
    type Bytes = &'a [u8];

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    #[inline(always)]
    fn bytes(&mut self, length: i32) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    fn left(&self) -> usize {
        self.rest.len()
    }
}

/// The zig-zag form of `value`: small numbers of either sign become small unsigned ones.
const fn zig_zag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// How many bytes [`put`] writes for `value`.
pub(super) fn size(value: i64) -> usize {
    // One byte for each seven significant bits, and one for zero.
    let bits = (64 - (zig_zag(value) | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

/// Appends a zig-zag integer. The 32- and 64-bit forms of one number are the same bytes.
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, zig_zag(value));
}

/// Appends an unsigned integer, as lengths and tags of Kafka's flexible messages are written.
pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The mask keeps seven bits, so this cast drops nothing.
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Fields, put, size};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_survive_a_round_trip(long: i64, int: i32) {
            let mut bytes = Vec::new();
            put(&mut bytes, long);
            prop_assert_eq!(bytes.len(), size(long));
            put(&mut bytes, i64::from(int));
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.varlong(), Some(long));
            prop_assert_eq!(cursor.varint(), Some(int));
            prop_assert!(cursor.rest.is_empty());
        }
    }

    #[test]
    fn the_ends_of_the_ranges_fit_and_more_does_not() {
        for (value, bytes) in [
            (0, 1),
            (-1, 1),
            (63, 1),
            (64, 2),
            (i64::MIN, 10),
            (i64::MAX, 10),
        ] {
            assert_eq!(size(value), bytes, "{value}");
        }
        let mut bytes = Vec::new();
        put(&mut bytes, i64::from(i32::MAX) + 1);
        assert_eq!(Cursor::new(&bytes).varint(), None);
        assert_eq!(Cursor::new(&[0xff; 10]).varlong(), None);
        assert_eq!(Cursor::new(&[0x80, 0x80]).varint(), None);
        assert_eq!(
            Cursor::new(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]).varint(),
            None
        );
    }
}
