//! Lz4 frames as Kafka reads and writes them.
//!
//! ```text
//! 04 22 4d 18 | flags | block size | [content size, 8] | header check | (size | block | [check])* | 0 | [check]
//! ```
//!
//! Numbers are little-endian. Like Kafka's reader this one refuses blocks that refer to earlier blocks:
//! Java consumers could not read them, so they must not be acknowledged. `lz4_flex` decodes blocks; its
//! frame decoder is not used, since it takes a frame without an end for a whole one and sizes its
//! buffers by the frame's claim.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::compress::{Codec, CodecError};
use super::varint::Cursor;

const MAGIC: u32 = 0x184D_2204;
const VERSION_MASK: u8 = 0b1100_0000;
const VERSION: u8 = 0b0100_0000;
const INDEPENDENT_BLOCKS: u8 = 1 << 5;
const BLOCK_CHECKS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECK: u8 = 1 << 2;
/// One reserved bit, and one for dictionaries, which Kafka does not know.
const UNSUPPORTED: u8 = 0b11;
/// Set in a block's size when the block is stored as it is.
const STORED: u32 = 1 << 31;
/// The largest expansion of the format: a byte of match length stands for 255 bytes.
const MOST_EXPANSION: usize = 256;

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent)
        .block_checksums(false)
        .content_checksum(false);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(bytes).map_err(malformed)?;
    encoder.finish().map_err(malformed)?;
    Ok(())
}

pub(super) fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    let mut cursor = Cursor::new(bytes);
    let mut out = Vec::with_capacity(bytes.len().saturating_mul(2).min(limit));
    frame(&mut cursor, limit, &mut out)?;
    if cursor.rest.is_empty() {
        Ok(out)
    } else {
        // Kafka's reader ends with the first frame: what follows could be acknowledged, never read.
        Err(malformed("bytes after the frame"))
    }
}

/// What a frame's header says.
struct FrameHeader {
    flags: u8,
    block_size: usize,
    content_size: Option<u64>,
}

impl FrameHeader {
    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, CodecError> {
        if little_endian(cursor)? != MAGIC {
            return Err(malformed("bad magic"));
        }
        let descriptor = cursor.rest;
        let [flags, block] = cursor.array::<2>().ok_or_else(cut_off)?;
        if flags & VERSION_MASK != VERSION || flags & UNSUPPORTED != 0 {
            return Err(malformed("unsupported frame flags"));
        }
        if flags & INDEPENDENT_BLOCKS == 0 {
            return Err(malformed("dependent blocks are not supported"));
        }
        let block_size = match block {
            0x40 => 64 << 10,
            0x50 => 256 << 10,
            0x60 => 1 << 20,
            0x70 => 4 << 20,
            _ => return Err(malformed("bad block size")),
        };
        let content_size = if flags & CONTENT_SIZE == 0 {
            None
        } else {
            Some(u64::from_le_bytes(cursor.array::<8>().ok_or_else(cut_off)?))
        };
        let size = descriptor.len() - cursor.rest.len();
        let [_, check, ..] = hash(descriptor.get(..size).unwrap_or_default()).to_le_bytes();
        if cursor.byte().ok_or_else(cut_off)? != check {
            return Err(malformed("header check differs"));
        }
        Ok(Self {
            flags,
            block_size,
            content_size,
        })
    }
}

/// Decodes one frame onto `out`.
fn frame(cursor: &mut Cursor<'_>, limit: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let header = FrameHeader::read(cursor)?;
    let start = out.len();
    loop {
        let word = little_endian(cursor)?;
        let size = word & !STORED;
        if size == 0 {
            break;
        }
        let bytes = i32::try_from(size)
            .ok()
            .filter(|_| usize::try_from(size).is_ok_and(|size| size <= header.block_size))
            .and_then(|size| cursor.bytes(size))
            .ok_or_else(|| malformed("block size does not fit the stream"))?;
        if header.has(BLOCK_CHECKS) && little_endian(cursor)? != hash(bytes) {
            return Err(malformed("block check differs"));
        }
        if word & STORED == 0 {
            block(bytes, header.block_size, limit, out)?;
        } else if bytes.len() > limit.saturating_sub(out.len()) {
            return Err(CodecError::TooLarge { limit });
        } else {
            out.extend_from_slice(bytes);
        }
    }
    let content = out.get(start..).unwrap_or_default();
    if header
        .content_size
        .is_some_and(|size| u64::try_from(content.len()) != Ok(size))
    {
        return Err(malformed("content size differs"));
    }
    if header.has(CONTENT_CHECK) && little_endian(cursor)? != hash(content) {
        return Err(malformed("content check differs"));
    }
    Ok(())
}

