//! The fixed beginnings of requests and responses, parsed by hand: these eight bytes must be readable whatever
//! follows them, since the reply to an unknown request still needs its correlation id.

use bytes::{Buf, BufMut};

/// The first eight bytes of every request, in every header version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPrefix {
    /// The API key; not checked here.
    pub api_key: i16,
    /// The API version; not checked here.
    pub api_version: i16,
    /// The correlation id, returned in the response.
    pub correlation_id: i32,
}

impl RequestPrefix {
    /// The size of the prefix.
    pub const SIZE: usize = 8;

    /// Reads the prefix of a frame (without its size field). `None` when the frame is too short.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let mut bytes = frame;
        Some(Self {
            api_key: bytes.try_get_i16().ok()?,
            api_version: bytes.try_get_i16().ok()?,
            correlation_id: bytes.try_get_i32().ok()?,
        })
    }
}

/// The beginning of every response: size field, correlation id and, in flexible versions, an empty set of tagged
/// fields. Kept inline, so that a reply needs no allocation for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseHead {
    bytes: [u8; Self::CAPACITY],
    next: usize,
    end: usize,
}

impl ResponseHead {
    const CAPACITY: usize = 9;
    const SIZE_FIELD: usize = 4;

    /// The head of a response whose header and body together have `size` bytes.
    pub(super) fn new(size: i32, correlation_id: i32, flexible: bool) -> Self {
        let mut bytes = [0; Self::CAPACITY];
        let mut writer = bytes.as_mut_slice();
        writer.put_i32(size);
        writer.put_i32(correlation_id);
        let end = Self::SIZE_FIELD.saturating_add(Self::header_size(flexible));
        Self {
            bytes,
            next: 0,
            end,
        }
    }

    /// Bytes of the response header alone: version 0, or version 1 with no tagged field.
    pub(super) const fn header_size(flexible: bool) -> usize {
        if flexible { 5 } else { 4 }
    }
}

impl Buf for ResponseHead {
    fn remaining(&self) -> usize {
        self.end.saturating_sub(self.next)
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.get(self.next..self.end).unwrap_or_default()
    }

    fn advance(&mut self, count: usize) {
        self.next = self.next.saturating_add(count).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::{RequestPrefix, ResponseHead};
    use bytes::Buf as _;

    #[test]
    fn the_prefix_needs_eight_bytes_and_takes_any() {
        let frame = [0, 18, 0xff, 0xff, 0x80, 0, 0, 1, 9, 9];
        let expected = RequestPrefix {
            api_key: 18,
            api_version: -1,
            correlation_id: i32::MIN + 1,
        };
        assert_eq!(RequestPrefix::parse(&frame), Some(expected));
        for length in 0..RequestPrefix::SIZE {
            assert_eq!(RequestPrefix::parse(&frame[..length]), None);
        }
    }

    #[test]
    fn flexible_responses_have_one_byte_more() {
        assert_eq!(
            ResponseHead::new(4, 7, false).chunk(),
            [0, 0, 0, 4, 0, 0, 0, 7]
        );
        assert_eq!(
            ResponseHead::new(5, 7, true).chunk(),
            [0, 0, 0, 5, 0, 0, 0, 7, 0]
        );
    }
}
