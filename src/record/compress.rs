//! The codecs of record batches, in the containers that Kafka uses.
//!
//! Decompression believes nothing that the input says about its size: see [`super::stream`].

use std::fmt;
use std::io::Write;

use bytes::Bytes;

use super::stream::{Limits, Stream, Target};
use super::{lz4, snappy};

/// Kafka's default `compression.zstd.level`.
const ZSTD_LEVEL: i32 = 3;

/// A batch's codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Codec {
    /// Records as they are.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// The stream format of snappy-java.
    Snappy,
    /// An lz4 frame.
    Lz4,
    /// A zstd frame.
    Zstd,
}

impl Codec {
    /// The codec of attribute bits 0 to 2.
    pub const fn from_id(id: i16) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The number in attribute bits 0 to 2.
    pub const fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The word that `compression.type` uses for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Decompresses, refusing to produce more than `limit` bytes.
    pub fn decompress(self, bytes: &[u8], limit: usize) -> Result<Bytes, CodecError> {
        let limits = Limits {
            total: limit,
            // All of it is held here, so the stream need not hold less.
            held: limit,
        };
        let mut stream = Stream::open(self, bytes, limits)?;
        // Sized by bytes that are really there; grows as output appears.
        let mut target = Target::with_capacity(bytes.len().saturating_mul(3).min(limit));
        while stream.unpack(&mut target)? {}
        Ok(target.into_bytes())
    }

    /// Compresses at Kafka's default level, in the containers Kafka uses.
    pub fn compress(self, bytes: &[u8]) -> Result<Bytes, CodecError> {
        let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
        self.compress_onto(bytes, &mut out)?;
        Ok(out.into())
    }

    /// Compresses and appends to `out`. After an error `out` may hold a part of the stream.
    pub(super) fn compress_onto(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Self::None => out.extend_from_slice(bytes),
            Self::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(out, flate2::Compression::default());
                encoder
                    .write_all(bytes)
                    .and_then(|()| encoder.finish())
                    .map_err(|error| self.malformed(error))?;
            }
            Self::Snappy => snappy::compress(bytes, out)?,
            Self::Lz4 => lz4::compress(bytes, out)?,
            Self::Zstd => zstd::stream::write::Encoder::new(out, ZSTD_LEVEL)
                .and_then(|mut encoder| {
                    // Knowing the size, zstd takes a window and tables that fit a small batch.
                    encoder.set_pledged_src_size(u64::try_from(bytes.len()).ok())?;
                    encoder.write_all(bytes)?;
                    encoder.finish().map(drop)
                })
                .map_err(|error| self.malformed(error))?,
        }
        Ok(())
    }

    pub(super) fn malformed(self, reason: impl fmt::Display) -> CodecError {
        CodecError::Malformed {
            codec: self,
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes could not be compressed or decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The output, or what of it must be held at once, would be larger than the caller allows.
    #[error("records are larger than {limit} bytes")]
    TooLarge {
        /// What the caller allows.
        limit: usize,
    },
    /// The input is no stream of this codec, or is cut off.
    #[error("malformed {codec} stream: {reason}")]
    Malformed {
        /// The codec that was asked for.
        codec: Codec,
        /// What the codec said.
        reason: String,
    },
}
