//! Lz4 frames as Kafka reads and writes them.
//!
//! ```text
//! 04 22 4d 18 | flags | block size | [content size, 8] | header check | (size | block | [check])* | 0 | [check]
//! ```
//!
//! Numbers are little-endian. Like Kafka's reader, this one refuses blocks that refer to earlier blocks:
//! Java consumers could not read them, so they must not be acknowledged. `lz4_flex` decodes blocks. Its
//! frame decoder is not used, since it accepts a frame without an end and sizes its buffers by the frame
//! header. It also compresses at the fast level; the other levels are those of the `lz4` crate.

use std::io::Write;

use lz4::block::CompressionMode;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::blocks::{BlockFormat, Packed};
use super::compress::{Codec, CodecError};
use super::stream::Target;
use super::varint::{Cursor, Fields};
use super::xxh32::Xxh32;

const MAGIC: u32 = 0x184D_2204;
const VERSION_MASK: u8 = 0b1100_0000;
const VERSION: u8 = 0b0100_0000;
const INDEPENDENT_BLOCKS: u8 = 1 << 5;
const BLOCK_CHECKS: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECK: u8 = 1 << 2;
/// One reserved bit, and one for dictionaries, which Kafka does not support.
const UNSUPPORTED: u8 = 0b11;
/// Set in a block's size if the block is stored uncompressed.
const STORED: u32 = 1 << 31;
/// The largest expansion of the format: a byte of match length stands for 255 bytes.
const MOST_EXPANSION: usize = 256;

/// What Kafka writes: independent blocks of 64 KiB, no checks, no content size.
pub(super) fn encoder<W: Write>(out: W) -> FrameEncoder<W> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent)
        .block_checksums(false)
        .content_checksum(false);
    FrameEncoder::with_frame_info(info, out)
}

/// The same frames from the slow compressor, which `lz4_flex` does not have.
pub(super) struct HighFormat {
    pub(super) level: i32,
}

impl BlockFormat for HighFormat {
    const CODEC: Codec = Codec::Lz4;
    const BLOCK: usize = 64 << 10;
    /// Magic, flags, block size, header check.
    const START: &'static [u8] = &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    const END: &'static [u8] = &[0; 4];

    fn most_packed(size: usize) -> usize {
        // A block that does not fit is stored uncompressed.
        size
    }

    fn pack(&mut self, bytes: &[u8], packed: &mut [u8]) -> Result<Packed, CodecError> {
        let mode = CompressionMode::HIGHCOMPRESSION(self.level);
        let stored = || u32::try_from(bytes.len()).map(|size| (size | STORED).to_le_bytes());
        // It fails if the block does not get smaller, since there is no room for more.
        match lz4::block::compress_to_buffer(bytes, Some(mode), false, packed) {
            Ok(size) if size < bytes.len() => Ok(Packed {
                head: u32::try_from(size).map_err(malformed)?.to_le_bytes(),
                size: Some(size),
            }),
            _ => Ok(Packed {
                head: stored().map_err(malformed)?,
                size: None,
            }),
        }
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
        let [_, check, ..] = Xxh32::of(descriptor.get(..size).unwrap_or_default()).to_le_bytes();
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

/// A stream of exactly one frame, unpacked block by block.
pub(super) struct Lz4Frame<'a> {
    cursor: Cursor<'a>,
    header: FrameHeader,
    /// Bytes of output so far, and their hash if the frame has one.
    unpacked: u64,
    hash: Xxh32,
    ended: bool,
}

impl<'a> Lz4Frame<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let mut cursor = Cursor::new(bytes);
        let header = FrameHeader::read(&mut cursor)?;
        Ok(Self {
            cursor,
            header,
            unpacked: 0,
            hash: Xxh32::new(),
            ended: false,
        })
    }

    /// Unpacks the next block; false at the end.
    pub(super) fn unpack(&mut self, target: &mut Target) -> Result<bool, CodecError> {
        if self.ended {
            return Ok(false);
        }
        let word = little_endian(&mut self.cursor)?;
        let size = word & !STORED;
        if size == 0 {
            self.end()?;
            return Ok(false);
        }
        let bytes = i32::try_from(size)
            .ok()
            .filter(|_| usize::try_from(size).is_ok_and(|size| size <= self.header.block_size))
            .and_then(|size| self.cursor.bytes(size))
            .ok_or_else(|| malformed("block size does not fit the stream"))?;
        if self.header.has(BLOCK_CHECKS) && little_endian(&mut self.cursor)? != Xxh32::of(bytes) {
            return Err(malformed("block check differs"));
        }
        let start = target.filled();
        if word & STORED == 0 {
            let most = bytes.len().saturating_mul(MOST_EXPANSION);
            let room = target.room(self.header.block_size.min(most));
            let written = lz4_flex::block::decompress_into(bytes, room).map_err(malformed)?;
            target.fill(written);
        } else {
            target.append(bytes);
        }
        let block = target.filled_from(start);
        self.unpacked = self.unpacked.saturating_add(block.len() as u64);
        if self.header.has(CONTENT_CHECK) {
            self.hash.update(block);
        }
        Ok(true)
    }

    /// Checks what follows the last block.
    fn end(&mut self) -> Result<(), CodecError> {
        self.ended = true;
        if self
            .header
            .content_size
            .is_some_and(|size| size != self.unpacked)
        {
            return Err(malformed("content size differs"));
        }
        if self.header.has(CONTENT_CHECK) && little_endian(&mut self.cursor)? != self.hash.finish()
        {
            return Err(malformed("content check differs"));
        }
        if self.cursor.rest.is_empty() {
            Ok(())
        } else {
            // Kafka's reader stops after the first frame: further bytes could be acknowledged but never read.
            Err(malformed("bytes after the frame"))
        }
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

#[cfg(test)]
mod tests {
    use crate::record::{Codec, CodecError, Compression};
    use bytes::Bytes;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write as _;

    fn decompress(bytes: &[u8], limit: usize) -> Result<Bytes, CodecError> {
        Codec::Lz4.decompress(bytes, limit)
    }

    fn encode(info: FrameInfo, bytes: &[u8]) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(bytes).expect("writes");
        encoder.finish().expect("finishes")
    }

    #[test]
    fn the_header_is_kafkas() {
        for level in [Compression::LZ4_LEVEL, 1, 12] {
            let out = Compression::Lz4(level).compress(b"castle");
            let out = out.expect("compresses");
            assert_eq!(&out[..7], &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
            assert_eq!(&out[out.len() - 4..], &[0; 4]);
        }
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
        joined.extend(Codec::Lz4.compress(&text).expect("compresses"));
        assert!(decompress(&joined, usize::MAX).is_err());
    }

    #[test]
    fn what_java_cannot_read_is_refused() {
        let linked = FrameInfo::new().block_mode(BlockMode::Linked);
        assert!(decompress(&encode(linked, &[7; 300_000]), usize::MAX).is_err());
    }
}