/// Decodes one compressed block onto `out`.
fn block(
    bytes: &[u8],
    block_size: usize,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let start = out.len();
    let most = block_size.min(bytes.len().saturating_mul(MOST_EXPANSION));
    let room = most.min(limit.saturating_sub(start));
    out.resize(start.saturating_add(room), 0);
    let target = out.get_mut(start..).unwrap_or_default();
    match lz4_flex::block::decompress_into(bytes, target) {
        Ok(written) => {
            out.truncate(start + written);
            Ok(())
        }
        Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if room < most => {
            Err(CodecError::TooLarge { limit })
        }
        Err(error) => Err(malformed(error)),
    }
}

fn little_endian(cursor: &mut Cursor<'_>) -> Result<u32, CodecError> {
    cursor
        .array::<4>()
        .map(u32::from_le_bytes)
        .ok_or_else(cut_off)
}

fn cut_off() -> CodecError {
    malformed("cut off")
}

fn malformed(reason: impl std::fmt::Display) -> CodecError {
    Codec::Lz4.malformed(reason)
}

/// XXH32 with seed 0, the checksum of lz4 frames.
fn hash(bytes: &[u8]) -> u32 {
    const PRIMES: [u32; 5] = [
        2_654_435_761,
        2_246_822_519,
        3_266_489_917,
        668_265_263,
        374_761_393,
    ];
    let [p1, p2, p3, p4, p5] = PRIMES;
    let (stripes, mut tail) = bytes.as_chunks::<16>();
    let mut sum = if stripes.is_empty() {
        p5
    } else {
        let mut lanes = [p1.wrapping_add(p2), p2, 0, p1.wrapping_neg()];
        for stripe in stripes {
            let (words, _) = stripe.as_chunks::<4>();
            for (lane, word) in lanes.iter_mut().zip(words) {
                let mixed = lane.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(p2));
                *lane = mixed.rotate_left(13).wrapping_mul(p1);
            }
        }
        let [a, b, c, d] = lanes;
        a.rotate_left(1)
            .wrapping_add(b.rotate_left(7))
            .wrapping_add(c.rotate_left(12))
            .wrapping_add(d.rotate_left(18))
    };
    // The hash takes the length modulo 2^32.
    sum = sum.wrapping_add(bytes.len() as u32);
    while let Some((word, rest)) = tail.split_first_chunk::<4>() {
        sum = sum
            .wrapping_add(u32::from_le_bytes(*word).wrapping_mul(p3))
            .rotate_left(17)
            .wrapping_mul(p4);
        tail = rest;
    }
    for byte in tail {
        sum = sum
            .wrapping_add(u32::from(*byte).wrapping_mul(p5))
            .rotate_left(11)
            .wrapping_mul(p1);
    }
    sum = (sum ^ (sum >> 15)).wrapping_mul(p2);
    sum = (sum ^ (sum >> 13)).wrapping_mul(p3);
    sum ^ (sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::{compress, decompress, hash};
    use crate::record::CodecError;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write as _;

    fn encode(info: FrameInfo, bytes: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(bytes).expect("writes");
        encoder.finish().expect("finishes")
    }

    #[test]
    fn the_checksum_is_xxh32() {
        assert_eq!(hash(b""), 0x02CC_5D05);
        assert_eq!(hash(b"abc"), 0x32D1_53FF);
    }

    #[test]
    fn the_header_is_kafkas() {
        let mut out = Vec::new();
        compress(b"castle", &mut out).expect("compresses");
        assert_eq!(&out[..7], &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
        assert_eq!(&out[out.len() - 4..], &[0; 4]);
    }

    #[test]
    fn checks_and_sizes_are_understood_and_a_second_frame_is_refused() {
        let text: Vec<u8> = (0..200_000_u32)
            .flat_map(|n| (n / 7).to_be_bytes())
            .collect();
        let info = FrameInfo::new()
            .block_size(BlockSize::Max256KB)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(u64::try_from(text.len()).ok());
        let frame = encode(info, &text);
        assert_eq!(decompress(&frame, usize::MAX).expect("decodes"), text);
        assert!(matches!(
            decompress(&frame, text.len() - 1),
            Err(CodecError::TooLarge { .. })
        ));
        for cut in [
            0,
            3,
            6,
            12,
            frame.len() / 2,
            frame.len() - 4,
            frame.len() - 1,
        ] {
            assert!(
                decompress(&frame[..cut], usize::MAX).is_err(),
                "cut at {cut}"
            );
        }
        let mut joined = frame;
        compress(&text, &mut joined).expect("compresses");
        assert!(decompress(&joined, usize::MAX).is_err());
    }

    #[test]
    fn what_java_cannot_read_is_refused() {
        let linked = FrameInfo::new().block_mode(BlockMode::Linked);
        assert!(decompress(&encode(linked, &[7; 300_000]), usize::MAX).is_err());
    }
}
