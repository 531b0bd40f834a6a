//! Compression piece by piece, the counterpart of [`super::stream`].
//!
//! Its memory does not depend on the amount of data: a block of snappy or lz4, a few hundred KiB for gzip, and for
//! zstd its window and tables, which grow with the level: see [`WIDEST_WINDOW`].

use std::io::Write;

use lz4_flex::frame::FrameEncoder;

use super::blocks::BlockWriter;
use super::compress::{Codec, CodecError, Compression};
use super::lz4::{self, HighFormat};
use super::snappy::SnappyFormat;

/// Levels of zstd above this one would use a wider window than [`WIDEST_WINDOW`] ...
const WIDE_ZSTD_LEVELS: i32 = 19;

/// ... which all of them get here instead (as a power of two): 8 MiB, with tables of some 100 MiB. Their own
/// windows of up to 128 MiB would need most of a gigabyte, and every consumer would need the size of the
/// window. Batches of a usual size are smaller than that, so nothing is lost.
const WIDEST_WINDOW: u32 = 23;

/// A compressed stream that is being written to `W`.
pub(super) struct Compressor<W: Write> {
    codec: Codec,
    sink: Sink<W>,
}

enum Sink<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Snappy(Box<BlockWriter<W, SnappyFormat>>),
    Lz4(Box<FrameEncoder<W>>),
    HighLz4(BlockWriter<W, HighFormat>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// Starts a stream. `size` is the number of bytes that will be written, if it is known; it must be exact.
    pub(super) fn open(
        compression: Compression,
        out: W,
        size: Option<usize>,
    ) -> Result<Self, CodecError> {
        let codec = compression.codec();
        let sink = match compression {
            Compression::None => Sink::Plain(out),
            Compression::Gzip(level) => {
                let level = u32::try_from(level)
                    .map_or_else(|_| Default::default(), flate2::Compression::new);
                Sink::Gzip(flate2::write::GzEncoder::new(out, level))
            }
            Compression::Snappy => {
                let format = SnappyFormat(snap::raw::Encoder::new());
                Sink::Snappy(Box::new(BlockWriter::open(format, out)?))
            }
            Compression::Lz4(Compression::LZ4_LEVEL) => Sink::Lz4(Box::new(lz4::encoder(out))),
            Compression::Lz4(level) => Sink::HighLz4(BlockWriter::open(HighFormat { level }, out)?),
            Compression::Zstd(level) => {
                let encoder = zstd_encoder(level, out, size);
                Sink::Zstd(encoder.map_err(|error| codec.malformed(error))?)
            }
        };
        Ok(Self { codec, sink })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let written = match &mut self.sink {
            Sink::Plain(out) => out.write_all(bytes),
            Sink::Gzip(encoder) => encoder.write_all(bytes),
            Sink::Snappy(writer) => return writer.write(bytes),
            Sink::Lz4(encoder) => encoder.write_all(bytes),
            Sink::HighLz4(writer) => return writer.write(bytes),
            Sink::Zstd(encoder) => encoder.write_all(bytes),
        };
        written.map_err(|error| self.codec.malformed(error))
    }

    pub(super) fn finish(self) -> Result<W, CodecError> {
        let finished = match self.sink {
            Sink::Plain(out) => Ok(out),
            Sink::Gzip(encoder) => encoder.finish(),
            Sink::Snappy(writer) => return writer.finish(),
            Sink::Lz4(encoder) => encoder.finish().map_err(std::io::Error::other),
            Sink::HighLz4(writer) => return writer.finish(),
            Sink::Zstd(encoder) => encoder.finish(),
        };
        finished.map_err(|error| self.codec.malformed(error))
    }
}

fn zstd_encoder<W: Write>(
    level: i32,
    out: W,
    size: Option<usize>,
) -> std::io::Result<zstd::stream::write::Encoder<'static, W>> {
    let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
    if level > WIDE_ZSTD_LEVELS {
        encoder.window_log(WIDEST_WINDOW)?;
    }
    // With the size, zstd uses a window and tables that fit a small batch.
    encoder.set_pledged_src_size(size.and_then(|size| u64::try_from(size).ok()))?;
    Ok(encoder)
}

#[cfg(any(test, feature = "fuzzing"))]
impl Compression {
    /// Compresses in the containers Kafka uses.
    pub fn compress(self, bytes: &[u8]) -> Result<bytes::Bytes, CodecError> {
        let out = Vec::with_capacity(bytes.len() / 2 + 64);
        let mut compressor = Compressor::open(self, out, Some(bytes.len()))?;
        compressor.write(bytes)?;
        compressor.finish().map(bytes::Bytes::from)
    }
}
