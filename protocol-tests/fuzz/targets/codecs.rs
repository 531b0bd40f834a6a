//! The four codecs: a stream from anywhere, and any bytes there and back.

use zurau::fuzzed::record::{Codec, Compression};

use crate::input::Input;

/// What a stream may unpack to: a bomb is one from here on. There is one among the seeds of each codec.
const LIMIT: usize = 256 << 10;

pub(crate) fn gzip(bytes: &[u8]) {
    stream(Codec::Gzip, bytes);
}

pub(crate) fn snappy(bytes: &[u8]) {
    stream(Codec::Snappy, bytes);
}

pub(crate) fn lz4(bytes: &[u8]) {
    stream(Codec::Lz4, bytes);
}

pub(crate) fn zstd(bytes: &[u8]) {
    stream(Codec::Zstd, bytes);
}

fn stream(codec: Codec, bytes: &[u8]) {
    if let Ok(unpacked) = codec.decompress(bytes, LIMIT) {
        assert!(unpacked.len() <= LIMIT);
        // One byte less is too much.
        if let Some(limit) = unpacked.len().checked_sub(1) {
            assert!(codec.decompress(bytes, limit).is_err());
        }
        if unpacked.len() < 1 << 17 {
            there_and_back(Compression::usual(codec), &unpacked);
        }
    }
    let mut input = Input(bytes);
    let level = i32::from(input.byte());
    let compression = match codec {
        Codec::None => Compression::None,
        Codec::Gzip => Compression::Gzip(level % 9 + 1),
        Codec::Snappy => Compression::Snappy,
        Codec::Lz4 => Compression::Lz4(level % 17 + 1),
        Codec::Zstd => Compression::Zstd(level % 24 - 5),
    };
    there_and_back(compression, input.0);
}

fn there_and_back(compression: Compression, bytes: &[u8]) {
    let packed = compression.compress(bytes).expect("compresses");
    let unpacked = compression.codec().decompress(&packed, bytes.len());
    assert_eq!(unpacked.expect("unpacks"), bytes);
}
