//! The codecs of record batches, in the containers that Kafka uses.
//!
//! Decompression does not trust the sizes in its input: see [`super::stream`].

use std::fmt;

use bytes::Bytes;

use super::compressor::Compressor;
use super::stream::{Limits, Stream, Target};

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
            // All of the output is held here, so the stream may hold as much.
            held: limit,
        };
        let mut stream = Stream::open(self, bytes, limits)?;
        // Sized by the input, and grows as output appears.
        let mut target = Target::with_capacity(bytes.len().saturating_mul(3).min(limit));
        while stream.unpack(&mut target)? {}
        Ok(target.into_bytes())
    }

    /// Compresses at Kafka's default level, in the containers Kafka uses.
    #[cfg(any(test, feature = "fuzzing"))]
    pub fn compress(self, bytes: &[u8]) -> Result<Bytes, CodecError> {
        let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
        self.compress_onto(bytes, &mut out)?;
        Ok(out.into())
    }

    /// Compresses and appends to `out`. After an error `out` may hold a part of the stream.
    pub(super) fn compress_onto(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut compressor = Compressor::open(Compression::usual(self), out, Some(bytes.len()))?;
        compressor.write(bytes)?;
        compressor.finish().map(drop)
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

/// A codec and its level. The levels are those of Kafka's settings, with the same meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Records as they are.
    None,
    /// 1 to 9; -1 is zlib's default, 6.
    Gzip(i32),
    /// Has no levels.
    Snappy,
    /// 9, the default, is the fast compressor, as in Kafka's client. The other levels from 1 to 17 are those of
    /// the slow one ("HC"), which ends at 12: higher levels count as 12.
    Lz4(i32),
    /// -131072 to 22; 0 is zstd's default, 3. Higher levels compress better; negative ones are faster.
    Zstd(i32),
}

impl Compression {
    /// Kafka's default `compression.gzip.level`.
    pub const GZIP_LEVEL: i32 = -1;
    /// Kafka's default `compression.lz4.level`.
    pub const LZ4_LEVEL: i32 = 9;
    /// Kafka's default `compression.zstd.level`.
    pub const ZSTD_LEVEL: i32 = 3;

    /// A codec at Kafka's default level.
    pub const fn usual(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip => Self::Gzip(Self::GZIP_LEVEL),
            Codec::Snappy => Self::Snappy,
            Codec::Lz4 => Self::Lz4(Self::LZ4_LEVEL),
            Codec::Zstd => Self::Zstd(Self::ZSTD_LEVEL),
        }
    }

    /// The codec without its level.
    pub const fn codec(self) -> Codec {
        match self {
            Self::None => Codec::None,
            Self::Gzip(_) => Codec::Gzip,
            Self::Snappy => Codec::Snappy,
            Self::Lz4(_) => Codec::Lz4,
            Self::Zstd(_) => Codec::Zstd,
        }
    }
}

/// Why bytes could not be compressed or decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The output, or the part of it that must be held at once, would be larger than the caller allows.
    #[error("records are larger than {limit} bytes")]
    TooLarge {
        /// What the caller allows.
        limit: usize,
    },
    /// The input is not a stream of this codec, or is truncated.
    #[error("malformed {codec} stream: {reason}")]
    Malformed {
        /// The codec that was asked for.
        codec: Codec,
        /// The reason from the codec.
        reason: String,
    },
}
