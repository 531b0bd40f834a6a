//! Snappy in the stream format of snappy-java ("xerial"), which is Kafka's, and bare snappy blocks on
//! reading: librdkafka sends those, and Kafka's broker takes input without the magic for one block.
//!
//! ```text
//! 82 53 4e 41 50 50 59 00 | version 1, int32 | oldest reader 1, int32 | (size, int32 | snappy block)*
//! ```

use super::compress::{Codec, CodecError};
use super::varint::Cursor;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// The first half of the magic where a chunk size should stand: another stream follows.
const MAGIC_HEAD: [u8; 4] = *b"\x82SNA";
const MAGIC_TAIL: [u8; 4] = *b"PPY\0";
const VERSION: i32 = 1;
const PREAMBLE: usize = MAGIC.len() + 8;
/// What snappy-java compresses at a time by default.
const CHUNK: usize = 32 * 1024;
/// A three-byte copy yields at most 64 bytes; nothing in the format expands more.
const MOST_EXPANSION: usize = 22;

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    let mut block = vec![0; snap::raw::max_compress_len(CHUNK.min(bytes.len()))];
    for chunk in bytes.chunks(CHUNK) {
        let size = encoder.compress(chunk, &mut block).map_err(malformed)?;
        let block = block.get(..size).unwrap_or_default();
        out.extend_from_slice(&i32::try_from(size).map_err(malformed)?.to_be_bytes());
        out.extend_from_slice(block);
    }
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    if bytes.len() < PREAMBLE || !bytes.starts_with(&MAGIC) {
        block(bytes, limit, &mut out)?;
        return Ok(out);
    }
    out.reserve(bytes.len().saturating_mul(2).min(limit));
    let mut cursor = Cursor::new(bytes);
    while !cursor.rest.is_empty() {
        let size = cursor
            .array::<4>()
            .ok_or_else(|| malformed("cut off in a chunk size"))?;
        if size == MAGIC_HEAD {
            stream_header(&mut cursor)?;
            continue;
        }
        let chunk = cursor
            .bytes(i32::from_be_bytes(size))
            .ok_or_else(|| malformed("chunk size does not fit the stream"))?;
        block(chunk, limit, &mut out)?;
    }
    Ok(out)
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

/// Decompresses one block onto `out`.
fn block(bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    if bytes.is_empty() {
        return Err(malformed("empty block"));
    }
    let claimed = snap::raw::decompress_len(bytes).map_err(malformed)?;
    let start = out.len();
    if claimed > limit.saturating_sub(start) {
        return Err(CodecError::TooLarge { limit });
    }
    if claimed > bytes.len().saturating_mul(MOST_EXPANSION) {
        return Err(malformed("block claims more than its bytes can hold"));
    }
    out.resize(start + claimed, 0);
    let target = out.get_mut(start..).unwrap_or_default();
    let written = snap::raw::Decoder::new()
        .decompress(bytes, target)
        .map_err(malformed)?;
    out.truncate(start + written);
    Ok(())
}

fn malformed(reason: impl std::fmt::Display) -> CodecError {
    Codec::Snappy.malformed(reason)
}

#[cfg(test)]
mod tests {
    use super::{compress, decompress};
    use crate::record::CodecError;

    #[test]
    fn bare_blocks_and_joined_streams_are_read() {
        let text = b"the castle on the hill ".repeat(4000);
        let bare = snap::raw::Encoder::new()
            .compress_vec(&text)
            .expect("compresses");
        assert_eq!(decompress(&bare, usize::MAX).expect("bare"), text);
        let mut joined = Vec::new();
        compress(&text, &mut joined).expect("compresses");
        assert_eq!(&joined[..16], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
        compress(&text, &mut joined).expect("compresses");
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
