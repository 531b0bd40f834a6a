//! Decompression piece by piece: one reader for records that are kept ([`Codec::decompress`]) and for
//! records that are only checked ([`super::scan`]).
//!
//! The memory that a stream requires at once, whatever its uncompressed size:
//! - gzip: a piece, and 32 KiB of history;
//! - lz4: one block, at most 4 MiB;
//! - snappy: one block. snappy-java writes blocks of 32 KiB, but a bare stream is one block, so its size field is
//!   compared with [`Limits::held`] and with the most that its bytes could expand to;
//! - zstd: a piece, and the window in the frame header: see [`super::zstd_frames`].

use std::io::Read;

use bytes::Bytes;

use super::compress::{Codec, CodecError};
use super::lz4::Lz4Frame;
use super::snappy::SnappyBlocks;
use super::varint::{Cursor, Fields};
use super::zstd_frames::ZstdFrames;

/// Codecs without blocks of their own return at most this many bytes at a time ...
pub(super) const PIECE: usize = 32 * 1024;
/// ... and fewer for short input, for which a large buffer would cost more than its decompression.
const PIECE_EXPANSION: usize = 8;
const LEAST_PIECE: usize = 1024;

/// The limits of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Total bytes of output: limits the time.
    pub total: usize,
    /// Bytes that its reader must hold at once: limits the memory.
    pub held: usize,
}

/// A compressed stream.
pub(super) struct Stream<'a> {
    codec: Codec,
    source: Source<'a>,
    limits: Limits,
    /// Bytes that may still come.
    room: usize,
    piece: usize,
}

enum Source<'a> {
    Plain(Cursor<'a>),
    Gzip(flate2::bufread::MultiGzDecoder<&'a [u8]>),
    Snappy(SnappyBlocks<'a>),
    Lz4(Lz4Frame<'a>),
    Zstd(ZstdFrames<'a>),
}

impl<'a> Stream<'a> {
    pub(super) fn open(codec: Codec, bytes: &'a [u8], limits: Limits) -> Result<Self, CodecError> {
        let source = match codec {
            Codec::None => Source::Plain(Cursor::new(bytes)),
            Codec::Gzip => Source::Gzip(flate2::bufread::MultiGzDecoder::new(bytes)),
            Codec::Snappy => Source::Snappy(SnappyBlocks::open(bytes, limits.held)),
            Codec::Lz4 => Source::Lz4(Lz4Frame::open(bytes)?),
            Codec::Zstd => Source::Zstd(ZstdFrames::open(bytes, limits.held)?),
        };
        let piece = bytes.len().saturating_mul(PIECE_EXPANSION);
        Ok(Self {
            codec,
            source,
            limits,
            room: limits.total,
            piece: piece.clamp(LEAST_PIECE, PIECE),
        })
    }

    pub(super) const fn codec(&self) -> Codec {
        self.codec
    }

    /// Appends some more output to `target`, perhaps nothing. False at the end, when the whole stream is known to
    /// be well formed.
    pub(super) fn unpack(&mut self, target: &mut Target) -> Result<bool, CodecError> {
        let before = target.filled;
        let more = match &mut self.source {
            Source::Plain(cursor) => {
                let size = cursor.left().min(self.piece);
                let (piece, rest) = cursor.rest.split_at(size);
                cursor.rest = rest;
                target.append(piece);
                size > 0
            }
            Source::Gzip(reader) => {
                let size = reader
                    .read(target.room(self.piece))
                    .map_err(|error| self.codec.malformed(error))?;
                target.fill(size);
                size > 0
            }
            Source::Snappy(blocks) => blocks.unpack(target)?,
            Source::Lz4(frame) => frame.unpack(target)?,
            Source::Zstd(frames) => frames.unpack(target, self.piece)?,
        };
        let written = target.filled - before;
        self.room = self.room.checked_sub(written).ok_or({
            CodecError::TooLarge {
                limit: self.limits.total,
            }
        })?;
        Ok(more)
    }

    /// Bytes of output so far.
    pub(super) const fn unpacked(&self) -> usize {
        self.limits.total - self.room
    }

    /// Bytes that the decompressor itself holds, if that is not a small constant.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        match &self.source {
            Source::Zstd(frames) => frames.held(),
            _ => 0,
        }
    }
}

/// The target of decompression: memory that is filled from the start, and can be reused without being
/// cleared.
#[derive(Default)]
pub(super) struct Target {
    bytes: Vec<u8>,
    filled: usize,
}

impl Target {
    pub(super) fn with_capacity(size: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(size),
            filled: 0,
        }
    }

    /// `size` bytes after those that are filled, with any content.
    pub(super) fn room(&mut self, size: usize) -> &mut [u8] {
        let end = self.filled.saturating_add(size);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Marks the next `size` bytes as filled.
    pub(super) fn fill(&mut self, size: usize) {
        self.filled = self.filled.saturating_add(size).min(self.bytes.len());
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.fill(bytes.len());
    }

    pub(super) const fn clear(&mut self) {
        self.filled = 0;
    }

    /// The filled bytes, from `start` on.
    #[inline]
    pub(super) fn filled_from(&self, start: usize) -> &[u8] {
        self.bytes.get(start..self.filled).unwrap_or_default()
    }

    pub(super) const fn filled(&self) -> usize {
        self.filled
    }

    pub(super) fn into_bytes(mut self) -> Bytes {
        self.bytes.truncate(self.filled);
        self.bytes.into()
    }

    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
