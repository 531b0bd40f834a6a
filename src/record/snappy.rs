//! Snappy in the stream format of snappy-java ("xerial"), which is Kafka's, and bare snappy blocks on
//! reading: librdkafka sends those, and Kafka's broker takes input without the magic for one block.
//!
//! ```text
//! 82 53 4e 41 50 50 59 00 | version 1, int32 | oldest reader 1, int32 | (size, int32 | snappy block)*
//! ```

use super::blocks::{BlockFormat, Packed};
use super::compress::{Codec, CodecError};
use super::stream::Target;
use super::varint::{Cursor, Fields};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// The first half of the magic in the place of a chunk size: another stream follows.
const MAGIC_HEAD: [u8; 4] = *b"\x82SNA";
const MAGIC_TAIL: [u8; 4] = *b"PPY\0";
const VERSION: i32 = 1;
const PREAMBLE: usize = MAGIC.len() + 8;
/// What snappy-java compresses at a time by default.
const CHUNK: usize = 32 * 1024;
/// A three-byte copy yields at most 64 bytes; nothing in the format expands more.
const MOST_EXPANSION: usize = 22;

/// What snappy-java writes.
pub(super) struct SnappyFormat(pub(super) snap::raw::Encoder);

impl BlockFormat for SnappyFormat {
    const CODEC: Codec = Codec::Snappy;
    const BLOCK: usize = CHUNK;
    const START: &'static [u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
    const END: &'static [u8] = &[];

    fn most_packed(size: usize) -> usize {
        snap::raw::max_compress_len(size)
    }

    fn pack(&mut self, bytes: &[u8], packed: &mut [u8]) -> Result<Packed, CodecError> {
        let size = self.0.compress(bytes, packed).map_err(malformed)?;
        Ok(Packed {
            head: i32::try_from(size).map_err(malformed)?.to_be_bytes(),
            size: Some(size),
        })
    }
}

/// A stream of snappy-java, or a bare block, unpacked block by block.
pub(super) struct SnappyBlocks<'a> {
    cursor: Cursor<'a>,
    /// The stream is one block that has not been unpacked yet.
    bare: bool,
    most_held: usize,
}

impl<'a> SnappyBlocks<'a> {
    /// Opens a stream whose blocks may have at most `most_held` bytes.
    pub(super) fn open(bytes: &'a [u8], most_held: usize) -> Self {
        Self {
            cursor: Cursor::new(bytes),
            bare: bytes.len() < PREAMBLE || !bytes.starts_with(&MAGIC),
            most_held,
        }
    }

    /// Unpacks the next block; false at the end.
    pub(super) fn unpack(&mut self, target: &mut Target) -> Result<bool, CodecError> {
        if std::mem::take(&mut self.bare) {
            let block = std::mem::take(&mut self.cursor.rest);
            return self.block(block, target).map(|()| true);
        }
        if self.cursor.rest.is_empty() {
            return Ok(false);
        }
        let size = self
            .cursor
            .array::<4>()
            .ok_or_else(|| malformed("cut off in a chunk size"))?;
        if size == MAGIC_HEAD {
            return stream_header(&mut self.cursor).map(|()| true);
        }
        let chunk = self
            .cursor
            .bytes(i32::from_be_bytes(size))
            .ok_or_else(|| malformed("chunk size does not fit the stream"))?;
        self.block(chunk, target).map(|()| true)
    }

    fn block(&self, bytes: &[u8], target: &mut Target) -> Result<(), CodecError> {
        if bytes.is_empty() {
            return Err(malformed("empty block"));
        }
        let claimed = snap::raw::decompress_len(bytes).map_err(malformed)?;
        if claimed > self.most_held {
            return Err(CodecError::TooLarge {
                limit: self.most_held,
            });
        }
        if claimed > bytes.len().saturating_mul(MOST_EXPANSION) {
            return Err(malformed("block claims more than its bytes can hold"));
        }
        let written = snap::raw::Decoder::new()
            .decompress(bytes, target.room(claimed))
            .map_err(malformed)?;
        target.fill(written);
        Ok(())
    }
}

/// Reads what follows the first half of the magic.
fn stream_header(cursor: &mut Cursor<'_>) -> Result<(), CodecError> {
    let tail = cursor.array::<4>();
    let version = cursor.array::<4>().map(i32::from_be_bytes);
    let oldest_reader = cursor.array::<4>();
    match (tail, version, oldest_reader) {
        (Some(MAGIC_TAIL), Some(version), Some(_)) if version >= VERSION => Ok(()),
        _ => Err(malformed("bad stream header")),
    }
}

fn malformed(reason: impl std::fmt::Display) -> CodecError {
    Codec::Snappy.malformed(reason)
}

#[cfg(test)]
mod tests {
    use crate::record::{Codec, CodecError};
    use bytes::Bytes;

    fn decompress(bytes: &[u8], limit: usize) -> Result<Bytes, CodecError> {
        Codec::Snappy.decompress(bytes, limit)
    }

    #[test]
    fn bare_blocks_and_joined_streams_are_read() {
        let text = b"the castle on the hill ".repeat(4000);
        let bare = snap::raw::Encoder::new()
            .compress_vec(&text)
            .expect("compresses");
        assert_eq!(decompress(&bare, usize::MAX).expect("bare"), text);
        let mut joined = Codec::Snappy.compress(&text).expect("compresses").to_vec();
        assert_eq!(&joined[..16], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
        joined.extend_from_within(..);
        assert_eq!(
            decompress(&joined, usize::MAX).expect("joined"),
            text.repeat(2)
        );
    }

    #[test]
    fn the_most_a_block_can_expand_is_allowed() {
        let zeros = vec![0; 1 << 20];
        let bare = snap::raw::Encoder::new()
            .compress_vec(&zeros)
            .expect("compresses");
        assert_eq!(decompress(&bare, 1 << 20).expect("bare"), zeros);
        assert!(matches!(
            decompress(&bare, (1 << 20) - 1),
            Err(CodecError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_claim_beyond_the_bytes_is_refused_before_allocating() {
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        assert!(matches!(
            decompress(&claim, usize::MAX),
            Err(CodecError::Malformed { .. })
        ));
        assert!(decompress(&[], usize::MAX).is_err());
    }
}
